//! `vigil gc`: thin the names' histories, then remove what nothing leads to.

use serde_json::{Value, json};
use vigil_base::{EntryKind, Name, TreeReferences};
use vigil_node::{CollectedTraces, NodeError, collect_traces};
use vigil_store::{CollectOptions, CollectReport, Keep, Store, Version};

use super::Session;
use crate::args::GcArgs;
use crate::failure::CommandError;
use crate::human;
use crate::retention::{Decision, decide};

/// An arena is copied when a quarter of it is dead: below that, writing three bytes to free one is
/// not worth the wear, and what is dead now is joined by more until next time.
const DEAD_PERCENT_MIN: u8 = 25;

/// What is to become of each name.
type Plan = Vec<(Name, Vec<Decision>)>;

pub(super) fn collect(args: &GcArgs, session: &mut Session<'_>) -> Result<(), CommandError> {
    let store = session.store()?;
    let mut plan: Plan = Vec::new();
    for (name, versions) in store.names()? {
        let decisions = decide(&args.keep, &versions);
        plan.push((name, decisions));
    }
    if !args.format.json {
        print_plan(&plan, args.dry_run, session)?;
    }
    let keep = if args.dry_run {
        let stays = |decision: &&Decision| !decision.reasons.is_empty();
        let decisions = plan.iter().flat_map(|(_, decisions)| decisions).filter(stays);
        kept(decisions.map(|decision| &decision.version))
    } else {
        thin(&store, args, &plan)?;
        let names = store.names()?;
        kept(names.iter().flat_map(|(_, versions)| versions))
    };
    let report = store.collect(&CollectOptions {
        keep: &keep,
        references: &TreeReferences,
        is_dry_run: args.dry_run,
        dead_percent_min: DEAD_PERCENT_MIN,
    })?;
    let traces =
        collect_traces(&store, args.dry_run).map_err(|fault| Box::new(NodeError::from(fault)))?;
    if args.format.json {
        return session.out.json(&json_of(args.dry_run, &plan, &report, &traces));
    }
    print_report(args.dry_run, &report, session)?;
    print_traces(args.dry_run, &traces, session)
}

/// Takes away the versions that go. The rules are asked again under the lock of the names, so that a
/// version that came meanwhile is weighed with the others.
fn thin(store: &Store, args: &GcArgs, plan: &Plan) -> Result<(), CommandError> {
    for (name, decisions) in plan {
        if decisions.iter().any(|decision| decision.reasons.is_empty()) {
            store.edit_name(name, |versions| {
                let mut kept: Vec<Version> = decide(&args.keep, &versions)
                    .into_iter()
                    .filter(|decision| !decision.reasons.is_empty())
                    .map(|decision| decision.version)
                    .collect();
                kept.reverse();
                kept
            })?;
        }
    }
    Ok(())
}

/// Everything that the versions lead to, their metadata too.
fn kept<'a>(versions: impl Iterator<Item = &'a Version>) -> Vec<Keep> {
    versions
        .flat_map(|version| {
            // A metadata record holds everything itself, so there is nothing to follow in it.
            let metadata = version.metadata.map(|metadata| (metadata, false));
            std::iter::once((version.vcid, version.kind == EntryKind::Tree)).chain(metadata)
        })
        .collect()
}

fn print_plan(
    plan: &Plan,
    is_dry_run: bool,
    session: &mut Session<'_>,
) -> Result<(), CommandError> {
    let goes = if is_dry_run { "would go" } else { "goes" };
    for (name, decisions) in plan {
        let width = format!("{name}~{}", decisions.len()).chars().count();
        for decision in decisions {
            let shown = match decision.back {
                0 => name.to_string(),
                back => format!("{name}~{back}"),
            };
            let at = human::moment(decision.version.at);
            let fate = match decision.reasons.join(", ") {
                reasons if reasons.is_empty() => goes.into(),
                reasons if reasons == "no rule" => "stays".into(),
                reasons => format!("stays ({reasons})"),
            };
            session.out.line(format_args!("{shown:<width$}  {at}  {fate}"))?;
        }
    }
    if plan.is_empty() {
        session.say("there are no names, so nothing is kept")?;
    }
    Ok(())
}

fn print_report(
    is_dry_run: bool,
    report: &CollectReport,
    session: &mut Session<'_>,
) -> Result<(), CommandError> {
    let live = human::count(report.live_blobs, "blob", "blobs");
    let dead = human::count(report.dead_items, "item", "items");
    let size = human::size(report.dead_bytes);
    let out = &mut session.out;
    out.line(format_args!("{live} in use; {dead} ({size} of content) that nothing kept leads to"))?;
    if report.dropped.is_empty() && report.copied.is_empty() {
        return out.line(if report.dead_items == 0 {
            "nothing to remove".into()
        } else {
            format!("nothing to remove yet: no arena is as much as {DEAD_PERCENT_MIN} % dead")
        });
    }
    let dropped = human::count(report.dropped.len() as u64, "arena", "arenas");
    let copied = human::count(report.copied.len() as u64, "arena", "arenas");
    if is_dry_run {
        out.line(format_args!("would drop {dropped}, and copy what is in use out of {copied}"))?;
        return session.say("nothing was changed; leave out --dry-run to do it");
    }
    let freed = human::signed_size(report.freed_bytes);
    out.line(format_args!(
        "dropped {dropped}, copied what is in use out of {copied}: {freed} freed"
    ))
}

/// Says which records of what was made went, where any did.
fn print_traces(
    is_dry_run: bool,
    traces: &CollectedTraces,
    session: &mut Session<'_>,
) -> Result<(), CommandError> {
    let gone = traces.dropped + traces.strays;
    if gone == 0 {
        return Ok(());
    }
    let goes = if is_dry_run { "would forget" } else { "forgot" };
    let gone = human::count(gone, "result", "results");
    let kept = human::grouped(traces.kept);
    session.out.line(format_args!("{goes} how {gone} came about, and knows it of {kept}"))
}

fn json_of(
    is_dry_run: bool,
    plan: &Plan,
    report: &CollectReport,
    traces: &CollectedTraces,
) -> Value {
    let versions: Vec<Value> = plan
        .iter()
        .flat_map(|(name, decisions)| decisions.iter().map(move |decision| (name, decision)))
        .map(|(name, decision)| {
            json!({
                "name": name.to_string(),
                "back": decision.back,
                "at": decision.version.at.0,
                "vcid": decision.version.vcid.to_string(),
                "keep": !decision.reasons.is_empty(),
                "reasons": decision.reasons,
            })
        })
        .collect();
    json!({
        "dry_run": is_dry_run,
        "versions": versions,
        "live_blobs": report.live_blobs,
        "dead_items": report.dead_items,
        "dead_bytes": report.dead_bytes,
        "dropped_arenas": report.dropped,
        "copied_arenas": report.copied,
        "freed_bytes": report.freed_bytes,
        "traces_kept": traces.kept,
        "traces_dropped": traces.dropped + traces.strays,
    })
}
