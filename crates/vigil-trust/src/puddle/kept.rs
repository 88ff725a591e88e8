//! What counts of the feeds of revoked machines: the batches that lead to the marks of the revocation.
//!
//! Invariants: a batch that is none of those which the author of the revocation had seen is never among
//! them, whatever is signed with the machine's key, and whenever; and no such batch makes others be left
//! out. Where a batch is missing, none of its chain is among them: what leads to nothing proves nothing.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use vigil_base::Vcid;

use super::event::FeedMark;
use super::view::{MachineState, View};
use crate::feed::{FeedId, SignedHeader};

/// Ids of the batches that count of machines which were revoked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeptBatches(BTreeSet<Vcid>);

impl KeptBatches {
    /// Finds them among headers, in any order; others of the same feeds do not matter.
    pub fn of<'a>(view: &View, headers: impl IntoIterator<Item = &'a SignedHeader>) -> Self {
        let is_revoked = |feed: &FeedId| {
            let machine = view.machines.get(&feed.machine);
            machine.is_some_and(|machine| matches!(machine.state, MachineState::Revoked { .. }))
        };
        let known: BTreeMap<Vcid, &SignedHeader> = headers
            .into_iter()
            .filter(|header| is_revoked(&header.header().feed))
            .map(|header| (header.id(), header))
            .collect();
        let mut kept = BTreeSet::new();
        for (key, machine) in &view.machines {
            for mark in &machine.kept {
                let feed = FeedId { machine: *key, incarnation: mark.incarnation };
                kept.extend(chain(&known, feed, mark).unwrap_or_default());
            }
        }
        Self(kept)
    }

    /// Says whether a batch is among them.
    pub fn contains(&self, batch: &Vcid) -> bool {
        self.0.contains(batch)
    }
}

/// Follows a feed from a mark down to its first batch; none where a batch is missing.
fn chain(
    known: &BTreeMap<Vcid, &SignedHeader>,
    feed: FeedId,
    mark: &FeedMark,
) -> Option<Vec<Vcid>> {
    let (mut chain, mut end, mut at) = (Vec::new(), mark.next, Some(mark.last));
    while let Some(id) = at {
        let header = known.get(&id)?.header();
        if header.feed != feed || header.end() != end {
            return None;
        }
        chain.push(id);
        (end, at) = (header.first, header.previous);
    }
    Some(chain)
}
