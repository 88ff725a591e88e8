//! Every way for a Task to do what the processor refuses: it stops, its supervisor learns why.

use vectra_abi::{Access, FaultCode, Kind, Name, Rights, Status, TaskState};
use vectra_tasks::rt::call;

use crate::bench::{AT, Bench, Done, ENDED, is, refused, same};

const FAULTS: &[(&str, FaultCode, Option<u64>)] = &[
    ("do.null", FaultCode::Memory, Some(8)),
    ("do.far", FaultCode::Memory, Some(0x0900_0000)),
    ("do.kernel", FaultCode::Memory, None),
    ("do.wild", FaultCode::Protection, None),
    ("do.jump", FaultCode::Memory, Some(0)),
    ("do.text", FaultCode::Memory, None),
    ("do.data", FaultCode::Memory, None),
    ("do.stack", FaultCode::Memory, None),
    ("do.ud", FaultCode::Instruction, None),
    ("do.zero", FaultCode::Arithmetic, None),
    ("do.int3", FaultCode::Breakpoint, None),
    ("do.hlt", FaultCode::Protection, None),
    ("do.cli", FaultCode::Protection, None),
    ("do.port", FaultCode::Protection, None),
    ("do.cr3", FaultCode::Protection, None),
    ("do.msr", FaultCode::Protection, None),
    ("do.int80", FaultCode::Protection, None),
];

/// Starts an actor with a number, leaves it some time, and takes it away.
fn beside(bench: &mut Bench, act: &str, number: u64) -> Done {
    const TIME_NS: u64 = 20_000_000;
    let child = bench.actor(act)?;
    let number = bench.signal(number + 1)?;
    bench.put(&child, number, Rights::RAISE, "number")?;
    bench.start(&child)?;
    let until = call::clock_now()?[0] + TIME_NS;
    // It may well go on for ever.
    let _ = call::signal_wait(ENDED, until);
    call::reticle_reset(bench.part.0)?;
    call::cap_revoke(vectra_abi::SELF)?;
    call::signal_poll(u64::MAX)?;
    Ok(())
}

/// Tries what only a home on Linux has: code and a stack of its own in the Task's process.
pub fn run_beside(bench: &mut Bench) {
    bench.case("fault", "what lies beside the window is no way out", |bench| {
        // Some of these jumps are calls, and some end in a loop: nobody says which.
        for place in (0..0x400).step_by(5) {
            beside(bench, "do.beside", place)?;
        }
        Ok(())
    });
    bench.case("fault", "a stack beside the window ends its own Task", |bench| {
        for place in [8, 0x40, 0x1000, 0x8000, 0xfff8] {
            beside(bench, "do.sunk", place)?;
        }
        Ok(())
    });
}

pub fn run(bench: &mut Bench) {
    for &(act, code, address) in FAULTS {
        bench.case("fault", act, |bench| {
            let child = bench.actor(act)?;
            bench.start(&child)?;
            same(bench.wait(ENDED)?, ENDED, "bits")?;
            let [state, got, at, _] = call::task_status(child.slot.0)?;
            same(state, TaskState::Faulted as u64, "the state")?;
            same(got, code as u64, "the code")?;
            address.map_or(Ok(()), |want| same(at, want, "the address"))
        });
    }
    bench.case("fault", "do.panic", |bench| {
        let child = bench.actor("do.panic")?;
        bench.start(&child)?;
        same(bench.wait(ENDED)?, ENDED, "bits")?;
        same(call::task_status(child.slot.0)?[1], 101, "the code")
    });
    bench.case("fault", "a read-only page refuses a write", |bench| {
        let child = bench.actor("do.write")?;
        let page = bench.make(Kind::Memory, 1)?;
        let slot = bench.put(&child, page, Rights::READ, "page")?;
        call::memory_map(child.slot.0, slot, AT, Access::Read as u64)?;
        bench.start(&child)?;
        same(bench.wait(ENDED)?, ENDED, "bits")?;
        let [_, code, at, _] = call::task_status(child.slot.0)?;
        same(code, FaultCode::Memory as u64, "the code")?;
        same(at, AT, "the address")
    });
    bench.case("fault", "a supervisor resumes past a breakpoint", |bench| {
        let child = bench.actor("do.resume")?;
        bench.start(&child)?;
        same(bench.wait(ENDED)?, ENDED, "bits")?;
        is(&child, TaskState::Faulted)?;
        call::task_resume(child.slot.0, 0)?;
        bench.hear(&child)
    });
    bench.case("fault", "only a faulted Task is resumed", |bench| {
        let child = bench.actor("do.spin")?;
        refused(call::task_resume(child.slot.0, 0), Status::WrongState)?;
        bench.start(&child)?;
        refused(call::task_resume(child.slot.0, 0), Status::WrongState)?;
        call::task_halt(child.slot.0)?;
        refused(call::task_resume(child.slot.0, 0), Status::WrongState).map(|_| ())
    });
    bench.case("fault", "revoked memory is gone at once", |bench| {
        let child = bench.actor("do.touch")?;
        let page = bench.make(Kind::Memory, 1)?;
        let slot = bench.put(&child, page, Rights::READ.or(Rights::WRITE), "page")?;
        call::memory_map(child.slot.0, slot, AT, Access::Write as u64)?;
        bench.verdict(&child)?;
        call::cap_revoke(page)?;
        same(bench.wait(ENDED)?, ENDED, "bits")?;
        let [_, code, at, _] = call::task_status(child.slot.0)?;
        same(code, FaultCode::Memory as u64, "the code")?;
        same(at, AT, "the address")
    });
    bench.case("fault", "a supervisor restarts what crashes", |bench| {
        for _ in 0..5 {
            let child = bench.actor("do.null")?;
            bench.start(&child)?;
            same(bench.wait(ENDED)?, ENDED, "bits")?;
            call::reticle_reset(bench.part.0)?;
            call::cap_revoke(vectra_abi::SELF)?;
            // Its end was told, too, when its memory was taken back.
            call::signal_poll(ENDED)?;
        }
        let child = bench.actor("do.yes")?;
        bench.verdict(&child)
    });
    bench.case("fault", "the name of a Task survives its fault", |bench| {
        let child = bench.actor("do.null")?;
        let machine = vectra_tasks::rt::find("machine")?;
        let [low, high, ..] = call::machine_task(machine.0, 0)?;
        same(u64::from(Name::from_words(low, high).as_str() == "actor.0"), 1, "the newest")?;
        is(&child, TaskState::Embryo)
    });
}
