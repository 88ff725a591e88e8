//! A store in a folder of its own, and a work tree beside it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tempfile::TempDir;
use vigil_base::Uri;
use vigil_base::world::{Clock, Moment, Randomness, RandomnessError};
use vigil_files::{
    AddOptions, Added, RestoreError, RestoreOptions, Restored, add_path, resolve, restore,
};
use vigil_store::{FolderDisk, Options, Store, World};

/// A clock that stands still.
struct Stopped(Moment);

impl Clock for Stopped {
    fn now(&self) -> Moment {
        self.0
    }
}

/// Far in the future, so that every file of a test counts as settled.
const LATE: Moment = Moment(i64::MAX / 2);

struct FixedRandomness;

impl Randomness for FixedRandomness {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), RandomnessError> {
        bytes.fill(7);
        Ok(())
    }
}

pub struct Scene {
    folder: TempDir,
    pub store: Store,
}

impl Scene {
    pub fn new() -> Self {
        Self::at(LATE)
    }

    /// Makes a scene in which it is always `now`.
    pub fn at(now: Moment) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let world = World {
            disk: Arc::new(FolderDisk::new(folder.path().join("store"))),
            clock: Arc::new(Stopped(now)),
            randomness: Arc::new(FixedRandomness),
        };
        let store = Store::open(world, Options::default()).expect("a new store");
        std::fs::create_dir(folder.path().join("work")).expect("a work tree");
        Self { folder, store }
    }

    /// The path of something in the work tree.
    pub fn work(&self, path: &str) -> PathBuf {
        self.folder.path().join("work").join(path)
    }

    /// The path of something beside it.
    pub fn beside(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    pub fn write(&self, path: &str, bytes: impl AsRef<[u8]>) {
        let path = self.work(path);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("folders");
        std::fs::write(path, bytes).expect("a file");
    }

    pub fn add(&self, options: &AddOptions) -> Added {
        self.add_at(&self.work(""), options)
    }

    pub fn add_at(&self, path: &Path, options: &AddOptions) -> Added {
        let writer = self.store.writer().expect("a writer");
        let added = add_path(&writer, path, options, &|_| {}).expect("an add");
        writer.finish().expect("a commit");
        added
    }

    pub fn restore(&self, uri: &Uri, to: &Path) -> Result<Restored, RestoreError> {
        let from = resolve(&self.store, uri).expect("it is there");
        let options = RestoreOptions { threads: 2, metadata: false, overwrites: false };
        restore(&self.store, &from, to, &options, &|_| {})
    }
}
