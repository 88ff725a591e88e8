//! Judging packages, and telling how they fare.

use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;

use serde_json::json;
use vigil_base::Blame;
use vigil_base::world::Moment;
use vigil_pkg::{Generation, Profile, unpack};
use vigil_trust::gate::{Decision, Evidence, Gate, GatePolicy, Installed, Reason, plan};
use vigil_trust::home::{Bundle, Home};
use vigil_trust::log::FraudProof;
use vigil_trust::package::{Dossier, Manifest};
use vigil_trust::puddle::{PuddleEvent, View};
use vigil_trust::{KeyBytes, Statement};

use super::{failed, installed, read, refused};
use crate::args::{PkgTrustArgs, PkgVerifyArgs};
use crate::failure::CommandError;
use crate::human;
use crate::run::{Session, log, trust};
use crate::trust_failure::TrustError;

/// The file of a store that holds its policy.
const POLICY: &str = "pkg.policy";

/// By what packages are judged here and now.
pub(super) struct Judging {
    policy: GatePolicy,
    frauds: Vec<FraudProof>,
    views: Vec<View>,
    now: Moment,
}

/// The rules by which a package is refused, one after another.
#[derive(Debug)]
struct Refusal {
    text: String,
    next: Option<Box<Refusal>>,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Refusal {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.next.as_deref().map(|next| next as _)
    }
}

impl Judging {
    /// Reads the policy, and what is known here of people and puddles.
    pub fn new(
        args: &PkgTrustArgs,
        dossiers: &[&Dossier],
        session: &Session<'_>,
    ) -> Result<Self, CommandError> {
        let home = trust::home(session)?;
        let policy = policy(args.policy.as_deref(), &home, session)?;
        let mut frauds = Vec::new();
        for path in &args.frauds {
            let action = format!("believe {}", session.shown(path));
            frauds.push(FraudProof::decode(&log::read(path)?).map_err(refused(action))?);
        }
        let mut views = Vec::new();
        for path in &args.bundles {
            let action = format!("read the bundle {}", session.shown(path));
            let bundle = Bundle::decode(&log::read(path)?).map_err(failed(action.clone()))?;
            views.push(bundle.view().map_err(failed(action))?);
        }
        let clocks = trust::clocks(session);
        let here = home.puddle().map_err(TrustError::from)?;
        let now = here.map_or(clocks.wall, |here| here.time.now(&clocks));
        let mut puddles: BTreeSet<_> = dossiers.iter().flat_map(|it| puddles(it)).collect();
        puddles.extend(here.map(|here| here.id));
        for id in puddles {
            match home.open_puddle(id) {
                Ok(known) => views.push(known.view),
                // Nothing has been heard of it here, so there is nothing against it.
                Err(vigil_trust::home::HomeError::Fold(_)) => {}
                Err(error) => return Err(TrustError::from(error).into()),
            }
        }
        Ok(Self { policy, frauds, views, now })
    }

    pub fn gate(&self) -> Result<Gate<'_>, CommandError> {
        let mut gate = Gate::new(&self.policy, self.now);
        for fraud in &self.frauds {
            gate.freeze(fraud).map_err(refused("believe a fraud proof"))?;
        }
        Ok(gate)
    }

    /// Judges a package against what is installed.
    pub fn judge(
        &self,
        gate: &mut Gate<'_>,
        dossier: &Dossier,
        current: Option<&Generation>,
        may_go_back: bool,
    ) -> Decision {
        let installed = current.and_then(|current| {
            let package = dossier.manifest.package();
            let found = current.packages.iter().find(|it| it.manifest.package() == package)?;
            let version = found.manifest.name().version().to_owned();
            Some(Installed { version, manifest: found.manifest.id() })
        });
        let installed = installed.as_ref().filter(|_| !may_go_back);
        gate.judge(&Evidence { dossier, views: &self.views, installed })
    }
}

/// Returns the puddles that chains of a package are about.
fn puddles(dossier: &Dossier) -> impl Iterator<Item = vigil_base::Vcid> + '_ {
    let chains = dossier.attestations.iter().map(|it| &it.chain);
    let firsts = chains.chain([&dossier.chain]).filter_map(|chain| chain.first());
    firsts.filter_map(|first| {
        let statement = Statement::decode(first).ok()?;
        PuddleEvent::decode(&statement).ok()?.puddle
    })
}

fn policy(
    given: Option<&Path>,
    home: &Home,
    session: &Session<'_>,
) -> Result<GatePolicy, CommandError> {
    let own = session.store_folder.join(POLICY);
    let path = given.or_else(|| own.exists().then_some(own.as_path()));
    let bytes = match path {
        Some(path) => log::read(path)?,
        None => Vec::new(),
    };
    let people = home.known().map_err(TrustError::from)?;
    let own = home.person().map_err(TrustError::from)?;
    let known: Vec<(&str, KeyBytes)> =
        people.iter().chain(&own).map(|person| (person.name.as_str(), person.key)).collect();
    let shown = path.map_or_else(|| "the default policy".into(), |path| session.shown(path));
    GatePolicy::parse(&bytes, &known).map_err(refused(format!("read {shown}")))
}

/// Returns the error that tells by which rules a package is refused.
pub(super) fn refusal(manifest: &Manifest, decision: &Decision) -> CommandError {
    let tell = |reason: &Reason| {
        let wanted = reason.wanted.as_deref().unwrap_or("nothing");
        format!("{}: {}; it takes {wanted}", reason.rule, reason.found)
    };
    let mut reasons: Vec<String> = decision.refusals().map(tell).collect();
    let mut chained: Option<Box<Refusal>> = None;
    while let Some(text) = reasons.pop() {
        chained = Some(Box::new(Refusal { text, next: chained }));
    }
    let action = format!("let {} in", manifest.name());
    match chained {
        Some(source) => CommandError::Pkg { action, blame: Blame::Caller, source },
        None => super::because(action, "the gate gave no reason"),
    }
}

pub(super) fn verify(args: &PkgVerifyArgs, session: &mut Session<'_>) -> Result<(), CommandError> {
    let mut dossiers = Vec::new();
    for path in &args.files {
        let (dossier, mut payload) = read(path, session)?;
        let action = format!("believe {}", session.shown(path));
        let survey = unpack(&mut payload, dossier.manifest.payload(), None);
        let survey = survey.map_err(failed(action.clone()))?;
        survey.check(&dossier.manifest).map_err(failed(action))?;
        dossiers.push(dossier);
    }
    let place = installed::place(&args.place, session);
    let current = Profile::new(&place).current().map_err(failed("read what is installed"))?;
    let judging = Judging::new(&args.trust, &dossiers.iter().collect::<Vec<_>>(), session)?;
    let mut gate = judging.gate()?;
    let mut trouble = None;
    for dossier in &dossiers {
        let decision = judging.judge(&mut gate, dossier, current.as_ref(), false);
        tell(dossier, &decision, args, session)?;
        if !decision.is_allowed() {
            trouble.get_or_insert_with(|| refusal(&dossier.manifest, &decision));
        }
    }
    if let Some(trouble) = trouble {
        return Err(trouble);
    }
    let offered: Vec<&Manifest> = dossiers.iter().map(|dossier| &dossier.manifest).collect();
    let wanted: Vec<_> = offered.iter().map(|manifest| manifest.package()).collect();
    let there = current.as_ref().map(Generation::manifests).unwrap_or_default();
    plan(&wanted, &offered, &there).map_err(failed("find all that is needed"))?;
    Ok(())
}

fn tell(
    dossier: &Dossier,
    decision: &Decision,
    args: &PkgVerifyArgs,
    session: &mut Session<'_>,
) -> Result<(), CommandError> {
    let manifest = &dossier.manifest;
    if args.format.json {
        let rule = |reason: &Reason| {
            json!({
                "rule": reason.rule.as_str(),
                "verdict": reason.verdict.as_str(),
                "found": reason.found,
                "wanted": reason.wanted,
            })
        };
        return session.out.json(&json!({
            "package": manifest.package().to_string(),
            "version": manifest.name().version(),
            "manifest": manifest.id().to_string(),
            "is_allowed": decision.is_allowed(),
            "rules": decision.reasons.iter().map(rule).collect::<Vec<_>>(),
            "notes": decision.notes,
        }));
    }
    let verdict = if decision.is_allowed() { "may be installed" } else { "is refused" };
    session.out.line(format_args!("{} {verdict}", manifest.name()))?;
    if !args.explain {
        return Ok(());
    }
    for reason in &decision.reasons {
        let (rule, verdict) = (reason.rule.as_str(), reason.verdict.as_str());
        session.out.line(format_args!(
            "  {rule:<11} {verdict:<7} {}",
            human::path(Path::new(&reason.found))
        ))?;
        if let Some(wanted) = &reason.wanted {
            session.out.line(format_args!("  {:<11} {:<7} it takes {wanted}", "", ""))?;
        }
    }
    decision.notes.iter().try_for_each(|note| {
        session.out.line(format_args!("  note: {}", human::path(Path::new(note))))
    })
}
