//! Getting rid of trees between timed runs without slowing the next one.
//!
//! ext4 does not hand out an inode again for up to five minutes after its file was unlinked, and
//! looks at each such inode again for every file that it creates near by: after 8 000 unlinked
//! files, `cp -r` of as many took 11 s instead of 0.6 s, all of it in the kernel. So nothing is
//! unlinked while a session runs: trees are moved aside and their files emptied, which gives the
//! space back at once, and all is removed at the end. A session that begins soon after another's end
//! waits until the inodes are forgotten.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::bench::say;
use crate::files::{self, At as _, FileError};

/// How long ext4 remembers, at most: five seconds, and five minutes more until the inode's block has
/// been written back.
const MEMORY: Duration = Duration::from_secs(305);

/// The file whose age says when things were last removed.
const MARK: &str = "removed";

/// A folder of emptied trees.
#[derive(Debug)]
pub struct Trash {
    folder: PathBuf,
    next: u64,
}

impl Trash {
    /// Opens the trash below `folder`, and waits until what an earlier session removed is
    /// forgotten. What a session that was cut short left in the trash stays until
    /// [`Trash::remove`].
    pub fn open(folder: &Path) -> Result<Self, FileError> {
        let mark = folder.join(MARK);
        if let Ok(about) = fs::metadata(&mark) {
            let removed = about.modified().at("look at", &mark)?;
            // A clock that was set back says nothing, so the wait is whole.
            let passed = removed.elapsed().unwrap_or_default();
            if let Some(left) = MEMORY.checked_sub(passed) {
                let seconds = left.as_secs();
                say(&format!("waiting {seconds} s: files were removed here (see trash.rs)"));
                std::thread::sleep(left);
            }
        }
        let folder = folder.join("trash");
        fs::create_dir_all(&folder).at("create", &folder)?;
        Ok(Self { folder, next: 0 })
    }

    /// Moves a folder aside and empties its files; one that is not there is fine.
    pub fn take(&mut self, path: &Path) -> Result<(), FileError> {
        let aside = loop {
            let aside = self.folder.join(self.next.to_string());
            self.next += 1;
            if !aside.exists() {
                break aside;
            }
        };
        match fs::rename(path, &aside) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            done => done.at("move aside", path)?,
        }
        files::each(&aside, |file| {
            let path = aside.join(&file.path);
            if file.mode & 0o200 == 0 {
                // Some tools take the write permission off what they wrote.
                fs::set_permissions(&path, fs::Permissions::from_mode(0o600))
                    .at("make writable", &path)?;
            }
            File::create(&path).map(drop).at("empty", &path)
        })
    }

    /// Removes everything, and notes when.
    pub fn remove(self) -> Result<(), FileError> {
        files::remove(&self.folder)?;
        let mark = self.folder.with_file_name(MARK);
        File::create(&mark).map(drop).at("create", &mark)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trees_are_emptied_and_kept_until_the_end() {
        let place = tempfile::tempdir().unwrap();
        let tree = place.path().join("tree");
        let mut trash = Trash::open(place.path()).unwrap();
        for _ in 0..2 {
            fs::create_dir(&tree).unwrap();
            fs::write(tree.join("file"), "text").unwrap();
            fs::set_permissions(tree.join("file"), fs::Permissions::from_mode(0o400)).unwrap();
            trash.take(&tree).unwrap();
        }
        trash.take(&tree).unwrap();
        let left = files::extent(place.path()).unwrap();
        assert_eq!((left.files, left.bytes), (2, 0));
        trash.remove().unwrap();
        let left = files::walk(place.path()).unwrap();
        assert!(matches!(&left[..], [mark] if mark.path == Path::new(MARK)), "{left:?}");
    }
}
