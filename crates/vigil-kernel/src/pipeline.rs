//! Pipelines: `URI | name arg=value "text" | …` as one canonical URI, and back. Specified in
//! `docs/format/uri.md`.
//!
//! The URI of a call is `active:NAME` and its arguments, sorted: `+KEY=VALUE` for a text and
//! `+KEY@URI` for what another resource gives. What stands before `|` is the argument `of`; texts
//! without a key are `1`, `2` and so on. Everything but letters, digits and `-._~:/!*,;` is written as
//! `%HH`, also inside of a URI that is an argument, so calls nest.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use vigil_base::percent_decode;

use crate::refusal::shorten;
use crate::request::{Argument, Identifier, IdentifierError};

/// What the URI of a call starts with.
pub const ACTIVE: &str = "active:";

/// The argument that is piped in.
pub const OPERAND: &str = "of";

/// Deepest nesting of calls in the text of a pipeline. Each level escapes the ones inside once more.
const DEPTH_MAX: usize = 24;

/// A call: an endpoint's name, and arguments.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Invocation {
    /// The name.
    pub name: String,
    /// The arguments.
    pub arguments: BTreeMap<String, Argument>,
}

/// Why a text is no pipeline, or a URI no call.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PipelineError {
    /// Something is missing or stands in the wrong place.
    #[error("{what} at character {at}")]
    Syntax {
        /// What is wrong.
        what: &'static str,
        /// Where, in characters from 1.
        at: usize,
    },
    /// An argument is given twice.
    #[error("the argument `{key}` is given twice")]
    Twice {
        /// Its key.
        key: String,
    },
    /// A stage is no URI.
    #[error("`{text}` is no URI")]
    Uri {
        /// The text, or how it begins.
        text: String,
        /// Why.
        source: IdentifierError,
    },
    /// The URI of a call is not written the one way.
    #[error("`{uri}` is not the canonical URI of a call")]
    NotCanonical {
        /// The URI.
        uri: String,
    },
}

impl PipelineError {
    /// Says that a text is no URI. Calls within calls make URIs that are longer than what was typed.
    fn no_uri(text: &str, source: IdentifierError) -> Self {
        Self::Uri { text: shorten(text), source }
    }
}

/// Writes text so that it may stand in the URI of a call.
fn escape(text: &str, out: &mut String) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~:/!*,;".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
}

fn unescape(text: &str) -> Option<String> {
    String::from_utf8(percent_decode(text)?).ok()
}

/// Returns whether a text is a name or a key: letters, digits, `-` and `_`.
fn is_word(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

impl Invocation {
    /// Returns the canonical URI.
    pub fn to_uri(&self) -> Result<Identifier, PipelineError> {
        let mut uri = format!("{ACTIVE}{}", self.name);
        for (key, argument) in &self.arguments {
            let (sign, text) = match argument {
                Argument::Value(text) => ('=', text.as_str()),
                Argument::Reference(uri) => ('@', uri.as_str()),
            };
            uri.push('+');
            uri += key;
            uri.push(sign);
            escape(text, &mut uri);
        }
        Identifier::new(&uri).map_err(|source| PipelineError::no_uri(&uri, source))
    }

    /// Reads the URI of a call; `None` if it is another URI.
    pub fn from_uri(uri: &Identifier) -> Option<Result<Self, PipelineError>> {
        let rest = uri.as_str().strip_prefix(ACTIVE)?;
        let call = Self::read(rest);
        let is_canonical = |call: &Self| call.to_uri().as_ref() == Ok(uri);
        let error = || PipelineError::NotCanonical { uri: uri.to_string() };
        Some(call.filter(is_canonical).ok_or_else(error))
    }

    fn read(rest: &str) -> Option<Self> {
        let mut pieces = rest.split('+');
        let name = pieces.next().filter(|name| is_word(name))?.to_owned();
        let mut arguments = BTreeMap::new();
        for piece in pieces {
            let at = piece.find(['=', '@'])?;
            let (key, value) = (&piece[..at], unescape(&piece[at + 1..])?);
            let argument = match piece.as_bytes()[at] {
                b'=' => Argument::Value(value),
                _ => Argument::Reference(Identifier::new(&value).ok()?),
            };
            if !is_word(key) || arguments.insert(key.to_owned(), argument).is_some() {
                return None;
            }
        }
        Some(Self { name, arguments })
    }
}

/// Returns the URI of the call `name` with `uri` piped into it.
pub fn piped(uri: &Identifier, name: &str) -> Result<Identifier, PipelineError> {
    let operand = (OPERAND.to_owned(), Argument::Reference(uri.clone()));
    Invocation { name: name.to_owned(), arguments: [operand].into() }.to_uri()
}

/// Reads a pipeline and returns its one URI.
pub fn parse(text: &str) -> Result<Identifier, PipelineError> {
    let mut reader = Reader { chars: text.chars().collect(), at: 0 };
    let uri = reader.pipeline(0)?;
    match reader.peek() {
        None => Ok(uri),
        Some(_) => reader.fail("`)` without `(`"),
    }
}

struct Reader {
    chars: Vec<char>,
    at: usize,
}

impl Reader {
    fn fail<T>(&self, what: &'static str) -> Result<T, PipelineError> {
        Err(PipelineError::Syntax { what, at: self.at + 1 })
    }

    fn peek(&self) -> Option<char> {
        self.chars.get(self.at).copied()
    }

    fn skip_blanks(&mut self) {
        while self.peek().is_some_and(char::is_whitespace) {
            self.at += 1;
        }
    }

    fn take(&mut self, wanted: char) -> bool {
        let is_there = self.peek() == Some(wanted);
        self.at += usize::from(is_there);
        is_there
    }

    /// Reads stages up to the end or an unmatched `)`.
    fn pipeline(&mut self, depth: usize) -> Result<Identifier, PipelineError> {
        if depth > DEPTH_MAX {
            return self.fail("calls are nested too deep");
        }
        self.skip_blanks();
        let first = self.leaf()?;
        if first.is_empty() {
            return self.fail("a pipeline starts with a URI");
        }
        let mut uri =
            Identifier::new(&first).map_err(|source| PipelineError::no_uri(&first, source))?;
        loop {
            self.skip_blanks();
            match self.peek() {
                None | Some(')') => return Ok(uri),
                Some('|') => self.at += 1,
                Some(_) => return self.fail("`|` is missing before what follows the URI"),
            }
            uri = self.stage(uri, depth)?;
        }
    }

    /// Reads up to a blank, a bar or a parenthesis that closes.
    fn bare(&mut self) -> String {
        let mut text = String::new();
        while let Some(c) = self.peek() {
            if ends_bare(c) {
                break;
            }
            text.push(c);
            self.at += 1;
        }
        text
    }

    /// Reads a URI as it is, or in quotes.
    fn leaf(&mut self) -> Result<String, PipelineError> {
        if self.peek() == Some('"') { self.value() } else { Ok(self.bare()) }
    }

    fn stage(&mut self, operand: Identifier, depth: usize) -> Result<Identifier, PipelineError> {
        self.skip_blanks();
        let name = self.word();
        if name.is_empty() {
            return self.fail("a name is missing after `|`");
        }
        let mut call = Invocation { name, ..Invocation::default() };
        call.arguments.insert(OPERAND.to_owned(), Argument::Reference(operand));
        let mut unnamed = 0;
        loop {
            self.skip_blanks();
            if matches!(self.peek(), None | Some('|' | ')')) {
                return call.to_uri();
            }
            let (key, argument) = self.argument(&mut unnamed, depth)?;
            if call.arguments.contains_key(&key) {
                return Err(PipelineError::Twice { key });
            }
            call.arguments.insert(key, argument);
        }
    }

    fn word(&mut self) -> String {
        let start = self.at;
        while self.peek().is_some_and(is_of_word) {
            self.at += 1;
        }
        self.chars[start..self.at].iter().collect()
    }

    fn argument(
        &mut self,
        unnamed: &mut u32,
        depth: usize,
    ) -> Result<(String, Argument), PipelineError> {
        let start = self.at;
        let key = self.word();
        if !key.is_empty() && self.take('=') {
            return Ok((key, Argument::Value(self.value()?)));
        }
        if !key.is_empty() && self.take('@') {
            return Ok((key, Argument::Reference(self.reference(depth)?)));
        }
        self.at = start;
        *unnamed += 1;
        Ok((unnamed.to_string(), Argument::Value(self.value()?)))
    }

    fn value(&mut self) -> Result<String, PipelineError> {
        if !self.take('"') {
            let text = self.bare();
            return if text.is_empty() { self.fail("a text is missing") } else { Ok(text) };
        }
        let mut text = String::new();
        loop {
            let Some(c) = self.peek() else { return self.fail("the quote is not closed") };
            self.at += 1;
            match c {
                '"' => return Ok(text),
                '\\' => match self.peek() {
                    Some('n') => text.push('\n'),
                    Some('t') => text.push('\t'),
                    Some(c @ ('"' | '\\')) => text.push(c),
                    _ => return self.fail("after `\\` comes `\"`, `\\`, `n` or `t`"),
                },
                c => {
                    text.push(c);
                    continue;
                }
            }
            self.at += 1;
        }
    }

    fn reference(&mut self, depth: usize) -> Result<Identifier, PipelineError> {
        if self.take('(') {
            let uri = self.pipeline(depth + 1)?;
            return if self.take(')') { Ok(uri) } else { self.fail("`)` is missing") };
        }
        let text = self.leaf()?;
        Identifier::new(&text).map_err(|source| PipelineError::no_uri(&text, source))
    }
}

/// Writes a URI that is no call, in quotes where it would not be read as one word.
fn render_leaf(uri: &Identifier) -> String {
    match uri.as_str().contains(['|', '(', ')', '"']) {
        true => quote(uri.as_str()),
        false => uri.to_string(),
    }
}

/// Writes a URI as the pipeline that it is.
pub fn render(uri: &Identifier) -> String {
    let mut stages = Vec::new();
    let mut uri = uri.clone();
    // As deep as can be read back; beyond that a URI stands for itself.
    while let Some(Ok(mut call)) = Invocation::from_uri(&uri) {
        let Some(Argument::Reference(operand)) = call.arguments.remove(OPERAND) else { break };
        stages.push(render_stage(&call));
        uri = operand;
    }
    stages.push(render_leaf(&uri));
    stages.reverse();
    stages.join(" | ")
}

fn render_stage(call: &Invocation) -> String {
    let mut out = call.name.clone();
    let mut unnamed = 0;
    let mut arguments = call.arguments.clone();
    while let Some(Argument::Value(_)) = arguments.get(&(unnamed + 1).to_string()) {
        unnamed += 1;
        if let Some(Argument::Value(text)) = arguments.remove(&unnamed.to_string()) {
            out.push(' ');
            // What looks like `key=` or `key@` would be read as that.
            let word = text.trim_start_matches(is_of_word);
            let is_keyed = word.len() < text.len() && word.starts_with(['=', '@']);
            out += &if is_keyed { quote(&text) } else { written(&text) };
        }
    }
    for (key, argument) in &arguments {
        let _ = match argument {
            Argument::Value(text) => write!(out, " {key}={}", written(text)),
            Argument::Reference(uri) if Invocation::from_uri(uri).is_some() => {
                write!(out, " {key}@({})", render(uri))
            }
            Argument::Reference(uri) => write!(out, " {key}@{}", render_leaf(uri)),
        };
    }
    out
}

/// Writes a text with quotes only where it needs them.
fn written(text: &str) -> String {
    let is_bare = !text.is_empty() && !text.chars().any(|c| ends_bare(c) || c.is_control());
    if is_bare { text.to_owned() } else { quote(text) }
}

fn is_of_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '-' || c == '_'
}

/// Whether a text without quotes ends there.
fn ends_bare(c: char) -> bool {
    c.is_whitespace() || matches!(c, '|' | '(' | ')' | '"')
}

fn quote(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out += "\\\"",
            '\\' => out += "\\\\",
            '\n' => out += "\\n",
            '\t' => out += "\\t",
            c => out.push(c),
        }
    }
    out.push('"');
    out
}
