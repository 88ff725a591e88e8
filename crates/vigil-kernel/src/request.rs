//! Requests: what is asked for. Drawn in `docs/format/kernel.md`.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use vigil_base::Vcid;
use vigil_base::cbor::{DecodeError, Decoder, Encoder, Fault};
use vigil_base::limits::URI_BYTES_MAX;

/// The name of a resource as text. Which names there are, and what is the same name, the grammars of
/// endpoints say.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Identifier(Arc<str>);

/// Why a text names nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IdentifierError {
    /// There is no text.
    #[error("a URI may not be empty")]
    Empty,
    /// There are blanks or control characters.
    #[error("a URI may not contain {found:?}; write it as %HH")]
    Character {
        /// The character.
        found: char,
    },
    /// The text is too long.
    #[error("a URI has at most {URI_BYTES_MAX} bytes, this one has {found}")]
    Long {
        /// How many bytes there are.
        found: usize,
    },
}

impl Identifier {
    /// Checks that `text` has no blanks, no control characters, and is not too long.
    pub fn new(text: &str) -> Result<Self, IdentifierError> {
        if text.is_empty() {
            return Err(IdentifierError::Empty);
        }
        if text.len() > URI_BYTES_MAX {
            return Err(IdentifierError::Long { found: text.len() });
        }
        match text.chars().find(|c| c.is_whitespace() || c.is_control()) {
            Some(found) => Err(IdentifierError::Character { found }),
            None => Ok(Self(text.into())),
        }
    }

    /// Returns the text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Identifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Identifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What is to be done with a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verb {
    /// Give its representation.
    Source,
    /// Say whether it has one.
    Exists,
    /// Say what its representation is, without its bytes.
    Meta,
    /// Take something in.
    Sink,
}

impl Verb {
    const ALL: [Self; 4] = [Self::Source, Self::Exists, Self::Meta, Self::Sink];

    fn from_code(code: u64) -> Option<Self> {
        Self::ALL.get(usize::try_from(code).ok()?).copied()
    }
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Source => "source",
            Self::Exists => "exists",
            Self::Meta => "meta",
            Self::Sink => "sink",
        })
    }
}

/// The argument of a `sink` that says what is taken in: a resource, or a text.
pub const GIVEN: &str = "given";

/// A media type (RFC 6838), `type/subtype` in lower case and without parameters.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MediaType(Arc<str>);

/// A text is not a media type.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a media type, such as text/plain")]
pub struct MediaTypeError {
    text: String,
}

impl MediaType {
    /// Checks `text`.
    pub fn new(text: &str) -> Result<Self, MediaTypeError> {
        let is_name = |name: &str| {
            // RFC 6838 §4.2: `restricted-name`, here without capitals.
            let is_fine =
                |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"!#$&-^_.+".contains(&b);
            (1..=127).contains(&name.len())
                && name.bytes().all(is_fine)
                && name.as_bytes()[0].is_ascii_alphanumeric()
        };
        match text.split_once('/') {
            Some((kind, sub)) if is_name(kind) && is_name(sub) => Ok(Self(text.into())),
            _ => Err(MediaTypeError { text: text.chars().take(80).collect() }),
        }
    }

    /// Returns the text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for MediaType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for MediaType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An argument of a request.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Argument {
    /// The text itself.
    Value(String),
    /// What another resource gives.
    Reference(Identifier),
}

/// What is asked for. Who asks is no part of it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Request {
    /// What is to be done.
    pub verb: Verb,
    /// With what.
    pub uri: Identifier,
    /// How.
    pub arguments: BTreeMap<String, Argument>,
    /// What the representation should be; `None` for whatever it is.
    pub wanted: Option<MediaType>,
}

const TAG: &str = "vigil.request/1";

impl Request {
    /// Asks for the representation of `uri`, as it is.
    pub fn source(uri: Identifier) -> Self {
        Self { verb: Verb::Source, uri, arguments: BTreeMap::new(), wanted: None }
    }

    /// Asks that what `given` is be taken in.
    pub fn sink(uri: Identifier, given: Argument) -> Self {
        let arguments = BTreeMap::from([(GIVEN.to_owned(), given)]);
        Self { verb: Verb::Sink, uri, arguments, wanted: None }
    }

    /// Asks for another media type.
    pub fn wanting(self, wanted: MediaType) -> Self {
        Self { wanted: Some(wanted), ..self }
    }

    /// Returns the canonical record.
    pub fn encode(&self) -> Vec<u8> {
        let mut encoder = Encoder::record(TAG, 5);
        encoder.unsigned(self.verb as u64);
        encoder.text(self.uri.as_str());
        encoder.array(self.arguments.len());
        for (name, argument) in &self.arguments {
            encoder.array(3);
            encoder.text(name);
            let (is_reference, text) = match argument {
                Argument::Value(text) => (false, text.as_str()),
                Argument::Reference(uri) => (true, uri.as_str()),
            };
            encoder.bool(is_reference);
            encoder.text(text);
        }
        match &self.wanted {
            Some(wanted) => encoder.text(wanted.as_str()),
            None => encoder.null(),
        }
        encoder.finish()
    }

    /// Reads a record strictly.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut decoder = Decoder::record(bytes, TAG, 5)?;
        let at = decoder.offset();
        let Some(verb) = Verb::from_code(decoder.unsigned()?) else {
            return decoder.fault(at, Fault::Range);
        };
        let uri = read_identifier(&mut decoder)?;
        let mut arguments = BTreeMap::new();
        for _ in 0..decoder.array()? {
            let at = decoder.offset();
            decoder.array_of(3)?;
            let name = decoder.text()?.to_owned();
            let argument = match decoder.bool()? {
                true => Argument::Reference(read_identifier(&mut decoder)?),
                false => Argument::Value(decoder.text()?.to_owned()),
            };
            if arguments.last_key_value().is_some_and(|(last, _)| *last >= name) {
                return decoder.fault(at, Fault::KeyOrder);
            }
            arguments.insert(name, argument);
        }
        let wanted = match decoder.null() {
            true => None,
            false => Some(read_media_type(&mut decoder)?),
        };
        decoder.finish()?;
        Ok(Self { verb, uri, arguments, wanted })
    }

    /// Returns the hash of the canonical record.
    pub fn digest(&self) -> Vcid {
        Vcid::of(&self.encode())
    }
}

/// Reads a URI.
pub(crate) fn read_identifier(decoder: &mut Decoder<'_>) -> Result<Identifier, DecodeError> {
    let at = decoder.offset();
    Identifier::new(decoder.text()?).or_else(|_| decoder.fault(at, Fault::Range))
}

/// Reads a media type.
pub(crate) fn read_media_type(decoder: &mut Decoder<'_>) -> Result<MediaType, DecodeError> {
    let at = decoder.offset();
    MediaType::new(decoder.text()?).or_else(|_| decoder.fault(at, Fault::Range))
}
