//! The store: one folder of arenas, opened for one class.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use vigil_base::cbor::{Decoder, Encoder};
use vigil_base::world::{
    Clock, Disk, DiskError, DiskFault, Lock, OpenMode, Randomness, RandomnessError,
};
use vigil_base::{Blame, Blamed};

use crate::append::{Lane, Maker};
use crate::arena::{Arena, ArenaError};
use crate::cache::FrameCache;
use crate::checked::{self, Loaded};
use crate::format::{Class, Site};
use crate::index::{Index, IndexError};
use crate::paths;
use crate::remote::open_arena_file;
use crate::tuning::Tuning;

/// The parts of the world that a store needs.
#[derive(Clone)]
pub struct World {
    /// The folder that the store lies in.
    pub disk: Arc<dyn Disk>,
    /// Dates new arenas and names.
    pub clock: Arc<dyn Clock>,
    /// Makes site ids and arena keys.
    pub randomness: Arc<dyn Randomness>,
}

/// How to open a store.
#[derive(Clone, Debug)]
pub struct Options {
    /// The class to read and write.
    pub class: Class,
    /// Most bytes of a new arena, its seal not counted.
    pub arena_bytes_max: u64,
    /// Most bytes of decoded frames to keep.
    pub cache_bytes_max: usize,
    /// How bytes are cut, packed and compressed.
    pub tuning: Tuning,
    /// Every so many written bytes, a sync is started in the background; `None` for never.
    pub sync_every_bytes: Option<u64>,
    /// Whether to append to arenas that an earlier writer left open.
    pub continues_arenas: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            class: Class::shared(),
            arena_bytes_max: 512 << 20,
            cache_bytes_max: 32 << 20,
            tuning: Tuning::default(),
            sync_every_bytes: Some(64 << 20),
            continues_arenas: true,
        }
    }
}

/// Smallest and largest `arena_bytes_max`: a few frames must fit, and 32-bit offsets in units of 64
/// bytes must reach everything.
const ARENA_BYTES: std::ops::RangeInclusive<u64> = (1 << 20)..=(64 << 30);

/// Why a store could not be opened.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The folder holds something, and not a store.
    #[error(
        "{path} is not a store: it has files and no `store.cbor`; name an empty or absent folder"
    )]
    NotAStore {
        /// The folder.
        path: String,
    },
    /// The store's own record is damaged or of a later version.
    #[error("the store's `store.cbor` is damaged, or of a later version than this program knows")]
    Marker,
    /// The arena size is out of bounds.
    #[error("an arena has {} to {} bytes, not {found}", ARENA_BYTES.start(), ARENA_BYTES.end())]
    ArenaSize {
        /// The size that was asked for.
        found: u64,
    },
    /// The disk failed.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// There were no random bytes for a site id.
    #[error("could not name the new store")]
    Randomness(#[from] RandomnessError),
    /// The index could not be opened.
    #[error("could not open the store's index")]
    Index(#[from] IndexError),
}

impl Blamed for OpenError {
    fn blame(&self) -> Blame {
        match self {
            Self::NotAStore { .. } | Self::ArenaSize { .. } => Blame::Caller,
            _ => Blame::World,
        }
    }
}

/// An open store. Cheap to clone; all clones share caches and the arenas that are being written.
#[derive(Clone)]
pub struct Store {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub world: World,
    pub options: Options,
    pub site: Site,
    pub index: Index,
    pub cache: FrameCache,
    pub frames: Lane,
    pub extents: Lane,
    pub arenas: Mutex<HashMap<u32, Arc<Arena>>>,
    pub remote: Mutex<Option<Arc<dyn crate::remote::Remote>>>,
    pub pending: crate::pending::Pending,
    /// How many writers this process has.
    pub writers: Mutex<usize>,
    pub maps: crate::read::Maps,
}

const TAG: &str = "vigil.store/1";

/// Room for what later versions may add to the store's file.
const STORE_BYTES_MAX: usize = 4096;

impl Store {
    /// Opens the store on `world.disk`, creating it where the folder is empty or absent.
    pub fn open(world: World, options: Options) -> Result<Self, OpenError> {
        if !ARENA_BYTES.contains(&options.arena_bytes_max) {
            return Err(OpenError::ArenaSize { found: options.arena_bytes_max });
        }
        let site = match load_site(&*world.disk)? {
            Some(site) => site,
            None => create(&world)?,
        };
        let index = Index::open(world.disk.clone(), options.class.clone())?;
        let maker = Arc::new(Maker {
            disk: world.disk.clone(),
            clock: world.clock.clone(),
            randomness: world.randomness.clone(),
            site,
            class: options.class.clone(),
            capacity: options.arena_bytes_max,
            sync_every_bytes: options.sync_every_bytes,
            continues: options.continues_arenas,
        });
        Ok(Self {
            inner: Arc::new(Inner {
                cache: FrameCache::new(options.cache_bytes_max),
                frames: Lane::new(maker.clone()),
                extents: Lane::new(maker),
                world,
                options,
                site,
                index,
                arenas: Mutex::default(),
                remote: Mutex::default(),
                pending: crate::pending::Pending::default(),
                writers: Mutex::default(),
                maps: crate::read::Maps::default(),
            }),
        })
    }

    /// Returns the id of the store that new arenas carry.
    pub fn site(&self) -> Site {
        self.inner.site
    }

    /// Returns the parts of the world that the store uses.
    pub fn world(&self) -> &World {
        &self.inner.world
    }

    /// Returns the class that this store was opened for.
    pub fn class(&self) -> &Class {
        &self.inner.options.class
    }

    /// Takes in what other processes have written since the store was opened.
    pub fn refresh(&self) -> Result<(), IndexError> {
        self.inner.index.refresh()
    }

    /// Holds everything that is kept against collection until what is returned is dropped; waits for a
    /// collection that is under way. Takes in what other processes have written. Whoever may only read the
    /// store holds it too, unless nobody has ever written there.
    pub fn hold(&self) -> Result<Hold, IndexError> {
        let lock = match self.inner.lock_use(Lock::Shared, true) {
            Err(error) if error.fault == DiskFault::Denied => self.inner.lock_use_to_read()?,
            tried => tried?,
        };
        self.inner.index.refresh()?;
        Ok(Hold { generation: self.inner.index.generation(), _lock: lock })
    }

    /// Returns how many index entries there are; an item with two locations counts twice.
    pub fn item_count(&self) -> u64 {
        self.inner.index.len()
    }
}

impl Inner {
    /// Returns arena `number`, opening it the first time: here, or where it was moved to.
    pub fn arena(&self, number: u32) -> Result<Arc<Arena>, ArenaError> {
        let mut arenas = self.arenas.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(arena) = arenas.get(&number) {
            return Ok(arena.clone());
        }
        let remote = self.attached_remote();
        let file = open_arena_file(&*self.world.disk, number, remote.as_ref())?;
        let arena = Arc::new(Arena::open(file, number)?);
        arenas.insert(number, arena.clone());
        Ok(arena)
    }

    /// Forgets open arenas and what was decoded from them.
    pub fn forget_arenas(&self) {
        self.arenas.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.maps.clear();
        self.cache.clear();
    }

    /// Takes the lock under which arenas may be removed, or says that others use the store.
    pub fn lock_use(&self, lock: Lock, wait: bool) -> Result<Option<UseLock>, DiskError> {
        let file = self.world.disk.open(paths::USE_LOCK, OpenMode::Create)?;
        Ok(file.lock(lock, wait)?.then_some(UseLock { _file: file }))
    }

    /// Shares that lock where nothing may be written; without the file there is nobody to share it with.
    fn lock_use_to_read(&self) -> Result<Option<UseLock>, DiskError> {
        match self.world.disk.open(paths::USE_LOCK, OpenMode::Read) {
            Ok(file) => Ok(file.lock(Lock::Shared, true)?.then_some(UseLock { _file: file })),
            Err(error) if error.fault == DiskFault::Absent => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// Keeps a store's arenas from being removed, by this process and by others.
pub struct Hold {
    generation: u64,
    _lock: Option<UseLock>,
}

impl Hold {
    /// Returns a number that differs whenever something may have been removed between two holds. It
    /// rises with what is written as well.
    pub fn generation(&self) -> u64 {
        self.generation
    }
}

/// Held while a store's arenas are relied on, or removed.
pub(crate) struct UseLock {
    _file: Box<dyn vigil_base::world::DiskFile>,
}

fn load_site(disk: &dyn Disk) -> Result<Option<Site>, OpenError> {
    let record = match checked::load(disk, paths::STORE, STORE_BYTES_MAX)? {
        Loaded::Absent => return Ok(None),
        Loaded::Damaged => return Err(OpenError::Marker),
        Loaded::Record(record) => record,
    };
    let decode = || {
        let mut decoder = Decoder::record(&record, TAG, 2)?;
        let site = decoder.byte_array()?;
        decoder.finish().map(|()| Site(site))
    };
    decode().map(Some).map_err(|_| OpenError::Marker)
}

/// Makes a store of an empty folder. Of several processes that try at once, all end up with the one
/// site id whose file was named first.
fn create(world: &World) -> Result<Site, OpenError> {
    let disk = &*world.disk;
    // A crash of ours leaves no more than these; anything else is somebody else's.
    let ours = [paths::INDEX_LOCK, paths::USE_LOCK, paths::STORE, "store.cbor.new"];
    let folders = [paths::ARENAS, paths::NAMES];
    for name in disk.list("")? {
        let is_ours = ours.contains(&name.as_str())
            || folders.contains(&name.as_str()) && disk.list(&name)?.is_empty();
        if !is_ours {
            return match load_site(disk)? {
                Some(site) => Ok(site),
                None => Err(OpenError::NotAStore { path: disk.describe() }),
            };
        }
    }
    disk.create_folder("")?;
    let lock = disk.open(paths::INDEX_LOCK, OpenMode::Create)?;
    lock.lock(Lock::Exclusive, true)?;
    if let Some(site) = load_site(disk)? {
        return Ok(site);
    }
    // Whoever sees the store's file relies on the folders, so they are durable before it is there.
    folders.iter().try_for_each(|folder| disk.create_folder(folder))?;
    disk.sync_folder("")?;
    let mut site = Site([0; 16]);
    world.randomness.fill(&mut site.0)?;
    let mut encoder = Encoder::record(TAG, 2);
    encoder.bytes(&site.0);
    checked::save(disk, paths::STORE, encoder.finish())?;
    Ok(site)
}
