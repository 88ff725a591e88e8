//! Names that people vouch for: `att://domain/name@version`, as a fold over their owner's feeds.
//!
//! A pointer says what a name means in one version. Within a feed the later one counts. Where two
//! machines of one owner set the same pointer, the one that names the other as replaced counts; if
//! neither does, both stand, and there is no answer until one replaces them. A forked feed freezes the
//! pointers that it sets: both sides are shown, and neither is believed.
//!
//! Whose domain it is, is no question for this module: the caller hands in the feeds of the one Person
//! that its policy names for the domain.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use vigil_base::cbor::{DecodeError, Decoder, Encoder, Fault};
use vigil_base::{Blame, Blamed, EntryKind, Vcid};

use crate::feed::{Batch, FeedId};
use crate::list::decode_rising;

mod records;

pub use records::{Domains, NameState};

const TAG: &str = "vigil.name/1";

const DOMAIN_BYTES_MAX: usize = 253;
const NAME_BYTES_MAX: usize = 255;
const VERSION_BYTES_MAX: usize = 64;
const REPLACES_MAX: usize = 64;

/// A name in one version: `domain/name@version`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct AttName {
    domain: String,
    name: String,
    version: String,
}

/// Why a text is not such a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AttNameError {
    /// It has not the three parts.
    #[error("a name is `domain/name@version`, such as `plant7.example/log@12`")]
    Shape,
    /// The domain is none.
    #[error("a domain is labels of a-z, 0-9 and `-`, parted by dots")]
    Domain,
    /// The name is none.
    #[error(
        "a name is steps of letters a-z, digits, `-`, `_`, `.` and `+`, parted by `/`, none of them dots alone"
    )]
    Name,
    /// The version is none.
    #[error("a version is letters, digits, `-`, `_`, `.` and `+`, at most {VERSION_BYTES_MAX}")]
    Version,
}

impl Blamed for AttNameError {
    fn blame(&self) -> Blame {
        Blame::Caller
    }
}

fn is_domain(domain: &str) -> bool {
    let is_letter = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-');
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(is_letter)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    domain.len() <= DOMAIN_BYTES_MAX && domain.split('.').all(is_label)
}

fn is_name(name: &str) -> bool {
    let is_letter =
        |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'+');
    let is_step = |step: &str| {
        !step.is_empty() && step.bytes().all(is_letter) && step.bytes().any(|byte| byte != b'.')
    };
    name.len() <= NAME_BYTES_MAX && name.split('/').all(is_step)
}

fn is_version(version: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.+".contains(&byte);
    (1..=VERSION_BYTES_MAX).contains(&version.len()) && version.bytes().all(is_letter)
}

impl AttName {
    /// Checks the parts.
    ///
    /// # Errors
    /// Says which part is not as it should be.
    pub fn new(domain: &str, name: &str, version: &str) -> Result<Self, AttNameError> {
        check_domain(domain)?;
        if !is_name(name) {
            return Err(AttNameError::Name);
        }
        if !is_version(version) {
            return Err(AttNameError::Version);
        }
        Ok(Self { domain: domain.into(), name: name.into(), version: version.into() })
    }

    /// Reads `domain/name@version`, with or without `att://` in front.
    ///
    /// # Errors
    /// Says what is not as it should be.
    pub fn parse(text: &str) -> Result<Self, AttNameError> {
        let text = text.strip_prefix("att://").unwrap_or(text);
        let (path, version) = text.rsplit_once('@').ok_or(AttNameError::Shape)?;
        let (domain, name) = path.split_once('/').ok_or(AttNameError::Shape)?;
        Self::new(domain, name, version)
    }

    /// Returns the domain.
    pub fn domain(&self) -> &str {
        &self.domain
    }

    /// Returns the name below the domain.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the version.
    pub fn version(&self) -> &str {
        &self.version
    }
}

impl fmt::Display for AttName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "att://{}/{}@{}", self.domain, self.name, self.version)
    }
}

/// Checks a domain.
///
/// # Errors
/// Fails for whatever is none.
pub fn check_domain(domain: &str) -> Result<(), AttNameError> {
    if is_domain(domain) { Ok(()) } else { Err(AttNameError::Domain) }
}

/// What a pointer leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct NameTarget {
    /// Whether it is a file or a tree.
    pub kind: EntryKind,
    /// Its bytes, or its record.
    pub vcid: Vcid,
}

/// An entry of a feed that sets a pointer, or takes it away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameEntry {
    /// The pointer.
    pub name: AttName,
    /// What it means; nothing any more if none.
    pub target: Option<NameTarget>,
    /// Entries of other feeds that this one replaces, by their ids, rising.
    pub replaces: Vec<Vcid>,
}

impl NameEntry {
    /// Says whether an entry carries the type tag of names.
    pub fn is_tagged(entry: &[u8]) -> bool {
        Decoder::record(entry, TAG, 6).is_ok()
    }

    /// Returns the record.
    pub fn encode(&self) -> Vec<u8> {
        let mut encoder = Encoder::record(TAG, 6);
        encoder.text(&self.name.domain);
        encoder.text(&self.name.name);
        encoder.text(&self.name.version);
        NameTarget::encode_into(self.target, &mut encoder);
        encoder.array(self.replaces.len());
        self.replaces.iter().for_each(|id| encoder.bytes(id.as_bytes()));
        encoder.finish()
    }

    /// Reads an entry.
    ///
    /// # Errors
    /// Fails for other records, and for what is no name.
    pub fn decode(entry: &[u8]) -> Result<Self, DecodeError> {
        let mut decoder = Decoder::record(entry, TAG, 6)?;
        let at = decoder.offset();
        let (domain, name, version) = (decoder.text()?, decoder.text()?, decoder.text()?);
        let Ok(name) = AttName::new(domain, name, version) else {
            return decoder.fault(at, Fault::Range);
        };
        let target = NameTarget::decode_from(&mut decoder)?;
        let replaces =
            decode_rising(&mut decoder, REPLACES_MAX, |d| d.byte_array().map(Vcid::from_bytes))?;
        decoder.finish()?;
        Ok(Self { name, target, replaces })
    }
}

impl NameTarget {
    /// Writes a target, or that there is none.
    pub fn encode_into(target: Option<Self>, encoder: &mut Encoder) {
        match target {
            Some(Self { kind, vcid }) => {
                encoder.array(2);
                encoder.unsigned(kind.code());
                encoder.bytes(vcid.as_bytes());
            }
            None => encoder.null(),
        }
    }

    /// Reads what [`NameTarget::encode_into`] writes.
    ///
    /// # Errors
    /// Fails for other items.
    pub fn decode_from(decoder: &mut Decoder<'_>) -> Result<Option<Self>, DecodeError> {
        if decoder.null() {
            return Ok(None);
        }
        decoder.array_of(2)?;
        let at = decoder.offset();
        let Some(kind) = EntryKind::from_code(decoder.unsigned()?) else {
            return decoder.fault(at, Fault::Range);
        };
        Ok(Some(Self { kind, vcid: Vcid::from_bytes(decoder.byte_array()?) }))
    }
}

/// Where a pointer was set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// The entry's id: the SHA-256 of its feed, position and bytes, so that saying the same thing twice
    /// is two entries.
    pub id: Vcid,
    /// In which feed.
    pub feed: FeedId,
    /// At which position.
    pub position: u64,
    /// To what.
    pub target: Option<NameTarget>,
}

/// What a pointer means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// This.
    Target(NameTarget),
    /// Nothing any more.
    Withdrawn,
    /// Machines of one owner set it to different things without knowing of each other.
    Conflict,
    /// It is set in a feed that was forked.
    Frozen,
}

/// A pointer, with all that was ever said of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pointer {
    /// What it means.
    pub meaning: Meaning,
    /// What stands now: one setting, or all that conflict.
    pub standing: Vec<Setting>,
    /// What was said before.
    pub history: Vec<Setting>,
}

/// An entry of a feed, as the fold takes it.
#[derive(Clone, Copy, Debug)]
pub struct Said<'a> {
    /// In which feed.
    pub feed: FeedId,
    /// In which batch, by its id.
    pub batch: Vcid,
    /// At which position.
    pub position: u64,
    /// What.
    pub entry: &'a [u8],
}

impl<'a> Said<'a> {
    /// Returns all that a batch says.
    pub fn all(batch: &'a Batch) -> impl Iterator<Item = Self> {
        let (feed, id) = (batch.header().feed, batch.id());
        batch.entries().map(move |(position, entry)| Self { feed, batch: id, position, entry })
    }

    /// Returns the id by which other entries name it as replaced.
    pub fn id(&self) -> Vcid {
        let mut encoder = Encoder::new();
        encoder.array(4);
        encoder.bytes(&self.feed.machine.0);
        encoder.bytes(&self.feed.incarnation.0);
        encoder.unsigned(self.position);
        encoder.bytes(self.entry);
        Vcid::of(&encoder.finish())
    }
}

/// A name's settings with what each replaces, in the order of feeds and positions.
type Settings = BTreeMap<(FeedId, u64, Vcid), (Setting, Vec<Vcid>)>;

/// Folds entries of one owner's feeds, of both sides where a feed is forked. Entries that set no name
/// are passed over; the order in which they are handed in does not matter.
pub fn fold_names<'a>(
    said: impl IntoIterator<Item = Said<'a>>,
    forked: &BTreeSet<FeedId>,
) -> BTreeMap<AttName, Pointer> {
    let mut settings: BTreeMap<AttName, Settings> = BTreeMap::new();
    for said in said {
        let Ok(entry) = NameEntry::decode(said.entry) else { continue };
        let (feed, position, id) = (said.feed, said.position, said.id());
        let setting = Setting { id, feed, position, target: entry.target };
        let of_name = settings.entry(entry.name).or_default();
        of_name.insert((feed, position, id), (setting, entry.replaces));
    }
    settings
        .into_iter()
        .map(|(name, settings)| (name, pointer(settings.into_values(), forked)))
        .collect()
}

fn pointer(
    settings: impl Iterator<Item = (Setting, Vec<Vcid>)>,
    forked: &BTreeSet<FeedId>,
) -> Pointer {
    let settings: Vec<(Setting, Vec<Vcid>)> = settings.collect();
    let replaced: BTreeSet<Vcid> =
        settings.iter().flat_map(|(_, replaces)| replaces.iter().copied()).collect();
    // They come in the order of feeds and positions, so the last of each feed is the one that counts;
    // in a forked feed all of the last position do.
    let mut last: BTreeMap<FeedId, u64> = BTreeMap::new();
    settings.iter().for_each(|(setting, _)| _ = last.insert(setting.feed, setting.position));
    let stands = |setting: &Setting| {
        let is_forked = forked.contains(&setting.feed);
        is_forked || last[&setting.feed] == setting.position && !replaced.contains(&setting.id)
    };
    let (standing, history): (Vec<Setting>, Vec<Setting>) =
        settings.into_iter().map(|(setting, _)| setting).partition(stands);
    let targets: BTreeSet<Option<NameTarget>> =
        standing.iter().map(|setting| setting.target).collect();
    let is_frozen = standing.iter().any(|setting| forked.contains(&setting.feed));
    let meaning = match (is_frozen, targets.len(), targets.first()) {
        (true, ..) => Meaning::Frozen,
        (_, 1, Some(Some(target))) => Meaning::Target(*target),
        (_, 1, Some(None)) => Meaning::Withdrawn,
        _ => Meaning::Conflict,
    };
    Pointer { meaning, standing, history }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feed::Incarnation;
    use crate::keys::KeyBytes;
    use crate::testing::Repeating;
    use alloc::string::ToString as _;

    fn feed(number: u8) -> FeedId {
        FeedId { machine: KeyBytes([number; 32]), incarnation: Incarnation([1; 16]) }
    }

    fn file(text: &str) -> NameTarget {
        NameTarget { kind: EntryKind::File, vcid: Vcid::of(text.as_bytes()) }
    }

    fn entry(target: &str, replaces: &[Vcid]) -> Vec<u8> {
        let name = AttName::parse("att://plant7.example/log@12").expect("a name");
        let mut replaces = replaces.to_vec();
        replaces.sort_unstable();
        let target = (!target.is_empty()).then(|| file(target));
        NameEntry { name, target, replaces }.encode()
    }

    fn said(number: u8, position: u64, entry: &[u8]) -> Said<'_> {
        Said { feed: feed(number), batch: Vcid::of(b"a batch"), position, entry }
    }

    #[track_caller]
    fn check(entries: &[(u8, u64, &[u8])], forked: &[u8], want: &Meaning, standing: usize) {
        let all: Vec<Said<'_>> = entries
            .iter()
            .map(|(number, position, entry)| said(*number, *position, entry))
            .collect();
        let forked = forked.iter().map(|number| feed(*number)).collect();
        let forwards = fold_names(all.iter().copied(), &forked);
        let backwards = fold_names(all.iter().rev().copied(), &forked);
        assert_eq!(forwards, backwards, "the order has changed the fold");
        let pointer = forwards.values().next().expect("one pointer");
        assert_eq!((&pointer.meaning, pointer.standing.len()), (want, standing));
        assert_eq!(pointer.standing.len() + pointer.history.len(), entries.len());
    }

    fn target(text: &str) -> Meaning {
        Meaning::Target(file(text))
    }

    #[test]
    fn the_later_entry_of_a_feed_counts() {
        let (a, b, gone) = (entry("a", &[]), entry("b", &[]), entry("", &[]));
        check(&[(1, 0, &a)], &[], &target("a"), 1);
        check(&[(1, 0, &a), (1, 5, &b)], &[], &target("b"), 1);
        check(&[(1, 0, &a), (1, 5, &b), (1, 6, &a)], &[], &target("a"), 1);
        check(&[(1, 0, &a), (1, 5, &gone)], &[], &Meaning::Withdrawn, 1);
    }

    #[test]
    fn entries_that_set_no_name_are_passed_over() {
        assert!(fold_names([said(1, 0, b"no name")], &BTreeSet::new()).is_empty());
    }

    #[test]
    fn two_machines_conflict_until_one_replaces_the_other() {
        let (a, b) = (entry("a", &[]), entry("b", &[]));
        check(&[(1, 0, &a), (2, 0, &b)], &[], &Meaning::Conflict, 2);
        check(&[(1, 0, &a), (2, 0, &a)], &[], &target("a"), 2);
        let ids = [(1, &a), (2, &b)].map(|(number, entry)| said(number, 0, entry).id());
        let settled = entry("b", &ids);
        check(&[(1, 0, &a), (2, 0, &b), (1, 1, &settled)], &[], &target("b"), 1);
    }

    #[test]
    fn a_forked_feed_freezes_the_pointer_and_shows_both() {
        let (a, b) = (entry("a", &[]), entry("b", &[]));
        check(&[(1, 0, &a), (1, 0, &b)], &[1], &Meaning::Frozen, 2);
        check(&[(1, 0, &a), (2, 0, &a)], &[1], &Meaning::Frozen, 2);
        // Another pointer, of another feed, is none of it.
        check(&[(2, 0, &a)], &[1], &target("a"), 1);
    }

    #[test]
    fn names_are_strict_and_print_as_they_were_read() {
        for text in ["att://plant7.example/log@12", "att://a.b/c/d.e@1.0+x", "att://x/y@z"] {
            assert_eq!(AttName::parse(text).map(|name| name.to_string()).as_deref(), Ok(text));
        }
        for (text, want) in [
            ("plain", AttNameError::Shape),
            ("a/b", AttNameError::Shape),
            ("a@1", AttNameError::Shape),
            ("A/b@1", AttNameError::Domain),
            ("-a/b@1", AttNameError::Domain),
            ("a..b/c@1", AttNameError::Domain),
            ("a/../b@1", AttNameError::Name),
            ("a/b//c@1", AttNameError::Name),
            ("a/B@1", AttNameError::Name),
            ("a/b@", AttNameError::Version),
            ("a/b@1 2", AttNameError::Version),
        ] {
            assert_eq!(AttName::parse(text), Err(want), "{text}");
        }
    }

    #[test]
    fn what_is_decoded_is_encoded_alike_and_nothing_else_is_taken() {
        let random = Repeating::new(2);
        let replaced = [Vcid::of(b"x"), Vcid::of(b"y")];
        let bytes = entry("a", &replaced);
        let decoded = NameEntry::decode(&bytes).expect("an entry");
        assert_eq!(decoded.encode(), bytes);
        assert!(NameEntry::is_tagged(&bytes) && !NameEntry::is_tagged(b"\x81\x61x"));
        for _ in 0..2000 {
            let mut altered = bytes.clone();
            altered[random.below(bytes.len())] ^= 1 << random.below(8);
            if let Ok(entry) = NameEntry::decode(&altered) {
                assert_eq!(entry.encode(), altered);
            }
        }
    }
}
