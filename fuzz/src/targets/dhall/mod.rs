//! Dhall: texts, binary forms, and terms that have a type.
//!
//! Invariant: no input makes the library panic, however it is parsed, checked, evaluated or shown.

#[path = "../../../../crates/vigil-dhall/tests/it/laws.rs"]
mod laws;
#[path = "../../../../crates/vigil-dhall/tests/it/terms.rs"]
mod terms;

use vigil_base::Vcid;
use vigil_dhall::{
    Cache, Expr, FetchError, Fetched, Hash, Importer, Limits, Report, Request, Resolved, Root,
    Session, Source, decode, encode, format, lint, parse, parse_bytes, print, to_json,
};

/// Signs and words of the language, openings more than closings.
pub const TEXT_WORDS: &[&[u8]] = &[
    b"let x = ",
    b" in ",
    b"\\(x : Natural) -> ",
    b"forall (a : Type) -> ",
    b"{ a = 1 }",
    b"{ a : Natural }",
    b"< A | B : Natural >",
    b".{ a }",
    b".(T)",
    b"merge { A = 1 } ",
    b"toMap ",
    b"showConstructor ",
    b" with a.b = ",
    b" with ? = ",
    b"assert : 1 === ",
    b"if True then ",
    b" else ",
    b"[] : List Natural",
    b"Some ",
    b"None Natural",
    b"''\n",
    b"''${x}''",
    b"\"${",
    b"{-",
    b"-}",
    b"--\n",
    b"./a.dhall",
    b"env:X as Text",
    b"http://a.b/c?d using ",
    b"missing sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    b" ? ",
    b" // ",
    b" /\\ ",
    b" //\\\\ ",
    b" \xe2\xab\xbd ",
    b" # ",
    b" ++ ",
    b" == ",
    b"T::{ a = ",
    b"x@1",
    b"+1",
    b"-0.0",
    b"1e309",
    b"0x1F",
    b"0b101",
    b"0x\"00ff\"",
    b"2026-02-29T23:59:60.123Z",
    b"Natural/fold 99 Natural ",
    b"List/fold ",
    b"Text/replace \"\" \"a\" ",
];

/// Heads of arrays and maps, labels of forms, and what CBOR hides.
pub const BINARY_WORDS: &[&[u8]] = &[
    b"\x82\x08\xa1\x61a",
    b"\x82\x07\xa1\x61a",
    b"\x82\x0b\xa1\x61A\xf6",
    b"\x83\x01",
    b"\x84\x01",
    b"\x83\x02",
    b"\x83\x00",
    b"\x84\x03\x04",
    b"\x82\x04",
    b"\x83\x04\xf6",
    b"\x83\x05\xf6",
    b"\x83\x06",
    b"\x83\x09",
    b"\x84\x0a",
    b"\x84\x0e",
    b"\x82\x0f",
    b"\x82\x10",
    b"\x82\x12",
    b"\x82\x13",
    b"\x85\x18\x18\xf6\x00",
    b"\x85\x19",
    b"\x83\x18\x1a",
    b"\x82\x18\x1b",
    b"\x84\x18\x1d",
    b"\x84\x18\x1e",
    b"\x82\x18\x21\x41\x00",
    b"\x82\x18\x22",
    b"\x67Natural",
    b"\x64Type",
    b"\x64List",
    b"\xc2\x49\x01\x00\x00\x00\x00\x00\x00\x00\x00",
    b"\xc4\x82\x20\x05",
    b"\xd9\xd9\xf7",
    b"\xf9\x7e\x00",
    b"\xf4",
    b"\x9b\xff\xff\xff\xff\xff\xff\xff\xff",
    b"\xbb\x7f\xff\xff\xff\xff\xff\xff\xff",
];

/// Small enough that a build with checks stays far below a second.
fn limits() -> Limits {
    Limits { depth: 400, steps: 20_000, memory_bytes: 1 << 20, imports: 10, import_bytes: 1 << 16 }
}

/// What a text says in other words may nest deeper.
fn deeper() -> Limits {
    Limits { depth: 4_000, ..limits() }
}

/// The bytes of one entry of the cache; everything else is absent.
struct OneEntry<'b>(&'b [u8]);

impl Importer for OneEntry<'_> {
    fn fetch(&self, _request: Request<'_>) -> Result<Fetched, FetchError> {
        Err(FetchError::Absent("there is nothing".to_owned()))
    }

    fn cached(&self, cache: Cache, _hash: &Hash) -> Option<Vec<u8>> {
        (cache == Cache::Semantic).then(|| self.0.to_vec())
    }
}

/// A report fits a terminal, whatever it is about.
fn check_report(report: &Report) {
    let shown = report.render(false);
    assert!(shown.lines().count() <= 12, "too many lines:\n{shown}");
    assert!(shown.lines().all(|line| line.chars().count() <= 100), "too long a line:\n{shown}");
    assert!(!report.message().is_empty());
}

/// Checks, evaluates and shows; what has a type keeps it.
fn evaluate(resolved: &Resolved, source: &Source) {
    let checked = match resolved.check() {
        Ok(checked) => checked,
        Err(error) => return check_report(&Report::check(&error, source)),
    };
    let (Ok(normal), Ok(ty), Ok(hash)) = (checked.normalize(), checked.type_expr(), checked.hash())
    else {
        return;
    };
    let bytes = checked.encode().expect("what could be hashed can be encoded");
    assert_eq!(Vcid::of(&bytes).to_hex(), hash.to_hex(), "the hash is not that of the encoding");
    let _ = to_json(&normal);
    // The normal form is one, and has the type.
    let limits = deeper();
    let decoded = decode(&encode(&normal), &limits).expect("what is encoded is decoded");
    let again = Session::new(&OneEntry(b""), &limits).resolve(&decoded, &Root::anonymous());
    let again = again.expect("a normal form has no imports").check();
    let Ok(again) = again else {
        // Only a limit is an excuse.
        assert!(matches!(again, Err(vigil_dhall::CheckError::Limit(_))), "ill-typed: {normal}");
        return;
    };
    if let (Ok(normal_again), Ok(ty_again)) = (again.normalize(), again.type_expr()) {
        assert_eq!(encode(&normal_again), encode(&normal), "normalizing again changes {normal}");
        assert_eq!(alpha(&ty_again), alpha(&ty), "the type of {normal} changes");
    }
}

fn alpha(expr: &Expr) -> Vec<u8> {
    encode(&vigil_dhall::alpha_normalize(expr))
}

/// Checks one text.
pub fn run_text(input: &[u8]) {
    let limits = limits();
    let text: std::sync::Arc<str> = String::from_utf8_lossy(input).into();
    let source = Source { name: "input".into(), text: text.clone() };
    let parsed = match parse_bytes(input, &limits) {
        Ok(parsed) => parsed,
        Err(error) => {
            assert!(error.offset() <= input.len(), "an error outside of the text");
            return check_report(&Report::parse(&error, &source));
        }
    };
    let meaning = encode(&parsed.expr);
    let deeper = deeper();
    let printed = print(&parsed.expr, vigil_dhall::Style::default());
    let again = parse(&printed, &deeper).map(|parsed| encode(&parsed.expr));
    assert_eq!(again.as_ref(), Ok(&meaning), "printed as\n{printed}");
    let formatted = format(&text, &limits).expect("what parses is formatted");
    let again = parse(&formatted, &deeper).map(|parsed| encode(&parsed.expr));
    assert_eq!(again.as_ref(), Ok(&meaning), "formatted as\n{formatted}");
    assert_eq!(format(&formatted, &deeper).as_ref(), Ok(&formatted), "formatting is not done");
    let _ = lint(&parsed.expr).to_string();
    let importer = OneEntry(b"");
    let mut session = Session::new(&importer, &limits);
    let root = Root::anonymous().with_source(source.clone());
    match session.resolve(&parsed.expr, &root) {
        Ok(resolved) => {
            evaluate(&resolved, &source);
            let _ = resolved.inspect(input.len() / 2);
        }
        Err(error) => check_report(&Report::import(&error)),
    }
}

/// Checks one binary form, as such and as what the cache holds for a frozen import.
pub fn run_binary(input: &[u8]) {
    let limits = limits();
    let source = Source { name: "input".into(), text: "".into() };
    if let Ok(expr) = decode(input, &limits) {
        let bytes = encode(&expr);
        let again = decode(&bytes, &limits).expect("what is encoded is decoded");
        assert_eq!(encode(&again), bytes, "the encoding is not canonical");
        let _ = expr.to_string();
        let importer = OneEntry(b"");
        let mut session = Session::new(&importer, &limits);
        if let Ok(resolved) = session.resolve(&expr, &Root::anonymous()) {
            evaluate(&resolved, &source);
        }
    }
    let hash = Vcid::of(input).to_hex();
    let importer = OneEntry(input);
    let mut session = Session::new(&importer, &limits);
    for more in ["", ".a", " // { b = 1 }", " 1"] {
        let text = format!("(missing sha256:{hash}){more}");
        let parsed = parse(&text, &limits).expect("it is well-formed");
        if let Ok(resolved) = session.resolve(&parsed.expr, &Root::anonymous())
            && let Ok(checked) = resolved.check()
        {
            let _ = (checked.normalize(), checked.type_expr(), checked.hash());
        }
    }
}

/// Makes a well-typed term of the bytes, of which every law must hold.
pub fn run_typed(input: &[u8]) {
    // Eight bytes are a number: it makes larger terms than as many choices.
    let (source, ty) = match input.try_into() {
        Ok(number) => terms::generated(u64::from_le_bytes(number)),
        Err(_) => terms::from_bytes(input),
    };
    if let Err(reason) = laws::laws(&source, &ty) {
        panic!("{reason}\n{source}");
    }
}
