use super::*;

fn parses(source: &str) -> bool {
    parse(source, &Limits::default()).is_ok()
}

#[test]
fn spaces_matter_where_the_grammar_says() {
    for source in ["1 + 2", "f +2", "x : T", "a ? b", "x.y", "x . y", "[,1,]", "{,=,}", "1 -- end"]
    {
        assert!(parses(source), "{source}");
    }
    for source in ["(a)b : T", "1 + 2x", "x :T", "a ?b", "[] ", "\"a\nb\"", "{- open", "01"] {
        assert!(!parses(source), "{source}");
    }
}

#[test]
fn deep_input_is_refused_or_read_but_never_overflows() {
    let deep = 100_000;
    let limits = Limits { depth: 1_000, ..Limits::default() };
    for (open, core, close) in [
        ("(", "1", ")"),
        ("[", "1", "]"),
        ("{ a = ", "1", "}"),
        ("\\(x : Bool) -> ", "x", ""),
        ("if True then ", "1", " else 2"),
        ("", "1", " + 1"),
        ("f (", "1", ")"),
        ("\"${", "\"\"", "}\""),
        ("", "x", ".y"),
        ("", "f", " x"),
        ("let x = ", "1", " in x"),
        ("let x = 1 in ", "1", ""),
        ("", "x", " with a = 1"),
        ("{- ", "-} 1 {-", " -}"),
    ] {
        let source = format!("{}{core}{}", open.repeat(deep), close.repeat(deep));
        let result = parse(&source, &limits);
        if open != "{- " {
            assert!(matches!(result, Err(ParseError::TooDeep { .. })), "{open}{core}{close}");
        }
    }
    let generous = Limits { depth: 2 * deep, ..Limits::default() };
    for source in [
        format!("{}1{}", "(".repeat(deep), ")".repeat(deep)),
        format!("1{}", " + 1".repeat(deep)),
        format!("{}1{}", "[".repeat(deep), "]".repeat(deep)),
    ] {
        assert!(parse(&source, &generous).is_ok());
    }
}

#[test]
fn comments_are_kept_once_each() {
    let source = "-- a\n{- b {- c -} -} let x = {- d -} 1 in (x -- e\n : {- f -} Natural)\n-- g";
    let parsed = parse(source, &Limits::default()).expect("valid");
    let texts: Vec<&str> = parsed
        .comments
        .iter()
        .map(|c| &source[c.span.start as usize..c.span.end as usize])
        .collect();
    let expected = ["-- a", "{- b {- c -} -}", "{- d -}", "-- e", "{- f -}", "-- g"];
    assert_eq!(texts, expected);
}

#[test]
fn an_error_names_place_and_expectation() {
    let error = parse("{ a = 1, b 2 }", &Limits::default()).expect_err("invalid");
    assert_eq!(error.offset(), 11);
    assert_eq!(error.to_string(), "unexpected `2`; expected `=`, `:`, `,` or `}`");
}

#[test]
fn any_text_is_an_answer_and_never_a_panic() {
    const PIECES: &[&str] = &[
        "let ",
        "x",
        " in ",
        "(",
        ")",
        "{",
        "}",
        "[",
        "]",
        "<",
        ">",
        ",",
        "|",
        " : ",
        "=",
        "\"",
        "''\n",
        "''",
        "${",
        "\\(",
        " -> ",
        "λ",
        "∀(",
        "+",
        " + ",
        "?",
        " ? ",
        "/\\",
        "//",
        "./a",
        "~/b",
        "http://a.b/c",
        "env:X",
        "sha256:",
        " as Text",
        "merge ",
        "0x",
        "0x\"",
        "1.",
        "1e",
        "-",
        "--",
        "{-",
        "-}",
        "\n",
        "\r",
        "\u{FFFE}",
        "é",
        "2020-01-01",
        "T12:00:00",
        "Z",
        "@",
        ".",
        "with ",
        "`",
        "\\u{",
        "$",
        "#",
        "::",
        "True",
        "Natural",
        "if ",
        " then ",
        " else ",
        "missing",
        "[::1]",
        "\0",
    ];
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    for _ in 0..20_000 {
        let mut source = String::new();
        for _ in 0..12 {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            source.push_str(PIECES[(state >> 20) as usize % PIECES.len()]);
        }
        match parse(&source, &Limits::default()) {
            Ok(parsed) => {
                let printed = parsed.expr.to_string();
                let again = parse(&printed, &Limits::default())
                    .unwrap_or_else(|error| panic!("{source:?} printed as {printed:?}: {error}"));
                assert_eq!(crate::encode(&again.expr), crate::encode(&parsed.expr), "{source:?}");
            }
            Err(error) => assert!(error.offset() <= source.len()),
        }
    }
}
