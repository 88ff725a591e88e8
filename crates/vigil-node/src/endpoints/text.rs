//! Text: its lines, its words, and whether it is text at all. All but `tail` and `sort` read once, from
//! the front, and no further than they need.

use std::io::{self, BufRead, BufReader, Read, Seek as _, SeekFrom};

use regex_automata::meta::Regex;
use regex_automata::util::syntax;
use vigil_base::limits::RECORD_BYTES_MAX;
use vigil_kernel::{Produced, Refusal, shorten};

use super::{BYTES_TYPE, Conversion, JSON_LINES_TYPE, JSON_TYPE, TEXT_TYPE};
use crate::blob::BlobReader;
use crate::description::{
    Asked, Description, choice, media_type, misuse, needed, optional, source_refused,
};

/// Lines, and looking for them.
pub const ENDPOINTS: &[Description] = &[
    Description {
        name: "head",
        help: "the first lines of a text",
        pattern: None,
        parameters: &[optional("lines", "how many", "10")],
        gives: &[TEXT_TYPE],
        only_looks_up: false,
        serve: |asked| Box::pin(head(asked)),
    },
    Description {
        name: "tail",
        help: "the last lines of a text",
        pattern: None,
        parameters: &[optional("lines", "how many", "10")],
        gives: &[TEXT_TYPE],
        only_looks_up: false,
        serve: |asked| Box::pin(tail(asked)),
    },
    Description {
        name: "lines",
        help: "lines of a text, counted from 1",
        pattern: None,
        parameters: &[
            optional("from", "the first one", "1"),
            optional("to", "the last one, or `end`", "end"),
        ],
        gives: &[TEXT_TYPE],
        only_looks_up: false,
        serve: |asked| Box::pin(lines(asked)),
    },
    Description {
        name: "grep",
        help: "the lines that hold a text, or that a regular expression matches",
        pattern: None,
        parameters: &[
            needed("text", "what to look for"),
            choice("regex", "whether it is a regular expression", NO_YES),
            choice("ignore-case", "whether capitals and small letters are the same", NO_YES),
            choice("invert", "whether the lines that do not match are wanted", NO_YES),
        ],
        gives: &[TEXT_TYPE],
        only_looks_up: false,
        serve: |asked| Box::pin(grep(asked)),
    },
    Description {
        name: "sort",
        help: "the lines of a text in the order of their bytes, or of the numbers they start with",
        pattern: None,
        parameters: &[
            choice("numeric", "whether by numbers", NO_YES),
            choice("reverse", "whether backwards", NO_YES),
            choice("unique", "whether equal lines are given once", NO_YES),
        ],
        gives: &[TEXT_TYPE],
        only_looks_up: false,
        serve: |asked| Box::pin(sort(asked)),
    },
    Description {
        name: "count",
        help: "how many lines, words or bytes there are",
        pattern: None,
        parameters: &[choice("what", "what to count", &["lines", "words", "bytes"])],
        gives: &[TEXT_TYPE],
        only_looks_up: false,
        serve: |asked| Box::pin(count(asked)),
    },
    Description {
        name: "text",
        help: "the same bytes as text, if they are UTF-8",
        pattern: None,
        parameters: &[],
        gives: &[TEXT_TYPE],
        only_looks_up: false,
        serve: |asked| Box::pin(text(asked)),
    },
    Description {
        name: "bytes",
        help: "the same bytes, as bytes of which nothing is said",
        pattern: None,
        parameters: &[],
        gives: &[BYTES_TYPE],
        only_looks_up: false,
        serve: |asked| Box::pin(bytes(asked)),
    },
];

/// What is text, and what is bytes.
pub const CONVERTERS: &[Conversion] = &[
    (BYTES_TYPE, TEXT_TYPE, 2, "text"),
    (JSON_TYPE, TEXT_TYPE, 2, "text"),
    (JSON_LINES_TYPE, TEXT_TYPE, 2, "text"),
    (TEXT_TYPE, BYTES_TYPE, 1, "bytes"),
    (JSON_TYPE, BYTES_TYPE, 1, "bytes"),
    (JSON_LINES_TYPE, BYTES_TYPE, 1, "bytes"),
];

/// Choices of which the first is meant where none is given.
pub const NO_YES: &[&str] = &["no", "yes"];

/// Longest line that is looked into: a longer one is no line of text.
const LINE_BYTES_MAX: usize = 64 << 20;

/// Longest text that is sorted, in bytes: it is held in memory.
const SORT_BYTES_MAX: u64 = RECORD_BYTES_MAX as u64;

/// Most lines that are sorted: each takes 16 bytes beside the text, together twice as much as the longest.
const SORT_LINES_MAX: usize = 2 * RECORD_BYTES_MAX / size_of::<&[u8]>();

async fn head(asked: Asked<'_>) -> Result<Produced, Refusal> {
    let given = asked.given().await?;
    let to = given.number("lines")?;
    let source = asked.open(&given)?;
    keep_lines(&asked, source, 1, to)
}

async fn lines(asked: Asked<'_>) -> Result<Produced, Refusal> {
    let given = asked.given().await?;
    let from = given.number_in("from", 1, u64::MAX)?;
    let to = if given.text("to") == "end" { u64::MAX } else { given.number("to")? };
    let source = asked.open(&given)?;
    keep_lines(&asked, source, from, to)
}

fn keep_lines(
    asked: &Asked<'_>,
    source: BlobReader,
    from: u64,
    to: u64,
) -> Result<Produced, Refusal> {
    let mut part = LineRange { source: BufReader::new(source), from, to, line: 1 };
    asked.keep(TEXT_TYPE, &mut part, "the lines cannot be read")
}

/// The lines `from` to `to` of a stream, counted from 1, both included.
struct LineRange<R> {
    source: R,
    from: u64,
    to: u64,
    /// The line that the next byte belongs to.
    line: u64,
}

impl<R: BufRead> Read for LineRange<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.line <= self.to {
            let buffer = self.source.fill_buf()?;
            if buffer.is_empty() || into.is_empty() {
                return Ok(0);
            }
            let is_wanted = self.line >= self.from;
            let room = if is_wanted { buffer.len().min(into.len()) } else { buffer.len() };
            let end = memchr::memchr(b'\n', &buffer[..room]);
            let count = end.map_or(room, |end| end + 1);
            if is_wanted {
                into[..count].copy_from_slice(&buffer[..count]);
            }
            self.source.consume(count);
            self.line += u64::from(end.is_some());
            if is_wanted {
                return Ok(count);
            }
        }
        Ok(0)
    }
}

async fn tail(asked: Asked<'_>) -> Result<Produced, Refusal> {
    let given = asked.given().await?;
    let wanted = given.number("lines")?;
    let mut source = asked.open(&given)?;
    let failed = |error: io::Error| source_refused(&error, "the lines cannot be read");
    let start = start_of_last(&mut source, wanted).map_err(failed)?;
    source.seek(SeekFrom::Start(start)).map_err(failed)?;
    asked.keep(TEXT_TYPE, &mut source, "the lines cannot be read")
}

/// Returns where the last `wanted` lines start, by reading backwards.
fn start_of_last(source: &mut BlobReader, wanted: u64) -> io::Result<u64> {
    const BLOCK: u64 = 64 << 10;
    let len = source.size();
    if wanted == 0 {
        return Ok(len);
    }
    let mut left = wanted;
    let mut end = len;
    let mut block = Vec::new();
    while end > 0 {
        let start = end.saturating_sub(BLOCK);
        block.resize((end - start) as usize, 0);
        source.seek(SeekFrom::Start(start))?;
        source.read_exact(&mut block)?;
        for at in memchr::memrchr_iter(b'\n', &block) {
            let after = start + at as u64 + 1;
            // A line end that ends the text starts no line.
            if after == len {
                continue;
            }
            left = left.saturating_sub(1);
            if left == 0 {
                return Ok(after);
            }
        }
        end = start;
    }
    Ok(0)
}

/// The lines of a stream that are wanted.
struct Matching<R> {
    source: R,
    regex: Regex,
    is_inverted: bool,
    line: Vec<u8>,
    at: usize,
}

impl<R: BufRead> Read for Matching<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.at == self.line.len() {
            self.line.clear();
            self.at = 0;
            let mut limited = (&mut self.source).take(LINE_BYTES_MAX as u64);
            limited.read_until(b'\n', &mut self.line)?;
            if self.line.is_empty() {
                return Ok(0);
            }
            let body = self.line.strip_suffix(b"\n").unwrap_or(&self.line);
            if body.len() == LINE_BYTES_MAX {
                let text = format!("a line has more than {LINE_BYTES_MAX} bytes");
                return Err(io::Error::new(io::ErrorKind::InvalidData, text));
            }
            if self.regex.is_match(body) == self.is_inverted {
                self.line.clear();
            }
        }
        let count = (self.line.len() - self.at).min(into.len());
        into[..count].copy_from_slice(&self.line[self.at..self.at + count]);
        self.at += count;
        Ok(count)
    }
}

async fn grep(asked: Asked<'_>) -> Result<Produced, Refusal> {
    let given = asked.given().await?;
    let text = given.text("text");
    let pattern = if given.is("regex") { text.to_owned() } else { escaped(text) };
    // Bytes that are no text are lines too.
    let syntax = syntax::Config::new().utf8(false).case_insensitive(given.is("ignore-case"));
    let config = Regex::config().utf8_empty(false).nfa_size_limit(Some(REGEX_BYTES_MAX));
    let built = Regex::builder().configure(config).syntax(syntax).build(&pattern);
    let regex = built.map_err(|error| {
        let source = std::error::Error::source(&error).map(|source| format!(": {source}"));
        let because = source.unwrap_or_default();
        misuse(format!("`{}` is no regular expression: {error}{because}", shorten(text)))
    })?;
    let source = BufReader::new(asked.open(&given)?);
    let is_inverted = given.is("invert");
    let mut found = Matching { source, regex, is_inverted, line: Vec::new(), at: 0 };
    asked.keep(TEXT_TYPE, &mut found, "the lines cannot be read")
}

/// Most memory that a compiled expression may take.
const REGEX_BYTES_MAX: usize = 10 << 20;

/// Writes a text as the expression that matches it and nothing else.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if r"\.+*?()|[]{}^$#&-~".contains(c) {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

async fn sort(asked: Asked<'_>) -> Result<Produced, Refusal> {
    let given = asked.given().await?;
    let bytes = asked.whole(&given, SORT_BYTES_MAX)?;
    let body = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
    let count = memchr::memchr_iter(b'\n', body).count() + usize::from(!bytes.is_empty());
    if count > SORT_LINES_MAX {
        let operand = &given.operand;
        let text =
            format!("{operand} has {count} lines, and no more than {SORT_LINES_MAX} are sorted");
        return Err(misuse(text));
    }
    let mut lines: Vec<&[u8]> = Vec::with_capacity(count);
    if !bytes.is_empty() {
        lines.extend(body.split(|byte| *byte == b'\n'));
    }
    // Lines that compare as equal are the same bytes, so their order among themselves is nothing to keep.
    if given.is("numeric") {
        lines.sort_unstable_by(|a, b| number_of(a).total_cmp(&number_of(b)).then_with(|| a.cmp(b)));
    } else {
        lines.sort_unstable();
    }
    if given.is("unique") {
        lines.dedup();
    }
    if given.is("reverse") {
        lines.reverse();
    }
    let mut sorted = Vec::with_capacity(bytes.len() + 1);
    for line in lines {
        sorted.extend_from_slice(line);
        sorted.push(b'\n');
    }
    Ok(Produced::bytes(media_type(TEXT_TYPE), sorted))
}

/// Returns the number that a line starts with, after blanks; nothing counts as 0, as with `sort -n`.
fn number_of(line: &[u8]) -> f64 {
    let line = line.trim_ascii_start();
    let is_part = |(at, byte): &(usize, &u8)| {
        byte.is_ascii_digit() || **byte == b'.' || (*at == 0 && **byte == b'-')
    };
    let len = line.iter().enumerate().take_while(is_part).count();
    std::str::from_utf8(&line[..len]).ok().and_then(|text| text.parse().ok()).unwrap_or(0.0)
}

async fn count(asked: Asked<'_>) -> Result<Produced, Refusal> {
    let given = asked.given().await?;
    let mut source = BufReader::new(asked.open(&given)?);
    let what = given.text("what");
    let mut number: u64 = 0;
    let mut is_inside = false;
    loop {
        let buffer = source.fill_buf();
        let buffer = buffer.map_err(|error| source_refused(&error, "it cannot be read"))?;
        if buffer.is_empty() {
            break;
        }
        match what {
            "bytes" => number += buffer.len() as u64,
            "words" => {
                for byte in buffer {
                    let is_blank = byte.is_ascii_whitespace();
                    number += u64::from(!is_blank && !is_inside);
                    is_inside = !is_blank;
                }
            }
            _ => number += memchr::memchr_iter(b'\n', buffer).count() as u64,
        }
        let len = buffer.len();
        source.consume(len);
    }
    Ok(Produced::bytes(media_type(TEXT_TYPE), format!("{number}\n").into_bytes()))
}

async fn text(asked: Asked<'_>) -> Result<Produced, Refusal> {
    let given = asked.given().await?;
    let mut source = BufReader::with_capacity(64 << 10, asked.open(&given)?);
    let mut at: u64 = 0;
    // What a piece ends with may be the start of a character.
    let mut rest: Vec<u8> = Vec::new();
    loop {
        let buffer = source.fill_buf();
        let buffer = buffer.map_err(|error| source_refused(&error, "it cannot be read"))?;
        let (len, is_last) = (buffer.len(), buffer.is_empty());
        rest.extend_from_slice(buffer);
        source.consume(len);
        let (good, is_cut) = match std::str::from_utf8(&rest) {
            Ok(_) => (rest.len(), false),
            Err(error) => (error.valid_up_to(), error.error_len().is_none() && !is_last),
        };
        if good < rest.len() && !is_cut {
            let at = at + good as u64;
            return Err(misuse(format!("{} is not text: byte {at} is no UTF-8", given.operand)));
        }
        at += good as u64;
        rest.drain(..good);
        if is_last {
            return Ok(crate::description::kept_as(TEXT_TYPE, given.found.vcid));
        }
    }
}

async fn bytes(asked: Asked<'_>) -> Result<Produced, Refusal> {
    let given = asked.given().await?;
    asked.open(&given)?;
    Ok(crate::description::kept_as(BYTES_TYPE, given.found.vcid))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines_of(text: &str, from: u64, to: u64) -> String {
        let source = BufReader::with_capacity(3, text.as_bytes());
        let mut part = LineRange { source, from, to, line: 1 };
        let mut out = String::new();
        part.read_to_string(&mut out).expect("it is text");
        out
    }

    #[test]
    fn ranges_of_lines() {
        assert_eq!(lines_of("one\ntwo\nthree\n", 1, 2), "one\ntwo\n");
        assert_eq!(lines_of("one\ntwo\nthree", 2, u64::MAX), "two\nthree");
        assert_eq!(lines_of("one\ntwo\nthree", 3, 3), "three");
        assert_eq!(lines_of("one\ntwo\n", 3, 9), "");
        assert_eq!(lines_of("one\ntwo\n", 2, 1), "");
        assert_eq!(lines_of("\n\na\n", 2, 3), "\na\n");
        assert_eq!(lines_of("", 1, 1), "");
    }

    #[test]
    fn numbers_at_the_start_of_lines() {
        for (line, want) in
            [("10 b", 10.0), ("  -2.5", -2.5), ("x", 0.0), ("1.2.3", 0.0), ("", 0.0)]
        {
            assert_eq!(
                number_of(line.as_bytes()).total_cmp(&want),
                std::cmp::Ordering::Equal,
                "{line}"
            );
        }
    }
}
