//! Holding what running requests read and gave against collection.
//!
//! A kernel takes a lease from its host with the first request and gives it back when its owner lets it
//! and nothing is running. Under a lease nothing is removed, so it is enough to look once, when a lease
//! is taken: what was removed before is forgotten then, and made again when somebody asks.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::engine::Engine;
use crate::host::{Era, HostFault, Lease};
use crate::representation::Representation;
use crate::resolver::ResourceKey;
use crate::site::Site;

/// Who holds what against collection.
#[derive(Default)]
pub struct Holding {
    /// Whether a lease is held: read without the lock by questions that only look.
    is_held: AtomicBool,
    inside: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    running: usize,
    lease: Option<Lease>,
    /// Of the lease that was held last.
    era: Option<Era>,
    /// Whether the lease goes when nothing is running any longer.
    is_let_go: bool,
}

/// A request that is running: nothing is collected before it ends.
pub struct Running<'a> {
    holding: &'a Holding,
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        let mut held = self.holding.inside();
        held.running -= 1;
        self.holding.let_go_if_idle(&mut held);
    }
}

impl Holding {
    fn inside(&self) -> MutexGuard<'_, Held> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns whether a lease is held.
    pub fn is_held(&self) -> bool {
        self.is_held.load(Ordering::Acquire)
    }

    /// Notes that a request begins, taking a lease where there is none. What was collected since the
    /// last one is forgotten by the engine.
    pub fn begin(&self, site: &Site, engine: &Engine) -> Result<Running<'_>, HostFault> {
        // Others wait until this one has looked what is gone.
        let mut held = self.inside();
        if held.lease.is_none() {
            let lease = site.host.blobs.lease()?;
            let is_new_era = held.era.is_some_and(|era| era != lease.era);
            if is_new_era {
                forget_what_is_gone(site, engine)?;
            }
            held.era = Some(lease.era);
            held.lease = Some(lease);
            held.is_let_go = false;
            self.is_held.store(true, Ordering::Release);
        }
        held.running += 1;
        Ok(Running { holding: self })
    }

    /// Gives the lease back as soon as nothing is running.
    pub fn let_go(&self) {
        let mut held = self.inside();
        held.is_let_go = true;
        self.let_go_if_idle(&mut held);
    }

    fn let_go_if_idle(&self, held: &mut Held) {
        if held.is_let_go && held.running == 0 {
            self.is_held.store(false, Ordering::Release);
            held.lease = None;
        }
    }
}

/// Makes the engine forget answers whose bytes were collected.
fn forget_what_is_gone(site: &Site, engine: &Engine) -> Result<(), HostFault> {
    let mut gone: Vec<ResourceKey> = Vec::new();
    for (key, answer) in engine.values::<ResourceKey>() {
        let Ok(representation) = &answer.result else { continue };
        let Representation { vcid, media_type, .. } = representation;
        if !site.host.blobs.is_whole(*vcid, media_type)? {
            gone.push(key);
        }
    }
    if !gone.is_empty() {
        engine.edit(|edit| gone.iter().for_each(|key| edit.invalidate(key)));
    }
    Ok(())
}
