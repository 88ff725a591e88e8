//! Decoding: is this call legal now? Nothing here changes anything.

use vectra_abi::{BUNDLE_SLOTS, Call, Kind, Name, Rights, SELF, Status, TaskState};

use crate::action::Action;
use crate::label::{Tags, tags_from_words, tags_words};
use crate::machine::Machine;
use crate::object::{Body, Frame, Link};
use crate::platform::{Answer, Platform};
use crate::refusal::{Found, Refusal};

/// Stands for a tag that the caller may not know.
const TAG_UNNAMED: u64 = 255;

pub(crate) type Decoded = Result<Action, Refusal>;

/// Returns an action that only answers.
pub(crate) fn answer<const N: usize>(words: [u64; N]) -> Decoded {
    let mut all = [0; 4];
    all[..N].copy_from_slice(&words);
    Ok(Action::Answer(Answer::ok(all)))
}

impl<P: Platform> Machine<P> {
    /// Decides whether a call may be performed.
    pub(crate) fn decode(&self, caller: Frame, number: u64, w: [u64; 6]) -> Decoded {
        let Some(call) = Call::from_word(number) else {
            return Err(Refusal::of(Status::NoCall, 0, number, Kind::Empty, 0));
        };
        match call {
            Call::machine_version | Call::clock_now | Call::signal_poll => {
                unreachable!("plain calls are carried out without decoding")
            }
            Call::machine_power => self.decode_power(caller, w),
            Call::machine_digest => {
                self.find_kind(caller, 0, w[0], Kind::Machine, Rights::INSPECT)?;
                answer([self.digest()])
            }
            Call::machine_task => self.decode_machine_task(caller, w),
            Call::machine_slot => self.decode_machine_slot(caller, w),
            Call::task_start => self.decode_start(caller, w),
            Call::task_halt => self.decode_halt(caller, w),
            Call::task_exit => Ok(Action::Exit { code: w[0] }),
            Call::task_yield => Ok(Action::Yield),
            Call::task_status => self.decode_status(caller, w),
            Call::task_watch => self.decode_watch(caller, w),
            Call::task_resume => self.decode_resume(caller, w),
            Call::task_budget => self.decode_task_budget(caller, w),
            Call::budget_set => self.decode_budget_set(caller, w),
            Call::cap_copy => self.decode_copy(caller, w),
            Call::cap_delete => self.decode_delete(caller, w),
            Call::cap_revoke => self.decode_revoke(caller, w),
            Call::cap_info => self.decode_info(caller, w),
            Call::cap_find => self.decode_find(caller, w),
            Call::bundle_put => self.decode_put(caller, w),
            Call::bundle_give => self.decode_give(caller, w),
            Call::bundle_read => self.decode_bundle_read(caller, w),
            Call::reticle_retype => self.decode_retype(caller, w),
            Call::reticle_split => self.decode_split(caller, w),
            Call::reticle_reset => self.decode_reset(caller, w),
            Call::reticle_info => self.decode_reticle_info(caller, w),
            Call::memory_map => self.decode_map(caller, w),
            Call::memory_unmap => self.decode_unmap(caller, w),
            Call::memory_info => self.decode_memory_info(caller, w),
            Call::ring_bind => self.decode_bind(caller, w),
            Call::ring_unbind => self.decode_unbind(caller, w),
            Call::ring_bell => self.decode_bell(caller, w),
            Call::ring_send_cap => self.decode_send_cap(caller, w),
            Call::ring_take_cap => self.decode_take_cap(caller, w),
            Call::ring_info => self.decode_ring_info(caller, w),
            Call::signal_wait => Ok(Action::Wait { mask: w[0], deadline_ns: w[1] }),
            Call::signal_mint => self.decode_mint(caller, w),
            Call::signal_raise => {
                let found = self.find_kind(caller, 0, w[0], Kind::Signal, Rights::RAISE)?;
                Ok(Action::Raise { target: found.slot.object, bits: found.slot.word })
            }
            Call::label_get => self.decode_label_get(caller, w),
            Call::label_raise | Call::label_drop => {
                self.decode_relabel(caller, w, call == Call::label_raise)
            }
            Call::label_clear => {
                let (task, _) = self.find_target(caller, 0, w[0], true)?;
                Ok(Action::Clear { task, clearance: tags_from_words(w[1], w[2]) })
            }
            Call::label_copy => self.decode_label_copy(caller, w),
            Call::irq_bind => self.decode_irq_bind(caller, w),
            Call::irq_done => {
                let found = self.find_kind(caller, 0, w[0], Kind::Irq, Rights::CONTROL)?;
                Ok(Action::IrqDone { line: self.irq_line(found.slot.object) })
            }
            Call::console_write => self.decode_console_write(caller, w),
            Call::console_read => {
                let found = self.find_kind(caller, 0, w[0], Kind::Console, Rights::READ)?;
                self.check_both(caller, &found)?;
                Ok(Action::ConsoleRead)
            }
        }
    }

    // --- slots ---

    /// Finds what a slot of the caller holds.
    pub(crate) fn find(&self, caller: Frame, argument: usize, word: u64) -> Result<Found, Refusal> {
        self.find_in(caller, argument, word)
    }

    /// Finds what a slot of any Task holds.
    pub(crate) fn find_in(
        &self,
        task: Frame,
        argument: usize,
        word: u64,
    ) -> Result<Found, Refusal> {
        let refusal = Refusal::of(Status::EmptySlot, argument, word, Kind::Empty, 0);
        let index = usize::try_from(word).ok().filter(|&index| index < BUNDLE_SLOTS);
        let link = Link::new(task, index.ok_or(refusal)?);
        let slot = *self.slot(link);
        if slot.is_empty() { Err(refusal) } else { Ok(Found { link, slot, argument }) }
    }

    /// Finds a slot of the caller that holds a kind with rights.
    pub(crate) fn find_kind(
        &self,
        caller: Frame,
        argument: usize,
        word: u64,
        kind: Kind,
        rights: Rights,
    ) -> Result<Found, Refusal> {
        let found = self.find(caller, argument, word)?;
        if found.slot.kind != kind {
            return Err(found.refuse(Status::WrongKind, 0));
        }
        found.need(rights)?;
        Ok(found)
    }

    /// Finds a Task that the caller may change: itself, or an embryo (or any Task that it controls
    /// when `embryo` is not asked for) that it may write to and read from.
    pub(crate) fn find_target(
        &self,
        caller: Frame,
        argument: usize,
        word: u64,
        embryo: bool,
    ) -> Result<(Frame, Found), Refusal> {
        let found = self.find_kind(caller, argument, word, Kind::Task, Rights::CONTROL)?;
        let task = found.slot.object;
        if task != caller {
            if embryo && self.task(task).state != TaskState::Embryo {
                return Err(found.refuse(Status::WrongState, 0));
            }
            self.check_both(caller, &found)?;
        }
        Ok((task, found))
    }

    /// Returns a free slot of a Task and checks the name that it shall have.
    pub(crate) fn free_slot(
        &self,
        task: Frame,
        argument: usize,
        low: u64,
        high: u64,
    ) -> Result<(Link, Name), Refusal> {
        let name = Name::from_words(low, high);
        if !name.is_legal() {
            return Err(Refusal::argument(argument));
        }
        let mut free = None;
        // From behind, so that the first free slot is found last. Slot 0 is nobody else's.
        for (at, slot) in self.task(task).slots[..BUNDLE_SLOTS].iter().enumerate().rev() {
            if slot.is_empty() {
                free = if at == SELF as usize { free } else { Some(Link::new(task, at)) };
            } else if slot.name == name {
                return Err(Refusal::of(Status::NameTaken, argument, at as u64, slot.kind, 0));
            }
        }
        match free {
            Some(link) => Ok((link, name)),
            None => Err(Refusal::of(Status::NoSlot, argument, 0, Kind::Empty, 0)),
        }
    }

    // --- flows ---

    /// Returns the tags that a Task may drop from what it writes.
    pub(crate) fn owned(&self, task: Frame) -> Tags {
        self.label_tags(task, Rights::MINUS)
    }

    /// Returns the tags of the Task's label capabilities that have a right.
    pub(crate) fn label_tags(&self, task: Frame, right: Rights) -> Tags {
        self.task(task).slots[..BUNDLE_SLOTS]
            .iter()
            .filter(|slot| slot.kind == Kind::Label && slot.rights.has(right))
            .fold(0, |tags, slot| tags | 1 << (slot.word & 127))
    }

    /// Checks that the caller may change the object.
    pub(crate) fn check_write(&self, caller: Frame, found: &Found) -> Result<(), Refusal> {
        let to = self.object(found.slot.object);
        let label = match &to.body {
            Body::Task(_) if found.slot.object == caller => return Ok(()),
            Body::Task(task) => task.birth,
            _ => to.label,
        };
        self.object(caller)
            .label
            .flow(self.owned(caller), label)
            .map_err(|tag| found.refuse(Status::Flow, u64::from(tag)))
    }

    /// Checks that the caller may learn from the object. Which tag forbids it is the object's
    /// secret, so the refusal names none.
    pub(crate) fn check_read(&self, caller: Frame, found: &Found) -> Result<(), Refusal> {
        let from = self.object(found.slot.object).label;
        if from.flows_to(self.object(caller).label) {
            Ok(())
        } else {
            Err(found.refuse(Status::Flow, TAG_UNNAMED))
        }
    }

    /// Checks both directions.
    pub(crate) fn check_both(&self, caller: Frame, found: &Found) -> Result<(), Refusal> {
        self.check_read(caller, found)?;
        self.check_write(caller, found)
    }

    // --- machine, console, interrupts ---

    fn decode_power(&self, caller: Frame, w: [u64; 6]) -> Decoded {
        let found = self.find_kind(caller, 0, w[0], Kind::Machine, Rights::CONTROL)?;
        self.check_write(caller, &found)?;
        Ok(Action::PowerOff { code: w[1] })
    }

    fn decode_console_write(&self, caller: Frame, w: [u64; 6]) -> Decoded {
        let found = self.find_kind(caller, 0, w[0], Kind::Console, Rights::WRITE)?;
        let length = usize::try_from(w[1]).ok().filter(|&length| length <= 32);
        let length = length.ok_or(Refusal::argument(1))?;
        self.check_write(caller, &found)?;
        let mut bytes = [0; 32];
        for (place, word) in bytes.chunks_exact_mut(8).zip(&w[2..]) {
            place.copy_from_slice(&word.to_le_bytes());
        }
        Ok(Action::ConsoleWrite { bytes, length })
    }

    pub(crate) fn irq_line(&self, irq: Frame) -> u32 {
        match self.object(irq).body {
            Body::Irq { line, .. } => line,
            _ => unreachable!("an Irq capability refers to an Irq"),
        }
    }

    // --- labels ---

    fn decode_label_get(&self, caller: Frame, w: [u64; 6]) -> Decoded {
        let found = self.find_kind(caller, 0, w[0], Kind::Task, Rights::INSPECT)?;
        self.check_read(caller, &found)?;
        let label = self.object(found.slot.object).label;
        let ([a, b], [c, d]) = (tags_words(label.secrecy), tags_words(label.integrity));
        answer([a, b, c, d])
    }

    fn decode_relabel(&self, caller: Frame, w: [u64; 6], raise: bool) -> Decoded {
        let (task, found) = self.find_target(caller, 0, w[0], true)?;
        let tags = tags_from_words(w[1], w[2]);
        if !raise {
            return Ok(Action::Relabel { task, add: 0, drop: tags });
        }
        let allowed = self.task(task).clearance | self.label_tags(caller, Rights::PLUS);
        let beyond = tags & !allowed & !self.object(task).label.secrecy;
        if beyond != 0 {
            return Err(found.refuse(Status::Flow, u64::from(beyond.trailing_zeros())));
        }
        Ok(Action::Relabel { task, add: tags, drop: 0 })
    }

    fn decode_label_copy(&self, caller: Frame, w: [u64; 6]) -> Decoded {
        let source = self.find_kind(caller, 0, w[0], Kind::Memory, Rights::READ)?;
        let target = self.find_kind(caller, 1, w[1], Kind::Memory, Rights::WRITE)?;
        let label = self.find_kind(caller, 2, w[2], Kind::Label, Rights::MINUS)?;
        let (from, to) = (self.memory(source.slot.object), self.memory(target.slot.object));
        let pages = u32::try_from(w[3]).unwrap_or(0);
        let most = from.1.min(to.1).min(vectra_abi::PAGES_PER_CALL_MAX as u32);
        if pages == 0 || pages > most || source.slot.object == target.slot.object {
            return Err(Refusal::argument(3));
        }
        // The caller need not be able to read what it may declassify: it sees none of it.
        let tag = 1 << (label.slot.word & 127);
        self.object(source.slot.object)
            .label
            .flow(tag, self.object(caller).label)
            .map_err(|_| source.refuse(Status::Flow, TAG_UNNAMED))?;
        // What flows is the source and the caller's choice to copy it, with this one tag dropped.
        let flowing = self.object(caller).label.join(self.object(source.slot.object).label);
        flowing
            .flow(tag, self.object(target.slot.object).label)
            .map_err(|tag| target.refuse(Status::Flow, u64::from(tag)))?;
        let bytes = u64::from(pages) * vectra_abi::PAGE_BYTES;
        if label.slot.extra < bytes {
            return Err(label.refuse(Status::NoBudget, bytes - label.slot.extra));
        }
        Ok(Action::CopyDown { source: from.0, target: to.0, pages, label: label.link })
    }

    /// Returns the extent of a Memory object.
    pub(crate) fn memory(&self, frame: Frame) -> (Frame, u32) {
        match self.object(frame).body {
            Body::Memory { base, pages } => (base, pages),
            _ => unreachable!("a Memory capability refers to Memory"),
        }
    }
}
