//! Needs: what a program takes of the world, and what somebody lets it take.
//!
//! A need is a kind, such as `clock` or `network`, and perhaps a detail that narrows it, such as
//! `network:example.org:443` or `files:/etc/ssl`. A kind alone is all of that kind. The same text stands in
//! manifests, policies and the kernel's traces.
//!
//! Invariant: covering is reflexive and transitive, and a detail never covers its kind.

use alloc::collections::BTreeSet;
use alloc::string::String;
use core::fmt;

use vigil_base::cbor::{DecodeError, Decoder, Encoder, Fault};

use crate::list::decode_rising;

/// Longest need, in bytes.
const NEED_BYTES_MAX: usize = 256;
/// Longest kind, in bytes.
const KIND_BYTES_MAX: usize = 32;
/// Most needs in one footprint.
pub const NEEDS_MAX: usize = 64;

/// The kind whose details are hosts, perhaps with a port.
const NETWORK: &str = "network";

/// One thing of the world.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Need(String);

/// What a program needs in all.
pub type Footprint = BTreeSet<Need>;

/// Why a text is not a need.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` is not a need: it is a kind of letters a-z, digits, `-` and `.`, and perhaps `:` and a detail without blanks or `..`, such as clock, network:example.org or files:/etc/ssl"
)]
pub struct NeedError {
    /// The text, cut to 80 characters.
    pub text: String,
}

fn is_kind(kind: &str) -> bool {
    let is_letter = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.');
    (1..=KIND_BYTES_MAX).contains(&kind.len()) && kind.bytes().all(is_letter)
}

/// One detail has one spelling: no empty steps but a first one, and none that climb.
fn is_detail(kind: &str, detail: &str) -> bool {
    let is_plain = |c: char| !c.is_control() && !c.is_whitespace();
    let steps = detail.strip_prefix('/').unwrap_or(detail);
    let is_step = |step: &str| !step.is_empty() && step != "." && step != "..";
    let is_host = kind != NETWORK || detail.chars().all(|c| !c.is_ascii_uppercase() && c != '/');
    let is_path = detail == "/" || steps.split('/').all(is_step);
    detail.chars().all(is_plain) && is_path && is_host
}

impl Need {
    /// Reads a need.
    ///
    /// # Errors
    /// Fails for what is none.
    pub fn parse(text: &str) -> Result<Self, NeedError> {
        let (kind, detail) = match text.split_once(':') {
            Some((kind, detail)) => (kind, Some(detail)),
            None => (text, None),
        };
        let is_good = text.len() <= NEED_BYTES_MAX
            && is_kind(kind)
            && detail.is_none_or(|detail| is_detail(kind, detail));
        if is_good {
            Ok(Self(text.into()))
        } else {
            Err(NeedError { text: crate::log::text::excerpt(text) })
        }
    }

    /// Returns the text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn parts(&self) -> (&str, Option<&str>) {
        match self.0.split_once(':') {
            Some((kind, detail)) => (kind, Some(detail)),
            None => (&self.0, None),
        }
    }

    /// Says whether whoever is granted this may take `other`.
    pub fn covers(&self, other: &Self) -> bool {
        let ((kind, detail), (other_kind, other_detail)) = (self.parts(), other.parts());
        if kind != other_kind {
            return false;
        }
        match (detail, other_detail) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(granted), Some(wanted)) if kind == NETWORK => covers_host(granted, wanted),
            (Some(granted), Some(wanted)) => match wanted.strip_prefix(granted) {
                Some(rest) => rest.is_empty() || rest.starts_with('/') || granted == "/",
                None => false,
            },
        }
    }
}

/// `example.org` covers each of its ports, `*.example.org` all hosts below it. Brackets of an IPv6 address
/// belong to the host.
fn covers_host(granted: &str, wanted: &str) -> bool {
    fn split(text: &str) -> (&str, Option<&str>) {
        match text.rsplit_once(':') {
            Some((host, port)) if !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()) => {
                (host, Some(port))
            }
            _ => (text, None),
        }
    }
    let ((host, port), (wanted_host, wanted_port)) = (split(granted), split(wanted));
    let is_host = match host.strip_prefix('*') {
        Some(domain) if domain.starts_with('.') => {
            wanted_host.strip_suffix(domain).is_some_and(|below| !below.is_empty())
        }
        _ => host == wanted_host,
    };
    is_host && (port.is_none() || port == wanted_port)
}

impl fmt::Display for Need {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Returns what is in `wanted` and in nothing of `granted`.
pub(crate) fn excess<'a>(
    wanted: &'a Footprint,
    granted: &'a Footprint,
) -> impl Iterator<Item = &'a Need> {
    wanted.iter().filter(|need| !granted.iter().any(|grant| grant.covers(need)))
}

/// Joins needs for people.
pub(crate) fn tell<'a>(needs: impl IntoIterator<Item = &'a Need>) -> String {
    let mut text = String::new();
    for need in needs {
        if !text.is_empty() {
            text.push_str(", ");
        }
        text.push_str(need.as_str());
    }
    if text.is_empty() { "nothing".into() } else { text }
}

pub(crate) fn encode(needs: &Footprint, encoder: &mut Encoder) {
    encoder.array(needs.len());
    needs.iter().for_each(|need| encoder.text(need.as_str()));
}

pub(crate) fn decode(decoder: &mut Decoder<'_>) -> Result<Footprint, DecodeError> {
    let needs = decode_rising(decoder, NEEDS_MAX, |decoder| {
        let at = decoder.offset();
        let need = Need::parse(decoder.text()?);
        need.or_else(|_| decoder.fault(at, Fault::Range))
    });
    Ok(needs?.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn need(text: &str) -> Need {
        Need::parse(text).expect("a need")
    }

    #[track_caller]
    fn check(granted: &str, wanted: &str, want: bool) {
        assert_eq!(need(granted).covers(&need(wanted)), want, "{granted} and {wanted}");
    }

    #[test]
    fn covering() {
        check("clock", "clock", true);
        check("clock", "random", false);
        check("network", "network:example.org", true);
        check("network:example.org", "network", false);
        check("network:example.org", "network:example.org:443", true);
        check("network:example.org:443", "network:example.org", false);
        check("network:example.org:443", "network:example.org:80", false);
        check("network:example.org", "network:evil-example.org", false);
        check("network:example.org", "network:example.org.evil", false);
        check("network:*.example.org", "network:a.b.example.org:1", true);
        check("network:*.example.org", "network:example.org", false);
        check("network:*.example.org", "network:.example.org", false);
        check("network:[::1]", "network:[::1]:80", true);
        check("files:/etc", "files:/etc/ssl", true);
        check("files:/etc", "files:/etcetera", false);
        check("files:/", "files:/etc", true);
        check("files:/etc/ssl", "files:/etc", false);
        check("secret:db", "secret:db", true);
        check("secret:db", "secret:dbx", false);
    }

    #[test]
    fn covering_is_reflexive_and_transitive() {
        let all = [
            "network",
            "network:example.org",
            "network:example.org:443",
            "network:*.example.org",
            "network:a.example.org",
            "network:a.example.org:443",
            "files",
            "files:/",
            "files:/etc",
            "files:/etc/ssl",
            "clock",
        ];
        for a in all.map(need) {
            assert!(a.covers(&a), "{a}");
            for b in all.map(need) {
                for c in all.map(need) {
                    assert!(!(a.covers(&b) && b.covers(&c)) || a.covers(&c), "{a} {b} {c}");
                }
            }
        }
    }

    #[test]
    fn what_is_no_need_is_refused() {
        for text in [
            "",
            ":",
            "Clock",
            "clock:",
            "a b",
            "files:/a/../b",
            "files:/a//b",
            "files:/a/",
            "network:Example.org",
            "network:a/b",
            "secret:a b",
            "files:\u{1b}[0m",
            "files:.",
        ] {
            assert!(Need::parse(text).is_err(), "{text:?}");
        }
        assert!(Need::parse(&"a".repeat(33)).is_err());
        assert!(Need::parse(&alloc::format!("a:{}", "b".repeat(255))).is_err());
    }
}
