//! Grammars: which URIs an endpoint answers, as one declaration that both parses and builds them.
//!
//! A pattern is text with parts in braces: `res:/{shelf}/{book:rest}`. What a part may hold follows from
//! its kind, and a part ends where the text after it begins. Two patterns overlap if some URI fits
//! both; that is decided exactly, so that no space ever holds two endpoints for one name by accident.

use std::collections::{BTreeMap, HashSet};
use std::fmt;

use crate::request::Identifier;

/// What a part may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Kind {
    /// One or more bytes other than `/`: `{name}`.
    Segment,
    /// One or more letters, digits, `-`, `_` or `.`: `{name:word}`.
    Word,
    /// One or more decimal digits: `{name:digits}`.
    Digits,
    /// One or more lower-case hexadecimal digits: `{name:hex}`.
    Hex,
    /// Whatever is left, perhaps nothing: `{name:rest}`.
    Rest,
    /// Nothing, or `+` and whatever follows: `{name:call}`, the arguments of a call.
    Call,
}

impl Kind {
    fn holds(self, byte: u8) -> bool {
        match self {
            Self::Segment => byte != b'/',
            Self::Word => byte.is_ascii_alphanumeric() || b"-_.".contains(&byte),
            Self::Digits => byte.is_ascii_digit(),
            Self::Hex => byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte),
            Self::Rest | Self::Call => true,
        }
    }

    fn fits(self, text: &str) -> bool {
        match self {
            Self::Rest => true,
            Self::Call => text.is_empty() || text.starts_with('+'),
            _ => !text.is_empty() && text.bytes().all(|byte| self.holds(byte)),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Piece {
    Text(String),
    Part { name: String, kind: Kind },
}

/// Which URIs an endpoint answers.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Grammar {
    pattern: String,
    pieces: Vec<Piece>,
}

/// Why a pattern is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GrammarError {
    /// A brace has no partner.
    #[error("a brace in `{pattern}` has no partner")]
    Brace {
        /// The pattern.
        pattern: String,
    },
    /// A part's kind is not known.
    #[error("`{kind}` is no kind of part; there are word, digits, hex, rest and call")]
    Kind {
        /// The kind.
        kind: String,
    },
    /// A part has no name, or another one has the same.
    #[error("each part needs a name of its own; `{name}` is none")]
    Name {
        /// The name.
        name: String,
    },
    /// Two parts touch, so that nothing says where the first ends, or something follows the rest.
    #[error("nothing says where the part `{name}` ends")]
    Open {
        /// The part.
        name: String,
    },
}

/// Why a URI could not be built.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// A part is missing.
    #[error("the part `{name}` is missing")]
    Missing {
        /// The part.
        name: String,
    },
    /// A part may not hold that text, or the URI would be read back otherwise.
    #[error("the part `{name}` may not hold `{text}`")]
    Unfit {
        /// The part.
        name: String,
        /// The text.
        text: String,
    },
}

/// The parts of a URI by name.
pub type Parts = BTreeMap<String, String>;

impl Grammar {
    /// Reads a pattern.
    pub fn new(pattern: &str) -> Result<Self, GrammarError> {
        let mut pieces = Vec::new();
        let mut names = HashSet::new();
        let mut rest = pattern;
        let brace = || GrammarError::Brace { pattern: pattern.to_owned() };
        while !rest.is_empty() {
            let text = &rest[..rest.find('{').unwrap_or(rest.len())];
            if text.contains('}') {
                return Err(brace());
            }
            if !text.is_empty() {
                pieces.push(Piece::Text(text.to_owned()));
            }
            rest = &rest[text.len()..];
            let Some(part) = rest.strip_prefix('{') else { break };
            let (part, after) = part.split_once('}').ok_or_else(brace)?;
            rest = after;
            let (name, kind) = part.split_once(':').unwrap_or((part, ""));
            let kind = match kind {
                "" => Kind::Segment,
                "word" => Kind::Word,
                "digits" => Kind::Digits,
                "hex" => Kind::Hex,
                "rest" => Kind::Rest,
                "call" => Kind::Call,
                _ => return Err(GrammarError::Kind { kind: kind.to_owned() }),
            };
            if name.is_empty() || !names.insert(name) {
                return Err(GrammarError::Name { name: name.to_owned() });
            }
            let is_open = matches!(kind, Kind::Rest | Kind::Call) && !rest.is_empty();
            if is_open || matches!(pieces.last(), Some(Piece::Part { .. })) {
                return Err(GrammarError::Open { name: name.to_owned() });
            }
            pieces.push(Piece::Part { name: name.to_owned(), kind });
        }
        Ok(Self { pattern: pattern.to_owned(), pieces })
    }

    /// Returns the pattern.
    pub fn pattern(&self) -> &str {
        &self.pattern
    }

    /// Returns the text that every URI of the grammar starts with.
    pub fn prefix(&self) -> &str {
        match self.pieces.first() {
            Some(Piece::Text(text)) => text,
            _ => "",
        }
    }

    /// Takes a URI apart; `None` if it does not fit. Each part but the last ends where the text after
    /// it first occurs, so there is one reading.
    pub fn parse(&self, uri: &str) -> Option<Parts> {
        let mut parts = Parts::new();
        let mut rest = uri;
        for (index, piece) in self.pieces.iter().enumerate() {
            match piece {
                Piece::Text(text) => rest = rest.strip_prefix(text.as_str())?,
                Piece::Part { name, kind } => {
                    let end = match self.pieces.get(index + 1) {
                        Some(Piece::Text(text)) => rest.find(text.as_str())?,
                        _ => rest.len(),
                    };
                    let (text, after) = rest.split_at(end);
                    if !kind.fits(text) {
                        return None;
                    }
                    parts.insert(name.clone(), text.to_owned());
                    rest = after;
                }
            }
        }
        rest.is_empty().then_some(parts)
    }

    /// Builds the URI that parses to these parts.
    pub fn build(&self, parts: &Parts) -> Result<Identifier, BuildError> {
        let mut uri = String::new();
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => uri += text,
                Piece::Part { name, kind } => {
                    let missing = || BuildError::Missing { name: name.clone() };
                    let text = parts.get(name).ok_or_else(missing)?;
                    if !kind.fits(text) {
                        return Err(BuildError::Unfit { name: name.clone(), text: text.clone() });
                    }
                    uri += text;
                }
            }
        }
        // A part that holds the text after it would be cut short by the reader.
        let read = self.parse(&uri).unwrap_or_default();
        let name = parts.keys().find(|name| read.get(*name) != parts.get(*name));
        let unfit = |name: &String| BuildError::Unfit {
            name: name.clone(),
            text: parts.get(name).cloned().unwrap_or_default(),
        };
        match (name, Identifier::new(&uri)) {
            (None, Ok(uri)) => Ok(uri),
            (Some(name), _) => Err(unfit(name)),
            (None, Err(_)) => Err(unfit(&self.pattern)),
        }
    }

    /// Returns a URI that fits both grammars, if there is one.
    ///
    /// Both are read as automata over bytes and run side by side. What [`Grammar::parse`] refuses
    /// because a part holds the text after it counts as fitting here: that errs towards refusing.
    pub fn overlap(&self, other: &Self) -> Option<String> {
        let (ours, theirs) = (self.automaton(), other.automaton());
        let mut seen = HashSet::from([(0, 0)]);
        let mut open = std::collections::VecDeque::from([(0, 0, Vec::new())]);
        while let Some((a, b, path)) = open.pop_front() {
            if ours.ends(a) && theirs.ends(b) {
                return Some(String::from_utf8_lossy(&path).into_owned());
            }
            for byte in ours.bytes(a) {
                for next_a in ours.step(a, byte) {
                    for next_b in theirs.step(b, byte) {
                        if seen.insert((next_a, next_b)) {
                            let mut path = path.clone();
                            path.push(byte);
                            open.push_back((next_a, next_b, path));
                        }
                    }
                }
            }
        }
        None
    }

    fn automaton(&self) -> Automaton {
        let mut states = Vec::new();
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => states.extend(text.bytes().map(State::Byte)),
                Piece::Part { kind: Kind::Rest, .. } => states.push(State::Any),
                Piece::Part { kind: Kind::Call, .. } => {
                    states.extend([State::Maybe(b'+'), State::Any]);
                }
                Piece::Part { kind, .. } => states.extend([State::One(*kind), State::More(*kind)]),
            }
        }
        Automaton { states }
    }
}

impl fmt::Display for Grammar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.pattern)
    }
}

/// A pattern as a row of states; the one behind the last accepts.
struct Automaton {
    states: Vec<State>,
}

#[derive(Clone, Copy)]
enum State {
    /// Exactly this byte.
    Byte(u8),
    /// The end, or this byte.
    Maybe(u8),
    /// One byte of a kind.
    One(Kind),
    /// Any number of bytes of a kind.
    More(Kind),
    /// Any number of any bytes, to the end.
    Any,
}

impl Automaton {
    fn ends(&self, state: usize) -> bool {
        match self.states.get(state) {
            None | Some(State::Maybe(_) | State::Any) => true,
            Some(State::More(_)) => self.ends(state + 1),
            Some(State::Byte(_) | State::One(_)) => false,
        }
    }

    /// Returns bytes that may come next: all that printable URIs have, or the only one.
    fn bytes(&self, state: usize) -> Vec<u8> {
        match self.states.get(state) {
            None => Vec::new(),
            Some(State::Byte(byte) | State::Maybe(byte)) => vec![*byte],
            Some(_) => (0x21..=0xff).collect(),
        }
    }

    fn step(&self, state: usize, byte: u8) -> Vec<usize> {
        match self.states.get(state) {
            Some(State::Byte(want) | State::Maybe(want)) if *want == byte => vec![state + 1],
            Some(State::One(kind)) if kind.holds(byte) => vec![state + 1],
            Some(State::More(kind)) => {
                let mut next = self.step(state + 1, byte);
                if kind.holds(byte) {
                    next.push(state);
                }
                next
            }
            Some(State::Any) => vec![state],
            _ => Vec::new(),
        }
    }
}
