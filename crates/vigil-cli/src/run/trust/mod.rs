//! `vigil person`, `vigil machine` and `vigil puddle`.
//!
//! Secrets come from files that are named or from whoever sits at the keyboard; they go to no output but
//! the words of a new Person, once, where they are asked for.

mod asking;
pub(super) mod carry;
pub(super) mod feed;
mod machine;
mod person;
pub(super) mod puddle;
mod show;

use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use vigil_base::Name;
use vigil_store::FolderDisk;
use vigil_trust::home::{Home, Person};
use vigil_trust::seal::{self, Costs, SealedHeader};
use vigil_trust::{
    Certain, CpuSource, Dice, Jitter, KeyBytes, Ledger, SecretKey, Source, System, Words,
    fingerprint, high,
};
use zeroize::Zeroizing;

use super::{Session, secret_file};
use crate::args::{CostArgs, MachineCommand, PassphraseArgs, PersonCommand, PersonKeyArgs};
use crate::failure::CommandError;
use crate::trust_failure::TrustError;

pub(super) use puddle::{Opened, clocks, perform as puddle};

/// The folder of the store that identity is kept in.
pub(super) const FOLDER: &str = "trust";

/// Longest file of words, passphrases, dice or codes, in bytes.
const SECRET_BYTES_MAX: u64 = 64 << 10;

pub(super) fn person(
    command: &PersonCommand,
    session: &mut Session<'_>,
) -> Result<(), CommandError> {
    person::perform(command, session)
}

pub(super) fn machine(
    command: &MachineCommand,
    session: &mut Session<'_>,
) -> Result<(), CommandError> {
    machine::perform(command, session)
}

/// Opens the folder that identity is kept in, which only its owner may read.
pub(in crate::run) fn home(session: &Session<'_>) -> Result<Home, CommandError> {
    // So that the folder around it is a store, whichever command comes first.
    session.store()?;
    let folder = expect_private(session)?;
    Ok(Home::new(Arc::new(FolderDisk::private(folder))))
}

/// Checks that nobody else may read the folder that identity is kept in, if there is one, and returns it.
pub(in crate::run) fn expect_private(session: &Session<'_>) -> Result<PathBuf, CommandError> {
    let folder = session.store_folder.join(FOLDER);
    match std::fs::metadata(&folder) {
        Ok(found) if found.mode() & 0o077 != 0 => {
            return Err(TrustError::Open { path: folder }.into());
        }
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(source) => {
            return Err(CommandError::File { action: "look at", path: folder, source });
        }
    }
    Ok(folder)
}

pub(super) fn guard(session: &Session<'_>) -> Result<(), CommandError> {
    let failed = |source| TrustError::System { action: "keep secrets out of core dumps", source };
    Ok(session.environment.trust.guard().map_err(failed)?)
}

/// Reads a small file of text.
pub(in crate::run) fn read_text(path: &Path) -> Result<Zeroizing<String>, CommandError> {
    let failed = |source| CommandError::File { action: "read", path: path.into(), source };
    let read = || {
        let mut file = std::fs::File::open(path)?;
        let len = file.metadata()?.len();
        if len > SECRET_BYTES_MAX {
            return Err(io::Error::new(
                io::ErrorKind::FileTooLarge,
                "it is too long for what it should be",
            ));
        }
        // As large as the file at once, so that no part of it is left behind by growing.
        let mut text = Zeroizing::new(String::with_capacity(SECRET_BYTES_MAX as usize));
        io::Read::read_to_string(&mut io::Read::take(&mut file, SECRET_BYTES_MAX), &mut text)?;
        Ok(text)
    };
    read().map_err(failed)
}

/// Writes a secret to a new file that only its owner may read.
fn write_secret(path: &Path, text: &str) -> Result<(), CommandError> {
    let failed = |source| CommandError::File { action: "write", path: path.into(), source };
    secret_file::write_new(path, text).map_err(failed)
}

fn ask(
    prompt: &str,
    is_secret: bool,
    session: &mut Session<'_>,
) -> Result<Zeroizing<String>, CommandError> {
    session.finish()?;
    let failed = |source| TrustError::System { action: "ask", source };
    // As large as an answer may be at once, so that no part of it is left behind by growing.
    let mut answer = Zeroizing::new(Vec::with_capacity(SECRET_BYTES_MAX as usize));
    if !session.environment.trust.ask(prompt, is_secret, &mut answer).map_err(failed)? {
        return Err(TrustError::NoAnswer.into());
    }
    match String::from_utf8(std::mem::take(&mut *answer)) {
        Ok(text) => Ok(Zeroizing::new(text)),
        Err(error) => {
            drop(Zeroizing::new(error.into_bytes()));
            Err(TrustError::NoText.into())
        }
    }
}

fn first_line(text: &str) -> Zeroizing<String> {
    Zeroizing::new(text.lines().next().unwrap_or_default().into())
}

/// Reads a passphrase that exists, or asks twice for a new one.
pub(super) fn passphrase(
    file: Option<&Path>,
    whose: &str,
    is_new: bool,
    session: &mut Session<'_>,
) -> Result<Zeroizing<String>, CommandError> {
    if let Some(file) = file {
        return Ok(first_line(&read_text(file)?));
    }
    let first = ask(&format!("passphrase of {whose}: "), true, session)?;
    if is_new && *ask("once more: ", true, session)? != *first {
        return Err(TrustError::Differ.into());
    }
    Ok(first)
}

fn costs(args: &CostArgs) -> Costs {
    let memory_kib = u32::try_from(args.memory >> 10).unwrap_or(u32::MAX);
    Costs { memory_kib, ..Costs::DEFAULT }
}

/// Seals a key under a passphrase.
fn sealed(
    key: &SecretKey,
    holder: seal::Holder,
    name: &Name,
    costs: Costs,
    passphrase: &str,
    session: &Session<'_>,
) -> Result<Vec<u8>, CommandError> {
    let at = session.environment.clock.now();
    let header =
        SealedHeader { holder, name: name.clone(), public: key.public().bytes(), at, costs };
    let randomness = &*session.environment.randomness;
    Ok(seal::seal(key, &header, passphrase.as_bytes(), randomness).map_err(TrustError::from)?)
}

/// Draws 256 bits of high confidence.
fn entropy(dice: Option<&Path>, session: &Session<'_>) -> Result<(Certain, Ledger), CommandError> {
    let mut dice = match dice {
        Some(path) => Some(Dice::parse(&read_text(path)?).map_err(TrustError::from)?),
        None => None,
    };
    let door = &session.environment.trust;
    let mut ticks = || door.ticks();
    let (mut system, mut cpu) = (System(&*session.environment.randomness), CpuSource);
    let mut jitter = Jitter(&mut ticks);
    let mut sources: Vec<&mut dyn Source> = vec![&mut system, &mut cpu, &mut jitter];
    sources.extend(dice.as_mut().map(|dice| dice as &mut dyn Source));
    Ok(high(&mut sources).map_err(TrustError::from)?)
}

/// Returns who the Person is.
pub(super) fn the_person(home: &Home) -> Result<Person, CommandError> {
    let person = home.person().map_err(TrustError::from)?;
    Ok(person.ok_or(TrustError::NoPerson)?)
}

/// A machine that has been unlocked.
pub(in crate::run) struct Unlocked {
    pub(super) key: SecretKey,
    pub(super) passphrase: Zeroizing<String>,
}

pub(in crate::run) fn unlock_machine(
    home: &Home,
    args: &PassphraseArgs,
    session: &mut Session<'_>,
) -> Result<Unlocked, CommandError> {
    guard(session)?;
    let file = home.machine_sealed().map_err(TrustError::from)?.ok_or(TrustError::NoMachine)?;
    let passphrase = passphrase(args.passphrase_file.as_deref(), "this machine", false, session)?;
    let (_, key) = seal::open(&file, passphrase.as_bytes()).map_err(TrustError::from)?;
    Ok(Unlocked { key, passphrase })
}

/// Follows the Person to the key that rotations in the puddle have led to, and says so.
fn follow(home: &Home, session: &mut Session<'_>) -> Result<(), CommandError> {
    let Some(here) = home.puddle().map_err(TrustError::from)? else { return Ok(()) };
    let known = home.open_puddle(here.id).map_err(TrustError::from)?;
    if let Some(person) = home.follow(&known.view).map_err(TrustError::from)? {
        session.finish()?;
        let name = person.name.as_str();
        let print = fingerprint_of(&person.key)?;
        let line = format!(
            "{name} has rotated to the key {}; if that was not you, go on no further: {print}",
            person.key
        );
        session.talk.warn("warning", line);
    }
    Ok(())
}

/// The Person's key, and the passphrase that its seal was opened with, if it was.
struct UnlockedPerson {
    key: SecretKey,
    passphrase: Option<Zeroizing<String>>,
}

/// Takes the Person's key from its words or from its sealed file.
pub(in crate::run) fn person_key(
    home: &Home,
    args: &PersonKeyArgs,
    machine_passphrase: &str,
    session: &mut Session<'_>,
) -> Result<SecretKey, CommandError> {
    Ok(unlock_person(home, args, machine_passphrase, session)?.key)
}

/// Takes the Person's key where it is at hand: where it was said from where, or where the machine's passphrase
/// opens its seal. Nobody is asked for anything.
fn person_at_hand(
    home: &Home,
    args: &PersonKeyArgs,
    machine_passphrase: &str,
    session: &mut Session<'_>,
) -> Result<Option<SecretKey>, CommandError> {
    if args.words_file.is_some() || args.person_passphrase_file.is_some() {
        return person_key(home, args, machine_passphrase, session).map(Some);
    }
    follow(home, session)?;
    let Some(person) = home.person().map_err(TrustError::from)? else { return Ok(None) };
    let Some(file) = home.person_sealed(&person.key).map_err(TrustError::from)? else {
        return Ok(None);
    };
    match seal::open(&file, machine_passphrase.as_bytes()) {
        Ok((_, key)) => Ok(Some(key)),
        Err(seal::OpenSealedError::WrongPassphrase) => Ok(None),
        // A machine is enrolled without the Person, too.
        Err(error) => {
            session.finish()?;
            let line =
                format!("the Person's key cannot be opened, so it certifies nothing: {error}");
            session.talk.warn("warning", line);
            Ok(None)
        }
    }
}

fn unlock_person(
    home: &Home,
    args: &PersonKeyArgs,
    machine_passphrase: &str,
    session: &mut Session<'_>,
) -> Result<UnlockedPerson, CommandError> {
    follow(home, session)?;
    let person = the_person(home)?;
    let unlocked = if let Some(path) = &args.words_file {
        let key = Words::parse(&read_text(path)?).map_err(TrustError::from)?.person();
        UnlockedPerson { key, passphrase: None }
    } else {
        let file = home.person_sealed(&person.key).map_err(TrustError::from)?;
        open_seal(&file.ok_or(TrustError::NoPersonKey)?, args, machine_passphrase, session)?
    };
    if unlocked.key.public().bytes() != person.key {
        return Err(TrustError::AnotherPerson.into());
    }
    Ok(unlocked)
}

/// Opens the Person's seal: with the passphrase that was named, or the machine's if it is the same, or one
/// that is asked for.
fn open_seal(
    file: &[u8],
    args: &PersonKeyArgs,
    machine_passphrase: &str,
    session: &mut Session<'_>,
) -> Result<UnlockedPerson, CommandError> {
    let first = match &args.person_passphrase_file {
        Some(path) => first_line(&read_text(path)?),
        None => Zeroizing::new(machine_passphrase.to_owned()),
    };
    let (opened, passphrase) = match seal::open(file, first.as_bytes()) {
        Err(seal::OpenSealedError::WrongPassphrase) if args.person_passphrase_file.is_none() => {
            let asked = ask("passphrase of the Person: ", true, session)?;
            (seal::open(file, asked.as_bytes()), asked)
        }
        opened => (opened, first),
    };
    let (_, key) = opened.map_err(TrustError::from)?;
    Ok(UnlockedPerson { key, passphrase: Some(passphrase) })
}

/// Returns the fingerprint of a key that may be none.
fn fingerprint_of(key: &KeyBytes) -> Result<String, CommandError> {
    Ok(fingerprint(&key.check().map_err(TrustError::from)?))
}

/// Compares a fingerprint with the one that somebody was told.
fn compare(
    key: &KeyBytes,
    given: Option<&str>,
    session: &mut Session<'_>,
) -> Result<(), CommandError> {
    let own = fingerprint_of(key)?;
    let asked;
    let told = match given {
        Some(given) => given,
        None => {
            asked =
                ask("the twelve words of the fingerprint, as they show them: ", false, session)?;
            &asked
        }
    };
    let is_same = told.split_whitespace().map(str::to_lowercase).eq(own.split(' '));
    if is_same { Ok(()) } else { Err(TrustError::Fingerprint.into()) }
}
