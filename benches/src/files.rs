//! Folders as lists: walking, hashing, counting and removing them.
//!
//! A list has one line per file, `path size sha256`, sorted by the bytes of the path; its SHA-256
//! stands for the whole folder. Times, owners and modes are no part of it.

use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use vigil_base::{Hasher, Vcid};

/// Large enough that system calls do not show, small enough to stay in the second-level cache.
const READ_BYTES: usize = 256 << 10;

/// The unit of `st_blocks`, whatever the file system's own block is.
const BLOCK_BYTES: u64 = 512;

/// A file system object that could not be handled.
#[derive(Debug, thiserror::Error)]
#[error("could not {action} {}", path.display())]
pub struct FileError {
    /// What was tried, as a verb.
    pub action: &'static str,
    /// On what.
    pub path: PathBuf,
    /// What the system said.
    pub source: io::Error,
}

/// Adds the path to an [`io::Error`].
pub trait At<T> {
    /// Says what was tried, and where.
    fn at(self, action: &'static str, path: &Path) -> Result<T, FileError>;
}

impl<T> At<T> for io::Result<T> {
    fn at(self, action: &'static str, path: &Path) -> Result<T, FileError> {
        self.map_err(|source| FileError { action, path: path.to_owned(), source })
    }
}

/// What a folder amounts to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extent {
    /// How many regular files.
    pub files: u64,
    /// The sum of their lengths.
    pub bytes: u64,
    /// What the disk has set aside for them.
    pub allocated_bytes: u64,
}

/// A folder's list, without its lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListDigest {
    /// The SHA-256 of the list.
    pub digest: Vcid,
    /// How many files it names.
    pub files: u64,
    /// The sum of their lengths.
    pub bytes: u64,
}

/// A regular file met by [`walk`].
#[derive(Clone, Debug)]
pub struct Found {
    /// The path below the walked folder.
    pub path: PathBuf,
    /// Its length.
    pub bytes: u64,
    /// What the disk has set aside for it.
    pub allocated_bytes: u64,
    /// The permission bits, set-user-id and its kin included.
    pub mode: u32,
}

/// Finds every regular file below `root`, sorted by the bytes of the path.
///
/// Symbolic links are not followed and not listed.
pub fn walk(root: &Path) -> Result<Vec<Found>, FileError> {
    let mut found = Vec::new();
    each(root, |file| {
        found.push(file);
        Ok(())
    })?;
    Ok(sorted(found))
}

/// Finds what [`walk`] finds, but passes over folders that this user may not list.
pub fn walk_allowed(root: &Path) -> Result<Vec<Found>, FileError> {
    let mut found = Vec::new();
    each_allowed(
        root,
        |error| error.kind() == io::ErrorKind::PermissionDenied,
        |file| {
            found.push(file);
            Ok(())
        },
    )?;
    Ok(sorted(found))
}

fn sorted(mut found: Vec<Found>) -> Vec<Found> {
    found.sort_by(|a, b| a.path.as_os_str().as_bytes().cmp(b.path.as_os_str().as_bytes()));
    found
}

/// Calls `take` for every regular file, in the order of the disk, without holding all names.
pub fn each(
    root: &Path,
    take: impl FnMut(Found) -> Result<(), FileError>,
) -> Result<(), FileError> {
    each_allowed(root, |_| false, take)
}

/// Does what [`each`] does; `pass` says which folders that cannot be listed are passed over.
fn each_allowed(
    root: &Path,
    pass: fn(&io::Error) -> bool,
    mut take: impl FnMut(Found) -> Result<(), FileError>,
) -> Result<(), FileError> {
    let mut folders = vec![PathBuf::new()];
    while let Some(folder) = folders.pop() {
        let here = root.join(&folder);
        let entries = match fs::read_dir(&here) {
            Err(error) if pass(&error) => continue,
            entries => entries.at("list", &here)?,
        };
        for entry in entries {
            let entry = entry.at("list", &here)?;
            let path = folder.join(entry.file_name());
            let about = entry.metadata().at("look at", &entry.path())?;
            if about.is_dir() {
                folders.push(path);
            } else if about.is_file() {
                take(Found {
                    path,
                    bytes: about.len(),
                    allocated_bytes: about.blocks() * BLOCK_BYTES,
                    mode: about.mode() & 0o7777,
                })?;
            }
        }
    }
    Ok(())
}

/// Adds up the files below `root`.
pub fn extent(root: &Path) -> Result<Extent, FileError> {
    let mut extent = Extent::default();
    each(root, |file| {
        extent.files += 1;
        extent.bytes += file.bytes;
        extent.allocated_bytes += file.allocated_bytes;
        Ok(())
    })?;
    Ok(extent)
}

/// Hashes one file on one core.
pub fn hash(path: &Path) -> Result<Vcid, FileError> {
    hash_file(path, &mut vec![0; READ_BYTES])
}

fn hash_file(path: &Path, buffer: &mut [u8]) -> Result<Vcid, FileError> {
    hash_with(File::open(path).at("open", path)?, path, buffer)
}

/// Hashes what comes from `input`; `path` is only for the error.
pub fn hash_input(input: impl Read, path: &Path) -> Result<Vcid, FileError> {
    hash_with(input, path, &mut vec![0; READ_BYTES])
}

fn hash_with(mut file: impl Read, path: &Path, buffer: &mut [u8]) -> Result<Vcid, FileError> {
    let mut hasher = Hasher::default();
    loop {
        match file.read(buffer).at("read", path)? {
            0 => return Ok(hasher.finish()),
            read => hasher.update(&buffer[..read]),
        }
    }
}

/// Hashes every file below `root` and returns the digest of the list; the lines go to `lines` too.
pub fn list(root: &Path, lines: Option<&Path>) -> Result<ListDigest, FileError> {
    let mut out = match lines {
        Some(path) => Some((BufWriter::new(File::create(path).at("create", path)?), path)),
        None => None,
    };
    let mut hasher = Hasher::default();
    let mut buffer = vec![0; READ_BYTES];
    let (mut files, mut bytes) = (0, 0);
    for file in walk(root)? {
        let digest = hash_file(&root.join(&file.path), &mut buffer)?;
        let mut line = file.path.as_os_str().as_bytes().to_vec();
        line.extend_from_slice(format!(" {} {}\n", file.bytes, digest.to_hex()).as_bytes());
        hasher.update(&line);
        if let Some((out, path)) = &mut out {
            out.write_all(&line).at("write", path)?;
        }
        files += 1;
        bytes += file.bytes;
    }
    if let Some((mut out, path)) = out {
        out.flush().at("write", path)?;
    }
    Ok(ListDigest { digest: hasher.finish(), files, bytes })
}

/// Removes a folder with all that is in it; one that is not there is fine.
pub fn remove(path: &Path) -> Result<(), FileError> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        done => done.at("remove", path),
    }
}

/// Makes `path` an empty folder.
pub fn empty_folder(path: &Path) -> Result<(), FileError> {
    remove(path)?;
    fs::create_dir_all(path).at("create", path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_sorted_by_bytes_and_hashed() {
        let place = tempfile::tempdir().unwrap();
        let root = place.path().join("root");
        fs::create_dir_all(root.join("a")).unwrap();
        fs::write(root.join("a/z"), "one").unwrap();
        fs::write(root.join("a.b"), "").unwrap();
        std::os::unix::fs::symlink("a.b", root.join("link")).unwrap();
        let lines = place.path().join("lines");
        let listed = list(&root, Some(&lines)).unwrap();
        let text = fs::read(&lines).unwrap();
        // `.` comes before `/`, and the link is left out.
        let want = "a.b 0 e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\n\
                    a/z 3 7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed\n";
        assert_eq!(String::from_utf8(text.clone()).unwrap(), want);
        let digest = Vcid::of(&text);
        assert_eq!(listed, ListDigest { digest, files: 2, bytes: 3 });
    }
}
