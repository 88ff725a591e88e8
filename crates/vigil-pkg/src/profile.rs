//! The profile: a folder of generations, one of which is current.
//!
//! | path | what |
//! |---|---|
//! | `current` | link to the generation that counts: this one name is what is switched |
//! | `generations/N/record` | what is installed in generation N |
//! | `generations/N/bin/` | links to the programs of its packages |
//! | `trees/HEX/` | the payload with this hash, shared by generations |
//! | `lock` | held by whoever changes something |
//!
//! Invariants:
//! - what has a name without `.new` is whole and durable, and is never changed;
//! - `current` is replaced in one step, after everything that it leads to is durable.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use vigil_base::world::{DiskError, Moment};
use vigil_base::{Blame, Blamed, EntryKind, EntryName, Tree, Vcid};
use vigil_files::write_blob;
use vigil_store::{ReadError, Store};
use vigil_trust::package::PackageName;

use crate::generation::{Generation, GenerationError, InstalledPackage, RECORD_BYTES_MAX};
use crate::place::Place;

const CURRENT: &str = "current";
const GENERATIONS: &str = "generations";
const TREES: &str = "trees";
/// What ends the name of what is not whole yet.
const NEW: &str = ".new";

/// Installed packages of one user.
pub struct Profile<'a> {
    place: &'a dyn Place,
}

/// Why a profile could not be read or changed. It is as it was.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProfileError {
    /// The disk failed.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// The payload could not be read from the store.
    #[error(transparent)]
    Store(#[from] ReadError),
    /// A tree of the payload is none.
    #[error("{vcid} is not a tree")]
    NotATree {
        /// Which.
        vcid: Vcid,
    },
    /// Two packages have a program of the same name.
    #[error("{one} and {other} both have a program `{program}`")]
    Program {
        /// The name.
        program: String,
        /// One package.
        one: PackageName,
        /// The other.
        other: PackageName,
    },
    /// A record is damaged.
    #[error("the record of generation {number} is damaged")]
    Damaged {
        /// Which.
        number: u64,
        /// How.
        source: GenerationError,
    },
    /// There is no such generation.
    #[error("there is no generation {number}")]
    Absent {
        /// Which.
        number: u64,
    },
    /// There is nothing before.
    #[error("there is no generation before this one")]
    NothingBefore,
    /// What is current is none of ours.
    #[error("`current` leads to something that is no generation")]
    Current,
}

impl Blamed for ProfileError {
    fn blame(&self) -> Blame {
        match self {
            Self::Disk(source) => source.blame(),
            Self::Store(source) => source.blame(),
            Self::Damaged { .. } | Self::Current => Blame::World,
            _ => Blame::Caller,
        }
    }
}

fn below(folder: &str, name: impl std::fmt::Display) -> PathBuf {
    Path::new(folder).join(name.to_string())
}

fn number_of(name: &str) -> Option<u64> {
    name.parse().ok().filter(|number: &u64| number.to_string() == name)
}

fn os_name(name: &EntryName) -> &std::ffi::OsStr {
    std::os::unix::ffi::OsStrExt::from_bytes(name.as_bytes())
}

impl<'a> Profile<'a> {
    /// Uses a folder.
    pub fn new(place: &'a dyn Place) -> Self {
        Self { place }
    }

    /// Returns the generation that counts, if anything was ever installed.
    ///
    /// # Errors
    /// Fails where the disk does, and for damaged records.
    pub fn current(&self) -> Result<Option<Generation>, ProfileError> {
        let Some(target) = self.place.read_link(Path::new(CURRENT))? else { return Ok(None) };
        let target = std::str::from_utf8(&target).ok();
        let name = target.and_then(|target| target.strip_prefix("generations/"));
        let number = name.and_then(number_of).ok_or(ProfileError::Current)?;
        self.generation(number).map(Some)
    }

    /// Returns a generation.
    ///
    /// # Errors
    /// Fails where the disk does, for damaged records, and if there is none.
    pub fn generation(&self, number: u64) -> Result<Generation, ProfileError> {
        let path = below(GENERATIONS, number).join("record");
        let bytes = self.place.read(&path, RECORD_BYTES_MAX)?;
        let bytes = bytes.ok_or(ProfileError::Absent { number })?;
        Generation::decode(&bytes).map_err(|source| ProfileError::Damaged { number, source })
    }

    /// Returns the numbers of all generations, rising.
    ///
    /// # Errors
    /// Fails where the disk does.
    pub fn numbers(&self) -> Result<Vec<u64>, ProfileError> {
        let names = self.place.list(Path::new(GENERATIONS))?;
        let mut numbers: Vec<u64> = names.iter().filter_map(|name| number_of(name)).collect();
        numbers.sort_unstable();
        Ok(numbers)
    }

    /// Makes a generation of what `choose` makes of the current one, and switches to it. Payloads come from
    /// the store. `choose` decides under the lock, so that nobody else has changed anything meanwhile; if it
    /// returns nothing, nothing is changed.
    ///
    /// # Errors
    /// Fails as `choose` does, and where the disk or the store does: then the generation before counts.
    pub fn change<E: From<ProfileError>>(
        &self,
        store: &Store,
        at: Moment,
        choose: impl FnOnce(Option<&Generation>) -> Result<Option<Vec<InstalledPackage>>, E>,
    ) -> Result<Option<Generation>, E> {
        let _lock = self.place.lock().map_err(ProfileError::from)?;
        let current = self.current()?;
        let Some(mut packages) = choose(current.as_ref())? else { return Ok(None) };
        packages.sort_by_key(|package| package.manifest.package());
        let last = self.numbers()?.last().copied().unwrap_or(0);
        let parent = current.map(|current| current.number);
        let generation = Generation { number: last + 1, parent, at, packages };
        self.write(store, &generation)?;
        Ok(Some(generation))
    }

    /// Switches to another generation, or to the one that the current one was made from.
    ///
    /// # Errors
    /// Fails where the disk does, and if there is no such generation.
    pub fn roll_back(&self, to: Option<u64>) -> Result<Generation, ProfileError> {
        let _lock = self.place.lock()?;
        let current = self.current()?.ok_or(ProfileError::NothingBefore)?;
        let number = to.or(current.parent).ok_or(ProfileError::NothingBefore)?;
        let generation = self.generation(number)?;
        self.switch(number)?;
        Ok(generation)
    }

    fn write(&self, store: &Store, generation: &Generation) -> Result<(), ProfileError> {
        let programs = programs(generation)?;
        self.prepare()?;
        for package in &generation.packages {
            self.materialize(store, package.manifest.payload().root)?;
        }
        let folder = below(GENERATIONS, generation.number);
        let new = below(GENERATIONS, format!("{}{NEW}", generation.number));
        self.place.make_folder(&new)?;
        self.place.make_folder(&new.join("bin"))?;
        for (name, (target, _)) in programs {
            self.place.make_link(&new.join("bin").join(name), &target)?;
        }
        let record = generation.encode();
        self.place.make_file(&new.join("record"), false, &mut |out| out.write_all(&record))?;
        self.place.sync_folder(&new.join("bin"))?;
        self.place.sync_folder(&new)?;
        self.place.rename(&new, &folder)?;
        self.place.sync_folder(Path::new(GENERATIONS))?;
        self.switch(generation.number)
    }

    /// Removes what a crash has left, and makes the folders.
    fn prepare(&self) -> Result<(), ProfileError> {
        let top = self.place.list(Path::new(""))?;
        for folder in [TREES, GENERATIONS] {
            if !top.iter().any(|name| name == folder) {
                self.place.make_folder(Path::new(folder))?;
            }
            let names = self.place.list(Path::new(folder))?;
            for name in names.iter().filter(|name| name.ends_with(NEW)) {
                self.place.remove(&Path::new(folder).join(name))?;
            }
        }
        Ok(self.place.sync_folder(Path::new(""))?)
    }

    fn switch(&self, number: u64) -> Result<(), ProfileError> {
        let new = PathBuf::from(format!("{CURRENT}{NEW}"));
        self.place.remove(&new)?;
        self.place.make_link(&new, format!("{GENERATIONS}/{number}").as_bytes())?;
        // The link itself lasts before it gets the name, so that the name never leads to nothing.
        self.place.sync_folder(Path::new(""))?;
        self.place.rename(&new, Path::new(CURRENT))?;
        Ok(self.place.sync_folder(Path::new(""))?)
    }

    /// Writes a payload as files, unless it is there.
    fn materialize(&self, store: &Store, root: Vcid) -> Result<(), ProfileError> {
        let name = root.to_hex();
        if self.place.list(Path::new(TREES))?.contains(&name) {
            return Ok(());
        }
        let new = below(TREES, format!("{name}{NEW}"));
        self.write_tree(store, root, &new)?;
        self.place.rename(&new, &below(TREES, name))?;
        Ok(self.place.sync_folder(Path::new(TREES))?)
    }

    /// Writes a tree and all below it, folder by folder. How deep and how large it is has been checked.
    fn write_tree(&self, store: &Store, root: Vcid, to: &Path) -> Result<(), ProfileError> {
        let mut left = vec![(root, to.to_path_buf())];
        let mut made = Vec::new();
        while let Some((vcid, folder)) = left.pop() {
            self.place.make_folder(&folder)?;
            let tree = Tree::decode(&store.read(vcid)?);
            let tree = tree.map_err(|_| ProfileError::NotATree { vcid })?;
            for entry in tree.entries() {
                let path = folder.join(os_name(&entry.name));
                match entry.kind {
                    EntryKind::Tree => left.push((entry.vcid, path)),
                    EntryKind::Symlink => self.place.make_link(&path, &store.read(entry.vcid)?)?,
                    EntryKind::File | EntryKind::Executable => {
                        self.write_file(store, entry.vcid, entry.kind, &path)?;
                    }
                }
            }
            made.push(folder);
        }
        // From the innermost out, though for durability any order would do.
        made.iter().rev().try_for_each(|folder| Ok(self.place.sync_folder(folder)?))
    }

    fn write_file(
        &self,
        store: &Store,
        vcid: Vcid,
        kind: EntryKind,
        path: &Path,
    ) -> Result<(), ProfileError> {
        let mut unread = None;
        let written =
            self.place.make_file(path, kind == EntryKind::Executable, &mut |out| match write_blob(
                store,
                vcid,
                None,
                out,
                &|_, _| {},
            ) {
                Ok(_) => Ok(()),
                Err(vigil_files::WriteError::Out(error)) => Err(error),
                Err(vigil_files::WriteError::Read(error)) => {
                    let text = error.to_string();
                    unread = Some(error);
                    Err(io::Error::other(text))
                }
                Err(error) => Err(io::Error::other(error.to_string())),
            });
        match unread {
            Some(error) => Err(error.into()),
            None => Ok(written?),
        }
    }
}

/// Returns the programs of a generation by name, each with where its link leads and whose it is.
fn programs(
    generation: &Generation,
) -> Result<BTreeMap<&std::ffi::OsStr, (Vec<u8>, PackageName)>, ProfileError> {
    let mut programs = BTreeMap::new();
    for package in &generation.packages {
        let manifest = &package.manifest;
        for entry in manifest.entry_points() {
            let mut target =
                format!("../../../{TREES}/{}", manifest.payload().root.to_hex()).into_bytes();
            for step in entry.path.names() {
                target.push(b'/');
                target.extend(step.as_bytes());
            }
            let here = manifest.package();
            let before = programs.insert(os_name(&entry.name), (target, here.clone()));
            if let Some((_, one)) = before {
                let program = entry.name.for_people();
                return Err(ProfileError::Program { program, one, other: here });
            }
        }
    }
    Ok(programs)
}
