//! The record of a work tree: what was known of it, for the next process. Drawn in
//! `docs/format/worktree.md`.
//!
//! It saves reading. Nothing in it is believed that the system does not say again: a file counts as known
//! only if all that the system says of it is as it was, and it was settled then.

use vigil_base::limits::ENTRY_NAME_BYTES_MAX;
use vigil_base::{EntryKind, Hasher, Vcid};
use vigil_kernel::{Blobs, Era, HostFault};

use super::WorkTree;
use super::folder::{Folder, FolderId, Item, Stamp};

const MAGIC: [u8; 8] = *b"vigilwrk";
const SUM_AT: usize = MAGIC.len();
const BODY_AT: usize = SUM_AT + 32;

/// Flags of an item or folder.
const SETTLED: u8 = 1;
const KNOWN: u8 = 2;

/// Why a record was not used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the record of the work tree is damaged; its files are read again")]
pub struct RecordDamaged;

impl vigil_base::Blamed for RecordDamaged {
    fn blame(&self) -> vigil_base::Blame {
        vigil_base::Blame::World
    }
}

fn sum(body: &[u8]) -> Vcid {
    let mut hasher = Hasher::new();
    hasher.update(&MAGIC);
    hasher.update(body);
    hasher.finish()
}

impl WorkTree {
    /// Returns the record of all that is known. `era` is that of a lease under which it was kept.
    pub fn record(&self, era: Era) -> Vec<u8> {
        let mut record = vec![0; BODY_AT];
        record.extend_from_slice(&era.0.to_le_bytes());
        // Breadth first: the folders of a folder come in the order of their names, after all before.
        let mut open: std::collections::VecDeque<FolderId> = [0].into();
        while let Some(id) = open.pop_front() {
            let folder = &self.folders[id as usize];
            // What has no folder yet was never looked at; the list is read again for its sake.
            let is_written = |item: &&Item| item.kind != EntryKind::Tree || item.folder.is_some();
            let count = folder.items.iter().filter(is_written).count();
            let is_settled = folder.is_settled && count == folder.items.len();
            write_state(&mut record, is_settled, folder.vcid, &folder.stamp);
            record.extend_from_slice(&(count as u32).to_le_bytes());
            for item in folder.items.iter().filter(is_written) {
                let name = folder.name(item).to_bytes();
                record.push(name.len() as u8);
                record.extend_from_slice(name);
                record.push(item.kind.code() as u8);
                match item.folder {
                    Some(below) => open.push_back(below),
                    None => write_state(&mut record, item.is_settled, item.vcid, &item.stamp),
                }
            }
        }
        record[..SUM_AT].copy_from_slice(&MAGIC);
        let sum = sum(&record[BODY_AT..]);
        record[SUM_AT..BODY_AT].copy_from_slice(sum.as_bytes());
        record
    }

    /// Takes in the record of an earlier process, before the first look, and returns its era. The next look asks
    /// about everything, and reads what is not as it was.
    pub fn recall(&mut self, record: &[u8]) -> Result<Era, RecordDamaged> {
        let body = record.strip_prefix(&MAGIC).and_then(|rest| rest.split_first_chunk::<32>());
        let (claimed, body) = body.ok_or(RecordDamaged)?;
        if sum(body).as_bytes() != claimed {
            return Err(RecordDamaged);
        }
        let (era, folders) = read(body).ok_or(RecordDamaged)?;
        self.tree = folders.first().and_then(|root| root.vcid);
        self.folders = folders;
        self.free.clear();
        self.is_full = true;
        Ok(era)
    }

    /// Forgets contents and trees that are not kept any longer: to be asked whenever something may have
    /// been collected.
    pub fn forget_gone(&mut self, blobs: &dyn Blobs) -> Result<(), HostFault> {
        let is_gone = |vcid: &Option<Vcid>| match vcid {
            Some(vcid) => Ok(blobs.size(*vcid)?.is_none()),
            None => Ok(false),
        };
        for folder in &mut self.folders {
            for item in &mut folder.items {
                if is_gone(&item.vcid)? {
                    (item.vcid, item.is_settled) = (None, false);
                    self.is_full = true;
                }
            }
            if is_gone(&folder.vcid)? {
                folder.vcid = None;
                self.is_full = true;
            }
        }
        Ok(())
    }
}

fn write_state(record: &mut Vec<u8>, is_settled: bool, vcid: Option<Vcid>, stamp: &Stamp) {
    let known = if vcid.is_some() { KNOWN } else { 0 };
    record.push(known | if is_settled { SETTLED } else { 0 });
    stamp.write(record);
    record.extend_from_slice(vcid.unwrap_or(Vcid::from_bytes([0; 32])).as_bytes());
}

/// Takes bytes from the front.
fn take<const N: usize>(from: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, rest) = from.split_first_chunk()?;
    *from = rest;
    Some(*taken)
}

fn read_state(from: &mut &[u8]) -> Option<(bool, Option<Vcid>, Stamp)> {
    let [flags] = take(from)?;
    let stamp = Stamp::read(&take(from)?);
    let vcid = Vcid::from_bytes(take(from)?);
    let is_fine = flags & !(KNOWN | SETTLED) == 0;
    is_fine.then_some((flags & SETTLED != 0, (flags & KNOWN != 0).then_some(vcid), stamp))
}

fn read(mut from: &[u8]) -> Option<(Era, Vec<Folder>)> {
    let era = Era(u64::from_le_bytes(take(&mut from)?));
    let mut folders = vec![Folder::default()];
    let mut next = 0;
    while next < folders.len() {
        let (is_settled, vcid, stamp) = read_state(&mut from)?;
        let count = u32::from_le_bytes(take(&mut from)?);
        let mut items: Vec<(&[u8], Item)> = Vec::new();
        for _ in 0..count {
            let [len] = take(&mut from)?;
            let (name, rest) = from.split_at_checked(usize::from(len))?;
            from = rest;
            let is_name = !matches!(name, b"" | b"." | b"..")
                && name.len() <= ENTRY_NAME_BYTES_MAX
                && name.iter().all(|byte| !matches!(byte, 0 | b'/'));
            if !is_name || items.last().is_some_and(|(before, _)| *before >= name) {
                return None;
            }
            let [kind] = take(&mut from)?;
            let kind = EntryKind::from_code(u64::from(kind))?;
            let mut item = Item::fresh(kind);
            if kind == EntryKind::Tree {
                item.folder = Some(folders.len() as FolderId);
                folders.push(Folder::below(next as FolderId));
            } else {
                (item.is_settled, item.vcid, item.stamp) = read_state(&mut from)?;
            }
            items.push((name, item));
        }
        let folder = &mut folders[next];
        folder.fill(items);
        (folder.is_settled, folder.vcid, folder.stamp) = (is_settled, vcid, stamp);
        next += 1;
    }
    // A folder's id stands with the folder, and its parent says the same.
    let vcids: Vec<Option<Vcid>> = folders.iter().map(|folder| folder.vcid).collect();
    for folder in &mut folders {
        for item in &mut folder.items {
            if let Some(below) = item.folder {
                item.vcid = vcids[below as usize];
            }
        }
    }
    from.is_empty().then_some((era, folders))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(folder: &std::path::Path) -> WorkTree {
        WorkTree::open(folder).expect("the test is right")
    }

    struct Later;

    impl vigil_base::world::Clock for Later {
        fn now(&self) -> vigil_base::world::Moment {
            vigil_base::world::Moment(i64::MAX)
        }
    }

    #[test]
    fn every_cut_and_flip_is_refused_and_no_forgery_is_more_than_wrong() {
        let folder = tempfile::tempdir().expect("the test is right");
        for path in ["a/b/one", "a/two", "three"] {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().expect("it has one")).expect("the test is right");
            std::fs::write(path, "text").expect("the test is right");
        }
        let memory = vigil_kernel::Memory::default();
        let mut tree = open(folder.path());
        tree.refresh(&memory, &Later).expect("the test is right");
        let record = tree.record(Era(7));
        let mut again = open(folder.path());
        assert_eq!(again.recall(&record), Ok(Era(7)));
        assert_eq!(again.record(Era(7)), record);
        for end in 0..record.len() {
            assert_eq!(open(folder.path()).recall(&record[..end]), Err(RecordDamaged));
        }
        for bit in 0..record.len() * 8 {
            let mut bytes = record.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(open(folder.path()).recall(&bytes), Err(RecordDamaged), "bit {bit}");
            // The same with a checksum that is right: read as it is written, or refused.
            let sum = sum(&bytes[BODY_AT..]);
            bytes[SUM_AT..BODY_AT].copy_from_slice(sum.as_bytes());
            let mut forged = open(folder.path());
            if let Ok(era) = forged.recall(&bytes) {
                forged.record(era);
                forged.refresh(&memory, &Later).expect("whatever it says, it can be looked at");
            }
        }
    }
}
