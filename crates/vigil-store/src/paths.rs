//! Where things lie below the store's folder, as drawn in `docs/format/store.md`.

use vigil_base::world::{Disk, DiskError, OpenMode};

use crate::format::Class;

/// The folder of the arenas.
pub(crate) const ARENAS: &str = "arenas";
/// The folder of the names.
pub(crate) const NAMES: &str = "names";
/// The folder of the indices.
pub(crate) const INDEX: &str = "index";
/// What makes a folder a store.
pub(crate) const STORE: &str = "store.cbor";
/// Locked, shared, by writers; exclusively by whoever removes arenas.
pub(crate) const USE_LOCK: &str = "use.lock";
/// Locked, exclusively and shortly, by whoever replaces an index manifest.
pub(crate) const INDEX_LOCK: &str = "index.lock";

pub(crate) fn arena(number: u32) -> String {
    format!("{ARENAS}/{number:08}.arena")
}

/// Returns the numbers of all arenas, here or moved away, in rising order.
pub(crate) fn arena_numbers(disk: &dyn Disk) -> Result<Vec<u32>, DiskError> {
    let mut numbers: Vec<u32> = disk
        .list(ARENAS)?
        .iter()
        .filter_map(|name| name.strip_suffix(".arena").or_else(|| name.strip_suffix(".moved")))
        .filter(|digits| digits.len() >= 8 && digits.bytes().all(|b| b.is_ascii_digit()))
        .filter_map(|digits| digits.parse().ok())
        .collect();
    numbers.sort_unstable();
    numbers.dedup();
    Ok(numbers)
}

/// Returns the least number above those of all arenas that there are, or that the marker tells of.
pub(crate) fn arena_number_next(disk: &dyn Disk) -> Result<Option<u32>, DiskError> {
    let names = disk.list(ARENAS)?;
    let digits = names.iter().filter_map(|name| name.split_once('.')).map(|(digits, _)| digits);
    let is_number = |digits: &&str| digits.len() >= 8 && digits.bytes().all(|b| b.is_ascii_digit());
    let last: Option<u32> = digits.filter(is_number).filter_map(|digits| digits.parse().ok()).max();
    Ok(last.unwrap_or(0).checked_add(1))
}

/// Leaves a marker that keeps the highest number of an arena taken, and syncs it; called before
/// arenas are removed. A number that came again would mean two things to whoever still knows the
/// first: places in an index, decoded frames, mappings.
pub(crate) fn retire_numbers(disk: &dyn Disk) -> Result<(), DiskError> {
    let Some(highest) = arena_number_next(disk)?.map(|next| next - 1).filter(|last| *last > 0)
    else {
        return Ok(());
    };
    let marker = format!("{highest:08}.gone");
    let older = disk.list(ARENAS)?;
    disk.open(&format!("{ARENAS}/{marker}"), OpenMode::Create)?;
    disk.sync_folder(ARENAS)?;
    for name in older.iter().filter(|name| name.ends_with(".gone") && **name != marker) {
        disk.remove(&format!("{ARENAS}/{name}"))?;
    }
    Ok(())
}

pub(crate) fn index_folder(class: &Class) -> String {
    format!("{INDEX}/{}", class.as_str())
}

pub(crate) fn manifest(class: &Class) -> String {
    format!("{}/manifest", index_folder(class))
}

pub(crate) fn run(class: &Class, file: u64) -> String {
    format!("{}/{file:08}.run", index_folder(class))
}
