//! Numbers, moments and names as people read them.

use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use vigil_base::world::Moment;
use vigil_base::{EntryKind, Root, TreePath, Uri};

use crate::calendar::Date;

const SIZE_UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];

/// Returns a size with one digit after the point and a unit: `1.5 MiB`.
pub(crate) fn size(bytes: u64) -> String {
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    // Tenths, rounded half up in integers, so that 1023.96 KiB becomes 1.0 MiB and not 1024.0 KiB.
    let mut unit = 0;
    loop {
        let scale = 1_u128 << (10 * (unit + 1));
        let tenths = (u128::from(bytes) * 10 + scale / 2) / scale;
        if tenths < 10_240 || unit + 1 == SIZE_UNITS.len() {
            return format!("{}.{} {}", tenths / 10, tenths % 10, SIZE_UNITS[unit]);
        }
        unit += 1;
    }
}

/// Returns bytes as lower-case hexadecimal digits, without a prefix.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Returns a size that may be negative.
pub(crate) fn signed_size(bytes: i64) -> String {
    let sign = if bytes < 0 { "-" } else { "" };
    format!("{sign}{}", size(bytes.unsigned_abs()))
}

/// Returns a count and its noun: `1 file`, `12 345 files`.
pub(crate) fn count(number: u64, one: &str, many: &str) -> String {
    format!("{} {}", grouped(number), if number == 1 { one } else { many })
}

/// Returns the digits in groups of three, from five digits on.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    if digits.len() < 5 {
        return digits;
    }
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

/// Returns minutes and seconds, and hours where there are any.
pub(crate) fn clock_span(seconds: u64) -> String {
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if hours > 0 {
        format!("{hours}:{minutes:02}:{seconds:02}")
    } else {
        format!("{minutes}:{seconds:02}")
    }
}

/// Returns a short time: `850 ns`, `12.5 µs`, `3.1 ms`, `2.0 s`.
pub(crate) fn nanos(nanos: u64) -> String {
    let (unit, scale) = match nanos {
        0..1_000 => return format!("{nanos} ns"),
        1_000..1_000_000 => ("µs", 1_000),
        1_000_000..1_000_000_000 => ("ms", 1_000_000),
        _ => ("s", 1_000_000_000),
    };
    format!("{}.{} {unit}", nanos / scale, nanos % scale * 10 / scale)
}

/// Returns a moment in UTC, to the second: `2026-01-31 07:05:09Z`.
pub(crate) fn moment(at: Moment) -> String {
    let seconds = at.0.div_euclid(1_000_000_000);
    let date = Date::of_day(seconds.div_euclid(86_400));
    let of_day = seconds.rem_euclid(86_400);
    let (hour, minute, second) = (of_day / 3600, of_day / 60 % 60, of_day % 60);
    format!("{date} {hour:02}:{minute:02}:{second:02}Z")
}

/// Returns the word for a kind of entry.
pub(crate) fn kind(kind: EntryKind) -> &'static str {
    match kind {
        EntryKind::File => "file",
        EntryKind::Executable => "executable",
        EntryKind::Symlink => "symlink",
        EntryKind::Tree => "tree",
    }
}

/// Returns a text in which nothing moves the cursor, changes colours or turns the direction of writing: such
/// characters are written out. Line ends stay.
pub(crate) fn clean(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        // Beside the control characters: marks that turn the direction (Unicode Standard Annex 9), and
        // line ends of other alphabets.
        let turns = matches!(c, '\u{200e}' | '\u{200f}' | '\u{061c}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        match c {
            '\n' => out.push('\n'),
            c if c.is_control() || turns => out.extend(c.escape_default()),
            c => out.push(c),
        }
    }
    out
}

/// As [`clean`], with further lines set in, so that none of them passes for a line of ours.
pub(crate) fn set_in(text: &str) -> String {
    clean(text).replace('\n', "\n    ")
}

/// Returns a path inside a tree, with what is not text encoded.
pub(crate) fn tree_path(path: &TreePath) -> String {
    let names: Vec<String> = path.names().iter().map(|name| name.for_people()).collect();
    names.join("/")
}

/// Returns a path of the file system, with bytes that are not text encoded.
pub(crate) fn path(path: &Path) -> String {
    match path.to_str() {
        Some(text) if !text.chars().any(char::is_control) => text.into(),
        _ => encode(path.as_os_str().as_bytes()),
    }
}

fn encode(bytes: &[u8]) -> String {
    let mut text = String::new();
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            if c.is_control() {
                c.encode_utf8(&mut [0; 4]).bytes().for_each(|b| text += &format!("%{b:02X}"));
            } else {
                text.push(c);
            }
        }
        chunk.invalid().iter().for_each(|b| text += &format!("%{b:02X}"));
    }
    text
}

/// Returns the URI of content, with the slash that says that it is to be read as a tree.
pub(crate) fn uri(kind: EntryKind, vcid: vigil_base::Vcid) -> Uri {
    let path = (kind == EntryKind::Tree).then(TreePath::root);
    Uri { root: Root::Content(vcid), path }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;

    use super::*;

    #[track_caller]
    fn check_size(bytes: u64, want: &str) {
        assert_eq!(size(bytes), want);
    }

    #[test]
    fn sizes() {
        check_size(0, "0 B");
        check_size(1023, "1023 B");
        check_size(1024, "1.0 KiB");
        check_size(1536, "1.5 KiB");
        check_size((1 << 20) - 1, "1.0 MiB");
        check_size(5 << 30, "5.0 GiB");
        check_size(u64::MAX, "16.0 EiB");
        assert_eq!(signed_size(-2048), "-2.0 KiB");
    }

    #[test]
    fn short_times() {
        assert_eq!(nanos(999), "999 ns");
        assert_eq!(nanos(12_560), "12.5 µs");
        assert_eq!(nanos(3_100_000), "3.1 ms");
        assert_eq!(nanos(61_000_000_000), "61.0 s");
    }

    #[test]
    fn counts() {
        assert_eq!(count(1, "file", "files"), "1 file");
        assert_eq!(count(9999, "file", "files"), "9999 files");
        assert_eq!(grouped(12_345), "12 345");
        assert_eq!(grouped(1_234_567), "1 234 567");
    }

    #[test]
    fn moments_and_spans() {
        assert_eq!(moment(Moment(0)), "1970-01-01 00:00:00Z");
        assert_eq!(moment(Moment(-1)), "1969-12-31 23:59:59Z");
        assert_eq!(moment(Moment(1_700_000_000_000_000_000)), "2023-11-14 22:13:20Z");
        assert_eq!(clock_span(59), "0:59");
        assert_eq!(clock_span(3_661), "1:01:01");
    }

    #[test]
    fn paths_that_are_not_text_are_encoded() {
        assert_eq!(path(Path::new("plain/ä b")), "plain/ä b");
        assert_eq!(path(Path::new(OsStr::from_bytes(b"a\xFF\nb"))), "a%FF%0Ab");
    }
}
