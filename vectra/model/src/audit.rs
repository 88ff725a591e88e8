use std::collections::{BTreeMap, BTreeSet};

use vectra_abi::{Access, Kind, Rights};
use vectra_core::{BUDGET, Body, Frame, Link, Machine, Mapping, TASK_SLOTS};

use crate::home::Model;

/// Checks everything that must always hold. Panics with what does not.
pub fn audit(machine: &Machine<Model>) {
    let live = Live::collect(machine);
    live.tree(machine);
    live.references(machine);
    live.owners(machine);
    edges(machine, &live);
    maps(machine);
}

/// All slots that can be reached, found twice: by the tables and by the tree.
struct Live {
    slots: Vec<Link>,
    objects: BTreeSet<Frame>,
}

impl Live {
    fn collect(machine: &Machine<Model>) -> Self {
        let mut live = Live { slots: Vec::new(), objects: BTreeSet::new() };
        let mut holders: Vec<Frame> = machine.tasks().chain(machine.dying()).collect();
        while let Some(frame) = holders.pop() {
            if !live.objects.insert(frame) {
                continue;
            }
            for (index, slot) in machine.platform_object(frame).slots().iter().enumerate() {
                if !slot.is_empty() {
                    live.slots.push(Link::new(frame, index));
                    holders.push(slot.object);
                }
            }
        }
        live
    }

    fn tree(&self, machine: &Machine<Model>) {
        let known: BTreeSet<u64> = self.slots.iter().map(|link| link.word()).collect();
        let mut sends = BTreeSet::new();
        for &at in &self.slots {
            let slot = machine.slot(at);
            let mut child = machine.child(at);
            while let Some(link) = child {
                assert!(known.contains(&link.word()), "{at:?} has a lost child {link:?}");
                let derived = machine.slot(link);
                assert_eq!(machine.parent(link), Some(at), "{link:?} does not know its parent");
                if derived.kind == slot.kind && derived.object == slot.object {
                    let moving = Rights::SEND.or(Rights::RECEIVE);
                    let more = derived.rights.minus(slot.rights).minus(moving);
                    // A Task's self capability has control by birth, from whoever made it.
                    let own = link.index() == 0 && derived.kind == Kind::Task;
                    assert!(own || more == Rights::NONE, "{link:?} grew by {more:?}");
                }
                child = machine.sibling(link);
            }
            for right in [Rights::SEND, Rights::RECEIVE] {
                if slot.kind == Kind::Ring && slot.rights.has(right) {
                    assert!(sends.insert((slot.object, right.0)), "{right:?} exists twice");
                }
            }
        }
    }

    fn references(&self, machine: &Machine<Model>) {
        let mut counted: BTreeMap<Frame, u32> = BTreeMap::new();
        for &at in &self.slots {
            let slot = machine.slot(at);
            let own = slot.kind == Kind::Task && slot.object == at.frame();
            if !own && !matches!(slot.kind, Kind::Signal | Kind::Label) {
                *counted.entry(slot.object).or_default() += 1;
            }
        }
        for (&frame, &count) in &counted {
            assert_eq!(machine.platform_object(frame).refs, count, "{frame:?} is miscounted");
        }
    }

    /// Every object lies in exactly one extent that some Reticle has handed out, none overlap.
    fn owners(&self, machine: &Machine<Model>) {
        let mut extents: Vec<(u32, u32, Frame)> = Vec::new();
        for &frame in &self.objects {
            let length = match &machine.platform_object(frame).body {
                Body::Memory { pages, .. } => pages + 1,
                Body::Task(_) => vectra_abi::TASK_FRAMES as u32,
                Body::Ring(ring) => ring.data_pages + 3,
                Body::Reticle { .. } | Body::Budget(_) | Body::Irq { .. } | Body::Device => 1,
            };
            extents.push((frame.0, length, frame));
        }
        extents.sort_unstable();
        for pair in extents.windows(2) {
            assert!(pair[0].0 + pair[0].1 <= pair[1].0, "{:?} overlaps {:?}", pair[0], pair[1]);
        }
        for &frame in &self.objects {
            let Body::Reticle { base, pages, used } = machine.platform_object(frame).body else {
                continue;
            };
            assert!(used <= pages);
            let free = base.0 + used..base.0 + pages;
            for &(start, length, inside) in &extents {
                let overlap = start < free.end && free.start < start + length;
                assert!(!overlap || free.is_empty(), "{inside:?} lies in free memory of {frame:?}");
            }
        }
    }
}

fn edges(machine: &Machine<Model>, live: &Live) {
    for task in machine.tasks().chain(machine.dying()) {
        if !matches!(machine.platform_object(task).body, Body::Task(_)) {
            continue;
        }
        assert!(machine.edges_are_legal(task), "{task:?} has an edge that labels forbid");
        let budget = machine.slot(Link::new(task, BUDGET)).kind;
        assert!(matches!(budget, Kind::Empty | Kind::Budget));
    }
    for &at in &live.slots {
        let slot = machine.slot(at);
        if let Some((_, mapping @ (Mapping::Producer | Mapping::Consumer))) = slot.mapped {
            let Body::Ring(ring) = &machine.platform_object(slot.object).body else {
                panic!("{at:?} is bound to no Ring")
            };
            let side = usize::from(mapping == Mapping::Consumer);
            assert_eq!(ring.ends[side], at, "a Ring forgot its end");
        }
    }
}

/// What is mapped is exactly what the slots say, and no header or table is mapped at all.
fn maps(machine: &Machine<Model>) {
    let mut want = BTreeMap::new();
    for task in machine.tasks().chain(machine.dying()) {
        if !matches!(machine.platform_object(task).body, Body::Task(_)) {
            continue;
        }
        for index in 0..TASK_SLOTS {
            let slot = machine.slot(Link::new(task, index));
            let Some((page, mapping)) = slot.mapped else { continue };
            let object = machine.platform_object(slot.object);
            let mut put = |offset: u32, frame: Frame, access| {
                want.insert((task, vectra_core::Page(page.0 + offset)), (frame, access));
            };
            match (&object.body, mapping) {
                (Body::Memory { base, pages }, Mapping::Memory(access)) => {
                    (0..*pages).for_each(|at| put(at, base.plus(at), access));
                }
                (Body::Ring(ring), end) => {
                    let (mine, theirs) = (Access::Write, Access::Read);
                    let producer = end == Mapping::Producer;
                    let (head, tail) = if producer { (mine, theirs) } else { (theirs, mine) };
                    put(0, slot.object.plus(1), head);
                    if !ring.upward {
                        put(1, slot.object.plus(2), tail);
                    }
                    (0..ring.data_pages).for_each(|at| put(2 + at, slot.object.plus(3 + at), head));
                }
                other => panic!("{task:?} maps {other:?}"),
            }
        }
    }
    assert_eq!(machine.platform.maps, want, "the maps are not what the Bundles say");
}
