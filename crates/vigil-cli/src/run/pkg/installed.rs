//! Changing what is installed: `install`, `uninstall` and `rollback`.

use std::collections::BTreeSet;

use serde_json::json;
use vigil_base::Vcid;
use vigil_pkg::{FolderPlace, Generation, InstalledPackage, Profile, ProfileError, unpack};
use vigil_trust::gate::{PlanError, plan};
use vigil_trust::package::{Claim, Dossier, Manifest, PackageName};

use super::gate::{Judging, refusal};
use super::{because, failed, read};
use crate::args::{PkgInstallArgs, PkgPlaceArgs};
use crate::failure::CommandError;
use crate::human;
use crate::run::Session;

/// The folder of a store that packages are installed in.
const FOLDER: &str = "packages";

/// Why nothing was changed.
enum Trouble {
    Profile(ProfileError),
    Command(Box<CommandError>),
}

impl From<ProfileError> for Trouble {
    fn from(error: ProfileError) -> Self {
        Self::Profile(error)
    }
}

impl From<CommandError> for Trouble {
    fn from(error: CommandError) -> Self {
        Self::Command(Box::new(error))
    }
}

impl Trouble {
    fn told(self, action: &str) -> CommandError {
        match self {
            Self::Profile(error) => failed(action)(error),
            Self::Command(error) => *error,
        }
    }
}

pub(super) fn place(args: &PkgPlaceArgs, session: &Session<'_>) -> FolderPlace {
    let own = || session.store_folder.join(FOLDER);
    FolderPlace::new(args.into.clone().unwrap_or_else(own))
}

fn programs(place: &FolderPlace, session: &Session<'_>) -> String {
    session.shown(&place.root().join("current/bin"))
}

pub(super) fn install(
    args: &PkgInstallArgs,
    session: &mut Session<'_>,
) -> Result<(), CommandError> {
    let mut dossiers = Vec::new();
    for path in &args.files {
        dossiers.push(read(path, session)?.0);
    }
    let place = place(&args.place, session);
    let profile = Profile::new(&place);
    let judging = Judging::new(&args.trust, &dossiers.iter().collect::<Vec<_>>(), session)?;
    let choose = |current: Option<&Generation>| choose(&dossiers, &judging, args, current);
    // Refused before a byte of a payload is looked at; judged again once nobody else can change anything.
    choose(profile.current().map_err(failed("read what is installed"))?.as_ref())?;
    let store = session.store()?;
    let writer = store.writer()?;
    for (path, dossier) in args.files.iter().zip(&dossiers) {
        let (again, mut payload) = read(path, session)?;
        let action = format!("believe {}", session.shown(path));
        if again != *dossier {
            return Err(because(action, "the file was changed meanwhile"));
        }
        let survey = unpack(&mut payload, dossier.manifest.payload(), Some(&writer));
        let survey = survey.map_err(failed(action.clone()))?;
        survey.check(&dossier.manifest).map_err(failed(action))?;
    }
    writer.finish()?;
    let now = session.environment.clock.now();
    let made = profile.change(&store, now, |current| choose(current).map_err(Trouble::from));
    let made = made.map_err(|trouble| trouble.told("install"))?;
    report(made.as_ref(), args.format.json, &programs(&place, session), session)
}

/// Decides what is installed from now on; nothing new if that is what is installed.
fn choose(
    dossiers: &[Dossier],
    judging: &Judging,
    args: &PkgInstallArgs,
    current: Option<&Generation>,
) -> Result<Option<Vec<InstalledPackage>>, CommandError> {
    let offered: Vec<&Manifest> = dossiers.iter().map(|dossier| &dossier.manifest).collect();
    let there = current.map(Generation::manifests).unwrap_or_default();
    let before = current.map(|current| current.packages.as_slice()).unwrap_or_default();
    let mut wanted: BTreeSet<PackageName> =
        before.iter().filter(|it| it.is_wanted).map(|it| it.manifest.package()).collect();
    wanted.extend(offered.iter().map(|manifest| manifest.package()));
    let names: Vec<PackageName> = wanted.iter().cloned().collect();
    let planned = plan(&names, &offered, &there).map_err(failed("find all that is needed"))?;
    let mut gate = judging.gate()?;
    let mut packages = Vec::new();
    for manifest in planned {
        let id = manifest.id();
        if let Some(kept) = before.iter().find(|it| it.manifest.id() == id) {
            packages.push(InstalledPackage {
                is_wanted: wanted.contains(&manifest.package()),
                ..kept.clone()
            });
            continue;
        }
        let dossier = dossiers.iter().find(|dossier| dossier.manifest.id() == id);
        let dossier = dossier
            .ok_or_else(|| because("install", format!("{} is not there", manifest.name())))?;
        let decision = judging.judge(&mut gate, dossier, current, args.allow_downgrade);
        if !decision.is_allowed() {
            return Err(refusal(manifest, &decision));
        }
        packages.push(InstalledPackage {
            manifest: manifest.clone(),
            claim: claim(dossier),
            is_wanted: wanted.contains(&manifest.package()),
        });
    }
    packages.sort_by_key(|package| package.manifest.package());
    Ok((packages != before).then_some(packages))
}

fn claim(dossier: &Dossier) -> Option<Vcid> {
    let claim = Claim::decode(dossier.claim.as_ref()?).ok()?;
    Some(claim.statement().id())
}

fn report(
    made: Option<&Generation>,
    is_json: bool,
    programs: &str,
    session: &mut Session<'_>,
) -> Result<(), CommandError> {
    if is_json {
        let packages = made.map(|made| made.packages.as_slice()).unwrap_or_default();
        let package = |it: &InstalledPackage| {
            let name = it.manifest.name();
            json!({ "package": it.manifest.package().to_string(), "version": name.version() })
        };
        return session.out.json(&json!({
            "generation": made.map(|made| made.number),
            "packages": packages.iter().map(package).collect::<Vec<_>>(),
            "programs": programs,
        }));
    }
    let Some(made) = made else { return session.say("nothing is new") };
    session.out.line(format_args!("generation {}", made.number))?;
    let count = human::count(made.packages.len() as u64, "package", "packages");
    session.say(format_args!("{count} installed, programs in {programs}"))
}

pub(super) fn uninstall(
    packages: &[PackageName],
    args: &PkgPlaceArgs,
    session: &mut Session<'_>,
) -> Result<(), CommandError> {
    let place = place(args, session);
    let store = session.store()?;
    let now = session.environment.clock.now();
    let made = Profile::new(&place)
        .change(&store, now, |current| without(packages, current).map(Some).map_err(Trouble::from));
    let made = made.map_err(|trouble| trouble.told("uninstall"))?;
    report(made.as_ref(), false, &programs(&place, session), session)
}

fn without(
    packages: &[PackageName],
    current: Option<&Generation>,
) -> Result<Vec<InstalledPackage>, CommandError> {
    let before = current.map(|current| current.packages.as_slice()).unwrap_or_default();
    for package in packages {
        if !before.iter().any(|it| it.manifest.package() == *package) {
            return Err(because(format!("uninstall {package}"), "it is not installed"));
        }
    }
    let goes = |it: &InstalledPackage| packages.contains(&it.manifest.package());
    let left: Vec<&InstalledPackage> = before.iter().filter(|it| !goes(it)).collect();
    let wanted: Vec<PackageName> =
        left.iter().filter(|it| it.is_wanted).map(|it| it.manifest.package()).collect();
    let there: Vec<&Manifest> = left.iter().map(|it| &it.manifest).collect();
    let planned = match plan(&wanted, &[], &there) {
        Err(PlanError::Missing(unmet)) => {
            let why = format!("{} needs it", unmet.by);
            return Err(because(format!("uninstall {}", unmet.package), why));
        }
        planned => planned.map_err(failed("find all that is needed"))?,
    };
    let stays = |it: &&InstalledPackage| planned.iter().any(|manifest| **manifest == it.manifest);
    Ok(left.into_iter().filter(stays).cloned().collect())
}

pub(super) fn roll_back(
    to: Option<u64>,
    args: &PkgPlaceArgs,
    session: &mut Session<'_>,
) -> Result<(), CommandError> {
    let place = place(args, session);
    let generation = Profile::new(&place).roll_back(to).map_err(failed("roll back"))?;
    report(Some(&generation), false, &programs(&place, session), session)
}
