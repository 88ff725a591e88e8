use vectra_abi::{ABI_VERSION, Call, Status};

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
    #[inline]
    pub fn call(&mut self, caller: Frame, number: u64, words: [u64; 6]) -> Outcome {
        if self.dead != Frame::NONE
            && let Some(instead) = self.clear_up(caller)
        {
            return instead;
        }
        debug_assert!(!self.is_gone(caller), "who has ended does not call");
        match self.call_plain(caller, number, words[0]) {
            Some(word) => Outcome::Answered(Answer::ok([word, 0, 0, 0])),
            None => self.decide(caller, number, words),
        }
    }

    /// Says whether nobody is dying and nobody ready: then a plain call of a running Task is carried out
    /// by [`Machine::call_plain`] alone, with nothing to do before or after it.
    #[inline]
    pub fn is_quiet(&self) -> bool {
        self.dead == Frame::NONE && self.is_nobody_ready()
    }

    /// Clears up before a call; returns what comes of the call if it is not to be decoded.
    #[cold]
    #[inline(never)]
    fn clear_up(&mut self, caller: Frame) -> Option<Outcome> {
        if !self.settle() {
            let again = Answer { status: Status::Again as u64, words: [0; 4] };
            return Some(Outcome::Answered(again));
        }
        // What died may have been the last capability to the caller.
        self.is_gone(caller).then_some(Outcome::Gone)
    }

    /// Carries out a call that cannot be refused and that touches nobody but the caller; returns its one
    /// result.
    #[inline]
    pub fn call_plain(&mut self, caller: Frame, number: u64, word: u64) -> Option<u64> {
        Some(match Call::from_word(number)? {
            Call::machine_version => ABI_VERSION,
            Call::clock_now => self.platform.now_ns(),
            Call::signal_poll => self.take_signals(caller, word),
            _ => return None,
        })
    }

    #[inline(never)]
    fn decide(&mut self, caller: Frame, number: u64, words: [u64; 6]) -> Outcome {
        match self.decode(caller, number, words) {
            Ok(action) => self.perform(caller, action),
            Err(refusal) => Outcome::Answered(Refusal::answer(refusal)),
        }
    }
}
