//! The caches of imports, where every tool for Dhall keeps them: `dhall` and `dhall-haskell` below
//! the folder for caches, one file for each hash, its name that hash as a multihash.
//!
//! It does not say that what it returns is right: the library compares it with its hash.
//!
//! Invariant: a file appears under its name whole or not at all.

use std::cell::Cell;
use std::fs::{self, DirBuilder, File};
use std::io::{self, Read as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use vigil_base::world::Randomness;
use vigil_dhall::{Cache, Hash};

/// The code of SHA-256 and its length, as multihashes begin.
const MULTIHASH: &str = "1220";

/// The folders of the caches.
pub(super) struct CacheFolders<'a> {
    semantic: PathBuf,
    semi_semantic: PathBuf,
    randomness: Arc<dyn Randomness>,
    warn: &'a dyn Fn(&str),
    has_warned: Cell<bool>,
}

impl<'a> CacheFolders<'a> {
    pub fn new(home: &Path, randomness: Arc<dyn Randomness>, warn: &'a dyn Fn(&str)) -> Self {
        Self {
            semantic: home.join("dhall"),
            semi_semantic: home.join("dhall-haskell"),
            randomness,
            warn,
            has_warned: Cell::new(false),
        }
    }

    fn folder(&self, cache: Cache) -> &Path {
        match cache {
            Cache::Semantic => &self.semantic,
            Cache::SemiSemantic => &self.semi_semantic,
        }
    }

    fn path(&self, cache: Cache, hash: &Hash) -> PathBuf {
        self.folder(cache).join(format!("{MULTIHASH}{}", hash.to_hex()))
    }

    /// Reads an entry. One that is absent, unreadable or too large is none.
    pub fn read(&self, cache: Cache, hash: &Hash, bytes_max: u64) -> Option<Vec<u8>> {
        let path = self.path(cache, hash);
        let mut bytes = Vec::new();
        let read = File::open(&path)
            .and_then(|file| file.take(bytes_max.saturating_add(1)).read_to_end(&mut bytes));
        match read {
            Ok(count) if count as u64 <= bytes_max => Some(bytes),
            Ok(_) => None,
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => {
                self.complain("read", &path, &error);
                None
            }
        }
    }

    /// Writes an entry, in place of whatever has its name.
    pub fn write(&self, cache: Cache, hash: &Hash, bytes: &[u8]) {
        let path = self.path(cache, hash);
        if let Err(error) = self.replace(self.folder(cache), &path, bytes) {
            self.complain("write", &path, &error);
        }
    }

    fn replace(&self, folder: &Path, path: &Path, bytes: &[u8]) -> io::Result<()> {
        // What a person imports is nobody else's business.
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        let mut random = [0; 8];
        self.randomness.fill(&mut random).map_err(io::Error::other)?;
        let digits: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
        let temporary = folder.join(format!(".vigil-{digits}"));
        let result = fs::write(&temporary, bytes).and_then(|()| fs::rename(&temporary, path));
        if result.is_err() {
            // It may not even be there.
            let _ = fs::remove_file(&temporary);
        }
        result
    }

    /// Says what is wrong with the cache, once: everything works without it.
    fn complain(&self, action: &str, path: &Path, error: &io::Error) {
        if !self.has_warned.replace(true) {
            let path = path.display();
            (self.warn)(&format!("could not {action} {path}, and goes on without: {error}"));
        }
    }
}
