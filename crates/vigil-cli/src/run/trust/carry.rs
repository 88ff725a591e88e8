//! `vigil puddle join`, `export` and `import`: what is carried from one machine to another.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::json;
use vigil_base::Vcid;
use vigil_base::cbor::DecodeError;
use vigil_base::world::{Moment, replace_file};
use vigil_store::FolderDisk;
use vigil_trust::KeyBytes;
use vigil_trust::home::{Bundle, Home, HomeError, PuddleHere, Taken};
use vigil_trust::puddle::{Authority, Freshness, Idle, TimeHere};

use super::puddle::{Opened, clocks};
use super::{Session, compare, follow, home};
use crate::failure::CommandError;
use crate::human;
use crate::trust_failure::TrustError;

pub(super) fn join(
    path: &Path,
    fingerprint: Option<&str>,
    session: &mut Session<'_>,
) -> Result<(), CommandError> {
    let home = home(session)?;
    let file = home.machine_sealed().map_err(TrustError::from)?.ok_or(TrustError::NoMachine)?;
    let own = vigil_trust::seal::read_header(&file).map_err(TrustError::from)?.public;
    let bundle = read_bundle(path)?;
    if home.puddle().map_err(TrustError::from)?.is_some_and(|here| here.id != bundle.puddle) {
        return Err(TrustError::PuddleExists.into());
    }
    // Looked at before anything is kept: a bundle that does not name this machine changes nothing.
    let view = bundle.view().map_err(|error| TrustError::Home(error.into()))?;
    match view.expect_active(&own) {
        Err(Idle::Unknown) => return Err(TrustError::NotAdmitted.into()),
        Err(idle) => return Err(TrustError::NotTaken { reason: idle.to_string() }.into()),
        Ok(()) => {}
    }
    // Anybody could have made a puddle and admitted this machine to it: the code is no secret.
    let Authority::Person(person) = view.authority else {
        return Err(TrustError::Broken { what: "the Person's key is contested".into() }.into());
    };
    let own_person = home.person().map_err(TrustError::from)?;
    let mut known = home.known().map_err(TrustError::from)?.into_iter().chain(own_person);
    if !known.any(|known| known.key == person) {
        compare(&person, fingerprint, session)?;
    }
    let clocks = clocks(session);
    let before = signed_before(&home, bundle.puddle)?;
    home.take_bundle(&bundle).map_err(TrustError::from)?;
    let begun = || PuddleHere { id: bundle.puddle, time: TimeHere::begin(&clocks) };
    let here = home.puddle().map_err(TrustError::from)?.unwrap_or_else(begun);
    let mut opened = Opened::with(&home, here, session)?;
    let signed = newly_signed(&opened, &before);
    opened.remember(&home, signed)?;
    follow(&home, session)?;
    warn_of_doubt(&opened, session)?;
    let view = &opened.known.view;
    let machines = human::count(view.machines.len() as u64, "machine", "machines");
    let name = view.name.as_str();
    session.say(format_args!("this machine is in {name}, with {machines}"))
}

pub(super) fn export(output: &Path, session: &mut Session<'_>) -> Result<(), CommandError> {
    let home = home(session)?;
    let opened = Opened::of(&home, session)?;
    let packed = home.bundle(&opened.known).map_err(TrustError::from)?;
    let bytes = packed.bundle.encode();
    write_file(output, &bytes)?;
    warn_of_much(&packed.over, "did not fit", session)?;
    let size = human::size(bytes.len() as u64);
    session.say(format_args!("{size} of signed events, and no secret"))
}

/// Writes a file that holds no secret, whole or not at all.
pub(super) fn write_file(output: &Path, bytes: &[u8]) -> Result<(), CommandError> {
    let folder = output.parent().filter(|folder| !folder.as_os_str().is_empty());
    let disk = FolderDisk::new(folder.unwrap_or(Path::new(".")));
    let Some(name) = output.file_name().and_then(|name| name.to_str()) else {
        let source =
            std::io::Error::new(std::io::ErrorKind::InvalidInput, "it has no name that is text");
        return Err(CommandError::File { action: "write", path: output.into(), source });
    };
    Ok(replace_file(&disk, name, bytes)?)
}

pub(in crate::run) fn read_bundle(path: &Path) -> Result<Bundle, CommandError> {
    let failed = |source| CommandError::File { action: "read", path: path.into(), source };
    let len = fs::metadata(path).map_err(failed)?.len();
    if len > vigil_base::limits::RECORD_BYTES_MAX as u64 {
        let fault = vigil_base::cbor::Fault::Oversized;
        let source = DecodeError { offset: vigil_base::limits::RECORD_BYTES_MAX, fault };
        return Err(TrustError::Bundle(source.into()).into());
    }
    let bytes = fs::read(path).map_err(failed)?;
    Ok(Bundle::decode(&bytes).map_err(TrustError::from)?)
}

pub(super) fn import(
    path: &Path,
    is_json: bool,
    session: &mut Session<'_>,
) -> Result<(), CommandError> {
    let home = home(session)?;
    let here = home.puddle().map_err(TrustError::from)?.ok_or(TrustError::NoPuddle)?;
    let bundle = read_bundle(path)?;
    if bundle.puddle != here.id {
        return Err(TrustError::AnotherPuddle.into());
    }
    let before = signed_before(&home, here.id)?;
    let taken = home.take_bundle(&bundle).map_err(TrustError::from)?;
    let mut opened = Opened::with(&home, here, session)?;
    let signed = newly_signed(&opened, &before);
    opened.remember(&home, signed)?;
    follow(&home, session)?;
    if is_json {
        let forked: Vec<String> = taken.forks.iter().map(ToString::to_string).collect();
        let over: Vec<String> = taken.over.iter().map(ToString::to_string).collect();
        session.out.json(&json!({
            "batches": taken.batches,
            "events": taken.events,
            "missing": taken.missing,
            "over": over,
            "forked": forked,
        }))?;
    } else {
        let batches = human::count(taken.batches as u64, "new batch", "new batches");
        let events = human::count(taken.events as u64, "new event", "new events");
        session.out.line(format_args!("{batches}, {events}"))?;
    }
    tell(&taken, session)?;
    warn_of_doubt(&opened, session)
}

/// Returns what counted of the Person's word before. Where nothing of the puddle is here yet, or evidence is
/// damaged, which the bundle may mend, all of it is new.
fn signed_before(home: &Home, id: Vcid) -> Result<BTreeSet<Vcid>, CommandError> {
    match home.open_puddle(id) {
        Ok(known) => Ok(known.view.signed.into_keys().collect()),
        Err(HomeError::Evidence { .. } | HomeError::Rival { .. } | HomeError::Fold(_)) => {
            Ok(BTreeSet::new())
        }
        Err(error) => Err(TrustError::from(error).into()),
    }
}

/// Returns the last date of what was signed and had not been heard.
fn newly_signed(opened: &Opened, before: &BTreeSet<Vcid>) -> Option<Moment> {
    let signed = opened.known.view.signed.iter();
    signed.filter(|(id, _)| !before.contains(*id)).map(|(_, at)| *at).max()
}

/// Tells what was not as it should be with a bundle.
fn tell(taken: &Taken, session: &mut Session<'_>) -> Result<(), CommandError> {
    if taken.missing > 0 {
        let missing = human::count(taken.missing as u64, "feed does", "feeds do");
        session.say(format_args!("{missing} not follow what is here; ask for an older bundle"))?;
    }
    warn_of_much(&taken.over, "is more than is taken of one machine", session)?;
    warn_of_forks(taken, session)
}

/// Warns of machines that a bundle shows to have forked their feeds.
pub(in crate::run) fn warn_of_forks(
    taken: &Taken,
    session: &mut Session<'_>,
) -> Result<(), CommandError> {
    for feed in &taken.forks {
        let line = format!("{} has said two things at one position, and is frozen", feed.machine);
        session.finish()?;
        session.talk.warn("warning", line);
    }
    Ok(())
}

/// Warns of machines of which not everything was packed or taken.
fn warn_of_much(
    over: &BTreeSet<KeyBytes>,
    what: &str,
    session: &mut Session<'_>,
) -> Result<(), CommandError> {
    session.finish()?;
    for machine in over {
        session.talk.warn("warning", format!("what {machine} says {what}; its events are there"));
    }
    Ok(())
}

fn warn_of_doubt(opened: &Opened, session: &mut Session<'_>) -> Result<(), CommandError> {
    if let Freshness::Doubtful { signed } = opened.freshness() {
        session.finish()?;
        let (signed, now) = (human::moment(signed), human::moment(opened.now));
        let line = format!(
            "the Person signed at {signed}, and here it is {now}: `vigil puddle time` settles it"
        );
        session.talk.warn("warning", line);
    }
    Ok(())
}
