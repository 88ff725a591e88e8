//! `vigil log verify`: everything that can be checked offline.

use serde_json::{Value, json};
use vigil_base::world::Moment;
use vigil_trust::log::{
    CosignedAt, FraudProof, LogPolicy, Sight, SignedCheckpoint, TlogProof, TreeHash, Witnessed,
};

use super::{because, keys, read, refused};
use crate::args::{LogTrustArgs, LogVerifyArgs};
use crate::failure::CommandError;
use crate::human;
use crate::run::Session;

/// How far a witness's clock may be ahead of ours, in seconds.
const SKEW_SECONDS: u64 = 300;

pub(super) fn verify(args: &LogVerifyArgs, session: &mut Session<'_>) -> Result<(), CommandError> {
    let bytes = read(&args.file)?;
    if let Ok(fraud) = FraudProof::decode(&bytes) {
        return verify_fraud(args, &fraud, session);
    }
    let policy = policy(&args.trust)?;
    let now = CosignedAt::from_moment(session.environment.clock.now()).map_or(0, |at| at.seconds());
    let counts = |at: CosignedAt| match args.max_age {
        None => true,
        Some(age) => {
            at.seconds() <= now.saturating_add(SKEW_SECONDS)
                && now.saturating_sub(at.seconds()) <= age.as_secs()
        }
    };
    let action = format!("believe {}", session.shown(&args.file));
    if bytes.starts_with(b"c2sp.org/tlog-proof@") {
        let proof = TlogProof::parse(&bytes).map_err(refused(action.clone()))?;
        let missing = || because(&action, "say with `--entry FILE` what it is to prove");
        let entry = read(args.entry.as_deref().ok_or_else(missing)?)?;
        let leaf = TreeHash::of_leaf(&entry);
        let witnessed = policy.verify_proof(&proof, leaf, counts).map_err(refused(action))?;
        return print("proof", Some(proof.index.0), &witnessed, args, session);
    }
    let checkpoint = SignedCheckpoint::parse(&bytes).map_err(refused(action.clone()))?;
    let witnessed = policy.verify(&checkpoint, counts).map_err(refused(action))?;
    print("checkpoint", None, &witnessed, args, session)
}

fn policy(args: &LogTrustArgs) -> Result<LogPolicy, CommandError> {
    let bytes = match (&args.policy, &args.log_key) {
        (Some(path), _) => read(path)?,
        (None, Some(key)) => {
            let log = keys::log(key)?;
            format!("log {}\nquorum none\n", log.keys()[0]).into_bytes()
        }
        (None, None) => Vec::new(),
    };
    LogPolicy::parse(&bytes).map_err(refused("read the policy"))
}

fn verify_fraud(
    args: &LogVerifyArgs,
    fraud: &FraudProof,
    session: &mut Session<'_>,
) -> Result<(), CommandError> {
    let action = format!("believe {}", session.shown(&args.file));
    let accused = accused(fraud, &policy(&args.trust)?, &action)?;
    let [first, second] = fraud.views().each_ref().map(|view| view.checkpoint.clone());
    if args.format.json {
        return session.out.json(&json!({
            "what": "fraud",
            "origin": fraud.origin().as_str(),
            "accused": accused,
            "size": first.size.0,
            "root": first.root.to_string(),
            "index": Value::Null,
            "witnesses": [],
        }));
    }
    let about = match accused == fraud.origin().as_str() {
        true => String::new(),
        false => format!(" of {}", fraud.origin()),
    };
    session.out.line(format_args!(
        "{accused} is caught: it signed {} entries{about} with root {} and {} with {}, which cannot both be true",
        first.size,
        first.root,
        second.size,
        second.root,
    ))
}

/// Returns who is caught: the log, or one of the policy's witnesses.
fn accused(fraud: &FraudProof, policy: &LogPolicy, action: &str) -> Result<String, CommandError> {
    let of_log = match policy.log_keys(fraud.origin()) {
        Some(log) => fraud.check_log(&log).map_err(refused(action.to_owned())),
        None => {
            let why = format!("no key of the log {} was given", fraud.origin());
            Err(because(action, why))
        }
    };
    let witness = policy.witnesses().iter().find(|known| fraud.check_witness(&known.key).is_ok());
    match (of_log, witness) {
        (Ok(()), _) => Ok(fraud.origin().to_string()),
        (Err(_), Some(witness)) => Ok(witness.key.name().to_string()),
        (Err(error), None) => Err(error),
    }
}

fn shown(at: CosignedAt) -> String {
    let nanoseconds = i64::try_from(at.seconds()).ok().and_then(|s| s.checked_mul(1_000_000_000));
    nanoseconds.map_or_else(|| "far from now".into(), |n| human::moment(Moment(n)))
}

fn print(
    what: &str,
    index: Option<u64>,
    witnessed: &Witnessed<'_>,
    args: &LogVerifyArgs,
    session: &mut Session<'_>,
) -> Result<(), CommandError> {
    let checkpoint = witnessed.checkpoint;
    if args.format.json {
        let witness = |(name, sight): &(String, Sight)| {
            let (at, counts) = match sight {
                Sight::Counts(at) => (Some(at.seconds()), true),
                Sight::TooOld(at) => (Some(at.seconds()), false),
                Sight::Absent | Sight::NotChecked => (None, false),
            };
            json!({ "name": name, "at": at, "counts": counts })
        };
        return session.out.json(&json!({
            "what": what,
            "origin": checkpoint.origin.as_str(),
            "size": checkpoint.size.0,
            "root": checkpoint.root.to_string(),
            "index": index,
            "witnesses": witnessed.sights.iter().map(witness).collect::<Vec<_>>(),
        }));
    }
    let place = index.map(|index| format!("entry {index} of ")).unwrap_or_default();
    let (origin, size) = (&checkpoint.origin, human::count(checkpoint.size.0, "entry", "entries"));
    session.out.line(format_args!("{place}{origin}, {size}, root {}", checkpoint.root))?;
    for (name, sight) in &witnessed.sights {
        match sight {
            Sight::Counts(at) => {
                session.out.line(format_args!("seen by {name}, {}", shown(*at)))?;
            }
            Sight::TooOld(at) => {
                session.out.line(format_args!("not counted: {name}, {}", shown(*at)))?;
            }
            Sight::Absent | Sight::NotChecked => {}
        }
    }
    Ok(())
}
