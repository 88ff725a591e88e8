//! Taking away: deleting, revoking, resetting, and clearing up after the last capability.
//!
//! A call does a bounded part and says `Again`; what is left is found again from the tree and the
//! list of the dead, so nothing has to be remembered between the parts.

use vectra_abi::{Kind, Rights, SELF, Status, TaskState};

use crate::decode_objects::block_of;
use crate::machine::{Machine, Outcome};
use crate::object::{Body, Frame, Link, Mapping, Page, Slot, TASK_SLOTS};
use crate::platform::{Answer, Platform};
use crate::tree::{counts, is_self};

/// Steps of one call: each deletes one capability.
const STEPS_PER_CALL: usize = 64;

impl<P: Platform> Machine<P> {
    /// Empties a slot. Takes constant time but for what severing one Task's edges costs.
    pub(crate) fn delete(&mut self, at: Link) {
        self.unmap_slot(at);
        let slot = *self.slot(at);
        let own = is_self(at, &slot);
        self.unlink(at);
        if counts(slot.kind) && !own {
            let object = self.object_mut(slot.object);
            object.refs -= 1;
            if object.refs == 0 {
                self.bury(slot.object);
            }
        }
        let holder_is_task = matches!(self.object(at.frame()).body, Body::Task(_));
        if slot.kind == Kind::Label && slot.rights.has(Rights::MINUS) && holder_is_task {
            self.sever_illegal(at.frame());
        }
    }

    /// The last capability is gone: stop a Task, and queue what has slots of its own.
    fn bury(&mut self, frame: Frame) {
        match self.object(frame).body {
            Body::Task(_) => {
                self.halt(frame, u64::MAX);
                // From here nobody sees it, so how soon its slots are emptied tells nothing.
                self.forget_task(frame);
            }
            Body::Irq { line, .. } => self.platform.irq_enable(line, false),
            Body::Ring(_) => {}
            Body::Reticle { .. } | Body::Memory { .. } | Body::Budget(_) | Body::Device => return,
        }
        let dead = self.dead;
        self.object_mut(frame).next_dead = dead;
        self.dead = frame;
    }

    /// Returns the objects that nobody can reach any more and whose slots are not yet empty.
    pub fn dying(&self) -> impl Iterator<Item = Frame> + '_ {
        let mut at = self.dead;
        core::iter::from_fn(move || {
            let frame = at;
            (frame != Frame::NONE).then(|| {
                at = self.object(frame).next_dead;
                frame
            })
        })
    }

    /// Does one step for the dead; returns whether there was one to do.
    fn reap(&mut self) -> bool {
        let frame = self.dead;
        if frame == Frame::NONE {
            return false;
        }
        let own = Link::new(frame, SELF as usize);
        let is_task = matches!(self.object(frame).body, Body::Task(_));
        if is_task && let Some(child) = self.child(own) {
            self.delete(child);
            return true;
        }
        let last = self.object(frame).slots().iter().rposition(|slot| !slot.is_empty());
        match last {
            Some(index) => self.delete(Link::new(frame, index)),
            None => {
                self.dead = self.object(frame).next_dead;
                if is_task {
                    self.platform.space_destroy(frame);
                }
            }
        }
        true
    }

    /// Does a bounded part of the clearing up; returns whether nothing is left of it.
    pub fn settle(&mut self) -> bool {
        for _ in 0..STEPS_PER_CALL {
            if !self.reap() {
                return true;
            }
        }
        self.dead == Frame::NONE
    }

    /// Deletes up to [`STEPS_PER_CALL`] descendants; returns whether all are gone.
    fn revoke_some(&mut self, at: Link) -> bool {
        for _ in 0..STEPS_PER_CALL {
            if let Some(child) = self.child(at) {
                self.delete(child);
            } else if !self.reap() {
                return true;
            }
        }
        false
    }

    pub(crate) fn perform_revoke(&mut self, caller: Frame, at: Link, reset: bool) -> Outcome {
        let object = self.slot(at).object;
        let done = self.revoke_some(at);
        if self.is_gone(caller) {
            return Outcome::Gone;
        }
        if !done {
            return Outcome::Answered(Answer { status: Status::Again as u64, words: [0; 4] });
        }
        if reset
            && self.slot(at).object == object
            && let Body::Reticle { used, .. } = &mut self.object_mut(object).body
        {
            *used = 0;
        }
        Outcome::Answered(Answer::ok([0; 4]))
    }

    /// Says whether a Task will never run again.
    pub(crate) fn is_gone(&self, task: Frame) -> bool {
        self.task(task).state == TaskState::Halted
    }

    /// Ends what a slot's mapping or binding does; the capability stays.
    pub(crate) fn unmap_slot(&mut self, at: Link) {
        let slot = *self.slot(at);
        let Some((page, mapping)) = slot.mapped else { return };
        let count = self.pages_of(&slot);
        self.platform.unmap(at.frame(), page, count);
        self.slot_mut(at).mapped = None;
        self.remove_tables(at.frame(), page, count);
        let producer = match mapping {
            Mapping::Memory(_) => return,
            Mapping::Producer => true,
            Mapping::Consumer => false,
        };
        let peer = self.peer(slot.object, producer);
        let upward = self.ring(slot.object).upward;
        if let Body::Ring(ring) = &mut self.object_mut(slot.object).body {
            ring.ends[usize::from(!producer)] = Link::NONE;
        }
        // The producer of an upward Ring must not learn that its consumer went.
        if let Some(peer) = peer
            && (producer || !upward)
        {
            let bits = self.slot(peer).extra;
            self.signal(peer.frame(), bits);
        }
    }

    /// Gives back the tables of blocks in which nothing is mapped any more.
    fn remove_tables(&mut self, frame: Frame, page: Page, count: u32) {
        for block in block_of(page)..=block_of(Page(page.0 + count - 1)) {
            let used = self.task(frame).slots.iter().any(|slot| {
                self.mapped_range(slot).is_some_and(|(first, count)| {
                    (block_of(first)..=block_of(Page(first.0 + count - 1))).contains(&block)
                })
            });
            let table = self.task(frame).tables.iter().position(|&other| other == block);
            if !used && let Some(table) = table {
                self.task_mut(frame).tables[table] = 0;
                self.platform.table_remove(frame, table, block);
            }
        }
    }

    /// Unbinds every Ring of a Task that has ended, so that its peers hear of it.
    pub(crate) fn unbind_all(&mut self, task: Frame) {
        for index in 0..TASK_SLOTS {
            let at = Link::new(task, index);
            let Slot { mapped, .. } = self.slot(at);
            if matches!(mapped, Some((_, Mapping::Producer | Mapping::Consumer))) {
                self.unmap_slot(at);
            }
        }
    }
}
