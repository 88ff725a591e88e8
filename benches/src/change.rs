//! One file in a hundred changed, the same ones each time, and changed back.
//!
//! The tree is changed where it stands, because tools remember files by path and inode; what was
//! changed comes back from the kept corpus.

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use vigil_base::Vcid;

use crate::files::{At as _, FileError};

/// One file in this many is changed.
const ONE_IN: u64 = 100;

/// What happens to a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// 64 bytes in the middle are replaced; the length stays unless the file is shorter.
    Overwrite,
    /// 1 000 bytes are added at the end.
    Append,
    /// 100 bytes are put before the first, so that everything shifts.
    Insert,
    /// The name gets a suffix.
    Rename,
}

/// One file and what happens to it.
#[derive(Clone, Debug)]
struct Change {
    path: PathBuf,
    kind: Kind,
    /// Stands for the new bytes, so that no two files get the same.
    seed: Vcid,
}

/// What is going to be changed, taken from a corpus's list.
#[derive(Clone, Debug)]
pub struct Changes {
    changes: Vec<Change>,
}

impl Changes {
    /// Chooses from a list of lines `path size sha256`.
    pub fn choose(list: &Path) -> Result<Self, FileError> {
        let mut lines = BufReader::new(File::open(list).at("open", list)?);
        let mut line = Vec::new();
        let mut changes = Vec::new();
        loop {
            line.clear();
            if lines.read_until(b'\n', &mut line).at("read", list)? == 0 {
                return Ok(Self { changes });
            }
            // A path may hold spaces; size and hash hold none.
            let path = line.rsplitn(3, |byte| *byte == b' ').nth(2).unwrap_or_default();
            changes.extend(Change::of(Path::new(OsStr::from_bytes(path))));
        }
    }

    /// Returns how many files are changed.
    pub fn count(&self) -> usize {
        self.changes.len()
    }

    /// Changes the files below `tree`.
    pub fn apply(&self, tree: &Path) -> Result<(), FileError> {
        self.changes.iter().try_for_each(|change| change.apply(&tree.join(&change.path)))
    }

    /// Takes the changes back, with the bytes that the files have below `corpus`.
    pub fn revert(&self, tree: &Path, corpus: &Path) -> Result<(), FileError> {
        for change in &self.changes {
            let path = tree.join(&change.path);
            if change.kind == Kind::Rename {
                let moved = moved(&path);
                fs::rename(&moved, &path).at("rename", &moved)?;
            } else {
                fs::copy(corpus.join(&change.path), &path).at("restore", &path)?;
            }
        }
        Ok(())
    }
}

impl Change {
    /// Returns the change of the file at `path`, if it is among those that change.
    fn of(path: &Path) -> Option<Self> {
        let seed = Vcid::of(path.as_os_str().as_bytes());
        let mut number = [0; 8];
        number.copy_from_slice(&seed.as_bytes()[..8]);
        let number = u64::from_le_bytes(number);
        let kind = match number / ONE_IN % 4 {
            0 => Kind::Overwrite,
            1 => Kind::Append,
            2 => Kind::Insert,
            _ => Kind::Rename,
        };
        (number % ONE_IN == 0).then(|| Self { path: path.to_owned(), kind, seed })
    }

    fn apply(&self, path: &Path) -> Result<(), FileError> {
        let new = self.seed.to_hex().repeat(16).into_bytes();
        match self.kind {
            Kind::Overwrite => {
                let file = OpenOptions::new().write(true).open(path).at("open", path)?;
                let middle = file.metadata().at("look at", path)?.len() / 2;
                file.write_all_at(&new[..64], middle).at("change", path)
            }
            Kind::Append => {
                let mut file = OpenOptions::new().append(true).open(path).at("open", path)?;
                file.write_all(&new[..1_000]).at("change", path)
            }
            Kind::Insert => {
                let old = fs::read(path).at("read", path)?;
                fs::write(path, [&new[..100], &old].concat()).at("change", path)
            }
            Kind::Rename => fs::rename(path, moved(path)).at("rename", path),
        }
    }
}

fn moved(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".moved");
    PathBuf::from(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files;

    #[test]
    fn changes_are_few_the_same_each_time_and_taken_back() {
        let place = tempfile::tempdir().unwrap();
        let (tree, corpus) = (place.path().join("tree"), place.path().join("corpus"));
        for root in [&tree, &corpus] {
            fs::create_dir_all(root.join("some folder")).unwrap();
            for number in 0..2_000 {
                let text = format!("file {number}\n").repeat(number % 30);
                fs::write(root.join("some folder").join(number.to_string()), text).unwrap();
            }
        }
        let lines = place.path().join("list");
        let before = files::list(&corpus, Some(&lines)).unwrap();
        let changes = Changes::choose(&lines).unwrap();
        assert!((5..50).contains(&changes.count()), "{}", changes.count());

        changes.apply(&tree).unwrap();
        let after = files::list(&tree, None).unwrap();
        assert_ne!(before.digest, after.digest);
        changes.revert(&tree, &corpus).unwrap();
        assert_eq!(before, files::list(&tree, None).unwrap());
        changes.apply(&tree).unwrap();
        assert_eq!(after, files::list(&tree, None).unwrap());
    }
}
