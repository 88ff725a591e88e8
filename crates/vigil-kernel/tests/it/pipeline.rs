//! Pipelines and the URIs of calls: one text each, both ways.

use std::collections::BTreeMap;

use expect_test::{Expect, expect};
use proptest::prelude::*;
use vigil_kernel::{
    Argument, Grammar, Identifier, Invocation, Parts, parse_pipeline, render_pipeline,
};

#[track_caller]
fn check(text: &str, want: Expect) {
    match parse_pipeline(text) {
        Ok(uri) => want.assert_eq(&format!("{uri}\n{}", render_pipeline(&uri))),
        Err(error) => want.assert_eq(&error.to_string()),
    }
}

#[test]
fn pipelines_are_uris() {
    check(
        "@home/notes.txt",
        expect![[r#"
        @home/notes.txt
        @home/notes.txt"#]],
    );
    check(
        "@home/a | head lines=3",
        expect![[r#"
            active:head+lines=3+of@%40home/a
            @home/a | head lines=3"#]],
    );
    check(
        "@home/a|head lines=3   |   upper",
        expect![[r#"
            active:upper+of@active:head%2Blines%3D3%2Bof%40%2540home/a
            @home/a | head lines=3 | upper"#]],
    );
    check(
        r#"@a | sql "select \"x\" from t" limit=10"#,
        expect![[r#"
            active:sql+1=select%20%22x%22%20from%20t+limit=10+of@%40a
            @a | sql "select \"x\" from t" limit=10"#]],
    );
    check(
        "@a | join with@(@b | upper) on=id",
        expect![[r#"
            active:join+of@%40a+on=id+with@active:upper%2Bof%40%2540b
            @a | join on=id with@(@b | upper)"#]],
    );
    check(
        "@a | grep pattern@@b/list",
        expect![[r#"
        active:grep+of@%40a+pattern@%40b/list
        @a | grep pattern@@b/list"#]],
    );
}

#[test]
fn uris_with_signs_of_a_pipeline_in_them_stand_in_quotes() {
    check(
        r#""data:,a|b(\"c\")" | join with@"file:x(1)" on=id"#,
        expect![[r#"
        active:join+of@data:,a%7Cb%28%22c%22%29+on=id+with@file:x%281%29
        "data:,a|b(\"c\")" | join on=id with@"file:x(1)""#]],
    );
    check(r#""data:,a b""#, expect!["`data:,a b` is no URI"]);
    check(r#""" | head"#, expect!["a pipeline starts with a URI at character 3"]);
}

#[test]
fn what_is_wrong_is_said_with_its_place() {
    check("", expect!["a pipeline starts with a URI at character 1"]);
    check("@a b", expect!["`|` is missing before what follows the URI at character 4"]);
    check("@a |", expect!["a name is missing after `|` at character 5"]);
    check("@a | head lines=", expect!["a text is missing at character 17"]);
    check("@a | head \"x", expect!["the quote is not closed at character 13"]);
    check("@a | head x=1 x=2", expect!["the argument `x` is given twice"]);
    check("@a | join with@(@b", expect!["`)` is missing at character 19"]);
    check("@a )", expect!["`)` without `(` at character 4"]);
    check(
        &format!("@a{}", " | f x@(@b".repeat(40)),
        expect!["calls are nested too deep at character 251"],
    );
}

#[test]
fn calls_that_are_not_canonical_are_refused() {
    let read = |uri: &str| Invocation::from_uri(&Identifier::new(uri).expect("the test is right"));
    assert!(read("ca://x").is_none());
    assert!(read("active:f+a=1+b=2").expect("the test is right").is_ok());
    for uri in [
        "active:",
        "active:f+b=2+a=1",
        "active:f+a=%41",
        "active:f+a=%2f",
        "active:f+a",
        "active:f+a=1+a=1",
    ] {
        assert!(read(uri).expect("the test is right").is_err(), "{uri}");
    }
}

fn leaf() -> impl Strategy<Value = Identifier> {
    // What a pipeline is written with, more often than chance would have it.
    prop_oneof!["[a-z]{1,5}:[!-~é]{0,12}", r#"[a-z]{1,2}:[|()"\\@=a]{1,8}"#]
        .prop_filter("is not a call", |text| !text.starts_with("active:"))
        .prop_map(|text| Identifier::new(&text).expect("the test is right"))
}

fn argument(inner: impl Strategy<Value = Identifier> + Clone) -> impl Strategy<Value = Argument> {
    prop_oneof![any::<String>().prop_map(Argument::Value), inner.prop_map(Argument::Reference)]
}

fn uri() -> impl Strategy<Value = Identifier> {
    leaf().boxed().prop_recursive(4, 12, 3, |inner| {
        let arguments = proptest::collection::btree_map(
            prop_oneof!["[1-3]", "[a-z][a-z0-9_-]{0,3}"],
            argument(inner.clone()),
            0..3,
        );
        ("[a-z][a-z0-9-]{0,5}", inner, arguments)
            .prop_map(|(name, operand, mut arguments): (_, _, BTreeMap<String, Argument>)| {
                arguments.insert("of".to_owned(), Argument::Reference(operand));
                Invocation { name, arguments }.to_uri()
            })
            .prop_filter_map("is short enough", Result::ok)
            .boxed()
    })
}

proptest! {
    /// A URI, as a pipeline, is that URI.
    #[test]
    fn text_and_uri_agree(uri in uri()) {
        let text = render_pipeline(&uri);
        prop_assert_eq!(parse_pipeline(&text), Ok(uri), "{}", text);
    }

    #[test]
    fn no_text_panics(text in "[ -~|()\"@=a]{0,40}") {
        let _ = parse_pipeline(&text).map(|uri| render_pipeline(&uri));
    }

    /// What a grammar builds it takes apart again, and the other way round.
    #[test]
    fn grammars_go_both_ways(
        shelf in "[a-z0-9/._-]{0,6}", number in "[0-9a]{0,4}", rest in "[!-~]{0,12}", uri in "[a-z:/0-9.!]{0,24}",
    ) {
        let grammar = Grammar::new("res:/{shelf}/{number:digits}.{rest:rest}").expect("the test is right");
        let parts: Parts = [("shelf", shelf), ("number", number), ("rest", rest)]
            .map(|(name, text)| (name.to_owned(), text))
            .into();
        if let Ok(uri) = grammar.build(&parts) {
            prop_assert_eq!(grammar.parse(uri.as_str()), Some(parts));
        }
        for uri in [uri.clone(), format!("res:/{uri}")] {
            if let Some(parts) = grammar.parse(&uri) {
                let built = grammar.build(&parts).expect("the test is right").to_string();
                prop_assert_eq!(built, uri);
            }
        }
    }
}
