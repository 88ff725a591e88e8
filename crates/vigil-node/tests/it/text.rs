//! Lines, words, and looking for them.

use expect_test::expect;

use crate::support::Place;

#[track_caller]
fn check(place: &Place, pipeline: &str, want: &str) {
    let got = place.bytes(pipeline);
    assert_eq!(String::from_utf8_lossy(&got), want, "{pipeline}");
}

#[test]
fn lines_are_picked() {
    let place = Place::new();
    place.write("n", "3 c\n1 a\n2 b\n10 a\n1 a\n");
    check(&place, "file:n | head 2", "3 c\n1 a\n");
    check(&place, "file:n | head 0", "");
    check(&place, "file:n | tail 2", "10 a\n1 a\n");
    check(&place, "file:n | tail 0", "");
    check(&place, "file:n | tail 99", "3 c\n1 a\n2 b\n10 a\n1 a\n");
    check(&place, "file:n | lines 2 3", "1 a\n2 b\n");
    check(&place, "file:n | lines from=4", "10 a\n1 a\n");
    check(&place, "file:n | lines to=1", "3 c\n");
    check(&place, "file:n | sort", "1 a\n1 a\n10 a\n2 b\n3 c\n");
    check(&place, "file:n | sort numeric=yes unique=yes", "1 a\n2 b\n3 c\n10 a\n");
    check(&place, "file:n | sort numeric=yes reverse=yes | head 1", "10 a\n");
    check(&place, "file:n | count", "5\n");
    check(&place, "file:n | count words", "10\n");
    check(&place, "file:n | count what=bytes", "21\n");
    check(&place, "file:n | head lines@(data:,1 | head)", "3 c\n");
    place.write("open", "a\nb");
    check(&place, "file:open | tail 1", "b");
    check(&place, "file:open | sort", "a\nb\n");
    check(&place, "file:open | count", "1\n");
    place.write("none", "");
    check(&place, "file:none | tail", "");
    check(&place, "file:none | sort", "");
    check(&place, "file:none | grep x", "");
}

#[test]
fn tail_and_head_of_much() {
    let place = Place::new();
    let many: String = (0..200_000).map(|n| format!("{n}\n")).collect();
    place.write("many", &many);
    check(&place, "file:many | tail 3", "199997\n199998\n199999\n");
    check(&place, "file:many | lines 150000 150001", "149999\n150000\n");
    check(&place, "file:many | tail 100000 | head 1", "100000\n");
    check(
        &place,
        "file:many | grep 19999",
        &many.lines().filter(|l| l.contains("19999")).map(|l| format!("{l}\n")).collect::<String>(),
    );
}

#[test]
fn grep_finds() {
    let place = Place::new();
    place.write("log", b"GET /a\nerror: b.c\nERROR: bxc\n\xff latin\n\n");
    check(&place, "file:log | grep b.c", "error: b.c\n");
    check(&place, "file:log | grep b.c regex=yes", "error: b.c\nERROR: bxc\n");
    check(&place, "file:log | grep error ignore-case=yes | count", "2\n");
    check(&place, "file:log | grep ^$ regex=yes", "\n");
    check(&place, "file:log | grep error invert=yes | count", "4\n");
    check(&place, "file:log | grep latin | count what=bytes", "8\n");
    check(&place, "file:log | grep \"GET /\"", "GET /a\n");
    check(&place, "file:log | grep \"\" | count", "5\n");
}

#[test]
fn what_makes_no_sense_is_said() {
    let place = Place::new();
    place.write("n", "1\n");
    let node = place.open();
    place.check(
        &node,
        "file:n | head three",
        expect![[r#"
        Misuse: `lines` is a whole number, and `three` is none
          in active:head+1=three+of@file:n"#]],
    );
    place.check(
        &node,
        "file:n | head 1 2",
        expect![[r#"
        Misuse: `head` has no argument `2`
        hint: it takes lines=10
          in active:head+1=1+2=2+of@file:n"#]],
    );
    place.check(
        &node,
        "file:n | head 1 lines=2",
        expect![[r#"
        Misuse: `lines` is given twice, once without its key
          in active:head+1=1+lines=2+of@file:n"#]],
    );
    place.check(
        &node,
        "file:n | lines 0",
        expect![[r#"
        Misuse: `from` goes from 1 to 18446744073709551615, and is 0 here
          in active:lines+1=0+of@file:n"#]],
    );
    place.check(
        &node,
        "file:n | grep",
        expect![[r#"
        Misuse: `grep` needs `text`: what to look for
          in active:grep+of@file:n"#]],
    );
    place.check(
        &node,
        "file:n | grep \"(\" regex=yes",
        expect![[r#"
        Misuse: `(` is no regular expression: error parsing pattern 0: regex parse error:
            (
            ^
        error: unclosed group
          in active:grep+1=%28+of@file:n+regex=yes"#]],
    );
}

#[test]
fn what_is_no_text_and_no_choice_is_said() {
    let place = Place::new();
    place.write("n", "1\n");
    place.write("latin", b"caf\xe9\n");
    let node = place.open();
    place.check(
        &node,
        "file:n | count what=pages",
        expect![[r#"
        Misuse: `what` is one of lines, words, bytes, and `pages` is not
          in active:count+of@file:n+what=pages"#]],
    );
    place.check(
        &node,
        "file:latin | text",
        expect![[r#"
        Misuse: file:latin is not text: byte 3 is no UTF-8
          in active:text+of@file:latin"#]],
    );
    place.check(
        &node,
        "active:head",
        expect![[r#"
        Misuse: nothing is piped into `head`
        hint: write URI | head
          in active:head"#]],
    );
    place.check(
        &node,
        "file:n | text",
        expect![[r#"
        text/plain: 1
    "#]],
    );
}
