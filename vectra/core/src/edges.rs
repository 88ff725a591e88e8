//! Edges: the mappings, bound Rings and Signals through which a Task acts without calling.
//!
//! Shared memory flows continuously, so labels are checked where an edge comes to be, and every
//! edge that a change of label would make illegal is cut before the change takes effect.

use vectra_abi::{Access, Kind, TaskState};

use crate::machine::Machine;
use crate::object::{Body, Frame, Link, Mapping, Object, Slot, TASK_SLOTS};
use crate::platform::Platform;

impl<P: Platform> Machine<P> {
    /// Says whether a Task may have this edge now; the error is the lowest offending tag.
    pub(crate) fn edge(&self, task: Frame, object: Frame, mapping: Mapping) -> Result<(), u8> {
        let (near, far) = (self.object(task).label, self.object(object).label);
        let owned = self.owned(task);
        let (read, write) = match mapping {
            Mapping::Memory(access) => (true, access == Access::Write),
            Mapping::Producer => (!self.ring(object).upward, true),
            Mapping::Consumer => (true, !self.ring(object).upward),
        };
        if read {
            far.flow(0, near)?;
        }
        if write {
            near.flow(owned, far)?;
        }
        Ok(())
    }

    /// Says whether all edges of a Task are legal: the invariant, for tests and assertions.
    pub fn edges_are_legal(&self, task: Frame) -> bool {
        (0..TASK_SLOTS).all(|index| self.edge_at(Link::new(task, index)).is_ok())
    }

    /// Checks the edge that a slot is, if it is one.
    fn edge_at(&self, at: Link) -> Result<(), u8> {
        let slot = self.slot(at);
        if slot.is_empty() {
            return Ok(());
        }
        if let Some((_, mapping)) = slot.mapped {
            self.edge(at.frame(), slot.object, mapping)?;
        }
        // The slots behind the Bundle are the supervisor's: a halt is the one bit that may cross.
        if at.index() < vectra_abi::BUNDLE_SLOTS {
            return self.holding(at.frame(), slot);
        }
        Ok(())
    }

    /// Says whether a Task may hold a capability at all. With the last one a Task, a Ring or an
    /// interrupt route ends, which others notice; so whoever could not tell them may not hold one.
    pub(crate) fn holding(&self, holder: Frame, slot: &Slot) -> Result<(), u8> {
        let to = match (slot.kind, &self.object(slot.object).body) {
            (Kind::Signal | Kind::Task, _) if slot.object == holder => return Ok(()),
            (Kind::Signal | Kind::Task, Body::Task(task)) => task.birth,
            // Nothing flows back through an upward Ring, not even that its consumer ended.
            (Kind::Ring, Body::Ring(ring)) if !ring.upward => self.object(slot.object).label,
            (Kind::Irq, _) => self.object(slot.object).label,
            _ => return Ok(()),
        };
        self.object(holder).label.flow(self.owned(holder), to)
    }

    /// Cuts every edge of a Task that its label forbids, and returns how many.
    pub(crate) fn sever_illegal(&mut self, task: Frame) -> u64 {
        let mut severed = 0;
        for index in 0..TASK_SLOTS {
            let at = Link::new(task, index);
            if self.edge_at(at).is_ok() {
                continue;
            }
            severed += 1;
            self.unmap_slot(at);
            if self.edge_at(at).is_err() {
                self.delete(at);
            }
        }
        severed
    }

    /// Returns the object that a slot keeps alive.
    fn object_of(&self, slot: &Slot) -> Option<&Object> {
        crate::tree::counts(slot.kind).then(|| self.object(slot.object))
    }

    /// Changes a Task's label: what only it holds rises along, every other edge that would become
    /// illegal is cut first. Returns how many were cut.
    pub(crate) fn relabel(&mut self, task: Frame, add: u128, drop: u128) -> u64 {
        let old = self.object(task).label;
        let mut new = old;
        new.secrecy |= add;
        new.integrity &= !drop;
        for index in 0..vectra_abi::BUNDLE_SLOTS {
            let slot = self.slot_mut(Link::new(task, index));
            slot.frozen |= slot.derived;
            let slot = *slot;
            // What was made of a Reticle stays low, and may not be destroyed from above.
            let rises = match self.object_of(&slot).map(|object| &object.body) {
                Some(Body::Memory { .. } | Body::Budget(_)) => true,
                Some(Body::Reticle { used, .. }) => *used == 0,
                _ => false,
            } && !self.object(slot.object).shared
                && self.object(slot.object).label == old;
            if rises {
                self.object_mut(slot.object).label = new;
            }
        }
        // The label is set before the walk so that edges are judged by it; no Task runs between,
        // and the cut Rings' peers are signalled by the walk itself.
        self.object_mut(task).label = new;
        if self.task(task).state == TaskState::Embryo {
            self.task_mut(task).birth = new;
        }
        self.sever_illegal(task)
    }
}
