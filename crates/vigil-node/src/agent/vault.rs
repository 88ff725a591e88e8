//! One page of memory that is not swapped out, not dumped, and not inherited.

use std::io;

use memmap2::{Advice, MmapMut};
use vigil_trust::SecretKey;
use vigil_trust::agent::Vault;
use zeroize::{Zeroize as _, Zeroizing};

/// Smaller than any page; the system rounds up.
const LEN: usize = SecretKey::SEED_LEN;

/// A seed's place. While a signature is made, the key is on the stack, too, and wiped afterwards.
pub struct LockedMemory {
    page: MmapMut,
    is_kept: bool,
}

impl LockedMemory {
    /// Takes and locks a page.
    ///
    /// # Errors
    /// Fails where the system does not lock it: there is no second best.
    pub fn new() -> io::Result<Self> {
        let page = MmapMut::map_anon(LEN)?;
        page.lock()?;
        #[cfg(target_os = "linux")]
        {
            page.advise(Advice::DontDump)?;
            page.advise(Advice::DontFork)?;
        }
        Ok(Self { page, is_kept: false })
    }
}

impl Vault for LockedMemory {
    fn keep(&mut self, key: &SecretKey) {
        self.page[..LEN].copy_from_slice(&*key.seed());
        self.is_kept = true;
    }

    fn key(&self) -> Option<SecretKey> {
        let mut seed = Zeroizing::new([0; LEN]);
        seed.copy_from_slice(&self.page[..LEN]);
        self.is_kept.then(|| SecretKey::from_seed(&seed))
    }

    fn wipe(&mut self) {
        self.page[..LEN].zeroize();
        self.is_kept = false;
    }
}

impl Drop for LockedMemory {
    fn drop(&mut self) {
        self.wipe();
    }
}
