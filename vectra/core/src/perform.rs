//! Performing: what was found legal is done, all of it.

use vectra_abi::{Access, Kind, PAGE_BYTES, Rights, SELF, Side, TaskState};

use crate::action::{Action, Make, ReplaceEffect};
use crate::decode_objects::block_of;
use crate::label::Label;
use crate::machine::{Machine, Outcome};
use crate::object::{
    Body, Budget, Frame, Link, Mapping, Object, Page, Ring, Slot, Stop, TASK_SLOTS, Task,
};
use crate::platform::{Answer, Platform};

fn done<const N: usize>(words: [u64; N]) -> Outcome {
    let mut all = [0; 4];
    all[..N].copy_from_slice(&words);
    Outcome::Answered(Answer::ok(all))
}

impl<P: Platform> Machine<P> {
    pub(crate) fn perform(&mut self, caller: Frame, action: Action) -> Outcome {
        match action {
            Action::Answer(answer) => return Outcome::Answered(answer),
            Action::Wait { mask, deadline_ns } => return self.wait(caller, mask, deadline_ns),
            Action::Bell { peer, mask, deadline_ns } => {
                if let Some((peer, bits)) = peer {
                    self.signal(peer, bits);
                }
                return if mask == 0 { done([]) } else { self.wait(caller, mask, deadline_ns) };
            }
            Action::Yield => {
                self.platform.answer(caller, Answer::ok([0; 4]));
                self.enqueue(caller);
                return Outcome::Suspended;
            }
            Action::Revoke { at } => return self.perform_revoke(caller, at, false),
            Action::Reset { at } => return self.perform_revoke(caller, at, true),
            Action::Derive { source, target, slot, moved } => {
                self.derive(source, target, slot);
                let rights = self.slot(source).rights;
                self.slot_mut(source).rights = rights.minus(Rights(moved));
                return done([target.index() as u64]);
            }
            Action::Move { source, target, slot } => {
                self.give(source, target, slot);
                return done([target.index() as u64]);
            }
            Action::Retype { reticle, target, slot, make, frames, label } => {
                self.retype(caller, reticle, target, slot, (make, frames, label));
                return done([target.index() as u64]);
            }
            Action::Bind { at, side, page, bits } => return self.bind(at, side, page, bits),
            Action::Relabel { task, add, drop } => return done([self.relabel(task, add, drop)]),
            Action::ConsoleRead => return self.console_read(),
            other => self.perform_plain(caller, other),
        }
        if self.is_gone(caller) { Outcome::Gone } else { done([]) }
    }

    /// The actions that answer nothing.
    fn perform_plain(&mut self, caller: Frame, action: Action) {
        match action {
            Action::Exit { code } => self.halt(caller, code),
            Action::PowerOff { code } => self.platform.power_off(code),
            Action::Start { task, entry, stack, priority } => {
                self.platform.enter(task, entry, stack);
                self.task_mut(task).priority = priority;
                self.enqueue(task);
            }
            Action::Halt { task } => self.halt(task, u64::MAX),
            Action::Resume { task, program_counter } => {
                if program_counter != 0 {
                    self.platform.jump(task, program_counter);
                }
                self.task_mut(task).stop = Stop { code: 0, address: 0, program_counter: 0 };
                self.enqueue(task);
            }
            Action::Replace { source, target, slot, effect } => {
                self.replace(source, target, slot, effect);
            }
            Action::Delete { at } => self.delete(at),
            Action::SetBudget { budget, new } => self.object_mut(budget).body = Body::Budget(new),
            Action::Map { at, page, access } => self.map(at, page, access),
            Action::Unmap { at } => self.unmap_slot(at),
            Action::Raise { target, bits } => self.signal(target, bits),
            Action::Clear { task, clearance } => {
                let secrecy = self.object(task).label.secrecy;
                let task = self.task_mut(task);
                task.clearance = (task.clearance & clearance) | secrecy;
            }
            Action::CopyDown { source, target, pages, label } => {
                for page in 0..pages {
                    self.platform.copy(source.plus(page), target.plus(page));
                }
                if self.slot(label).extra != u64::MAX {
                    self.slot_mut(label).extra -= u64::from(pages) * PAGE_BYTES;
                }
            }
            Action::IrqDone { line } => self.platform.irq_enable(line, true),
            Action::ConsoleWrite { bytes, length } => {
                self.platform.console_write(&bytes[..length]);
            }
            other => unreachable!("{other:?} is performed where it answers"),
        }
    }

    /// Inserts a derived capability; from now on the object counts as shared.
    fn derive(&mut self, source: Link, target: Link, slot: Slot) {
        if crate::tree::counts(slot.kind) {
            self.object_mut(slot.object).shared = true;
        }
        if slot.kind == Kind::Label && slot.rights.has(Rights::MINUS) && slot.extra != u64::MAX {
            // A byte budget is spent once, wherever it is.
            self.slot_mut(source).extra = 0;
        }
        self.insert(target, slot, source);
    }

    /// Moves a capability. A narrower one leaves what was derived from it to its parent, so that
    /// nobody has more than what he derives from.
    fn give(&mut self, source: Link, target: Link, slot: Slot) {
        if self.slot(source).rights == slot.rights {
            self.relocate(source, target);
            self.slot_mut(target).name = slot.name;
        } else {
            self.insert(target, slot, source);
            self.unlink(source);
            if crate::tree::counts(slot.kind) {
                self.object_mut(slot.object).refs -= 1;
            }
        }
        let from_task = matches!(self.object(source.frame()).body, Body::Task(_));
        if slot.kind == Kind::Label && from_task {
            self.sever_illegal(source.frame());
        }
    }

    fn replace(&mut self, source: Link, target: Link, slot: Slot, effect: ReplaceEffect) {
        // Derived first: replacing a Budget by itself must not let its last capability go.
        let spare = *self.slot(target);
        if spare.is_empty() {
            self.derive(source, target, slot);
        } else if spare.kind != slot.kind || spare.object != slot.object || spare.word != slot.word
        {
            self.delete(target);
            if self.slot(source).kind == slot.kind {
                self.derive(source, target, slot);
            }
        }
        match effect {
            ReplaceEffect::Watch => {}
            ReplaceEffect::Budget => self.task_mut(target.frame()).budgeted = true,
            ReplaceEffect::Irq { line } => self.platform.irq_enable(line, true),
        }
    }

    #[inline(never)]
    fn retype(
        &mut self,
        caller: Frame,
        reticle: Link,
        target: Link,
        mut slot: Slot,
        (make, frames, label): (Make, u32, Label),
    ) {
        let source = self.slot(reticle).object;
        let Body::Reticle { base, used, .. } = &mut self.object_mut(source).body else {
            unreachable!("a Reticle capability refers to a Reticle")
        };
        let frame = base.plus(*used);
        *used += frames;
        slot.object = frame;
        let base = frame.plus(1);
        // Each arm installs its own, so that a small body is written where it stays: an object is
        // as large as a Task, and would be moved as a whole.
        let home = &mut self.platform;
        match make {
            Make::Reticle { pages } => {
                home.install(frame, Object::new(label, Body::Reticle { base, pages, used: 0 }));
            }
            Make::Memory { pages } => {
                home.zero(base, pages);
                home.install(frame, Object::new(label, Body::Memory { base, pages }));
            }
            Make::Ring { data_pages, upward } => {
                home.zero(base, data_pages + 2);
                let (ends, parcel) = ([Link::NONE; 2], Slot::EMPTY);
                let ring = Ring { data_pages, upward, ends, parcel };
                home.install(frame, Object::new(label, Body::Ring(ring)));
            }
            Make::Budget => {
                let budget = Budget::new(0, u64::MAX, 0);
                home.install(frame, Object::new(label, Body::Budget(budget)));
            }
            Make::Task => self.install_task(frame, slot.name, caller, label),
        }
        self.insert(target, slot, reticle);
        if make == Make::Task {
            self.tasks = frame;
            self.platform.space_create(frame);
            self.insert_self(frame, target);
        }
    }

    #[inline(never)]
    fn install_task(&mut self, frame: Frame, name: vectra_abi::Name, parent: Frame, birth: Label) {
        let mut task = empty_task(name);
        task.next_task = self.tasks;
        task.clearance = self.task(parent).clearance;
        task.birth = birth;
        self.platform.install(frame, Object::new(birth, Body::Task(task)));
    }

    /// Every Task finds itself in slot 0: with that it mints Signals and maps.
    pub(crate) fn insert_self(&mut self, frame: Frame, parent: Link) {
        let slot = Slot {
            name: vectra_abi::Name::new("self"),
            kind: Kind::Task,
            rights: Rights::CONTROL.or(Rights::INSPECT),
            object: frame,
            ..Slot::EMPTY
        };
        self.insert(Link::new(frame, SELF as usize), slot, parent);
    }

    /// Maps a Memory slot; decoding has seen to the range, the rights, the labels and the tables.
    pub(crate) fn map(&mut self, at: Link, page: Page, access: Access) {
        let (base, pages) = self.memory(self.slot(at).object);
        self.add_tables(at.frame(), page, pages);
        self.platform.map(at.frame(), page, base, pages, access);
        self.slot_mut(at).mapped = Some((page, Mapping::Memory(access)));
    }

    fn add_tables(&mut self, frame: Frame, page: Page, pages: u32) {
        for block in block_of(page)..=block_of(Page(page.0 + pages - 1)) {
            let tables = &mut self.task_mut(frame).tables;
            if tables.contains(&block) {
                continue;
            }
            let free = tables.iter().position(|&other| other == 0);
            let Some(table) = free else { unreachable!("decoding counted the free tables") };
            tables[table] = block;
            self.platform.table_add(frame, table, block);
        }
    }

    fn bind(&mut self, at: Link, side: Side, page: Page, bits: u64) -> Outcome {
        let (task, ring_frame) = (at.frame(), self.slot(at).object);
        let ring = self.ring(ring_frame).clone();
        self.add_tables(task, page, ring.data_pages + 2);
        let (head, tail, data) = (ring_frame.plus(1), ring_frame.plus(2), ring_frame.plus(3));
        let (own, other) = (Access::Write, Access::Read);
        let (head_access, tail_access, data_access, mapping) = match side {
            Side::Producer => (own, other, own, Mapping::Producer),
            Side::Consumer => (other, own, other, Mapping::Consumer),
        };
        self.platform.map(task, page, head, 1, head_access);
        if !ring.upward {
            self.platform.map(task, Page(page.0 + 1), tail, 1, tail_access);
        }
        self.platform.map(task, Page(page.0 + 2), data, ring.data_pages, data_access);
        let slot = self.slot_mut(at);
        (slot.mapped, slot.extra) = (Some((page, mapping)), bits);
        if let Body::Ring(ring) = &mut self.object_mut(ring_frame).body {
            ring.ends[side as usize] = at;
        }
        let producer = side == Side::Producer;
        if let Some(peer) = self.peer(ring_frame, producer)
            && (producer || !ring.upward)
        {
            let bits = self.slot(peer).extra;
            self.signal(peer.frame(), bits);
        }
        done([crate::decode_objects::ring_slots(&ring)])
    }

    fn console_read(&mut self) -> Outcome {
        let mut bytes = [0; 8];
        let mut length = 0;
        while length < bytes.len()
            && let Some(byte) = self.platform.console_read()
        {
            bytes[length] = byte;
            length += 1;
        }
        done([length as u64, u64::from_le_bytes(bytes)])
    }
}

/// Returns an embryo with an empty Bundle.
pub(crate) fn empty_task(name: vectra_abi::Name) -> Task {
    Task {
        name,
        state: TaskState::Embryo,
        priority: 0,
        clearance: 0,
        birth: Label::default(),
        signals: 0,
        awaited: 0,
        deadline_ns: 0,
        stop: Stop { code: 0, address: 0, program_counter: 0 },
        budgeted: false,
        tables: [0; vectra_abi::TASK_TABLES],
        next_task: Frame::NONE,
        next_ready: Frame::NONE,
        queued: false,
        slots: [Slot::EMPTY; TASK_SLOTS],
    }
}
