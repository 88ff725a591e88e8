//! A store with payloads in it, and manifests for them.

use std::io::Cursor;
use std::sync::Arc;

use tempfile::TempDir;
use vigil_base::world::{Clock, Moment, Randomness, RandomnessError};
use vigil_base::{Entry, EntryKind, EntryName, Tree, TreePath, Vcid};
use vigil_pkg::{
    InstalledPackage, PayloadError, VpkgError, measure, read_dossier, unpack, write_vpkg,
};
use vigil_store::{FolderDisk, Options, Store, World};
use vigil_trust::names::AttName;
use vigil_trust::package::{Dossier, EntryPoint, Footprint, Manifest};

struct Stopped;

impl Clock for Stopped {
    fn now(&self) -> Moment {
        Moment(5)
    }
}

struct Fixed;

impl Randomness for Fixed {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), RandomnessError> {
        bytes.fill(7);
        Ok(())
    }
}

pub struct Scene {
    pub folder: TempDir,
    pub store: Store,
}

pub fn name(text: &str) -> EntryName {
    EntryName::new(text).expect("a name")
}

impl Scene {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let disk = Arc::new(FolderDisk::new(folder.path().join("store")));
        let world = World { disk, clock: Arc::new(Stopped), randomness: Arc::new(Fixed) };
        let store = Store::open(world, Options::default()).expect("a store");
        Self { folder, store }
    }

    pub fn put(&self, bytes: &[u8]) -> Vcid {
        let writer = self.store.writer().expect("a writer");
        let vcid = writer.put(bytes).expect("room");
        writer.finish().expect("durable");
        vcid
    }

    /// Puts a tree of (name, kind, what it holds).
    pub fn tree(&self, entries: &[(&str, EntryKind, Vcid)]) -> Vcid {
        let entries = entries.iter().map(|(text, kind, vcid)| Entry {
            name: name(text),
            kind: *kind,
            vcid: *vcid,
        });
        self.put(&Tree::new(entries.collect()).expect("a tree").encode())
    }

    /// A program in a folder, a file, and a link, all of which say `text`.
    pub fn program(&self, text: &str) -> Vcid {
        let script = self.put(format!("#!/bin/sh\necho {text}\n").as_bytes());
        let (file, link) = (self.put(text.as_bytes()), self.put(b"../notes"));
        let bin = self
            .tree(&[("run", EntryKind::Executable, script), ("notes", EntryKind::Symlink, link)]);
        self.tree(&[("bin", EntryKind::Tree, bin), ("notes", EntryKind::File, file)])
    }

    /// A manifest of a payload that is in the store.
    pub fn manifest(&self, package: &str, root: Vcid, programs: &[(&str, &str)]) -> Manifest {
        let (payload, _) = measure(&self.store, root).expect("it is in the store");
        let entries = programs.iter().map(|(program, path)| EntryPoint {
            name: name(program),
            path: TreePath::parse(path).expect("a path"),
            needs: Footprint::new(),
        });
        let made = Manifest::new(AttName::parse(package).expect("a name"), payload);
        let made = made.and_then(|it| it.with(Footprint::new(), entries.collect(), vec![]));
        made.expect("a manifest")
    }

    pub fn file(&self, manifest: &Manifest) -> Result<Vec<u8>, VpkgError> {
        let mut out = Vec::new();
        write_vpkg(&Dossier::new(manifest.clone()), &self.store, &mut out).map(|()| out)
    }
}

/// Reads a file as `vigil pkg verify` does.
pub fn read(bytes: &[u8]) -> Result<Manifest, VpkgError> {
    let mut input = Cursor::new(bytes);
    let dossier = read_dossier(&mut input)?;
    unpack(&mut input, dossier.manifest.payload(), None)
        .and_then(|survey| survey.check(&dossier.manifest))
        .map_err(|error: PayloadError| VpkgError::Payload(error))?;
    Ok(dossier.manifest)
}

pub fn installed(manifest: &Manifest) -> InstalledPackage {
    InstalledPackage { manifest: manifest.clone(), claim: None, is_wanted: true }
}
