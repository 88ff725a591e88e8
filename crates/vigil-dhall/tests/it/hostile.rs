//! Inputs made to take more than they should: each is answered, or refused, within tight limits.
//!
//! Steps and bytes are counted by the library, so that nothing here depends on the machine.

use std::fmt::Write as _;

use vigil_dhall::{
    CheckError, Checked, DecodeError, Expr, ImportErrorKind, LimitError, Limits, NoImports,
    ParseError, Report, Root, Session, Source, Style, TypeErrorKind, decode, encode, parse, print,
    to_json, to_yaml,
};

use crate::importer::TestImporter;

fn tight(steps: u64, memory_bytes: u64) -> Limits {
    Limits { steps, memory_bytes, ..Limits::default() }
}

fn check(source: &str, limits: &Limits) -> Result<Checked, CheckError> {
    let parsed = parse(source, limits).expect("parses");
    let mut session = Session::new(&NoImports, limits);
    session.resolve(&parsed.expr, &Root::anonymous()).expect("has no imports").check()
}

fn normal(source: &str, limits: &Limits) -> Expr {
    check(source, limits).expect("has a type").normalize().expect("within tight limits")
}

/// `{open}{inner}{close}`, so often that the limit of depth is near.
fn nested(open: &str, inner: &str, close: &str) -> String {
    const DEPTH: usize = 9_000;
    format!("{}{inner}{}", open.repeat(DEPTH), close.repeat(DEPTH))
}

/// `let x0 = {first} let x1 = {next of x0} …`
fn chain(name: &str, first: &str, length: usize, next: impl Fn(&str) -> String) -> String {
    let mut text = format!("let {name}0 = {first}\n");
    for at in 1..=length {
        let value = next(&format!("{name}{}", at - 1));
        writeln!(text, "let {name}{at} = {value}").expect("grows");
    }
    text
}

#[test]
fn chains_of_updates_take_linear_memory() {
    const LENGTH: usize = 5_000;
    let numbered = |entry: &dyn Fn(usize) -> String| (0..LENGTH).map(entry).collect::<String>();
    for (source, fields) in [
        (format!("{{ a = 1 }}{}", numbered(&|at| format!(" with b{at} = {at}"))), LENGTH + 1),
        (format!("{{ a = 1 }}{}", numbered(&|at| format!(" // {{ b{at} = {at} }}"))), LENGTH + 1),
        (format!("{{ a = 1 }}{}", numbered(&|at| format!(" /\\ {{ b{at} = {at} }}"))), LENGTH + 1),
        (
            format!("{{ a : Bool }}{}", numbered(&|at| format!(" //\\\\ {{ b{at} : Bool }}"))),
            LENGTH + 1,
        ),
        (format!("{{ z = 0{} }}.a", numbered(&|at| format!(", a.b{at} = {at}"))), LENGTH),
    ] {
        // Copying the record each time would take half a gigabyte.
        let expr = normal(&source, &tight(40 * LENGTH as u64, 4 << 20));
        let printed = print(&expr, Style::one_line());
        assert_eq!(printed.matches(',').count() + 1, fields);
    }
}

#[test]
fn a_long_path_of_an_update_nests() {
    let path: Vec<String> = (0..9_000).map(|at| format!("a{at}")).collect();
    let source = format!("{{ a0.b = 1 }} with {} = 2", path.join("."));
    let expr = normal(&source, &tight(200_000, 64 << 20));
    assert!(print(&expr, Style::default()).len() < 2 * source.len());
    let inside = chain("T", "Natural", 9_000, |last| format!("Optional {last}"));
    let source = format!("{inside} in \\(x : T9000) -> x with {} = 1", ["?"; 9_000].join("."));
    check(&source, &tight(200_000, 16 << 20)).expect("has a type");
}

#[test]
fn types_that_share_their_parts_are_compared_part_by_part() {
    // Each has 2^200 leaves, and nothing in common with the other but its form.
    let pair = |last: &str| format!("{{ l : {last}, r : {last} }}");
    let types = chain("T", "Natural", 200, pair) + &chain("U", "Natural", 200, pair);
    let limits = tight(20_000, 1 << 20);
    check(&format!("{types} in \\(x : T200) -> x : U200"), &limits).expect("equal types");
    let values = types.replace(" : ", " = ").replace("Natural", "1");
    check(&format!("{values} in assert : T200 === U200"), &limits).expect("equal values");
    // What differs is found, and shown on a few lines.
    let source = format!("{types} in \\(x : T200) -> x : U199");
    let error = check(&source, &limits).err().expect("different types");
    let CheckError::Type(inner) = &error else { panic!("{error}") };
    assert!(matches!(inner.kind, TypeErrorKind::Mismatch { .. }));
    let source = Source { name: "it.dhall".into(), text: source.into() };
    let shown = Report::check(&error, &source).render(false);
    assert!(shown.lines().count() <= 12 && shown.contains("expected: { l : { l : "), "{shown}");
}

#[test]
fn a_wrong_part_deep_inside_is_found_in_linear_time() {
    let wrong = nested("{ a = ", "True", " }");
    let right = nested("{ a : ", "Natural", " }");
    let limits = tight(300_000, 64 << 20);
    for source in [
        format!("{wrong} : {right}"),
        format!("[{}, {}]", nested("[", "1", "]"), nested("[", "True", "]")),
    ] {
        let error = check(&source, &limits).err().expect("ill-typed");
        let source = Source { name: "it.dhall".into(), text: source.into() };
        let shown = Report::check(&error, &source).render(false);
        assert!(shown.lines().count() <= 12, "{shown}");
        assert!(shown.lines().all(|line| line.chars().count() <= 100), "{shown}");
    }
}

#[test]
fn what_nests_deep_does_not_print_as_its_square() {
    let limits = tight(500_000, 64 << 20);
    for source in [
        nested("[", "1", "]"),
        nested("{ a = ", "1", " }"),
        nested("[ { b = 2, a = ", "[ 1 ]", " } ]"),
    ] {
        let limits = Limits { depth: 40_000, ..limits.clone() };
        let expr = normal(&source, &limits);
        let most = 600 * source.len();
        assert!(print(&expr, Style::default()).len() < most);
        assert!(to_json(&expr).expect("data").len() < most);
        assert!(to_yaml(&expr).expect("data").len() < most);
    }
    for source in [nested("\\(x : Bool) -> ", "x", ""), nested("forall (x : Type) -> ", "x", "")] {
        let expr = normal(&source, &limits);
        assert!(print(&expr, Style::default()).len() < 3 * source.len());
    }
}

#[test]
fn five_thousand_alternatives_are_merged() {
    let names = |entry: &dyn Fn(usize) -> String| -> String {
        (0..5_000).map(entry).collect::<Vec<_>>().join(", ")
    };
    let union = names(&|at| format!("a{at}")).replace(", ", " | ");
    let handlers = names(&|at| format!("a{at} = {at}"));
    let calls = names(&|at| format!("h U.a{at}"));
    let source =
        format!("let U = < {union} > let h = \\(u : U) -> merge {{ {handlers} }} u in [ {calls} ]");
    let expr = normal(&source, &tight(500_000, 16 << 20));
    assert!(print(&expr, Style::one_line()).ends_with(", 4998, 4999 ]"));
    let shown =
        format!("let U = < {union} > in [ {} ]", names(&|at| format!("showConstructor U.a{at}")));
    normal(&shown, &tight(500_000, 16 << 20));
}

#[test]
fn every_nesting_counts_as_depth() {
    let limits = Limits { depth: 1_000, ..Limits::default() };
    // A hundred parentheses, and a hundred operators in each.
    let sums = format!("{}1{}", "(".repeat(100), format!("{})", " + 1".repeat(100)).repeat(100));
    let lets = format!("{}1", "let x = 1 in ".repeat(2_000));
    let repeated = format!("{{ a.b = 1{} }}", ", a.b = 1".repeat(2_000));
    for source in [sums, lets, repeated] {
        assert!(matches!(parse(&source, &limits), Err(ParseError::TooDeep { .. })));
    }
    let deep = Limits { depth: 100_000, ..Limits::default() };
    for source in [
        format!("f{}", " x".repeat(2_000)),
        "let x = 1 in ".repeat(2_000) + "x",
        "[".repeat(2_000) + "1" + &"]".repeat(2_000),
    ] {
        let bytes = encode(&parse(&source, &deep).expect("parses").expr);
        assert_eq!(encode(&decode(&bytes, &deep).expect("decodes")), bytes);
        let error = decode(&bytes, &limits).expect_err("deep");
        assert_eq!(error, DecodeError::TooDeep { limit: 1_000 });
    }
}

#[test]
fn nested_lets_decode_in_linear_time_into_one() {
    // Each of them in an array of its own, which no encoder would write.
    let mut bytes = b"\x85\x18\x19\x61a\xf6\x82\x0f\x01".repeat(15_000);
    bytes.extend(b"\x82\x0f\x01");
    let expr = decode(&bytes, &Limits::default()).expect("decodes");
    assert!(encode(&expr).len() < bytes.len());
}

#[test]
fn numbers_and_texts_are_refused_before_they_are_built() {
    let limits = tight(1_000_000, 1 << 20);
    for source in [
        "Natural/fold 64 Natural (\\(x : Natural) -> x * x) 3",
        "Natural/show (Natural/fold 22 Natural (\\(x : Natural) -> x * x) 3)",
        "Natural/fold 64 Text (\\(t : Text) -> Text/replace \"a\" \"aa\" t) \"a\"",
        "\\(x : Text) -> Natural/fold 64 Text (\\(t : Text) -> Text/replace \"a\" \"aa${x}\" (t ++ t)) \"a\"",
        "Natural/fold 64 Text (\\(t : Text) -> Text/show t) \"a\"",
        "Natural/fold 64 (List Natural) (\\(l : List Natural) -> List/reverse Natural (l # l)) [ 1 ]",
    ] {
        let error = check(source, &limits).expect("has a type").hash().expect_err("too much");
        assert!(
            matches!(error, LimitError::Memory { .. } | LimitError::Steps { .. }),
            "{source}: {error}"
        );
    }
}

#[test]
fn imports_share_one_allowance() {
    // None of these takes long, but all of them do.
    let work = "Natural/fold 1000 Natural (\\(x : Natural) -> x + 1) 0";
    let environment = (0..50)
        .map(|at| {
            (format!("V{at}"), format!("let a = assert : {work} === 1000 in env:V{}", at + 1))
        })
        .chain([("V50".to_owned(), "1".to_owned())])
        .collect();
    let importer = TestImporter { environment, ..TestImporter::default() };
    let resolve = |limits: &Limits| {
        let parsed = parse("env:V0", limits).expect("parses");
        Session::new(&importer, limits).resolve(&parsed.expr, &Root::anonymous()).map(drop)
    };
    resolve(&tight(1_000_000, 1 << 20)).expect("enough");
    let error = resolve(&tight(20_000, 1 << 20)).expect_err("too much");
    assert!(matches!(error.kind, ImportErrorKind::Limit(LimitError::Steps { limit: 20_000 })));
    // Nor may they hold more bytes than a result may have.
    let error = resolve(&tight(1_000_000, 2_000)).expect_err("too much");
    assert!(matches!(error.kind, ImportErrorKind::Limit(LimitError::Memory { limit: 2_000 })));
}

#[test]
fn deep_trees_can_be_shown_for_debugging() {
    let expr = parse(&nested("[", "1", "]"), &Limits::default()).expect("parses").expr;
    assert!(format!("{expr:?}").len() > 9_000);
}
