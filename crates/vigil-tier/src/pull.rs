//! Fetching arenas and blobs from a tier into a store.
//!
//! Nothing is believed: arenas are rehashed by the store before anything in them can be found, and a
//! blob whose bytes do not hash to its name is refused.

use std::io::Read;

use vigil_base::{Blame, Blamed, Vcid};
use vigil_store::{ArenaInfo, ArenaState, PutError, Store, TransferError};

use crate::entry::ArenaEntry;
use crate::objects::ObjectError;
use crate::opened::Opened;
use crate::tier::Tier;

/// Why something could not be pulled. Nothing of it can be found here.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PullError {
    /// The tier could not be read, or what it has is not what it says.
    #[error(transparent)]
    Object(#[from] ObjectError),
    /// An arena could not be taken in.
    #[error("could not take in {}", names(.vcids))]
    Import {
        /// The arenas that were pulled together.
        vcids: Vec<Vcid>,
        /// Why.
        source: TransferError,
    },
    /// The store has another arena of that site and number.
    #[error(
        "the store has another arena {serial} of site {site}: {here}, and the tier has {there}; was this store copied? pull into another store"
    )]
    Conflict {
        /// The site.
        site: String,
        /// The arena's number there.
        serial: u64,
        /// What the store knows.
        here: Vcid,
        /// What the tier has.
        there: Vcid,
    },
    /// A blob could not be stored.
    #[error("could not store {vcid}")]
    Put {
        /// The blob.
        vcid: Vcid,
        /// Why.
        source: PutError,
    },
}

fn names(vcids: &[Vcid]) -> String {
    let names: Vec<String> = vcids.iter().map(|vcid| format!("arena {vcid}")).collect();
    names.join(", ")
}

impl Blamed for PullError {
    fn blame(&self) -> Blame {
        match self {
            Self::Object(error) => error.blame(),
            Self::Import { source, .. } => source.blame(),
            Self::Put { source, .. } => source.blame(),
            Self::Conflict { .. } => Blame::Caller,
        }
    }
}

/// What was pulled.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PulledArenas {
    /// The arenas' numbers here, in the order that was asked for.
    pub numbers: Vec<u32>,
    /// Bytes that were fetched.
    pub bytes: u64,
    /// How many were here already, and not fetched.
    pub present: u64,
}

impl Tier {
    /// Fetches arenas and takes them in, all or none. Those whose files are here are not fetched. A
    /// blob whose chunks lie in several arenas needs them all at once, or here already.
    pub fn pull_arenas(
        &self,
        store: &Store,
        entries: &[ArenaEntry],
        progress: &dyn Fn(u64),
    ) -> Result<PulledArenas, PullError> {
        let mut pulled = PulledArenas::default();
        let vcids: Vec<Vcid> = entries.iter().map(|entry| entry.vcid).collect();
        let failed = |source| PullError::Import { vcids: vcids.clone(), source };
        let infos = store.arenas().map_err(failed)?;
        let here = |entry: &ArenaEntry| {
            let same = |info: &&ArenaInfo| info.site == entry.site && info.serial == entry.serial;
            match infos.iter().find(same).map(|info| (info.number, info.state)) {
                Some((_, ArenaState::Moved(here))) if here != entry.vcid => {
                    let (site, serial) = (entry.site.to_string(), entry.serial);
                    Err(PullError::Conflict { site, serial, here, there: entry.vcid })
                }
                Some((_, ArenaState::Moved(_))) | None => Ok(None),
                Some((number, _)) => Ok(Some(number)),
            }
        };
        let numbers = entries.iter().map(here).collect::<Result<Vec<Option<u32>>, _>>()?;
        let mut objects: Vec<(Vcid, Opened)> = Vec::new();
        for (entry, number) in entries.iter().zip(&numbers) {
            if number.is_none() {
                let opened = self.open_content(entry.vcid)?;
                pulled.bytes += opened.plain_len;
                objects.push((entry.vcid, opened));
            }
        }
        pulled.present = (entries.len() - objects.len()) as u64;
        let mut streams: Vec<_> =
            objects.iter().map(|(vcid, opened)| opened.stream(*vcid, progress)).collect();
        let mut files: Vec<&mut dyn Read> =
            streams.iter_mut().map(|stream| stream as &mut dyn Read).collect();
        let mut imported = store.import_arenas(&mut files).map_err(failed)?.into_iter();
        for number in numbers {
            pulled.numbers.extend(number.or_else(|| imported.next()));
        }
        Ok(pulled)
    }

    /// Fetches a single blob and stores it; returns its length. One that is here is not fetched.
    pub fn pull_blob(
        &self,
        store: &Store,
        vcid: Vcid,
        progress: &dyn Fn(u64),
    ) -> Result<u64, PullError> {
        if let Ok(blob) = store.find(vcid) {
            return Ok(blob.len());
        }
        let opened = self.open_content(vcid)?;
        let failed = |source: PutError| match object_error(&source) {
            Some(error) => PullError::Object(error),
            None => PullError::Put { vcid, source },
        };
        let writer = store.writer().map_err(failed)?;
        let mut batch = writer.batch().map_err(failed)?;
        // The stream ends with an error if the bytes are others, so that nothing names them.
        let mut stream = opened.stream(vcid, progress);
        let (_, len) = batch.put_stream(&mut stream).map_err(failed)?;
        batch.finish().map_err(failed)?;
        writer.finish().map_err(failed)?;
        Ok(len)
    }
}

/// Returns the tier's own error, if that is why a blob could not be read.
fn object_error(error: &PutError) -> Option<ObjectError> {
    let PutError::Source(error) = error else { return None };
    error.get_ref()?.downcast_ref::<ObjectError>().cloned()
}
