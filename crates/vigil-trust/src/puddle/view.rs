//! What a puddle's events mean: who speaks for it, which machines count, and what they may do.
//!
//! Values of these types come out of [`super::fold`] only.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::vec::Vec;

use vigil_base::world::Moment;
use vigil_base::{Name, Vcid};

use super::event::{AFTER_MAX, EventError, FeedMark};
use super::freshness::{Freshness, Lease};
use super::kept::KeptBatches;
use super::scope::{Ask, DEPTH_MAX, Misfit, Scope};
use crate::feed::{FeedId, Incarnation};
use crate::keys::KeyBytes;

/// Why an event has no effect.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// It is no event.
    #[error(transparent)]
    Malformed(#[from] EventError),
    /// Events that it names as seen are not here yet.
    #[error("it waits for events that are not here yet")]
    Waiting,
    /// Its author has no say.
    #[error("its author is neither the Person nor a machine that may do this")]
    NotAuthor,
    /// Its author's key was rotated away before.
    #[error("it is signed by a key of the Person that was rotated away")]
    RotatedKey,
    /// Two rotations contest the Person's key.
    #[error("the Person's key is contested: two rotations had not seen each other")]
    Contested,
    /// The successor did not consent, or was the Person's key before.
    #[error("the successor did not consent, or was the Person's key before")]
    Successor,
    /// It was revoked.
    #[error("it was revoked")]
    Revoked,
    /// The machine that gives or gets it is not active.
    #[error("a machine that gives or gets it is not active")]
    Inactive,
    /// It is granted under something that is no grant, or one that does not hold.
    #[error("the grant above it does not hold")]
    Parent,
    /// Its author does not hold the grant above it.
    #[error("its author does not hold the grant above it")]
    NotHolder,
    /// It gives more than the grant above it.
    #[error("it gives more than the grant above it")]
    Widened,
    /// There are too many grants above it.
    #[error("it would be more than {DEPTH_MAX} grants deep")]
    TooDeep,
    /// A machine would come twice in its chain.
    #[error("a machine comes twice in its chain")]
    Cycle,
}

impl Refusal {
    /// Says whether it follows from somebody's right to take things away, or from what has not come yet,
    /// rather than from an event that nobody should have signed.
    pub fn is_expected(&self) -> bool {
        matches!(self, Self::Waiting | Self::Revoked | Self::Inactive | Self::Parent)
    }
}

/// Whether a machine counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MachineState {
    /// It counts.
    Active,
    /// It was revoked.
    Revoked {
        /// By which event.
        by: Vcid,
        /// Why.
        reason: String,
    },
    /// It has said two things at one position, and the Person has not forgiven it.
    Frozen {
        /// Where.
        feeds: Vec<FeedId>,
    },
}

/// A machine of the puddle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MachineView {
    /// What it is called.
    pub name: Name,
    /// Whether it counts.
    pub state: MachineState,
    /// The event that added it.
    pub added: Vcid,
    /// How far its feeds count, if it was revoked: at most one mark for each of its lives.
    pub kept: Vec<FeedMark>,
    /// Forked incarnations that were forgiven, and count for nothing.
    pub pardons: BTreeSet<Incarnation>,
}

/// A grant that holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GrantView {
    /// Who gives it: the Person or a machine.
    pub from: KeyBytes,
    /// Which machine has it.
    pub to: KeyBytes,
    /// The grant above it.
    pub parent: Option<Vcid>,
    /// What it allows.
    pub scope: Scope,
    /// How deep it is: 1 for one of the Person's.
    pub depth: usize,
}

/// Who may speak for the Person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Authority {
    /// This key.
    Person(KeyBytes),
    /// Nobody: these rotations contest it.
    Contested(BTreeSet<Vcid>),
}

/// What a set of events means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// The puddle.
    pub id: Vcid,
    /// What it is called.
    pub name: Name,
    /// How long a machine may rely on what it last heard.
    pub lease: Lease,
    /// Who may speak for the Person.
    pub authority: Authority,
    /// The Person's keys, the first one first.
    pub persons: Vec<KeyBytes>,
    /// All machines that were ever added.
    pub machines: BTreeMap<KeyBytes, MachineView>,
    /// The grants that hold, whether expired or not.
    pub grants: BTreeMap<Vcid, GrantView>,
    /// What has no effect, and why.
    pub refused: BTreeMap<Vcid, Refusal>,
    /// The newest events of the Person's that count. See [`View::next_after`].
    pub heads: BTreeSet<Vcid>,
    /// What counts of the Person's word, and when it was signed, as it says itself.
    pub signed: BTreeMap<Vcid, Moment>,
}

/// Why a machine does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Idle {
    /// Nobody added it.
    #[error("nobody added this machine to the puddle")]
    Unknown,
    /// It was revoked.
    #[error("this machine's key was revoked, which is for ever; make it another key")]
    Revoked,
    /// It is frozen.
    #[error(
        "this machine has said two things at one position, and is frozen until it is admitted again"
    )]
    Frozen,
}

/// Why something may not be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Denial {
    /// Nobody speaks for the Person.
    #[error("the Person's key is contested, so nothing is granted any more")]
    Contested,
    /// The machine does not count.
    #[error(transparent)]
    Idle(#[from] Idle),
    /// What is known here is too old.
    #[error("nothing has been heard of the Person for longer than the puddle's lease")]
    Stale {
        /// When the lease ended.
        since: Moment,
    },
    /// One of two clocks is wrong.
    #[error("the Person signed later than it is here, so one of two clocks is wrong")]
    Doubtful {
        /// When, as was signed.
        signed: Moment,
    },
    /// The grant does not hold.
    #[error("there is no grant that holds")]
    NoGrant,
    /// It is another machine's.
    #[error("the grant is another machine's")]
    NotHolder,
    /// It does not allow this.
    #[error("the grant does not allow this: {misfit}")]
    NotAllowed {
        /// Which part of it does not.
        misfit: Misfit,
    },
    /// It, or one above it, has expired.
    #[error("link {link} of the chain has expired")]
    Expired {
        /// Which, from 1 at the Person.
        link: usize,
    },
}

impl Denial {
    /// Returns the word for it, as programs read it.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Contested => "contested",
            Self::Idle(Idle::Unknown) => "unknown",
            Self::Idle(Idle::Revoked) => "revoked",
            Self::Idle(Idle::Frozen) => "frozen",
            Self::Stale { .. } => "stale",
            Self::Doubtful { .. } => "doubtful",
            Self::NoGrant => "no-grant",
            Self::NotHolder => "not-holder",
            Self::NotAllowed { misfit: Misfit::Subsystem } => "subsystem",
            Self::NotAllowed { misfit: Misfit::Verb } => "verb",
            Self::NotAllowed { misfit: Misfit::Prefix } => "prefix",
            Self::Expired { .. } => "expired",
        }
    }

    /// How close it came to being allowed: of several grants, people are told of the closest.
    fn closeness(&self) -> (u8, Option<Misfit>) {
        match self {
            Self::Expired { .. } => (3, None),
            Self::Stale { .. } | Self::Doubtful { .. } => (2, None),
            Self::NotAllowed { misfit } => (1, Some(*misfit)),
            _ => (0, None),
        }
    }
}

/// When something is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct When {
    /// The time to judge by, which has a floor under it; see [`super::TimeHere`].
    pub now: Moment,
    /// What [`Lease::judge`] says of the puddle's lease.
    pub freshness: Freshness,
}

impl View {
    /// Returns what the next event names as seen, rising: the heads, or as many of them as an event can
    /// name. Each event that names some makes them one, so that a few events name all.
    pub fn next_after(&self) -> Vec<Vcid> {
        self.heads.iter().take(AFTER_MAX).copied().collect()
    }

    /// Checks that a machine counts: being named by an event that adds it is not enough.
    ///
    /// # Errors
    /// Says why it does not.
    pub fn expect_active(&self, machine: &KeyBytes) -> Result<(), Idle> {
        match self.machines.get(machine).map(|machine| &machine.state) {
            None => Err(Idle::Unknown),
            Some(MachineState::Revoked { .. }) => Err(Idle::Revoked),
            Some(MachineState::Frozen { .. }) => Err(Idle::Frozen),
            Some(MachineState::Active) => Ok(()),
        }
    }

    /// Says whether a batch of a feed counts: its machine is active, or the Person had seen the batch when
    /// the machine was revoked. Of a frozen machine nothing counts, in none of its lives, since whoever
    /// forked one may begin another. `kept` is what [`KeptBatches::of`] finds among the headers that are known.
    pub fn counts(&self, kept: &KeptBatches, feed: &FeedId, batch: &Vcid) -> bool {
        let Some(machine) = self.machines.get(&feed.machine) else { return false };
        if machine.pardons.contains(&feed.incarnation) {
            return false;
        }
        match &machine.state {
            MachineState::Active => true,
            MachineState::Revoked { .. } => kept.contains(batch),
            MachineState::Frozen { .. } => false,
        }
    }

    /// Returns the last date that the Person signed.
    pub fn signed_at(&self) -> Moment {
        self.signed.values().max().copied().unwrap_or(Moment(i64::MIN))
    }

    /// Returns a grant that holds and all above it, the Person's first.
    pub fn chain(&self, grant: &Vcid) -> Vec<(Vcid, &GrantView)> {
        let mut chain = Vec::new();
        let mut at = Some(*grant);
        while let Some((id, link)) = at.and_then(|id| Some((id, self.grants.get(&id)?))) {
            chain.push((id, link));
            at = link.parent;
        }
        chain.reverse();
        chain
    }

    /// Says by which of its grants a machine may do something: the chain, the Person's grant first. Of
    /// several the shortest, and of those the one that holds longest.
    ///
    /// # Errors
    /// Says what stands against it; of several grants, what stands against the one that came closest.
    pub fn may(
        &self,
        machine: &KeyBytes,
        ask: &Ask<'_>,
        when: &When,
    ) -> Result<Vec<(Vcid, &GrantView)>, Denial> {
        if matches!(self.authority, Authority::Contested(_)) {
            return Err(Denial::Contested);
        }
        self.expect_active(machine)?;
        let held = self.grants.iter().filter(|(_, grant)| grant.to == *machine);
        let (mut best, mut closest) = (None, Denial::NoGrant);
        for (id, grant) in held {
            match self.authorise(machine, id, ask, when) {
                Ok(chain) => {
                    let until = grant.scope.expiry().unwrap_or(Moment(i64::MAX));
                    let order = (chain.len(), core::cmp::Reverse(until));
                    if best.as_ref().is_none_or(|(before, _)| order < *before) {
                        best = Some((order, chain));
                    }
                }
                Err(denial) if denial.closeness() > closest.closeness() => closest = denial,
                Err(_) => {}
            }
        }
        best.map(|(_, chain)| chain).ok_or(closest)
    }

    /// Says whether a machine may do something by one grant, and returns the chain that allows it, the
    /// Person's grant first. Nothing is allowed on what is stale, or where rotations contest the Person's
    /// key; nor while the time is in doubt, if it matters: where there is a lease, or a link expires.
    ///
    /// # Errors
    /// Says what stands against it.
    pub fn authorise(
        &self,
        machine: &KeyBytes,
        grant: &Vcid,
        ask: &Ask<'_>,
        when: &When,
    ) -> Result<Vec<(Vcid, &GrantView)>, Denial> {
        if matches!(self.authority, Authority::Contested(_)) {
            return Err(Denial::Contested);
        }
        let found = self.grants.get(grant).ok_or(Denial::NoGrant)?;
        if found.to != *machine {
            return Err(Denial::NotHolder);
        }
        if let Some(misfit) = found.scope.misfit(ask) {
            return Err(Denial::NotAllowed { misfit });
        }
        let chain = self.chain(grant);
        let expires = |(_, link): &(Vcid, &GrantView)| link.scope.expiry().is_some();
        match when.freshness {
            Freshness::Stale { since } => return Err(Denial::Stale { since }),
            Freshness::Doubtful { signed }
                if self.lease != Lease::Never || chain.iter().any(expires) =>
            {
                return Err(Denial::Doubtful { signed });
            }
            Freshness::Doubtful { .. } | Freshness::Fresh { .. } => {}
        }
        match chain.iter().position(|(_, link)| link.scope.is_expired(when.now)) {
            Some(at) => Err(Denial::Expired { link: at + 1 }),
            None => Ok(chain),
        }
    }
}
