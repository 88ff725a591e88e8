//! Policy files (C2SP tlog-policy): which logs are believed, and which witnesses must have seen what
//! they say.
//!
//! Invariants:
//! - a witness counts at most once, whatever the groups;
//! - a policy that parses names only what stands above, so evaluating it takes one pass.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;

use super::checkpoint::{
    Checkpoint, LogKeyError, LogKeys, Origin, SignedCheckpoint, UnsignedError,
};
use super::cosignature::{CosignedAt, cosigned_at};
use super::note::{KeyKind, NoteError, NoteKey, NoteKeyError};
use super::proof::{ProofError, check_inclusion};
use super::proof_file::TlogProof;
use super::text::excerpt;
use super::tile::decimal;
use super::tree::TreeHash;

/// Longest policy file, in bytes.
pub const POLICY_BYTES_MAX: usize = 1 << 20;

/// Most logs, witnesses and groups together. The specification asks for at least 32 of each.
pub const POLICY_NAMES_MAX: usize = 1024;

/// A log of a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyLog {
    /// Its key.
    pub key: NoteKey,
    /// Where it is, as the file says.
    pub url: Option<String>,
}

/// A witness of a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyWitness {
    /// What the file calls it; bytes that are not UTF-8 are shown as `\u{fffd}`.
    pub name: String,
    /// Its key.
    pub key: NoteKey,
    /// Where it is, as the file says.
    pub url: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Member {
    Witness(usize),
    Group(usize),
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Group {
    needed: usize,
    members: Vec<Member>,
}

/// A policy: logs, witnesses and a quorum.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogPolicy {
    logs: Vec<PolicyLog>,
    witnesses: Vec<PolicyWitness>,
    groups: Vec<Group>,
    quorum: Option<Member>,
    quorum_name: String,
}

/// Why a text is not a policy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line} of the policy")]
pub struct PolicyError {
    /// The line, from 1; for what is missing, the last.
    pub line: usize,
    /// What is wrong with it.
    #[source]
    pub fault: PolicyFault,
}

/// What is wrong with a line of a policy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyFault {
    /// The file is too long.
    #[error("a policy has at most {POLICY_BYTES_MAX} bytes and {POLICY_NAMES_MAX} names")]
    Long,
    /// There is a control character.
    #[error("the only control characters of a policy are tab and line feed")]
    Character,
    /// The line begins with a word that means nothing.
    #[error("`{word}` means nothing here: a line begins with log, witness, group, quorum or #")]
    Word {
        /// The word, cut to 80 characters.
        word: String,
    },
    /// The line has too few or too many words.
    #[error("the line is to read `{form}`")]
    Form {
        /// What it is to read.
        form: &'static str,
    },
    /// A key is none.
    #[error(transparent)]
    Key(#[from] NoteKeyError),
    /// A log's key cannot speak for a log.
    #[error(transparent)]
    LogKey(#[from] LogKeyError),
    /// A witness's key is that of a log.
    #[error("the key of {name} is of type 0x01; witnesses have 0x04 or 0x06")]
    WitnessKey {
        /// The key's name.
        name: String,
    },
    /// A key stands there twice.
    #[error("this key is in the policy already, which would count it twice")]
    Duplicate,
    /// A name is taken.
    #[error("`{name}` is taken")]
    Taken {
        /// The name.
        name: String,
    },
    /// A name is not known.
    #[error("`{name}` is no witness and no group above this line")]
    Unknown {
        /// The name.
        name: String,
    },
    /// A name is a member twice.
    #[error("`{name}` is a member of a group already, and may count only once")]
    Again {
        /// The name.
        name: String,
    },
    /// The threshold cannot be met, or is none.
    #[error("the threshold is all, any, or a number from 1 to that of the members")]
    Threshold,
    /// There is another quorum.
    #[error("there is a quorum already")]
    Quorums,
    /// There is no quorum.
    #[error("there is no quorum line; `quorum none` asks for no witness")]
    NoQuorum,
}

/// What is known so far while lines are read.
#[derive(Default)]
struct Reader {
    logs: Vec<PolicyLog>,
    witnesses: Vec<PolicyWitness>,
    groups: Vec<Group>,
    names: BTreeMap<Vec<u8>, Member>,
    members: BTreeSet<Vec<u8>>,
    quorum: Option<(Option<Member>, String)>,
}

impl LogPolicy {
    /// Reads a policy file.
    pub fn parse(bytes: &[u8]) -> Result<Self, PolicyError> {
        if bytes.len() > POLICY_BYTES_MAX {
            return Err(PolicyError { line: 1, fault: PolicyFault::Long });
        }
        let mut reader = Reader::default();
        let mut count = 0;
        for (number, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
            count = number + 1;
            reader.line(line).map_err(|fault| PolicyError { line: count, fault })?;
        }
        let missing = PolicyError { line: count, fault: PolicyFault::NoQuorum };
        let (quorum, quorum_name) = reader.quorum.ok_or(missing)?;
        let Reader { logs, witnesses, groups, .. } = reader;
        Ok(Self { logs, witnesses, groups, quorum, quorum_name })
    }

    /// Returns the logs.
    pub fn logs(&self) -> &[PolicyLog] {
        &self.logs
    }

    /// Returns the witnesses.
    pub fn witnesses(&self) -> &[PolicyWitness] {
        &self.witnesses
    }

    /// Returns the keys of a log, if the policy believes it.
    pub fn log_keys(&self, origin: &Origin) -> Option<LogKeys> {
        let named = |log: &&PolicyLog| log.key.name().as_str() == origin.as_str();
        let keys: Vec<NoteKey> =
            self.logs.iter().filter(named).map(|log| log.key.clone()).collect();
        (!keys.is_empty()).then(|| LogKeys::new(origin.clone(), keys).ok()).flatten()
    }

    /// Checks who signed a checkpoint, and whether the witnesses suffice. A cosignature counts only if
    /// `counts` says so of its time.
    ///
    /// # Errors
    /// Fails for a log that the policy does not believe, a forged signature, or too few witnesses.
    pub fn verify<'a>(
        &self,
        checkpoint: &'a SignedCheckpoint,
        counts: impl Fn(CosignedAt) -> bool,
    ) -> Result<Witnessed<'a>, PolicyRefusal> {
        let origin = &checkpoint.unverified().origin;
        let unknown = || PolicyRefusal::UnknownLog { origin: origin.clone() };
        let keys = self.log_keys(origin).ok_or_else(unknown)?;
        let checked = checkpoint.verify(&keys)?;
        let mut seen = Vec::with_capacity(self.witnesses.len());
        for witness in &self.witnesses {
            let at = cosigned_at(checkpoint, &witness.key).map_err(PolicyRefusal::Forged)?;
            seen.push(match at {
                _ if witness.key.kind() == KeyKind::MlDsa44 => Sight::NotChecked,
                Some(at) if counts(at) => Sight::Counts(at),
                Some(at) => Sight::TooOld(at),
                None => Sight::Absent,
            });
        }
        let holds = self.quorum_holds(&seen);
        let named = self.witnesses.iter().map(|witness| witness.name.clone());
        let sights: Vec<(String, Sight)> = named.zip(seen).collect();
        match holds {
            true => Ok(Witnessed { checkpoint: checked, sights }),
            false => Err(PolicyRefusal::Quorum { quorum: self.quorum_name.clone(), sights }),
        }
    }

    /// Says whether what the witnesses say, in the order of the file, is enough.
    pub(crate) fn quorum_holds(&self, seen: &[Sight]) -> bool {
        let mut groups: Vec<bool> = Vec::with_capacity(self.groups.len());
        let holds = |groups: &[bool], member: &Member| match member {
            Member::Witness(index) => matches!(seen.get(*index), Some(Sight::Counts(_))),
            Member::Group(index) => groups.get(*index) == Some(&true),
        };
        for group in &self.groups {
            let count = group.members.iter().filter(|member| holds(&groups, member)).count();
            groups.push(count >= group.needed);
        }
        self.quorum.is_none_or(|member| holds(&groups, &member))
    }

    /// Checks that an entry with this hash is in a log, as the policy asks for.
    pub fn verify_proof<'a>(
        &self,
        proof: &'a TlogProof,
        leaf: TreeHash,
        counts: impl Fn(CosignedAt) -> bool,
    ) -> Result<Witnessed<'a>, PolicyRefusal> {
        let witnessed = self.verify(&proof.checkpoint, counts)?;
        check_inclusion(proof.inclusion(), leaf, &proof.path, witnessed.checkpoint.root)?;
        Ok(witnessed)
    }
}

/// What a witness says about a checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sight {
    /// It saw it, at a time that counts.
    Counts(CosignedAt),
    /// It saw it, at a time that does not count.
    TooOld(CosignedAt),
    /// It does not say anything.
    Absent,
    /// Its kind of signature is not checked here.
    NotChecked,
}

/// A checkpoint that satisfied a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Witnessed<'a> {
    /// What the log says.
    pub checkpoint: &'a Checkpoint,
    /// What each witness of the policy says.
    pub sights: Vec<(String, Sight)>,
}

/// Why a checkpoint or a proof does not satisfy a policy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyRefusal {
    /// The log is not one of the policy.
    #[error("the policy has no key of the log {origin}")]
    UnknownLog {
        /// The log.
        origin: Origin,
    },
    /// The log did not sign.
    #[error(transparent)]
    Log(#[from] UnsignedError),
    /// A cosignature is forged.
    #[error("the checkpoint carries a forged cosignature")]
    Forged(#[source] NoteError),
    /// Too few witnesses saw it.
    #[error("the quorum `{quorum}` is not met: {}", tell(sights))]
    Quorum {
        /// The name of the quorum.
        quorum: String,
        /// What each witness says.
        sights: Vec<(String, Sight)>,
    },
    /// The entry is not in the tree.
    #[error("the proof does not lead from this entry to the checkpoint")]
    Proof(#[from] ProofError),
}

fn tell(sights: &[(String, Sight)]) -> String {
    let counted = sights.iter().filter(|(_, sight)| matches!(sight, Sight::Counts(_))).count();
    let mut text = alloc::format!("{counted} of {} witnesses saw the checkpoint", sights.len());
    for (name, sight) in sights {
        let why = match sight {
            Sight::Counts(_) => continue,
            Sight::TooOld(_) => "saw it at a time that does not count",
            Sight::Absent => "is missing",
            Sight::NotChecked => "signs with ML-DSA-44, which is not checked here",
        };
        text += &alloc::format!("; {name} {why}");
    }
    text
}

fn shown(word: &[u8]) -> String {
    excerpt(&String::from_utf8_lossy(word))
}

fn key_of(word: &[u8]) -> Result<NoteKey, PolicyFault> {
    let bad = || NoteKeyError::Shape { text: shown(word) };
    Ok(NoteKey::parse(core::str::from_utf8(word).map_err(|_| bad())?)?)
}

impl Reader {
    fn line(&mut self, line: &[u8]) -> Result<(), PolicyFault> {
        if line.iter().any(|byte| (*byte < 0x20 && *byte != b'\t') || *byte == 0x7f) {
            return Err(PolicyFault::Character);
        }
        let words = line.split(|byte| matches!(byte, b' ' | b'\t'));
        let words: Vec<&[u8]> = words.filter(|word| !word.is_empty()).collect();
        match words.as_slice() {
            [] => Ok(()),
            [first, ..] if first.starts_with(b"#") => Ok(()),
            [first, rest @ ..] => match *first {
                b"log" => self.log(rest),
                b"witness" => self.witness(rest),
                b"group" => self.group(rest),
                b"quorum" => self.quorum(rest),
                word => Err(PolicyFault::Word { word: shown(word) }),
            },
        }
    }

    fn log(&mut self, words: &[&[u8]]) -> Result<(), PolicyFault> {
        let (key, url) = match words {
            [key] => (key, None),
            [key, url] => (key, Some(shown(url))),
            _ => return Err(PolicyFault::Form { form: "log VKEY [URL]" }),
        };
        let key = key_of(key)?;
        LogKeys::of(key.clone())?;
        if self.logs.iter().any(|log| log.key.is_same_key(&key)) {
            return Err(PolicyFault::Duplicate);
        }
        self.room()?;
        self.logs.push(PolicyLog { key, url });
        Ok(())
    }

    fn witness(&mut self, words: &[&[u8]]) -> Result<(), PolicyFault> {
        let (name, key, url) = match words {
            [name, key] => (name, key, None),
            [name, key, url] => (name, key, Some(shown(url))),
            _ => return Err(PolicyFault::Form { form: "witness NAME VKEY [URL]" }),
        };
        let key = key_of(key)?;
        if key.kind() == KeyKind::Ed25519 {
            return Err(PolicyFault::WitnessKey { name: key.name().to_string() });
        }
        if self.witnesses.iter().any(|witness| witness.key.is_same_key(&key)) {
            return Err(PolicyFault::Duplicate);
        }
        self.define(name, Member::Witness(self.witnesses.len()))?;
        self.witnesses.push(PolicyWitness { name: shown(name), key, url });
        Ok(())
    }

    fn group(&mut self, words: &[&[u8]]) -> Result<(), PolicyFault> {
        let [name, needed, names @ ..] = words else {
            return Err(PolicyFault::Form { form: "group NAME all|any|K MEMBER…" });
        };
        let mut members = Vec::new();
        for member in names {
            let unknown = || PolicyFault::Unknown { name: shown(member) };
            members.push(*self.names.get(*member).ok_or_else(unknown)?);
            if !self.members.insert(member.to_vec()) {
                return Err(PolicyFault::Again { name: shown(member) });
            }
        }
        let number = |word| decimal(core::str::from_utf8(word).ok()?)?.try_into().ok();
        let needed = match *needed {
            b"all" => Some(members.len()),
            b"any" => Some(1),
            word => number(word),
        };
        let fits = |needed: &usize| (1..=members.len()).contains(needed);
        let needed = needed.filter(fits).ok_or(PolicyFault::Threshold)?;
        self.define(name, Member::Group(self.groups.len()))?;
        self.groups.push(Group { needed, members });
        Ok(())
    }

    fn quorum(&mut self, words: &[&[u8]]) -> Result<(), PolicyFault> {
        let [name] = words else { return Err(PolicyFault::Form { form: "quorum NAME" }) };
        if self.quorum.is_some() {
            return Err(PolicyFault::Quorums);
        }
        let member = match *name {
            b"none" => None,
            name => {
                let unknown = || PolicyFault::Unknown { name: shown(name) };
                Some(*self.names.get(name).ok_or_else(unknown)?)
            }
        };
        self.quorum = Some((member, shown(name)));
        Ok(())
    }

    fn define(&mut self, name: &[u8], member: Member) -> Result<(), PolicyFault> {
        self.room()?;
        if name == b"none" || self.names.insert(name.to_vec(), member).is_some() {
            return Err(PolicyFault::Taken { name: shown(name) });
        }
        Ok(())
    }

    fn room(&self) -> Result<(), PolicyFault> {
        let count = self.logs.len() + self.names.len();
        if count < POLICY_NAMES_MAX { Ok(()) } else { Err(PolicyFault::Long) }
    }
}
