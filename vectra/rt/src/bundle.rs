use core::fmt::Write;

use vectra_abi::{Name, Rights, SELF};

use crate::calls::call;
use crate::refusal::Refused;

/// A slot of this Task's Bundle.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Slot(pub u64);

impl Slot {
    /// Returns the rights.
    pub fn rights(self) -> Result<Rights, Refused> {
        Ok(Rights(call::cap_info(self.0)?[1] as u16))
    }
}

/// Finds a slot by name.
pub fn find(name: &str) -> Result<Slot, Refused> {
    let [low, high] = Name::new(name).words();
    Ok(Slot(call::cap_find(low, high)?[0]))
}

/// Rings a Ring's bell and goes on.
pub fn ring(slot: Slot) -> Result<(), Refused> {
    call::ring_bell(slot.0, 0, 0).map(|_| ())
}

/// Rings a bell, if one is to be rung, and sleeps until any of these bits is set, if it must: one call
/// for whoever asks a peer that sleeps and has nothing to do before the answer.
pub fn ring_and_sleep(bell: Option<Slot>, must_sleep: bool, bits: u64) -> Result<(), Refused> {
    match (bell, must_sleep) {
        (Some(slot), true) => call::ring_bell(slot.0, bits, 0).map(|_| ()),
        (Some(slot), false) => ring(slot),
        (None, true) => call::signal_wait(bits, 0).map(|_| ()),
        (None, false) => Ok(()),
    }
}

/// Returns the name of a slot of this Task, or `?`.
pub(crate) fn slot_name(slot: u64) -> Name {
    match call::bundle_read(SELF, slot) {
        Ok([low, high, ..]) => Name::from_words(low, high),
        Err(_) => Name::new("?"),
    }
}

/// Returns a name that no slot of this Task has: the text and a number.
pub fn free_name(text: &str) -> Name {
    let mut number = 0;
    loop {
        let mut buffer = Buffer { bytes: [0; 16], length: 0 };
        // Sixteen bytes hold any short text and number; what does not fit is cut like any name.
        let _ = write!(buffer, "{text}.{number}");
        let name = Name::from_bytes(buffer.bytes);
        let [low, high] = name.words();
        if call::cap_find(low, high).is_err() {
            return name;
        }
        number += 1;
    }
}

struct Buffer {
    bytes: [u8; 16],
    length: usize,
}

impl Write for Buffer {
    fn write_str(&mut self, text: &str) -> core::fmt::Result {
        for byte in text.bytes() {
            let place = self.bytes.get_mut(self.length).ok_or(core::fmt::Error)?;
            *place = byte;
            self.length += 1;
        }
        Ok(())
    }
}
