use super::*;
use crate::encode;

/// Formats, and checks that the meaning is kept and that formatting again changes nothing.
#[track_caller]
fn formatted(source: &str) -> String {
    let limits = Limits::default();
    let once = format(source, &limits).expect("valid");
    let twice = format(&once, &limits).unwrap_or_else(|error| panic!("{error} in\n{once}"));
    assert_eq!(once, twice, "formatting is not idempotent");
    let before = parse(source, &limits).expect("valid");
    let after = parse(&once, &limits).expect("valid");
    assert_eq!(encode(&before.expr), encode(&after.expr), "the meaning changed:\n{once}");
    assert_eq!(before.comments.len(), after.comments.len(), "a comment got lost:\n{once}");
    once
}

#[test]
fn short_things_stay_on_a_line() {
    for source in [
        "{ x, y.z = 1 }\n",
        "\\(x : Natural) -> x + 0x1F\n",
        "[] : List Natural\n",
        "< A | B : Text >.B \"${x}\\${y}\"\n",
        "Foo::{ a = 1 }\n",
        "(a b).c ? env:\"a b\" as Text\n",
        "a with b.? = 1 with c = 2\n",
        "2020-01-01T00:00:00Z\n",
        "f (λ(x : Type) → x) -1.5\n",
        "{=}\n",
        "`let`.`Some` // `List`@1\n",
    ] {
        assert_eq!(formatted(source), source);
    }
}

#[test]
fn long_things_take_a_line_each() {
    let source = "let x : Natural = 1 let y = { aaaaaaaaaaaaaaaaaaaaaaaaaaaaa = 1, bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb = [ 1, 2, 3 ] } in if x then y else \"a\\nb\\n\"";
    let expected = "\
let x
    : Natural
    = 1

let y =
      { aaaaaaaaaaaaaaaaaaaaaaaaaaaaa = 1
      , bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb = [ 1, 2, 3 ]
      }

in  if    x
    then  y
    else  ''
          a
          b
          ''
";
    assert_eq!(formatted(source), expected);
}

#[test]
fn comments_keep_their_places() {
    let source = "-- head
let a = 1 -- of a
{- two
   lines -}
let b = [ 1, {- inner -} 2 -- last
]
in { -- first
a = a, b {- end -} } -- tail";
    let expected = "\
-- head
let a = 1

-- of a
{- two
   lines -}
let b =
      [ 1
      , {- inner -}
        2
        -- last
      ]

in  { -- first
      a
    , b
      {- end -}
    }
-- tail
";
    assert_eq!(formatted(source), expected);
}

#[test]
fn comments_in_parentheses_that_go_come_first() {
    for source in [
        "(--\n0) 0",
        "(--\n0) + 0",
        "((--\n0) + 0) ++ 1 : T",
        "(--\na).b.{ c }.(d) with e = f",
        "{ a = (--\n0) 1, b = (--\nc).d }",
        "[ (--\n0) 1, (--\n0) * 1 ]",
        "(--\n\\(x : T) -> x) y",
        "if (--\na) b then (--\nc) d else (--\ne).f",
        "let x = (--\na) b let y : (--\nc) d = (--\ne).f in (--\ng) + h",
        "Some (--\na).b",
        "(--\na)::(--\nb)",
        "< A : (--\na) b >",
        "\"${(--\na) b}\"",
    ] {
        formatted(source);
    }
}

#[test]
fn texts_come_back_unchanged() {
    for text in [
        "a\n",
        "  a\n  b",
        "  a\n\n  b\n",
        "''\n",
        "'\n",
        "a\n'",
        "${\n",
        "'${\n",
        "\t\n \n",
        "\n",
        "\n\n",
        "a\r\nb",
        "a \n b \n",
        "$\n{",
        "\u{7F}\n",
        "a\n  ",
        "\\n\n",
    ] {
        let expr = Expr::text(text);
        let printed = print(&expr, Style::default());
        let parsed = parse(&printed, &Limits::default()).expect("valid").expr;
        assert_eq!(encode(&parsed), encode(&expr), "{text:?} printed as\n{printed}");
    }
}
