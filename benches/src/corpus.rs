//! The corpus: real files of this machine, chosen by hash, copied once and kept.
//!
//! Two machines have different corpora; the digest of the list says which one was measured. On one
//! machine the choice follows from the files there alone, and once made it stays until the kept
//! copy is deleted, so that figures of different days can be compared.
//!
//! It is not a synthetic corpus: sources, headers, libraries and archives stand in their folders,
//! so that neighbours resemble each other as they do in a user's tree.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use vigil_base::Vcid;

use crate::files::{self, At as _, FileError, Found, ListDigest};

/// Up to here a file is small: taken with its whole folder.
const SMALL_BYTES_MAX: u64 = 1 << 20;

/// Larger files would make the corpus hang on one choice.
const LARGE_BYTES_MAX: u64 = 64 << 20;

/// Set-user-id, set-group-id and sticky files are not copied anywhere.
const MODE_SPECIAL: u32 = 0o7000;

/// How much to gather.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The sum of the file lengths, about.
    pub bytes: u64,
    /// The number of files, about.
    pub files: u64,
}

/// The kept copy of a corpus.
#[derive(Clone, Debug)]
pub struct Corpus {
    /// The folder that holds the files.
    pub root: PathBuf,
    /// The list: `path size sha256` on each line.
    pub list: PathBuf,
    /// What the list amounts to.
    pub digest: ListDigest,
}

/// Why there is no corpus.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CorpusError {
    /// A file could not be read, copied or listed.
    #[error(transparent)]
    File(#[from] FileError),
    /// The machine has too little to choose from.
    #[error(
        "found {found_bytes} bytes, but {wanted_bytes} are wanted: name more folders with --source"
    )]
    Little {
        /// What there is.
        found_bytes: u64,
        /// What is asked for.
        wanted_bytes: u64,
    },
}

/// Opens the kept corpus, or gathers it from `sources` when none is kept.
///
/// A copy that was cut short has no list and is made anew. One that is there is hashed in full,
/// which also brings it into the page cache.
pub fn open_or_gather(
    folder: &Path,
    sources: &[PathBuf],
    wanted: Wanted,
) -> Result<Corpus, CorpusError> {
    let (root, list) = (folder.join("files"), folder.join("list.txt"));
    if !list.exists() {
        gather(&root, sources, wanted)?;
    }
    let fresh = folder.join("list.new");
    let digest = files::list(&root, Some(&fresh))?;
    fs::rename(&fresh, &list).at("rename", &fresh)?;
    Ok(Corpus { root, list, digest })
}

/// A file that may be chosen.
struct Candidate {
    from: PathBuf,
    to: PathBuf,
    bytes: u64,
}

fn gather(root: &Path, sources: &[PathBuf], wanted: Wanted) -> Result<(), CorpusError> {
    let mut candidates = Vec::new();
    for source in sources.iter().filter(|source| source.is_dir()) {
        let name = source.as_os_str().as_bytes();
        let name = name.strip_prefix(b"/").unwrap_or(name);
        let name = String::from_utf8_lossy(name).replace('/', "-");
        for Found { path, bytes, mode, .. } in files::walk_allowed(source)? {
            if mode & MODE_SPECIAL == 0 && bytes <= LARGE_BYTES_MAX {
                let (from, to) = (source.join(&path), Path::new(&name).join(&path));
                candidates.push(Candidate { from, to, bytes });
            }
        }
    }
    let chosen = choose(candidates, wanted)?;
    files::empty_folder(root)?;
    for Candidate { from, to, .. } in chosen {
        let to = root.join(to);
        let parent = to.parent().unwrap_or(root);
        fs::create_dir_all(parent).at("create", parent)?;
        match fs::copy(&from, &to) {
            // What this user may not read is not part of this user's corpus.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {}
            done => {
                done.at("copy", &from)?;
                allow_writing(&to)?;
            }
        }
    }
    Ok(())
}

/// Files are changed in place later, by a user who need not be root.
fn allow_writing(path: &Path) -> Result<(), FileError> {
    let mut permissions = fs::metadata(path).at("look at", path)?.permissions();
    permissions.set_mode(permissions.mode() | 0o200);
    fs::set_permissions(path, permissions).at("make writable", path)
}

/// Takes whole folders of small files, in the order of their hashes, until the number is reached,
/// then large files in the same way until the bytes are.
fn choose(candidates: Vec<Candidate>, wanted: Wanted) -> Result<Vec<Candidate>, CorpusError> {
    let mut folders = BTreeMap::<Vcid, Vec<Candidate>>::new();
    let mut large = BTreeMap::<Vcid, Candidate>::new();
    let mut found_bytes = 0;
    for candidate in candidates {
        found_bytes += candidate.bytes;
        if candidate.bytes <= SMALL_BYTES_MAX {
            let folder = candidate.to.parent().unwrap_or(Path::new(""));
            folders.entry(name_hash(folder)).or_default().push(candidate);
        } else {
            large.insert(name_hash(&candidate.to), candidate);
        }
    }
    if found_bytes < wanted.bytes {
        return Err(CorpusError::Little { found_bytes, wanted_bytes: wanted.bytes });
    }
    let mut chosen = Vec::new();
    let mut bytes = 0;
    for folder in folders.into_values() {
        let folder_bytes: u64 = folder.iter().map(|file| file.bytes).sum();
        let files = (chosen.len() + folder.len()) as u64;
        if files <= wanted.files && bytes + folder_bytes <= wanted.bytes {
            bytes += folder_bytes;
            chosen.extend(folder);
        }
    }
    for file in large.into_values() {
        if bytes + file.bytes <= wanted.bytes {
            bytes += file.bytes;
            chosen.push(file);
        }
    }
    Ok(chosen)
}

fn name_hash(path: &Path) -> Vcid {
    Vcid::of(path.as_os_str().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gathered(place: &Path, order: [&str; 3]) -> ListDigest {
        let (source, corpus) = (place.join("source"), place.join("corpus"));
        files::empty_folder(&source).unwrap();
        files::empty_folder(&corpus).unwrap();
        for name in order {
            fs::create_dir(source.join(name)).unwrap();
            for number in 0..20 {
                fs::write(source.join(name).join(format!("{number}")), vec![number; 100]).unwrap();
            }
        }
        fs::write(source.join("large"), vec![1; 2 << 20]).unwrap();
        let wanted = Wanted { bytes: (2 << 20) + 4_000, files: 45 };
        open_or_gather(&corpus, &[source], wanted).unwrap().digest
    }

    #[test]
    fn the_choice_follows_from_the_files_alone() {
        let place = tempfile::tempdir().unwrap();
        let first = gathered(place.path(), ["a", "b", "c"]);
        assert_eq!(first, gathered(place.path(), ["c", "a", "b"]));
        // Two whole folders of three, and the large file.
        assert_eq!((first.files, first.bytes), (41, (2 << 20) + 4_000));
    }

    #[test]
    fn too_little_is_said() {
        let place = tempfile::tempdir().unwrap();
        let wanted = Wanted { bytes: 10, files: 10 };
        let error = open_or_gather(place.path(), &[], wanted).unwrap_err();
        assert!(matches!(error, CorpusError::Little { found_bytes: 0, .. }), "{error}");
    }
}
