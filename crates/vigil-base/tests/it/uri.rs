use expect_test::{Expect, expect};
use proptest::prelude::*;
use vigil_base::{EntryName, Name, Root, TreePath, Uri, Vcid};

#[track_caller]
fn check(text: &str, want: Expect) {
    let got = match text.parse::<Uri>() {
        Ok(uri) => uri.to_string(),
        Err(error) => {
            let mut line = error.to_string();
            let mut source = std::error::Error::source(&error);
            while let Some(inner) = source {
                line += &format!(": {inner}");
                source = inner.source();
            }
            line
        }
    };
    want.assert_eq(&got);
}

#[test]
fn slash_says_tree() {
    let vcid = Vcid::of(b"");
    assert_eq!(format!("ca://{vcid}").parse(), Ok(Uri::content(vcid)));
    assert_eq!(format!("ca://{vcid}/").parse(), Ok(Uri::tree(vcid)));
}

#[test]
fn reads_and_writes_one_text() {
    check("@home", expect!["@home"]);
    check("@home/", expect!["@home/"]);
    check("@home~2/a/b/", expect!["@home~2/a/b"]);
    check(
        "@home/a%20b%2Fc",
        expect![
            "the path after the root cannot be read: step 1 of the path is not a name: a name may not contain `/` or NUL"
        ],
    );
    check("@home/caf%c3%a9/%41", expect!["@home/caf%C3%A9/A"]);
    check("@home/café", expect!["@home/caf%C3%A9"]);
}

#[test]
fn refuses_with_a_reason() {
    check("http://x", expect!["`http://x` starts with neither `ca://` nor `@`"]);
    check(
        "ca://sha1:00",
        expect!["`ca://` is not followed by a content id: `sha1:00` does not start with `sha256:`"],
    );
    check("@", expect!["`@` is not followed by a name: a name may not be empty"]);
    check(
        "@-x",
        expect![
            "`@` is not followed by a name: a name starts with a letter or a digit, not with '-'"
        ],
    );
    check(
        "@a b",
        expect![
            "`@` is not followed by a name: a name may not contain ' ' (letters, digits, `-`, `_` and `.` are fine)"
        ],
    );
    check("@a~x", expect!["`~` is not followed by a number of versions to go back, such as `~1`"]);
    check("@a~01", expect!["`~` is not followed by a number of versions to go back, such as `~1`"]);
    check("@a~0", expect!["`~` is not followed by a number of versions to go back, such as `~1`"]);
    check(
        "@a/../b",
        expect![
            "the path after the root cannot be read: step 1 of the path is not a name: a name may not be `.` or `..`"
        ],
    );
    check(
        "@a//b",
        expect![
            "the path after the root cannot be read: step 1 of the path is not a name: a name may not be empty"
        ],
    );
    check(
        "@a/%zz",
        expect![
            "the path after the root cannot be read: `%` in step 1 of the path is not followed by two hexadecimal digits"
        ],
    );
    check(
        "@a/%",
        expect![
            "the path after the root cannot be read: `%` in step 1 of the path is not followed by two hexadecimal digits"
        ],
    );
    check(
        &format!("@{}", "a".repeat(129)),
        expect!["`@` is not followed by a name: a name has at most 128 bytes, this one has 129"],
    );
}

fn entry_name() -> impl Strategy<Value = EntryName> {
    any::<Vec<u8>>().prop_filter_map("not a name", |bytes| EntryName::new(bytes).ok())
}

fn uri() -> impl Strategy<Value = Uri> {
    let root = prop_oneof![
        any::<[u8; 32]>().prop_map(|digest| Root::Content(Vcid::from_bytes(digest))),
        ("[a-zA-Z0-9é][a-z0-9_.-]{0,20}", any::<u32>()).prop_map(|(name, back)| Root::Name {
            name: Name::new(&name).expect("the pattern only makes names"),
            back,
        }),
    ];
    let path =
        prop::option::of(prop::collection::vec(entry_name(), 0..6).prop_map(|names| {
            names.into_iter().fold(TreePath::root(), |path, name| path.join(name))
        }));
    (root, path).prop_map(|(root, path)| Uri { root, path })
}

proptest! {
    #[test]
    fn round_trips(uri in uri()) {
        prop_assert_eq!(uri.to_string().parse(), Ok(uri));
    }

    #[test]
    fn never_panics(text in any::<String>()) {
        let _ = text.parse::<Uri>();
        let _ = format!("@a/{text}").parse::<Uri>();
    }
}
