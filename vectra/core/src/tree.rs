//! The derivation tree: which capability came from which.
//!
//! Always holds: a slot's first child points up at it with `prev`, its last with `next`; every
//! operation here takes a constant number of steps; no capability has more rights than its parent.

use vectra_abi::Kind;

use crate::machine::Machine;
use crate::object::{Body, Frame, Link, Object, Page, Slot, Task};
use crate::platform::Platform;

impl<P: Platform> Machine<P> {
    pub(crate) fn object(&self, frame: Frame) -> &Object {
        self.platform.object(frame)
    }

    /// Returns an object, for audits.
    pub fn platform_object(&self, frame: Frame) -> &Object {
        self.platform.object(frame)
    }

    pub(crate) fn object_mut(&mut self, frame: Frame) -> &mut Object {
        self.platform.object_mut(frame)
    }

    /// Returns a Task that is known to be one.
    pub fn task(&self, frame: Frame) -> &Task {
        match &self.object(frame).body {
            Body::Task(task) => task,
            other => unreachable!("frame {frame:?} is no Task but {other:?}"),
        }
    }

    pub(crate) fn task_mut(&mut self, frame: Frame) -> &mut Task {
        match &mut self.object_mut(frame).body {
            Body::Task(task) => task,
            other => unreachable!("frame {frame:?} is no Task but {other:?}"),
        }
    }

    /// Returns the capability at a place.
    pub fn slot(&self, link: Link) -> &Slot {
        &self.object(link.frame()).slots()[link.index()]
    }

    pub(crate) fn slot_mut(&mut self, link: Link) -> &mut Slot {
        &mut self.object_mut(link.frame()).slots_mut()[link.index()]
    }

    /// Puts a capability into an empty place, as the first child of `parent`.
    pub(crate) fn insert(&mut self, at: Link, mut slot: Slot, parent: Link) {
        debug_assert!(self.slot(at).is_empty());
        (slot.mapped, slot.derived, slot.frozen) = (None, false, false);
        (slot.prev, slot.next, slot.first, slot.last) =
            (Link::NONE, Link::NONE, Link::NONE, Link::NONE);
        if parent.is_some() {
            let old_first = self.slot(parent).first;
            slot.prev = parent.up();
            if old_first.is_some() {
                slot.next = old_first;
                self.slot_mut(old_first).prev = at;
            } else {
                slot.next = parent.up();
                self.slot_mut(parent).last = at;
            }
            let parent = self.slot_mut(parent);
            (parent.first, parent.derived) = (at, true);
        }
        if counts(slot.kind) && !is_self(at, &slot) {
            self.object_mut(slot.object).refs += 1;
        }
        *self.slot_mut(at) = slot;
    }

    /// Takes a capability out of the tree; its children take its place among its siblings.
    pub(crate) fn unlink(&mut self, at: Link) {
        let slot = *self.slot(at);
        let (first, last) =
            if slot.first.is_some() { (slot.first, slot.last) } else { (slot.next, slot.prev) };
        self.join_forward(slot.prev, first);
        self.join_backward(slot.next, last);
        if slot.first.is_some() {
            self.slot_mut(slot.first).prev = slot.prev;
            self.slot_mut(slot.last).next = slot.next;
        }
        *self.slot_mut(at) = Slot::EMPTY;
    }

    /// What stood before now leads to `to`.
    fn join_forward(&mut self, before: Link, to: Link) {
        if before.is_up() {
            let to = if to.is_up() { Link::NONE } else { to };
            self.slot_mut(before.plain()).first = to;
        } else if before.is_some() {
            self.slot_mut(before).next = to;
        }
    }

    /// What stood behind now leads back to `to`.
    fn join_backward(&mut self, behind: Link, to: Link) {
        if behind.is_up() {
            let to = if to.is_up() { Link::NONE } else { to };
            self.slot_mut(behind.plain()).last = to;
        } else if behind.is_some() {
            self.slot_mut(behind).prev = to;
        }
    }

    /// Moves a capability to an empty place under a new name. Its place in the tree stays.
    pub(crate) fn relocate(&mut self, from: Link, to: Link) {
        debug_assert!(self.slot(to).is_empty() && from != to);
        let slot = *self.slot(from);
        *self.slot_mut(from) = Slot::EMPTY;
        *self.slot_mut(to) = slot;
        self.join_forward(slot.prev, to);
        self.join_backward(slot.next, to);
        if slot.first.is_some() {
            self.slot_mut(slot.first).prev = to.up();
            self.slot_mut(slot.last).next = to.up();
        }
    }

    /// Returns the parent, by walking the siblings. Only for inspection: it is not bounded.
    pub fn parent(&self, at: Link) -> Option<Link> {
        let mut link = self.slot(at).prev;
        while link.is_some() && !link.is_up() {
            link = self.slot(link).prev;
        }
        link.is_some().then(|| link.plain())
    }

    /// Returns the next sibling.
    pub fn sibling(&self, at: Link) -> Option<Link> {
        let next = self.slot(at).next;
        (next.is_some() && !next.is_up()).then_some(next)
    }

    /// Returns the first child.
    pub fn child(&self, at: Link) -> Option<Link> {
        let first = self.slot(at).first;
        first.is_some().then_some(first)
    }

    /// Returns the pages that a mapped slot covers, in all.
    pub(crate) fn pages_of(&self, slot: &Slot) -> u32 {
        match &self.object(slot.object).body {
            Body::Memory { pages, .. } => *pages,
            Body::Ring(ring) => ring.data_pages + 2,
            _ => 0,
        }
    }

    /// Returns the first page behind a mapping, if there is one.
    pub(crate) fn mapped_range(&self, slot: &Slot) -> Option<(Page, u32)> {
        slot.mapped.map(|(page, _)| (page, self.pages_of(slot)))
    }
}

/// Says whether capabilities of this kind keep an object alive.
pub(crate) fn counts(kind: Kind) -> bool {
    !matches!(kind, Kind::Empty | Kind::Signal | Kind::Label)
}

/// A Task's capability to itself does not keep it alive.
pub(crate) fn is_self(at: Link, slot: &Slot) -> bool {
    slot.kind == Kind::Task && slot.object == at.frame()
}
