//! What a grant allows: verbs, in one subsystem, below one prefix, until a moment. It only narrows.

use alloc::collections::BTreeSet;
use alloc::string::String;

use vigil_base::cbor::{DecodeError, Decoder, Encoder, Fault};
use vigil_base::world::Moment;
use vigil_base::{Blame, Blamed};

use crate::list::decode_list;

/// Most grants in a chain, from the Person's own to the last.
pub const DEPTH_MAX: usize = 4;
/// Most verbs in a scope.
pub const VERBS_MAX: usize = 16;
const WORD_BYTES_MAX: usize = 64;
const PREFIX_BYTES_MAX: usize = 1024;

/// What may be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope {
    subsystem: String,
    verbs: BTreeSet<String>,
    prefix: String,
    expiry: Option<Moment>,
}

/// Why words are not a scope.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ScopeError {
    /// A subsystem or verb is not a word.
    #[error(
        "`{word}` is not a word of letters a-z, digits and `-`, at most {WORD_BYTES_MAX} of them"
    )]
    Word {
        /// What it is.
        word: String,
    },
    /// There is no verb, or there are too many.
    #[error("a grant has 1 to {VERBS_MAX} verbs")]
    Verbs,
    /// The prefix is not one.
    #[error(
        "a prefix is steps parted by `/`, none of them empty, `.` or `..`, and no control characters"
    )]
    Prefix,
}

impl Blamed for ScopeError {
    fn blame(&self) -> Blame {
        Blame::Caller
    }
}

fn is_word(word: &str) -> bool {
    let is_letter = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-');
    (1..=WORD_BYTES_MAX).contains(&word.len()) && word.bytes().all(is_letter)
}

/// The empty prefix covers everything; else no step may be empty or climb.
fn is_prefix(prefix: &str) -> bool {
    let is_step = |step: &str| !step.is_empty() && step != "." && step != "..";
    prefix.len() <= PREFIX_BYTES_MAX
        && !prefix.chars().any(char::is_control)
        && (prefix.is_empty() || prefix.split('/').all(is_step))
}

/// Which part of a grant does not allow something. The later one came closer to allowing it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum Misfit {
    /// It is of another subsystem.
    #[error("it is of another subsystem")]
    Subsystem,
    /// It does not name the verb.
    #[error("it does not name this verb")]
    Verb,
    /// The resource does not lie below its prefix.
    #[error("the path does not lie below its prefix")]
    Prefix,
}

/// What somebody wants to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ask<'a> {
    /// In which subsystem.
    pub subsystem: &'a str,
    /// What.
    pub verb: &'a str,
    /// To what.
    pub resource: &'a str,
}

impl Scope {
    /// Checks the parts.
    ///
    /// # Errors
    /// Fails for what is no word, no prefix, and for too many verbs or none.
    pub fn new<'a>(
        subsystem: &str,
        verbs: impl IntoIterator<Item = &'a str>,
        prefix: &str,
        expiry: Option<Moment>,
    ) -> Result<Self, ScopeError> {
        let verbs: BTreeSet<String> = verbs.into_iter().map(String::from).collect();
        let words = core::iter::once(subsystem).chain(verbs.iter().map(String::as_str));
        if let Some(word) = words.into_iter().find(|word| !is_word(word)) {
            return Err(ScopeError::Word { word: word.chars().take(80).collect() });
        }
        if verbs.is_empty() || verbs.len() > VERBS_MAX {
            return Err(ScopeError::Verbs);
        }
        if !is_prefix(prefix) {
            return Err(ScopeError::Prefix);
        }
        Ok(Self { subsystem: subsystem.into(), verbs, prefix: prefix.into(), expiry })
    }

    /// Returns the subsystem.
    pub fn subsystem(&self) -> &str {
        &self.subsystem
    }

    /// Returns the verbs, in their order.
    pub fn verbs(&self) -> impl Iterator<Item = &str> {
        self.verbs.iter().map(String::as_str)
    }

    /// Returns the prefix, which is empty for everything.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Returns until when it holds; for ever if none.
    pub fn expiry(&self) -> Option<Moment> {
        self.expiry
    }

    /// Says whether `other` gives nothing that this does not.
    pub fn covers(&self, other: &Self) -> bool {
        let is_sooner = match (self.expiry, other.expiry) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(own), Some(others)) => others <= own,
        };
        self.subsystem == other.subsystem
            && other.verbs.is_subset(&self.verbs)
            && is_below(&self.prefix, &other.prefix)
            && is_sooner
    }

    /// Says whether it allows something, whatever the time is.
    pub fn allows(&self, ask: &Ask<'_>) -> bool {
        self.misfit(ask).is_none()
    }

    /// Returns what of it does not allow something; none if it is allowed, whatever the time is.
    pub fn misfit(&self, ask: &Ask<'_>) -> Option<Misfit> {
        if self.subsystem != ask.subsystem {
            return Some(Misfit::Subsystem);
        }
        if !self.verbs.contains(ask.verb) {
            return Some(Misfit::Verb);
        }
        let is_within = is_prefix(ask.resource) && is_below(&self.prefix, ask.resource);
        (!is_within).then_some(Misfit::Prefix)
    }

    /// Says whether it has expired.
    pub fn is_expired(&self, now: Moment) -> bool {
        self.expiry.is_some_and(|expiry| now >= expiry)
    }

    pub(super) fn encode_into(&self, encoder: &mut Encoder) {
        encoder.text(&self.subsystem);
        encoder.array(self.verbs.len());
        self.verbs.iter().for_each(|verb| encoder.text(verb));
        encoder.text(&self.prefix);
        match self.expiry {
            Some(expiry) => encoder.integer(expiry.0),
            None => encoder.null(),
        }
    }

    /// How many items [`Scope::encode_into`] writes.
    pub(super) const ITEMS: usize = 4;

    pub(super) fn decode_from(decoder: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        let at = decoder.offset();
        let subsystem = decoder.text()?;
        let at_verbs = decoder.offset();
        let verbs = decode_list(decoder, VERBS_MAX, Decoder::text)?;
        if !verbs.is_sorted_by(|one, next| one < next) {
            return decoder.fault(at_verbs, Fault::KeyOrder);
        }
        let prefix = decoder.text()?;
        let expiry = if decoder.null() { None } else { Some(Moment(decoder.integer()?)) };
        Self::new(subsystem, verbs, prefix, expiry).or_else(|_| decoder.fault(at, Fault::Range))
    }
}

/// Whole steps count: `logs` covers `logs` and `logs/today`, and not `logs2`.
fn is_below(prefix: &str, path: &str) -> bool {
    match path.strip_prefix(prefix) {
        Some(rest) => prefix.is_empty() || rest.is_empty() || rest.starts_with('/'),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope(verbs: &[&str], prefix: &str, expiry: Option<i64>) -> Scope {
        Scope::new("files", verbs.iter().copied(), prefix, expiry.map(Moment)).expect("a scope")
    }

    #[test]
    fn narrowing_is_judged_in_every_part() {
        let wide = scope(&["read", "write"], "logs", Some(100));
        assert!(wide.covers(&wide));
        assert!(wide.covers(&scope(&["read"], "logs/today", Some(99))));
        for wider in [
            scope(&["read", "grant"], "logs", Some(100)),
            scope(&["read"], "", Some(100)),
            scope(&["read"], "logs2", Some(100)),
            scope(&["read"], "logs", Some(101)),
            scope(&["read"], "logs", None),
        ] {
            assert!(!wide.covers(&wider), "{wider:?}");
        }
        let other = Scope::new("git", ["read"], "logs", Some(Moment(1))).expect("a scope");
        assert!(!wide.covers(&other));
        assert!(scope(&["read"], "", None).covers(&scope(&["read"], "any/thing", Some(1))));
    }

    #[test]
    fn resources_cannot_climb_out_of_a_prefix() {
        let logs = scope(&["read"], "logs", Some(100));
        let allows = |resource| logs.allows(&Ask { subsystem: "files", verb: "read", resource });
        assert!(allows("logs") && allows("logs/a"));
        assert!(
            !allows("logs/../keys") && !allows("logsx") && !allows("log") && !allows("logs//a")
        );
        assert!(!logs.allows(&Ask { subsystem: "files", verb: "write", resource: "logs" }));
        assert!(!logs.allows(&Ask { subsystem: "git", verb: "read", resource: "logs" }));
        assert!(!logs.is_expired(Moment(99)) && logs.is_expired(Moment(100)));
    }

    #[test]
    fn what_is_no_scope_is_refused() {
        assert_eq!(Scope::new("files", [], "", None), Err(ScopeError::Verbs));
        assert!(matches!(Scope::new("Files", ["read"], "", None), Err(ScopeError::Word { .. })));
        assert!(matches!(Scope::new("files", ["re ad"], "", None), Err(ScopeError::Word { .. })));
        for prefix in ["/", "a/", "/a", "a//b", "a/../b", ".", "a\u{1b}[0m"] {
            assert_eq!(Scope::new("files", ["read"], prefix, None), Err(ScopeError::Prefix));
        }
    }
}
