use expect_test::{Expect, expect};
use proptest::prelude::*;
use vigil_base::cbor::{Decoder, Encoder, validate};

/// Shows what `validate` says of bytes written in hexadecimal.
#[track_caller]
fn check(hex: &str, want: Expect) {
    let digits: String = hex.chars().filter(|c| !c.is_whitespace()).collect();
    let bytes: Vec<u8> = (0..digits.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&digits[at..at + 2], 16).expect("test data is hexadecimal"))
        .collect();
    let got = validate(&bytes).map_or_else(|error| error.to_string(), |()| "canonical".into());
    want.assert_eq(&got);
}

/// The examples of RFC 8949 appendix A that lie inside the profile.
#[test]
fn accepts_what_is_canonical() {
    for hex in [
        "00",
        "17",
        "1818",
        "1903e8",
        "1a000f4240",
        "1bffffffffffffffff",
        "20",
        "3863",
        "3bffffffffffffffff",
        "f4",
        "f5",
        "f6",
        "40",
        "4401020304",
        "60",
        "6449455446",
        "62c3bc",
        "80",
        "83010203",
        "8301820203820405",
        "a0",
        "a201020304",
        "a26161016162820203",
        "a56161614161626142616361436164614461656145",
    ] {
        check(hex, expect!["canonical"]);
    }
}

#[test]
fn refuses_what_is_not() {
    check("", expect!["the input ends inside an item at byte 0"]);
    check("1817", expect!["a number is not in its shortest form at byte 0"]);
    check("8219 00ff 00", expect!["a number is not in its shortest form at byte 1"]);
    check("1a0000ffff", expect!["a number is not in its shortest form at byte 0"]);
    check("0000", expect!["bytes follow the last item at byte 1"]);
    check(
        "f90000",
        expect!["floats, tags, indefinite lengths and reserved forms are not allowed at byte 0"],
    );
    check(
        "c074",
        expect!["floats, tags, indefinite lengths and reserved forms are not allowed at byte 0"],
    );
    check(
        "9fff",
        expect!["floats, tags, indefinite lengths and reserved forms are not allowed at byte 0"],
    );
    check(
        "f7",
        expect!["floats, tags, indefinite lengths and reserved forms are not allowed at byte 0"],
    );
    check(
        "f814",
        expect!["floats, tags, indefinite lengths and reserved forms are not allowed at byte 0"],
    );
    check("61ff", expect!["text is not UTF-8 at byte 0"]);
    check("4401", expect!["the input ends inside an item at byte 0"]);
    check("9b7fffffffffffffff", expect!["the input ends inside an item at byte 0"]);
    check("a2 02 00 01 00", expect!["map keys are not in strictly rising order at byte 3"]);
    check("a2 01 00 01 00", expect!["map keys are not in strictly rising order at byte 3"]);
    check("a2 8101 00 80 00", expect!["map keys are not in strictly rising order at byte 4"]);
}

#[test]
fn bounds_depth_without_recursion() {
    let nested = |depth: usize| [vec![0x81; depth], vec![0x00]].concat();
    assert_eq!(validate(&nested(32)), Ok(()));
    let error = validate(&nested(1_000_000)).expect_err("too deep");
    assert_eq!(error.to_string(), "nested deeper than 32 at byte 32");
}

/// A value of any shape that the profile allows.
#[derive(Clone, Debug, PartialEq)]
enum Value {
    Integer(i64),
    Bytes(Vec<u8>),
    Text(String),
    Bool(bool),
    Null,
    Array(Vec<Value>),
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<i64>().prop_map(Value::Integer),
        any::<Vec<u8>>().prop_map(Value::Bytes),
        any::<String>().prop_map(Value::Text),
        any::<bool>().prop_map(Value::Bool),
        Just(Value::Null),
    ];
    leaf.prop_recursive(4, 64, 8, |inner| prop::collection::vec(inner, 0..8).prop_map(Value::Array))
}

fn encode(value: &Value, to: &mut Encoder) {
    match value {
        Value::Integer(number) => to.integer(*number),
        Value::Bytes(bytes) => to.bytes(bytes),
        Value::Text(text) => to.text(text),
        Value::Bool(flag) => to.bool(*flag),
        Value::Null => to.null(),
        Value::Array(items) => {
            to.array(items.len());
            items.iter().for_each(|item| encode(item, to));
        }
    }
}

/// Reads back what `want` says must be there.
fn decode_like(want: &Value, from: &mut Decoder<'_>) -> Value {
    match want {
        Value::Integer(_) => Value::Integer(from.integer().expect("an integer")),
        Value::Bytes(_) => Value::Bytes(from.bytes().expect("bytes").to_vec()),
        Value::Text(_) => Value::Text(from.text().expect("text").into()),
        Value::Bool(_) => Value::Bool(from.bool().expect("a bool")),
        Value::Null => {
            assert!(from.null());
            Value::Null
        }
        Value::Array(items) => {
            from.array_of(items.len()).expect("an array");
            Value::Array(items.iter().map(|item| decode_like(item, from)).collect())
        }
    }
}

proptest! {
    #[test]
    fn round_trips(value in value()) {
        let mut encoder = Encoder::new();
        encode(&value, &mut encoder);
        let bytes = encoder.finish();
        let mut decoder = Decoder::new(&bytes).expect("short");
        prop_assert_eq!(decode_like(&value, &mut decoder), value);
        prop_assert_eq!(decoder.finish(), Ok(()));
    }

    /// Whatever is cut off or added, the strict reader notices.
    #[test]
    fn no_other_length_is_accepted(value in value(), extra in any::<u8>()) {
        let mut encoder = Encoder::new();
        encode(&value, &mut encoder);
        let bytes = encoder.finish();
        for cut in 0..bytes.len() {
            prop_assert!(validate(&bytes[..cut]).is_err());
        }
        prop_assert!(validate(&[bytes, vec![extra]].concat()).is_err());
    }

    #[test]
    fn never_panics(bytes in any::<Vec<u8>>()) {
        let _ = validate(&bytes);
    }
}
