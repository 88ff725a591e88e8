//! Building Tasks from the boot archive: what initd and the test Tasks do alike.

use vectra_abi::{Access, Name, Rights, SELF};
use vectra_core::Archive;
use vectra_rt::{Child, LoadError, Pages, Refused, Slot, bytes, call, find, free_name, load};

/// Where the archive is mapped.
const ARCHIVE_AT: u64 = 0x0200_0000;
/// Where pages of this Task's own begin.
pub const OWN_AT: u64 = 0x0300_0000;

/// Maps the boot archive and reads its directory. A Task without one gets `None`.
pub fn archive() -> Option<Archive<'static>> {
    let slot = find("archive").ok()?;
    let [_, mut address, ..] = call::memory_info(slot.0).ok()?;
    if address == 0 {
        address = ARCHIVE_AT;
        call::memory_map(SELF, slot.0, address, Access::Read as u64).ok()?;
    }
    let [pages, ..] = call::memory_info(slot.0).ok()?;
    Archive::parse(bytes(address, (pages * 4096) as usize)).ok()
}

/// Pages of one child's Reticle: what initd splits off for each.
pub const CHILD_PAGES: u64 = 160;

/// Builds a Task of the archive out of a fresh part of a Reticle. Returns the part, too: resetting
/// it takes everything back, and giving it away would let the child destroy itself.
pub fn build(
    archive: &Archive<'_>,
    memory: Slot,
    pages: u64,
    scratch: &mut Pages,
    file: &str,
    name: &str,
) -> Result<(Child, Slot), LoadError> {
    let [low, high] = free_name("part").words();
    let part = Slot(call::reticle_split(memory.0, pages, low, high)?[0]);
    let bytes = archive.find(file).unwrap_or(&[]);
    Ok((load(part, scratch, name, bytes)?, part))
}

/// Copies a capability into a child.
pub fn put(child: &Child, slot: Slot, rights: Rights, name: &str) -> Result<(), Refused> {
    let [low, high] = Name::new(name).words();
    call::bundle_put(child.slot.0, slot.0, u64::from(rights.0), low, high).map(|_| ())
}

/// Moves a capability into a child, with all its rights.
pub fn give(child: &Child, slot: Slot, name: &str) -> Result<(), Refused> {
    let [low, high] = Name::new(name).words();
    call::bundle_give(child.slot.0, slot.0, u64::from(slot.rights()?.0), low, high).map(|_| ())
}

/// Starts a child.
pub fn start(child: &Child, priority: u64) -> Result<(), Refused> {
    call::task_start(child.slot.0, child.entry, child.stack, priority).map(|_| ())
}
