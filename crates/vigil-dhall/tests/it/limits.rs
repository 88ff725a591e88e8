//! Every limit has an error, and no program overflows the stack.

use std::collections::BTreeMap;

use vigil_dhall::{
    CheckError, Checked, ImportErrorKind, LimitError, Limits, NoImports, Root, Session, parse,
};

use crate::importer::TestImporter;

fn check(source: &str, limits: &Limits) -> Result<Checked, CheckError> {
    let parsed = parse(source, limits).expect("parses");
    Session::new(&NoImports, limits)
        .resolve(&parsed.expr, &Root::anonymous())
        .expect("has no imports")
        .check()
}

#[test]
fn steps_are_bounded() {
    let limits = Limits { steps: 10_000, ..Limits::default() };
    let source = "Natural/fold 1000000000000 Natural (\\(x : Natural) -> x + 1) 0";
    let checked = check(source, &limits).expect("has a type");
    assert_eq!(checked.normalize().expect_err("long"), LimitError::Steps { limit: 10_000 });
    // The same value is as good as new afterwards, and fails the same way.
    assert_eq!(checked.hash().expect_err("long"), LimitError::Steps { limit: 10_000 });
    let asserted = format!("assert : {source} === 0");
    assert!(matches!(check(&asserted, &limits), Err(CheckError::Limit(_))));
}

#[test]
fn memory_is_bounded_before_it_is_taken() {
    let limits = Limits { memory_bytes: 1 << 20, ..Limits::default() };
    for (zero, sign) in [("\"four\"", "++"), ("[ 1, 2 ]", "#"), ("12345", "*")] {
        let mut source = format!("let x0 = {zero}\n");
        for at in 1..=100 {
            source += &format!("let x{at} = x{0} {sign} x{0}\n", at - 1);
        }
        let checked = check(&(source + "in x100"), &limits).expect("has a type");
        let error = checked.hash().expect_err("large");
        assert_eq!(error, LimitError::Memory { limit: 1 << 20 }, "{sign}");
    }
}

#[test]
fn deep_expressions_are_checked_evaluated_and_dropped() {
    let deep = 20_000;
    let limits = Limits { depth: 2 * deep, ..Limits::default() };
    for source in [
        format!("{}1{}", "(".repeat(deep), ")".repeat(deep)),
        format!("1{}", " + 1".repeat(deep)),
        format!("\\(x : Natural) -> x{}", " + x".repeat(deep)),
        format!("{}1{}", "[".repeat(deep), "]".repeat(deep)),
        format!("{}1", "\\(x : Bool) -> ".repeat(2_000)),
        format!("{}x", "let x = 1 ".repeat(deep) + "in "),
        format!("{}{{=}}{}", "{ a = ".repeat(deep), " }".repeat(deep)),
        format!("\\(f : Natural -> Natural) -> Natural/fold {deep} Natural f 0"),
    ] {
        let checked = check(&source, &limits).expect("has a type");
        let first = checked.hash().expect("within limits");
        assert_eq!(checked.hash().expect("within limits"), first);
        drop(checked.normalize().expect("within limits"));
    }
}

#[test]
fn too_deep_results_are_refused() {
    let limits = Limits { depth: 100, ..Limits::default() };
    let source = "\\(f : Natural -> Natural) -> Natural/fold 100000 Natural f 0";
    let error = check(source, &limits).expect("has a type").hash().expect_err("deep");
    assert_eq!(error, LimitError::Depth { limit: 2_000 });
}

#[test]
fn imports_are_bounded() {
    let environment: BTreeMap<String, String> = (0..50)
        .map(|at| (format!("V{at}"), format!("env:V{}", at + 1)))
        .chain([("V50".to_owned(), "1".to_owned())])
        .collect();
    let importer = TestImporter { environment, ..TestImporter::default() };
    let resolve = |limits: &Limits| {
        let parsed = parse("env:V0", limits).expect("parses");
        Session::new(&importer, limits).resolve(&parsed.expr, &Root::anonymous()).map(drop)
    };
    resolve(&Limits::default()).expect("fifty imports are fine");
    let few = Limits { imports: 10, ..Limits::default() };
    let error = resolve(&few).expect_err("too many");
    assert!(matches!(error.kind, ImportErrorKind::TooMany { limit: 10 }));
    assert_eq!(error.chain.len(), 11);
    let small = Limits { import_bytes: 4, ..Limits::default() };
    let error = resolve(&small).expect_err("too large");
    assert!(matches!(error.kind, ImportErrorKind::TooLarge { limit: 4, .. }));
}
