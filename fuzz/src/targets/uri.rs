//! URIs: one meaning has one shown form, and the shown form reads back as itself.
//!
//! Invariant: no text, however long, is shown by an error at more than a line or two.

use vigil_base::limits::URI_BYTES_MAX;
use vigil_base::{Uri, UriError, Vcid};

/// Roots, steps and escapes, some of them wrong.
pub const WORDS: &[&[u8]] = &[
    b"ca://",
    b"ca://sha256:",
    b"@name",
    b"@name~1",
    b"~0",
    b"~4294967296",
    b"/",
    b"//",
    b"/.",
    b"/..",
    b"/%2e%2e",
    b"%2F",
    b"%00",
    b"%",
    b"%4",
    b"%ff",
    b"\xc3\xa9",
    b"ca://sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
];

/// Checks one input.
pub fn run(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    if let Ok(vcid) = text.parse::<Vcid>() {
        assert_eq!(vcid.to_string(), text, "a content id has one text");
    }
    match text.parse::<Uri>() {
        Ok(uri) => check_shown(&uri),
        Err(error) => {
            let shown = error.to_string();
            assert!(shown.len() < 500, "the error repeats too much: {} bytes", shown.len());
        }
    }
}

fn check_shown(uri: &Uri) {
    let shown = uri.to_string();
    if shown.len() > URI_BYTES_MAX {
        // Escaping triples what was written plainly, so a long text can grow over the limit. It is
        // refused by name then, not read as something else.
        let again = shown.parse::<Uri>();
        assert_eq!(again, Err(UriError::Long { found: shown.len() }));
        return;
    }
    let again = shown.parse::<Uri>();
    assert_eq!(again.as_ref(), Ok(uri), "shown as {shown}");
    assert_eq!(again.map(|again| again.to_string()), Ok(shown), "it is shown in two ways");
}
