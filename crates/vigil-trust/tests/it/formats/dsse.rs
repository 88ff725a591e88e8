//! Envelopes, statements and provenance.

use vigil_trust::Purpose;
use vigil_trust::formats::{
    Dependency, Envelope, InTotoStatement, Json, Provenance, STATEMENT_MEDIA_TYPE, Subject,
    pre_authentication_encoding, sign_envelope,
};

use super::{check, subkey};

pub(crate) fn statement() -> InTotoStatement {
    let digest = "ab".repeat(32);
    let provenance = Provenance {
        build_type: "https://example.org/build/v1".into(),
        external_parameters: Json::object([("request", Json::text("ca://x"))]),
        internal_parameters: Json::object([]),
        dependencies: vec![Dependency {
            uri: "ca://y".into(),
            digests: [("sha256".to_owned(), "cd".repeat(32))].into(),
        }],
        builder: "https://example.org/builder".into(),
        versions: vec![("vigil".into(), "1".into())],
        invocation: None,
    };
    provenance.about(vec![Subject::sha256("a \"file\"\u{1}", &digest)])
}

fn envelope() -> Envelope {
    let key = subkey(2, Purpose::Dsse);
    let payload = statement().json().into_bytes();
    sign_envelope(&key, STATEMENT_MEDIA_TYPE, payload).expect("the right key")
}

#[test]
fn the_encoding_is_that_of_the_protocol() {
    // The test vector of the protocol's description.
    let got = pre_authentication_encoding("http://example.com/HelloWorld", b"hello world");
    assert_eq!(got, b"DSSEv1 29 http://example.com/HelloWorld 11 hello world");
}

#[test]
fn an_envelope_survives_its_text() {
    let envelope = envelope();
    let key = subkey(2, Purpose::Dsse).public();
    let read = Envelope::parse(envelope.json().as_bytes());
    assert_eq!(read, Ok(envelope.clone()));
    let payload = envelope.verify(STATEMENT_MEDIA_TYPE, &key).expect("signed");
    assert_eq!(InTotoStatement::parse(payload), Ok(statement()));
    // The other alphabet of base64, spaces, and fields that nobody knows.
    let mut loose = envelope.clone();
    loose.payload = vec![0xfb, 0xff, 0xbf];
    let text = loose.json().replace('+', "-").replace('/', "_").replacen('{', "{ \"x\": 1, ", 1);
    assert_eq!(Envelope::parse(text.as_bytes()).map(|e| e.payload), Ok(loose.payload));
}

#[test]
fn fields_of_an_envelope_are_refused_by_name() {
    let key = subkey(2, Purpose::Dsse).public();
    let altered = |alter: &dyn Fn(&mut Envelope)| {
        let mut envelope = envelope();
        alter(&mut envelope);
        let envelope = Envelope::parse(envelope.json().as_bytes())?;
        envelope.verify(STATEMENT_MEDIA_TYPE, &key).map(<[u8]>::to_vec)
    };
    let unsigned = format!("the key {key} signed neither this payload nor this type of it");
    check(altered(&|e| e.payload[0] ^= 1), &unsigned);
    check(altered(&|e| e.signatures[0].signature[0] ^= 1), &unsigned);
    check(altered(&|e| e.signatures[0].signature.truncate(63)), &unsigned);
    let kind = "the payload is of the type `text/plain`, not `application/vnd.in-toto+json`";
    check(altered(&|e| e.payload_type = "text/plain".into()), kind);
    check(altered(&|e| e.signatures.clear()), "an envelope has 1 to 64 signatures, this one has 0");
    let hinted = altered(&|e| e.signatures[0].key_id = "somebody".into());
    assert!(hinted.is_ok(), "a key id is a hint: {hinted:?}");
    // Somebody else's signature beside ours takes nothing away, and gives them nothing.
    let both = altered(&|e| e.signatures.insert(0, e.signatures[0].clone()));
    assert!(both.is_ok());
    let stranger = subkey(3, Purpose::Dsse).public();
    let unsigned = format!("the key {stranger} signed neither this payload nor this type of it");
    check(envelope().verify(STATEMENT_MEDIA_TYPE, &stranger), &unsigned);
    let mut other_type = envelope();
    other_type.payload_type = "text/plain".into();
    let unsigned = format!("the key {key} signed neither this payload nor this type of it");
    check(other_type.verify("text/plain", &key), &unsigned);
}

#[test]
fn what_is_no_envelope_is_refused() {
    let parse = |text: &str| Envelope::parse(text.as_bytes());
    check(parse("{}"), "the envelope has no field `payload` of the right type");
    check(parse(r#"{"payload":1}"#), "the envelope has no field `payload` of the right type");
    check(parse(r#"{"payload":"!"}"#), "the envelope's field `payload` is not base64");
    check(parse(r#"{"payload":"AB=="}"#), "the envelope's field `payload` is not base64");
    check(
        parse(r#"{"payload":"","payload":""}"#),
        "the JSON cannot be used: the key \"payload\" occurs twice at line 1 column 23",
    );
    let deep = "[".repeat(100_000);
    assert!(parse(&deep).is_err());
    check(
        parse("1.5"),
        "the JSON cannot be used: invalid type: floating point `1.5`, expected a JSON value without fractions at line 1 column 3",
    );
    check(
        parse("9007199254740993"),
        "the JSON cannot be used: 9007199254740993 is beyond 2^53 at line 1 column 16",
    );
}

#[test]
fn what_is_no_statement_is_refused() {
    let replaced = |from: &str, to: &str| {
        let text = statement().json();
        assert!(text.contains(from), "{text}");
        InTotoStatement::parse(text.replacen(from, to, 1).as_bytes())
    };
    check(
        replaced("Statement/v1", "Statement/v0.1"),
        "the statement is not of the type `https://in-toto.io/Statement/v1`",
    );
    check(
        replaced("predicateType", "x"),
        "the statement has no field `predicateType` of the right type",
    );
    check(
        replaced("\"subject\":[", "\"subject\":[],\"x\":["),
        "a statement is about 1 to 4096 things, this one about 0",
    );
    check(
        replaced("abab", "ab/b"),
        &format!("`ab/b{}` is no digest in hexadecimal digits", "ab".repeat(30)),
    );
    check(
        replaced("\"predicate\":{", "\"predicate\":1,\"x\":{"),
        "the statement has no field `predicate` of the right type",
    );
}

#[test]
fn json_is_written_in_one_way() {
    let text = r#" { "b" : [ 1 , -2 , true , null ] , "a" : "é\u0001\n\"\\/" } "#;
    let json = Json::parse(text.as_bytes()).expect("sound");
    let canonical = json.canonical();
    assert_eq!(canonical, "{\"a\":\"é\\u0001\\n\\\"\\\\/\",\"b\":[1,-2,true,null]}");
    assert_eq!(Json::parse(canonical.as_bytes()), Ok(json));
}
