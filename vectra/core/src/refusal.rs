use vectra_abi::{Kind, Rights, Status};

use crate::platform::Answer;

/// Why a call was refused: enough for a Task to say it by name, since its Bundle names the slot.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Refusal {
    /// What is wrong.
    pub status: Status,
    /// The Bundle slot that it is about.
    pub slot: u64,
    /// The kind of object that was found there.
    pub kind: Kind,
    /// Missing rights, missing bytes or the offending tag.
    pub missing: u64,
    /// Which argument, from zero.
    pub argument: u64,
}

impl Refusal {
    /// Refuses because of an argument.
    pub(crate) const fn argument(argument: usize) -> Self {
        Self::of(Status::BadArgument, argument, 0, Kind::Empty, 0)
    }

    pub(crate) const fn of(
        status: Status,
        argument: usize,
        slot: u64,
        kind: Kind,
        missing: u64,
    ) -> Self {
        Self { status, slot, kind, missing, argument: argument as u64 }
    }

    /// Returns the words that the Task sees.
    pub const fn answer(self) -> Answer {
        Answer {
            status: self.status as u64,
            words: [self.slot, self.kind as u64, self.missing, self.argument],
        }
    }
}

/// A checked slot of the caller: what decoding knows and performing relies on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Found {
    pub link: crate::object::Link,
    pub slot: crate::object::Slot,
    pub argument: usize,
}

impl Found {
    pub const fn refuse(&self, status: Status, missing: u64) -> Refusal {
        Refusal::of(status, self.argument, self.link.index() as u64, self.slot.kind, missing)
    }

    pub fn need(&self, rights: Rights) -> Result<(), Refusal> {
        let missing = rights.minus(self.slot.rights);
        if missing == Rights::NONE {
            Ok(())
        } else {
            Err(self.refuse(Status::MissingRight, u64::from(missing.0)))
        }
    }
}
