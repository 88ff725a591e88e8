//! Readers that want one frame at the same time have it read and decoded once.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};

use vigil_base::Vcid;
use vigil_base::world::{Disk, DiskError, DiskFile, Lock, Mapped, OpenMode};
use vigil_store::{FolderDisk, Options, Store};

use crate::world::{text_bytes, world_on};

/// A disk that counts how often more than a page is read at once: a frame, and nothing else here.
struct Counting {
    disk: FolderDisk,
    long_reads: Arc<AtomicUsize>,
}

struct CountingFile {
    file: Box<dyn DiskFile>,
    long_reads: Arc<AtomicUsize>,
}

const PAGE: usize = 4096;

impl DiskFile for CountingFile {
    fn len(&self) -> Result<u64, DiskError> {
        self.file.len()
    }
    fn read_at(&self, offset: u64, into: &mut [u8]) -> Result<usize, DiskError> {
        if into.len() > PAGE {
            self.long_reads.fetch_add(1, Ordering::SeqCst);
        }
        self.file.read_at(offset, into)
    }
    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<(), DiskError> {
        self.file.write_at(offset, bytes)
    }
    fn set_len(&self, len: u64) -> Result<(), DiskError> {
        self.file.set_len(len)
    }
    fn sync(&self) -> Result<(), DiskError> {
        self.file.sync()
    }
    fn lock(&self, lock: Lock, wait: bool) -> Result<bool, DiskError> {
        self.file.lock(lock, wait)
    }
    fn map(&self, len: u64) -> Result<Arc<dyn Mapped>, DiskError> {
        self.file.map(len)
    }
}

impl Disk for Counting {
    fn open(&self, path: &str, mode: OpenMode) -> Result<Box<dyn DiskFile>, DiskError> {
        let file = self.disk.open(path, mode)?;
        Ok(Box::new(CountingFile { file, long_reads: self.long_reads.clone() }))
    }
    fn list(&self, path: &str) -> Result<Vec<String>, DiskError> {
        self.disk.list(path)
    }
    fn create_folder(&self, path: &str) -> Result<(), DiskError> {
        self.disk.create_folder(path)
    }
    fn rename(&self, from: &str, to: &str) -> Result<(), DiskError> {
        self.disk.rename(from, to)
    }
    fn remove(&self, path: &str) -> Result<(), DiskError> {
        self.disk.remove(path)
    }
    fn sync_folder(&self, path: &str) -> Result<(), DiskError> {
        self.disk.sync_folder(path)
    }
    fn describe(&self) -> String {
        self.disk.describe()
    }
    fn free_bytes(&self) -> Result<Option<u64>, DiskError> {
        self.disk.free_bytes()
    }
}

#[test]
fn a_frame_is_read_once_for_all_who_wait_for_it() {
    let place = tempfile::tempdir().expect("a folder");
    let long_reads = Arc::<AtomicUsize>::default();
    let open = || {
        let disk = FolderDisk::new(place.path());
        let disk = Counting { disk, long_reads: long_reads.clone() };
        Store::open(world_on(Arc::new(disk)), Options::default()).expect("a store")
    };
    let blobs: Vec<Vec<u8>> = (0..8).map(|seed| text_bytes(seed, 20_000)).collect();
    let store = open();
    let writer = store.writer().expect("a writer");
    let mut batch = writer.batch().expect("a batch");
    blobs.iter().for_each(|blob| _ = batch.put(blob).expect("put"));
    batch.finish().expect("one frame");
    writer.finish().expect("finished");

    let store = open();
    long_reads.store(0, Ordering::SeqCst);
    let start = Barrier::new(blobs.len());
    std::thread::scope(|scope| {
        for blob in &blobs {
            scope.spawn(|| {
                start.wait();
                let whole = store.find(Vcid::of(blob)).expect("found");
                let bytes = store.piece(&whole, 0, vigil_store::Depth::Full).expect("read");
                assert!(*bytes == blob[..]);
            });
        }
    });
    assert_eq!(long_reads.load(Ordering::SeqCst), 1);
}
