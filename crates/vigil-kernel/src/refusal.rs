//! Why a request has no representation.

use std::fmt;

use vigil_base::cbor::Encoder;
use vigil_base::{Blame, Blamed, Vcid};

use crate::pipeline::render;
use crate::representation::{Label, write_set};
use crate::request::Identifier;

/// What sort of reason there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// No endpoint in the scope answers to the name.
    Unresolved,
    /// The endpoint knows of no such thing.
    Absent,
    /// The request makes no sense to the endpoint.
    Misuse,
    /// The caller may not. Never kept.
    Denied,
    /// The machine, a disk or a link failed. Never kept.
    World,
    /// The endpoint broke its word, panicked, or did not yield. Never kept beyond a run.
    Broken,
    /// The request needs itself.
    Cycle,
}

/// Why a request has no representation, and by which requests that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What sort of reason there is.
    pub reason: Reason,
    /// What is wrong. It may repeat what a resource holds, so whoever shows it has to expect anything.
    pub message: String,
    /// What to do about it, where there is something.
    pub hint: Option<String>,
    /// The requests that led there, from the one that was refused upward.
    pub chain: Vec<Identifier>,
}

/// Most characters of a text from outside that a message repeats.
const SHOWN_MAX: usize = 80;

/// Cuts a text short that a message repeats: it may be all that another resource holds.
pub fn shorten(text: &str) -> String {
    match text.char_indices().nth(SHOWN_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// Longest chain that is kept.
const CHAIN_MAX: usize = 32;

impl Refusal {
    /// Makes a refusal.
    pub fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self { reason, message: message.into(), hint: None, chain: Vec::new() }
    }

    /// Says what to do about it.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds the request that met it.
    pub fn met_by(mut self, uri: &Identifier) -> Self {
        if self.chain.len() < CHAIN_MAX && self.chain.last() != Some(uri) {
            self.chain.push(uri.clone());
        }
        self
    }

    /// Returns whether it may be kept: it follows from the request alone.
    pub fn is_lasting(&self) -> bool {
        matches!(self.reason, Reason::Unresolved | Reason::Absent | Reason::Misuse)
    }

    /// Returns the hash that stands for it in traces, with the label of all that it follows from. Drawn in
    /// `docs/format/kernel.md`.
    pub fn digest(&self, label: &Label) -> Vcid {
        let mut encoder = Encoder::record("vigil.refusal/2", 5);
        encoder.text(&format!("{:?}", self.reason));
        encoder.text(&self.message);
        write_set(&mut encoder, &label.secrecy);
        write_set(&mut encoder, &label.integrity);
        Vcid::of(&encoder.finish())
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        for uri in &self.chain {
            write!(f, "\n  in {}", render(uri))?;
        }
        if let Some(hint) = &self.hint {
            write!(f, "\nhint: {hint}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Refusal {}

impl Blamed for Refusal {
    fn blame(&self) -> Blame {
        match self.reason {
            Reason::World => Blame::World,
            Reason::Broken => Blame::Us,
            _ => Blame::Caller,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_cut_at_a_character() {
        let (fits, long) = ("é".repeat(SHOWN_MAX), "é".repeat(SHOWN_MAX + 1));
        assert_eq!(shorten(""), "");
        assert_eq!(shorten(&fits), fits);
        assert_eq!(shorten(&long), format!("{fits}…"));
    }
}
