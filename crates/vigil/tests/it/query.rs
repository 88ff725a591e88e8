//! `vigil sql` with each of its flags, and what becomes of a query that is stopped.

use std::process::Stdio;

use crate::bench::{Bench, Ran, wait_until_busy};

const SALES: &str = "day,item,price\n1,tea,2.50\n1,cake,4.25\n2,tea,2.50\n";

/// A query that ends when nobody lives any more.
const ENDLESS: &str = "select sum(a.value * b.value) from generate_series(1, 10000000) a, \
                       generate_series(1, 10000000) b";

fn shop() -> Bench {
    let bench = Bench::new();
    bench.write("shop/sales.csv", SALES);
    bench.fine("-q add shop --name shop");
    bench
}

#[track_caller]
fn sql(bench: &Bench, words: &[&str]) -> Ran {
    Ran::of(bench.vigil(&[&["sql"], words].concat()))
}

#[track_caller]
fn check(bench: &Bench, words: &[&str], want: &str) {
    let words = [words, &["--format", "csv"]].concat();
    let ran = sql(bench, &words);
    assert_eq!(ran.code, Some(0), "{words:?}: {}", ran.talk);
    assert_eq!(ran.out, want, "{words:?}");
}

#[test]
fn sql_in_a_file_views_and_catalogs_name_things() {
    let bench = shop();
    bench.write("shop/total.sql", "select item, sum(price) as total from input group by item\n");
    bench.fine("-q add shop --name shop");
    // A file of SQL is a resource, and so is what it gives.
    let ran =
        bench.shell("vigil resolve '@shop/sales.csv | sql sql@@shop/total.sql' --as text/csv");
    assert_eq!(ran.expect(0).out, "item,total\ncake,4.25\ntea,5.0\n");
    let cheap = "cheap=select * from sales where price < 3";
    let sales = "sales=@shop/sales.csv";
    check(
        &bench,
        &["--table", sales, "--view", cheap, "select count(*) as n from cheap"],
        "n\n2\n",
    );
    // The same names as one record.
    let ran = bench.shell(
        "vigil resolve 'active:catalog+cheap=select%20*%20from%20sales%20where%20price%20%3C%203+sales@%40shop/sales.csv' > names \
         && vigil -q add names --name names",
    );
    ran.expect(0);
    check(&bench, &["--catalog", "@names", "select count(*) as n from cheap"], "n\n2\n");
    let ran = sql(&bench, &["--table", "Sales=@shop/sales.csv", "select 1"]).expect(2);
    assert!(ran.talk.contains("reads capitals as small letters"), "{}", ran.talk);
    let ran = sql(&bench, &["--table", "schema=@shop/sales.csv", "select 1"]).expect(2);
    assert!(ran.talk.contains("one of its own arguments"), "{}", ran.talk);
}

#[test]
fn options_say_how_csv_is_read() {
    let bench = Bench::new();
    bench.write("in/x.csv", "1;'a;b';-\n2;c;d\n");
    bench.write("in/y.tsv", "k\tv\n1\t2\n");
    bench.write("in/z", "k,v\n1,2\n");
    bench.fine("-q add in --name in");
    let all = ["--csv-header", "no", "--csv-delimiter", ";", "--csv-quote", "'", "--csv-null", "-"];
    let query = "select column_1, column_2, column_3 is null as none from '@in/x.csv'";
    check(
        &bench,
        &[&all[..], &[query]].concat(),
        "column_1,column_2,none\n1,a;b,true\n2,c,false\n",
    );
    check(&bench, &["--csv-delimiter", "\\t", "select v from '@in/y.tsv'"], "v\n2\n");
    check(&bench, &["--input-format", "tsv", "select v from '@in/y.tsv'"], "v\n2\n");
    check(&bench, &["--input-format", "csv", "select v from '@in/z'"], "v\n2\n");
    sql(&bench, &["--csv-header", "maybe", "select 1 from '@in/x.csv'"])
        .expect(1)
        .says("`header` is");
    sql(&bench, &["--input-format", "xls", "select 1 from '@in/x.csv'"])
        .expect(1)
        .says("no format");
}

#[test]
fn results_are_written_in_the_format_of_the_ending() {
    let bench = shop();
    let query = "select day, sum(price) as taken from '@shop/sales.csv' group by day";
    for ending in ["arrow", "parquet", "csv", "ndjson", "json"] {
        let file = format!("out.{ending}");
        sql(&bench, &[query, "--out", &file]).expect(0);
        bench.fine(&format!("-q add {file} --name out"));
        check(&bench, &["select * from '@out' order by day"], "day,taken\n1,6.75\n2,2.5\n");
    }
    sql(&bench, &[query, "--out", "out.txt"]).expect(0);
    let text = std::fs::read_to_string(bench.join("out.txt")).expect("a file");
    assert_eq!(text, "day  taken\n───  ─────\n  1   6.75\n  2    2.5\n");
    // What says no format is refused, unless the format is said; and what fails leaves what was there.
    sql(&bench, &[query, "--out", "out.tsv"])
        .expect(1)
        .says("the ending of out.tsv says no format");
    sql(&bench, &[query, "--out", "out.data", "--format", "ndjson"]).expect(0);
    let text = std::fs::read_to_string(bench.join("out.data")).expect("a file");
    assert!(text.starts_with("{\"day\":1,"), "{text}");
    let ran = sql(&bench, &["select 1 as a, 2 as a", "--out", "out.csv"]);
    assert_ne!(ran.code, Some(0));
    let text = std::fs::read_to_string(bench.join("out.csv")).expect("a file");
    assert_eq!(text, "day,taken\n1,6.75\n2,2.5\n");
    assert!(!bench.join("out.csv.part").exists());
}

#[test]
fn a_long_table_is_cut_with_a_note() {
    let bench = Bench::new();
    let query = "select value from generate_series(1, 100)";
    let ran = sql(&bench, &[query]).expect(0);
    assert_eq!(ran.out.lines().count(), 42);
    assert!(ran.talk.contains("40 of 100 rows; --rows 0 shows all"), "{}", ran.talk);
    let ran = sql(&bench, &[query, "--rows", "7"]).expect(0);
    assert_eq!(ran.out.lines().count(), 9);
    let ran = sql(&bench, &[query, "--rows", "0"]).expect(0);
    assert_eq!((ran.out.lines().count(), ran.talk.as_str()), (102, ""));
}

#[test]
fn limits_are_the_worlds_and_nothing_of_them_is_kept() {
    let bench = Bench::new();
    let ran = sql(&bench, &["--timeout", "300ms", ENDLESS]).expect(3);
    assert!(ran.talk.contains("took more than 300ms; raise it with --timeout"), "{}", ran.talk);
    let much = "select count(*) as n, max(length(s)) as m from (select array_agg(value) as s from \
                generate_series(1, 300000)) u(s), generate_series(1, 1)";
    let much = much.replace("length(s)", "array_length(s)");
    let ran = sql(&bench, &["--memory", "4M", &much]).expect(3);
    assert!(ran.talk.contains("raise it with --memory"), "{}", ran.talk);
    check(&bench, &["--memory", "1G", &much], "n,m\n1,300000\n");
    let left = std::fs::read_dir(bench.path()).expect("a folder");
    let names: Vec<_> = left.map(|entry| entry.expect("an entry").file_name()).collect();
    assert_eq!(names, ["store"], "something was left behind");
}

#[test]
fn an_unrelated_change_plans_nothing() {
    let bench = shop();
    let query = "select sum(price) as taken from '@shop/sales.csv'";
    check(&bench, &[query], "taken\n9.25\n");
    let uri = bench.shell(&format!("vigil sql --uri \"{query}\"")).expect(0).out;
    bench.write("shop/other.txt", "nothing to do with it");
    bench.fine("-q add shop --name shop");
    let why = Ran::of(bench.vigil(&["why", uri.trim()])).expect(0).out;
    assert!(why.contains("  kept by sql "), "{why}");
    bench.write("shop/sales.csv", SALES.replace("4.25", "5.25"));
    bench.fine("-q add shop --name shop");
    let why = Ran::of(bench.vigil(&["why", uri.trim()])).expect(0).out;
    assert!(why.contains("  made by sql "), "{why}");
    check(&bench, &[query], "taken\n10.25\n");
}

fn interrupt(child: &std::process::Child) {
    let pid = rustix::process::Pid::from_child(child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).expect("it runs");
}

#[test]
fn an_interrupt_stops_a_query_and_another_ends_the_program() {
    use std::io::{BufRead as _, BufReader, Write as _};
    let bench = Bench::new();
    let mut command = bench.vigil(&["sql"]);
    let pipes = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = pipes.spawn().expect("the program starts");
    let mut input = child.stdin.take().expect("a pipe");
    let mut talk = BufReader::new(child.stderr.take().expect("a pipe")).lines();
    let mut out = BufReader::new(child.stdout.take().expect("a pipe")).lines();
    let line = |lines: &mut dyn Iterator<Item = std::io::Result<String>>| {
        lines.next().expect("a line").expect("text")
    };
    // Two queries, each stopped; what comes between them is answered.
    for round in 0..2 {
        writeln!(input, "select {round} as n;\n{ENDLESS};").expect("it reads");
        for want in ["n", "─"] {
            assert_eq!(line(&mut out), want);
        }
        assert_eq!(line(&mut out), round.to_string());
        wait_until_busy(&child);
        interrupt(&child);
        loop {
            if line(&mut talk).contains("the query was stopped") {
                break;
            }
        }
    }
    // While it waits for a query, an interrupt ends the program.
    interrupt(&child);
    assert_eq!(out.count(), 0);
    assert_eq!(child.wait().expect("its end").code(), Some(130));
}
