//! Spawning, Bundles, supervision, and killing at every step.

use vectra_abi::{
    BUNDLE_SLOTS, Kind, Name, Rights, SELF, Side, Status, TaskState, WINDOW_END, WINDOW_START,
};
use vectra_tasks::rt::{call, find};

use crate::bench::{AT, Bench, ENDED, NO, is, must, pause, refused, same};

/// Steps of the actor's work, each of which a case kills it after.
const WORK_STEPS: u64 = 12;

pub fn run(bench: &mut Bench) {
    bench.case("spawn", "a child says yes", |bench| {
        let child = bench.actor("do.yes")?;
        bench.verdict(&child)
    });
    bench.case("spawn", "a child has only what it was handed", |bench| {
        let child = bench.actor("do.yes")?;
        let mut count = 0;
        for slot in 0..BUNDLE_SLOTS as u64 {
            let Ok([low, high, ..]) = call::bundle_read(child.slot.0, slot) else { continue };
            let name = Name::from_words(low, high);
            let name = name.as_str();
            let known = ["self", "stack", "do.yes", "yes", "no"].contains(&name);
            must(known || name.starts_with("elf"), "a slot that nobody put there")?;
            count += 1;
        }
        must(count >= 6, "the slots are seen")
    });
    bench.case("spawn", "an exit code arrives", |bench| {
        let child = bench.actor("do.exit")?;
        bench.start(&child)?;
        same(bench.wait(ENDED)?, ENDED, "bits")?;
        let [state, code, ..] = call::task_status(child.slot.0)?;
        same(state, TaskState::Halted as u64, "the state")?;
        same(code, 42, "the code")
    });
    bench.case("spawn", "a running Task takes no more capabilities", |bench| {
        let child = bench.actor("do.spin")?;
        bench.start(&child)?;
        let page = bench.make(Kind::Memory, 1)?;
        refused(bench.put(&child, page, Rights::READ, "late"), Status::WrongState)?;
        refused(bench.give(&child, page, "late"), Status::WrongState)?;
        let result = call::memory_map(child.slot.0, 1, AT, 1);
        refused(result, Status::WrongState).map(|_| ())
    });
    bench.case("spawn", "a Task starts once", |bench| {
        let child = bench.actor("do.spin")?;
        bench.start(&child)?;
        refused(bench.start(&child), Status::WrongState).map(|_| ())
    });
    for (entry, stack, name) in [
        (0, WINDOW_START, "an entry at zero"),
        (WINDOW_END, WINDOW_START, "an entry above the window"),
        (WINDOW_START, 0, "a stack at zero"),
        (WINDOW_START, WINDOW_START + 8, "an unaligned stack"),
        (u64::MAX, WINDOW_START, "an entry in the kernel"),
    ] {
        bench.case("spawn", name, |bench| {
            let task = bench.make(Kind::Task, 0)?;
            refused(call::task_start(task, entry, stack, 1), Status::BadArgument).map(|_| ())
        });
    }
    bench.case("spawn", "a killed Task is gone", |bench| {
        let child = bench.actor("do.spin")?;
        bench.start(&child)?;
        call::task_halt(child.slot.0)?;
        same(bench.wait(ENDED)?, ENDED, "bits")?;
        is(&child, TaskState::Halted)
    });
    bench.case("spawn", "a killed waiter is gone", |bench| {
        let child = bench.actor("do.wait")?;
        bench.start(&child)?;
        while call::task_status(child.slot.0)?[0] != TaskState::Waiting as u64 {
            pause(100_000)?;
        }
        call::task_halt(child.slot.0)?;
        is(&child, TaskState::Halted)
    });
    bench.case("spawn", "with its last capability a Task ends", |bench| {
        let child = bench.actor("do.spin")?;
        bench.start(&child)?;
        call::cap_delete(child.slot.0)?;
        same(bench.wait(ENDED)?, ENDED, "bits")
    });
    bench.case("spawn", "a Task cannot hold itself alive", |bench| {
        let child = bench.actor("do.yes")?;
        let result = bench.put(&child, child.slot.0, Rights::COPY, "me");
        refused(result, Status::Busy)?;
        refused(bench.give(&child, child.slot.0, "me"), Status::Busy).map(|_| ())
    });
    bench.case("spawn", "a child's memory comes back", |bench| {
        for _ in 0..6 {
            let child = bench.actor("do.yes")?;
            bench.verdict(&child)?;
            call::reticle_reset(bench.part.0)?;
            call::cap_revoke(SELF)?;
            call::signal_poll(u64::MAX)?;
        }
        same(call::reticle_info(bench.part.0)?[1], 0, "pages in use")
    });
    bench.case("spawn", "a memory hog is refused, not killed", |bench| {
        let child = bench.actor("do.hog")?;
        bench.endow(&child, 64)?;
        bench.verdict(&child)
    });
    bench.case("ring", "a child answers through Rings", |bench| {
        let child = bench.actor("do.echo")?;
        let (to, from) = (bench.make(Kind::Ring, 1)?, bench.make(Kind::Ring, 1)?);
        bench.put(&child, to, Rights::RECEIVE, "in")?;
        bench.put(&child, from, Rights::SEND, "out")?;
        call::ring_bind(to, Side::Producer as u64, AT, 1)?;
        call::ring_bind(from, Side::Consumer as u64, AT + 0x10000, 2)?;
        bench.start(&child)?;
        talk(to, 500)
    });
    bench.case("ring", "a peer's death is heard", |bench| {
        let child = bench.actor("do.bound")?;
        let ring = bench.make(Kind::Ring, 1)?;
        bench.put(&child, ring, Rights::RECEIVE, "in")?;
        call::ring_bind(ring, Side::Producer as u64, AT, 1)?;
        bench.verdict(&child)?;
        call::signal_poll(1)?;
        call::task_halt(child.slot.0)?;
        same(bench.wait(1)?, 1, "bits")?;
        same(call::ring_info(ring)?[1], 0, "both are bound")
    });
    for step in 0..WORK_STEPS {
        bench.case("kill", "after every step of its work", |bench| {
            let child = bench.actor("do.work")?;
            bench.endow(&child, 64)?;
            let gate = bench.gate(&child)?;
            bench.start(&child)?;
            gate.open(step);
            gate.reached(step + 1)?;
            same(call::signal_poll(NO | ENDED)?[0], 0, "bits")?;
            call::task_halt(child.slot.0)?;
            call::cap_delete(child.slot.0)?;
            Ok(())
        });
    }
    bench.case("inspect", "a Task's whole authority is seen by name", |_| {
        let machine = find("machine")?;
        let mut tasks = 0;
        while call::machine_task(machine.0, tasks).is_ok() {
            tasks += 1;
        }
        must(tasks >= 1, "this Task is seen")?;
        let [low, high, ..] = call::machine_slot(machine.0, tasks - 1, SELF)?;
        must(Name::from_words(low, high).as_str() == "self", "the own slot is named")
    });
}

/// Sends numbers and hears them back, parking on both sides.
fn talk(to: u64, rounds: u64) -> crate::bench::Done {
    use vectra_tasks::rt::{Consumer, Producer, words};
    let (out, back) = (words(AT, 3), words(AT + 0x10000, 3));
    let mut producer = Producer::new(&out[..512], Some(&out[512..1024]), &out[1024..]);
    let mut consumer = Consumer::new(&back[..512], Some(&back[512..1024]), &back[1024..]);
    let until = call::clock_now()?[0] + crate::bench::SOON_NS;
    for round in 0..rounds {
        let mut bell = match producer.push(&[round; 7]) {
            Ok(bell) => bell,
            Err(_) => return Err(crate::bench::Fail::Wrong("push", round)),
        };
        let message = loop {
            if let Ok((message, _)) = consumer.pop() {
                break message;
            }
            match (core::mem::take(&mut bell), consumer.park()) {
                (true, true) => call::ring_bell(to, 2, until)?,
                (true, false) => call::ring_bell(to, 0, 0)?,
                (false, true) => call::signal_wait(2, until)?,
                (false, false) => [0; 4],
            };
            consumer.unpark();
        };
        same(message[6], round, "the answer")?;
    }
    Ok(())
}
