//! Local names: what roots are called on this machine, with the history of what they meant.
//!
//! Drawn in `docs/format/store.md`. A name is written only after what it names is durable.

use vigil_base::cbor::{DecodeError, Decoder, Encoder, Fault};
use vigil_base::world::{DiskError, Lock, Moment, OpenMode};
use vigil_base::{Blame, Blamed, EntryKind, Name, Vcid};

use crate::checked::{self, Loaded};
use crate::paths;
use crate::put::{PutError, Writer};
use crate::store::Store;

/// What a name has meant since some moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// Since when.
    pub at: Moment,
    /// Whether the bytes are a tree's record, or what sort of file they are.
    pub kind: EntryKind,
    /// What is named.
    pub vcid: Vcid,
    /// The snapshot metadata that goes with a tree.
    pub metadata: Option<Vcid>,
}

/// Why a name could not be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NamesError {
    /// The name's file is not what was written.
    #[error(
        "the record of the name {name} is damaged; move {path} out of the store, and name it anew"
    )]
    Damaged {
        /// The name.
        name: Name,
        /// Its file, below the store's folder.
        path: String,
    },
    /// Nothing has that name.
    #[error("nothing is named {name}")]
    Absent {
        /// The name.
        name: Name,
    },
    /// The name has fewer versions.
    #[error("{name} has only {versions} versions, so there is none {back} versions back")]
    NoVersion {
        /// The name.
        name: Name,
        /// How many there are.
        versions: usize,
        /// How far back was asked for.
        back: u32,
    },
    /// What is to be named could not be made durable.
    #[error("could not store what {name} is to mean")]
    Put {
        /// The name.
        name: Name,
        /// What went wrong.
        source: Box<PutError>,
    },
    /// The disk failed.
    #[error(transparent)]
    Disk(#[from] DiskError),
}

impl Blamed for NamesError {
    fn blame(&self) -> Blame {
        match self {
            Self::Absent { .. } | Self::NoVersion { .. } => Blame::Caller,
            _ => Blame::World,
        }
    }
}

const TAG: &str = "vigil.name/1";

/// Longest file of a name: some 200 000 versions.
const NAME_FILE_BYTES_MAX: usize = 16 << 20;

/// Locked while a name is being changed.
const NAMES_LOCK: &str = "names.lock";

fn path(name: &Name) -> String {
    format!("{}/{}.cbor", paths::NAMES, name.as_str())
}

fn encode(versions: &[Version]) -> Vec<u8> {
    let mut encoder = Encoder::record(TAG, 2);
    encoder.array(versions.len());
    for version in versions {
        encoder.array(4);
        encoder.integer(version.at.0);
        encoder.unsigned(version.kind.code());
        encoder.bytes(version.vcid.as_bytes());
        match version.metadata {
            Some(vcid) => encoder.bytes(vcid.as_bytes()),
            None => encoder.null(),
        }
    }
    encoder.finish()
}

fn decode(bytes: &[u8]) -> Result<Vec<Version>, DecodeError> {
    let mut decoder = Decoder::record(bytes, TAG, 2)?;
    let mut versions = Vec::new();
    for _ in 0..decoder.array()? {
        decoder.array_of(4)?;
        let at = Moment(decoder.integer()?);
        let offset = decoder.offset();
        let Some(kind) = EntryKind::from_code(decoder.unsigned()?) else {
            return decoder.fault(offset, Fault::Range);
        };
        let vcid = Vcid::from_bytes(decoder.byte_array()?);
        let metadata = match decoder.null() {
            true => None,
            false => Some(Vcid::from_bytes(decoder.byte_array()?)),
        };
        versions.push(Version { at, kind, vcid, metadata });
    }
    decoder.finish()?;
    Ok(versions)
}

impl Store {
    /// Lists all names in order, each with its versions from the oldest to the newest.
    pub fn names(&self) -> Result<Vec<(Name, Vec<Version>)>, NamesError> {
        let files = self.inner.world.disk.list(paths::NAMES)?;
        let mut names: Vec<Name> =
            files.iter().filter_map(|file| Name::new(file.strip_suffix(".cbor")?).ok()).collect();
        names.sort();
        let mut all = Vec::new();
        for name in names {
            match self.versions(&name) {
                Ok(versions) => all.push((name, versions)),
                // Removed between the listing and now.
                Err(NamesError::Absent { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(all)
    }

    /// Returns what a name has meant, from the oldest to the newest.
    pub fn versions(&self, name: &Name) -> Result<Vec<Version>, NamesError> {
        let damaged = || NamesError::Damaged { name: name.clone(), path: path(name) };
        match checked::load(&*self.inner.world.disk, &path(name), NAME_FILE_BYTES_MAX)? {
            Loaded::Absent => Err(NamesError::Absent { name: name.clone() }),
            Loaded::Damaged => Err(damaged()),
            Loaded::Record(record) => decode(&record).map_err(|_| damaged()),
        }
    }

    /// Returns what a name meant `back` versions ago: 0 for now.
    pub fn version(&self, name: &Name, back: u32) -> Result<Version, NamesError> {
        let mut versions = self.versions(name)?;
        let count = versions.len();
        match count.checked_sub(back as usize + 1) {
            Some(index) => Ok(versions.swap_remove(index)),
            None => Err(NamesError::NoVersion { name: name.clone(), versions: count, back }),
        }
    }

    /// Replaces the versions of a name by those that `keep` returns; none removes the name.
    pub fn edit_name(
        &self,
        name: &Name,
        keep: impl FnOnce(Vec<Version>) -> Vec<Version>,
    ) -> Result<(), NamesError> {
        let disk = &*self.inner.world.disk;
        let lock = disk.open(NAMES_LOCK, OpenMode::Create)?;
        lock.lock(Lock::Exclusive, true)?;
        let before = match self.versions(name) {
            Ok(versions) => versions,
            Err(NamesError::Absent { .. }) => Vec::new(),
            Err(error) => return Err(error),
        };
        let after = keep(before);
        if after.is_empty() {
            disk.remove(&path(name))?;
            return Ok(disk.sync_folder(paths::NAMES)?);
        }
        Ok(checked::save(disk, &path(name), encode(&after))?)
    }
}

impl Writer {
    /// Gives `name` a new meaning, after making durable what it is to mean.
    pub fn set_name(&self, name: &Name, version: Version) -> Result<(), NamesError> {
        let failed = |source| NamesError::Put { name: name.clone(), source: Box::new(source) };
        self.commit().map_err(failed)?;
        self.store().edit_name(name, |mut versions| {
            versions.push(version);
            versions
        })
    }
}
