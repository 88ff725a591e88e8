//! `vigil log witness` and `vigil log monitor`: those who look at logs.

use std::io::ErrorKind;

use serde_json::json;
use vigil_base::Blame;
use vigil_trust::log::{
    DiskTiles, Ed25519Kind, FraudProof, Monitor, MonitorError, Progress, SignedCheckpoint,
    WitnessError, WitnessStore,
};

use super::{disk, failed, keys, published, read, refused, write};
use crate::args::{LogMonitorArgs, LogWitnessArgs};
use crate::failure::CommandError;
use crate::human;
use crate::run::Session;
use crate::talk::Progress as Meters;

pub(super) fn witness(
    args: &LogWitnessArgs,
    session: &mut Session<'_>,
) -> Result<(), CommandError> {
    let place = keys::place(&args.folder, args.key.as_deref());
    let kind = Ed25519Kind::Witness;
    let signer = keys::read_or_make(&place, kind, args.name.as_deref(), session)?;
    let Some(request) = &args.request else {
        let key = signer.key().to_string();
        if args.format.json {
            return session.out.json(&json!({ "key": key }));
        }
        return session.out.line(key);
    };
    let logs = args.log_keys.iter().map(|text| keys::log(text)).collect::<Result<Vec<_>, _>>()?;
    let clock = session.environment.clock.clone();
    let store = WitnessStore::open(disk(&args.folder), clock, signer, logs);
    let body = read(request)?;
    let answered = store.and_then(|store| store.add_checkpoint(&body));
    match answered {
        Ok(cosigned) if args.format.json => session.out.json(&json!({
            "status": 200,
            "size": cosigned.kept.unverified().size.0,
            "signatures": [cosigned.line.to_string()],
        })),
        Ok(cosigned) => session.out.line(cosigned.line),
        Err(error) => {
            if let WitnessError::Refused(refusal) = &error
                && args.format.json
            {
                let document =
                    json!({ "status": refusal.status(), "size": null, "signatures": [] });
                session.out.json(&document)?;
            }
            Err(failed("cosign that")(error))
        }
    }
}

pub(super) fn monitor(
    args: &LogMonitorArgs,
    session: &mut Session<'_>,
) -> Result<(), CommandError> {
    let log = keys::log(&args.log_key)?;
    let mut monitor = match read(&args.state) {
        Ok(bytes) => {
            let action = format!("use what is in {}", session.shown(&args.state));
            Monitor::decode(log, &bytes).map_err(refused(action))?
        }
        Err(CommandError::File { source, .. }) if source.kind() == ErrorKind::NotFound => {
            Monitor::new(log)
        }
        Err(error) => return Err(error),
    };
    if let Some(path) = &args.freeze {
        let action = || format!("believe {}", session.shown(path));
        let fraud = FraudProof::decode(&read(path)?).map_err(refused(action()))?;
        monitor.freeze(fraud).map_err(refused(action()))?;
    }
    for path in &args.gossip {
        let action = || format!("compare {}", session.shown(path));
        let other = SignedCheckpoint::parse(&read(path)?).map_err(refused(action()))?;
        let is_fraud = monitor.gossip(&other).map_err(refused(action()))?;
        let (theirs, ours) = (other.unverified().size, monitor.size());
        if !is_fraud && !monitor.has_seen(theirs) {
            let shown = session.shown(path);
            session.say(format_args!(
                "{shown} has {theirs} entries, and {ours} were read here: nothing was compared"
            ))?;
        }
    }
    // What others told is remembered whatever can be read of the log now.
    remember(&monitor, args)?;
    let shown = published(&args.folder, session)?;
    let disk = disk(&args.folder);
    let meter = session.talk.meter("reading entries");
    let (mut bytes, total) = (0, shown.unverified().size.0);
    let copied = args.copy.as_deref().map(super::disk);
    let copy = copied.as_ref().map(|disk| DiskTiles(&**disk));
    let seen = monitor.look_beside(&shown, DiskTiles(&*disk), copy, |index, entry| {
        bytes += entry.len() as u64;
        if index.0.is_multiple_of(1 << 14) {
            let things = Some((index.0, total, "entries"));
            meter.show(&Meters { things, bytes, bytes_total: None });
        }
    });
    drop(meter);
    // Also what freezes the log is remembered, before anybody is told.
    remember(&monitor, args)?;
    let action = format!("go on with {}", monitor.log().origin());
    match seen {
        Ok(progress) => print(progress, monitor.size().0, args, session),
        Err(error @ MonitorError::Tile(_)) => {
            Err(CommandError::Log { action, blame: Blame::World, source: Box::new(error) })
        }
        Err(error) => Err(refused(action)(error)),
    }
}

fn remember(monitor: &Monitor, args: &LogMonitorArgs) -> Result<(), CommandError> {
    write(&args.state, &monitor.encode())?;
    if let (Some(path), Some(fraud)) = (&args.fraud, monitor.fraud()) {
        write(path, &fraud.encode())?;
    }
    Ok(())
}

fn print(
    progress: Progress,
    known: u64,
    args: &LogMonitorArgs,
    session: &mut Session<'_>,
) -> Result<(), CommandError> {
    let (result, from, to) = match progress {
        Progress::Grown { from, to } => ("grown", from.0, to.0),
        Progress::Same => ("same", known, known),
        Progress::Stale { shown, known } => ("stale", known.0, shown.0),
    };
    if args.format.json {
        return session.out.json(&json!({ "result": result, "from": from, "to": to }));
    }
    match progress {
        Progress::Grown { .. } => {
            let new = human::count(to - from, "new entry", "new entries");
            session.out.line(format_args!("{new}, {to} in all, as the log signed them"))
        }
        Progress::Same => session.out.line("nothing new"),
        Progress::Stale { .. } => session
            .out
            .line(format_args!("an earlier state: {to} entries, {from} were read before")),
    }
}
