//! What a case works with.

use core::sync::atomic::{AtomicU64, Ordering};

use vectra_abi::{Access, Kind, Name, Rights, SELF, Status, TaskState};
use vectra_core::Archive;
use vectra_tasks::children::{OWN_AT, archive, build, start};
use vectra_tasks::rt::{Child, LoadError, Pages, Refused, Slot, call, find, free_name, words};
use vectra_tasks::say;

/// Pages of every case's part.
const CASE_PAGES: u64 = 1024;
/// Pages of a child's part.
pub const CHILD_PAGES: u64 = 128;
/// The bit that a child's end sets.
pub const ENDED: u64 = 1 << 40;
/// Bits that a child may set.
pub const YES: u64 = 1 << 41;
pub const NO: u64 = 1 << 42;
/// Where cases map things.
pub const AT: u64 = 0x0400_0000;
/// Where a gate is mapped, here and in the actor.
const GATE_AT: u64 = 0x0480_0000;
/// Longer than anything takes that is not broken; the emulator may be slow.
pub const SOON_NS: u64 = 10_000_000_000;

/// Why a case failed.
pub enum Fail {
    /// A call that must succeed was refused.
    Refused(Refused),
    /// A child could not be built.
    Load(LoadError),
    /// Something is not as it must be.
    Wrong(&'static str, u64),
}

impl From<Refused> for Fail {
    fn from(refused: Refused) -> Self {
        Self::Refused(refused)
    }
}

impl From<LoadError> for Fail {
    fn from(error: LoadError) -> Self {
        Self::Load(error)
    }
}

/// How a case ends.
pub type Done = Result<(), Fail>;

/// A page on which an actor says how far it is, and reads how far it may go.
pub struct Gate(&'static [AtomicU64]);

impl Gate {
    /// Lets the actor go up to a step.
    pub fn open(&self, step: u64) {
        self.0[0].store(step, Ordering::Release);
    }

    /// Waits until the actor stands before a step.
    pub fn reached(&self, step: u64) -> Done {
        let until = call::clock_now()?[0] + SOON_NS;
        while self.0[1].load(Ordering::Acquire) < step {
            must(call::clock_now()?[0] < until, "the actor comes to its next step")?;
            pause(100_000)?;
        }
        Ok(())
    }
}

/// What every case has.
pub struct Bench {
    /// Cases so far.
    pub cases: u32,
    /// Those that failed.
    pub failed: u32,
    /// The part of this case.
    pub part: Slot,
    archive: Archive<'static>,
    scratch: Pages,
}

impl Bench {
    /// Maps the archive and splits the part off.
    pub fn new() -> Result<Self, Refused> {
        let memory = find("memory")?;
        let [low, high] = Name::new("case").words();
        let part = Slot(call::reticle_split(memory.0, CASE_PAGES, low, high)?[0]);
        let archive = match archive() {
            Some(archive) => archive,
            None => return Err(call::cap_find(0, 0).expect_err("the archive is missing")),
        };
        let scratch = Pages::new(part, OWN_AT);
        Ok(Self { cases: 0, failed: 0, part, archive, scratch })
    }

    /// Runs one case and clears up behind it.
    pub fn case(&mut self, group: &str, name: &str, run: impl FnOnce(&mut Self) -> Done) {
        self.cases += 1;
        let before = self.free_slots();
        let mut result = run(self);
        if let Err(refused) = self.clear()
            && result.is_ok()
        {
            result = Err(refused.into());
        }
        if result.is_ok() && self.free_slots() != before {
            result = Err(Fail::Wrong("slots that it left behind", before - self.free_slots()));
        }
        match result {
            Ok(()) => say!("ok {group}/{name}"),
            Err(fail) => {
                self.failed += 1;
                match fail {
                    Fail::Refused(refused) => say!("FAILED {group}/{name}: {refused}"),
                    Fail::Load(error) => say!("FAILED {group}/{name}: {error}"),
                    Fail::Wrong(what, value) => say!("FAILED {group}/{name}: {what}: {value:#x}"),
                }
            }
        }
    }

    fn free_slots(&self) -> u64 {
        (0..48).filter(|&slot| call::cap_info(slot).is_err()).count() as u64
    }

    fn clear(&mut self) -> Result<(), Refused> {
        call::reticle_reset(self.part.0)?;
        call::cap_revoke(SELF)?;
        call::signal_poll(u64::MAX)?;
        Ok(())
    }

    /// Makes an object out of the case's part.
    pub fn make(&self, kind: Kind, count: u64) -> Result<u64, Refused> {
        let [low, high] = free_name("made").words();
        Ok(call::reticle_retype(self.part.0, kind as u64, count, low, high, 0)?[0])
    }

    /// Makes and maps a page, and returns its slot and the first word's address.
    pub fn page(&self, address: u64) -> Result<u64, Refused> {
        let slot = self.make(Kind::Memory, 1)?;
        call::memory_map(SELF, slot, address, Access::Write as u64)?;
        Ok(slot)
    }

    /// Mints a signal.
    pub fn signal(&self, bits: u64) -> Result<u64, Refused> {
        let [low, high] = free_name("signal").words();
        Ok(call::signal_mint(bits, low, high)?[0])
    }

    /// Builds the actor, which does what the slot named `do.…` says, and watches it.
    pub fn actor(&mut self, act: &str) -> Result<Child, Fail> {
        let part = self.part;
        let name = free_name("actor");
        let name = name.as_str();
        let (child, _) =
            build(&self.archive, part, CHILD_PAGES, &mut self.scratch, "crasher", name)?;
        let end = self.signal(ENDED)?;
        call::task_watch(child.slot.0, end)?;
        self.put(&child, end, Rights::RAISE, act)?;
        for (bits, name) in [(YES, "yes"), (NO, "no")] {
            let signal = self.signal(bits)?;
            self.put(&child, signal, Rights::RAISE, name)?;
        }
        Ok(child)
    }

    /// Shares a page with the actor, through which its steps are let go one by one.
    pub fn gate(&self, child: &Child) -> Result<Gate, Refused> {
        let page = self.page(GATE_AT)?;
        let rights = Rights::READ.or(Rights::WRITE);
        let slot = self.put(child, page, rights, "gate")?;
        call::memory_map(child.slot.0, slot, GATE_AT, Access::Write as u64)?;
        Ok(Gate(words(GATE_AT, 1)))
    }

    /// Gives the actor a part of memory of its own.
    pub fn endow(&self, child: &Child, pages: u64) -> Result<(), Refused> {
        let [low, high] = free_name("endow").words();
        let part = call::reticle_split(self.part.0, pages, low, high)?[0];
        self.give(child, part, "memory").map(|_| ())
    }

    /// Copies a slot into a child.
    pub fn put(
        &self,
        child: &Child,
        slot: u64,
        rights: Rights,
        name: &str,
    ) -> Result<u64, Refused> {
        let [low, high] = Name::new(name).words();
        Ok(call::bundle_put(child.slot.0, slot, u64::from(rights.0), low, high)?[0])
    }

    /// Moves a slot into a child.
    pub fn give(&self, child: &Child, slot: u64, name: &str) -> Result<u64, Refused> {
        let [low, high] = Name::new(name).words();
        let rights = call::cap_info(slot)?[1];
        Ok(call::bundle_give(child.slot.0, slot, rights, low, high)?[0])
    }

    /// Starts a child.
    pub fn start(&self, child: &Child) -> Result<(), Refused> {
        start(child, 3)
    }

    /// Waits for signals, but not for ever.
    pub fn wait(&self, bits: u64) -> Result<u64, Refused> {
        let now = call::clock_now()?[0];
        Ok(call::signal_wait(bits, now + SOON_NS)?[0])
    }

    /// Starts the actor and waits until it says yes, says no, or ends.
    pub fn verdict(&self, child: &Child) -> Done {
        self.start(child)?;
        self.hear(child)
    }

    /// Waits until the actor says yes, says no, or ends.
    pub fn hear(&self, child: &Child) -> Done {
        let bits = self.wait(YES | NO | ENDED)?;
        if bits & YES != 0 {
            return Ok(());
        }
        let [state, code, address, _] = call::task_status(child.slot.0)?;
        Err(Fail::Wrong(
            "the actor did not say yes",
            bits | state << 8 | code << 12 | address << 20,
        ))
    }
}

/// Sleeps: others' priority is lower, so looking again and again would not let them run.
pub fn pause(time_ns: u64) -> Done {
    let until = call::clock_now()?[0] + time_ns;
    refused(call::signal_wait(1 << 50, until), Status::Timeout).map(|_| ())
}

/// Says that something must be so.
pub fn must(holds: bool, what: &'static str) -> Done {
    if holds { Ok(()) } else { Err(Fail::Wrong(what, 0)) }
}

/// Says that two words must be equal.
pub fn same(got: u64, want: u64, what: &'static str) -> Done {
    if got == want { Ok(()) } else { Err(Fail::Wrong(what, got)) }
}

/// Says that a call must be refused so.
pub fn refused<T>(result: Result<T, Refused>, status: Status) -> Result<Refused, Fail> {
    match result {
        Err(refused) if refused.status == status => Ok(refused),
        Err(refused) => Err(refused.into()),
        Ok(_) => Err(Fail::Wrong("it was not refused", status as u64)),
    }
}

/// Says what a Task must be doing.
pub fn is(child: &Child, state: TaskState) -> Done {
    same(call::task_status(child.slot.0)?[0], state as u64, "the state")
}
