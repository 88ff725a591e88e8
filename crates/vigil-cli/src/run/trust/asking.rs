//! `vigil puddle check` and `vigil puddle time`: may a machine do something, and by what time is it judged.

use serde_json::json;
use vigil_base::world::Moment;
use vigil_trust::KeyBytes;
use vigil_trust::puddle::{Ask, Believed, Freshness, Lease};

use super::puddle::Opened;
use super::show::{SHORT, fresh_text, grant_json, is_fresh, name_of, scope_text};
use super::{Session, home};
use crate::args::{PuddleCheckArgs, TimeSource};
use crate::failure::CommandError;
use crate::human;
use crate::trust_failure::TrustError;

/// Finds the machine that is meant. A key that is nobody's is an answer too, and no mistake.
fn machine(opened: &Opened, text: &str) -> Result<KeyBytes, CommandError> {
    if let [found] = opened.machine(text).as_slice() {
        return Ok(*found);
    }
    match vigil_base::Vcid::from_hex(text) {
        Ok(key) => Ok(KeyBytes(*key.as_bytes())),
        Err(_) => {
            let found = opened.machine(text).len();
            Err(TrustError::Which { text: text.into(), found }.into())
        }
    }
}

pub(super) fn check(args: &PuddleCheckArgs, session: &mut Session<'_>) -> Result<(), CommandError> {
    let opened = Opened::of(&home(session)?, session)?;
    let key = machine(&opened, &args.machine)?;
    let view = &opened.known.view;
    let ask = Ask { subsystem: &args.subsystem, verb: &args.verb, resource: &args.path };
    let answer = view.may(&key, &ask, &opened.when());
    if args.format.json {
        let chain = answer.as_deref().unwrap_or_default().iter();
        let chain: Vec<_> = chain.map(|(id, grant)| grant_json(id, grant, &opened)).collect();
        session.out.json(&json!({
            "allowed": answer.is_ok(),
            "machine": key.to_string(),
            "subsystem": args.subsystem,
            "verb": args.verb,
            "path": args.path,
            "chain": chain,
            "rule": answer.as_ref().err().map(|denial| denial.word()),
            "reason": answer.as_ref().err().map(ToString::to_string),
        }))?;
    }
    let chain = match answer {
        Ok(chain) => chain,
        Err(source) => {
            let machine = args.machine.clone();
            let what = format!("{} {} in {}", args.verb, args.subsystem, path_text(&args.path));
            return Err(TrustError::Denied { machine, what, source }.into());
        }
    };
    if args.format.json {
        return Ok(());
    }
    for (at, (id, grant)) in chain.iter().enumerate() {
        let (short, from, to) =
            (&id.to_hex()[..SHORT], name_of(view, &grant.from), name_of(view, &grant.to));
        let scope = scope_text(grant, &opened);
        session.out.line(format_args!("{}  {short}  {scope}, by {from} to {to}", at + 1))?;
    }
    Ok(())
}

fn path_text(path: &str) -> &str {
    if path.is_empty() { "everything" } else { path }
}

pub(super) fn time(
    from: Option<TimeSource>,
    is_json: bool,
    session: &mut Session<'_>,
) -> Result<(), CommandError> {
    let home = home(session)?;
    let mut opened = Opened::of(&home, session)?;
    let signed = opened.known.view.signed_at();
    if let Some(from) = from {
        let believed = match from {
            TimeSource::Clock => Believed::Clock,
            TimeSource::Signed => Believed::Signed,
        };
        let clocks = opened.clocks;
        opened.here = home.update_puddle(|here| {
            let here = here.as_mut().ok_or(TrustError::NoPuddle)?;
            here.time.settle(believed, signed, &clocks);
            Ok::<_, TrustError>(*here)
        })?;
        opened.now = opened.here.time.now(&clocks);
    }
    let freshness = opened.freshness();
    let heard = Some(opened.here.time.heard()).filter(|heard| heard.0 != i64::MIN);
    if is_json {
        return session.out.json(&json!({
            "now": opened.now.0,
            "clock": opened.clocks.wall.0,
            "signed": signed.0,
            "heard": heard.map(|heard| heard.0),
            "lease_seconds": match opened.known.view.lease {
                Lease::Never => None,
                Lease::Seconds(seconds) => Some(seconds),
            },
            "fresh": is_fresh(&freshness),
            "doubtful": matches!(freshness, Freshness::Doubtful { .. }),
        }));
    }
    let text = |at: Option<Moment>| at.map_or_else(|| "never".into(), human::moment);
    session.out.line(format_args!("judged by  {}", human::moment(opened.now)))?;
    session.out.line(format_args!("clock      {}", human::moment(opened.clocks.wall)))?;
    session.out.line(format_args!("signed     {}", human::moment(signed)))?;
    session.out.line(format_args!("heard      {}", text(heard)))?;
    let state = match freshness {
        Freshness::Doubtful { .. } => "in doubt: the Person signed later than it is here".into(),
        freshness => fresh_text(&freshness),
    };
    session.out.line(format_args!("lease      {state}"))?;
    if let Freshness::Doubtful { .. } = freshness {
        session.say(
            "if this clock is right, `vigil puddle time --from clock`; if it is behind, set it, or \
             `--from signed`",
        )?;
    }
    Ok(())
}
