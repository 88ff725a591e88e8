//! Judging one package by every rule.

use alloc::borrow::ToOwned as _;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::rc::Rc;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;
use core::cmp::Ordering;

use vigil_base::Vcid;
use vigil_base::world::Moment;

use super::decision::{Decision, Reason, Rule};
use super::policy::GatePolicy;
use super::rebuilders::Rebuilt;
use super::speaker::{Deed, PUBLISH, Speaker, told};
use crate::log::{
    CosignedAt, FraudError, FraudProof, Origin, Sight, TlogProof, TreeHash, check_inclusion,
};
use crate::package::{Claim, Dossier, ForeignKind, Manifest, Rebuild, log_entry, version_order};
use crate::puddle::View;
use crate::statement::{Statement, StatementError};
use crate::subkey::{SubkeyCertificate, SubkeyError};

/// How far the clocks of others may be ahead of ours, in seconds.
const SKEW_SECONDS: u64 = 300;
const SECOND: i64 = 1_000_000_000;
/// Most things that are remembered of each kind; then all are forgotten.
const MEMO_MAX: usize = 4096;

/// What is installed already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Installed {
    /// In which version.
    pub version: String,
    /// The manifest.
    pub manifest: Vcid,
}

/// Everything that a decision about one package rests on, but the policy and the time.
#[derive(Clone, Copy, Debug)]
pub struct Evidence<'a> {
    /// What the package brings along.
    pub dossier: &'a Dossier,
    /// What is known here of puddles: what was revoked, and by whom.
    pub views: &'a [View],
    /// What is installed under that name; none also if going back was asked for.
    pub installed: Option<&'a Installed>,
}

/// What a log proof shows.
#[derive(Clone)]
struct Seen {
    origin: Origin,
    root: TreeHash,
    sights: Vec<(String, Sight)>,
}

/// What was verified before. Only hashes lead here, so it cannot change a decision.
#[derive(Default)]
pub(super) struct Memo {
    statements: BTreeMap<Vcid, Result<Rc<Statement>, StatementError>>,
    certificates: BTreeMap<Vcid, Result<Rc<SubkeyCertificate>, SubkeyError>>,
    checkpoints: BTreeMap<Vcid, Result<Seen, String>>,
}

fn remember<V: Clone>(memo: &mut BTreeMap<Vcid, V>, id: Vcid, make: impl FnOnce() -> V) -> V {
    if memo.len() >= MEMO_MAX {
        memo.clear();
    }
    memo.entry(id).or_insert_with(make).clone()
}

impl Memo {
    pub fn statement(&mut self, bytes: &[u8]) -> Result<Rc<Statement>, StatementError> {
        let decode = || Statement::decode(bytes).map(Rc::new);
        remember(&mut self.statements, Vcid::of(bytes), decode)
    }

    pub fn certificate(&mut self, bytes: &[u8]) -> Result<Rc<SubkeyCertificate>, SubkeyError> {
        let decode = || SubkeyCertificate::decode(bytes).map(Rc::new);
        remember(&mut self.certificates, Vcid::of(bytes), decode)
    }
}

/// A policy at a moment, which remembers the signatures that it has verified.
pub struct Gate<'p> {
    pub(super) policy: &'p GatePolicy,
    pub(super) now: Moment,
    pub(super) memo: Memo,
    frozen: BTreeSet<Origin>,
}

/// What came of the log.
struct Logged {
    reason: Reason,
    /// When the claim existed for certain: what the witnesses say who saw it last.
    at: Option<Moment>,
    sights: Vec<(String, Sight)>,
}

impl<'p> Gate<'p> {
    /// Judges by this policy, as of this moment. A clock that may be behind is given a floor by the caller.
    pub fn new(policy: &'p GatePolicy, now: Moment) -> Self {
        Self { policy, now, memo: Memo::default(), frozen: BTreeSet::new() }
    }

    /// Takes note that a log was caught: nothing in it counts any more.
    ///
    /// # Errors
    /// Fails for a proof that does not hold against a log of the policy.
    pub fn freeze(&mut self, fraud: &FraudProof) -> Result<(), FraudError> {
        let keys = self.policy.logs.as_ref().and_then(|logs| logs.log_keys(fraud.origin()));
        fraud.check_log(&keys.ok_or(FraudError::Unsigned)?)?;
        self.frozen.insert(fraud.origin().clone());
        Ok(())
    }

    /// Judges a package.
    pub fn judge(&mut self, evidence: &Evidence<'_>) -> Decision {
        let dossier = evidence.dossier;
        let manifest = &dossier.manifest;
        let package = manifest.package().to_string();
        let mut notes = Vec::new();
        let (signature, signed) = self.signature(dossier, &mut notes);
        let claim = signed.as_ref().and_then(|signed| signed.as_ref().ok());
        let logged = self.logged(dossier, claim);
        let spoken = signed.as_ref().map(|signed| match signed {
            Ok(claim) => {
                let (author, at) = (claim.statement().author(), logged.at.unwrap_or(self.now));
                let chain = &dossier.chain;
                let deed = Deed { author, chain, verb: PUBLISH, package: &package, at };
                self.speaker(&deed).map(|speaker| (speaker.person, Some(speaker)))
            }
            Err(person) => Ok((*person, None)),
        });
        let person = self.person(&package, spoken.as_ref());
        let (maintainer, speaker) = match &spoken {
            Some(Ok((person, speaker))) => (Some(*person), speaker.as_ref()),
            _ => (None, None),
        };
        let Rebuilt { reason: rebuilders, used } =
            self.rebuilders(evidence, maintainer, &mut notes);
        let reasons = Vec::from([
            signature,
            person,
            rebuilders,
            logged.reason,
            self.footprint(manifest, &package, &used),
            self.revocation(manifest, claim, speaker, evidence.views),
            self.freshness(claim, speaker, evidence.views, &logged.sights),
            version(manifest, evidence.installed),
        ]);
        Decision { reasons, notes }
    }

    /// Returns the claim, or whose key of minisign signed.
    fn signature(
        &mut self,
        dossier: &Dossier,
        notes: &mut Vec<String>,
    ) -> (Reason, Option<Result<Claim, usize>>) {
        const RULE: Rule = Rule::Signature;
        let (id, wanted) = (dossier.manifest.id(), "the maintainer's claim over this manifest");
        let mut why = "nobody has signed it".to_string();
        if let Some(bytes) = &dossier.claim {
            let decoded = self.memo.statement(bytes).map_err(|error| told(&error));
            let claim = decoded.and_then(|statement| {
                Claim::of((*statement).clone()).map_err(|error| told(&error))
            });
            match claim {
                Ok(claim) if claim.manifest() == id => {
                    let by = alloc::format!("signed by {}", claim.statement().author());
                    return (Reason::holds(RULE, by), Some(Ok(claim)));
                }
                Ok(claim) => {
                    why = alloc::format!("the claim is over {}, not {id}", claim.manifest());
                }
                Err(error) => why = error,
            }
        }
        let files = dossier.foreign.iter().filter(|it| it.kind == ForeignKind::Minisign);
        for file in files {
            match self.minisign(&file.bytes, &dossier.manifest.encode()) {
                Ok(person) => {
                    let by = alloc::format!("minisign, {}", self.policy.people[person].name);
                    return (Reason::holds(RULE, by), Some(Err(person)));
                }
                Err(error) => {
                    notes.push(alloc::format!("a minisign file counts for nothing: {error}"));
                }
            }
        }
        (Reason::fails(RULE, why, wanted), None)
    }

    fn person(
        &self,
        package: &str,
        spoken: Option<&Result<(usize, Option<Speaker>), String>>,
    ) -> Reason {
        const RULE: Rule = Rule::Person;
        let publishers = self.policy.publishers(package);
        let who = publishers.as_ref().map_or_else(
            || "a person who is known here".to_string(),
            |names| names.iter().copied().collect::<Vec<_>>().join(" or "),
        );
        let wanted = alloc::format!(
            "a chain of grants from {who} to whoever signed, for pkg publish {package}"
        );
        match spoken {
            None => Reason::fails(RULE, "there is no signature that leads to anybody", wanted),
            Some(Err(why)) => Reason::fails(RULE, why.as_str(), wanted),
            Some(Ok((person, speaker))) => {
                let name = &self.policy.people[*person].name;
                if publishers.is_some_and(|names| !names.contains(name.as_str())) {
                    let found = alloc::format!("{name}, who may not publish {package}");
                    return Reason::fails(RULE, found, wanted);
                }
                let by = if speaker.is_some() { "" } else { ", by a key that the policy names" };
                Reason::holds(RULE, alloc::format!("{name}{by}"))
            }
        }
    }

    fn logged(&mut self, dossier: &Dossier, claim: Option<&Claim>) -> Logged {
        const RULE: Rule = Rule::Log;
        let wanted = "a .tlog-proof of the claim, cosigned by a quorum of the policy";
        match self.check_log(dossier, claim) {
            Ok((found, sights)) => {
                let counted = sights.iter().filter_map(|(_, sight)| match sight {
                    Sight::Counts(at) => i64::try_from(at.seconds()).ok(),
                    _ => None,
                });
                let at = counted.max().map(|seconds| Moment(seconds.saturating_mul(SECOND)));
                Logged { reason: Reason::holds(RULE, found), at, sights }
            }
            Err(why) => {
                let reason = match self.policy.needs_log {
                    true => Reason::fails(RULE, why, wanted),
                    false => Reason::waived(RULE, why),
                };
                Logged { reason, at: None, sights: Vec::new() }
            }
        }
    }

    fn check_log(
        &mut self,
        dossier: &Dossier,
        claim: Option<&Claim>,
    ) -> Result<(String, Vec<(String, Sight)>), String> {
        let logs = self.policy.logs.as_ref().ok_or("the policy names no log")?;
        let claim = claim.ok_or("there is no claim that could be in a log")?;
        let bytes = dossier.proof.as_ref().ok_or("no proof came along")?;
        let proof = TlogProof::parse(bytes).map_err(|error| told(&error))?;
        let id = Vcid::of(proof.checkpoint.to_string().as_bytes());
        let seen = remember(&mut self.memo.checkpoints, id, || {
            let witnessed = logs.verify(&proof.checkpoint, |_| true);
            let witnessed = witnessed.map_err(|error| told(&error))?;
            let checkpoint = witnessed.checkpoint;
            let (origin, root) = (checkpoint.origin.clone(), checkpoint.root);
            Ok(Seen { origin, root, sights: witnessed.sights })
        })?;
        if self.frozen.contains(&seen.origin) {
            return Err(alloc::format!("{} was caught: it signed two views", seen.origin));
        }
        let entry = log_entry(dossier.manifest.name(), claim.manifest(), claim.statement().id());
        let leaf = TreeHash::of_leaf(&entry);
        check_inclusion(proof.inclusion(), leaf, &proof.path, seen.root)
            .map_err(|error| alloc::format!("the proof is of something else: {}", told(&error)))?;
        let counted = seen.sights.iter().filter(|(_, sight)| matches!(sight, Sight::Counts(_)));
        let witnesses = match counted.count() {
            1 => "1 witness".to_owned(),
            count => alloc::format!("{count} witnesses"),
        };
        let found = alloc::format!("entry {} of {}, {witnesses}", proof.index, seen.origin);
        Ok((found, seen.sights))
    }

    fn footprint(&self, manifest: &Manifest, package: &str, used: &[(usize, Rebuild)]) -> Reason {
        const RULE: Rule = Rule::Footprint;
        let allowed = self.policy.allowed(package);
        let over: Vec<_> = crate::package::excess(manifest.needs(), &allowed).collect();
        if !over.is_empty() {
            let over = crate::package::tell(over);
            let found = alloc::format!("it needs {over}, which the policy does not allow");
            return Reason::fails(
                RULE,
                found,
                alloc::format!("the line `allow {package} {}`", over.replace(',', "")),
            );
        }
        for (person, rebuild) in used {
            let more: Vec<_> = crate::package::excess(&rebuild.used, manifest.needs()).collect();
            if !more.is_empty() {
                let who = &self.policy.people[*person].name;
                let more = crate::package::tell(more);
                let found = alloc::format!("{who} saw it need {more}, which it does not declare");
                return Reason::fails(RULE, found, "a manifest that declares all that it needs");
            }
        }
        Reason::holds(RULE, alloc::format!("needs {}", crate::package::tell(manifest.needs())))
    }

    fn revocation(
        &self,
        manifest: &Manifest,
        claim: Option<&Claim>,
        speaker: Option<&Speaker>,
        views: &[View],
    ) -> Reason {
        const RULE: Rule = Rule::Revocation;
        let id = manifest.id();
        let claim = claim.map(|claim| (claim.statement().id(), claim.statement().author()));
        let found = if self.policy.is_revoked(id.as_bytes()) {
            Some(alloc::format!("the policy revokes the manifest {id}"))
        } else if let Some((claim, _)) =
            claim.filter(|(id, _)| self.policy.is_revoked(id.as_bytes()))
        {
            Some(alloc::format!("the policy revokes the claim {claim}"))
        } else {
            speaker.and_then(|speaker| self.taken_back(speaker, views))
        };
        match found {
            Some(found) => {
                Reason::fails(RULE, found, "another version, signed by what is not revoked")
            }
            None => Reason::holds(RULE, "nothing known here takes it back"),
        }
    }

    fn freshness(
        &self,
        claim: Option<&Claim>,
        speaker: Option<&Speaker>,
        views: &[View],
        sights: &[(String, Sight)],
    ) -> Reason {
        const RULE: Rule = Rule::Freshness;
        let now = u64::try_from(self.now.0 / SECOND).unwrap_or(0);
        let latest = self.now.0.saturating_add(SKEW_SECONDS as i64 * SECOND);
        if claim.is_some_and(|claim| claim.statement().at().0 > latest) {
            let found = "the claim was made in the future, or this clock is behind";
            return Reason::fails(RULE, found, "a clock that is set");
        }
        if let Some(since) = speaker.and_then(|speaker| self.stale_since(speaker, views)) {
            let days = (self.now.0.saturating_sub(since.0)) / (24 * 3600 * SECOND);
            let found = alloc::format!("the lease of the signer's puddle ended {days} days ago");
            return Reason::fails(RULE, found, "a newer bundle of that puddle");
        }
        let Some(age_max) = self.policy.age_max else {
            return Reason::waived(RULE, "the policy sets no age");
        };
        let judged = |sight: Sight| match sight {
            Sight::Counts(at) if !self.is_recent(at, now, age_max) => Sight::TooOld(at),
            other => other,
        };
        let judged: Vec<Sight> = sights.iter().map(|(_, sight)| judged(*sight)).collect();
        let newest = sights.iter().filter_map(|(_, sight)| match sight {
            Sight::Counts(at) => Some(at.seconds()),
            _ => None,
        });
        let Some(newest) = newest.max() else {
            return Reason::waived(RULE, "no witness says when it was seen");
        };
        let ago = match now.saturating_sub(newest) / 3600 {
            0 => "less than an hour ago".to_owned(),
            1 => "an hour ago".to_owned(),
            hours => alloc::format!("{hours} hours ago"),
        };
        let found = alloc::format!("seen by a witness {ago}");
        let is_enough = self.policy.logs.as_ref().is_some_and(|logs| logs.quorum_holds(&judged));
        match is_enough {
            true => Reason::holds(RULE, found),
            false => {
                let found = alloc::format!(
                    "too few witnesses have seen it within {} hours, the last {ago}",
                    age_max / 3600
                );
                Reason::fails(RULE, found, "a proof with newer cosignatures")
            }
        }
    }

    fn is_recent(&self, at: CosignedAt, now: u64, age_max: u64) -> bool {
        let seconds = at.seconds();
        seconds <= now.saturating_add(SKEW_SECONDS) && now.saturating_sub(seconds) <= age_max
    }
}

fn version(manifest: &Manifest, installed: Option<&Installed>) -> Reason {
    const RULE: Rule = Rule::Version;
    let own = manifest.name().version();
    let Some(Installed { version, manifest: before }) = installed else {
        return Reason::holds(RULE, alloc::format!("{own}; none is installed"));
    };
    let found = alloc::format!("{own}; {version} is installed");
    match version_order(own, version) {
        Ordering::Less => Reason::fails(RULE, found, alloc::format!("{version} or a later one")),
        Ordering::Equal if manifest.id() != *before => {
            let found = alloc::format!("another package than the {version} that is installed");
            Reason::fails(RULE, found, "a version of its own for what differs")
        }
        _ => Reason::holds(RULE, found),
    }
}
