//! A store, a folder of files, and a node over both.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use expect_test::Expect;
use tempfile::TempDir;
use vigil_base::world::{Clock, Moment, Randomness, RandomnessError};
use vigil_base::{EntryKind, Name, Vcid};
use vigil_kernel::{Request, parse_pipeline};
use vigil_node::{Files, Node, NodeOptions};
use vigil_store::{FolderDisk, Options, Store, Version, World};

/// A clock that stands still.
pub struct Still;

impl Clock for Still {
    fn now(&self) -> Moment {
        Moment(0)
    }
}

/// Randomness that is none.
pub struct Sevens;

impl Randomness for Sevens {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), RandomnessError> {
        bytes.fill(7);
        Ok(())
    }
}

/// A folder that is gone after the test, with a store and with files that may be read.
pub struct Place {
    folder: TempDir,
}

impl Place {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("the test is right");
        fs::create_dir(folder.path().join("files")).expect("the test is right");
        Self { folder }
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    pub fn files(&self) -> PathBuf {
        self.path().join("files")
    }

    /// Writes a file that may be read.
    pub fn write(&self, path: &str, bytes: impl AsRef<[u8]>) {
        let path = self.files().join(path);
        fs::create_dir_all(path.parent().expect("the test is right")).expect("the test is right");
        fs::write(path, bytes).expect("the test is right");
    }

    pub fn store(&self) -> Store {
        store(self.path())
    }

    pub fn open(&self) -> Node {
        open(self.path())
    }

    /// Gives a name a meaning, as another process would.
    pub fn set_name(&self, name: &str, kind: EntryKind, bytes: &[u8]) -> Vcid {
        set_name(self.path(), name, kind, bytes)
    }

    pub fn read(&self, vcid: Vcid) -> Vec<u8> {
        self.store().read(vcid).expect("the test is right")
    }

    pub fn show(&self, node: &Node, pipeline: &str) -> String {
        match node.resolve(request(pipeline)) {
            Ok(found) => {
                node.finish().expect("the test is right");
                let bytes = self.read(found.vcid);
                format!("{}: {}", found.media_type, String::from_utf8_lossy(&bytes))
            }
            Err(refusal) => format!("{:?}: {refusal}", refusal.reason),
        }
    }

    #[track_caller]
    pub fn check(&self, node: &Node, pipeline: &str, want: Expect) {
        want.assert_eq(&self.show(node, pipeline));
    }

    /// Resolves a pipeline in a node of its own, and returns the bytes.
    #[track_caller]
    pub fn bytes(&self, pipeline: &str) -> Vec<u8> {
        let node = self.open();
        match node.resolve(request(pipeline)) {
            Ok(found) => {
                node.finish().expect("the test is right");
                self.read(found.vcid)
            }
            Err(refusal) => panic!("{pipeline}: {refusal}"),
        }
    }

    /// Resolves a pipeline that has to be refused, and returns the first line of why.
    #[track_caller]
    pub fn refusal(&self, pipeline: &str) -> String {
        match self.open().resolve(request(pipeline)) {
            Ok(found) => panic!("{pipeline} gave {} bytes", found.size),
            Err(refusal) => {
                let line = refusal.message.lines().next().unwrap_or_default();
                format!("{:?}: {line}", refusal.reason)
            }
        }
    }

    /// Lists what a pipeline gives as a tree: kind and path of each entry.
    #[track_caller]
    pub fn list(&self, pipeline: &str) -> Vec<String> {
        let node = self.open();
        let found = node.resolve(request(pipeline)).unwrap_or_else(|refusal| {
            panic!("{pipeline}: {refusal}");
        });
        node.finish().expect("the test is right");
        let mut lines = Vec::new();
        let mut visit = |listed: vigil_files::Listed| {
            lines.push(format!("{:?} {}", listed.kind, listed.path));
            std::ops::ControlFlow::Continue(())
        };
        vigil_files::list(&self.store(), found.vcid, true, &mut visit).expect("the test is right");
        lines
    }
}

/// Opens the store in a folder.
pub fn store(folder: &Path) -> Store {
    let disk = Arc::new(FolderDisk::new(folder.join("store")));
    let world = World { disk, clock: Arc::new(Still), randomness: Arc::new(Sevens) };
    Store::open(world, Options::default()).expect("the test is right")
}

/// Opens a node over that store, which may read what lies in `files` beside it.
pub fn open(folder: &Path) -> Node {
    let files = Files { folder: folder.join("files"), skips: Vec::new(), threads: 2 };
    let options = NodeOptions {
        files: Some(files),
        trust: Some(folder.join("trust")),
        ..NodeOptions::default()
    };
    Node::open(store(folder), options).expect("the test is right")
}

/// Gives a name a meaning, as another process would.
pub fn set_name(folder: &Path, name: &str, kind: EntryKind, bytes: &[u8]) -> Vcid {
    let store = store(folder);
    let writer = store.writer().expect("the test is right");
    let vcid = writer.put(bytes).expect("the test is right");
    let version = Version { at: Moment(0), kind, vcid, metadata: None };
    let name = Name::new(name).expect("the test is right");
    writer.set_name(&name, version).expect("the test is right");
    writer.finish().expect("the test is right");
    vcid
}

/// Reads a pipeline.
pub fn request(pipeline: &str) -> Request {
    Request::source(parse_pipeline(pipeline).expect("the test is right"))
}
