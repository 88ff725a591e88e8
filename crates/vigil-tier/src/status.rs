//! What is here, what is there, and what is at both places.

use std::collections::HashMap;

use vigil_store::{ArenaInfo, ArenaState, Store, TransferError};

use crate::entry::ArenaEntry;
use crate::objects::ObjectError;
use crate::pull::PullError;
use crate::tier::Tier;

/// Where one arena is.
#[derive(Clone, Debug)]
pub struct ArenaPlace {
    /// What the store knows of it, if it does.
    pub here: Option<ArenaInfo>,
    /// What the tier says of it, if it lists it.
    pub there: Option<ArenaEntry>,
    /// Whether the tier has the object, with the length that it should have.
    pub is_there: bool,
}

impl ArenaPlace {
    /// Returns whether the arena's file is in the store itself.
    pub fn is_here(&self) -> bool {
        self.here.as_ref().is_some_and(|info| !matches!(info.state, ArenaState::Moved(_)))
    }

    /// Returns whether the store relies on a tier for it.
    pub fn is_moved(&self) -> bool {
        self.here.is_some() && !self.is_here()
    }

    /// Returns the length of its file.
    pub fn bytes(&self) -> u64 {
        let here = self.here.as_ref().map(|info| info.bytes);
        here.or(self.there.as_ref().map(|entry| entry.bytes)).unwrap_or(0)
    }
}

/// What a store and a tier have.
#[derive(Clone, Debug, Default)]
pub struct TierStatus {
    /// Every arena that either knows, ordered by site and number.
    pub arenas: Vec<ArenaPlace>,
    /// Bytes of arenas that are only here.
    pub here_bytes: u64,
    /// Bytes of arenas that are only there.
    pub there_bytes: u64,
    /// Bytes of arenas that are at both places.
    pub both_bytes: u64,
    /// Single blobs in the tier: objects that no listing record names.
    pub blobs: u64,
    /// Bytes that those take there.
    pub blob_bytes: u64,
    /// Records of encrypted arenas that were not looked into, because no secret was given.
    pub locked: u64,
    /// Records that cannot be understood, and why.
    pub complaints: Vec<ObjectError>,
}

impl Tier {
    /// Compares the store with the tier: by names and lengths, no bytes are read.
    pub fn status(&self, store: &Store) -> Result<TierStatus, PullError> {
        let failed = |source: TransferError| PullError::Import { vcids: Vec::new(), source };
        let listing = self.list()?;
        let mut objects = HashMap::new();
        for folder in ["cas", "enc/cas"] {
            for (name, len) in self.inner.objects.list(folder)? {
                objects.insert(format!("{folder}/{name}"), len);
            }
        }
        let mut status = TierStatus {
            locked: listing.locked,
            complaints: listing.complaints,
            ..TierStatus::default()
        };
        let mut here: HashMap<_, _> = HashMap::new();
        for info in store.arenas().map_err(failed)? {
            here.insert((info.site, info.serial), info);
        }
        for entry in listing.entries {
            let info = here.remove(&(entry.site, entry.serial));
            let key = self.key().filter(|_| entry.encrypted);
            let place = Self::content_place(key, entry.vcid);
            let want = match place.sealed {
                Some(_) => crate::envelope::stored_len(entry.bytes),
                None => entry.bytes,
            };
            let is_there = objects.remove(&place.object) == Some(want);
            status.arenas.push(ArenaPlace { here: info, there: Some(entry), is_there });
        }
        let only_here = here.into_values();
        status.arenas.extend(only_here.map(|info| ArenaPlace {
            here: Some(info),
            there: None,
            is_there: false,
        }));
        status.arenas.sort_by_key(|place| match (&place.here, &place.there) {
            (Some(info), _) => (info.site, info.serial),
            (None, Some(entry)) => (entry.site, entry.serial),
            (None, None) => unreachable!("every place was made of one of them"),
        });
        for place in &status.arenas {
            match (place.is_here(), place.is_there) {
                (true, true) => status.both_bytes += place.bytes(),
                (true, false) => status.here_bytes += place.bytes(),
                (false, true) => status.there_bytes += place.bytes(),
                (false, false) => {}
            }
        }
        status.blobs = objects.len() as u64;
        status.blob_bytes = objects.values().sum();
        Ok(status)
    }
}
