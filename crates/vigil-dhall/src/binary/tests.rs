use super::*;
use crate::{Limits, parse};

fn round_trip(source: &str) -> String {
    let expr = parse(source, &Limits::default()).expect("valid").expr;
    let bytes = encode(&expr);
    let again = decode(&bytes, &Limits::default()).expect("decodes");
    assert_eq!(encode(&again), bytes, "{source}");
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn floats_take_the_shortest_form_that_keeps_them() {
    for (source, hex) in [
        ("1.5", "f93e00"),
        ("-0.0", "f98000"),
        ("5.960464477539063e-8", "f90001"),
        ("6.103515625e-5", "f90400"),
        ("6.097555160522461e-5", "f903ff"),
        ("65504.0", "f97bff"),
        ("65536.0", "fa47800000"),
        ("0.1", "fb3fb999999999999a"),
        ("NaN", "f97e00"),
        ("-Infinity", "f9fc00"),
    ] {
        assert_eq!(round_trip(source), hex, "{source}");
    }
}

#[test]
fn any_bytes_are_an_answer_and_never_a_panic() {
    // A small generator of its own keeps the sequence the same on every machine.
    let mut state = 0x2545_F491_4F6C_DD1D_u64;
    let heads =
        [0x82, 0x83, 0x84, 0xA1, 0x00, 0x03, 0x04, 0x18, 0x19, 0x61, 0x5F, 0xF6, 0xFB, 0xC2];
    for _ in 0..20_000 {
        let mut bytes = Vec::new();
        for _ in 0..24 {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            let pick = (state >> 20) as usize;
            bytes.push(if pick.is_multiple_of(3) { pick as u8 } else { heads[pick % heads.len()] });
        }
        if let Ok(expr) = decode(&bytes, &Limits::default()) {
            assert_eq!(
                encode(&decode(&encode(&expr), &Limits::default()).expect("own")),
                encode(&expr)
            );
        }
    }
}

#[test]
fn deep_bytes_are_refused_and_lengths_are_not_believed() {
    let deep = [0x82, 0x13].repeat(100_000);
    let limits = Limits { depth: 1_000, ..Limits::default() };
    assert_eq!(decode(&deep, &limits).expect_err("deep"), DecodeError::TooDeep { limit: 1_000 });
    let huge = [0x9B, 0x7F, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x04, 0xF6];
    assert!(matches!(decode(&huge, &limits), Err(DecodeError::Truncated { .. })));
}

#[test]
fn nothing_may_follow() {
    let error = decode(&[0xF5, 0xF5], &Limits::default()).expect_err("two");
    assert_eq!(error, DecodeError::Trailing { offset: 1 });
}
