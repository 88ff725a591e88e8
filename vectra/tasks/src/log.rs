//! Writing to the log Task.

use vectra_rt::abi::{RING_SLOT_BYTES, Side};
use vectra_rt::{LogRing, Producer, call, find, words};

/// Where the log Ring is mapped, and the bit that says it has room again.
const LOG_AT: u64 = 0x0500_0000;
const LOG_BITS: u64 = 1 << 62;

/// Binds the slot named `log`. A Task without one has no log.
pub fn log() -> Option<LogRing> {
    log_from("log")
}

/// Binds a slot of another name as a log.
pub fn log_from(name: &str) -> Option<LogRing> {
    let slot = find(name).ok()?;
    let [slots, ..] = call::ring_bind(slot.0, Side::Producer as u64, LOG_AT, LOG_BITS).ok()?;
    let pages = words(LOG_AT, 2 + slots * RING_SLOT_BYTES / 4096);
    let producer = Producer::new(&pages[..512], Some(&pages[512..1024]), &pages[1024..]);
    Some(LogRing::new(producer, slot, LOG_BITS))
}

/// Writes a line to a log; without one, says nothing.
#[macro_export]
macro_rules! note {
    ($log:expr, $($words:tt)*) => {
        if let Some(log) = &mut $log {
            use core::fmt::Write as _;
            // A log that is gone cannot be told that it is.
            let _ = writeln!(log, $($words)*);
        }
    };
}
