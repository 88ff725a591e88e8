//! Texts that are damaged, or whose records have no end: each time there is an answer or an error that
//! names the resource.

use vigil_query::{QueryError, Reading, Settings};

use crate::world::{Shelf, run};

/// SplitMix64: a fixed row of numbers that look like chance.
fn next(state: &mut u64) -> usize {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (*state ^ *state >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    (mixed ^ mixed >> 31) as usize
}

#[test]
fn a_record_without_end_is_named_with_its_place() {
    let shelf = Shelf::new();
    let engine = shelf.engine(Settings::default());
    let filler = "x,y\n".repeat(5 << 20);
    let quote = format!("a,b\n1,\"{filler}");
    let line = format!("{{\"a\":\"{}\"}}\n", "x".repeat(20 << 20));
    let lines = format!("{{\"a\":[{}]}}\n", "1,\n".repeat(8 << 20));
    let item = format!("[{{\"a\":\"{}\"}}]", "x".repeat(20 << 20));
    for (name, text) in
        [("quote.csv", quote), ("line.ndjson", line), ("lines.ndjson", lines), ("item.json", item)]
    {
        let source = shelf.table(name, shelf.put(text.as_bytes()));
        let error = run(&engine, "select count(*) from t", &[("t", source)]);
        let error = error.expect_err("it is refused");
        let QueryError::Bytes { what, .. } = &error else { panic!("{name}: {error}") };
        assert!(what.contains(name) && what.contains("more than 16777216 bytes"), "{what}");
    }
    // Quotes in the middle of a value, and many lines in one value, are nothing special.
    let inches = format!("a,b\n{}", "5\" pipe,6\"\n".repeat(4 << 20));
    let poem = format!("a,b\n\"{}\",1\n", "line\n".repeat(1000));
    for (name, text, want) in [("inches.csv", inches, 4 << 20), ("poem.csv", poem, 1)] {
        let source = shelf.table(name, shelf.put(text.as_bytes()));
        let table =
            run(&engine, &format!("select count(*) = {want} as same from t"), &[("t", source)]);
        let shown = crate::world::text(&table.expect("it is answered"));
        assert!(shown.contains("true"), "{name}: {shown}");
    }
}

/// Columns are found record by record, wherever the pieces are cut that a file is read in.
#[test]
fn values_of_many_lines_do_not_hinder_finding_columns() {
    let shelf = Shelf::new();
    let engine = shelf.engine(Settings::default());
    let verse = "a line, \"\"quoted\"\"\n".repeat(60);
    let poems: String = (1..=6000).map(|n| format!("{n},\"{verse}\"\n")).collect();
    let book = format!("a,b\n1,\"{}\"\n", "line\n".repeat(2 << 20));
    for (name, text, want) in [
        ("poems.csv", format!("a,b\n{poems}"), (6000, 6000 * 6001 / 2, 6000 * 60)),
        ("book.csv", book, (1, 1, 2 << 20)),
    ] {
        let source = shelf.table(name, shelf.put(text.as_bytes()));
        let lines = "length(b) - length(replace(b, chr(10), ''))";
        let sql = format!("select count(*) as n, sum(a) as s, sum({lines}) as l from t");
        let table = run(&engine, &sql, &[("t", source)]).expect("it is read");
        let shown = crate::world::text(&table);
        let (count, sum, lines) = want;
        let row = shown.lines().last().expect("there is a row");
        let row: Vec<&str> = row.split_whitespace().collect();
        assert_eq!(row, [count.to_string(), sum.to_string(), lines.to_string()], "{name}");
    }
}

#[test]
fn damaged_texts_are_named() {
    let shelf = Shelf::new();
    let engine = shelf.engine(Settings { memory_bytes_max: 64 << 20, ..Settings::default() });
    let corpus = concat!(env!("CARGO_MANIFEST_DIR"), "/../../corpus/query/data/");
    let mut state = 1;
    for name in ["people.csv", "trips.ndjson"] {
        let whole = std::fs::read(format!("{corpus}{name}")).expect("it is there");
        let is_array = name == "trips.ndjson";
        let array = || {
            let text = String::from_utf8(whole.clone()).expect("it is text");
            format!("[{}]", text.trim_end().replace('\n', ",")).into_bytes()
        };
        let files = if is_array {
            vec![(name, whole.clone()), ("trips.json", array())]
        } else {
            vec![(name, whole.clone())]
        };
        for (name, whole) in files {
            let mut refused = 0;
            for round in 0..400 {
                let mut bytes = whole.clone();
                match round % 4 {
                    0 => bytes.truncate(next(&mut state) % whole.len()),
                    // A byte that means something to some reader.
                    1 | 2 => {
                        for _ in 0..1 + next(&mut state) % 3 {
                            let at = next(&mut state) % bytes.len();
                            let signs = b"\"',;\n\r\0{}[]\\:\xff-e0";
                            bytes[at] = signs[next(&mut state) % signs.len()];
                        }
                    }
                    _ => {
                        let (at, to) =
                            (next(&mut state) % bytes.len(), next(&mut state) % bytes.len());
                        let piece = bytes[at.min(to)..at.max(to)].to_vec();
                        bytes.splice(at..at, piece);
                    }
                }
                let mut source = shelf.table(name, shelf.put(&bytes));
                source.reading = Reading::default();
                match run(&engine, "select * from t", &[("t", source)]) {
                    Ok(_) => {}
                    Err(error) => {
                        refused += 1;
                        assert!(error.to_string().contains(name), "{name}: {error}");
                    }
                }
            }
            assert!(refused > 10, "hardly anything of {name} was noticed: {refused}");
        }
    }
}
