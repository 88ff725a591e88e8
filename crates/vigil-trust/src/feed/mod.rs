//! Feeds: what one machine says, in order, in signed batches.
//!
//! A feed belongs to one machine in one incarnation: whoever restores a backup or clones a disk starts
//! another, so that honest machines never say two things at one position. A batch is signed once, for
//! all of its entries, and names the batch before it. Entries are records; what they mean is decided
//! where they are folded.
//!
//! Invariants: a [`Batch`] was checked whole; a [`Feed`] has no gaps; two batches that cannot both
//! belong to one feed become [`Equivocation`], which convinces anybody, and the feed takes no more.

mod batch;
mod equivocation;
mod log;

pub use batch::{
    BATCH_BYTES_MAX, BATCH_ENTRIES_MAX, Batch, BatchError, FeedId, Header, Incarnation,
    SignedHeader,
};
pub use equivocation::{Equivocation, EquivocationError};
pub use log::{
    AppendError, FeedFile, FeedLog, FeedLogError, Fresh, KeepError, Kept, Waiting, continues, keep,
    read_feeds,
};

pub(crate) use log::{FeedsLock, feed_id_of, keep_under, lock_feeds, settle_under, sync_feed};

use alloc::boxed::Box;
use alloc::vec::Vec;

use vigil_base::{Blame, Blamed, Vcid};

/// What is known of a feed: its batches' headers, from the first on.
#[derive(Clone, Debug)]
pub struct Feed {
    id: FeedId,
    headers: Vec<SignedHeader>,
    fork: Option<Box<Equivocation>>,
}

/// What became of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accepted {
    /// It is the next one, and belongs to the feed now.
    New,
    /// It was there already.
    Known,
}

/// Why a feed does not take a batch.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FeedError {
    /// It is of another feed.
    #[error("the batch belongs to another feed")]
    AnotherFeed,
    /// Batches before it are missing.
    #[error("entries {want} to {found} of the feed are missing")]
    Gap {
        /// The next position that the feed needs.
        want: u64,
        /// Where the batch starts.
        found: u64,
    },
    /// The machine said two things at one position. The feed is frozen from now on.
    #[error("the machine has signed two different entries {} of one feed", .0.position())]
    Forked(Box<Equivocation>),
    /// It was frozen before.
    #[error("the feed is frozen, since its machine has signed two different entries {}", .0.position())]
    Frozen(Box<Equivocation>),
}

impl Blamed for FeedError {
    fn blame(&self) -> Blame {
        Blame::Caller
    }
}

impl Feed {
    /// Starts with nothing.
    pub fn new(id: FeedId) -> Self {
        Self { id, headers: Vec::new(), fork: None }
    }

    /// Returns whose feed it is.
    pub fn id(&self) -> FeedId {
        self.id
    }

    /// Returns the position of the next entry.
    pub fn next(&self) -> u64 {
        self.headers.last().map_or(0, |header| header.header().end())
    }

    /// Returns the id of the last batch.
    pub fn head(&self) -> Option<Vcid> {
        self.headers.last().map(SignedHeader::id)
    }

    /// Returns the headers of all batches, from the first on.
    pub fn headers(&self) -> &[SignedHeader] {
        &self.headers
    }

    /// Returns the evidence for which the feed is frozen.
    pub fn fork(&self) -> Option<&Equivocation> {
        self.fork.as_deref()
    }

    /// Freezes the feed for evidence from elsewhere. Evidence about another feed changes nothing.
    pub fn freeze(&mut self, evidence: Equivocation) {
        if evidence.feed() == self.id && self.fork.is_none() {
            self.fork = Some(Box::new(evidence));
        }
    }

    /// Takes the next batch.
    ///
    /// # Errors
    /// Refuses batches of other feeds, gaps, and whatever contradicts what is there, which freezes it.
    pub fn accept(&mut self, batch: &Batch) -> Result<Accepted, FeedError> {
        self.accept_header(batch.signed_header())
    }

    fn accept_header(&mut self, new: &SignedHeader) -> Result<Accepted, FeedError> {
        if new.header().feed != self.id {
            return Err(FeedError::AnotherFeed);
        }
        let (next, first) = (self.next(), new.header().first);
        let after = self.headers.partition_point(|known| known.header().first <= first);
        let before = after.checked_sub(1).map(|at| &self.headers[at]);
        if before.is_some_and(|known| known.id() == new.id()) {
            return Ok(Accepted::Known);
        }
        // The batch that holds or ends at its first entry, or the one that it runs into.
        let rival = before.into_iter().chain(self.headers.get(after));
        let evidence = rival.filter_map(|known| Equivocation::between(known, new)).next();
        if let Some(evidence) = evidence {
            let evidence = Box::new(evidence);
            self.fork.get_or_insert_with(|| evidence.clone());
            return Err(FeedError::Forked(evidence));
        }
        if let Some(fork) = &self.fork {
            return Err(FeedError::Frozen(fork.clone()));
        }
        if first != next {
            return Err(FeedError::Gap { want: next, found: first });
        }
        self.headers.push(new.clone());
        Ok(Accepted::New)
    }
}

#[cfg(test)]
mod tests;
