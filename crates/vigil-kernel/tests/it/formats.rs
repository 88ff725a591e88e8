//! The records of requests, representations and traces: golden files in `corpus/kernel`, both ways.

use proptest::prelude::*;
use vigil_base::Vcid;
use vigil_kernel::{
    Argument, Identifier, Input, Label, MediaType, Read, Representation, Request, Trace, Verb,
};

fn representation() -> Representation {
    Representation {
        vcid: Vcid::of(b"hello"),
        media_type: MediaType::new("text/plain").expect("the test is right"),
        size: 5,
        label: Label {
            secrecy: ["payroll".to_owned()].into(),
            integrity: ["built-here".to_owned(), "reviewed".to_owned()].into(),
        },
    }
}

fn request() -> Request {
    Request {
        verb: Verb::Source,
        uri: Identifier::new("active:head+1=3+of@%40home%2Fnotes").expect("the test is right"),
        arguments: [
            ("lines".to_owned(), Argument::Value("3".to_owned())),
            (
                "with".to_owned(),
                Argument::Reference(Identifier::new("@other").expect("the test is right")),
            ),
        ]
        .into(),
        wanted: Some(MediaType::new("application/json").expect("the test is right")),
    }
}

fn trace() -> Trace {
    Trace {
        request: request(),
        endpoint: "head".to_owned(),
        version: Vcid::of(b"head 1"),
        inputs: vec![
            Input {
                what: Read::Resource(Request::source(
                    Identifier::new("@home/notes").expect("the test is right"),
                )),
                gave: representation().digest(),
                with_previous: false,
            },
            Input {
                what: Read::Root("name/home".to_owned()),
                gave: Vcid::of(b"state"),
                with_previous: true,
            },
        ],
        output: representation(),
        needs: ["network:example.org".to_owned()].into(),
        evidence: ["fetched https://example.org/ once".to_owned()].into(),
        machine: "mill-3".to_owned(),
    }
}

/// Compares with a golden file. With `UPDATE_EXPECT` set, as for other expectations, it is rewritten.
#[track_caller]
fn check(name: &str, bytes: &[u8]) {
    let hex: String = bytes
        .chunks(32)
        .map(|line| line.iter().map(|byte| format!("{byte:02x}")).collect::<String>() + "\n")
        .collect();
    let path = format!("{}/../../corpus/kernel/{name}.hex", env!("CARGO_MANIFEST_DIR"));
    let path = std::path::Path::new(&path);
    expect_test::expect_file![path].assert_eq(&hex);
}

#[test]
fn records_are_the_golden_ones() {
    check("request", &request().encode());
    check("representation", &representation().encode());
    check("trace", &trace().encode());
    assert_eq!(Request::decode(&request().encode()), Ok(request()));
    assert_eq!(Representation::decode(&representation().encode()), Ok(representation()));
    assert_eq!(Trace::decode(&trace().encode()), Ok(trace()));
}

#[test]
fn every_cut_and_every_flip_is_refused_or_read_as_it_is_written() {
    let bytes = trace().encode();
    for end in 0..bytes.len() {
        assert!(Trace::decode(&bytes[..end]).is_err(), "cut at {end}");
    }
    for at in 0..bytes.len() * 8 {
        let mut bytes = bytes.clone();
        bytes[at / 8] ^= 1 << (at % 8);
        if let Ok(read) = Trace::decode(&bytes) {
            assert_eq!(read.encode(), bytes, "bit {at}");
        }
    }
}

proptest! {
    #[test]
    fn noise_is_refused_or_read_as_it_is_written(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        for read in [
            Request::decode(&bytes).map(|read| read.encode()),
            Representation::decode(&bytes).map(|read| read.encode()),
            Trace::decode(&bytes).map(|read| read.encode()),
        ].into_iter().flatten() {
            prop_assert_eq!(&read, &bytes);
        }
    }
}
