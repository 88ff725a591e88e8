use vectra_abi::Status;

use crate::object::Frame;
use crate::platform::{Answer, Platform};
use crate::refusal::Refusal;
use crate::run::Queues;

/// All state that is not inside an object's page, and the way in.
pub struct Machine<P> {
    /// Who carries it out.
    pub platform: P,
    pub(crate) tasks: Frame,
    pub(crate) dead: Frame,
    pub(crate) queues: Queues,
    pub(crate) deadline_min_ns: u64,
}

/// What became of a call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// The caller goes on with these words.
    Answered(Answer),
    /// The caller goes on later: it waits, or yielded.
    Suspended,
    /// The caller is no more.
    Gone,
}

impl<P: Platform> Machine<P> {
    /// Makes a machine without Tasks; [`Machine::boot`] makes the first.
    pub fn new(platform: P) -> Self {
        Self {
            platform,
            tasks: Frame::NONE,
            dead: Frame::NONE,
            queues: Queues::new(),
            deadline_min_ns: u64::MAX,
        }
    }

    /// Carries out one call of a running Task: decode, then perform.
    ///
    /// While something is dying no call is decoded, only a part of the clearing up is done: else
    /// how soon a Task's belongings vanish would tell others who else has been calling.
    pub fn call(&mut self, caller: Frame, number: u64, words: [u64; 6]) -> Outcome {
        if !self.settle() {
            return Outcome::Answered(Answer { status: Status::Again as u64, words: [0; 4] });
        }
        if self.is_gone(caller) {
            return Outcome::Gone;
        }
        match self.decode(caller, number, words) {
            Ok(action) => self.perform(caller, action),
            Err(refusal) => Outcome::Answered(Refusal::answer(refusal)),
        }
    }
}
