//! JSON, YAML and Rust values.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use vigil_dhall::{
    Checked, Expr, ExprKind, Limits, NoImports, Root, Session, from_json, from_normal_form,
    from_rust, parse, to_expr, to_json, to_yaml, type_of,
};

fn checked(source: &str) -> Checked {
    let limits = Limits::default();
    let parsed = parse(source, &limits).expect("parses");
    let mut session = Session::new(&NoImports, &limits);
    let resolved = session.resolve(&parsed.expr, &Root::anonymous()).expect("resolves");
    resolved.check().unwrap_or_else(|error| panic!("{error} in {source}"))
}

fn normal(source: &str) -> Expr {
    checked(source).normalize().expect("within limits")
}

const CONFIG: &str = r#"
let Level = < Debug | Info | Other : { name : Text, rank : Natural } >

in  { name = "web"
    , ports = [ 80, 443 ]
    , delta = -3
    , ratio = 1.5
    , note = Some "a\nb"
    , owner = None Text
    , level = Level.Other { name = "x", rank = 2 }
    , plain = Level.Info
    , labels = toMap { a = "1", b = "yes" }
    , empty = [] : List Natural
    }
"#;

#[derive(Debug, PartialEq, Deserialize, Serialize)]
enum Level {
    Debug,
    Info,
    Other { name: String, rank: u8 },
}

#[derive(Debug, PartialEq, Deserialize, Serialize)]
struct Config {
    name: String,
    ports: Vec<u16>,
    delta: i32,
    ratio: f64,
    note: Option<String>,
    owner: Option<String>,
    level: Level,
    plain: Level,
    labels: BTreeMap<String, String>,
    empty: Vec<u64>,
}

#[test]
fn rust_values_are_read_and_their_type_is_known() {
    let config: Config = from_normal_form(&normal(CONFIG)).expect("fits");
    assert_eq!(config.level, Level::Other { name: "x".into(), rank: 2 });
    assert_eq!((config.plain, config.owner), (Level::Info, None));
    assert_eq!(config.labels["b"], "yes");
    let ty = type_of::<Config>().expect("has a type");
    let annotated = format!("({CONFIG}) : {ty}");
    let Config { level, .. } = from_normal_form(&normal(&annotated)).expect("fits its type");
    assert_ne!(level, Level::Debug);
    let error = from_normal_form::<Config>(&normal("{ name = 1 }")).expect_err("wrong");
    assert_eq!(error.to_string(), "in `name`: invalid type: integer `1`, expected a string");
}

#[derive(Debug, Deserialize)]
struct Tree {
    _children: Vec<Tree>,
}

#[test]
fn what_has_no_type_says_why() {
    assert_eq!(
        type_of::<Tree>().expect_err("recursive").to_string(),
        "the Rust type contains itself"
    );
    assert!(type_of::<serde_json::Value>().is_err());
}

#[test]
fn json_and_yaml_come_out() {
    let expr = normal(CONFIG);
    let json: serde_json::Value =
        serde_json::from_str(&to_json(&expr).expect("data")).expect("valid JSON");
    assert_eq!(
        json,
        serde_json::json!({
            "name": "web", "ports": [80, 443], "delta": -3, "ratio": 1.5, "note": "a\nb",
            "owner": null, "level": { "name": "x", "rank": 2 }, "plain": "Info",
            "labels": { "a": "1", "b": "yes" }, "empty": []
        })
    );
    let yaml = to_yaml(&expr).expect("data");
    let expected = "\
delta: -3
empty: []
labels:
  a: \"1\"
  b: \"yes\"
level:
  name: x
  rank: 2
name: web
note: |-
  a
  b
owner: null
plain: Info
ports:
  - 80
  - 443
ratio: 1.5
";
    assert_eq!(yaml, expected);
    let error = to_json(&normal("{ f = \\(x : Bool) -> x }")).expect_err("a function");
    assert_eq!(error.to_string(), "`λ(x : Bool) → x` at `f` has no JSON: only data has");
}

#[test]
fn json_comes_in() {
    let checked = checked(CONFIG);
    let ty = checked.type_expr().expect("within limits");
    let json = to_json(&checked.normalize().expect("within limits")).expect("data");
    let back = from_json(&json, &ty).expect("fits");
    let annotated = Expr::new(ExprKind::Annotation(back, ty.clone()));
    assert_eq!(normal(&annotated.to_string()).to_string(), normal(CONFIG).to_string());
    let error = from_json(r#"{ "nam": 1 }"#, &ty).expect_err("a typo");
    assert_eq!(error.to_string(), "there is no field `nam` in the type at `.`");
}

#[test]
fn rust_values_are_written_with_their_type() {
    let config: Config = from_normal_form(&normal(CONFIG)).expect("fits");
    let built = from_rust(&config).expect("has a type");
    // It is well-typed, is normal already, and means what was read.
    let ty = type_of::<Config>().expect("has a type");
    let again = normal(&format!("({built}) : {ty}"));
    assert_eq!(again.to_string(), built.to_string());
    assert_eq!(from_normal_form::<Config>(&again).expect("fits"), config);
    assert_eq!(built.to_string(), normal(CONFIG).to_string());
    // A type by hand says what Rust does not: dates, numbers with a sign, fields left out.
    let ty = normal("{ since : Date, shift : List Integer, note : Optional Text }");
    let value = serde_json::json!({ "since": "2026-11-21", "shift": [1, 2] });
    let built = to_expr(&value, &ty).expect("fits");
    assert_eq!(
        format!("{built:#}"),
        "{ note = None Text, shift = [ +1, +2 ], since = 2026-11-21 }"
    );
    for (value, why) in [
        (
            serde_json::json!({ "since": "1", "shift": [] }),
            "in `since`: `1` is not of the type `Date`",
        ),
        (
            serde_json::json!({ "since": "2026-11-21", "shift": [1, true] }),
            "in `shift.1`: `True` is not of the type `Integer`",
        ),
        (serde_json::json!({ "shift": [] }), "the field `since` of the type is missing"),
        (serde_json::json!({ "sinc": 1 }), "the type has no field `sinc`"),
    ] {
        assert_eq!(to_expr(&value, &ty).expect_err(why).to_string(), why);
    }
}
