//! Rust source with its comments and strings blanked out, and the functions found in it.
//!
//! It is no parser: it knows just enough of the grammar that a brace in a string is not a brace.
//!
//! Invariant: blanking keeps every newline and the byte length, so positions stay comparable.

use std::ops::Range;

/// Returns the source with comments, strings and character literals replaced by spaces.
pub fn blank(source: &str) -> String {
    let bytes = source.as_bytes();
    let mut out = bytes.to_vec();
    let mut at = 0;
    while at < bytes.len() {
        let end = match bytes[at] {
            b'/' if bytes[at..].starts_with(b"//") => line_end(bytes, at),
            b'/' if bytes[at..].starts_with(b"/*") => block_comment_end(bytes, at),
            b'"' => string_end(bytes, at),
            b'r' if !joined(bytes, at) => raw_string_end(bytes, at),
            b'\'' => character_end(bytes, at),
            _ => at,
        };
        for byte in &mut out[at..end] {
            if *byte != b'\n' {
                *byte = b' ';
            }
        }
        at = end.max(at + 1);
    }
    // Only whole characters were overwritten, each byte by a space, so this keeps every byte.
    String::from_utf8_lossy(&out).into_owned()
}

/// Whether the byte continues a word that began before it (raw strings may follow a `b` or `c`).
fn joined(bytes: &[u8], at: usize) -> bool {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    match at.checked_sub(1).map(|before| bytes[before]) {
        Some(b'b' | b'c') => at >= 2 && word(bytes[at - 2]),
        Some(byte) => word(byte),
        None => false,
    }
}

fn line_end(bytes: &[u8], at: usize) -> usize {
    bytes[at..].iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |n| at + n)
}

fn block_comment_end(bytes: &[u8], start: usize) -> usize {
    let (mut at, mut depth) = (start, 0usize);
    while at < bytes.len() {
        if bytes[at..].starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if bytes[at..].starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    bytes.len()
}

fn string_end(bytes: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    bytes.len()
}

fn raw_string_end(bytes: &[u8], start: usize) -> usize {
    let hashes = bytes[start + 1..].iter().take_while(|byte| **byte == b'#').count();
    let open = start + 1 + hashes;
    if bytes.get(open) != Some(&b'"') {
        return start;
    }
    let close = [&b"\""[..], &b"#".repeat(hashes)].concat();
    let body = &bytes[open + 1..];
    let found = body.windows(close.len()).position(|window| window == close);
    found.map_or(bytes.len(), |n| open + 1 + n + close.len())
}

/// Tells `'a'` from a lifetime: a lifetime is not closed by a quote after one character.
fn character_end(bytes: &[u8], start: usize) -> usize {
    if bytes.get(start + 1) == Some(&b'\\') {
        let rest = bytes.get(start + 3..).unwrap_or_default();
        return rest.iter().position(|byte| *byte == b'\'').map_or(start, |n| start + 4 + n);
    }
    let width = match bytes.get(start + 1) {
        Some(byte) if *byte >= 0xF0 => 4,
        Some(byte) if *byte >= 0xE0 => 3,
        Some(byte) if *byte >= 0xC0 => 2,
        Some(_) => 1,
        None => return start,
    };
    let close = start + 1 + width;
    if bytes.get(close) == Some(&b'\'') { close + 1 } else { start }
}

/// Returns the line, counted from 1, that a byte position is on.
pub fn line_of(text: &str, at: usize) -> usize {
    1 + text.as_bytes()[..at].iter().filter(|byte| **byte == b'\n').count()
}

/// Returns where a word stands on its own in blanked source.
pub fn words<'a>(code: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    let inside = |byte: Option<&u8>| byte.is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'_');
    code.match_indices(word).map(|(at, _)| at).filter(move |at| {
        let before = at.checked_sub(1).and_then(|before| code.as_bytes().get(before));
        !inside(before) && !inside(code.as_bytes().get(at + word.len()))
    })
}

/// Returns the position after the brace that closes the one at `open`.
pub fn close_of(code: &str, open: usize) -> Option<usize> {
    let mut depth = 0usize;
    for (at, byte) in code.bytes().enumerate().skip(open) {
        match byte {
            b'{' => depth += 1,
            b'}' => {
                depth = depth.checked_sub(1)?;
                if depth == 0 {
                    return Some(at + 1);
                }
            }
            _ => {}
        }
    }
    None
}

/// A function with a body, and the bytes it covers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Function {
    /// Its name.
    pub name: String,
    /// From `fn` to behind the closing brace.
    pub range: Range<usize>,
}

/// Finds the functions that have a body in blanked source.
pub fn functions(code: &str) -> Vec<Function> {
    let mut found = Vec::new();
    for start in words(code, "fn") {
        let rest = code[start + 2..].trim_start();
        let name_len = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        // `fn(u8) -> u8` is a type, not a function.
        if name_len == 0 {
            continue;
        }
        let name = rest[..name_len].to_owned();
        if let Some(end) = body_start(code, start).and_then(|open| close_of(code, open)) {
            found.push(Function { name, range: start..end });
        }
    }
    found
}

/// Returns the brace that opens a function's body, if it has one.
fn body_start(code: &str, start: usize) -> Option<usize> {
    let mut depth = 0usize;
    for (at, byte) in code.bytes().enumerate().skip(start) {
        match byte {
            b'(' | b'[' => depth += 1,
            b')' | b']' => depth = depth.checked_sub(1)?,
            b';' if depth == 0 => return None,
            b'{' if depth == 0 => return Some(at),
            _ => {}
        }
    }
    None
}

/// Returns the bytes of every module that is only compiled for tests.
pub fn test_modules(code: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    for (at, mark) in code.match_indices("#[cfg(test)]") {
        let rest = &code[at + mark.len()..];
        let item = rest.trim_start();
        if !item.starts_with("mod ") && !item.starts_with("impl ") {
            continue;
        }
        let open = rest.find('{').filter(|open| !rest[..*open].contains(';'));
        if let Some(end) = open.and_then(|open| close_of(code, at + mark.len() + open)) {
            found.push(at..end);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_blank(source: &str, want: &str) {
        let got = blank(source);
        assert_eq!(got, want);
        assert_eq!(got.len(), source.len());
    }

    #[test]
    fn comments_strings_and_characters_are_blanked() {
        check_blank("a // b {\nc", "a       \nc");
        check_blank("a /* { /* } */ */ b", "a                 b");
        check_blank(r#"f("}\"{", b"{")"#, "f(      , b   )");
        check_blank("let x = '{'; '\\'' '\\u{7b}'", "let x =    ;              ");
    }

    #[test]
    fn lifetimes_and_raw_identifiers_stay() {
        check_blank("fn f<'a>(r: &'a str)", "fn f<'a>(r: &'a str)");
        check_blank("r#type", "r#type");
        check_blank("br#\"{\"# x", "b       x");
        check_blank("number\"}\"", "number   ");
    }

    #[test]
    fn unfinished_tokens_end_with_the_source() {
        check_blank("\"abc", "    ");
        check_blank("/* {", "    ");
        check_blank("r#\"{", "    ");
        check_blank("'", "'");
    }

    #[test]
    fn functions_are_found_with_their_bodies() {
        let code = "fn a(x: [u8; 4]) -> u8 { if x { } }\ntrait T { fn none(); }\ntype F = fn(u8);";
        let found = functions(code);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].name, "a");
        assert_eq!(&code[found[0].range.clone()], "fn a(x: [u8; 4]) -> u8 { if x { } }");
    }

    #[test]
    fn test_modules_are_found() {
        let code = "fn a() {}\n#[cfg(test)]\nmod tests { fn b() {} }\n#[cfg(test)]\nmod other;\n";
        let found = test_modules(code);
        assert_eq!(found.len(), 1);
        assert!(code[found[0].clone()].ends_with("mod tests { fn b() {} }"));
    }

    #[test]
    fn words_stand_alone() {
        let code = "unsafe_code unsafe {unsafe}";
        assert_eq!(words(code, "unsafe").collect::<Vec<_>>(), [12, 20]);
        assert_eq!(line_of("a\nb\nc", 4), 3);
    }
}
