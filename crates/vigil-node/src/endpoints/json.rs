//! JSON (RFC 8259): one value by a JSON pointer (RFC 6901), what a jq program selects, and documents one
//! on each line.
//!
//! Invariant: text is checked by a strict parser that bounds nesting before it is held as values.

use std::io::{self, BufReader, Read, Write};

use jaq_json::Val;
use serde::de::IgnoredAny;
use vigil_kernel::{Produced, Refusal};

use super::text::NO_YES;
use super::{BYTES_TYPE, Conversion, JSON_LINES_TYPE, JSON_TYPE, TEXT_TYPE, jq};
use crate::description::{
    Asked, Description, Given, choice, kept_as, media_type, misuse, needed, optional,
    source_refused,
};

/// Selection and checks.
pub const ENDPOINTS: &[Description] = &[
    Description {
        name: "pointer",
        help: "one value of a JSON document, by a JSON pointer such as /orders/0/price",
        pattern: None,
        parameters: &[
            needed("path", "the pointer (RFC 6901)"),
            choice("raw", "whether a text is given as it is, without quotes", NO_YES),
        ],
        gives: &[JSON_TYPE, TEXT_TYPE],
        serve: |asked| Box::pin(pointer(asked)),
    },
    Description {
        name: "jq",
        help: "what a jq program makes of each JSON document, one result on each line",
        pattern: None,
        parameters: &[
            needed("program", "such as .orders[] | select(.price > 9) | .name"),
            choice("raw", "whether texts are given as they are, without quotes", NO_YES),
            optional(
                "steps",
                "how many steps it may take, or `auto` for 20 million and ten for each byte",
                "auto",
            ),
        ],
        gives: &[JSON_TYPE, JSON_LINES_TYPE, TEXT_TYPE],
        serve: |asked| Box::pin(select(asked)),
    },
    Description {
        name: "json",
        help: "the same bytes as JSON, if they are one JSON document",
        pattern: None,
        parameters: &[],
        gives: &[JSON_TYPE],
        serve: |asked| Box::pin(json(asked)),
    },
    Description {
        name: "each",
        help: "the elements of a JSON array, one on each line",
        pattern: None,
        parameters: &[],
        gives: &[JSON_LINES_TYPE],
        serve: |asked| Box::pin(each(asked)),
    },
    Description {
        name: "gather",
        help: "JSON documents, one behind another, as one array",
        pattern: None,
        parameters: &[],
        gives: &[JSON_TYPE],
        serve: |asked| Box::pin(gather(asked)),
    },
];

/// Between JSON and its lines.
pub const CONVERTERS: &[Conversion] = &[
    (BYTES_TYPE, JSON_TYPE, 3, "json"),
    (TEXT_TYPE, JSON_TYPE, 2, "json"),
    (JSON_TYPE, JSON_LINES_TYPE, 5, "each"),
    (JSON_LINES_TYPE, JSON_TYPE, 5, "gather"),
];

/// Longest text that is held as values, which take some ten times its room.
const JSON_BYTES_MAX: u64 = 64 << 20;

/// Steps of a jq program where nothing is said: seconds, and enough to look at each value often.
const STEPS_MIN: u64 = 20_000_000;
const STEPS_PER_BYTE: u64 = 10;

/// Most bytes of results.
const RESULT_BYTES_MAX: usize = 256 << 20;

/// Checks that a stream is JSON documents, and returns how many. Nesting beyond 128 is refused.
fn check(source: impl Read, what: &dyn std::fmt::Display) -> Result<u64, Refusal> {
    let documents = serde_json::Deserializer::from_reader(BufReader::new(source));
    let mut count = 0;
    for document in documents.into_iter::<IgnoredAny>() {
        if let Err(error) = document {
            let text = format!("{what} is not JSON");
            return Err(match error.is_io() {
                true => source_refused(&io::Error::from(error), &text),
                false => misuse(format!("{text}: {error}")),
            });
        }
        count += 1;
    }
    Ok(count)
}

/// Reads what is piped in as JSON documents.
fn documents(asked: &Asked<'_>, given: &Given) -> Result<Vec<Val>, Refusal> {
    let bytes = asked.whole(given, JSON_BYTES_MAX)?;
    check(&bytes[..], &given.operand)?;
    let parsed = jaq_json::read::parse_many(&bytes).collect::<Result<Vec<Val>, _>>();
    parsed.map_err(|error| misuse(format!("{} is not JSON: {error}", given.operand)))
}

fn one_document(asked: &Asked<'_>, given: &Given) -> Result<Val, Refusal> {
    let mut documents = documents(asked, given)?;
    match (documents.pop(), documents.len()) {
        (Some(document), 0) => Ok(document),
        (_, more) => {
            let count = if more == 0 { 0 } else { more + 1 };
            Err(misuse(format!(
                "{} is {count} JSON documents, and one is needed\nhint: `gather` makes an array of them",
                given.operand
            )))
        }
    }
}

/// Text that is written up to a bound.
pub struct Output {
    /// What was written.
    pub bytes: Vec<u8>,
}

impl Output {
    /// Starts with nothing.
    pub fn new() -> Self {
        Self { bytes: Vec::new() }
    }

    /// Writes a value and a line end.
    pub fn line(&mut self, value: &Val, is_raw: bool) -> Result<(), String> {
        match value {
            Val::TStr(text) if is_raw => self.write_all(text),
            value => jaq_json::write::write(self, &jaq_json::write::Pp::default(), 0, value),
        }
        .and_then(|()| self.write_all(b"\n"))
        .map_err(|error| error.to_string())
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.bytes.len() + bytes.len() > RESULT_BYTES_MAX {
            return Err(io::Error::other(format!(
                "its results have more than {RESULT_BYTES_MAX} bytes"
            )));
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

async fn pointer(asked: Asked<'_>) -> Result<Produced, Refusal> {
    let given = asked.given().await?;
    let document = one_document(&asked, &given)?;
    let path = given.text("path");
    let found = follow(&document, path).map_err(misuse)?;
    let is_raw = given.is("raw");
    let mut out = Output::new();
    out.line(found, is_raw).map_err(misuse)?;
    let media = if is_raw { TEXT_TYPE } else { JSON_TYPE };
    Ok(Produced::bytes(media_type(media), out.bytes))
}

/// Follows a JSON pointer.
fn follow<'a>(document: &'a Val, path: &str) -> Result<&'a Val, String> {
    if path.is_empty() {
        return Ok(document);
    }
    let Some(steps) = path.strip_prefix('/') else {
        return Err(format!("a JSON pointer is empty or starts with `/`, and `{path}` does not"));
    };
    let mut here = document;
    let mut walked = String::new();
    for step in steps.split('/') {
        let missing = |what: String| format!("there is no {what} in `{walked}`");
        let key = step.replace("~1", "/").replace("~0", "~");
        here = match here {
            Val::Arr(list) => {
                let is_index = step == "0" || !step.starts_with(['0', '+']);
                let index = step.parse().ok().filter(|_| is_index);
                let found = index.and_then(|index: usize| list.get(index));
                found.ok_or_else(|| missing(format!("element `{step}`, of {}", list.len())))?
            }
            Val::Obj(map) => {
                let found = map.get(&Val::utf8_str(key.clone()));
                found.ok_or_else(|| missing(format!("member `{key}`")))?
            }
            _ => {
                return Err(format!("`{walked}` is no object and no array, so it has no `{step}`"));
            }
        };
        walked = format!("{walked}/{step}");
    }
    Ok(here)
}

async fn select(asked: Asked<'_>) -> Result<Produced, Refusal> {
    let given = asked.given().await?;
    let (program, is_raw) = (given.text("program"), given.is("raw"));
    let steps = match given.text("steps") {
        "auto" => STEPS_MIN.saturating_add(given.found.size.saturating_mul(STEPS_PER_BYTE)),
        _ => given.number_in("steps", 1, jq::STEPS_MAX)?,
    };
    let bytes = asked.whole(&given, JSON_BYTES_MAX)?;
    check(&bytes[..], &given.operand)?;
    let (out, count) = jq::run(program, &bytes, is_raw, steps).map_err(misuse)?;
    let media = match (is_raw, count) {
        (true, _) => TEXT_TYPE,
        (false, 1) => JSON_TYPE,
        (false, _) => JSON_LINES_TYPE,
    };
    Ok(Produced::bytes(media_type(media), out.bytes))
}

async fn json(asked: Asked<'_>) -> Result<Produced, Refusal> {
    let given = asked.given().await?;
    match check(asked.open(&given)?, &given.operand)? {
        1 => Ok(kept_as(JSON_TYPE, given.found.vcid)),
        count => Err(misuse(format!("{} is {count} JSON documents, and not one", given.operand))),
    }
}

async fn each(asked: Asked<'_>) -> Result<Produced, Refusal> {
    let given = asked.given().await?;
    let Val::Arr(list) = one_document(&asked, &given)? else {
        return Err(misuse(format!("{} is no array", given.operand)));
    };
    let mut out = Output::new();
    list.iter().try_for_each(|value| out.line(value, false)).map_err(misuse)?;
    Ok(Produced::bytes(media_type(JSON_LINES_TYPE), out.bytes))
}

async fn gather(asked: Asked<'_>) -> Result<Produced, Refusal> {
    let given = asked.given().await?;
    let list: Val = documents(&asked, &given)?.into_iter().collect();
    let mut out = Output::new();
    out.line(&list, false).map_err(misuse)?;
    Ok(Produced::bytes(media_type(JSON_TYPE), out.bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_pointer(path: &str, want: Result<&str, &str>) {
        let text = br#"{"a":[1,{"b/c":"x","m~n":2.50}],"":0,"01":3}"#;
        let document = jaq_json::read::parse_single(text).expect("it is JSON");
        let found = follow(&document, path).map(ToString::to_string);
        assert_eq!(found.as_deref().map_err(String::as_str), want, "{path}");
    }

    #[test]
    fn pointers() {
        check_pointer("/a/0", Ok("1"));
        check_pointer("/a/1/b~1c", Ok("\"x\""));
        check_pointer("/a/1/m~0n", Ok("2.50"));
        check_pointer("/", Ok("0"));
        check_pointer("/01", Ok("3"));
        check_pointer("/a/2", Err("there is no element `2`, of 2 in `/a`"));
        check_pointer("/a/-", Err("there is no element `-`, of 2 in `/a`"));
        check_pointer("/a/01", Err("there is no element `01`, of 2 in `/a`"));
        check_pointer("/a/0/x", Err("`/a/0` is no object and no array, so it has no `x`"));
        check_pointer("/b", Err("there is no member `b` in ``"));
        check_pointer("a", Err("a JSON pointer is empty or starts with `/`, and `a` does not"));
    }

    #[test]
    fn what_is_no_json_is_refused() {
        for text in ["{", "[1,]", "nul", "NaN", "# no\n1", &"[".repeat(100_000)] {
            assert!(check(text.as_bytes(), &"it").is_err(), "{text:.20}");
        }
        assert_eq!(check(&b"1 [2] {\"a\":3}\n"[..], &"it").ok(), Some(3));
    }
}
