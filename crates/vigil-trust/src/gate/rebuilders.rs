//! The rule of rebuilders: independent people got the same bits.

use alloc::collections::BTreeSet;
use alloc::string::String;
use alloc::vec::Vec;

use super::decision::{Reason, Rule};
use super::judge::{Evidence, Gate};
use super::quorum::{Quorum, Tally};
use super::speaker::{Deed, REBUILD, told};
use crate::formats::{Envelope, InTotoStatement, STATEMENT_MEDIA_TYPE};
use crate::keys::KeyBytes;
use crate::package::{Attested, ForeignKind, Rebuild};
use crate::subkey::Purpose;

/// What the rebuilders say.
pub(super) struct Rebuilt {
    /// How the rule fares.
    pub reason: Reason,
    /// What their builds were seen to need, and whose it was.
    pub used: Vec<(usize, Rebuild)>,
}

impl Gate<'_> {
    /// Counts the people who rebuilt a package; `maintainer` is not one of them.
    pub(super) fn rebuilders(
        &mut self,
        evidence: &Evidence<'_>,
        maintainer: Option<usize>,
        notes: &mut Vec<String>,
    ) -> Rebuilt {
        let manifest = &evidence.dossier.manifest;
        let (id, name) = (manifest.id(), alloc::format!("{}", manifest.package()));
        let mut votes = Vec::new();
        for (number, attested) in evidence.dossier.attestations.iter().enumerate() {
            let vote = self.attested(attested, &name, evidence);
            let number = number + 1;
            match vote {
                Ok(vote) => votes.push(vote),
                Err(why) => {
                    notes.push(alloc::format!("attestation {number} counts for nothing: {why}"));
                }
            }
        }
        let foreign = evidence.dossier.foreign.iter();
        for bundle in foreign.filter(|it| it.kind == ForeignKind::Sigstore) {
            match self.sigstore(&bundle.bytes) {
                Ok(vote) => votes.push(vote),
                Err(why) => notes.push(alloc::format!("a bundle counts for nothing: {why}")),
            }
        }
        votes.retain(|(person, rebuild)| {
            let why = if Some(*person) == maintainer {
                "is the maintainer's own"
            } else if rebuild.manifest != id || rebuild.package != *manifest.name() {
                "is of another package"
            } else {
                return true;
            };
            let who = &self.policy.people[*person].name;
            notes.push(alloc::format!("a rebuild by {who} counts for nothing: it {why}"));
            false
        });
        let wanted = manifest.payload().root;
        let tally = Quorum::count(&wanted, votes.iter().map(|(who, it)| (*who, it.payload)));
        Rebuilt { reason: self.tell(&tally), used: votes }
    }

    fn tell(&self, tally: &Tally<usize>) -> Reason {
        let Quorum { agreeing, disagreeing } = self.policy.quorum;
        let names = |people: &[usize]| {
            let names: Vec<&str> =
                people.iter().map(|at| self.policy.people[*at].name.as_str()).collect();
            if names.is_empty() { "nobody".into() } else { names.join(", ") }
        };
        let mut found = alloc::format!("the same bits: {}", names(&tally.agreeing));
        if !tally.disagreeing.is_empty() {
            found += &alloc::format!("; other bits: {}", names(&tally.disagreeing));
        }
        if self.policy.quorum.holds(tally) {
            return match agreeing {
                0 => Reason::waived(Rule::Rebuilders, found),
                _ => Reason::holds(Rule::Rebuilders, found),
            };
        }
        let missing = agreeing.saturating_sub(tally.agreeing.len());
        let wanted = if tally.disagreeing.len() > disagreeing {
            alloc::format!(
                "at most {disagreeing} with other bits: find out why the builds differ, and install neither"
            )
        } else {
            alloc::format!("attestations of {missing} more, not the maintainer, known here")
        };
        Reason::fails(Rule::Rebuilders, found, wanted)
    }

    /// Returns whose word an attestation is, and what it says.
    fn attested(
        &mut self,
        attested: &Attested,
        package: &str,
        evidence: &Evidence<'_>,
    ) -> Result<(usize, Rebuild), String> {
        let envelope = Envelope::parse(&attested.envelope).map_err(|error| told(&error))?;
        let machine = self.envelope_machine(&envelope)?;
        let statement = InTotoStatement::parse(&envelope.payload).map_err(|error| told(&error))?;
        let rebuild = Rebuild::read(&statement).map_err(|error| told(&error))?;
        let chain = &attested.chain;
        let deed = Deed { author: machine, chain, verb: REBUILD, package, at: self.now };
        let speaker = self.speaker(&deed)?;
        match self.taken_back(&speaker, evidence.views) {
            Some(why) => Err(why),
            None => Ok((speaker.person, rebuild)),
        }
    }

    /// Returns which machine signed an envelope, by the certificate that the envelope carries.
    fn envelope_machine(&mut self, envelope: &Envelope) -> Result<KeyBytes, String> {
        let certificates: BTreeSet<&Vec<u8>> =
            envelope.signatures.iter().filter_map(|it| it.certificate.as_ref()).collect();
        let mut why = String::from("the envelope's key comes without a certificate");
        for bytes in certificates {
            let certificate = match self.memo.certificate(bytes) {
                Ok(certificate) => certificate,
                Err(error) => {
                    why = told(&error);
                    continue;
                }
            };
            let verified = certificate.key_for(Purpose::Dsse).map_err(|error| told(&error));
            let verified = verified.and_then(|key| {
                envelope.verify(STATEMENT_MEDIA_TYPE, key).map_err(|error| told(&error))
            });
            match verified {
                Ok(_) => return Ok(certificate.owner().bytes()),
                Err(error) => why = error,
            }
        }
        Err(why)
    }
}
