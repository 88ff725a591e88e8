//! `vigil dhall repl` on a pseudo-terminal: lines edited, continued, given up and remembered.

use crate::bench::Bench;
use crate::typist::{
    BACKSPACE, DELETE, DOWN, END, ENTER, ERROR, HOME, INTERRUPT, KILL_WORD, LEFT, NO_MORE, Typist,
    UP,
};

fn start(bench: &Bench) -> Typist {
    Typist::start(bench, &["dhall", "repl"], ["⊢ ", "  "])
}

fn history(bench: &Bench) -> String {
    let path = bench.join(".local/state/vigil/dhall-history");
    std::fs::read_to_string(path).expect("a history")
}

#[test]
fn lines_are_edited_and_remembered() {
    let bench = Bench::new();
    let mut typist = start(&bench);
    // Two letters too many, taken back.
    typist.enters(&["20 + 2xx", BACKSPACE, BACKSPACE, ENTER]);
    typist.sees("\n22\r\n");
    // Moved about, and a word killed.
    typist.enters(&["0 + 1 junk", KILL_WORD, BACKSPACE, HOME, "3", END, LEFT, DELETE, "2", ENTER]);
    typist.sees("\n32\r\n");
    // What is typed ahead of the answer is not lost.
    typist.enters(&["40 + 2", ENTER, "50 + 2", ENTER]);
    typist.sees("\n42\r\n");
    typist.sees("\n52\r\n");
    typist.enters(&[NO_MORE]);
    assert!(typist.ends().success());
    let entries = "20 + 2\n30 + 2\n40 + 2\n50 + 2\n";
    assert_eq!(history(&bench), entries);
    // The next conversation finds them again, and edits what it finds.
    let mut typist = start(&bench);
    typist.enters(&[UP, UP, UP, DOWN, "0", ENTER]);
    typist.sees("\n60\r\n");
    // An entry is kept before it is answered, and so outlives the program's death.
    typist.enters(&["6 * 7", ENTER]);
    typist.sees("\n42\r\n");
    drop(typist);
    assert_eq!(history(&bench), format!("{entries}40 + 20\n6 * 7\n"));
}

#[test]
fn an_unfinished_entry_goes_on_and_is_one_entry_of_the_history() {
    let bench = Bench::new();
    let mut typist = start(&bench);
    typist.enters(&["let x = 20", ENTER]);
    typist.continues(&["in  x +", ENTER]);
    typist.continues(&["1", ENTER]);
    typist.sees("\n21\r\n");
    // An empty line ends an entry, finished or not.
    typist.enters(&["{ a = 1,", ENTER]);
    typist.continues(&[ENTER]);
    typist.sees(ERROR);
    // All of its lines come back at once.
    typist.enters(&[UP, UP, ENTER]);
    typist.sees("\n21\r\n");
    typist.enters(&[":quit", ENTER]);
    assert!(typist.ends().success());
    let entry = "let x = 20\\nin  x +\\n1\n";
    assert_eq!(history(&bench), format!("{entry}{{ a = 1,\n{entry}:quit\n"));
}

#[test]
fn interrupting_gives_up_an_entry_and_the_end_of_input_ends() {
    let bench = Bench::new();
    let mut typist = start(&bench);
    typist.enters(&["1 + nonsense", INTERRUPT]);
    typist.enters(&["[ 1,", ENTER]);
    typist.continues(&["2", INTERRUPT]);
    // Neither is left over.
    typist.enters(&["7", ENTER]);
    typist.sees("\n7\r\n");
    // In a line with something in it, the key deletes to the right instead.
    typist.enters(&["89", LEFT, DELETE, ENTER]);
    typist.sees("\n8\r\n");
    typist.enters(&["{ a =", ENTER]);
    typist.continues(&[NO_MORE]);
    typist.sees(ERROR);
    typist.enters(&[NO_MORE]);
    assert!(typist.ends().success());
    assert_eq!(history(&bench), "7\n8\n{ a =\n");
}

#[test]
fn commands_answer() {
    let bench = Bench::new();
    bench.write("part.dhall", "{ n = 41 }");
    let typist = &mut start(&bench);
    let says = |typist: &mut Typist, entry: &str, answer: &str| {
        typist.enters(&[entry, ENTER]);
        typist.sees(answer);
    };
    says(typist, ":help", "\n:quit ");
    says(typist, ":type [ 1 ]", "\nList Natural\r\n");
    says(typist, "x = ./part.dhall", "\nx : { n : Natural }\r\n");
    says(typist, ":let y : Natural = x.n + 1", "\ny : Natural\r\n");
    says(typist, "y", "\n42\r\n");
    says(typist, ":show", "\nx = ./part.dhall\r\ny = x.n + 1\r\n");
    says(typist, ":resolve ./part.dhall", "\n{ n = 41 }\r\n");
    says(
        typist,
        ":hash True",
        "\nsha256:27abdeddfe8503496adeb623466caa47da5f63abd2bc6fa19f6cfcb73ecfed70",
    );
    says(typist, ":frobnicate", "there is no command `:frobnicate`");
    says(typist, "y.a", ERROR);
    typist.enters(&[":clear", ENTER]);
    says(typist, "y", "`y` is not in scope");
    typist.enters(&[":q", ENTER]);
    assert!(typist.ends().success());
}
