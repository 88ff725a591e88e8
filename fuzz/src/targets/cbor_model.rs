//! The profile of canonical CBOR read the simplest way: by recursion, copying what it likes.
//!
//! Invariant: it shares no code with the decoder under test.

use vigil_base::limits::CBOR_DEPTH_MAX;

/// Whether the bytes are exactly one canonical item.
pub fn is_canonical(input: &[u8]) -> bool {
    item(input, 0).is_some_and(|rest| rest.is_empty())
}

/// Reads one item inside so many containers and returns what follows it.
fn item(input: &[u8], depth: usize) -> Option<&[u8]> {
    let (head, rest) = input.split_first()?;
    let (major, short) = (head / 32, head % 32);
    if major == 7 {
        return matches!(short, 20..=22).then_some(rest);
    }
    let (value, rest) = argument(short, rest)?;
    match major {
        0 | 1 => Some(rest),
        2 => rest.get(usize::try_from(value).ok()?..),
        3 => {
            let (text, rest) = rest.split_at_checked(usize::try_from(value).ok()?)?;
            std::str::from_utf8(text).ok().map(|_| rest)
        }
        4 | 5 => container(major == 5, value, rest, depth),
        _ => None,
    }
}

fn argument(short: u8, rest: &[u8]) -> Option<(u64, &[u8])> {
    let width = match short {
        0..24 => return Some((short.into(), rest)),
        24 => 1,
        25 => 2,
        26 => 4,
        27 => 8,
        _ => return None,
    };
    let (bytes, rest) = rest.split_at_checked(width)?;
    let value = bytes.iter().fold(0u64, |value, byte| value * 256 + u64::from(*byte));
    // The shortest form: half the width would not have held it.
    let shortest = match width {
        1 => value >= 24,
        2 => value > 0xFF,
        4 => value > 0xFFFF,
        _ => value > 0xFFFF_FFFF,
    };
    shortest.then_some((value, rest))
}

fn container(is_map: bool, count: u64, mut rest: &[u8], depth: usize) -> Option<&[u8]> {
    // An empty container holds nothing that could be too deep.
    if count > 0 && depth == CBOR_DEPTH_MAX {
        return None;
    }
    let mut last_key: Option<Vec<u8>> = None;
    for _ in 0..count {
        let after = item(rest, depth + 1)?;
        if is_map {
            let key = rest[..rest.len() - after.len()].to_vec();
            if last_key.is_some_and(|last| last >= key) {
                return None;
            }
            last_key = Some(key);
            rest = item(after, depth + 1)?;
        } else {
            rest = after;
        }
    }
    Some(rest)
}

#[cfg(test)]
mod tests {
    use super::is_canonical;

    #[test]
    fn the_model_knows_the_profile() {
        let good: &[&[u8]] = &[b"\x00", b"\x18\x18", b"\xa1\x00\xf6", b"\x82\x61a\x41b", b"\x80"];
        let bad: &[&[u8]] = &[
            b"",
            b"\x00\x00",
            b"\x18\x17",
            b"\xa2\x01\x00\x00\x00",
            b"\x61\xff",
            b"\xc0\x00",
            b"\x9f\xff",
            b"\xf9\x00\x00",
            b"\x81",
        ];
        assert!(good.iter().all(|input| is_canonical(input)));
        assert!(!bad.iter().any(|input| is_canonical(input)));
        let deep = |levels: usize| [vec![0x81; levels], vec![0]].concat();
        assert!(is_canonical(&deep(32)) && !is_canonical(&deep(33)));
    }
}
