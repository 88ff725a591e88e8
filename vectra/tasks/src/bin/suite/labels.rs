//! Labels: what was read may not be told.

use vectra_abi::{Access, Kind, Name, Rights, SELF, Side, Status, TaskState};
use vectra_tasks::rt::{call, find, free_name};

use crate::bench::{AT, Bench, ENDED, NO, refused, same};

/// The tag of these cases.
const TAG: u64 = 1;

pub fn run(bench: &mut Bench) {
    bench.case("label", "a child begins with its maker's label", |bench| {
        let child = bench.actor("do.yes")?;
        same(call::label_get(child.slot.0)?[0], 0, "secrecy")
    });
    bench.case("label", "a raised child cannot signal its maker", |bench| {
        let child = bench.actor("do.yes")?;
        let severed = call::label_raise(child.slot.0, TAG, 0)?[0];
        same(severed, 3, "its signals")
    });
    bench.case("label", "a raised child cannot be read", |bench| {
        let child = bench.actor("do.exit")?;
        call::label_raise(child.slot.0, TAG, 0)?;
        refused(call::label_get(child.slot.0), Status::Flow)?;
        refused(call::bundle_read(child.slot.0, 0), Status::Flow)?;
        bench.start(&child)?;
        same(bench.wait(ENDED)?, ENDED, "bits")?;
        let [state, code, ..] = call::task_status(child.slot.0)?;
        same(state, TaskState::Halted as u64, "the one bit")?;
        same(code, 0, "the payload")
    });
    bench.case("label", "beyond its clearance nothing is raised", |bench| {
        let child = bench.actor("do.raise")?;
        call::label_clear(child.slot.0, 0, 0)?;
        bench.verdict(&child)
    });
    bench.case("label", "a clearance only narrows", |bench| {
        let child = bench.actor("do.raise")?;
        call::label_clear(child.slot.0, 0, 0)?;
        call::label_clear(child.slot.0, u64::MAX, u64::MAX)?;
        bench.verdict(&child)
    });
    bench.case("label", "secret memory is not mapped by who is not cleared", |bench| {
        let child = bench.actor("do.secret")?;
        bench.endow(&child, 16)?;
        bench.verdict(&child)
    });
    bench.case("label", "a bound Ring is cut at the raise", |bench| {
        let child = bench.actor("do.cut")?;
        let ring = bench.make(Kind::Ring, 1)?;
        bench.put(&child, ring, Rights::SEND, "net")?;
        call::ring_bind(ring, Side::Consumer as u64, AT, 2)?;
        let gate = bench.gate(&child)?;
        bench.start(&child)?;
        gate.reached(1)?;
        same(call::ring_info(ring)?[1], 1, "bound")?;
        call::signal_poll(2)?;
        gate.open(1);
        // The child raises itself and tries again; it can no longer say anything, so it ends.
        same(bench.wait(ENDED | NO)?, ENDED, "it ended")?;
        same(call::signal_poll(2)?[0], 2, "the peer was told")?;
        same(call::ring_info(ring)?[1], 0, "bound")
    });
    bench.case("label", "data flows up through an upward Ring", |bench| {
        let child = bench.actor("do.upward")?;
        let ring = bench.make(Kind::UpRing, 1)?;
        bench.put(&child, ring, Rights::RECEIVE, "in")?;
        call::ring_bind(ring, Side::Producer as u64, AT, 2)?;
        call::label_raise(child.slot.0, TAG, 0)?;
        bench.start(&child)?;
        let (head, data) =
            (vectra_tasks::rt::words(AT, 1), vectra_tasks::rt::words(AT + 0x2000, 1));
        let mut producer = vectra_tasks::rt::Producer::new(head, None, data);
        for round in 0..5 {
            // An upward Ring always takes a message.
            let _ = producer.push(&[round; 7]);
            call::ring_bell(ring, 0, 0)?;
        }
        same(bench.wait(ENDED)?, ENDED, "it heard")
    });
    bench.case("label", "a credit Ring does not cross labels", |bench| {
        let child = bench.actor("do.crossing")?;
        let ring = bench.make(Kind::Ring, 1)?;
        bench.put(&child, ring, Rights::RECEIVE, "in")?;
        let severed = call::label_raise(child.slot.0, TAG, 0)?[0];
        same(severed, 4, "three signals and the Ring")
    });
    bench.case("label", "declassifying copies, within its budget", |bench| {
        let (source, target) = (bench.page(AT)?, bench.page(AT + 0x1000)?);
        vectra_tasks::rt::words(AT, 1)[3].store(9, core::sync::atomic::Ordering::Relaxed);
        let tag = find("tag1")?;
        call::label_copy(source, target, tag.0, 1)?;
        let word =
            vectra_tasks::rt::words(AT + 0x1000, 1)[3].load(core::sync::atomic::Ordering::Relaxed);
        same(word, 9, "the word")?;
        refused(call::label_copy(source, target, tag.0, 2), Status::BadArgument)?;
        refused(call::label_copy(source, source, tag.0, 1), Status::BadArgument).map(|_| ())
    });
    bench.case("label", "a capability to declassify needs its right", |bench| {
        let (source, target) = (bench.page(AT)?, bench.page(AT + 0x1000)?);
        let tag = find("tag1")?;
        let [low, high] = Name::new("plus").words();
        let plus = call::cap_copy(tag.0, u64::from(Rights::PLUS.0), low, high)?[0];
        let result = call::label_copy(source, target, plus, 1);
        call::cap_delete(plus)?;
        refused(result, Status::MissingRight).map(|_| ())
    });
    bench.case("label", "integrity that is dropped does not come back", |bench| {
        let child = bench.actor("do.yes")?;
        call::label_drop(child.slot.0, 1, 0)?;
        refused(bench.put(&child, bench.part.0, Rights::NONE, "late"), Status::Flow).map(|_| ())
    });
    bench.case("label", "own memory rises along and stays mapped", |bench| {
        let child = bench.actor("do.rise")?;
        bench.start(&child)?;
        same(bench.wait(ENDED | NO)?, ENDED, "it ended")?;
        // It ended by exit, not by a fault, or it would have said no before.
        let [low, high] = free_name("x").words();
        let page = call::reticle_retype(bench.part.0, Kind::Memory as u64, 1, low, high, 0)?[0];
        call::memory_map(SELF, page, AT, Access::Read as u64)?;
        Ok(())
    });
}
