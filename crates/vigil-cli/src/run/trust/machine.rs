//! `vigil machine`.

use serde_json::{Map, Value, json};
use vigil_base::Name;
use vigil_trust::formats::Certificate;
use vigil_trust::home::Home;
use vigil_trust::seal::{self, Holder};
use vigil_trust::{Purpose, SecretKey};

use super::{
    Session, costs, entropy, fingerprint_of, guard, home, passphrase, person_at_hand, sealed,
    unlock_machine,
};
use crate::args::{CostArgs, MachineCommand, PassphraseArgs, PersonKeyArgs};
use crate::failure::CommandError;
use crate::run::agent;
use crate::trust_failure::TrustError;

pub(super) fn perform(
    command: &MachineCommand,
    session: &mut Session<'_>,
) -> Result<(), CommandError> {
    match command {
        MachineCommand::Enroll { name, passphrase, person, cost, format } => {
            enroll(name, passphrase, person, cost, format.json, session)
        }
        MachineCommand::Show { format } => show(&home(session)?, None, format.json, session),
        MachineCommand::Unlock { passphrase } => {
            let home = home(session)?;
            let unlocked = unlock_machine(&home, passphrase, session)?;
            session.say(format_args!("that is the passphrase of {}", unlocked.key.public()))
        }
    }
}

fn enroll(
    name: &Name,
    args: &PassphraseArgs,
    person: &PersonKeyArgs,
    cost: &CostArgs,
    is_json: bool,
    session: &mut Session<'_>,
) -> Result<(), CommandError> {
    guard(session)?;
    let home = home(session)?;
    if home.machine_sealed().map_err(TrustError::from)?.is_some() {
        return Err(TrustError::MachineExists.into());
    }
    let passphrase = passphrase(args.passphrase_file.as_deref(), "this machine", true, session)?;
    let person = person_at_hand(&home, person, &passphrase, session)?;
    let (seed, _) = entropy(None, session)?;
    let key = SecretKey::from_seed(seed.bytes());
    let file = sealed(&key, Holder::Machine, name, costs(cost), &passphrase, session)?;
    if !home.set_machine(&file).map_err(TrustError::from)? {
        return Err(TrustError::MachineExists.into());
    }
    if let Some(person) = person {
        agent::certify_if_none(&home, &key, &person, session)?;
    }
    show(&home, Some(&key), is_json, session)
}

fn show(
    home: &Home,
    key: Option<&SecretKey>,
    is_json: bool,
    session: &mut Session<'_>,
) -> Result<(), CommandError> {
    let file = home.machine_sealed().map_err(TrustError::from)?.ok_or(TrustError::NoMachine)?;
    let header = seal::read_header(&file).map_err(TrustError::from)?;
    let fingerprint = fingerprint_of(&header.public)?;
    let sealing = seal::describe(header.costs);
    let certificate = agent::read_certificate(home)?;
    if matches!(certificate, Some(Err(_))) {
        session.finish()?;
        let line = "this machine's certificate is damaged; `vigil agent certify` makes another";
        session.talk.warn("warning", line);
    }
    // It may be of a key that was here before.
    let is_of_this = |one: &Certificate| one.machine() == Some(header.public);
    let certificate = certificate.and_then(Result::ok).filter(is_of_this);
    let principal = certificate.as_ref().map(|one| one.body.principals[0].as_str());
    if is_json {
        let mut value = json!({
            "name": header.name.as_str(),
            "key": header.public.to_string(),
            "fingerprint": fingerprint,
            "sealing": sealing,
            "certificate": principal,
        });
        if let Some(key) = key {
            let subkey = |purpose: Purpose| {
                (purpose.as_str().into(), json!(key.subkey(purpose).public().to_string()))
            };
            let subkeys: Map<String, Value> = Purpose::ALL.into_iter().map(subkey).collect();
            value["subkeys"] = Value::Object(subkeys);
        }
        return session.out.json(&value);
    }
    session.out.line(format_args!("{}  {}", header.name.as_str(), header.public))?;
    session.out.line(format_args!("  fingerprint  {fingerprint}"))?;
    session.out.line(format_args!("  sealing      {sealing}"))?;
    match principal {
        Some(principal) => session.out.line(format_args!("  certificate  {principal}")),
        None => Ok(()),
    }
}
