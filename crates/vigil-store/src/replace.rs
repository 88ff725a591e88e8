//! Replacing a small file as a whole.

use vigil_base::world::{Disk, DiskError, OpenMode};

/// Writes `bytes` to a new file beside `path`, makes them durable, and gives them its name.
///
/// The caller holds a lock under which nobody else replaces the same file.
pub(crate) fn replace_file(disk: &dyn Disk, path: &str, bytes: &[u8]) -> Result<(), DiskError> {
    let beside = format!("{path}.new");
    let file = disk.open(&beside, OpenMode::Create)?;
    file.set_len(0)?;
    file.write_at(0, bytes)?;
    file.sync()?;
    drop(file);
    disk.rename(&beside, path)?;
    let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
    disk.sync_folder(folder)
}
