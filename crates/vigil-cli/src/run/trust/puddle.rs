//! `vigil puddle`.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::json;
use vigil_base::world::Moment;
use vigil_base::{Name, Vcid};
use vigil_node::attest::revoked;
use vigil_trust::home::{Home, Known, PuddleHere};
use vigil_trust::puddle::{
    Authority, Clocks, Event, Freshness, Idle, JoinRequest, Lease, PuddleEvent, Scope, Target,
    TimeHere, When,
};
use vigil_trust::{KeyBytes, SecretKey, Statement};

use super::feed::FeedWriter;
use super::show::{show, verify};
use super::{
    Session, Unlocked, asking, carry, compare, home, person_key, read_text, unlock_machine,
};
use crate::args::{PassphraseArgs, PersonKeyArgs, PuddleCommand, PuddleGrantArgs, parse_span};
use crate::failure::CommandError;
use crate::human;
use crate::run::agent;
use crate::trust_failure::TrustError;

/// What a pairing code begins with, so that it is known for what it is.
const CODE: &str = "vigil-join-";

pub(in crate::run) fn perform(
    command: &PuddleCommand,
    session: &mut Session<'_>,
) -> Result<(), CommandError> {
    match command {
        PuddleCommand::Check(args) => asking::check(args, session),
        PuddleCommand::Time { from, format } => asking::time(*from, format.json, session),
        PuddleCommand::Renew { person, passphrase } => renew(person, passphrase, session),
        PuddleCommand::Create { name, lease, person, passphrase, format } => {
            create(name, lease, person, passphrase, format.json, session)
        }
        PuddleCommand::Join { bundle: Some(bundle), fingerprint, .. } => {
            carry::join(bundle, fingerprint.as_deref(), session)
        }
        PuddleCommand::Join { bundle: None, passphrase, .. } => print_code(passphrase, session),
        PuddleCommand::Admit { code, fingerprint, person, passphrase } => {
            admit(code, fingerprint.as_deref(), person, passphrase, session)
        }
        PuddleCommand::Grant(args) => grant(args, session),
        PuddleCommand::Revoke { target, reason, person, passphrase } => {
            revoke(target, reason, person, passphrase, session)
        }
        PuddleCommand::Krl { output, format } => krl(output, format.json, session),
        PuddleCommand::Show { format } => {
            let opened = Opened::of(&home(session)?, session)?;
            show(&opened, format.json, session)
        }
        PuddleCommand::Verify { bundle, format } => verify(bundle.as_deref(), format.json, session),
        PuddleCommand::Export { output } => carry::export(output, session),
        PuddleCommand::Import { bundle, format } => carry::import(bundle, format.json, session),
    }
}

/// What the clocks show.
pub(in crate::run) fn clocks(session: &Session<'_>) -> Clocks {
    let environment = session.environment;
    Clocks { wall: environment.clock.now(), steady: environment.trust.steady() }
}

/// A puddle as it is here, and the time to judge it by.
pub(in crate::run) struct Opened {
    pub here: PuddleHere,
    pub known: Known,
    pub clocks: Clocks,
    pub now: Moment,
}

impl Opened {
    pub fn of(home: &Home, session: &Session<'_>) -> Result<Self, CommandError> {
        let here = home.puddle().map_err(TrustError::from)?.ok_or(TrustError::NoPuddle)?;
        Self::with(home, here, session)
    }

    /// Folds what is here, and looks at the clocks.
    pub fn with(
        home: &Home,
        here: PuddleHere,
        session: &Session<'_>,
    ) -> Result<Self, CommandError> {
        let known = home.open_puddle(here.id).map_err(TrustError::from)?;
        let clocks = clocks(session);
        Ok(Self { here, known, clocks, now: here.time.now(&clocks) })
    }

    /// Says whether what is known here may be relied upon.
    pub fn freshness(&self) -> Freshness {
        let view = &self.known.view;
        view.lease.judge(&self.here.time, view.signed_at(), &self.clocks)
    }

    /// Returns when something is asked for now.
    pub fn when(&self) -> When {
        When { now: self.now, freshness: self.freshness() }
    }

    /// Unlocks the key of this machine, and that of the Person whose puddle it is.
    fn signers(
        &self,
        home: &Home,
        person: &PersonKeyArgs,
        unlocking: &PassphraseArgs,
        session: &mut Session<'_>,
    ) -> Result<(Unlocked, SecretKey), CommandError> {
        let machine = unlock_machine(home, unlocking, session)?;
        let person = person_key(home, person, &machine.passphrase, session)?;
        self.expect_person(&person)?;
        Ok((machine, person))
    }

    /// Refuses to sign where the time is not known well enough: others would have to doubt theirs.
    pub fn expect_time(&self) -> Result<(), CommandError> {
        if let Some(behind) = self.here.time.behind(&self.clocks) {
            let behind = behind.unsigned_abs() / 1_000_000_000;
            return Err(TrustError::ClockBehind { behind }.into());
        }
        match self.freshness() {
            Freshness::Doubtful { signed } => {
                Err(TrustError::ClockDoubt { signed, now: self.now }.into())
            }
            _ => Ok(()),
        }
    }

    /// Remembers what time it is, and that the Person's word of `signed` was heard for the first time.
    pub fn remember(&mut self, home: &Home, signed: Option<Moment>) -> Result<(), CommandError> {
        let (here, clocks) = (self.here, self.clocks);
        self.here = home.update_puddle(|kept| {
            let kept = kept.get_or_insert(here);
            if kept.id != here.id {
                return Err(TrustError::PuddleExists);
            }
            kept.time.pass(&clocks);
            if let Some(signed) = signed {
                kept.time.hear(signed, &clocks);
            }
            Ok(*kept)
        })?;
        Ok(())
    }

    /// Refuses to sign for a Person whose word would not count.
    pub fn expect_person(&self, key: &SecretKey) -> Result<(), CommandError> {
        let is_person = self.known.view.authority == Authority::Person(key.public().bytes());
        if is_person { Ok(()) } else { Err(TrustError::NotThePerson.into()) }
    }

    /// Signs an event that has seen what is here, checks that the puddle takes it, and writes it into this
    /// machine's feed.
    pub fn write(
        &mut self,
        event: impl FnOnce(&[Vcid]) -> Event,
        by: &SecretKey,
        home: &Home,
        machine: &SecretKey,
        session: &mut Session<'_>,
    ) -> Result<Vcid, CommandError> {
        self.expect_time()?;
        let after = self.known.view.next_after();
        let event = event(&after);
        let added = match &event {
            Event::Add { request, .. } => Some(request.machine()),
            _ => None,
        };
        let machine_key = machine.public().bytes();
        let before = self.known.not_carried(&machine_key, &after);
        let mut entries: Vec<Vec<u8>> = before.into_iter().map(Statement::encode).collect();
        let statement = PuddleEvent { puddle: Some(self.here.id), after, event }.sign(by, self.now);
        let id = statement.id();
        let all = self.known.statements.values().chain([&statement]);
        let view = vigil_trust::puddle::fold(self.here.id, all, &self.known.frozen)
            .map_err(|error| TrustError::Home(error.into()))?;
        if let Some(reason) = view.refused.get(&id) {
            return Err(TrustError::NotTaken { reason: reason.to_string() }.into());
        }
        if let Some(added) = added {
            let not_taken = |idle: Idle| TrustError::NotTaken { reason: idle.to_string() };
            view.expect_active(&added).map_err(not_taken)?;
        }
        entries.push(statement.encode());
        append(home, self, machine, &entries, session)?;
        if let Some(signed) = view.signed.get(&id) {
            self.remember(home, Some(*signed))?;
        }
        Ok(id)
    }

    /// Finds a machine by its name or the start of its key.
    pub fn machine(&self, text: &str) -> Vec<KeyBytes> {
        let machines = self.known.view.machines.iter();
        let is_meant = |key: &KeyBytes, name: &Name| {
            name.as_str() == text || text.len() >= 4 && key.to_string().starts_with(text)
        };
        machines.filter(|(key, view)| is_meant(key, &view.name)).map(|(key, _)| *key).collect()
    }

    /// Finds a grant by the start of its id.
    fn grant(&self, text: &str) -> Vec<Vcid> {
        let text = text.strip_prefix("sha256:").unwrap_or(text);
        let is_meant = |id: &&Vcid| text.len() >= 4 && id.to_hex().starts_with(text);
        self.known.view.grants.keys().filter(is_meant).copied().collect()
    }
}

fn one<T: Copy>(found: &[T], text: &str) -> Result<T, CommandError> {
    match found {
        [one] => Ok(*one),
        _ => Err(TrustError::Which { text: text.into(), found: found.len() }.into()),
    }
}

/// Writes entries into this machine's feed, and what has become of the clock.
pub(in crate::run) fn append(
    home: &Home,
    opened: &mut Opened,
    machine: &SecretKey,
    entries: &[Vec<u8>],
    session: &mut Session<'_>,
) -> Result<(), CommandError> {
    let mut log = FeedWriter::of(home, session).open(machine.public().bytes())?;
    log.append(machine, opened.now, entries).map_err(TrustError::from)?;
    // Whoever has the feeds may take the other lock; but there is no need for both.
    drop(log);
    opened.remember(home, None)
}

fn parse_lease(text: &str) -> Result<Lease, TrustError> {
    if text == "never" {
        return Ok(Lease::Never);
    }
    let span = parse_span(text).map_err(|_| TrustError::Lease)?;
    Lease::seconds(span.as_secs()).ok_or(TrustError::Lease)
}

fn machine_name(home: &Home) -> Result<Name, CommandError> {
    let file = home.machine_sealed().map_err(TrustError::from)?.ok_or(TrustError::NoMachine)?;
    Ok(vigil_trust::seal::read_header(&file).map_err(TrustError::from)?.name)
}

fn create(
    name: &Name,
    lease: &str,
    person: &PersonKeyArgs,
    unlocking: &PassphraseArgs,
    is_json: bool,
    session: &mut Session<'_>,
) -> Result<(), CommandError> {
    let lease = parse_lease(lease)?;
    let home = home(session)?;
    if home.puddle().map_err(TrustError::from)?.is_some() {
        return Err(TrustError::PuddleExists.into());
    }
    let machine = unlock_machine(&home, unlocking, session)?;
    let person = person_key(&home, person, &machine.passphrase, session)?;
    let now = session.environment.clock.now();
    let mut nonce = [0; 16];
    session.environment.randomness.fill(&mut nonce)?;
    let event = Event::Genesis { name: name.clone(), lease, nonce };
    let genesis = PuddleEvent { puddle: None, after: Vec::new(), event }.sign(&person, now);
    let request = JoinRequest::sign(&machine.key, now, &machine_name(&home)?);
    let event = Event::Add { request, pardons: Vec::new() };
    let id = genesis.id();
    let added = PuddleEvent { puddle: Some(id), after: vec![id], event }.sign(&person, now);
    let mut log = FeedWriter::of(&home, session).open(machine.key.public().bytes())?;
    let entries = [genesis.encode(), added.encode()];
    log.append(&machine.key, now, &entries).map_err(TrustError::from)?;
    drop(log);
    let clocks = clocks(session);
    home.update_puddle(|here| {
        if here.is_some() {
            return Err(TrustError::PuddleExists);
        }
        let mut time = TimeHere::begin(&clocks);
        time.hear(now, &clocks);
        *here = Some(PuddleHere { id, time });
        Ok(())
    })?;
    agent::certify_if_none(&home, &machine.key, &person, session)?;
    if is_json {
        return session.out.json(&json!({ "puddle": id.to_string(), "name": name.as_str() }));
    }
    session.out.line(format_args!("{}  {id}", name.as_str()))
}

fn print_code(unlocking: &PassphraseArgs, session: &mut Session<'_>) -> Result<(), CommandError> {
    let home = home(session)?;
    let name = machine_name(&home)?;
    let machine = unlock_machine(&home, unlocking, session)?;
    let request = JoinRequest::sign(&machine.key, session.environment.clock.now(), &name);
    let hex = human::hex(&request.encode());
    session.out.line(format_args!("{CODE}{hex}"))?;
    session.say(format_args!("fingerprint: {}", vigil_trust::fingerprint(&machine.key.public())))
}

fn read_code(code: &str) -> Result<JoinRequest, TrustError> {
    let hex = code.trim().strip_prefix(CODE).ok_or(TrustError::Code)?;
    let pairs = hex.as_bytes().chunks(2);
    let byte = |pair: &[u8]| {
        let text = std::str::from_utf8(pair).ok().filter(|text| text.len() == 2)?;
        u8::from_str_radix(text, 16).ok()
    };
    let bytes: Option<Vec<u8>> = pairs.map(byte).collect();
    JoinRequest::decode(&bytes.ok_or(TrustError::Code)?).map_err(TrustError::Request)
}

fn admit(
    code: &str,
    fingerprint: Option<&str>,
    person: &PersonKeyArgs,
    unlocking: &PassphraseArgs,
    session: &mut Session<'_>,
) -> Result<(), CommandError> {
    let home = home(session)?;
    let code = match code {
        "-" => read_text(Path::new("/dev/stdin"))?,
        code => code.to_owned().into(),
    };
    let request = read_code(&code)?;
    let mut opened = Opened::of(&home, session)?;
    compare(&request.machine(), fingerprint, session)?;
    let (machine, person) = opened.signers(&home, person, unlocking, session)?;
    let (key, name) = (request.machine(), request.name().clone());
    // A machine that is forgiven its forks starts a new feed; those that forked count no more.
    let forked = opened.known.frozen.iter().filter(|feed| feed.machine == key);
    let pardons: BTreeSet<_> = forked.map(|feed| feed.incarnation).collect();
    let event = Event::Add { request, pardons: pardons.into_iter().collect() };
    opened.write(|_| event, &person, &home, &machine.key, session)?;
    let name = name.as_str();
    session.say(format_args!("{name} is in; `vigil puddle export` packs what it needs"))
}

fn grant(args: &PuddleGrantArgs, session: &mut Session<'_>) -> Result<(), CommandError> {
    let home = home(session)?;
    let mut opened = Opened::of(&home, session)?;
    let to = one(&opened.machine(&args.machine), &args.machine)?;
    let span = args.span.map(|span| i64::try_from(span.as_nanos()).unwrap_or(i64::MAX));
    let expiry = span.map(|span| Moment(opened.now.0.saturating_add(span)));
    let verbs = args.verbs.iter().map(String::as_str);
    let scope =
        Scope::new(&args.subsystem, verbs, &args.prefix, expiry).map_err(TrustError::from)?;
    let parent = match &args.under {
        Some(text) => Some(one(&opened.grant(text), text)?),
        None => None,
    };
    let machine = unlock_machine(&home, &args.passphrase, session)?;
    let event = Event::Grant { to, parent, scope };
    let id = if parent.is_some() {
        opened.write(|_| event, &machine.key, &home, &machine.key, session)?
    } else {
        let person = person_key(&home, &args.person, &machine.passphrase, session)?;
        opened.expect_person(&person)?;
        opened.write(|_| event, &person, &home, &machine.key, session)?
    };
    if args.format.json {
        return session.out.json(&json!({ "grant": id.to_string() }));
    }
    session.out.line(id)
}

/// Says that the Person is still there, so that leases begin anew.
fn renew(
    person: &PersonKeyArgs,
    unlocking: &PassphraseArgs,
    session: &mut Session<'_>,
) -> Result<(), CommandError> {
    let home = home(session)?;
    let mut opened = Opened::of(&home, session)?;
    let (machine, person) = opened.signers(&home, person, unlocking, session)?;
    opened.write(|_| Event::Renew, &person, &home, &machine.key, session)?;
    session.say("renewed; `vigil puddle export` carries it to the others")
}

fn revoke(
    text: &str,
    reason: &str,
    person: &PersonKeyArgs,
    unlocking: &PassphraseArgs,
    session: &mut Session<'_>,
) -> Result<(), CommandError> {
    let home = home(session)?;
    let mut opened = Opened::of(&home, session)?;
    let machines = opened.machine(text).into_iter().map(Target::Machine);
    let targets: Vec<Target> =
        machines.chain(opened.grant(text).into_iter().map(Target::Grant)).collect();
    let target = one(&targets, text)?;
    let (machine, person) = opened.signers(&home, person, unlocking, session)?;
    // What its feeds say up to here has been seen, and stays: also what came while a passphrase was asked for.
    opened = Opened::of(&home, session)?;
    let kept = match target {
        Target::Machine(key) => opened.known.marks(&key),
        Target::Grant(_) => Vec::new(),
    };
    let reason = reason.chars().filter(|letter| !letter.is_control()).take(64).collect();
    let event = Event::Revoke { target, kept, reason };
    opened.write(|_| event, &person, &home, &machine.key, session)?;
    session.say(format_args!("{text} is revoked; `vigil puddle export` carries it to the others"))
}

/// Writes the list by which OpenSSH refuses what revoked machines sign.
fn krl(output: &Path, is_json: bool, session: &mut Session<'_>) -> Result<(), CommandError> {
    let opened = Opened::of(&home(session)?, session)?;
    let list = revoked(&opened.known);
    let at = u64::try_from(opened.now.0 / 1_000_000_000).unwrap_or(0);
    let name = opened.known.view.name.as_str();
    carry::write_file(output, &list.encode(at, &format!("revoked machines of {name}")))?;
    let (machines, keys) = (list.machines_len() as u64, list.keys_len() as u64);
    if is_json {
        return session.out.json(&json!({ "machines": machines, "keys": keys }));
    }
    let machines = human::count(machines, "machine", "machines");
    let keys = human::count(keys, "key", "keys");
    session.say(format_args!("{machines}, {keys}; git takes it as gpg.ssh.revocationFile"))
}
