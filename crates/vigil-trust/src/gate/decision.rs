//! The decision: each rule, whether it holds, what was found, and what would satisfy it.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

/// A rule of the gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Rule {
    /// The maintainer signed the manifest.
    Signature,
    /// The signer speaks for a person who is known and may publish it.
    Person,
    /// Enough independent people rebuilt it to the same bits.
    Rebuilders,
    /// The claim is in a log that enough witnesses have seen.
    Log,
    /// It needs nothing of the world that it may not.
    Footprint,
    /// Nothing of it was revoked.
    Revocation,
    /// What is known of it is recent enough.
    Freshness,
    /// It is not older than what is installed.
    Version,
}

impl Rule {
    /// All rules, in the order in which they are told.
    pub const ALL: [Self; 8] = [
        Self::Signature,
        Self::Person,
        Self::Rebuilders,
        Self::Log,
        Self::Footprint,
        Self::Revocation,
        Self::Freshness,
        Self::Version,
    ];

    /// Returns the word that stands for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Signature => "signature",
            Self::Person => "person",
            Self::Rebuilders => "rebuilders",
            Self::Log => "log",
            Self::Footprint => "footprint",
            Self::Revocation => "revocation",
            Self::Freshness => "freshness",
            Self::Version => "version",
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What became of a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It holds.
    Holds,
    /// It does not.
    Fails,
    /// The policy does not ask for it.
    Waived,
}

impl Verdict {
    /// Returns the word that stands for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Holds => "holds",
            Self::Fails => "fails",
            Self::Waived => "waived",
        }
    }
}

/// How a package fares by one rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    /// The rule.
    pub rule: Rule,
    /// What became of it.
    pub verdict: Verdict,
    /// What was found.
    pub found: String,
    /// What would satisfy it, if it fails.
    pub wanted: Option<String>,
}

impl Reason {
    pub(super) fn holds(rule: Rule, found: impl Into<String>) -> Self {
        Self { rule, verdict: Verdict::Holds, found: found.into(), wanted: None }
    }

    pub(super) fn waived(rule: Rule, found: impl Into<String>) -> Self {
        Self { rule, verdict: Verdict::Waived, found: found.into(), wanted: None }
    }

    pub(super) fn fails(rule: Rule, found: impl Into<String>, wanted: impl Into<String>) -> Self {
        let (found, wanted) = (found.into(), Some(wanted.into()));
        Self { rule, verdict: Verdict::Fails, found, wanted }
    }
}

/// What the gate says of one package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Every rule once, in the order of [`Rule::ALL`].
    pub reasons: Vec<Reason>,
    /// What counts for nothing, and why: for people, never a reason by itself.
    pub notes: Vec<String>,
}

impl Decision {
    /// Says whether the package may be installed.
    pub fn is_allowed(&self) -> bool {
        self.refusals().next().is_none()
    }

    /// Returns the rules that do not hold.
    pub fn refusals(&self) -> impl Iterator<Item = &Reason> {
        self.reasons.iter().filter(|reason| reason.verdict == Verdict::Fails)
    }
}
