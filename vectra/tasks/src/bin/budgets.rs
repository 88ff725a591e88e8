//! Shows that a Budget holds: the same work, with all the time and with parts of it.
#![no_std]
#![no_main]

use core::sync::atomic::Ordering;

use vectra_tasks::children::{OWN_AT, archive, build, put, start};
use vectra_tasks::rt::abi::{Access, Kind, Name, Rights, SELF};
use vectra_tasks::rt::{LoadError, Pages, Slot, call, find, words};
use vectra_tasks::{say, task};

task!(main);

const AT: u64 = 0x0400_0000;
const PERIOD_NS: u64 = 20_000_000;
const WATCHED_NS: u64 = 100_000_000;
const TICK_NS: u64 = 1_000_000;
/// Parts of the time, by name; zero means that the Budget is taken away again.
const SHARES: [(&str, Option<u64>); 4] =
    [("all", None), ("a tenth", Some(10)), ("a fiftieth", Some(50)), ("revoked", Some(0))];

fn main() -> u64 {
    let done = run();
    if let Err(error) = done {
        say!("{error}");
    }
    u64::from(done.is_err())
}

fn run() -> Result<(), LoadError> {
    let memory = find("memory")?;
    let [low, high] = Name::new("part").words();
    let part = Slot(call::reticle_split(memory.0, 500, low, high)?[0]);
    for (name, share) in SHARES {
        let counted = count(part, share)?;
        say!("{name}: {counted}");
        call::reticle_reset(part.0)?;
        call::cap_revoke(SELF)?;
    }
    call::machine_power(find("machine")?.0, 0)?;
    Ok(())
}

/// Lets the actor count for a while. A share of zero takes its Budget away again.
fn count(part: Slot, share: Option<u64>) -> Result<u64, LoadError> {
    let Some(archive) = archive() else { return Ok(0) };
    let mut scratch = Pages::new(part, OWN_AT);
    let (child, _) = build(&archive, part, 120, &mut scratch, "crasher", "counter")?;
    let [low, high] = Name::new("never").words();
    let never = call::signal_mint(1, low, high)?[0];
    put(&child, Slot(never), Rights::NONE, "do.count")?;
    let [low, high] = Name::new("page").words();
    let page = call::reticle_retype(part.0, Kind::Memory as u64, 1, low, high, 0)?[0];
    call::memory_map(SELF, page, AT, Access::Write as u64)?;
    put(&child, Slot(page), Rights::READ.or(Rights::WRITE), "page")?;
    if let Some(share) = share {
        let [low, high] = Name::new("budget").words();
        let budget = call::reticle_retype(part.0, Kind::Budget as u64, 0, low, high, 0)?[0];
        call::budget_set(budget, PERIOD_NS / share.max(10), PERIOD_NS)?;
        call::task_budget(child.slot.0, budget)?;
        if share == 0 {
            call::cap_revoke(budget)?;
        }
    }
    start(&child, 3)?;
    let counted = || words(AT, 1)[0].load(Ordering::Relaxed);
    // Where others use the processors, too, the actor may come to run long after it could.
    while share != Some(0) && counted() == 0 {
        pass(TICK_NS)?;
    }
    pass(WATCHED_NS)?;
    let counted = counted();
    call::memory_unmap(SELF, page)?;
    Ok(counted)
}

/// Lets time pass.
fn pass(time_ns: u64) -> Result<(), LoadError> {
    let until = call::clock_now()?[0] + time_ns;
    // Time passing is what this waits for, so it ends by a refusal.
    let _ = call::signal_wait(1, until);
    Ok(())
}
