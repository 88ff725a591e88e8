//! Decoding of calls on Tasks, capabilities and Bundles.

use vectra_abi::{BUNDLE_SLOTS, Kind, Name, Rights, SELF, Status, TaskState};

use crate::action::{Action, ReplaceEffect};
use crate::decode::{Decoded, answer};
use crate::machine::Machine;
use crate::object::{BUDGET, Body, Budget, Frame, Link, Slot, WATCH};
use crate::platform::Platform;
use crate::refusal::{Found, Refusal};

/// Rights that exist once per object: deriving a capability with one takes it from the source.
pub(crate) const MOVING: Rights = Rights::SEND.or(Rights::RECEIVE);

/// Periods shorter than this would be spent on switching.
const BUDGET_PERIOD_NS_MIN: u64 = 1_000_000;

impl<P: Platform> Machine<P> {
    // --- tasks ---

    pub(crate) fn decode_start(&self, caller: Frame, w: [u64; 6]) -> Decoded {
        let found = self.find_kind(caller, 0, w[0], Kind::Task, Rights::CONTROL)?;
        self.check_write(caller, &found)?;
        if self.task(found.slot.object).state != TaskState::Embryo {
            return Err(found.refuse(Status::WrongState, 0));
        }
        let window = vectra_abi::WINDOW_START..vectra_abi::WINDOW_END;
        if !window.contains(&w[1]) {
            return Err(Refusal::argument(1));
        }
        if !window.contains(&w[2]) || !w[2].is_multiple_of(16) {
            return Err(Refusal::argument(2));
        }
        match u8::try_from(w[3]) {
            Ok(priority) if priority <= self.task(caller).priority => {
                Ok(Action::Start { task: found.slot.object, entry: w[1], stack: w[2], priority })
            }
            _ => Err(Refusal::argument(3)),
        }
    }

    pub(crate) fn decode_halt(&self, caller: Frame, w: [u64; 6]) -> Decoded {
        let found = self.find_kind(caller, 0, w[0], Kind::Task, Rights::CONTROL)?;
        self.check_write(caller, &found)?;
        Ok(Action::Halt { task: found.slot.object })
    }

    pub(crate) fn decode_status(&self, caller: Frame, w: [u64; 6]) -> Decoded {
        let found = self.find_kind(caller, 0, w[0], Kind::Task, Rights::INSPECT)?;
        let task = self.task(found.slot.object);
        if self.check_read(caller, &found).is_err() {
            // The one bit that crosses an illegal flow; spec/labels.md names it.
            let ended = matches!(task.state, TaskState::Faulted | TaskState::Halted);
            let state = if ended { TaskState::Halted } else { TaskState::Ready };
            return answer([state as u64]);
        }
        // Whether it is on a processor at this instant is the scheduler's affair.
        let state = if task.state == TaskState::Running { TaskState::Ready } else { task.state };
        answer([state as u64, task.stop.code, task.stop.address, task.stop.program_counter])
    }

    pub(crate) fn decode_watch(&self, caller: Frame, w: [u64; 6]) -> Decoded {
        let found = self.find_kind(caller, 0, w[0], Kind::Task, Rights::CONTROL)?;
        let signal = self.find_kind(caller, 1, w[1], Kind::Signal, Rights::COPY)?;
        self.check_write(caller, &found)?;
        let target = Link::new(found.slot.object, WATCH);
        replacement(&signal, target, ReplaceEffect::Watch)
    }

    pub(crate) fn decode_task_budget(&self, caller: Frame, w: [u64; 6]) -> Decoded {
        let found = self.find_kind(caller, 0, w[0], Kind::Task, Rights::CONTROL)?;
        let budget = self.find_kind(caller, 1, w[1], Kind::Budget, Rights::COPY)?;
        self.check_write(caller, &found)?;
        let target = Link::new(found.slot.object, BUDGET);
        replacement(&budget, target, ReplaceEffect::Budget)
    }

    pub(crate) fn decode_irq_bind(&self, caller: Frame, w: [u64; 6]) -> Decoded {
        let found = self.find_kind(caller, 0, w[0], Kind::Irq, Rights::CONTROL)?;
        let signal = self.find_kind(caller, 1, w[1], Kind::Signal, Rights::COPY)?;
        self.check_write(caller, &found)?;
        let line = self.irq_line(found.slot.object);
        replacement(&signal, Link::new(found.slot.object, 0), ReplaceEffect::Irq { line })
    }

    pub(crate) fn decode_resume(&self, caller: Frame, w: [u64; 6]) -> Decoded {
        let found = self.find_kind(caller, 0, w[0], Kind::Task, Rights::CONTROL)?;
        self.check_both(caller, &found)?;
        if self.task(found.slot.object).state != TaskState::Faulted {
            return Err(found.refuse(Status::WrongState, 0));
        }
        if w[1] >= vectra_abi::WINDOW_END {
            return Err(Refusal::argument(1));
        }
        Ok(Action::Resume { task: found.slot.object, program_counter: w[1] })
    }

    pub(crate) fn decode_budget_set(&self, caller: Frame, w: [u64; 6]) -> Decoded {
        let found = self.find_kind(caller, 0, w[0], Kind::Budget, Rights::CONTROL)?;
        self.check_write(caller, &found)?;
        if w[2] < BUDGET_PERIOD_NS_MIN {
            return Err(Refusal::argument(2));
        }
        if w[1] > w[2] {
            return Err(Refusal::argument(1));
        }
        let since_ns = self.platform.now_ns();
        let new = Budget::new(w[1], w[2], since_ns);
        Ok(Action::SetBudget { budget: found.slot.object, new })
    }

    // --- capabilities ---

    pub(crate) fn decode_copy(&self, caller: Frame, w: [u64; 6]) -> Decoded {
        let source = self.find(caller, 0, w[0])?;
        let slot = self.narrowed(&source, 1, w[1], Rights::COPY)?;
        let (target, name) = self.free_slot(caller, 2, w[2], w[3])?;
        self.check_holder(caller, caller, &source, &slot)?;
        Ok(derive(&source, target, Slot { name, ..slot }))
    }

    /// Returns the source with fewer rights, if the source has `need` and all that is asked for.
    fn narrowed(
        &self,
        source: &Found,
        argument: usize,
        rights: u64,
        need: Rights,
    ) -> Result<Slot, Refusal> {
        let rights = Rights(u16::try_from(rights).map_err(|_| Refusal::argument(argument))?);
        source.need(need)?;
        source.need(rights)?;
        if source.slot.mapped.is_some() && rights.and(MOVING) != Rights::NONE {
            return Err(source.refuse(Status::Busy, 0));
        }
        Ok(Slot { rights, mapped: None, ..source.slot })
    }

    /// Checks that a Task may come to hold a capability: its clearance covers what the object
    /// carries, and a Signal is an edge that must be legal.
    fn check_holder(
        &self,
        caller: Frame,
        holder: Frame,
        source: &Found,
        slot: &Slot,
    ) -> Result<(), Refusal> {
        let refuse = |tag: u32| source.refuse(Status::Flow, u64::from(tag));
        let label = self.object(holder).label;
        self.holding(holder, slot).map_err(|tag| refuse(tag.into()))?;
        if holder != caller && matches!(slot.kind, Kind::Memory | Kind::Ring | Kind::Reticle) {
            let covered = self.task(holder).clearance | label.secrecy;
            let beyond = self.object(slot.object).label.secrecy & !covered;
            if beyond != 0 {
                return Err(refuse(beyond.trailing_zeros()));
            }
        }
        Ok(())
    }

    pub(crate) fn decode_delete(&self, caller: Frame, w: [u64; 6]) -> Decoded {
        if w[0] == SELF {
            return Err(Refusal::argument(0));
        }
        let found = self.find(caller, 0, w[0])?;
        Ok(Action::Delete { at: found.link })
    }

    pub(crate) fn decode_revoke(&self, caller: Frame, w: [u64; 6]) -> Decoded {
        let found = self.find(caller, 0, w[0])?;
        if found.slot.frozen {
            return Err(found.refuse(Status::Flow, 0));
        }
        Ok(Action::Revoke { at: found.link })
    }

    pub(crate) fn decode_info(&self, caller: Frame, w: [u64; 6]) -> Decoded {
        let slot = self.find(caller, 0, w[0])?.slot;
        let address = slot.mapped.map_or(0, |(page, _)| u64::from(page.0) * vectra_abi::PAGE_BYTES);
        answer([slot.kind as u64, u64::from(slot.rights.0), self.detail(&slot), address])
    }

    pub(crate) fn decode_find(&self, caller: Frame, w: [u64; 6]) -> Decoded {
        let name = Name::from_words(w[0], w[1]);
        let slots = &self.task(caller).slots[..BUNDLE_SLOTS];
        match slots.iter().position(|slot| !slot.is_empty() && slot.name == name) {
            Some(at) => answer([at as u64]),
            None => Err(Refusal::of(Status::EmptySlot, 0, 0, Kind::Empty, 0)),
        }
    }

    // --- bundles ---

    pub(crate) fn decode_put(&self, caller: Frame, w: [u64; 6]) -> Decoded {
        let (task, _) = self.find_other(caller, w[0])?;
        let source = self.find(caller, 1, w[1])?;
        if holds_itself(task, &source.slot) {
            return Err(source.refuse(Status::Busy, 0));
        }
        let slot = self.narrowed(&source, 2, w[2], Rights::COPY)?;
        let (target, name) = self.free_slot(task, 3, w[3], w[4])?;
        self.check_holder(caller, task, &source, &slot)?;
        Ok(derive(&source, target, Slot { name, ..slot }))
    }

    pub(crate) fn decode_give(&self, caller: Frame, w: [u64; 6]) -> Decoded {
        let (task, _) = self.find_other(caller, w[0])?;
        if w[1] == SELF {
            return Err(Refusal::argument(1));
        }
        let source = self.find(caller, 1, w[1])?;
        if source.slot.mapped.is_some() || holds_itself(task, &source.slot) {
            return Err(source.refuse(Status::Busy, 0));
        }
        let slot = self.narrowed(&source, 2, w[2], Rights::NONE)?;
        let (target, name) = self.free_slot(task, 3, w[3], w[4])?;
        self.check_holder(caller, task, &source, &slot)?;
        Ok(Action::Move { source: source.link, target, slot: Slot { name, ..slot } })
    }

    /// Finds an embryo that is not the caller.
    fn find_other(&self, caller: Frame, word: u64) -> Result<(Frame, Found), Refusal> {
        let (task, found) = self.find_target(caller, 0, word, true)?;
        if task == caller { Err(Refusal::argument(0)) } else { Ok((task, found)) }
    }

    pub(crate) fn decode_bundle_read(&self, caller: Frame, w: [u64; 6]) -> Decoded {
        let found = self.find_kind(caller, 0, w[0], Kind::Task, Rights::INSPECT)?;
        self.check_read(caller, &found)?;
        let inner = self.find_in(found.slot.object, 1, w[1])?;
        answer(self.slot_words(&inner.slot))
    }

    // --- capabilities through Rings ---

    pub(crate) fn decode_send_cap(&self, caller: Frame, w: [u64; 6]) -> Decoded {
        let ring = self.find_kind(caller, 0, w[0], Kind::Ring, Rights::SEND)?;
        let source = self.find(caller, 1, w[1])?;
        let slot = self.narrowed(&source, 2, w[2], Rights::COPY)?;
        let Body::Ring(body) = &self.object(ring.slot.object).body else {
            unreachable!("a Ring capability refers to a Ring")
        };
        // A full place would tell the producer of an upward Ring what its consumer does, and a
        // Ring inside itself would keep itself alive.
        if body.upward || source.slot.object == ring.slot.object {
            return Err(ring.refuse(Status::WrongKind, 0));
        }
        self.check_both(caller, &ring)?;
        if !body.parcel.is_empty() {
            return Err(ring.refuse(Status::Busy, 0));
        }
        let target = Link::new(ring.slot.object, 0);
        Ok(derive(&source, target, Slot { name: Name::new("parcel"), ..slot }))
    }

    pub(crate) fn decode_take_cap(&self, caller: Frame, w: [u64; 6]) -> Decoded {
        let ring = self.find_kind(caller, 0, w[0], Kind::Ring, Rights::RECEIVE)?;
        self.check_both(caller, &ring)?;
        let link = Link::new(ring.slot.object, 0);
        let slot = *self.slot(link);
        if slot.is_empty() {
            return Err(ring.refuse(Status::EmptySlot, 0));
        }
        if holds_itself(caller, &slot) {
            return Err(ring.refuse(Status::Busy, 0));
        }
        let (target, name) = self.free_slot(caller, 1, w[1], w[2])?;
        // The sender is not asked any more: what counts is who will hold it.
        let found = Found { link, slot, argument: 0 };
        self.check_holder(ring.slot.object, caller, &found, &slot)?;
        Ok(Action::Move { source: link, target, slot: Slot { name, ..slot } })
    }
}

/// A Task that held a counted capability to itself would keep itself alive.
fn holds_itself(task: Frame, slot: &Slot) -> bool {
    slot.kind == Kind::Task && slot.object == task
}

/// Puts a derived capability into an inner slot, instead of what is there.
fn replacement(source: &Found, target: Link, effect: ReplaceEffect) -> Decoded {
    let slot = Slot { name: Name::new("-"), mapped: None, ..source.slot };
    Ok(Action::Replace { source: source.link, target, slot, effect })
}

fn derive(source: &Found, target: Link, slot: Slot) -> Action {
    let moved = slot.rights.and(MOVING).0;
    Action::Derive { source: source.link, target, slot, moved }
}
