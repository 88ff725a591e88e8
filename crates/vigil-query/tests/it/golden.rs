//! Results have the Vcids that are written down in `corpus/query/golden.txt`, on every machine: what moves
//! one of them is a change of what is computed or written, and belongs into the changelog. With
//! `UPDATE_EXPECT=1` the file rewrites itself.

use std::fs;
use std::path::Path;

use vigil_base::Vcid;
use vigil_query::{Format, Settings, write};

use crate::world::{Shelf, run};

const FORMATS: [Format; 5] =
    [Format::Arrow, Format::Parquet, Format::Csv, Format::Ndjson, Format::Json];

#[test]
fn results_have_the_names_that_are_written_down() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../corpus/query");
    let path = corpus.join("golden.txt");
    let text = fs::read_to_string(&path).expect("it is there");
    let shelf = Shelf::new();
    let table = |file: &str| {
        let bytes = fs::read(corpus.join("data").join(file)).expect("it is there");
        shelf.table(file, shelf.put(&bytes))
    };
    let tables = [("people", table("people.csv")), ("trips", table("trips.ndjson"))];
    let engine = shelf.engine(Settings { threads: 3, ..Settings::default() });
    let mut now = String::new();
    let mut count = 0;
    for line in text.lines() {
        // Lines of results stand below their query, and are made anew.
        let is_query = !line.starts_with(' ') && !line.starts_with('#') && !line.is_empty();
        if line.starts_with(' ') {
            continue;
        }
        now += &format!("{line}\n");
        if is_query {
            let result =
                run(&engine, line, &tables).unwrap_or_else(|error| panic!("{line}: {error}"));
            for format in FORMATS {
                let bytes = write(format, &result.schema, &result.batches).expect("it writes");
                let called = format!("{format:?}").to_lowercase();
                now += &format!("  {called:<8} {}\n", Vcid::of(&bytes));
            }
            count += 1;
        }
    }
    assert!(count > 10, "only {count} queries are written down");
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        fs::write(&path, now).expect("it is written");
    } else {
        similar(&text, &now);
    }
}

#[track_caller]
fn similar(want: &str, now: &str) {
    for (want, now) in want.lines().zip(now.lines()) {
        assert_eq!(want, now, "a result is not what it was");
    }
    assert_eq!(
        want.lines().count(),
        now.lines().count(),
        "queries have results that are not written down"
    );
}
