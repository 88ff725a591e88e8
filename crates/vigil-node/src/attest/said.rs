//! What the feeds say of attestations: whether a machine said something while its word counted.
//!
//! A signature alone cannot tell, since whoever steals a machine's key signs as it did. Feeds of this
//! machine's own puddle are asked, and of puddles that it follows.
//!
//! Invariant: a puddle has a say in what its own Person's machines attest, and in nothing else.

use std::collections::BTreeSet;

use vigil_base::Vcid;
use vigil_trust::KeyBytes;
use vigil_trust::attestations::{Attested, Standing, fold_attestations, ssh_keys};
use vigil_trust::formats::{RevocationList, person_domain};
use vigil_trust::home::Known;
use vigil_trust::names::Said;
use vigil_trust::puddle::{MachineState, View};

use super::{Checked, Refusal};
use crate::shared_names::{SharedNames, SharedNamesError};

/// One puddle's word.
struct Puddle {
    /// What the principals of its machines end with, behind the `@`.
    domains: BTreeSet<String>,
    view: View,
    attested: Vec<Attested>,
}

/// What feeds say of attestations.
pub struct FeedWords {
    puddles: Vec<Puddle>,
    /// What feeds say that belong to no puddle here.
    strays: Vec<Attested>,
}

/// Returns all entries of a puddle's feeds, of both sides where one is forked.
fn said(known: &Known) -> impl Iterator<Item = Said<'_>> {
    known.batches().flat_map(Said::all)
}

/// Folds what a puddle's machines attest.
fn attested(known: &Known) -> Vec<Attested> {
    fold_attestations(Some((&known.view, &known.kept())), said(known))
}

/// Lists the machines of a puddle that were revoked, for OpenSSH, with the SSH keys that they said are theirs.
pub fn revoked(known: &Known) -> RevocationList {
    let mut list = RevocationList::default();
    let keys = ssh_keys(said(known));
    for (machine, view) in &known.view.machines {
        if matches!(view.state, MachineState::Revoked { .. }) {
            list.machine(*machine);
            keys.get(machine).into_iter().flatten().for_each(|key| list.key(key));
        }
    }
    list
}

impl FeedWords {
    /// Reads the feeds of this machine's puddle and of those that it follows; of a machine that is in none,
    /// its own.
    ///
    /// # Errors
    /// Fails where the disk does, and for damaged files.
    pub fn read(names: &SharedNames) -> Result<Self, SharedNamesError> {
        let mut puddles = Vec::new();
        for known in names.puddles()? {
            let attested = attested(&known);
            let persons = known.view.persons.iter().filter_map(|key| key.check().ok());
            let domains = persons.map(|person| person_domain(&person)).collect();
            puddles.push(Puddle { domains, view: known.view, attested });
        }
        let mut strays = Vec::new();
        for file in names.stray_feeds()? {
            strays.extend(fold_attestations(None, file.batches.iter().flat_map(Said::all)));
        }
        Ok(Self { puddles, strays })
    }

    /// Returns all that feeds say, puddle by puddle, in the order of feeds and positions.
    pub fn all(&self) -> impl Iterator<Item = &Attested> {
        self.puddles.iter().flat_map(|puddle| &puddle.attested).chain(&self.strays)
    }

    /// Returns where a machine says that an envelope is its own, first what counts.
    pub fn find(&self, machine: &KeyBytes, envelope: &Vcid) -> Option<&Attested> {
        let is_meant =
            |one: &&Attested| one.feed.machine == *machine && one.entry.envelope() == *envelope;
        self.all().filter(is_meant).min_by_key(|one| (one.standing, one.feed, one.position))
    }

    /// Judges an attestation whose signatures hold by what the feeds of its Person's puddle say, and returns
    /// where they have it. Without such a puddle here, and for machines that it does not know, nothing is
    /// held against it; nor where an active machine's feed has not come so far.
    ///
    /// # Errors
    /// Refuses what a machine that was revoked or is frozen did not say while its word counted.
    pub fn judge(&self, checked: &Checked) -> Result<Option<&Attested>, Refusal> {
        let domain = checked.principal.rsplit_once('@').map_or("", |(_, domain)| domain);
        let found = self.find(&checked.machine, &checked.hash);
        let Some(puddle) = self.puddles.iter().find(|puddle| puddle.domains.contains(domain))
        else {
            return Ok(found);
        };
        let is_meant = |one: &&Attested| {
            one.feed.machine == checked.machine && one.entry.envelope() == checked.hash
        };
        let mut said = puddle.attested.iter().filter(is_meant);
        if let Some(counts) = said.find(|one| one.standing == Standing::Counts) {
            return Ok(Some(counts));
        }
        match puddle.view.machines.get(&checked.machine).map(|machine| &machine.state) {
            Some(MachineState::Revoked { .. }) => Err(Refusal::Revoked),
            Some(MachineState::Frozen { .. }) => Err(Refusal::Frozen),
            Some(MachineState::Active) | None => Ok(None),
        }
    }
}
