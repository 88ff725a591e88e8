//! The last blocks that were read of moved arenas: a bounded cache.

use std::collections::HashMap;
use std::sync::Arc;

use vigil_base::Vcid;

/// Bytes of a block: a request's delay over a long link is about what this many bytes take, and a
/// frame with its trailer and directory fits in one or two.
pub(crate) const BLOCK_LEN: usize = 1 << 20;
/// Blocks that are kept.
pub(crate) const BLOCKS_MAX: usize = 16;
/// Blocks that are fetched at once when a file is read on.
pub(crate) const AHEAD: u64 = 4;
const _: () = assert!((AHEAD as usize) * 2 <= BLOCKS_MAX);

/// A block's bytes, and when they were used last.
type Used = (Arc<Vec<u8>>, u64);

/// Blocks by arena and number.
#[derive(Default)]
pub(crate) struct Blocks {
    blocks: HashMap<(Vcid, u64), Used>,
    clock: u64,
}

impl Blocks {
    pub fn get(&mut self, key: (Vcid, u64)) -> Option<Arc<Vec<u8>>> {
        self.clock += 1;
        let (block, used) = self.blocks.get_mut(&key)?;
        *used = self.clock;
        Some(block.clone())
    }

    pub fn has(&self, key: (Vcid, u64)) -> bool {
        self.blocks.contains_key(&key)
    }

    pub fn insert(&mut self, key: (Vcid, u64), block: Arc<Vec<u8>>) {
        self.clock += 1;
        self.blocks.insert(key, (block, self.clock));
        while self.blocks.len() > BLOCKS_MAX {
            let oldest = self.blocks.iter().min_by_key(|(_, (_, used))| *used);
            let Some(oldest) = oldest.map(|(key, _)| *key) else { break };
            self.blocks.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use vigil_base::Vcid;

    use super::{BLOCKS_MAX, Blocks};

    #[test]
    fn the_block_that_was_not_used_for_longest_goes_first() {
        let mut blocks = Blocks::default();
        let key = |number| (Vcid::of(b"arena"), number);
        for number in 0..BLOCKS_MAX as u64 {
            blocks.insert(key(number), Arc::default());
        }
        assert!(blocks.get(key(0)).is_some());
        blocks.insert(key(99), Arc::default());
        assert!(blocks.has(key(0)) && blocks.has(key(99)) && !blocks.has(key(1)));
        assert_eq!(blocks.blocks.len(), BLOCKS_MAX);
    }
}
