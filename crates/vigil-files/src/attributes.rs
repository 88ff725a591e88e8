//! The attributes that a snapshot keeps: reading them, and giving them to what was restored.
//!
//! What is restored is reached through a descriptor, and what cannot be set is noted, never an error: who
//! restores may not be who owned it, and the file system may be another one.
//!
//! Owner first, since changing it clears bits of the mode; times last, since everything else sets them.

use std::ffi::OsStr;
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

use rustix::fs::{
    AtFlags, FileType, Gid, Mode, OFlags, Stat, Timespec, Timestamps, Uid, XattrFlags,
};
use rustix::io::Errno;
use vigil_base::EntryKind;

use crate::folder::Stamp;
use crate::snapshot::Attributes;

/// Reads the attributes of what lies at `path`. Hard links have numbers that are made small, and
/// independent of the machine, once all are known.
pub(crate) fn read_attributes(stat: &Stat, path: &Path, kind: EntryKind) -> Attributes {
    let stamp = Stamp::of(stat);
    let is_linked =
        stat.st_nlink > 1 && FileType::from_raw_mode(stat.st_mode) != FileType::Directory;
    Attributes {
        mode: stat.st_mode & 0o7777,
        owner: stat.st_uid,
        group: stat.st_gid,
        modified: stamp.modified,
        link: if is_linked { stamp.inode ^ stamp.device.rotate_left(40) } else { 0 },
        extended: extended_attributes(path, kind),
    }
}

/// Longest list of names, and longest value, of extended attributes (Linux's `XATTR_LIST_MAX` and
/// `XATTR_SIZE_MAX`).
const EXTENDED_BYTES_MAX: usize = 64 << 10;

/// Reads extended attributes; one that cannot be read is left out, as those of file systems that have
/// none are.
fn extended_attributes(path: &Path, kind: EntryKind) -> Vec<(Vec<u8>, Vec<u8>)> {
    if kind == EntryKind::Symlink {
        return Vec::new();
    }
    // Asked for their length first: nearly always there are none.
    let len = match rustix::fs::llistxattr(path, &mut [0_u8; 0][..]) {
        Ok(len) if len > 0 => len,
        _ => return Vec::new(),
    };
    let mut names = vec![0; len.min(EXTENDED_BYTES_MAX)];
    let Ok(len) = rustix::fs::llistxattr(path, &mut names[..]) else { return Vec::new() };
    let mut extended: Vec<(Vec<u8>, Vec<u8>)> = names[..len]
        .split(|&byte| byte == 0)
        .filter(|name| !name.is_empty())
        .filter_map(|name| {
            let mut value = vec![0; EXTENDED_BYTES_MAX];
            let len = rustix::fs::lgetxattr(path, name, &mut value[..]).ok()?;
            value.truncate(len);
            value.shrink_to_fit();
            Some((name.to_vec(), value))
        })
        .collect();
    extended.sort_unstable();
    extended
}

/// Takes why something could not be restored.
type Refused<'a> = &'a mut dyn FnMut(String);

fn refusal(what: &str, errno: Errno) -> String {
    format!("could not restore its {what}: {}", std::io::Error::from(errno))
}

/// Gives an open file, written to the end, its attributes.
pub(crate) fn apply_to_file(file: impl AsFd, attributes: &Attributes, refused: Refused<'_>) {
    let mut refuse = |what, errno| refused(refusal(what, errno));
    // Asking first is cheaper than setting what is right already, which is nearly always so.
    let is = rustix::fs::fstat(&file).ok();
    let (owner, group) = (attributes.owner, attributes.group);
    let has_owner = is.is_some_and(|stat| (stat.st_uid, stat.st_gid) == (owner, group));
    // Only root may give files away; for everybody else the owner stays who restores.
    let gives_away = !has_owner && rustix::process::geteuid().is_root();
    if gives_away {
        let (owner, group) = (Uid::from_raw(owner), Gid::from_raw(group));
        rustix::fs::fchown(&file, Some(owner), Some(group))
            .unwrap_or_else(|errno| refuse("owner", errno));
    }
    for (name, value) in &attributes.extended {
        rustix::fs::fsetxattr(&file, &name[..], value, XattrFlags::empty())
            .unwrap_or_else(|errno| refuse("extended attributes", errno));
    }
    let has_mode = is.is_some_and(|stat| stat.st_mode & 0o7777 == attributes.mode);
    if gives_away || !attributes.extended.is_empty() || !has_mode {
        rustix::fs::fchmod(&file, Mode::from(attributes.mode))
            .unwrap_or_else(|errno| refuse("mode", errno));
    }
    rustix::fs::futimens(&file, &times(attributes)).unwrap_or_else(|errno| refuse("time", errno));
}

/// Gives the symbolic link `name` in `folder` its owner and time; it has nothing else.
pub(crate) fn apply_to_link(
    folder: BorrowedFd<'_>,
    name: &OsStr,
    attributes: &Attributes,
    refused: Refused<'_>,
) {
    let flags = AtFlags::SYMLINK_NOFOLLOW;
    if rustix::process::geteuid().is_root() {
        let (owner, group) = (Uid::from_raw(attributes.owner), Gid::from_raw(attributes.group));
        rustix::fs::chownat(folder, name, Some(owner), Some(group), flags)
            .unwrap_or_else(|errno| refused(refusal("owner", errno)));
    }
    rustix::fs::utimensat(folder, name, &times(attributes), flags)
        .unwrap_or_else(|errno| refused(refusal("time", errno)));
}

/// Gives the folder at `path` below `root` its attributes; an empty path is `root` itself.
pub(crate) fn apply_to_folder(
    root: impl AsFd,
    path: &Path,
    attributes: &Attributes,
    refused: Refused<'_>,
) {
    let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    match rustix::fs::openat(&root, path, flags, Mode::empty()) {
        Ok(folder) => apply_to_file(File::from(folder), attributes, refused),
        Err(errno) => refused(refusal("mode, owner and time", errno)),
    }
}

fn times(attributes: &Attributes) -> Timestamps {
    let modified = Timespec {
        tv_sec: attributes.modified.div_euclid(1_000_000_000),
        tv_nsec: attributes.modified.rem_euclid(1_000_000_000) as _,
    };
    Timestamps { last_access: modified, last_modification: modified }
}
