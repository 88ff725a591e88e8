//! Formatted output: to the console, or to a log Ring.

use core::fmt::{self, Write};
use core::sync::atomic::AtomicU64;

use vectra_abi::Status;

use crate::bundle::{Slot, ring};
use crate::calls::call;
use crate::refusal::Refused;
use crate::ring::{Producer, PushError, SLOT_WORDS};

/// Writes to a console capability.
pub struct Console(pub Slot);

impl Write for Console {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for chunk in text.as_bytes().chunks(32) {
            let w = pack::<4>(chunk);
            call::console_write(self.0.0, chunk.len() as u64, w[0], w[1], w[2], w[3])
                .map_err(|_| fmt::Error)?;
        }
        Ok(())
    }
}

/// Packs bytes into words, little-endian, zeros behind.
fn pack<const N: usize>(bytes: &[u8]) -> [u64; N] {
    let mut words = [0; N];
    for (word, chunk) in words.iter_mut().zip(bytes.chunks(8)) {
        let mut all = [0; 8];
        all[..chunk.len()].copy_from_slice(chunk);
        *word = u64::from_le_bytes(all);
    }
    words
}

/// Writes to the log Task through a Ring: one message carries a length and up to 48 bytes.
pub struct LogRing {
    producer: Producer<'static, AtomicU64>,
    slot: Slot,
    bits: u64,
}

impl LogRing {
    /// Uses a bound Ring whose peer sets `bits` of this Task when there is room again.
    pub fn new(producer: Producer<'static, AtomicU64>, slot: Slot, bits: u64) -> Self {
        Self { producer, slot, bits }
    }

    /// Waits until the log Task has taken everything.
    pub fn flush(&mut self) -> Result<(), Refused> {
        while !self.producer.is_drained() {
            let soon = call::clock_now()?[0] + 1_000_000;
            match call::ring_bell(self.slot.0, self.bits, soon) {
                // Time passing is what this waits for.
                Err(refused) if refused.status != Status::Timeout => return Err(refused),
                _ => {}
            }
        }
        Ok(())
    }

    fn push(&mut self, message: &[u64; SLOT_WORDS]) -> fmt::Result {
        loop {
            match self.producer.push(message) {
                Ok(false) => return Ok(()),
                Ok(true) => {
                    return ring(self.slot).map(|_| ()).map_err(|_| fmt::Error);
                }
                Err(PushError::Full) => {
                    if self.producer.park() {
                        call::signal_wait(self.bits, 0).map_err(|_| fmt::Error)?;
                    }
                    self.producer.unpark();
                }
                Err(PushError::PeerBroken) => return Err(fmt::Error),
            }
        }
    }
}

impl Write for LogRing {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for chunk in text.as_bytes().chunks(48) {
            let words = pack::<6>(chunk);
            let mut message = [chunk.len() as u64; SLOT_WORDS];
            message[1..].copy_from_slice(&words);
            self.push(&message)?;
        }
        Ok(())
    }
}
