//! Intact copies from a tier, for mending a store.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use vigil_base::Vcid;
use vigil_store::format::{Class, ITEM_BYTES_MAX, ItemId, ItemKind, Located};
use vigil_store::{Arena, ArenaError, Remote as _, Supply};

use crate::entry::ArenaEntry;
use crate::http::chain;
use crate::objects::ObjectError;
use crate::tier::Tier;

/// Supplies items from a tier: those of the arenas that it lists, and single blobs.
///
/// Only what is damaged is fetched, besides the tables of the arenas.
pub struct TierSupply {
    tier: Tier,
    arenas: Vec<Arena>,
    items: HashMap<(ItemId, ItemKind), Vec<(usize, Located)>>,
    complaints: Mutex<Vec<String>>,
}

impl TierSupply {
    /// Reads the tables of the arenas of `class` that the tier lists. One that cannot be read is a
    /// complaint, and the others are used.
    pub fn new(tier: &Tier, class: &Class) -> Result<Self, ObjectError> {
        let listing = tier.list()?;
        let mut complaints: Vec<String> =
            listing.complaints.iter().map(ToString::to_string).collect();
        if listing.locked > 0 {
            complaints.push(format!(
                "{} arenas of the tier are encrypted; name their key to use them",
                listing.locked
            ));
        }
        let mut supply = Self {
            tier: tier.clone(),
            arenas: Vec::new(),
            items: HashMap::new(),
            complaints: Mutex::new(complaints),
        };
        for entry in listing.entries.iter().filter(|entry| entry.class == *class) {
            if let Err(error) = supply.take_table(entry) {
                supply.complain(chain(&error));
            }
        }
        Ok(supply)
    }

    fn take_table(&mut self, entry: &ArenaEntry) -> Result<(), ArenaError> {
        let file = self.tier.open_arena(entry.vcid, entry.bytes)?;
        let arena = Arena::open(file, 0)?;
        let damaged = |_| ArenaError::Damaged { number: 0, offset: entry.bytes };
        let seal = arena.seal()?.map_err(damaged)?;
        for item in arena.sealed_items(&seal)? {
            let places = self.items.entry((item.id, item.kind)).or_default();
            places.push((self.arenas.len(), item));
        }
        self.arenas.push(arena);
        Ok(())
    }

    fn complain(&self, complaint: String) {
        self.complaints.lock().unwrap_or_else(PoisonError::into_inner).push(complaint);
    }

    /// Returns what could not be used so far, and why.
    pub fn complaints(&self) -> Vec<String> {
        self.complaints.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Fetches a blob that was pushed by itself.
    fn blob(&self, id: &ItemId) -> Result<Option<Vec<u8>>, ObjectError> {
        let opened = match self.tier.open_content(id.to_vcid()) {
            Err(ObjectError::Absent { .. }) => return Ok(None),
            other => other?,
        };
        // A longer one is no single item, so it is not what is wanted.
        if opened.plain_len > ITEM_BYTES_MAX as u64 {
            return Ok(None);
        }
        opened.range(0, opened.plain_len as usize).map(Some)
    }
}

impl Supply for TierSupply {
    fn item(&self, id: &ItemId, kind: ItemKind) -> Option<Vec<u8>> {
        // Several arenas may list it, and the first need not be intact: each copy is compared here.
        let is_wanted = |bytes: &[u8]| match kind {
            ItemKind::Blob => ItemId::from(Vcid::of(bytes)) == *id,
            ItemKind::Chunk => ItemId::of_chunk(bytes) == *id,
            ItemKind::Layout => true,
        };
        for (arena, located) in self.items.get(&(*id, kind)).into_iter().flatten() {
            match self.arenas[*arena].read_item(located) {
                Ok(bytes) if is_wanted(&bytes) => return Some(bytes),
                Ok(_) => self.complain(format!("the tier's copy of item {id:?} is damaged too")),
                Err(error) => self.complain(chain(&error)),
            }
        }
        if kind != ItemKind::Blob {
            return None;
        }
        self.blob(id).unwrap_or_else(|error| {
            self.complain(error.to_string());
            None
        })
    }
}
