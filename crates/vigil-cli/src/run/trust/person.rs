//! `vigil person`.

use std::fmt::Write as _;

use serde_json::{Value, json};
use vigil_base::{Name, Vcid};
use vigil_trust::home::{Home, Person};
use vigil_trust::puddle::Event;
use vigil_trust::seal::{Costs, Holder};
use vigil_trust::{KeyBytes, Ledger, SecretKey, Words};
use zeroize::Zeroizing;

use super::puddle::Opened;
use super::{
    Session, UnlockedPerson, ask, compare, costs, entropy, fingerprint_of, follow, guard, home,
    open_seal, passphrase, read_text, sealed, the_person, unlock_machine, unlock_person,
    write_secret,
};
use crate::args::{
    CostArgs, PassphraseArgs, PersonCommand, PersonKeyArgs, PersonNewArgs, PersonRecoverArgs,
};
use crate::failure::CommandError;
use crate::human;
use crate::trust_failure::TrustError;

pub(super) fn perform(
    command: &PersonCommand,
    session: &mut Session<'_>,
) -> Result<(), CommandError> {
    match command {
        PersonCommand::New(args) => new(args, session),
        PersonCommand::Recover(args) => recover(args, session),
        PersonCommand::Show { format } => show(&home(session)?, None, format.json, session),
        PersonCommand::Trust { name, key, fingerprint } => {
            trust(name, key, fingerprint.as_deref(), session)
        }
        PersonCommand::List { format } => list(format.json, session),
        PersonCommand::Forget { name } => forget(name, session),
        PersonCommand::Rotate { new_words_file, person, passphrase, cost } => {
            rotate(new_words_file.as_deref(), person, passphrase, cost, session)
        }
    }
}

fn refuse_second(home: &Home) -> Result<(), CommandError> {
    match home.person().map_err(TrustError::from)? {
        Some(person) => Err(TrustError::PersonExists { name: person.name }.into()),
        None => Ok(()),
    }
}

/// Shows words once and asks for three of them, or writes them to a file that was named.
fn hand_out(
    words: &Words,
    file: Option<&std::path::Path>,
    session: &mut Session<'_>,
) -> Result<(), CommandError> {
    if let Some(file) = file {
        return write_secret(file, &words.text());
    }
    session.say("Write these words down, in this order. They are shown once, and nobody can bring them back.")?;
    for (at, row) in words.text().split(' ').collect::<Vec<_>>().chunks(6).enumerate() {
        // As long as a row can be at once, so that no part of it is left behind by growing.
        let mut line = Zeroizing::new(String::with_capacity(6 * 16));
        for (number, word) in row.iter().enumerate() {
            write!(line, "{:>2} {word:<10} ", at * 6 + number + 1).expect("it has room");
        }
        session.out.line(line.trim_end())?;
    }
    let questions = words.ask(&*session.environment.randomness)?;
    for number in questions.0 {
        let answer = ask(&format!("word {number}: "), true, session)?;
        if !words.is_word(number, &answer) {
            return Err(TrustError::WrongWord { number }.into());
        }
    }
    Ok(())
}

/// What a Person's key is kept under, if it is kept.
struct Keeping<'a> {
    words_only: bool,
    passphrase: &'a PassphraseArgs,
    costs: Costs,
}

fn keep(
    home: &Home,
    name: &Name,
    key: &SecretKey,
    keeping: &Keeping<'_>,
    session: &mut Session<'_>,
) -> Result<(), CommandError> {
    let public = key.public().bytes();
    let before = home.person().map_err(TrustError::from)?.map(|person| person.key);
    if !keeping.words_only {
        let file = keeping.passphrase.passphrase_file.as_deref();
        let passphrase = passphrase(file, "the Person", true, session)?;
        let sealed = sealed(key, Holder::Person, name, keeping.costs, &passphrase, session)?;
        home.keep_seal(&public, &sealed).map_err(TrustError::from)?;
    }
    let at = session.environment.clock.now();
    home.set_person(&Person { key: public, name: name.clone(), at }, before)
        .map_err(TrustError::from)?;
    let kept = Some(&public).filter(|_| !keeping.words_only);
    Ok(home.drop_seals(kept).map_err(TrustError::from)?)
}

fn new(args: &PersonNewArgs, session: &mut Session<'_>) -> Result<(), CommandError> {
    guard(session)?;
    let home = home(session)?;
    refuse_second(&home)?;
    let (entropy, ledger) = entropy(args.dice.as_deref(), session)?;
    let words = Words::new(&entropy);
    hand_out(&words, args.words_file.as_deref(), session)?;
    let keeping = Keeping {
        words_only: args.words_only,
        passphrase: &args.passphrase,
        costs: costs(&args.cost),
    };
    keep(&home, &args.name, &words.person(), &keeping, session)?;
    session.say(format_args!("made of {ledger}"))?;
    show(&home, Some(&ledger), args.format.json, session)
}

fn recover(args: &PersonRecoverArgs, session: &mut Session<'_>) -> Result<(), CommandError> {
    guard(session)?;
    let home = home(session)?;
    let words = match &args.words_file {
        Some(path) => read_text(path)?,
        None => ask("the 24 words: ", true, session)?,
    };
    let key = Words::parse(&words).map_err(TrustError::from)?.person();
    // The same Person may come back to have its key sealed here, also by the key that it has rotated to;
    // another one may not take its place.
    follow(&home, session)?;
    if let Some(person) = home.person().map_err(TrustError::from)?
        && person.key != key.public().bytes()
    {
        return Err(TrustError::PersonExists { name: person.name }.into());
    }
    let keeping = Keeping {
        words_only: args.words_only,
        passphrase: &args.passphrase,
        costs: costs(&args.cost),
    };
    keep(&home, &args.name, &key, &keeping, session)?;
    show(&home, None, args.format.json, session)
}

fn json_of(person: &Person) -> Result<Value, CommandError> {
    Ok(json!({
        "name": person.name.as_str(),
        "key": person.key.to_string(),
        "fingerprint": fingerprint_of(&person.key)?,
    }))
}

fn show(
    home: &Home,
    ledger: Option<&Ledger>,
    is_json: bool,
    session: &mut Session<'_>,
) -> Result<(), CommandError> {
    let person = the_person(home)?;
    let is_sealed = home.person_sealed(&person.key).map_err(TrustError::from)?.is_some();
    if is_json {
        let mut value = json_of(&person)?;
        value["sealed"] = json!(is_sealed);
        if let Some(ledger) = ledger {
            let credit = |credit: &vigil_trust::Credit| json!({ "source": credit.source, "bits": credit.bits, "flaw": credit.flaw });
            value["entropy"] = ledger.credits.iter().map(credit).collect();
        }
        return session.out.json(&value);
    }
    let kept = if is_sealed { "sealed here" } else { "in its words only" };
    session.out.line(format_args!("{}  {}", person.name.as_str(), person.key))?;
    session.out.line(format_args!("  fingerprint  {}", fingerprint_of(&person.key)?))?;
    session.out.line(format_args!("  key          {kept}"))
}

fn trust(
    name: &Name,
    key: &str,
    fingerprint: Option<&str>,
    session: &mut Session<'_>,
) -> Result<(), CommandError> {
    let home = home(session)?;
    let digits = Vcid::from_hex(&key.to_lowercase()).map_err(|_| TrustError::KeyText)?;
    let key = KeyBytes(*digits.as_bytes());
    let clash = |people: &[Person]| -> Result<(), TrustError> {
        match people.iter().find(|person| person.name == *name || person.key == key) {
            Some(person) => Err(TrustError::KnownAlready { name: person.name.clone() }),
            None => Ok(()),
        }
    };
    clash(&home.known().map_err(TrustError::from)?)?;
    compare(&key, fingerprint, session)?;
    let at = session.environment.clock.now();
    home.update_known(|people| {
        // Somebody else may have been told of meanwhile.
        clash(people)?;
        people.push(Person { key, name: name.clone(), at });
        Ok::<(), TrustError>(())
    })?;
    session.say(format_args!("{} is known by {key}", name.as_str()))
}

fn list(is_json: bool, session: &mut Session<'_>) -> Result<(), CommandError> {
    let people = home(session)?.known().map_err(TrustError::from)?;
    for person in &people {
        if is_json {
            let mut value = json_of(person)?;
            value["at"] = json!(person.at.0);
            session.out.json(&value)?;
        } else {
            let (name, at) = (person.name.as_str(), human::moment(person.at));
            session.out.line(format_args!("{name}  {at}  {}", person.key))?;
            session.out.line(format_args!("  {}", fingerprint_of(&person.key)?))?;
        }
    }
    if people.is_empty() {
        session.say("nobody yet; `vigil person trust NAME KEY` adds somebody")?;
    }
    Ok(())
}

fn forget(name: &Name, session: &mut Session<'_>) -> Result<(), CommandError> {
    let home = home(session)?;
    home.update_known(|people| {
        let before = people.len();
        people.retain(|person| person.name != *name);
        let is_any = people.len() < before;
        is_any.then_some(()).ok_or_else(|| TrustError::Unknown { name: name.clone() })
    })?;
    session.say(format_args!("{} is known no more", name.as_str()))
}

fn rotate(
    new_words_file: Option<&std::path::Path>,
    from: &PersonKeyArgs,
    unlocking: &PassphraseArgs,
    cost: &CostArgs,
    session: &mut Session<'_>,
) -> Result<(), CommandError> {
    let home = home(session)?;
    let machine = unlock_machine(&home, unlocking, session)?;
    let before = unlock_person(&home, from, &machine.passphrase, session)?;
    let mut opened = Opened::of(&home, session)?;
    opened.expect_person(&before.key)?;
    opened.expect_time()?;
    let key = before.key.public().bytes();
    let old_seal = home.person_sealed(&key).map_err(TrustError::from)?;
    let passphrase = match &old_seal {
        Some(seal) => Some(passphrase_of(&before, seal, from, &machine.passphrase, session)?),
        None => None,
    };
    let (entropy, ledger) = entropy(None, session)?;
    let words = Words::new(&entropy);
    hand_out(&words, new_words_file, session)?;
    let after = words.person();
    let public = after.public().bytes();
    let person = the_person(&home)?;
    // Sealed before the puddle hears of it: from then on nothing else counts as the Person's.
    if let Some(passphrase) = &passphrase {
        let seal = sealed(&after, Holder::Person, &person.name, costs(cost), passphrase, session)?;
        home.keep_seal(&public, &seal).map_err(TrustError::from)?;
    }
    let puddle = opened.here.id;
    let event = |seen: &[Vcid]| Event::rotate(&puddle, &key, seen, &after);
    opened.write(event, &before.key, &home, &machine.key, session)?;
    let at = session.environment.clock.now();
    let person = Person { key: public, name: person.name, at };
    home.set_person(&person, Some(key)).map_err(TrustError::from)?;
    home.drop_seals(passphrase.as_ref().map(|_| &public)).map_err(TrustError::from)?;
    session.say(format_args!("made of {ledger}"))?;
    show(&home, None, false, session)
}

/// Returns the passphrase of the Person's seal, under which the next key is sealed too.
fn passphrase_of(
    person: &UnlockedPerson,
    seal: &[u8],
    args: &PersonKeyArgs,
    machine_passphrase: &str,
    session: &mut Session<'_>,
) -> Result<Zeroizing<String>, CommandError> {
    if let Some(passphrase) = &person.passphrase {
        return Ok(passphrase.clone());
    }
    // The words were given; the seal tells whether it is the passphrase.
    let opened = open_seal(seal, args, machine_passphrase, session)?;
    Ok(opened.passphrase.ok_or(TrustError::NoPersonKey)?)
}
