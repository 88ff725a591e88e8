//! What the feeds say of attestations: whether a machine said something while its word counted.
//!
//! A signature alone cannot tell, since whoever steals a machine's key signs as it did. Feeds of this
//! machine's own puddle are asked, and of puddles that it follows.
//!
//! Invariants: a puddle has a say in what its own Person's machines attest, and in nothing else; a Person may
//! have several puddles, and each of them is asked; a feed has said something only if all of what it says of
//! an envelope is what the envelope says.

use std::collections::{BTreeMap, BTreeSet};

use vigil_base::Vcid;
use vigil_trust::KeyBytes;
use vigil_trust::attestations::{
    AttestationEntry, Attested, Standing, fold_attestations, ssh_keys,
};
use vigil_trust::formats::{RevocationList, person_domain};
use vigil_trust::home::Known;
use vigil_trust::names::Said;
use vigil_trust::puddle::{MachineState, View};

use super::{Checked, Refusal, domain_of, entry_of};
use crate::shared_names::{SharedNames, SharedNamesError};

/// What feeds attest, in the order of feeds and positions, and where of it an envelope is to be found.
struct Words {
    attested: Vec<Attested>,
    places: BTreeMap<(KeyBytes, Vcid), Vec<usize>>,
}

impl Words {
    fn new(attested: Vec<Attested>) -> Self {
        let mut places: BTreeMap<(KeyBytes, Vcid), Vec<usize>> = BTreeMap::new();
        for (at, one) in attested.iter().enumerate() {
            places.entry((one.feed.machine, one.entry.envelope())).or_default().push(at);
        }
        Self { attested, places }
    }

    /// Returns where a machine says this, first what counts.
    fn find(&self, machine: &KeyBytes, entry: &AttestationEntry) -> Option<&Attested> {
        let places = self.places.get(&(*machine, entry.envelope())).into_iter().flatten();
        let said = places.map(|at| &self.attested[*at]).filter(|one| one.entry == *entry);
        said.min_by_key(|one| (one.standing, one.feed, one.position))
    }
}

/// One puddle's word.
struct Puddle {
    /// What the principals of its machines end with, behind the `@`.
    domains: BTreeSet<String>,
    view: View,
    words: Words,
}

impl Puddle {
    /// Returns what it holds against a machine.
    fn against(&self, machine: &KeyBytes) -> Option<Refusal> {
        match self.view.machines.get(machine).map(|machine| &machine.state) {
            Some(MachineState::Revoked { .. }) => Some(Refusal::Revoked),
            Some(MachineState::Frozen { .. }) => Some(Refusal::Frozen),
            Some(MachineState::Active) | None => None,
        }
    }
}

/// What feeds say of attestations.
pub struct FeedWords {
    puddles: Vec<Puddle>,
    /// What feeds say that belong to no puddle here.
    strays: Words,
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
    let machines = known.view.machines.iter();
    let revoked = machines.filter(|(_, view)| matches!(view.state, MachineState::Revoked { .. }));
    let revoked: BTreeSet<KeyBytes> = revoked.map(|(machine, _)| *machine).collect();
    revoked.iter().for_each(|machine| list.machine(*machine));
    let keys = ssh_keys(said(known).filter(|said| revoked.contains(&said.feed.machine)));
    keys.values().flatten().for_each(|key| list.key(key));
    list
}

/// Returns what the principals of a Person's machines end with, under any of the Person's keys.
fn domains_of(persons: &[KeyBytes]) -> BTreeSet<String> {
    let persons = persons.iter().filter_map(|key| key.check().ok());
    persons.map(|person| person_domain(&person)).collect()
}

impl FeedWords {
    /// Reads the feeds of this machine's puddle and of those that it follows; of a machine that is in none,
    /// its own. A puddle whose evidence is damaged is left out if none of its Person's domains is wanted.
    ///
    /// # Errors
    /// Fails where the disk does, and for damaged files.
    pub fn read(
        names: &SharedNames,
        is_wanted: impl Fn(&str) -> bool,
    ) -> Result<Self, SharedNamesError> {
        let is_missed =
            |persons: &[KeyBytes]| domains_of(persons).iter().any(|domain| is_wanted(domain));
        let mut puddles = Vec::new();
        for known in names.puddles_or(is_missed)? {
            let attested = attested(&known);
            let domains = domains_of(&known.view.persons);
            puddles.push(Puddle { domains, view: known.view, words: Words::new(attested) });
        }
        let mut strays = Vec::new();
        for file in names.stray_feeds()? {
            strays.extend(fold_attestations(None, file.batches.iter().flat_map(Said::all)));
        }
        Ok(Self { puddles, strays: Words::new(strays) })
    }

    /// Returns the words of puddle after puddle, and then those that belong to none.
    fn words(&self) -> impl Iterator<Item = &Words> {
        self.puddles.iter().map(|puddle| &puddle.words).chain([&self.strays])
    }

    /// Returns all that feeds say, puddle by puddle, in the order of feeds and positions.
    pub fn all(&self) -> impl Iterator<Item = &Attested> {
        self.words().flat_map(|words| &words.attested)
    }

    /// Returns the puddles of the Person under whom a machine signs, by what its principal ends with.
    fn of_person(&self, principal: &str) -> impl Iterator<Item = &Puddle> {
        let domain = domain_of(principal);
        self.puddles.iter().filter(move |puddle| puddle.domains.contains(domain))
    }

    /// Returns why nobody who has heard it here believes what a machine attests from now on: its Person has
    /// revoked it, or its feed was forked, and it is active in no other puddle of the Person.
    pub fn against(&self, principal: &str, machine: &KeyBytes) -> Option<Refusal> {
        let mut refusal = None;
        for puddle in self.of_person(principal) {
            if puddle.view.machines.contains_key(machine) {
                refusal = worse(refusal, Some(puddle.against(machine)?));
            }
        }
        refusal
    }

    /// Judges an attestation whose signatures hold by what the feeds of its Person's puddles say, and returns
    /// where they have it. Without such a puddle here, and for machines that none of them knows, nothing is
    /// held against it; nor where an active machine's feed has not come so far.
    ///
    /// What counts in one of the Person's puddles holds: whoever takes a machine away that is in two takes it
    /// out of both.
    ///
    /// # Errors
    /// Refuses what a machine that was revoked or is frozen did not say while its word counted.
    pub fn judge<'a>(&'a self, checked: &Checked) -> Result<Option<&'a Attested>, Refusal> {
        // What a feed cannot say, none says.
        let entry = entry_of(checked.hash, &checked.statement).ok();
        let find = |words: &'a Words| words.find(&checked.machine, entry.as_ref()?);
        let (mut is_asked, mut refusal) = (false, None);
        for puddle in self.of_person(&checked.principal) {
            is_asked = true;
            let said = find(&puddle.words);
            if let Some(counts) = said.filter(|one| one.standing == Standing::Counts) {
                return Ok(Some(counts));
            }
            refusal = worse(refusal, puddle.against(&checked.machine));
        }
        match refusal {
            Some(refusal) => Err(refusal),
            None if is_asked => Ok(None),
            None => Ok(self.words().filter_map(find).min_by_key(|one| one.standing)),
        }
    }
}

/// Returns the heavier of two refusals: a revocation is for ever.
fn worse(one: Option<Refusal>, two: Option<Refusal>) -> Option<Refusal> {
    match (one, two) {
        (Some(Refusal::Revoked), _) | (_, Some(Refusal::Revoked)) => Some(Refusal::Revoked),
        (one, two) => one.or(two),
    }
}
