//! Decoding of calls on Reticles, memory, Rings and signals.

use vectra_abi::{
    Access, Kind, PAGE_BYTES, PAGES_PER_CALL_MAX, Rights, SELF, Side, Status, TASK_FRAMES,
    WINDOW_END, WINDOW_START,
};

use crate::action::{Action, Make};
use crate::decode::{Decoded, answer};
use crate::label::{Label, Tags};
use crate::machine::Machine;
use crate::object::{Body, Frame, Link, Mapping, Page, Ring, Slot};
use crate::platform::Platform;
use crate::refusal::{Found, Refusal};

/// Data pages of one Ring: 64 KiB of slots are more than a consumer should fall behind.
const RING_PAGES_MAX: u64 = 64;

impl<P: Platform> Machine<P> {
    // --- reticles ---

    pub(crate) fn decode_retype(&self, caller: Frame, w: [u64; 6]) -> Decoded {
        let reticle = self.find_kind(caller, 0, w[0], Kind::Reticle, Rights::ALLOCATE)?;
        let kind = Kind::from_word(w[1]).ok_or(Refusal::argument(1))?;
        let count = w[2];
        let plain = Rights::COPY;
        let (make, rights) = match kind {
            Kind::Memory if (1..=PAGES_PER_CALL_MAX).contains(&count) => (
                Make::Memory { pages: count as u32 },
                plain.or(Rights::READ).or(Rights::WRITE).or(Rights::EXEC),
            ),
            Kind::Task if count == 0 => (Make::Task, plain.or(Rights::CONTROL).or(Rights::INSPECT)),
            Kind::Ring | Kind::UpRing if count.is_power_of_two() && count <= RING_PAGES_MAX => (
                Make::Ring { data_pages: count as u32, upward: kind == Kind::UpRing },
                plain.or(Rights::SEND).or(Rights::RECEIVE),
            ),
            Kind::Budget if count == 0 => (Make::Budget, plain.or(Rights::CONTROL)),
            Kind::Memory | Kind::Task | Kind::Ring | Kind::UpRing | Kind::Budget => {
                return Err(Refusal::argument(2));
            }
            _ => return Err(Refusal::argument(1)),
        };
        self.make(caller, &reticle, [w[3], w[4], w[5]], make, rights)
    }

    pub(crate) fn decode_split(&self, caller: Frame, w: [u64; 6]) -> Decoded {
        let reticle = self.find_kind(caller, 0, w[0], Kind::Reticle, Rights::ALLOCATE)?;
        let pages = u32::try_from(w[1]).ok().filter(|&pages| pages > 0 && pages < 1 << 24);
        let make = Make::Reticle { pages: pages.ok_or(Refusal::argument(1))? };
        let rights = Rights::ALLOCATE.or(Rights::REVOKE).or(Rights::INSPECT);
        self.make(caller, &reticle, [w[2], w[3], 0], make, rights)
    }

    fn make(
        &self,
        caller: Frame,
        found: &Found,
        [low, high, tags]: [u64; 3],
        make: Make,
        rights: Rights,
    ) -> Decoded {
        self.check_both(caller, found)?;
        let frames = match make {
            Make::Reticle { pages } | Make::Memory { pages } => pages + 1,
            Make::Task => TASK_FRAMES as u32,
            Make::Ring { data_pages, .. } => data_pages + 3,
            Make::Budget => 1,
        };
        let (_, pages, used) = self.reticle(found.slot.object);
        let free = pages - used;
        if free < frames {
            let missing = u64::from(frames - free) * PAGE_BYTES;
            return Err(found.refuse(Status::NoMemory, missing));
        }
        let (target, name) = self.free_slot(caller, 3, low, high)?;
        let kind = match make {
            Make::Reticle { .. } => Kind::Reticle,
            Make::Memory { .. } => Kind::Memory,
            Make::Task => Kind::Task,
            Make::Ring { .. } => Kind::Ring,
            Make::Budget => Kind::Budget,
        };
        let tags = Tags::from(tags);
        let label = self.object(caller).label;
        let allowed = self.task(caller).clearance | self.label_tags(caller, Rights::PLUS);
        if tags & !allowed & !label.secrecy != 0 {
            return Err(Refusal::argument(5));
        }
        let label = Label { secrecy: label.secrecy | tags, ..label };
        let slot = Slot { name, kind, rights, ..Slot::EMPTY };
        Ok(Action::Retype { reticle: found.link, target, slot, make, frames, label })
    }

    /// Returns base, size and watermark of a Reticle.
    pub(crate) fn reticle(&self, frame: Frame) -> (Frame, u32, u32) {
        match self.object(frame).body {
            Body::Reticle { base, pages, used } => (base, pages, used),
            _ => unreachable!("a Reticle capability refers to a Reticle"),
        }
    }

    pub(crate) fn decode_reset(&self, caller: Frame, w: [u64; 6]) -> Decoded {
        let found = self.find_kind(caller, 0, w[0], Kind::Reticle, Rights::REVOKE)?;
        self.check_write(caller, &found)?;
        Ok(Action::Reset { at: found.link })
    }

    pub(crate) fn decode_reticle_info(&self, caller: Frame, w: [u64; 6]) -> Decoded {
        let found = self.find_kind(caller, 0, w[0], Kind::Reticle, Rights::INSPECT)?;
        self.check_read(caller, &found)?;
        let (_, pages, used) = self.reticle(found.slot.object);
        answer([u64::from(pages), u64::from(used)])
    }

    // --- memory ---

    pub(crate) fn decode_map(&self, caller: Frame, w: [u64; 6]) -> Decoded {
        let (task, _) = self.find_target(caller, 0, w[0], true)?;
        let found = self.find_in(task, 1, w[1])?;
        if found.slot.kind != Kind::Memory {
            return Err(found.refuse(Status::WrongKind, 0));
        }
        let access = Access::from_word(w[3]).ok_or(Refusal::argument(3))?;
        found.need(access.rights())?;
        if found.slot.mapped.is_some() {
            return Err(found.refuse(Status::Busy, 0));
        }
        let (_, pages) = self.memory(found.slot.object);
        let page = self.check_range(task, &found, 2, w[2], pages)?;
        self.check_edge(task, &found, Mapping::Memory(access))?;
        Ok(Action::Map { at: found.link, page, access })
    }

    /// Checks that a range of addresses is legal, free, and has tables.
    fn check_range(
        &self,
        task: Frame,
        found: &Found,
        argument: usize,
        address: u64,
        pages: u32,
    ) -> Result<Page, Refusal> {
        let end = address.checked_add(u64::from(pages) * PAGE_BYTES);
        let inside = address.is_multiple_of(PAGE_BYTES)
            && address >= WINDOW_START
            && end.is_some_and(|end| end <= WINDOW_END)
            && u64::from(pages) <= PAGES_PER_CALL_MAX;
        if !inside {
            return Err(Refusal::argument(argument));
        }
        let page = Page((address / PAGE_BYTES) as u32);
        for (at, slot) in self.task(task).slots.iter().enumerate() {
            if let Some((other, count)) = self.mapped_range(slot)
                && other.0 < page.0 + pages
                && page.0 < other.0 + count
            {
                let at = at as u64;
                return Err(Refusal::of(Status::Overlap, argument, at, slot.kind, 0));
            }
        }
        let tables = &self.task(task).tables;
        let blocks = block_of(page)..=block_of(Page(page.0 + pages - 1));
        let wanted = blocks.filter(|block| !tables.contains(block)).count();
        let free = tables.iter().filter(|&&block| block == 0).count();
        if wanted > free {
            let missing = (wanted - free) as u64 * PAGE_BYTES;
            return Err(found.refuse(Status::NoTables, missing));
        }
        Ok(page)
    }

    /// Checks that an edge would be legal for a Task.
    fn check_edge(&self, task: Frame, found: &Found, mapping: Mapping) -> Result<(), Refusal> {
        self.edge(task, found.slot.object, mapping)
            .map_err(|tag| found.refuse(Status::Flow, u64::from(tag)))
    }

    pub(crate) fn decode_unmap(&self, caller: Frame, w: [u64; 6]) -> Decoded {
        let (task, _) = self.find_target(caller, 0, w[0], true)?;
        let found = self.find_in(task, 1, w[1])?;
        if found.slot.kind != Kind::Memory {
            return Err(found.refuse(Status::WrongKind, 0));
        }
        if found.slot.mapped.is_none() {
            return Err(found.refuse(Status::WrongState, 0));
        }
        Ok(Action::Unmap { at: found.link })
    }

    pub(crate) fn decode_memory_info(&self, caller: Frame, w: [u64; 6]) -> Decoded {
        let found = self.find_kind(caller, 0, w[0], Kind::Memory, Rights::NONE)?;
        let (_, pages) = self.memory(found.slot.object);
        let address = found.slot.mapped.map_or(0, |(page, _)| u64::from(page.0) * PAGE_BYTES);
        answer([u64::from(pages), address])
    }

    // --- rings ---

    /// Returns a Ring that is known to be one.
    pub(crate) fn ring(&self, frame: Frame) -> &Ring {
        match &self.object(frame).body {
            Body::Ring(ring) => ring,
            _ => unreachable!("a Ring capability refers to a Ring"),
        }
    }

    pub(crate) fn decode_bind(&self, caller: Frame, w: [u64; 6]) -> Decoded {
        let side = Side::from_word(w[1]).ok_or(Refusal::argument(1))?;
        let (right, mapping) = match side {
            Side::Producer => (Rights::SEND, Mapping::Producer),
            Side::Consumer => (Rights::RECEIVE, Mapping::Consumer),
        };
        let found = self.find_kind(caller, 0, w[0], Kind::Ring, right)?;
        let ring = self.ring(found.slot.object);
        if found.slot.mapped.is_some() || ring.ends[side as usize].is_some() {
            return Err(found.refuse(Status::Busy, 0));
        }
        let page = self.check_range(caller, &found, 2, w[2], ring.data_pages + 2)?;
        self.check_edge(caller, &found, mapping)?;
        Ok(Action::Bind { at: found.link, side, page, bits: w[3] })
    }

    pub(crate) fn decode_unbind(&self, caller: Frame, w: [u64; 6]) -> Decoded {
        let found = self.find_bound(caller, w[0])?;
        Ok(Action::Unmap { at: found.link })
    }

    fn find_bound(&self, caller: Frame, word: u64) -> Result<Found, Refusal> {
        let found = self.find_kind(caller, 0, word, Kind::Ring, Rights::NONE)?;
        if found.slot.mapped.is_none() {
            return Err(found.refuse(Status::WrongState, 0));
        }
        Ok(found)
    }

    pub(crate) fn decode_bell(&self, caller: Frame, w: [u64; 6]) -> Decoded {
        let found = self.find_bound(caller, w[0])?;
        let ring = self.ring(found.slot.object);
        let producer = matches!(found.slot.mapped, Some((_, Mapping::Producer)));
        if ring.upward && !producer {
            return Err(found.refuse(Status::WrongKind, 0));
        }
        // Whether an upward peer is there is not the producer's to know.
        let peer = self.peer(found.slot.object, producer);
        let peer = peer.map(|peer| (peer.frame(), self.slot(peer).extra));
        Ok(Action::Bell { peer, mask: w[1], deadline_ns: w[2] })
    }

    /// Returns the slot that the other end of a Ring is bound to.
    pub(crate) fn peer(&self, ring: Frame, of_producer: bool) -> Option<Link> {
        let peer = self.ring(ring).ends[usize::from(of_producer)];
        peer.is_some().then_some(peer)
    }

    pub(crate) fn decode_ring_info(&self, caller: Frame, w: [u64; 6]) -> Decoded {
        let found = self.find_kind(caller, 0, w[0], Kind::Ring, Rights::NONE)?;
        let ring = self.ring(found.slot.object);
        let slots = ring_slots(ring);
        let visible = self.check_read(caller, &found).is_ok();
        let bound = visible && ring.ends.iter().all(|end| end.is_some());
        answer([slots, u64::from(bound), u64::from(ring.upward)])
    }

    // --- signals ---

    pub(crate) fn decode_mint(&self, caller: Frame, w: [u64; 6]) -> Decoded {
        let source = self.find_kind(caller, 0, SELF, Kind::Task, Rights::NONE)?;
        if w[0] == 0 {
            return Err(Refusal::argument(0));
        }
        let (target, name) = self.free_slot(caller, 1, w[1], w[2])?;
        let slot = Slot {
            name,
            kind: Kind::Signal,
            rights: Rights::COPY.or(Rights::RAISE),
            object: caller,
            word: w[0],
            ..Slot::EMPTY
        };
        Ok(Action::Derive { source: source.link, target, slot, moved: 0 })
    }
}

/// Returns the block of 2 MiB that a page lies in.
pub(crate) fn block_of(page: Page) -> u16 {
    (page.0 / 512) as u16
}

/// Returns the slots of a Ring.
pub(crate) fn ring_slots(ring: &Ring) -> u64 {
    u64::from(ring.data_pages) * PAGE_BYTES / vectra_abi::RING_SLOT_BYTES
}
