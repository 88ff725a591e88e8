//! How long operations take, in time: for a home in which time means something, such as Linux.
//!
//! It prints a line for each round of each operation: a name, and picoseconds for one. Whoever runs it
//! draws the conclusions.
#![no_std]
#![no_main]

use vectra_tasks::children::{OWN_AT, archive, build, put, start};
use vectra_tasks::rt::abi::{Kind, Name, Rights, SELF, Side};
use vectra_tasks::rt::{
    Child, Consumer, LoadError, Pages, Producer, Slot, call, find, free_name, ring_and_sleep, words,
};
use vectra_tasks::{say, task};

task!(main);

const ROUNDS: u64 = 9;
const TO_AT: u64 = 0x0400_0000;
const FROM_AT: u64 = 0x0410_0000;
/// Data pages of a Ring: 512 slots, 32 KiB.
const RING_PAGES: u64 = 8;
const STREAM: u64 = 1 << 20;
const SPINS: u64 = 1 << 17;
const PARKS: u64 = 2000;
const CALLS: u64 = 5000;
const SPAWNS: u64 = 20;
/// Messages that are published together.
const BATCH: u64 = 32;
/// The partner's words come with this bit, its end with the next.
const BELL: u64 = 1;
const ENDED: u64 = 2;

fn main() -> u64 {
    let done = run();
    if let Err(error) = done {
        say!("{error}");
    }
    match find("machine").and_then(|m| call::machine_power(m.0, u64::from(done.is_err()))) {
        Ok(_) => 0,
        Err(_) => 1,
    }
}

fn run() -> Result<(), LoadError> {
    let [low, high] = Name::new("part").words();
    let part = Slot(call::reticle_split(find("memory")?.0, 1000, low, high)?[0]);
    rounds("call that does nothing", CALLS, || {
        for _ in 0..CALLS {
            call::machine_version()?;
        }
        Ok(())
    })?;
    let mut ends = partner(part, "do.drain")?;
    rounds("message in a stream", STREAM, || {
        stream(&mut ends, 1);
        Ok(())
    })?;
    end(part)?;
    let mut ends = partner(part, "do.drain-many")?;
    rounds("message in a stream, published by 32", STREAM, || {
        stream(&mut ends, BATCH);
        Ok(())
    })?;
    end(part)?;
    let mut ends = partner(part, "do.spin-echo")?;
    rounds("round trip, spinning", SPINS, || {
        for _ in 0..SPINS {
            // One question at a time is in the Ring.
            let _ = ends.to.push(&[1; 7]);
            ends.answer();
        }
        Ok(())
    })?;
    end(part)?;
    let mut ends = partner(part, "do.echo")?;
    rounds("round trip, parked", PARKS, || parked(&mut ends))?;
    end(part)?;
    rounds("Task built, started, ended and taken back", SPAWNS, || {
        for _ in 0..SPAWNS {
            spawn(part)?;
        }
        Ok(())
    })
}

/// Says what each of several rounds cost.
fn rounds(
    name: &str,
    count: u64,
    mut round: impl FnMut() -> Result<(), LoadError>,
) -> Result<(), LoadError> {
    for _ in 0..ROUNDS {
        let from = call::clock_now()?[0];
        round()?;
        let picoseconds = (call::clock_now()?[0] - from) * 1000 / count;
        say!("{name}: {picoseconds}");
    }
    Ok(())
}

type Word = core::sync::atomic::AtomicU64;

/// This side's ends of two Rings to a partner.
struct Ends {
    bell: Slot,
    to: Producer<'static, Word>,
    from: Consumer<'static, Word>,
    got: [u64; 7],
}

impl Ends {
    fn answer(&mut self) {
        while self.from.pop_into(&mut self.got).is_err() {
            core::hint::spin_loop();
        }
    }
}

fn make(part: Slot, kind: Kind, count: u64) -> Result<u64, LoadError> {
    let [low, high] = free_name("made").words();
    Ok(call::reticle_retype(part.0, kind as u64, count, low, high, 0)?[0])
}

fn actor(part: Slot, act: &str) -> Result<Child, LoadError> {
    let archive = archive().ok_or(LoadError::File(vectra_core::ElfError::Short))?;
    let mut scratch = Pages::new(part, OWN_AT);
    let (child, _) = build(&archive, part, 120, &mut scratch, "crasher", "partner")?;
    let [low, high] = free_name("end").words();
    let watch = call::signal_mint(ENDED, low, high)?[0];
    call::task_watch(child.slot.0, watch)?;
    put(&child, Slot(watch), Rights::NONE, act)?;
    Ok(child)
}

/// Starts a partner with two Rings between.
fn partner(part: Slot, act: &str) -> Result<Ends, LoadError> {
    let child = actor(part, act)?;
    let (to, from) = (make(part, Kind::Ring, RING_PAGES)?, make(part, Kind::Ring, RING_PAGES)?);
    put(&child, Slot(to), Rights::RECEIVE, "in")?;
    put(&child, Slot(from), Rights::SEND, "out")?;
    call::ring_bind(to, Side::Producer as u64, TO_AT, BELL)?;
    call::ring_bind(from, Side::Consumer as u64, FROM_AT, BELL)?;
    let (out, back) = (words(TO_AT, 2 + RING_PAGES), words(FROM_AT, 2 + RING_PAGES));
    start(&child, 7)?;
    let mut ends = Ends {
        bell: Slot(to),
        to: Producer::new(&out[..512], Some(&out[512..1024]), &out[1024..]),
        from: Consumer::new(&back[..512], Some(&back[512..1024]), &back[1024..]),
        got: [0; 7],
    };
    // The first answer says that the partner is there.
    let _ = ends.to.push(&[1; 7]);
    ends.answer();
    Ok(ends)
}

/// Pushes messages as fast as they go; the last one is answered.
fn stream(ends: &mut Ends, batch: u64) {
    let mut left = STREAM;
    while left > 0 {
        let mut filled = 0;
        while filled < batch.min(left) {
            if ends.to.fill(&[u64::from(filled + 1 == left); 7]).is_ok() {
                filled += 1;
            } else {
                ends.to.publish();
                core::hint::spin_loop();
            }
        }
        ends.to.publish();
        left -= filled;
    }
    ends.answer();
}

/// Both sides sleep until the other rings.
fn parked(ends: &mut Ends) -> Result<(), LoadError> {
    for _ in 0..PARKS {
        // An answer that is there already shows that the partner does not sleep.
        let mut bell = (ends.to.push(&[1; 7]) == Ok(true)).then_some(ends.bell);
        while ends.from.pop_into(&mut ends.got).is_err() {
            ring_and_sleep(bell.take(), ends.from.park(), BELL)?;
            ends.from.unpark();
        }
    }
    Ok(())
}

fn end(part: Slot) -> Result<(), LoadError> {
    call::reticle_reset(part.0)?;
    call::cap_revoke(SELF)?;
    call::signal_poll(u64::MAX)?;
    Ok(())
}

fn spawn(part: Slot) -> Result<(), LoadError> {
    let child = actor(part, "do.nothing")?;
    start(&child, 7)?;
    call::signal_wait(ENDED, 0)?;
    end(part)
}
