//! What operations cost, in instructions: meant for a machine that counts them (`-icount shift=0`),
//! where the time stamp is the number of instructions and every run gives the same.
#![no_std]
#![no_main]
#![expect(unsafe_code, reason = "the time stamp is an instruction")]

use core::arch::asm;

use vectra_tasks::children::{OWN_AT, archive, build, put, start};
use vectra_tasks::rt::abi::{Access, Kind, Name, Rights, SELF, Side};
use vectra_tasks::rt::{
    Consumer, Pages, Producer, Slot, call, find, free_name, ring_and_sleep, words,
};
use vectra_tasks::{rt::LoadError, say, task};

task!(main);

const AT: u64 = 0x0400_0000;
/// Enough rounds to make what surrounds them small; a tick of the timer falls into some batches,
/// so the least of several is taken.
const ROUNDS: u64 = 200;
const BATCHES: u64 = 5;

fn main() -> u64 {
    let clock = call::clock_now().map_or(0, |words| words[0]);
    if let Err(error) = run(clock) {
        say!("{error}");
        return 1;
    }
    match find("machine").and_then(|machine| call::machine_power(machine.0, 0)) {
        Ok(_) => 0,
        Err(_) => 1,
    }
}

fn stamp() -> u64 {
    let (low, high): (u64, u64);
    // WHY: there is no call for it: it would cost what it measures.
    // SAFETY: it reads a counter.
    unsafe { asm!("rdtsc", out("rax") low, out("rdx") high, options(nomem, nostack)) }
    high << 32 | low
}

/// Says what one round costs, in the cheapest batch.
fn price(
    name: &str,
    per_round: u64,
    mut round: impl FnMut() -> Result<(), LoadError>,
) -> Result<(), LoadError> {
    let mut least = u64::MAX;
    for _ in 0..BATCHES {
        let from = stamp();
        for _ in 0..ROUNDS {
            round()?;
        }
        least = least.min(stamp() - from);
    }
    say!("| {name} | {} |", least / (ROUNDS * per_round));
    Ok(())
}

fn run(clock: u64) -> Result<(), LoadError> {
    // It grows with every Task of the archive, which is copied and cleared page by page.
    let clock = clock.next_multiple_of(500_000);
    say!("| from the kernel's first clock to the first Task, to the next half million | {clock} |");
    let memory = find("memory")?;
    let [low, high] = Name::new("part").words();
    let part = call::reticle_split(memory.0, 1500, low, high)?[0];
    let make = |kind: Kind, count: u64| {
        let [low, high] = free_name("p").words();
        call::reticle_retype(part, kind as u64, count, low, high, 0).map(|words| words[0])
    };
    price("call that does nothing", 1, || Ok(call::machine_version().map(|_| ())?))?;
    price("call that is refused", 1, || {
        let _ = call::cap_info(47);
        Ok(())
    })?;
    rings(make(Kind::Ring, 1)?)?;
    let [low, high] = Name::new("bit").words();
    let signal = call::signal_mint(1, low, high)?[0];
    price("signal raised and taken", 1, || {
        call::signal_raise(signal)?;
        call::signal_wait(1, 0)?;
        Ok(())
    })?;
    let page = make(Kind::Memory, 1)?;
    price("page mapped and unmapped", 1, || {
        call::memory_map(SELF, page, AT, Access::Write as u64)?;
        call::memory_unmap(SELF, page)?;
        Ok(())
    })?;
    let [low, high] = Name::new("copy").words();
    price("capability copied and deleted", 1, || {
        let copy = call::cap_copy(page, u64::from(Rights::READ.0), low, high)?[0];
        call::cap_delete(copy)?;
        Ok(())
    })?;
    let [low, high] = Name::new("sub").words();
    let sub = call::reticle_split(part, 20, low, high)?[0];
    let [low, high] = Name::new("made").words();
    price("page made of a Reticle, and the Reticle reset", 1, || {
        call::reticle_retype(sub, Kind::Memory as u64, 1, low, high, 0)?;
        call::reticle_reset(sub)?;
        Ok(())
    })?;
    price("revoke, for each of 16 copies made before", 16, || {
        for copy in 0..16 {
            let low = u64::from_le_bytes([b'r', b'a' + copy, 0, 0, 0, 0, 0, 0]);
            call::cap_copy(page, u64::from(Rights::READ.0), low, 0)?;
        }
        call::cap_revoke(page)?;
        Ok(())
    })?;
    call::reticle_reset(part)?;
    switch(Slot(part))?;
    question(Slot(part))?;
    spawn(Slot(part))
}

fn rings(ring: u64) -> Result<(), LoadError> {
    let [low, high] = Name::new("end").words();
    let end = call::cap_copy(ring, u64::from(Rights::RECEIVE.0), low, high)?[0];
    call::ring_bind(ring, Side::Producer as u64, AT, 1)?;
    call::ring_bind(end, Side::Consumer as u64, AT + 0x10000, 2)?;
    let (out, back) = (words(AT, 3), words(AT + 0x10000, 3));
    let mut producer = Producer::new(&out[..512], Some(&out[512..1024]), &out[1024..]);
    let mut consumer = Consumer::new(&back[..512], Some(&back[512..1024]), &back[1024..]);
    let (sent, mut got) = ([1; 7], [0; 7]);
    let mut bells = 0;
    price("message of 56 bytes pushed and popped", 1, || {
        // The Ring is never full or empty here, and nobody is parked.
        bells += u64::from(producer.push(core::hint::black_box(&sent)) != Ok(false));
        bells += u64::from(consumer.pop_into(core::hint::black_box(&mut got)) != Ok(false));
        Ok(())
    })?;
    if bells != 0 || got != sent {
        say!("the Ring lost {bells} messages");
    }
    price("message of 56 bytes, pushed and popped in batches of 16", 16, || {
        for _ in 0..16 {
            bells += u64::from(producer.fill(core::hint::black_box(&sent)).is_err());
        }
        bells += u64::from(producer.publish());
        for _ in 0..16 {
            bells += u64::from(consumer.take(core::hint::black_box(&mut got)).is_err());
        }
        bells += u64::from(consumer.release());
        Ok(())
    })?;
    if bells != 0 || got != sent {
        say!("the Ring lost {bells} messages");
    }
    price("bell rung", 1, || Ok(call::ring_bell(ring, 0, 0).map(|_| ())?))?;
    call::signal_poll(u64::MAX)?;
    call::ring_unbind(ring)?;
    Ok(call::ring_unbind(end).map(|_| ())?)
}

/// Two Tasks that only yield: each round goes there and back.
fn switch(part: Slot) -> Result<(), LoadError> {
    let Some(archive) = archive() else { return Ok(()) };
    let mut scratch = Pages::new(part, OWN_AT);
    let (child, _) = build(&archive, part, 120, &mut scratch, "crasher", "partner")?;
    let [low, high] = Name::new("yes").words();
    let yes = call::signal_mint(2, low, high)?[0];
    put(&child, Slot(yes), Rights::RAISE, "do.flood")?;
    start(&child, 7)?;
    price("switch to another Task, with its call", 2, || Ok(call::task_yield().map(|_| ())?))?;
    call::task_halt(child.slot.0)?;
    call::reticle_reset(part.0)?;
    call::cap_delete(yes)?;
    Ok(())
}

/// Asks another Task that sleeps, and sleeps until it has answered: one call on each side.
fn question(part: Slot) -> Result<(), LoadError> {
    let Some(archive) = archive() else { return Ok(()) };
    let mut scratch = Pages::new(part, OWN_AT);
    let (child, _) = build(&archive, part, 120, &mut scratch, "crasher", "partner")?;
    let [low, high] = Name::new("act").words();
    let act = call::signal_mint(2, low, high)?[0];
    put(&child, Slot(act), Rights::NONE, "do.echo")?;
    let ring = |rights, own, name| -> Result<u64, LoadError> {
        let [low, high] = Name::new(own).words();
        let ring = call::reticle_retype(part.0, Kind::Ring as u64, 1, low, high, 0)?[0];
        put(&child, Slot(ring), rights, name)?;
        Ok(ring)
    };
    let (to, from) = (ring(Rights::RECEIVE, "to", "in")?, ring(Rights::SEND, "from", "out")?);
    call::ring_bind(to, Side::Producer as u64, AT, 1)?;
    call::ring_bind(from, Side::Consumer as u64, AT + 0x10000, 1)?;
    let (out, back) = (words(AT, 3), words(AT + 0x10000, 3));
    let mut questions = Producer::new(&out[..512], Some(&out[512..1024]), &out[1024..]);
    let mut answers = Consumer::new(&back[..512], Some(&back[512..1024]), &back[1024..]);
    start(&child, 7)?;
    let mut got = [0; 7];
    price("question to another Task and its answer, both asleep", 1, || {
        // An answer that is there already shows that the partner does not sleep.
        let mut bell = (questions.push(&[1; 7]) == Ok(true)).then_some(Slot(to));
        while answers.pop_into(&mut got).is_err() {
            ring_and_sleep(bell.take(), answers.park(), 1)?;
            answers.unpark();
        }
        Ok(())
    })?;
    call::reticle_reset(part.0)?;
    call::cap_delete(act)?;
    call::signal_poll(u64::MAX)?;
    Ok(())
}

/// Building, starting, ending and taking back a whole Task.
fn spawn(part: Slot) -> Result<(), LoadError> {
    let Some(archive) = archive() else { return Ok(()) };
    let mut scratch = Pages::new(part, OWN_AT);
    let mut least = u64::MAX;
    for _ in 0..3 {
        let [low, high] = Name::new("end").words();
        let end = call::signal_mint(4, low, high)?[0];
        let from = stamp();
        let (child, _) = build(&archive, part, 120, &mut scratch, "crasher", "short")?;
        call::task_watch(child.slot.0, end)?;
        start(&child, 7)?;
        call::signal_wait(4, 0)?;
        call::reticle_reset(part.0)?;
        least = least.min(stamp() - from);
        call::signal_poll(4)?;
        call::cap_delete(end)?;
    }
    // It grows with every page of that Task's file.
    let least = least.next_multiple_of(5000);
    say!("| Task built, started, ended and taken back, to the next 5000 | {least} |");
    Ok(())
}
