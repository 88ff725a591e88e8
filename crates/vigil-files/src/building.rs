//! Building trees while files are read: a folder's tree is stored as soon as all in it is known.
//!
//! Folders that are known whole are not held any longer, so what this takes of memory grows with the
//! largest folder and not with their number. Only metadata, where it is wanted, is kept to the end.

use std::collections::HashMap;
use std::io::{self, Read};
use std::sync::{Mutex, MutexGuard, PoisonError};

use vigil_base::{Entry, EntryKind, Tree, Vcid};
use vigil_store::{Batch, PutError, Stored};

use crate::snapshot::{Attributes, Snapshot};

/// Where an entry belongs: the number of its folder, and its index there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub folder: u32,
    pub entry: u32,
}

/// What became of an entry.
pub(crate) struct Outcome {
    pub place: Place,
    /// `None` where it could not be read.
    pub vcid: Option<Vcid>,
}

/// One folder of which not everything is known yet.
struct Found {
    /// Where it belongs; the root belongs nowhere.
    parent: Option<Place>,
    entries: Vec<Entry>,
    /// Beside `entries`, when metadata is wanted.
    attributes: Vec<Attributes>,
    /// Entries that could not be read, by index.
    dropped: Vec<u32>,
    /// For each entry that is a folder, by index: its number.
    folders: Vec<(u32, u32)>,
    /// Entries whose ids are not known yet; one more while the folder is being listed.
    waiting: usize,
}

/// What is kept of a folder for the snapshot.
#[derive(Default)]
struct Kept {
    attributes: Vec<Attributes>,
    /// Beside `attributes`.
    are_folders: Vec<bool>,
    /// The numbers of those that are.
    folders: Vec<u32>,
}

#[derive(Default)]
struct State {
    open: HashMap<u32, Found>,
    kept: HashMap<u32, Kept>,
    folders: u32,
    files: u64,
    root: Option<Vcid>,
}

/// The folders of one job.
pub(crate) struct Building<'a> {
    state: Mutex<State>,
    /// Trees have frames of their own, so that a listing decodes little else.
    trees: Mutex<Batch<'a>>,
    /// The root's own metadata, when metadata is wanted.
    own: Option<Attributes>,
}

/// What was built.
pub(crate) struct Built {
    pub root: Vcid,
    pub metadata: Option<Vcid>,
    /// Entries that are no folders.
    pub files: u64,
    pub folders: u64,
    pub stored: Stored,
}

/// The number of the folder that everything is in.
pub(crate) const ROOT: u32 = 0;

impl<'a> Building<'a> {
    /// Starts with the root, which is to be listed next.
    pub fn new(trees: Batch<'a>, own: Option<Attributes>) -> Self {
        let building = Self { state: Mutex::default(), trees: Mutex::new(trees), own };
        building.state().begin(None);
        building
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says how many entries a folder has at most.
    pub fn reserve(&self, folder: u32, entries: usize) {
        let keeps_metadata = self.own.is_some();
        if let Some(found) = self.state().open.get_mut(&folder) {
            found.entries.reserve_exact(entries);
            found.attributes.reserve_exact(if keeps_metadata { entries } else { 0 });
        }
    }

    /// Adds entries of a folder that is being listed; their ids are to follow.
    pub fn expect(
        &self,
        folder: u32,
        entries: impl ExactSizeIterator<Item = Entry>,
        attributes: impl Iterator<Item = Attributes>,
    ) {
        if let Some(found) = self.state().open.get_mut(&folder) {
            found.waiting += entries.len();
            found.entries.extend(entries);
            found.attributes.extend(attributes);
        }
    }

    /// Numbers the folders in a folder, in order. They are to be listed later.
    pub fn begin_below(&self, folder: u32, entries: Vec<u32>) -> Vec<u32> {
        let mut state = self.state();
        let place = |entry| Some(Place { folder, entry });
        let numbers: Vec<u32> = entries.iter().map(|entry| state.begin(place(*entry))).collect();
        if let Some(found) = state.open.get_mut(&folder) {
            found.folders = entries.into_iter().zip(numbers.clone()).collect();
        }
        numbers
    }

    /// Says that all entries of a folder have been named.
    pub fn end(&self, folder: u32) -> Result<(), PutError> {
        let whole = self.state().settle(folder, |_| {});
        self.build(whole.into_iter().collect())
    }

    /// Says that a folder could not be listed at all, so it is left out.
    pub fn leave_out(&self, folder: u32, place: Place) -> Result<(), PutError> {
        self.state().open.remove(&folder);
        self.settle([Outcome { place, vcid: None }])
    }

    /// Takes what became of entries, and stores the trees of folders that are now known whole.
    pub fn settle(&self, outcomes: impl IntoIterator<Item = Outcome>) -> Result<(), PutError> {
        let mut state = self.state();
        let whole = outcomes.into_iter().filter_map(|outcome| state.take(&outcome)).collect();
        drop(state);
        self.build(whole)
    }

    /// Stores the trees of folders, and those of their parents where these become whole by it.
    fn build(&self, mut whole: Vec<(u32, Found)>) -> Result<(), PutError> {
        while let Some((number, mut found)) = whole.pop() {
            found.drop_unread();
            let files = found.entries.iter().filter(|entry| entry.kind != EntryKind::Tree).count();
            let kept = self.own.is_some().then(|| Kept {
                attributes: std::mem::take(&mut found.attributes),
                are_folders: found.entries.iter().map(|e| e.kind == EntryKind::Tree).collect(),
                folders: found.folders.iter().map(|(_, below)| *below).collect(),
            });
            let tree = Tree::new(found.entries)
                .unwrap_or_else(|error| unreachable!("the system gave one name twice: {error}"));
            let vcid = self.put(&tree)?;
            drop(tree);
            let mut state = self.state();
            state.files += files as u64;
            state.kept.extend(kept.map(|kept| (number, kept)));
            match found.parent {
                Some(place) => whole.extend(state.take(&Outcome { place, vcid: Some(vcid) })),
                None => state.root = Some(vcid),
            }
        }
        Ok(())
    }

    fn put(&self, tree: &Tree) -> Result<Vcid, PutError> {
        let mut trees = self.trees.lock().unwrap_or_else(PoisonError::into_inner);
        if tree.entries().len() <= ENTRIES_WHOLE_MAX {
            return trees.put_any(&tree.encode());
        }
        let mut record = Pieces { pieces: tree.pieces(), piece: Vec::new(), at: 0 };
        trees.put_stream(&mut record).map(|(vcid, _)| vcid)
    }

    /// Stores the metadata, and returns what was built. Nobody has failed, so all is known.
    pub fn finish(self) -> Result<Built, PutError> {
        let state = self.state.into_inner().unwrap_or_else(PoisonError::into_inner);
        let mut trees = self.trees.into_inner().unwrap_or_else(PoisonError::into_inner);
        let root = state.root.unwrap_or_else(|| unreachable!("every entry has been settled"));
        let metadata = match self.own {
            Some(own) => {
                let snapshot = Snapshot { root, entries: flatten(own, state.kept) };
                Some(trees.put_any(&snapshot.encode())?)
            }
            None => None,
        };
        let folders = u64::from(state.folders);
        Ok(Built { root, metadata, files: state.files, folders, stored: trees.finish()? })
    }
}

/// The records of larger folders never lie in memory as a whole.
const ENTRIES_WHOLE_MAX: usize = 4096;

/// A record as a stream.
struct Pieces<I> {
    pieces: I,
    piece: Vec<u8>,
    at: usize,
}

impl<I: Iterator<Item = Vec<u8>>> Read for Pieces<I> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let mut done = 0;
        while done < into.len() {
            if self.at == self.piece.len() {
                match self.pieces.next() {
                    Some(piece) => (self.piece, self.at) = (piece, 0),
                    None => break,
                }
            }
            let count = (self.piece.len() - self.at).min(into.len() - done);
            into[done..done + count].copy_from_slice(&self.piece[self.at..self.at + count]);
            self.at += count;
            done += count;
        }
        Ok(done)
    }
}

impl State {
    fn begin(&mut self, parent: Option<Place>) -> u32 {
        let number = self.folders;
        self.folders += 1;
        let found = Found {
            parent,
            entries: Vec::new(),
            attributes: Vec::new(),
            dropped: Vec::new(),
            folders: Vec::new(),
            waiting: 1,
        };
        self.open.insert(number, found);
        number
    }

    /// Notes an outcome; returns the folder if it is now known whole.
    fn take(&mut self, outcome: &Outcome) -> Option<(u32, Found)> {
        let Place { folder, entry } = outcome.place;
        self.settle(folder, |found| match outcome.vcid {
            Some(vcid) => found.entries[entry as usize].vcid = vcid,
            None => found.dropped.push(entry),
        })
    }

    fn settle(&mut self, folder: u32, note: impl FnOnce(&mut Found)) -> Option<(u32, Found)> {
        let found = self.open.get_mut(&folder)?;
        note(found);
        found.waiting -= 1;
        if found.waiting > 0 {
            return None;
        }
        self.open.remove(&folder).map(|found| (folder, found))
    }
}

impl Found {
    /// Forgets the entries that could not be read.
    fn drop_unread(&mut self) {
        self.dropped.sort_unstable();
        self.folders.retain(|(entry, _)| self.dropped.binary_search(entry).is_err());
        let mut dropped = std::mem::take(&mut self.dropped).into_iter().peekable();
        if dropped.peek().is_none() {
            return;
        }
        let keep: Vec<bool> = (0..self.entries.len() as u32)
            .map(|index| dropped.next_if_eq(&index).is_none())
            .collect();
        let mut kept = keep.iter();
        self.entries.retain(|_| kept.next().is_some_and(|keep| *keep));
        let mut kept = keep.iter();
        self.attributes.retain(|_| kept.next().is_some_and(|keep| *keep));
    }
}

/// Lists the metadata depth first, and numbers hard links in the order in which they appear.
fn flatten(own: Attributes, mut kept: HashMap<u32, Kept>) -> Vec<Attributes> {
    let mut numbers: HashMap<u64, u64> = HashMap::new();
    let mut take = |number: u32| {
        let kept = kept.remove(&number).unwrap_or_default();
        let entries = kept.attributes.into_iter().zip(kept.are_folders);
        (entries, kept.folders.into_iter())
    };
    let mut all = vec![own];
    let mut open = vec![take(ROOT)];
    while let Some((entries, folders)) = open.last_mut() {
        let Some((mut attributes, is_folder)) = entries.next() else {
            open.pop();
            continue;
        };
        if attributes.link != 0 {
            let next = numbers.len() as u64 + 1;
            attributes.link = *numbers.entry(attributes.link).or_insert(next);
        }
        all.push(attributes);
        let below = if is_folder { folders.next() } else { None };
        if let Some(number) = below {
            open.push(take(number));
        }
    }
    all
}
