//! What is known of the folders of a work tree.

use std::collections::HashSet;
use std::ffi::CStr;

use rustix::fs::Statx;
use vigil_base::{EntryKind, Vcid};

/// A folder's place in the list of folders.
pub type FolderId = u32;

/// What the system says of a file, by which a change of it is found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    modified: i64,
    changed: i64,
    mode: u32,
}

impl Stamp {
    /// Takes what matters out of what the system said.
    pub fn of(stat: &Statx) -> Self {
        let nanos = |time: &rustix::fs::StatxTimestamp| {
            time.tv_sec.saturating_mul(1_000_000_000).saturating_add(i64::from(time.tv_nsec))
        };
        Self {
            device: u64::from(stat.stx_dev_major) << 32 | u64::from(stat.stx_dev_minor),
            inode: stat.stx_ino,
            size: stat.stx_size,
            modified: nanos(&stat.stx_mtime),
            changed: nanos(&stat.stx_ctime),
            mode: u32::from(stat.stx_mode),
        }
    }

    /// Returns whether both are of one file or folder, whatever has become of it.
    pub fn is_of_same_thing(&self, other: &Self) -> bool {
        (self.device, self.inode) == (other.device, other.inode)
    }

    /// Returns whether the last change lies so far before `now` that a later one has a later time.
    ///
    /// A clock that ticks coarsely (ext4 has 4 ms, FAT has 2 s) gives two changes one time; git calls
    /// an entry *racily clean* that might hide such a one.
    pub fn is_settled(&self, now: i64) -> bool {
        self.modified.max(self.changed) < now.saturating_sub(SETTLED_NANOS)
    }
}

/// Bytes of a stamp in a record.
const STAMP_BYTES: usize = 5 * 8 + 4;

impl Stamp {
    /// Writes it into a record.
    pub fn write(&self, record: &mut Vec<u8>) {
        for word in [self.device, self.inode, self.size] {
            record.extend_from_slice(&word.to_le_bytes());
        }
        for word in [self.modified, self.changed] {
            record.extend_from_slice(&word.to_le_bytes());
        }
        record.extend_from_slice(&self.mode.to_le_bytes());
    }

    /// Reads it from a record.
    pub fn read(bytes: &[u8; STAMP_BYTES]) -> Self {
        let (words, mode) = bytes.as_chunks::<8>();
        let word = |at: usize| u64::from_le_bytes(words[at]);
        Self {
            device: word(0),
            inode: word(1),
            size: word(2),
            modified: word(3) as i64,
            changed: word(4) as i64,
            mode: mode.first_chunk().map_or(0, |mode| u32::from_le_bytes(*mode)),
        }
    }
}

/// As in the record of unchanged files of `vigil-files`.
const SETTLED_NANOS: i64 = 2_000_000_000;

/// Something in a folder.
#[derive(Clone, Debug)]
pub struct Item {
    /// Where in the folder's names its own begins; it ends with a zero byte.
    pub name_at: u32,
    /// What it is.
    pub kind: EntryKind,
    /// The folder that it is.
    pub folder: Option<FolderId>,
    /// What the system said when it was read.
    pub stamp: Stamp,
    /// Whether it may be taken as unchanged while its stamp is.
    pub is_settled: bool,
    /// Its content; `None` while it was not read.
    pub vcid: Option<Vcid>,
}

impl Item {
    /// Makes one that nothing is known of but what it is.
    pub fn fresh(kind: EntryKind) -> Self {
        let stamp = Stamp::default();
        Self { name_at: 0, kind, folder: None, stamp, is_settled: false, vcid: None }
    }
}

/// A folder.
#[derive(Debug, Default)]
pub struct Folder {
    pub parent: Option<FolderId>,
    /// Names of the items, each with a zero byte behind it.
    names: Vec<u8>,
    /// In the order of their names as bytes.
    pub items: Vec<Item>,
    pub stamp: Stamp,
    /// Whether the list may be taken as unchanged while the stamp is.
    pub is_settled: bool,
    /// Its tree; `None` while it is not known.
    pub vcid: Option<Vcid>,
    /// The number under which the system reports on it.
    pub watch: Option<i32>,
    /// Whether it was watched and is not any longer, so that nothing of it was reported.
    pub has_lost_watch: bool,
    /// Names that were reported; an empty one for the folder itself.
    pub suspects: Option<HashSet<Vec<u8>>>,
    /// Whether something was reported of a folder below it.
    pub is_suspect_below: bool,
}

impl Folder {
    /// Makes a folder that nothing is known of.
    pub fn below(parent: FolderId) -> Self {
        Self { parent: Some(parent), ..Self::default() }
    }

    /// Forgets that the system reports on it.
    pub fn unwatch(&mut self) {
        self.watch = None;
    }

    /// Notes that the system reports on it no longer.
    pub fn lose_watch(&mut self) {
        self.watch = None;
        self.has_lost_watch = true;
    }

    /// Returns an item's name.
    pub fn name(&self, item: &Item) -> &CStr {
        let from = &self.names[item.name_at as usize..];
        CStr::from_bytes_until_nul(from).unwrap_or_default()
    }

    fn add_name(&mut self, name: &[u8]) -> u32 {
        let name_at = self.names.len() as u32;
        self.names.extend_from_slice(name);
        self.names.push(0);
        name_at
    }

    /// Fills an empty folder with items in the order of their names.
    pub fn fill(&mut self, items: Vec<(&[u8], Item)>) {
        for (name, item) in items {
            let name_at = self.add_name(name);
            self.items.push(Item { name_at, ..item });
        }
    }

    fn place(&self, name: &[u8]) -> Result<usize, usize> {
        self.items.binary_search_by(|item| self.name(item).to_bytes().cmp(name))
    }

    /// Returns an item by its name.
    pub fn find(&self, name: &[u8]) -> Option<&Item> {
        Some(&self.items[self.place(name).ok()?])
    }

    /// Replaces the list: items whose name and kind of thing are as before stay as they are. Returns
    /// the items that are gone.
    pub fn relist(&mut self, mut listed: Vec<(Vec<u8>, EntryKind)>) -> Vec<(Vec<u8>, Item)> {
        listed.sort_unstable();
        let before = std::mem::take(&mut self.items);
        let names = std::mem::take(&mut self.names);
        let name_of = |item: &Item| {
            let from = &names[item.name_at as usize..];
            CStr::from_bytes_until_nul(from).unwrap_or_default().to_bytes()
        };
        let mut before = before.into_iter().peekable();
        let mut gone = Vec::new();
        for (name, kind) in listed {
            while let Some(item) = before.next_if(|item| name_of(item) < &name[..]) {
                gone.push((name_of(&item).to_vec(), item));
            }
            let known = before.next_if(|item| name_of(item) == &name[..]);
            let is_folder = |kind| kind == EntryKind::Tree;
            let name_at = self.add_name(&name);
            let fresh = Item { name_at, ..Item::fresh(kind) };
            let item = match known {
                Some(item) if is_folder(item.kind) == is_folder(kind) => Item { name_at, ..item },
                Some(item) => {
                    gone.push((name, item));
                    fresh
                }
                None => fresh,
            };
            self.items.push(item);
        }
        gone.extend(before.map(|item| (name_of(&item).to_vec(), item)));
        gone
    }
}
