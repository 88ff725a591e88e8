//! `vigil sql` on a pseudo-terminal: queries over several lines, completed, remembered and stopped.

use crate::bench::Bench;
use crate::typist::{ENTER, ERROR, INTERRUPT, NO_MORE, TAB, Typist, UP};

fn start(bench: &Bench, words: &[&str]) -> Typist {
    Typist::start(bench, &[&["sql"], words].concat(), ["sql> ", "  -> "])
}

fn history(bench: &Bench) -> String {
    let path = bench.join(".local/state/vigil/sql-history");
    std::fs::read_to_string(path).expect("a history")
}

fn shop() -> Bench {
    let bench = Bench::new();
    bench.write("shop/sales.csv", "day,item,price\n1,tea,2.50\n1,cake,4.25\n");
    bench.fine("-q add shop --name shop");
    bench
}

#[test]
fn queries_go_on_over_lines_and_are_remembered() {
    let bench = shop();
    let mut typist = start(&bench, &[]);
    typist.enters(&["select 20", ENTER]);
    typist.continues(&["  + 1 as n;", ENTER]);
    typist.sees("21\r\n");
    // What was begun can be given up.
    typist.enters(&["select nonsense", ENTER]);
    typist.continues(&[INTERRUPT]);
    typist.enters(&["select nonsense;", ENTER]);
    typist.sees(ERROR);
    // All lines of an entry come back at once.
    typist.enters(&[UP, UP, ENTER]);
    typist.sees("21\r\n");
    typist.enters(&[NO_MORE]);
    assert!(typist.ends().success());
    assert!(
        history(&bench).starts_with("select 20\\n  + 1 as n;\nselect nonsense;\n"),
        "{}",
        history(&bench)
    );
    let mut typist = start(&bench, &[]);
    typist.enters(&[UP, ENTER]);
    typist.sees("21\r\n");
    typist.enters(&[".quit", ENTER]);
    assert!(typist.ends().success());
}

#[test]
fn tables_columns_and_key_words_are_completed() {
    let bench = shop();
    let mut typist = start(&bench, &["--table", "sales=@shop/sales.csv"]);
    typist.enters(&[
        "sel",
        TAB,
        " pri",
        TAB,
        " as p from sal",
        TAB,
        " where it",
        TAB,
        " = 'tea';",
        ENTER,
    ]);
    typist.sees("2.5\r\n");
    // A table that is named later has columns, too.
    typist
        .enters(&[".table other @shop/sales.csv | sql \"select price as cost from input\"", ENTER]);
    typist.enters(&["select max(cos", TAB, ") as m from oth", TAB, ";", ENTER]);
    typist.sees("4.25\r\n");
    typist.enters(&[".view cheap select item from other2;", ENTER]);
    typist.enters(&[".table Other @shop/sales.csv", ENTER]);
    typist.sees("reads capitals as small letters");
    typist.enters(&[".table schema @shop/sales.csv", ENTER]);
    typist.sees("one of its own arguments");
    typist.enters(&[NO_MORE]);
    assert!(typist.ends().success());
}

#[test]
fn an_interrupt_stops_the_query_and_not_the_prompt() {
    let bench = Bench::new();
    let mut typist = start(&bench, &[]);
    for _ in 0..2 {
        typist.enters(&[
            "select sum(a.value * b.value) from generate_series(1, 10000000) a, generate_series(1, 10000000) b;",
            ENTER,
        ]);
        typist.interrupts_work();
        typist.sees("the query was stopped");
        typist.enters(&["select 40 + 2 as n;", ENTER]);
        typist.sees("42\r\n");
    }
    typist.enters(&[NO_MORE]);
    assert!(typist.ends().success());
}
