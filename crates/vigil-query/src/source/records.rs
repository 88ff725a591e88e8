//! How long a record of a text may be: readers hold one whole, and a quote that is never closed makes one of
//! all that follows.
//!
//! It does not read records; it counts the bytes since the last place where one may have ended.

use memchr::{memchr, memchr_iter, memrchr};

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
        let since = &mut self.since;
        match &mut self.syntax {
            Syntax::Lines => pass_lines(since, bytes),
            Syntax::Csv { quote, delimiter, state } => {
                pass_csv(since, state, (*quote, *delimiter), bytes)
            }
            Syntax::Json { top, depth, text } => pass_json(since, *top, depth, text, bytes),
        }
    }
}

/// Counts bytes among which no record ends.
fn pass_inside(since: &mut u64, bytes: &[u8]) -> Option<u64> {
    let room = RECORD_BYTES_MAX - *since;
    if bytes.len() as u64 > room {
        return Some(room);
    }
    *since += bytes.len() as u64;
    None
}

/// Counts bytes among which every line end ends a record, which may be the first byte beyond its room.
fn pass_lines(since: &mut u64, bytes: &[u8]) -> Option<u64> {
    if *since + bytes.len() as u64 <= RECORD_BYTES_MAX {
        match memrchr(b'\n', bytes) {
            Some(end) => *since = (bytes.len() - end - 1) as u64,
            None => *since += bytes.len() as u64,
        }
        return None;
    }
    let mut start = 0;
    for end in memchr_iter(b'\n', bytes) {
        if let Some(at) = pass_inside(since, &bytes[start..end]) {
            return Some(start as u64 + at);
        }
        *since = 0;
        start = end + 1;
    }
    pass_inside(since, &bytes[start..]).map(|at| start as u64 + at)
}

/// Goes from quote to quote: between them, only the ends of lines matter.
fn pass_csv(
    since: &mut u64,
    state: &mut Field,
    (quote, delimiter): (u8, u8),
    bytes: &[u8],
) -> Option<u64> {
    let mut start = 0;
    while let rest @ [first, ..] = &bytes[start..] {
        let is_opened = *first == quote && matches!(state, Field::Start | Field::Quote);
        let (end, long) = if *state == Field::Quoted || is_opened {
            // What has been opened is inside from the next byte on.
            let skip = usize::from(is_opened);
            let closing = memchr(quote, &rest[skip..]);
            *state = if closing.is_some() { Field::Quote } else { Field::Quoted };
            let end = closing.map_or(rest.len(), |at| skip + at + 1);
            (end, pass_inside(since, &rest[..end]))
        } else {
            // A quote in the middle of a field is one of its bytes.
            let end = memchr(quote, &rest[1..]).map_or(rest.len(), |at| at + 1);
            let is_start = [delimiter, b'\n'].contains(&rest[end - 1]);
            *state = if is_start { Field::Start } else { Field::Plain };
            (end, pass_lines(since, &rest[..end]))
        };
        if let Some(at) = long {
            return Some(start as u64 + at);
        }
        start += end;
    }
    None
}

/// Looks at each byte: brackets and quotes are everywhere.
fn pass_json(
    since: &mut u64,
    top: u32,
    depth: &mut u32,
    text: &mut Text,
    bytes: &[u8],
) -> Option<u64> {
    for (at, byte) in bytes.iter().enumerate() {
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
        if *text == Text::Outside && *depth <= top && b"},]\n".contains(byte) {
            *since = 0;
        } else if *since == RECORD_BYTES_MAX {
            return Some(at as u64);
        } else {
            *since += 1;
        }
    }
    None
}
