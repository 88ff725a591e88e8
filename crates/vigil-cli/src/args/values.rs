//! Values of arguments, checked: sizes, spans of time, ranges, percentages.

use std::time::Duration;

use vigil_base::{Name, Uri, UriError};
use vigil_kernel::{Identifier, MediaType, MediaTypeError, PipelineError};

use super::kernel::{Target, pipeline_of};

/// Why a text is not the value that an argument needs.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ValueError {
    /// The text is not a size.
    #[error("a size is a whole number and perhaps a unit, such as 4096, 64KiB, 10MB or 2GiB")]
    Size,
    /// The size does not fit 64 bits.
    #[error("no size is that large")]
    SizeTooLarge,
    /// The text is not a span of time.
    #[error(
        "a span of time is whole numbers with units, such as 36h, 7d, 3w, 6m (30 days each) or 1y6m"
    )]
    Span,
    /// The text is not a range.
    #[error("a range is START-END or START-, such as 0-100 (the first 100 bytes) or 1MiB-")]
    Range,
    /// The range ends before it starts.
    #[error("the range ends before it starts")]
    Backwards,
    /// The text is not a URI.
    #[error("{}", chain(.0))]
    Uri(UriError),
    /// The text begins as no URI does.
    #[error("`{text}` is no URI: a file is `file:PATH`, a name `@NAME`, bytes `ca://sha256:HEX`")]
    NoUri {
        /// The text, cut to 80 characters.
        text: String,
    },
    /// The text is not a URI or a pipeline.
    #[error("{}", chain(.0))]
    Pipeline(PipelineError),
    /// The text is not a media type.
    #[error("{}", chain(.0))]
    MediaType(MediaTypeError),
    /// The text is not a percentage.
    #[error("a percentage is a whole number from 1 to 100")]
    Percent,
}

/// Part of a blob: from a byte up to, not including, another; without an end, up to the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ByteRange {
    /// The first byte.
    pub start: u64,
    /// The byte behind the last one.
    pub end: Option<u64>,
}

const UNITS: [(&str, u64); 16] = [
    ("", 1),
    ("b", 1),
    ("k", 1 << 10),
    ("m", 1 << 20),
    ("g", 1 << 30),
    ("t", 1 << 40),
    ("kib", 1 << 10),
    ("mib", 1 << 20),
    ("gib", 1 << 30),
    ("tib", 1 << 40),
    ("kb", 1000),
    ("mb", 1_000_000),
    ("gb", 1_000_000_000),
    ("tb", 1_000_000_000_000),
    ("pib", 1 << 50),
    ("pb", 1_000_000_000_000_000),
];

/// Reads a size in bytes.
pub fn parse_size(text: &str) -> Result<u64, ValueError> {
    let digits_end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, unit) = text.split_at(digits_end);
    let unit = unit.trim_start().to_ascii_lowercase();
    let scale = UNITS.iter().find(|(name, _)| *name == unit).ok_or(ValueError::Size)?.1;
    if digits.is_empty() {
        return Err(ValueError::Size);
    }
    let count: u64 = digits.parse().map_err(|_| ValueError::SizeTooLarge)?;
    count.checked_mul(scale).ok_or(ValueError::SizeTooLarge)
}

/// Reads a span of time. Months have 30 days and years 365, so that a span is always as long.
pub fn parse_span(text: &str) -> Result<Duration, ValueError> {
    const HOUR: u64 = 3600;
    let mut rest = text;
    let mut seconds: u64 = 0;
    while !rest.is_empty() {
        let digits_end = rest.find(|c: char| !c.is_ascii_digit()).ok_or(ValueError::Span)?;
        let (digits, tail) = rest.split_at(digits_end);
        let mut tail = tail.chars();
        let unit = match tail.next() {
            Some('h') => HOUR,
            Some('d') => 24 * HOUR,
            Some('w') => 7 * 24 * HOUR,
            Some('m') => 30 * 24 * HOUR,
            Some('y') => 365 * 24 * HOUR,
            _ => return Err(ValueError::Span),
        };
        let count: u64 = digits.parse().map_err(|_| ValueError::Span)?;
        let part = count.checked_mul(unit).ok_or(ValueError::Span)?;
        seconds = seconds.checked_add(part).ok_or(ValueError::Span)?;
        rest = tail.as_str();
    }
    if text.is_empty() { Err(ValueError::Span) } else { Ok(Duration::from_secs(seconds)) }
}

/// Reads a range of bytes.
pub fn parse_range(text: &str) -> Result<ByteRange, ValueError> {
    let (start, end) = text.split_once('-').ok_or(ValueError::Range)?;
    let start = parse_size(start).map_err(|_| ValueError::Range)?;
    let end = match end {
        "" => None,
        end => Some(parse_size(end).map_err(|_| ValueError::Range)?),
    };
    match end {
        Some(end) if end < start => Err(ValueError::Backwards),
        _ => Ok(ByteRange { start, end }),
    }
}

/// Reads a URI.
pub fn parse_uri(text: &str) -> Result<Uri, ValueError> {
    text.parse().map_err(ValueError::Uri)
}

/// Reads a URI or a pipeline, and returns its one URI.
pub fn parse_pipeline(text: &str) -> Result<Identifier, ValueError> {
    vigil_kernel::parse_pipeline(text).map_err(ValueError::Pipeline)
}

/// Reads a URI of the store, or any other URI or pipeline. A bar begins a call: one that belongs to a
/// name is written `%7C`.
pub fn parse_target(text: &str) -> Result<Target, ValueError> {
    if text.contains('|') {
        return pipeline_of(text);
    }
    match text.parse::<Uri>() {
        Ok(uri) => {
            // Some characters that a path may have end a word of a pipeline, so it is not read as one.
            let identifier = Identifier::new(&uri.to_string());
            let identifier =
                identifier.map_err(|source| PipelineError::Uri { text: text.to_owned(), source });
            let identifier = identifier.map_err(ValueError::Pipeline)?;
            Ok(Target { uri: identifier, plain: Some(uri) })
        }
        Err(UriError::Scheme { text: start }) if !text.contains(':') => {
            Err(ValueError::NoUri { text: start })
        }
        Err(error) if !is_other_uri(text) => Err(ValueError::Uri(error)),
        Err(_) => pipeline_of(text),
    }
}

/// Whether a text that is no URI of the store can be another URI.
fn is_other_uri(text: &str) -> bool {
    !text.starts_with('@') && !text.starts_with("ca://") && text.contains(':')
}

/// Reads a media type.
pub fn parse_media_type(text: &str) -> Result<MediaType, ValueError> {
    MediaType::new(text).map_err(ValueError::MediaType)
}

/// Joins the messages of an error and its sources, since the argument parser prints only the first.
fn chain(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {}", chain(source)),
        None => error.to_string(),
    }
}

/// Reads a percentage.
pub fn parse_percent(text: &str) -> Result<u8, ValueError> {
    let digits = text.strip_suffix('%').unwrap_or(text);
    digits.parse().ok().filter(|percent| (1..=100).contains(percent)).ok_or(ValueError::Percent)
}

/// Reads a local name, with or without its `@`.
pub fn parse_name(text: &str) -> Result<Name, vigil_base::NameError> {
    Name::new(text.strip_prefix('@').unwrap_or(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_size(text: &str, want: Result<u64, ValueError>) {
        assert_eq!(parse_size(text), want, "{text:?}");
    }

    #[test]
    fn sizes() {
        check_size("0", Ok(0));
        check_size("4096", Ok(4096));
        check_size("64KiB", Ok(65_536));
        check_size("64k", Ok(65_536));
        check_size("10 MB", Ok(10_000_000));
        check_size("2GiB", Ok(2 << 30));
        check_size("", Err(ValueError::Size));
        check_size("KiB", Err(ValueError::Size));
        check_size("-1", Err(ValueError::Size));
        check_size("1.5M", Err(ValueError::Size));
        check_size("99999999999999999999", Err(ValueError::SizeTooLarge));
        check_size("99999999TiB", Err(ValueError::SizeTooLarge));
    }

    #[track_caller]
    fn check_span(text: &str, want_hours: Option<u64>) {
        let want = want_hours.map(|hours| Duration::from_secs(hours * 3600));
        assert_eq!(parse_span(text).ok(), want, "{text:?}");
    }

    #[test]
    fn spans() {
        check_span("36h", Some(36));
        check_span("7d", Some(168));
        check_span("1y6m", Some(24 * (365 + 180)));
        check_span("2w1d", Some(24 * 15));
        check_span("", None);
        check_span("7", None);
        check_span("d", None);
        check_span("7x", None);
        check_span("99999999999999999999y", None);
        check_span("999999999999999999y", None);
    }

    #[track_caller]
    fn check_range(text: &str, want: Result<(u64, Option<u64>), ValueError>) {
        let got = parse_range(text).map(|range| (range.start, range.end));
        assert_eq!(got, want, "{text:?}");
    }

    #[test]
    fn ranges() {
        check_range("0-100", Ok((0, Some(100))));
        check_range("1MiB-", Ok((1 << 20, None)));
        check_range("7-7", Ok((7, Some(7))));
        check_range("8-7", Err(ValueError::Backwards));
        check_range("-7", Err(ValueError::Range));
        check_range("7", Err(ValueError::Range));
        check_range("a-b", Err(ValueError::Range));
    }

    #[test]
    fn targets() {
        let plain =
            |text: &str| parse_target(text).expect("a target").plain.map(|uri| uri.to_string());
        assert_eq!(plain("@home/a(b)").as_deref(), Some("@home/a(b)"));
        assert_eq!(plain("file:a"), None);
        assert_eq!(plain("@home|head"), None);
        assert_eq!(parse_target("@a | head 2").expect("one").to_string(), "@a | head 2");
        for text in ["", "home", "@a b", "@../a", "ca://x", "head 2 | @a", "file:a b"] {
            assert!(parse_target(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn percentages() {
        assert_eq!(parse_percent("5"), Ok(5));
        assert_eq!(parse_percent("100%"), Ok(100));
        for text in ["0", "101", "-1", "five", ""] {
            assert_eq!(parse_percent(text), Err(ValueError::Percent), "{text:?}");
        }
    }
}
