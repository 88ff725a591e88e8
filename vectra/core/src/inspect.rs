//! What a Task may read of Bundles, its own and others'.

use vectra_abi::{Kind, PAGE_BYTES, Rights, Status, TaskState};

use crate::decode::{Decoded, answer};
use crate::decode_objects::ring_slots;
use crate::label::tags_words;
use crate::machine::Machine;
use crate::object::{Body, Frame, Slot};
use crate::platform::Platform;
use crate::refusal::Refusal;

impl<P: Platform> Machine<P> {
    /// Returns the number that explains a capability best: bytes, slots, bits, tag or line. It
    /// never changes while the capability lives, so it tells nobody anything.
    pub(crate) fn detail(&self, slot: &Slot) -> u64 {
        if slot.is_empty() || !crate::tree::counts(slot.kind) {
            return slot.word;
        }
        match &self.object(slot.object).body {
            Body::Reticle { pages, .. } | Body::Memory { pages, .. } => {
                u64::from(*pages) * PAGE_BYTES
            }
            Body::Ring(ring) => ring_slots(ring),
            Body::Irq { line, .. } => u64::from(*line),
            Body::Task(_) | Body::Budget(_) | Body::Device => 0,
        }
    }

    /// Returns the four words that describe a slot. The third says where in the pool the object
    /// lies, from which the tree of memory is drawn; like its size, that never changes.
    pub(crate) fn slot_words(&self, slot: &Slot) -> [u64; 4] {
        let [low, high] = slot.name.words();
        let place = if crate::tree::counts(slot.kind) { slot.object } else { Frame::NONE };
        let kind = slot.kind as u64 | u64::from(slot.rights.0) << 8 | u64::from(place.0) << 32;
        [low, high, kind, self.detail(slot)]
    }

    /// Returns the index-th Task that flows to the caller; the others are not counted.
    fn visible_task(&self, caller: Frame, index: u64) -> Result<Frame, Refusal> {
        let to = self.object(caller).label;
        let mut left = index;
        let mut task = self.tasks;
        while task != Frame::NONE {
            if self.object(task).label.flows_to(to) {
                if left == 0 {
                    return Ok(task);
                }
                left -= 1;
            }
            task = self.task(task).next_task;
        }
        Err(Refusal::of(Status::EmptySlot, 1, index, Kind::Task, 0))
    }

    pub(crate) fn decode_machine_task(&self, caller: Frame, w: [u64; 6]) -> Decoded {
        self.find_kind(caller, 0, w[0], Kind::Machine, Rights::INSPECT)?;
        let frame = self.visible_task(caller, w[1])?;
        let task = self.task(frame);
        let [low, high] = task.name.words();
        let state = if task.state == TaskState::Running { TaskState::Ready } else { task.state };
        let [secrecy, _] = tags_words(self.object(frame).label.secrecy);
        answer([low, high, state as u64, secrecy])
    }

    pub(crate) fn decode_machine_slot(&self, caller: Frame, w: [u64; 6]) -> Decoded {
        self.find_kind(caller, 0, w[0], Kind::Machine, Rights::INSPECT)?;
        let frame = self.visible_task(caller, w[1])?;
        answer(self.slot_words(&self.find_in(frame, 2, w[2])?.slot))
    }
}
