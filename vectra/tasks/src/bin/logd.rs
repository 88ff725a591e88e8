//! The log: pops from every Ring in its Bundle and writes whole lines, each with its Ring's name.
#![no_std]
#![no_main]

use core::fmt::Write;
use core::sync::atomic::AtomicU64;

use vectra_tasks::rt::abi::{BUNDLE_SLOTS, Kind, Name, SELF, Side};
use vectra_tasks::rt::{Consumer, Slot, call, ring, words};
use vectra_tasks::{say::console, task};

task!(main);

/// Where the first Ring is mapped; each has a block of addresses.
const RINGS_AT: u64 = 0x0500_0000;
const RING_BYTES: u64 = 0x1_0000;
/// Rings and the longest line.
const RINGS_MAX: usize = 16;
const LINE_MAX: usize = 160;

struct Source {
    name: Name,
    slot: Slot,
    consumer: Consumer<'static, AtomicU64>,
    line: [u8; LINE_MAX],
    length: usize,
}

fn main() -> u64 {
    let mut sources: [Option<Source>; RINGS_MAX] = [const { None }; RINGS_MAX];
    let mut count = 0;
    for slot in 1..BUNDLE_SLOTS as u64 {
        let Ok([low, high, kind, _]) = call::bundle_read(SELF, slot) else { continue };
        if kind & 0xff == Kind::Ring as u64 && count < RINGS_MAX {
            sources[count] = bind(Slot(slot), Name::from_words(low, high), count);
            count += 1;
        }
    }
    loop {
        for source in sources.iter_mut().flatten() {
            drain(source);
        }
        let must_wait = sources.iter_mut().flatten().all(|source| source.consumer.park());
        if must_wait && call::signal_wait(u64::MAX, 0).is_err() {
            return 1;
        }
        sources.iter_mut().flatten().for_each(|source| source.consumer.unpark());
    }
}

fn bind(slot: Slot, name: Name, index: usize) -> Option<Source> {
    let address = RINGS_AT + index as u64 * RING_BYTES;
    let [slots, ..] = call::ring_bind(slot.0, Side::Consumer as u64, address, 1 << index).ok()?;
    let pages = words(address, 2 + slots / 64);
    let consumer = Consumer::new(&pages[..512], Some(&pages[512..1024]), &pages[1024..]);
    Some(Source { name, slot, consumer, line: [0; LINE_MAX], length: 0 })
}

fn drain(source: &mut Source) {
    while let Ok((message, parked)) = source.consumer.pop() {
        if parked {
            // The producer may have gone; then nobody waits for the bell.
            let _ = ring(source.slot);
        }
        // The length is the producer's word for it: no more than a message holds is believed.
        let length = usize::try_from(message[0]).unwrap_or(0).min(48);
        for at in 0..length {
            let byte = message[1 + at / 8].to_le_bytes()[at % 8];
            if byte == b'\n' || source.length == LINE_MAX {
                write(source);
            }
            if byte != b'\n' {
                source.line[source.length] = byte;
                source.length += 1;
            }
        }
    }
}

fn write(source: &mut Source) {
    let text = core::str::from_utf8(&source.line[..source.length]).unwrap_or("(not text)");
    if let Some(mut out) = console() {
        // A console that refuses has nobody behind it to be told.
        let _ = writeln!(out, "[{}] {text}", source.name.as_str());
    }
    source.length = 0;
}
