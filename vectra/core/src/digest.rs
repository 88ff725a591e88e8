//! A digest of all state but time, to compare machines in different homes step by step.

use vectra_abi::TaskState;

use crate::machine::Machine;
use crate::object::{Body, Frame, Mapping, Slot};
use crate::platform::Platform;

/// FNV-1a over words: it compares honest machines; nobody gains by making two agree.
struct Digest(u64);

impl Digest {
    fn word(&mut self, word: u64) {
        for byte in word.to_le_bytes() {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
        }
    }

    fn wide(&mut self, wide: u128) {
        self.word(wide as u64);
        self.word((wide >> 64) as u64);
    }

    fn slot(&mut self, slot: &Slot) {
        if slot.is_empty() {
            self.word(0);
            return;
        }
        for word in slot.name.words() {
            self.word(word);
        }
        self.word(slot.kind as u64 | u64::from(slot.rights.0) << 8);
        self.word(u64::from(slot.object.0));
        self.word(slot.word);
        self.word(slot.extra);
        self.word(u64::from(slot.derived) | u64::from(slot.frozen) << 1);
        let (page, mapping) = match slot.mapped {
            None => (0, 0),
            Some((page, Mapping::Memory(access))) => (page.0, access as u64),
            Some((page, Mapping::Producer)) => (page.0, 8),
            Some((page, Mapping::Consumer)) => (page.0, 9),
        };
        self.word(u64::from(page) << 8 | mapping);
        for link in [slot.prev, slot.next, slot.first, slot.last] {
            self.word(link.word());
        }
    }
}

impl<P: Platform> Machine<P> {
    /// Returns the digest. Takes time in proportion to the Tasks: for tests.
    pub fn digest(&self) -> u64 {
        let mut digest = Digest(0xcbf2_9ce4_8422_2325);
        for frame in self.tasks() {
            self.digest_task(&mut digest, frame);
        }
        digest.0
    }

    fn digest_task(&self, digest: &mut Digest, frame: Frame) {
        let task = self.task(frame);
        let running = task.state == TaskState::Running;
        digest.word(u64::from(frame.0));
        digest.word(if running { TaskState::Ready } else { task.state } as u64);
        digest.word(u64::from(task.priority) | u64::from(task.budgeted) << 8);
        digest.wide(task.clearance);
        digest.word(task.signals);
        digest.word(task.stop.code);
        for block in task.tables {
            digest.word(u64::from(block));
        }
        for slot in &task.slots {
            digest.slot(slot);
            if !slot.is_empty() {
                self.digest_object(digest, slot.object);
            }
        }
    }

    fn digest_object(&self, digest: &mut Digest, frame: Frame) {
        let object = self.object(frame);
        digest.word(u64::from(object.refs) << 1 | u64::from(object.shared));
        digest.wide(object.label.secrecy);
        digest.wide(object.label.integrity);
        match &object.body {
            Body::Reticle { base, pages, used } => {
                digest.word(u64::from(base.0) << 32 | u64::from(*pages));
                digest.word(u64::from(*used));
            }
            Body::Memory { base, pages } => {
                digest.word(u64::from(base.0) << 32 | u64::from(*pages));
            }
            Body::Ring(ring) => {
                digest.slot(&ring.parcel);
                digest.word(ring.ends[0].word() << 32 | ring.ends[1].word());
            }
            Body::Irq { route, .. } => digest.slot(route),
            Body::Task(_) | Body::Budget(_) | Body::Device => {}
        }
    }
}
