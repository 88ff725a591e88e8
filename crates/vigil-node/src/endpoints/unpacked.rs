//! What archives unpack to: bounds, and the tree that grows entry by entry.
//!
//! Invariants:
//! - nothing that an archive says leads out of the tree: no path, and no link unless that is asked for;
//! - what a hostile archive costs in memory and room is bounded by what is known before it is opened.

use std::collections::BTreeMap;
use std::io::{self, Read};

use vigil_base::limits::{SYMLINK_TARGET_BYTES_MAX, TREE_DEPTH_MAX};
use vigil_base::{Entry, EntryKind, EntryName, Tree, Vcid};
use vigil_kernel::{Blobs as _, HostFault, Refusal, shorten};

use super::packing::too_many;
use crate::description::{Complaint, Given, misuse};
use crate::host::StoreHost;

/// Most bytes that come out where nothing is said: this, and so many times what goes in. Text packs to
/// a tenth, logs to a hundredth; 42 kB that claim to be petabytes end at a gibibyte.
const OUT_BYTES_MIN: u64 = 1 << 30;
const OUT_PER_IN: u64 = 100;

/// Memory that the paths of one archive may take: some millions of entries.
const PATH_BYTES_MAX: usize = 256 << 20;
/// What an entry takes beside its path.
const ENTRY_BYTES: usize = 96;

/// Reads the argument `max`.
pub fn bound(given: &Given) -> Result<u64, Refusal> {
    let text = given.text("max");
    if text == "auto" {
        return Ok(OUT_BYTES_MIN.saturating_add(given.found.size.saturating_mul(OUT_PER_IN)));
    }
    let wrong =
        || misuse(format!("`max` is a size such as 10GiB, and `{}` is none", shorten(text)));
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let scale = match &text[digits..] {
        "" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        "TiB" => 1 << 40,
        _ => return Err(wrong()),
    };
    let number: u64 = text[..digits].parse().map_err(|_| wrong())?;
    number.checked_mul(scale).ok_or_else(wrong)
}

/// A stream that fails once more than a bound has come out of it.
pub struct Bounded<'a> {
    source: &'a mut dyn Read,
    max: u64,
    left: u64,
}

impl<'a> Bounded<'a> {
    /// Lets `max` bytes through.
    pub fn new(source: &'a mut dyn Read, max: u64) -> Self {
        Self { source, max, left: max }
    }

    /// Lets `left` bytes through, of `max` that there were.
    pub fn of(source: &'a mut dyn Read, max: u64, left: u64) -> Self {
        Self { source, max, left }
    }
}

impl Read for Bounded<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.source.read(into)?;
        match self.left.checked_sub(count as u64) {
            Some(left) => self.left = left,
            None => return Err(too_many(self.max)),
        }
        Ok(count)
    }
}

/// What to do with what a tree would rather not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unwelcome {
    /// Refuse the archive.
    Refuse,
    /// Take it as it is.
    Keep,
    /// Leave it out.
    Drop,
}

impl Unwelcome {
    /// Reads an argument.
    pub fn of(text: &str) -> Self {
        match text {
            "keep" => Self::Keep,
            "drop" => Self::Drop,
            _ => Self::Refuse,
        }
    }
}

enum Slot {
    Folder(usize),
    Leaf(EntryKind, Vcid),
}

/// A tree that grows. Folders are numbered, and each comes after the one that it is in.
pub struct Growing {
    folders: Vec<BTreeMap<EntryName, Slot>>,
    path_bytes: usize,
    links: Unwelcome,
}

impl Growing {
    /// Starts with an empty tree; `links` says what becomes of links that lead out of it.
    pub fn new(links: Unwelcome) -> Self {
        Self { folders: vec![BTreeMap::new()], path_bytes: 0, links }
    }

    /// Reads the path of an entry: steps that stay inside.
    pub fn path(&mut self, bytes: &[u8]) -> Result<Vec<EntryName>, String> {
        let shown = || String::from_utf8_lossy(bytes).into_owned();
        self.path_bytes += bytes.len() + ENTRY_BYTES;
        if self.path_bytes > PATH_BYTES_MAX {
            return Err(format!("its paths take more than {PATH_BYTES_MAX} bytes"));
        }
        if bytes.starts_with(b"/") {
            return Err(format!("the path of `{}` does not start inside of the archive", shown()));
        }
        let mut steps = Vec::new();
        for step in bytes.split(|byte| *byte == b'/') {
            match step {
                b"" | b"." => {}
                b".." => return Err(format!("the path of `{}` leads upwards", shown())),
                step => {
                    let name = EntryName::new(step);
                    steps.push(name.map_err(|error| format!("the entry `{}`: {error}", shown()))?);
                }
            }
            if steps.len() > TREE_DEPTH_MAX {
                return Err(format!("`{}` is nested deeper than a tree may be", shown()));
            }
        }
        Ok(steps)
    }

    /// Returns the number of a folder, making it and those above it where they are missing.
    fn folder(&mut self, path: &[EntryName]) -> Result<usize, String> {
        let mut here = 0;
        for (depth, name) in path.iter().enumerate() {
            let next = self.folders.len();
            let slot = self.folders[here].entry(name.clone()).or_insert(Slot::Folder(next));
            match slot {
                Slot::Folder(number) => here = *number,
                Slot::Leaf(kind, _) => {
                    let what = if *kind == EntryKind::Symlink { "a link" } else { "a file" };
                    let path = joined(&path[..=depth]);
                    return Err(format!("`{path}` is {what} and a folder at once"));
                }
            }
            if here == next {
                self.folders.push(BTreeMap::new());
                self.path_bytes += ENTRY_BYTES;
            }
        }
        Ok(here)
    }

    /// Adds a folder; one that is there already stays as it is.
    pub fn add_folder(&mut self, path: &[EntryName]) -> Result<(), String> {
        self.folder(path).map(|_| ())
    }

    /// Adds a file or a link. One that is there already is replaced if `replaces`.
    pub fn add(
        &mut self,
        path: &[EntryName],
        kind: EntryKind,
        vcid: Vcid,
        replaces: bool,
    ) -> Result<(), String> {
        let Some((name, above)) = path.split_last() else {
            return Err("the archive itself is said to be a file".to_owned());
        };
        let folder = self.folder(above)?;
        match self.folders[folder].get(name) {
            Some(Slot::Folder(_)) => {
                return Err(format!("`{}` is a folder and a file at once", joined(path)));
            }
            Some(Slot::Leaf(..)) if !replaces => {
                return Err(format!("there are two entries `{}`", joined(path)));
            }
            _ => {}
        }
        self.folders[folder].insert(name.clone(), Slot::Leaf(kind, vcid));
        Ok(())
    }

    /// Returns what was added at a path.
    pub fn find(&self, path: &[EntryName]) -> Option<(EntryKind, Vcid)> {
        let (name, above) = path.split_last()?;
        let mut here = &self.folders[0];
        for step in above {
            match here.get(step)? {
                Slot::Folder(number) => here = &self.folders[*number],
                Slot::Leaf(..) => return None,
            }
        }
        match here.get(name)? {
            Slot::Leaf(kind, vcid) => Some((*kind, *vcid)),
            Slot::Folder(_) => None,
        }
    }

    /// Judges the target of a link at `path`: whether it is to be added.
    pub fn takes_link(&self, path: &[EntryName], target: &[u8]) -> Result<bool, Complaint> {
        if target.is_empty() || target.len() > SYMLINK_TARGET_BYTES_MAX || target.contains(&0) {
            let path = joined(path);
            return Err(format!("the link `{path}` has no target that a system takes").into());
        }
        if stays_inside(path.len().saturating_sub(1), target) {
            return Ok(true);
        }
        match self.links {
            Unwelcome::Keep => Ok(true),
            Unwelcome::Drop => Ok(false),
            Unwelcome::Refuse => {
                let (path, target) = (joined(path), String::from_utf8_lossy(target));
                Err(Complaint::with_hint(
                    format!("the link `{path}` leads out of the archive, to `{target}`"),
                    "`links=drop` leaves such links out, `links=keep` takes them as they are",
                ))
            }
        }
    }

    /// Keeps the records of all folders, those inside first, and returns the tree's name.
    pub fn finish(mut self, host: &StoreHost) -> Result<Vcid, HostFault> {
        let mut names: BTreeMap<usize, Vcid> = BTreeMap::new();
        while let Some(folder) = self.folders.pop() {
            let number = self.folders.len();
            let entry = |(name, slot): (EntryName, Slot)| match slot {
                Slot::Leaf(kind, vcid) => Entry { name, kind, vcid },
                Slot::Folder(inner) => {
                    // Folders come after the one that they are in, so this one is done.
                    let vcid = names.remove(&inner).expect("it has a greater number");
                    Entry { name, kind: EntryKind::Tree, vcid }
                }
            };
            let entries: Vec<Entry> = folder.into_iter().map(entry).collect();
            let tree = Tree::new(entries).expect("a map has each name once");
            names.insert(number, host.put(&tree.encode())?);
        }
        Ok(names.remove(&0).expect("the root is there from the start"))
    }
}

/// Whether a link's target, from so many folders below the root, stays below the root all the way.
fn stays_inside(depth: usize, target: &[u8]) -> bool {
    if target.starts_with(b"/") {
        return false;
    }
    let mut depth = Some(depth);
    for step in target.split(|byte| *byte == b'/') {
        depth = match step {
            b"" | b"." => depth,
            b".." => depth.and_then(|depth| depth.checked_sub(1)),
            _ => depth.map(|depth| depth + 1),
        };
    }
    depth.is_some()
}

fn joined(path: &[EntryName]) -> String {
    path.iter().map(EntryName::for_people).collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn growing() -> Growing {
        Growing::new(Unwelcome::Refuse)
    }

    fn add(tree: &mut Growing, path: &str, replaces: bool) -> Result<(), String> {
        let path = tree.path(path.as_bytes())?;
        tree.add(&path, EntryKind::File, Vcid::of(b""), replaces)
    }

    #[test]
    fn paths_stay_inside() {
        for (path, want) in [("a/b", 2), ("./a//b/", 2), (".", 0), ("", 0), ("...", 1)] {
            assert_eq!(
                growing().path(path.as_bytes()).map(|steps| steps.len()),
                Ok(want),
                "{path}"
            );
        }
        for path in ["/a", "../a", "a/../../b", "a/..", "a\0b"] {
            assert!(growing().path(path.as_bytes()).is_err(), "{path:?}");
        }
        assert!(growing().path("a/".repeat(TREE_DEPTH_MAX + 1).as_bytes()).is_err());
    }

    #[test]
    fn what_is_two_things_at_once_is_refused() {
        let mut tree = growing();
        add(&mut tree, "a/b", false).unwrap();
        assert!(add(&mut tree, "a", false).is_err(), "a folder becomes a file");
        assert!(add(&mut tree, "a/b/c", false).is_err(), "a file becomes a folder");
        assert!(add(&mut tree, "a/b", false).is_err(), "two of one name");
        add(&mut tree, "a/b", true).unwrap();
        assert!(add(&mut tree, "", true).is_err(), "the root is a file");
    }

    #[test]
    fn links_that_lead_out_are_known() {
        for (depth, target, want) in [
            (0, "a", true),
            (0, "..", false),
            (1, "..", true),
            (1, "../..", false),
            (1, "../a", true),
            (1, "../../a", false),
            (2, "../b/../../../a/b", false),
            (0, "/a", false),
            (0, "a/../b", true),
        ] {
            assert_eq!(stays_inside(depth, target.as_bytes()), want, "{depth} {target}");
        }
    }

    #[test]
    fn paths_are_bounded_in_all() {
        let mut tree = growing();
        let long = "x".repeat(200) + "/" + &"y".repeat(200);
        let mut result = Ok(Vec::new());
        for _ in 0..PATH_BYTES_MAX / (long.len() + ENTRY_BYTES) + 2 {
            result = tree.path(long.as_bytes());
        }
        assert!(result.is_err());
    }
}
