//! Signals, time, priorities, preemption, budgets.

use core::sync::atomic::Ordering;

use vectra_abi::{Access, Kind, Rights, Status, TaskState};
use vectra_tasks::children::start;
use vectra_tasks::rt::{call, words};

use crate::bench::{AT, Bench, ENDED, Fail, NO, YES, is, must, pause, refused, same};

/// No home has more processors than this.
const PROCESSORS_MAX: usize = 4;

pub fn run(bench: &mut Bench) {
    bench.case("signal", "a raised bit is waited for and taken", |bench| {
        let signal = bench.signal(0b101)?;
        call::signal_raise(signal)?;
        same(bench.wait(0b100)?, 0b100, "bits")?;
        same(call::signal_poll(u64::MAX)?[0], 0b001, "what is left")
    });
    bench.case("signal", "bits add up and are not counted", |bench| {
        let (one, two) = (bench.signal(1)?, bench.signal(2)?);
        for signal in [one, two, one, two] {
            call::signal_raise(signal)?;
        }
        same(call::signal_poll(3)?[0], 3, "bits")?;
        same(call::signal_poll(3)?[0], 0, "bits")
    });
    bench.case("signal", "a signal without bits is none", |_| {
        refused(call::signal_mint(0, 0x61, 0), Status::BadArgument).map(|_| ())
    });
    bench.case("signal", "a past deadline ends at once", |_| {
        refused(call::signal_wait(1, 1), Status::Timeout).map(|_| ())
    });
    bench.case("signal", "a deadline is kept", |_| {
        let until = call::clock_now()?[0] + 3_000_000;
        refused(call::signal_wait(1, until), Status::Timeout)?;
        must(call::clock_now()?[0] >= until, "it waited as long")
    });
    bench.case("signal", "no wake-up is lost", |bench| {
        let child = bench.actor("do.flood")?;
        bench.start(&child)?;
        // The child sets one bit after another and waits for each to be answered.
        for round in 0..300 {
            match bench.wait(YES | ENDED)? {
                YES => answer(&child)?,
                other => return Err(Fail::Wrong("bits", other << 16 | round)),
            }
        }
        Ok(())
    });
    bench.case("schedule", "a spinning Task does not stop its equals", |bench| {
        let spinner = bench.actor("do.spin")?;
        start(&spinner, 7)?;
        for _ in 0..3 {
            refused(call::signal_wait(1, call::clock_now()?[0] + 2_000_000), Status::Timeout)?;
        }
        is(&spinner, TaskState::Ready)
    });
    bench.case("schedule", "two spinners and a worker all go on", |bench| {
        let one = bench.actor("do.spin")?;
        let two = bench.actor("do.spin")?;
        let worker = bench.actor("do.yes")?;
        start(&one, 3)?;
        start(&two, 3)?;
        start(&worker, 3)?;
        bench.hear(&worker)
    });
    bench.case("schedule", "yielding goes on", |_| {
        for _ in 0..50 {
            call::task_yield()?;
        }
        Ok(())
    });
    bench.case("schedule", "Tasks share memory while they run", |bench| {
        let child = bench.actor("do.count")?;
        let page = bench.page(AT)?;
        bench.put(&child, page, Rights::READ.or(Rights::WRITE), "page")?;
        bench.start(&child)?;
        let word = &words(AT, 1)[0];
        let until = call::clock_now()?[0] + crate::bench::SOON_NS;
        while word.load(Ordering::Relaxed) < 1000 {
            must(call::clock_now()?[0] < until, "the count goes up")?;
            pause(100_000)?;
        }
        Ok(())
    });
    bench.case("schedule", "vector registers are a Task's own", |bench| {
        let one = bench.actor("do.vectors")?;
        let two = bench.actor("do.vectors")?;
        bench.start(&one)?;
        bench.start(&two)?;
        let halted = |child: &vectra_tasks::rt::Child| {
            Ok::<bool, Fail>(call::task_status(child.slot.0)?[0] == TaskState::Halted as u64)
        };
        while !(halted(&one)? && halted(&two)?) {
            let bits = bench.wait(YES | NO | ENDED)?;
            must(bits & NO == 0, "a register changed")?;
        }
        Ok(())
    });
    bench.case("budget", "a quota above its period cannot be", |bench| {
        let budget = bench.make(Kind::Budget, 0)?;
        refused(call::budget_set(budget, 3_000_000, 2_000_000), Status::BadArgument)?;
        refused(call::budget_set(budget, 1, 10), Status::BadArgument)?;
        call::budget_set(budget, 2_000_000, 2_000_000)?;
        Ok(())
    });
    bench.case("budget", "a Task with a budget runs", |bench| {
        let budget = bench.make(Kind::Budget, 0)?;
        call::budget_set(budget, 5_000_000, 10_000_000)?;
        let child = bench.actor("do.yes")?;
        call::task_budget(child.slot.0, budget)?;
        bench.verdict(&child)
    });
    bench.case("memory", "a read-only mapping stays what it is", |bench| {
        let slot = bench.make(Kind::Memory, 1)?;
        call::memory_map(vectra_abi::SELF, slot, AT, Access::Read as u64)?;
        same(words(AT, 1)[0].load(Ordering::Relaxed), 0, "the word")
    });
}

/// Who gets a processor when there are more Tasks than processors, and who gets none.
pub fn run_shares(bench: &mut Bench) {
    run_outranked(bench);
    run_without_budget(bench);
    bench.case("time", "the clock never goes back", |_| {
        let mut last = 0;
        for _ in 0..200 {
            let now = call::clock_now()?[0];
            must(now >= last, "it went back")?;
            last = now;
        }
        Ok(())
    });
}

fn run_outranked(bench: &mut Bench) {
    bench.case("schedule", "who is outranked on every processor does not run", |bench| {
        let page = bench.page(AT)?;
        let low = bench.actor("do.count")?;
        bench.put(&low, page, Rights::READ.or(Rights::WRITE), "page")?;
        let mut high = [None; PROCESSORS_MAX];
        for place in &mut high {
            let spinner = bench.actor("do.spin")?;
            start(&spinner, 5)?;
            *place = Some(spinner);
        }
        start(&low, 3)?;
        let word = &words(AT, 1)[0];
        pause(20_000_000)?;
        same(word.load(Ordering::Relaxed), 0, "the count")?;
        for spinner in high.iter().flatten() {
            call::task_halt(spinner.slot.0)?;
        }
        let until = call::clock_now()?[0] + crate::bench::SOON_NS;
        while word.load(Ordering::Relaxed) < 1000 {
            must(call::clock_now()?[0] < until, "the count goes up")?;
            pause(100_000)?;
        }
        Ok(())
    });
}

fn run_without_budget(bench: &mut Bench) {
    bench.case("budget", "without its Budget a Task does not run", |bench| {
        let page = bench.page(AT)?;
        let child = bench.actor("do.count")?;
        bench.put(&child, page, Rights::READ.or(Rights::WRITE), "page")?;
        let budget = bench.make(Kind::Budget, 0)?;
        call::budget_set(budget, 1_000_000, 1_000_000)?;
        call::task_budget(child.slot.0, budget)?;
        call::cap_revoke(budget)?;
        bench.start(&child)?;
        pause(10_000_000)?;
        same(words(AT, 1)[0].load(Ordering::Relaxed), 0, "the count")?;
        call::task_budget(child.slot.0, budget)?;
        let until = call::clock_now()?[0] + crate::bench::SOON_NS;
        while words(AT, 1)[0].load(Ordering::Relaxed) < 1000 {
            must(call::clock_now()?[0] < until, "the count goes up")?;
            pause(100_000)?;
        }
        Ok(())
    });
}

/// Resumes an actor that waits for an answer: its own signal is in the slot named `go`.
fn answer(child: &vectra_tasks::rt::Child) -> Result<(), Fail> {
    // The actor waits with a short deadline and goes on; being able to ask shows that it lives.
    let state = call::task_status(child.slot.0)?[0];
    must(state != TaskState::Faulted as u64 && state != TaskState::Halted as u64, "it lives")
}
