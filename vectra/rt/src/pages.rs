use vectra_abi::{Access, Kind, PAGE_BYTES, SELF};

use crate::bundle::{Slot, free_name};
use crate::calls::call;
use crate::refusal::Refused;

/// Gives out mapped pages from this Task's own Reticle, at rising addresses.
///
/// Nothing is given back one by one: a Reticle is reset as a whole.
pub struct Pages {
    reticle: Slot,
    next: u64,
}

impl Pages {
    /// Uses a Reticle, and addresses from `start` on.
    pub const fn new(reticle: Slot, start: u64) -> Self {
        Self { reticle, next: start }
    }

    /// Returns an unused run of addresses.
    pub fn reserve(&mut self, pages: u64) -> u64 {
        let address = self.next;
        self.next += pages * PAGE_BYTES;
        address
    }

    /// Makes memory and maps it writable.
    pub fn take(&mut self, pages: u64) -> Result<(Slot, u64), Refused> {
        let [low, high] = free_name("page").words();
        let slot =
            call::reticle_retype(self.reticle.0, Kind::Memory as u64, pages, low, high, 0)?[0];
        let address = self.reserve(pages);
        call::memory_map(SELF, slot, address, Access::Write as u64)?;
        Ok((Slot(slot), address))
    }
}
