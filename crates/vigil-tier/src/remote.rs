//! Moved arenas, read by range through the block cache.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use vigil_base::Vcid;
use vigil_base::world::{DiskError, DiskFault, DiskFile, Lock, Mapped};
use vigil_store::Remote;

use crate::blocks::{AHEAD, BLOCK_LEN, Blocks};
use crate::http::chain;
use crate::objects::ObjectError;
use crate::opened::Opened;
use crate::tier::Tier;

/// Reads of this length or more go past the cache: it holds what is small and read again.
const PAST_CACHE_LEN: usize = 4 * BLOCK_LEN;

/// Several tiers of one store; an arena is read from the first that has it.
#[derive(Clone)]
pub struct Tiers(pub Vec<Tier>);

impl Remote for Tiers {
    fn open_arena(&self, vcid: Vcid, len: u64) -> Result<Arc<dyn DiskFile>, DiskError> {
        Ok(Arc::new(TierFile { tiers: self.0.clone(), vcid, len, opened: Mutex::default() }))
    }
}

impl Remote for Tier {
    fn open_arena(&self, vcid: Vcid, len: u64) -> Result<Arc<dyn DiskFile>, DiskError> {
        Tiers(vec![self.clone()]).open_arena(vcid, len)
    }
}

/// An arena's file in a tier. Nothing is asked of the tier before the first read.
struct TierFile {
    tiers: Vec<Tier>,
    vcid: Vcid,
    len: u64,
    opened: Mutex<Option<Arc<(Tier, Opened)>>>,
}

impl TierFile {
    /// Returns the object, looking for it the first time.
    fn opened(&self) -> Result<Arc<(Tier, Opened)>, ObjectError> {
        let mut slot = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(opened) = &*slot {
            return Ok(opened.clone());
        }
        let mut trouble = None;
        for tier in &self.tiers {
            match tier.open_content(self.vcid).and_then(|opened| self.check_len(opened)) {
                Ok(opened) => {
                    let opened = Arc::new((tier.clone(), opened));
                    *slot = Some(opened.clone());
                    return Ok(opened);
                }
                Err(error) => {
                    // That a tier could not be asked matters more than that another has it not.
                    let is_absent = matches!(trouble, None | Some(ObjectError::Absent { .. }));
                    if is_absent {
                        trouble = Some(error);
                    }
                }
            }
        }
        let object = || ObjectError::Absent { object: format!("cas/{}", self.vcid.to_hex()) };
        Err(trouble.unwrap_or_else(object))
    }

    fn check_len(&self, opened: Opened) -> Result<Opened, ObjectError> {
        if opened.plain_len == self.len {
            return Ok(opened);
        }
        let object = opened.place.object.clone();
        Err(ObjectError::Length { object, found: opened.plain_len, wanted: self.len })
    }

    /// Returns block `number`, from the cache or the tier.
    fn block(&self, number: u64) -> Result<Arc<Vec<u8>>, ObjectError> {
        let opened = self.opened()?;
        let (tier, object) = &*opened;
        let blocks = || -> MutexGuard<'_, Blocks> {
            tier.inner.blocks.lock().unwrap_or_else(PoisonError::into_inner)
        };
        let (found, reads_on) = {
            let mut blocks = blocks();
            let reads_on = number > 0 && blocks.has((self.vcid, number - 1));
            (blocks.get((self.vcid, number)), reads_on)
        };
        if let Some(block) = found {
            return Ok(block);
        }
        let count = if reads_on { AHEAD } else { 1 };
        let start = number * BLOCK_LEN as u64;
        let len = (self.len - start).min(count * BLOCK_LEN as u64) as usize;
        let bytes = object.range(start, len)?;
        let mut first = None;
        for (number, block) in (number..).zip(bytes.chunks(BLOCK_LEN)) {
            let block = Arc::new(block.to_vec());
            first.get_or_insert_with(|| block.clone());
            blocks().insert((self.vcid, number), block);
        }
        Ok(first.unwrap_or_default())
    }

    fn read(&self, offset: u64, into: &mut [u8]) -> Result<(), ObjectError> {
        if into.len() >= PAST_CACHE_LEN {
            let opened = self.opened()?;
            // In pieces, so that memory stays bounded whatever is asked for.
            for (index, piece) in into.chunks_mut(PAST_CACHE_LEN).enumerate() {
                let start = offset + (index * PAST_CACHE_LEN) as u64;
                piece.copy_from_slice(&opened.1.range(start, piece.len())?);
            }
            return Ok(());
        }
        let mut done = 0;
        while done < into.len() {
            let at = offset + done as u64;
            let block = self.block(at / BLOCK_LEN as u64)?;
            let inner = (at % BLOCK_LEN as u64) as usize;
            let len = (block.len() - inner).min(into.len() - done);
            into[done..done + len].copy_from_slice(&block[inner..inner + len]);
            done += len;
        }
        Ok(())
    }

    fn trouble(&self, error: &ObjectError) -> DiskError {
        let fault = match error {
            // `Absent` would say that the store has no such arena, which is another thing.
            ObjectError::Denied { .. } => DiskFault::Denied,
            _ => DiskFault::Other,
        };
        self.error(fault, "read", chain(error))
    }

    fn error(&self, fault: DiskFault, action: &'static str, reason: String) -> DiskError {
        let places: Vec<String> =
            self.tiers.iter().map(|tier| tier.address().to_string()).collect();
        let path = format!("arena {} in {}", self.vcid, places.join(", "));
        DiskError { fault, action, path, reason }
    }

    fn refuse(&self, action: &'static str) -> DiskError {
        self.error(DiskFault::Denied, action, "what is in a tier never changes".into())
    }
}

impl DiskFile for TierFile {
    fn len(&self) -> Result<u64, DiskError> {
        Ok(self.len)
    }

    fn read_at(&self, offset: u64, into: &mut [u8]) -> Result<usize, DiskError> {
        let rest = self.len.saturating_sub(offset);
        let len = usize::try_from(rest).unwrap_or(usize::MAX).min(into.len());
        self.read(offset, &mut into[..len]).map_err(|error| self.trouble(&error))?;
        Ok(len)
    }

    fn write_at(&self, _: u64, _: &[u8]) -> Result<(), DiskError> {
        Err(self.refuse("write"))
    }

    fn set_len(&self, _: u64) -> Result<(), DiskError> {
        Err(self.refuse("resize"))
    }

    fn sync(&self) -> Result<(), DiskError> {
        Ok(())
    }

    fn lock(&self, _: Lock, _: bool) -> Result<bool, DiskError> {
        Err(self.refuse("lock"))
    }

    fn can_map(&self) -> bool {
        false
    }

    fn map(&self, _: u64) -> Result<Arc<dyn Mapped>, DiskError> {
        Err(self.refuse("map"))
    }
}
