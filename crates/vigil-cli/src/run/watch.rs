//! `vigil watch`: resolving again whenever something changes that an answer is made of.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::json;
use vigil_kernel::{Outcome, Profile, Refusal, Representation, Request, render_pipeline};
use vigil_node::{TREE_TYPE, Watcher};

use super::Session;
use super::kernel::{Resolving, request_of};
use crate::args::WatchArgs;
use crate::failure::{CommandError, RefusedBecause};
use crate::human;

/// How long nothing may happen before what happened is looked at: editors write a file in several steps.
const QUIET: Duration = Duration::from_millis(50);

/// How long it may go on before it is looked at anyway.
const QUIET_AT_LAST: Duration = Duration::from_secs(2);

type Found = Result<Representation, Refusal>;

/// What one more resolving has come to.
struct Turn {
    found: Found,
    made: BTreeSet<String>,
    cut_off: BTreeSet<String>,
    milliseconds: u64,
}

pub(super) fn watch(args: &WatchArgs, session: &mut Session<'_>) -> Result<(), CommandError> {
    let target = &args.request.target;
    let request = request_of(target, args.request.wanted.as_ref());
    let mut kernel = Resolving::start(&args.request.reach, session)?;
    let (first, profile) = turn(&kernel, &request, session)?;
    kernel.write_profile(&profile, session)?;
    let mut watcher = Watcher::new(session.store_folder.clone()).map_err(CommandError::Watch)?;
    // What changed between an answer and the watching of what it is made of is seen by looking again.
    let mut changed = watcher.follow(&kernel.node, &request).map_err(CommandError::Watch)?;
    tell(args, None, &first, session)?;
    let mut before = first.found;
    loop {
        if !changed.is_empty() {
            for root in &changed {
                kernel.node.kernel().root_changed(root);
            }
            kernel.node.kernel().begin_run();
            let (next, _) = turn(&kernel, &request, session)?;
            changed = watcher.follow(&kernel.node, &request).map_err(CommandError::Watch)?;
            if vcid_of(&next.found) != vcid_of(&before) || text_of(&next.found) != text_of(&before)
            {
                tell(args, Some(&before), &next, session)?;
                run(args, &next.found, session)?;
                if args.once {
                    return Ok(());
                }
            } else if !next.made.is_empty() && !args.format.json {
                let made = human::count(next.made.len() as u64, "answer", "answers");
                session.say(format_args!("something changed and {made} came out as before"))?;
            }
            before = next.found;
        }
        if changed.is_empty() {
            changed = watcher.wait(QUIET, QUIET_AT_LAST).map_err(CommandError::Watch)?;
        }
    }
}

/// Resolves, and finds out what that took.
fn turn(
    kernel: &Resolving,
    request: &Request,
    session: &Session<'_>,
) -> Result<(Turn, Profile), CommandError> {
    let start = session.environment.clock.now();
    kernel.node.kernel().start_profile();
    let found = kernel.node.resolve(request.clone());
    let profile = kernel.node.kernel().stop_profile();
    kernel.node.finish().map_err(Box::new)?;
    let end = session.environment.clock.now();
    let milliseconds = u64::try_from(end.0.saturating_sub(start.0)).unwrap_or(0) / 1_000_000;
    let (made, cut_off) = (names(&profile, Outcome::Made), names(&profile, Outcome::CutOff));
    Ok((Turn { found, made, cut_off, milliseconds }, profile))
}

fn names(profile: &Profile, outcome: Outcome) -> BTreeSet<String> {
    let spans = profile.spans.iter().filter(|span| span.outcome == outcome);
    spans.map(|span| shown(&span.name)).collect()
}

/// Writes the name of a span as the pipeline that it is, and what was wanted of it.
pub(super) fn shown(name: &str) -> String {
    let (uri, wanted) = match name.split_once(" as ") {
        Some((uri, wanted)) => (uri, format!(" as {wanted}")),
        None => (name, String::new()),
    };
    match vigil_kernel::Identifier::new(uri) {
        Ok(uri) => format!("{}{wanted}", render_pipeline(&uri)),
        Err(_) => name.to_owned(),
    }
}

fn vcid_of(found: &Found) -> Option<String> {
    found.as_ref().ok().map(|found| found.vcid.to_string())
}

fn text_of(found: &Found) -> Option<String> {
    found.as_ref().err().map(|refusal| RefusedBecause::from(refusal.clone()).to_string())
}

fn tell(
    args: &WatchArgs,
    before: Option<&Found>,
    turn: &Turn,
    session: &mut Session<'_>,
) -> Result<(), CommandError> {
    let now = &turn.found;
    if args.format.json {
        session.out.json(&json!({
            "pipeline": args.request.target.to_string(),
            "before": before.and_then(vcid_of),
            "vcid": vcid_of(now),
            "refused": text_of(now),
            "made": turn.made,
            "cut_off": turn.cut_off,
            "milliseconds": turn.milliseconds,
        }))?;
        return session.finish();
    }
    let text = |found: &Found| match found {
        Ok(found) => found.vcid.to_string(),
        Err(_) => "nothing".to_owned(),
    };
    session.out.line(match before {
        None => text(now),
        Some(before) => format!("{} → {}", text(before), text(now)),
    })?;
    session.finish()?;
    if let Some(why) = text_of(now) {
        session.talk.warn("refused", why);
    }
    if before.is_some() {
        let milliseconds = turn.milliseconds;
        session.say(format_args!("made again in {milliseconds} ms: {}", list(&turn.made)))?;
        if !turn.cut_off.is_empty() {
            session.say(format_args!("left as it was: {}", list(&turn.cut_off)))?;
        }
    }
    Ok(())
}

fn list(names: &BTreeSet<String>) -> String {
    const SHOWN: usize = 6;
    let mut shown: Vec<&str> = names.iter().take(SHOWN).map(String::as_str).collect();
    let more = format!("and {} more", names.len().saturating_sub(SHOWN));
    if names.len() > SHOWN {
        shown.push(&more);
    }
    if shown.is_empty() { "nothing".to_owned() } else { shown.join("; ") }
}

/// Runs the command that is to follow a change. That it fails is told, and watching goes on.
fn run(args: &WatchArgs, found: &Found, session: &mut Session<'_>) -> Result<(), CommandError> {
    let Some(line) = &args.exec else { return Ok(()) };
    let (vcid, uri) = match found {
        Ok(found) => {
            let slash = if found.media_type.as_str() == TREE_TYPE { "/" } else { "" };
            (found.vcid.to_string(), format!("ca://{}{slash}", found.vcid))
        }
        Err(_) => Default::default(),
    };
    let mut command = std::process::Command::new("/bin/sh");
    command.arg("-c").arg(line).env("VIGIL_VCID", vcid).env("VIGIL_URI", uri);
    command.env("VIGIL_STORE", &session.store_folder);
    if !session.environment.folder.as_os_str().is_empty() {
        command.current_dir(&session.environment.folder);
    }
    let status = command.status().map_err(CommandError::Watch)?;
    if !status.success() {
        session.talk.warn("note", format_args!("`{line}` ended with {status}"));
    }
    Ok(())
}
