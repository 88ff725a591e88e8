//! Sealed arenas as portable files: listing, exporting, importing.
//!
//! What an imported arena says is a claim: every item is compared with its id, and every layout with
//! the SHA-256 of the blob that it lays out, before any of it can be found.

use std::io::{Read, Write};
use std::sync::Arc;

use vigil_base::world::{Disk, DiskError, DiskFault, Lock, OpenMode};
use vigil_base::{Blame, Blamed, Hasher, Vcid};

use crate::arena::{Arena, ArenaError, Scan};
use crate::format::{Class, ItemKind, Located, SealError, Site};
use crate::index::IndexError;
use crate::layout::Layout;
use crate::paths;
use crate::read::Depth;
use crate::store::Store;

/// How an arena is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArenaState {
    /// Records may still be appended.
    Open,
    /// It never changes again.
    Sealed,
    /// It is sealed, and its records are kept elsewhere under this name.
    Moved(Vcid),
}

/// What is known of one arena.
#[derive(Clone, Debug)]
pub struct ArenaInfo {
    /// The number of its file in this store.
    pub number: u32,
    /// Where it was made.
    pub site: Site,
    /// Its number there.
    pub serial: u64,
    /// For whom it is kept.
    pub class: Class,
    /// When it was made, in nanoseconds since 1970.
    pub created: i64,
    /// Its length in bytes.
    pub bytes: u64,
    /// How it is kept.
    pub state: ArenaState,
    /// How many items it holds, once it is sealed.
    pub items: Option<u64>,
    /// The Merkle root over its items, once it is sealed.
    pub root: Option<Vcid>,
}

/// Why an arena could not be exported or imported.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TransferError {
    /// There is no arena of that number.
    #[error("there is no arena {number:08} here; `vigil arena list` shows those that are")]
    Absent {
        /// The number.
        number: u32,
    },
    /// The arena may still grow.
    #[error("arena {number:08} is not sealed; seal it with `vigil arena seal`")]
    NotSealed {
        /// The number.
        number: u32,
    },
    /// The file that is to be imported is not a sealed arena.
    #[error("this is not a sealed arena: {what}")]
    NotAnArena {
        /// What is wrong.
        what: String,
    },
    /// The arena is of another class than this store was opened for.
    #[error("the arena is of class {found}, and this store is open for {open}")]
    Class {
        /// The arena's class.
        found: String,
        /// The store's.
        open: String,
    },
    /// The arena holds bytes that are not what it says.
    #[error(
        "nothing was taken from the arena, since items in it are damaged ({items}); `vigil repair --from` can use the rest"
    )]
    Damaged {
        /// How many.
        items: usize,
    },
    /// A layout does not lead to the blob that it claims to lay out.
    #[error(
        "the arena claims to lay out {vcid}, but its chunks do not have that hash or are not all here; import the arenas that it was made with at once"
    )]
    Layout {
        /// The blob.
        vcid: Vcid,
    },
    /// There is no number left for a new arena.
    #[error("this store has used up all arena numbers")]
    Numbers,
    /// The arena could not be read.
    #[error("could not read the arena")]
    Arena(#[from] ArenaError),
    /// The index could not be read or written.
    #[error("could not take the arena into the index")]
    Index(#[from] IndexError),
    /// The disk failed.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// The other file could not be read or written.
    #[error("could not copy the arena")]
    Copy(#[source] std::io::Error),
}

impl Blamed for TransferError {
    fn blame(&self) -> Blame {
        match self {
            Self::Numbers | Self::Arena(_) | Self::Index(_) | Self::Disk(_) | Self::Copy(_) => {
                Blame::World
            }
            _ => Blame::Caller,
        }
    }
}

const COPY_LEN: usize = 1 << 20;

impl Store {
    /// Lists the arenas of all classes; those that cannot be read are left to `verify`.
    pub fn arenas(&self) -> Result<Vec<ArenaInfo>, TransferError> {
        let mut infos = Vec::new();
        for number in paths::arena_numbers(&*self.inner.world.disk)? {
            match self.inner.arena(number) {
                Ok(arena) => infos.push(self.info(&arena)?),
                Err(ArenaError::Header { .. }) => {}
                Err(ArenaError::Disk(error))
                    if matches!(error.fault, DiskFault::Absent | DiskFault::NotAFile) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(infos)
    }

    fn info(&self, arena: &Arena) -> Result<ArenaInfo, TransferError> {
        let seal = arena.seal()?.ok();
        let state = match (self.moved(arena.number)?, &seal) {
            (Some(moved), _) => ArenaState::Moved(moved.vcid),
            (None, Some(_)) => ArenaState::Sealed,
            (None, None) => ArenaState::Open,
        };
        Ok(ArenaInfo {
            number: arena.number,
            site: arena.header.site,
            serial: arena.header.serial,
            class: arena.header.class.clone(),
            created: arena.header.created,
            bytes: arena.file().len()?,
            state,
            items: seal.map(|seal| seal.entries),
            root: seal.map(|seal| seal.root),
        })
    }

    /// Opens an arena by its number.
    pub fn arena(&self, number: u32) -> Result<Arc<Arena>, TransferError> {
        match self.inner.arena(number) {
            Err(ArenaError::Disk(error)) if error.fault == DiskFault::Absent => {
                Err(TransferError::Absent { number })
            }
            other => Ok(other?),
        }
    }

    /// Writes a sealed arena to `out`, and returns the SHA-256 of what was written.
    pub fn export_arena(&self, number: u32, out: &mut dyn Write) -> Result<Vcid, TransferError> {
        let arena = self.arena(number)?;
        if arena.seal()?.is_err() {
            return Err(TransferError::NotSealed { number });
        }
        let mut hasher = Hasher::new();
        let mut buffer = vec![0; COPY_LEN];
        let (mut at, len) = (0, arena.file().len()?);
        while at < len {
            let read = arena.file().read_at(at, &mut buffer)?;
            if read == 0 {
                return Err(ArenaError::Damaged { number, offset: at }.into());
            }
            hasher.update(&buffer[..read]);
            out.write_all(&buffer[..read]).map_err(TransferError::Copy)?;
            at += read as u64;
        }
        Ok(hasher.finish())
    }

    /// Takes in sealed arenas, all or none, and returns their numbers here. Everything in them is
    /// read and compared first. An arena that is here already is not taken again; one that was moved
    /// away, and is the very same file, is here again afterwards.
    pub fn import_arenas(&self, files: &mut [&mut dyn Read]) -> Result<Vec<u32>, TransferError> {
        let inner = &self.inner;
        let _lock = inner.lock_use(Lock::Shared, true)?;
        self.refresh()?;
        let mut incoming = Incoming { disk: inner.world.disk.clone(), parts: Vec::new() };
        for file in files {
            incoming.copy(&mut **file)?;
        }
        let present = self.arenas()?;
        let is_present = |arena: &Arena| {
            let same = |info: &&ArenaInfo| {
                info.site == arena.header.site && info.serial == arena.header.serial
            };
            present.iter().find(same).map(|info| info.number)
        };
        let mut items = Vec::new();
        for (arena, _) in &incoming.parts {
            if arena.header.class != inner.options.class {
                let (found, open) = (&arena.header.class, &inner.options.class);
                let (found, open) = (found.as_str().into(), open.as_str().into());
                return Err(TransferError::Class { found, open });
            }
            items.extend(check_arena(arena)?);
        }
        self.check_layouts(&incoming, &items)?;
        let mut numbers = Vec::new();
        for (arena, path) in std::mem::take(&mut incoming.parts) {
            if let Some(number) = is_present(&arena) {
                match self.moved(number)? {
                    Some(moved) if moved.vcid == arena.vcid()? => self.bring_back(number, &path)?,
                    _ => inner.world.disk.remove(&path)?,
                }
                numbers.push(number);
                continue;
            }
            let number = self.place(&path)?;
            numbers.push(number);
        }
        inner.world.disk.sync_folder(paths::ARENAS)?;
        self.refresh()?;
        Ok(numbers)
    }

    /// Puts the file of a moved arena back in its place, where the index expects it.
    fn bring_back(&self, number: u32, path: &str) -> Result<(), TransferError> {
        let disk = &*self.inner.world.disk;
        disk.rename(path, &paths::arena(number))?;
        disk.sync_folder(paths::ARENAS)?;
        self.forget_moved(number)?;
        self.inner.forget_arenas();
        Ok(())
    }

    /// Gives a copied arena a number. A number that somebody takes at the same time is skipped.
    fn place(&self, path: &str) -> Result<u32, TransferError> {
        let disk = &*self.inner.world.disk;
        let mut number = paths::arena_number_next(disk)?.ok_or(TransferError::Numbers)?;
        loop {
            match disk.open(&paths::arena(number), OpenMode::CreateNew) {
                Ok(_) => break,
                Err(error) if error.fault == DiskFault::Exists => {
                    number = number.checked_add(1).ok_or(TransferError::Numbers)?;
                }
                Err(error) => return Err(error.into()),
            }
        }
        disk.rename(path, &paths::arena(number))?;
        Ok(number)
    }

    /// Compares each layout of the incoming arenas with the SHA-256 of the blob that it leads to.
    fn check_layouts(
        &self,
        incoming: &Incoming,
        items: &[(usize, Located)],
    ) -> Result<(), TransferError> {
        let mut chunks = std::collections::HashMap::new();
        for (part, located) in items {
            if located.kind == ItemKind::Chunk {
                chunks.insert(located.id, (*part, *located));
            }
        }
        let read = |part: usize, located: &Located| incoming.parts[part].0.read_item(located);
        for (part, located) in items.iter().filter(|(_, located)| located.kind == ItemKind::Layout)
        {
            let vcid = located.id.to_vcid();
            let wrong = || TransferError::Layout { vcid };
            let layout = Layout::decode(&read(*part, located)?).ok_or_else(wrong)?;
            let mut hasher = Hasher::new();
            for (id, len) in layout.chunks() {
                let bytes = match chunks.get(id) {
                    Some((part, chunk)) => read(*part, chunk)?,
                    None => {
                        let item = self.inner.item(vcid, *id, ItemKind::Chunk, Depth::Full);
                        item.map_err(|_| wrong())?.to_vec()
                    }
                };
                if bytes.len() != *len as usize {
                    return Err(wrong());
                }
                hasher.update(&bytes);
            }
            if hasher.finish() != vcid {
                return Err(wrong());
            }
        }
        Ok(())
    }
}

/// Copies of files that are being looked at; removed unless they are taken.
struct Incoming {
    disk: Arc<dyn Disk>,
    parts: Vec<(Arena, String)>,
}

impl Incoming {
    fn copy(&mut self, from: &mut dyn Read) -> Result<(), TransferError> {
        let (path, file) = self.create()?;
        let result = copy_into(from, &*file).and_then(|()| {
            let arena = Arena::open(Arc::from(file), self.parts.len() as u32);
            arena.map_err(|error| match error {
                // Its number is that of a copy, which nobody knows.
                ArenaError::Header { source, .. } => {
                    TransferError::NotAnArena { what: source.to_string() }
                }
                error => error.into(),
            })
        });
        match result {
            Ok(arena) => {
                self.parts.push((arena, path));
                Ok(())
            }
            Err(error) => {
                self.disk.remove(&path)?;
                Err(error)
            }
        }
    }

    fn create(&self) -> Result<(String, Box<dyn vigil_base::world::DiskFile>), DiskError> {
        let mut number = 0;
        loop {
            let path = format!("{}/{number}.import", paths::ARENAS);
            match self.disk.open(&path, OpenMode::CreateNew) {
                Ok(file) => return Ok((path, file)),
                Err(error) if error.fault == DiskFault::Exists => number += 1,
                Err(error) => return Err(error),
            }
        }
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        for (_, path) in &self.parts {
            // Nothing refers to the copy, so one that cannot be removed now costs only its space,
            // and `gc` removes it later.
            let _ = self.disk.remove(path);
        }
    }
}

fn copy_into(
    from: &mut dyn Read,
    file: &dyn vigil_base::world::DiskFile,
) -> Result<(), TransferError> {
    let mut buffer = vec![0; COPY_LEN];
    let mut at = 0;
    loop {
        match from.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => {
                file.write_at(at, &buffer[..count])?;
                at += count as u64;
            }
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(TransferError::Copy(error)),
        }
    }
    Ok(file.sync()?)
}

/// Compares everything in an arena that came from elsewhere, and returns its items.
fn check_arena(arena: &Arena) -> Result<Vec<(usize, Located)>, TransferError> {
    let seal = arena.seal()?.map_err(|error| TransferError::NotAnArena {
        what: match error {
            SealError::Absent => "it has no seal, or ends before it".into(),
            SealError::Damaged => "its seal is damaged".into(),
        },
    })?;
    let listed = arena.sealed_items(&seal)?;
    let Scan { mut items, damaged, unclean, .. } = arena.scan(0)?;
    items.sort_unstable();
    items.dedup();
    let is_honest = crate::append::sealed_root(&listed) == seal.root && listed == items;
    if !damaged.is_empty() || !unclean.is_empty() || !is_honest {
        let differ = listed.iter().filter(|item| items.binary_search(item).is_err()).count();
        return Err(TransferError::Damaged { items: damaged.len().max(differ).max(1) });
    }
    let part = arena.number as usize;
    Ok(items.into_iter().map(|item| (part, item)).collect())
}
