//! The policy of the gate: a small file of lines, each with a default that the file shows.

use alloc::borrow::ToOwned as _;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::vec::Vec;

use vigil_base::Vcid;

use super::quorum::Quorum;
use crate::formats::MinisignKey;
use crate::keys::{KeyBytes, PublicKey};
use crate::log::text::excerpt;
use crate::log::{LogPolicy, PolicyError};
use crate::package::{Footprint, Need, PackageName};

/// The policy without a policy, with all that could be said in comments.
pub const DEFAULT_POLICY: &str = include_str!("default.policy");

/// Longest policy, in bytes.
pub const GATE_POLICY_BYTES_MAX: usize = 1 << 20;
/// Most rebuilders that can be asked for: what one package can carry.
const REBUILDERS_MAX: usize = crate::package::ATTESTATIONS_MAX;
/// Words of lines that are another format's.
const LOG_WORDS: [&str; 4] = ["log", "witness", "group", "quorum"];

/// Somebody who may vouch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownPerson {
    /// What the policy's owner calls them.
    pub name: String,
    /// Their keys.
    pub keys: BTreeSet<KeyBytes>,
    /// Keys of minisign that speak for them.
    pub(super) minisign: Vec<MinisignKey>,
    /// Keys of sigstore bundles that speak for them.
    pub(super) sigstore: Vec<PublicKey>,
}

/// What a line is about: everything, all packages below a prefix, or one.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Pattern(String);

impl Pattern {
    fn parse(text: &str) -> Option<Self> {
        let is_good = match text.strip_suffix('*') {
            Some("") => true,
            Some(prefix) => prefix
                .strip_suffix('/')
                .is_some_and(|it| PackageName::parse(&(it.to_owned() + "/x")).is_ok()),
            None => PackageName::parse(text).is_ok(),
        };
        is_good.then(|| Self(text.into()))
    }

    fn covers(&self, package: &str) -> bool {
        match self.0.strip_suffix('*') {
            Some(prefix) => package.starts_with(prefix),
            None => self.0 == package,
        }
    }
}

/// How packages are judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GatePolicy {
    pub(super) quorum: Quorum,
    pub(super) needs_log: bool,
    /// In seconds; for ever if none.
    pub(super) age_max: Option<u64>,
    pub(super) people: Vec<KnownPerson>,
    publishers: Vec<(Pattern, Vec<String>)>,
    allowed: Vec<(Pattern, Footprint)>,
    pub(super) revoked: BTreeSet<[u8; 32]>,
    pub(super) logs: Option<LogPolicy>,
}

/// Why a text is not a policy of the gate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line} of the policy")]
pub struct GatePolicyError {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong with it.
    #[source]
    pub fault: GatePolicyFault,
}

/// What is wrong with a line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GatePolicyFault {
    /// The file is too long, or no text.
    #[error("a policy is text of at most {GATE_POLICY_BYTES_MAX} bytes")]
    Text,
    /// The line begins with a word that means nothing.
    #[error("`{word}` means nothing here; `vigil pkg policy` prints all lines that there are")]
    Word {
        /// The word, cut to 80 characters.
        word: String,
    },
    /// The line is not as it should be.
    #[error("the line is to read `{form}`")]
    Form {
        /// How it is to read.
        form: &'static str,
    },
    /// There is another such line.
    #[error("there is another line `{word}`")]
    Twice {
        /// The word.
        word: String,
    },
    /// Nobody of that name may vouch.
    #[error("`{name}` is nobody that the policy names or this machine knows")]
    Nobody {
        /// The name.
        name: String,
    },
    /// One key speaks for two people.
    #[error("this key speaks for {name} already, and counts once")]
    Taken {
        /// For whom.
        name: String,
    },
    /// A line about logs is wrong.
    #[error(transparent)]
    Log(PolicyErrorFault),
}

/// What is wrong with a line about logs.
pub type PolicyErrorFault = crate::log::PolicyFault;

/// What has been read so far.
struct Reader {
    policy: GatePolicy,
    seen: BTreeSet<String>,
    /// Names that lines use, with the line: they may be defined below.
    used: Vec<(usize, String)>,
    /// The lines about logs, each in its place.
    logs: String,
    has_log: bool,
}

impl GatePolicy {
    /// Reads a policy. `known` are the people whom this machine knows, by name.
    ///
    /// # Errors
    /// Says which line is wrong, and how.
    pub fn parse(bytes: &[u8], known: &[(&str, KeyBytes)]) -> Result<Self, GatePolicyError> {
        let text = core::str::from_utf8(bytes).ok();
        let text = text.filter(|text| text.len() <= GATE_POLICY_BYTES_MAX);
        let text = text.ok_or(GatePolicyError { line: 1, fault: GatePolicyFault::Text })?;
        let mut reader = Reader::new();
        for (name, key) in known {
            reader.policy.know(name, *key).map_err(|fault| GatePolicyError { line: 1, fault })?;
        }
        for (number, line) in text.lines().enumerate() {
            let line = line.split('#').next().unwrap_or_default();
            let failed = |fault| GatePolicyError { line: number + 1, fault };
            reader.line(number + 1, line).map_err(failed)?;
            reader.logs.push('\n');
        }
        reader.finish()
    }

    /// Returns who may vouch.
    pub fn people(&self) -> &[KnownPerson] {
        &self.people
    }

    /// Returns how many people must have rebuilt a package.
    pub fn quorum(&self) -> Quorum {
        self.quorum
    }

    /// Returns which logs and witnesses are believed.
    pub fn logs(&self) -> Option<&LogPolicy> {
        self.logs.as_ref()
    }

    fn know(&mut self, name: &str, key: KeyBytes) -> Result<(), GatePolicyFault> {
        let taken = self.people.iter().find(|person| person.keys.contains(&key));
        match taken {
            Some(person) if person.name == name => Ok(()),
            Some(person) => Err(GatePolicyFault::Taken { name: person.name.clone() }),
            None => {
                self.person(name).keys.insert(key);
                Ok(())
            }
        }
    }

    fn person(&mut self, name: &str) -> &mut KnownPerson {
        let at = match self.people.iter().position(|person| person.name == name) {
            Some(at) => at,
            None => {
                let (keys, minisign, sigstore) = Default::default();
                self.people.push(KnownPerson { name: name.into(), keys, minisign, sigstore });
                self.people.len() - 1
            }
        };
        &mut self.people[at]
    }

    /// Returns who speaks with a key.
    pub(super) fn find(&self, key: &KeyBytes) -> Option<usize> {
        self.people.iter().position(|person| person.keys.contains(key))
    }

    /// Returns who alone may publish a package, if the policy says so.
    pub(super) fn publishers(&self, package: &str) -> Option<BTreeSet<&str>> {
        let lines = self.publishers.iter().filter(|(pattern, _)| pattern.covers(package));
        let mut names = lines.map(|(_, names)| names.iter().map(String::as_str)).peekable();
        names.peek()?;
        Some(names.flatten().collect())
    }

    /// Returns what a package may need.
    pub(super) fn allowed(&self, package: &str) -> Footprint {
        let lines = self.allowed.iter().filter(|(pattern, _)| pattern.covers(package));
        lines.flat_map(|(_, needs)| needs.iter().cloned()).collect()
    }

    /// Returns which of some ids and keys count no more.
    pub(super) fn is_revoked(&self, id: &[u8; 32]) -> bool {
        self.revoked.contains(id)
    }
}

/// Reads a span as the command line does; months have 30 days, years 365.
fn span(text: &str) -> Option<u64> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let hours = match unit {
        "h" => 1,
        "d" => 24,
        "w" => 24 * 7,
        "m" => 24 * 30,
        "y" => 24 * 365,
        _ => return None,
    };
    number(digits)?.checked_mul(hours * 3600)
}

fn number(text: &str) -> Option<u64> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| is_number)
}

fn hex(text: &str) -> Option<[u8; 32]> {
    let text = text.strip_prefix("sha256:").unwrap_or(text);
    Vcid::from_hex(text).ok().map(|id| *id.as_bytes())
}

fn form<T>(value: Option<T>, form: &'static str) -> Result<T, GatePolicyFault> {
    value.ok_or(GatePolicyFault::Form { form })
}

impl Reader {
    fn new() -> Self {
        let (people, publishers, allowed, revoked) = Default::default();
        let policy = GatePolicy {
            quorum: Quorum { agreeing: 3, disagreeing: 0 },
            needs_log: true,
            age_max: Some(365 * 24 * 3600),
            people,
            publishers,
            allowed,
            revoked,
            logs: None,
        };
        let (seen, used, logs) = Default::default();
        Self { policy, seen, used, logs, has_log: false }
    }

    fn line(&mut self, number: usize, line: &str) -> Result<(), GatePolicyFault> {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        let [word, rest @ ..] = words.as_slice() else { return Ok(()) };
        match *word {
            "rebuilders" | "disagreeing" | "inclusion" | "max-age" => self.setting(word, rest),
            "person" => {
                let wanted = "person NAME KEY (64 hexadecimal digits)";
                let [name, key] = rest else { return form(None, wanted) };
                self.policy.know(name, KeyBytes(form(hex(key), wanted)?))
            }
            "publisher" => {
                let wanted = "publisher PATTERN NAME…, such as publisher example.com/* ada";
                let [pattern, names @ ..] = rest else { return form(None, wanted) };
                let pattern = form(Pattern::parse(pattern).filter(|_| !names.is_empty()), wanted)?;
                let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
                self.used.extend(names.iter().map(|name| (number, name.clone())));
                self.policy.publishers.push((pattern, names));
                Ok(())
            }
            "allow" => {
                let wanted = "allow PATTERN NEED…, such as allow example.com/* network:example.com";
                let [pattern, needs @ ..] = rest else { return form(None, wanted) };
                let pattern = form(Pattern::parse(pattern).filter(|_| !needs.is_empty()), wanted)?;
                let needs = needs.iter().map(|need| Need::parse(need).ok());
                let needs = form(needs.collect::<Option<Footprint>>(), wanted)?;
                self.policy.allowed.push((pattern, needs));
                Ok(())
            }
            "minisign" | "sigstore" => self.foreign(word, rest),
            "revoked" => {
                let wanted = "revoked ID (64 hexadecimal digits)";
                let [id] = rest else { return form(None, wanted) };
                self.policy.revoked.insert(form(hex(id), wanted)?);
                Ok(())
            }
            word if LOG_WORDS.contains(&word) => {
                self.has_log = true;
                self.logs.push_str(line);
                Ok(())
            }
            word => Err(GatePolicyFault::Word { word: excerpt(word) }),
        }
    }

    fn setting(&mut self, word: &str, rest: &[&str]) -> Result<(), GatePolicyFault> {
        if !self.seen.insert(word.into()) {
            return Err(GatePolicyFault::Twice { word: word.into() });
        }
        let value = match rest {
            [value] => Some(*value),
            _ => None,
        };
        let count = || {
            let count = value.and_then(number).and_then(|count| usize::try_from(count).ok());
            count.filter(|count| *count <= REBUILDERS_MAX)
        };
        match word {
            "rebuilders" => {
                self.policy.quorum.agreeing = form(count(), "rebuilders COUNT (0 to 64)")?;
            }
            "disagreeing" => {
                self.policy.quorum.disagreeing = form(count(), "disagreeing COUNT (0 to 64)")?;
            }
            "inclusion" => {
                self.policy.needs_log = match value {
                    Some("required") => true,
                    Some("waived") => false,
                    _ => return form(None, "inclusion required, or inclusion waived"),
                };
            }
            _ => {
                self.policy.age_max = match value {
                    Some("never") => None,
                    value => Some(form(value.and_then(span), "max-age SPAN, or max-age never")?),
                };
            }
        }
        Ok(())
    }

    fn foreign(&mut self, word: &str, rest: &[&str]) -> Result<(), GatePolicyFault> {
        let wanted = match word {
            "minisign" => "minisign NAME KEY (as `minisign -P` takes it)",
            _ => "sigstore NAME KEY (64 hexadecimal digits of an Ed25519 key)",
        };
        let [name, key] = rest else { return form(None, wanted) };
        let key = match word {
            "minisign" => Ok(form(MinisignKey::parse(key).ok(), wanted)?),
            _ => Err(form(hex(key).and_then(|key| PublicKey::from_bytes(&key).ok()), wanted)?),
        };
        let speaks = |person: &&KnownPerson| match &key {
            Ok(key) => person.minisign.iter().any(|other| other.key == key.key),
            Err(key) => person.sigstore.contains(key),
        };
        if let Some(person) = self.policy.people.iter().find(speaks) {
            return Err(GatePolicyFault::Taken { name: person.name.clone() });
        }
        let person = self.policy.person(name);
        match key {
            Ok(key) => person.minisign.push(key),
            Err(key) => person.sigstore.push(key),
        }
        Ok(())
    }

    fn finish(mut self) -> Result<GatePolicy, GatePolicyError> {
        let names: BTreeMap<&str, ()> =
            self.policy.people.iter().map(|person| (person.name.as_str(), ())).collect();
        if let Some((line, name)) =
            self.used.iter().find(|(_, name)| !names.contains_key(name.as_str()))
        {
            let fault = GatePolicyFault::Nobody { name: excerpt(name) };
            return Err(GatePolicyError { line: *line, fault });
        }
        if self.has_log {
            let parsed = LogPolicy::parse(self.logs.as_bytes());
            let failed = |PolicyError { line, fault }| GatePolicyError {
                line,
                fault: GatePolicyFault::Log(fault),
            };
            self.policy.logs = Some(parsed.map_err(failed)?);
        }
        Ok(self.policy)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    const KEY: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    fn parse(text: &str) -> Result<GatePolicy, (usize, GatePolicyFault)> {
        let known = [("ada", KeyBytes([1; 32]))];
        GatePolicy::parse(text.as_bytes(), &known).map_err(|error| (error.line, error.fault))
    }

    #[test]
    fn the_default_says_what_nothing_says() {
        assert_eq!(parse(DEFAULT_POLICY), parse(""));
        // Each comment that could be a line is one.
        let mut count = 0;
        for line in DEFAULT_POLICY.lines().filter_map(|line| line.strip_prefix('#')) {
            let word = line.split(' ').next().unwrap_or_default();
            if !word.is_empty() && !LOG_WORDS.contains(&word) {
                let text = format!("person bob {KEY}\n{}", line.replace("ada 0123", "ada 9123"));
                assert!(parse(&text).is_ok(), "{text}: {:?}", parse(&text));
                count += 1;
            }
        }
        assert_eq!(count, 7);
    }

    #[test]
    fn patterns_cover_whole_steps() {
        let covers =
            |pattern: &str, package: &str| Pattern::parse(pattern).expect("one").covers(package);
        assert!(covers("*", "a.b/c") && covers("a.b/*", "a.b/c/d") && covers("a.b/c", "a.b/c"));
        assert!(!covers("a.b/*", "a.bc/d") && !covers("a.b/c", "a.b/c/d"));
        assert!(covers("a.b/c/*", "a.b/c/d") && !covers("a.b/c/*", "a.b/cd"));
        for text in ["", "a*", "a.b/c*", "/*", "a.b", "A/b", "a.b/**"] {
            assert_eq!(Pattern::parse(text), None, "{text}");
        }
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        let fault = |text: &str| parse(text).expect_err("it is wrong");
        assert!(matches!(fault("\nrebuilder 3"), (2, GatePolicyFault::Word { .. })));
        assert!(matches!(fault("rebuilders 3\nrebuilders 2"), (2, GatePolicyFault::Twice { .. })));
        assert!(matches!(fault("rebuilders 65"), (1, GatePolicyFault::Form { .. })));
        assert!(matches!(fault("max-age 3"), (1, GatePolicyFault::Form { .. })));
        assert!(matches!(fault("max-age +3d"), (1, GatePolicyFault::Form { .. })));
        assert!(matches!(fault("publisher * eve"), (1, GatePolicyFault::Nobody { .. })));
        assert!(matches!(fault("\n\nquorum x"), (3, GatePolicyFault::Log(_))));
        let again = format!("person bob {KEY}\nperson eve {KEY}");
        assert!(matches!(fault(&again), (2, GatePolicyFault::Taken { .. })));
        let two = format!("person ada {KEY}");
        assert_eq!(parse(&two).expect("two keys of one person").people()[0].keys.len(), 2);
        assert_eq!(parse("max-age 2w").expect("one").age_max, Some(14 * 24 * 3600));
    }
}
