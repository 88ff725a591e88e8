//! How long a record of a text may be: readers hold one whole, and a quote that is never closed makes one of
//! all that follows.
//!
//! It does not read records; it counts the bytes since the last place where one may have ended.

/// Most bytes of one record of CSV or JSON.
const RECORD_BYTES_MAX: u64 = 16 << 20;

/// A record that does not end.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{name} has a record of more than {RECORD_BYTES_MAX} bytes, which ends behind byte {at}")]
pub struct LongRecord {
    /// The file.
    pub name: String,
    /// How far it was read.
    pub at: u64,
}

/// Where in a text a reader is, and how many bytes ago a record ended.
#[derive(Clone, Debug)]
pub struct Records {
    syntax: Syntax,
    since: u64,
}

#[derive(Clone, Debug)]
enum Syntax {
    /// RFC 4180: a quote counts where a field begins.
    Csv { quote: u8, delimiter: u8, state: Field },
    /// RFC 8259: records are what lies `top` levels deep.
    Json { top: u32, depth: u32, text: Text },
    /// Records are lines.
    Lines,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field {
    Start,
    Plain,
    Quoted,
    /// Behind a quote in a quoted field: its end, or the first of two.
    Quote,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Text {
    Outside,
    Inside,
    Escape,
}

impl Records {
    /// Records of CSV.
    pub fn csv(quote: u8, delimiter: u8) -> Self {
        Self { syntax: Syntax::Csv { quote, delimiter, state: Field::Start }, since: 0 }
    }

    /// Values of JSON that follow one another, or that are the items of one array.
    pub fn json(is_array: bool) -> Self {
        let syntax = Syntax::Json { top: u32::from(is_array), depth: 0, text: Text::Outside };
        Self { syntax, since: 0 }
    }

    /// Returns what counts in a reader that begins at a byte: in the middle of a file, only lines are told.
    pub fn from(self, start: u64) -> Self {
        if start == 0 { self } else { Self { syntax: Syntax::Lines, since: 0 } }
    }

    /// Takes in the bytes that follow; returns where a record has become too long.
    pub fn pass(&mut self, bytes: &[u8]) -> Option<u64> {
        for (at, byte) in bytes.iter().enumerate() {
            self.since += 1;
            let may_end = match &mut self.syntax {
                Syntax::Lines => *byte == b'\n',
                Syntax::Csv { quote, delimiter, state } => {
                    *state = match *state {
                        Field::Quoted if byte == quote => Field::Quote,
                        Field::Quoted => Field::Quoted,
                        Field::Quote if byte == quote => Field::Quoted,
                        Field::Start if byte == quote => Field::Quoted,
                        _ if byte == delimiter || *byte == b'\n' => Field::Start,
                        _ => Field::Plain,
                    };
                    *state == Field::Start && *byte == b'\n'
                }
                Syntax::Json { top, depth, text } => {
                    *text = match (*text, byte) {
                        (Text::Inside, b'\\') => Text::Escape,
                        (Text::Inside, b'"') => Text::Outside,
                        (Text::Inside | Text::Escape, _) => Text::Inside,
                        (Text::Outside, b'"') => Text::Inside,
                        (Text::Outside, b'{' | b'[') => {
                            *depth = depth.saturating_add(1);
                            Text::Outside
                        }
                        (Text::Outside, b'}' | b']') => {
                            *depth = depth.saturating_sub(1);
                            Text::Outside
                        }
                        (Text::Outside, _) => Text::Outside,
                    };
                    *text == Text::Outside && depth <= top && b"},]\n".contains(byte)
                }
            };
            if may_end {
                self.since = 0;
            } else if self.since > RECORD_BYTES_MAX {
                return Some(at as u64);
            }
        }
        None
    }
}
