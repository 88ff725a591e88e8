//! What a table is made of: trees, folders that are columns, names, formats and options.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, Int64Array, RecordBatch};
use datafusion::arrow::datatypes::{DataType, Field, Schema};
use vigil_base::{Entry, EntryKind, EntryName, Tree, Vcid};
use vigil_query::{Format, Reading, Settings, Source};

use crate::world::{Shelf, arrow, parquet, run, text};

#[track_caller]
fn check(shelf: &Shelf, sql: &str, tables: &[(&str, Source)], want: &str) {
    let engine = shelf.engine(Settings::default());
    let shown = match run(&engine, sql, tables) {
        Ok(table) => {
            let bytes = vigil_query::write(Format::Csv, &table.schema, &table.batches);
            String::from_utf8(bytes.expect("it writes")).expect("it is text")
        }
        Err(error) => error.to_string(),
    };
    assert_eq!(shown, want, "{sql}");
}

fn batch(values: std::ops::Range<i64>) -> RecordBatch {
    let schema = Arc::new(Schema::new(vec![Field::new("v", DataType::Int64, true)]));
    let column: ArrayRef = Arc::new(Int64Array::from_iter_values(values));
    RecordBatch::try_new(schema, vec![column]).expect("it is a batch")
}

#[test]
fn each_file_of_a_tree_is_looked_at_for_types() {
    let shelf = Shelf::new();
    let mut long = String::from("a,b\n");
    (0..12_000).for_each(|n| long += &format!("{n},{n}\n"));
    let tree = shelf.put_tree(&[("1.csv", long.into_bytes()), ("2.csv", b"a,b\n1.5,x\n".to_vec())]);
    let table = shelf.folder_table("t", tree);
    let sql = "select sum(a) as s, max(b) as m from t";
    check(&shelf, sql, &[("t", table)], "s,m\n71994001.5,x\n");
    // JSON files each have the columns that they have.
    let lines = "{\"a\":1,\"c\":{\"x\":1}}\n".repeat(12_000);
    let tree = shelf.put_tree(&[
        ("1.ndjson", lines.into_bytes()),
        ("2.ndjson", b"{\"b\":\"late\",\"c\":{\"y\":2.5}}\n".to_vec()),
    ]);
    let table = shelf.folder_table("t", tree);
    let sql = "select count(a) as a, max(b) as b, max(c['y']) as y from t";
    check(&shelf, sql, &[("t", table)], "a,b,y\n12000,late,2.5\n");
    // Columns of CSV have places, so files must agree about them.
    let tree =
        shelf.put_tree(&[("1.csv", b"a,b\n1,2\n".to_vec()), ("2.csv", b"a,c\n1,2\n".to_vec())]);
    let table = shelf.folder_table("t", tree);
    let want = "t cannot be read as a table: its files have other columns than a, b";
    check(&shelf, "select * from t", &[("t", table)], want);
}

#[test]
fn folders_are_columns_in_every_format() {
    let shelf = Shelf::new();
    let batch = [batch(0..3)];
    let files = [
        ("csv", b"v\n0\n1\n2\n".to_vec()),
        ("ndjson", b"{\"v\":0}\n{\"v\":1}\n{\"v\":2}\n".to_vec()),
        ("parquet", parquet(&batch[0].schema(), &batch)),
        ("arrow", arrow(&batch[0].schema(), &batch)),
    ];
    for (ending, bytes) in files {
        let names = ["year=2023/k=a#b %41/x", "year=2024/k=c/x", "year=2024/k=c/y"];
        let names = names.map(|name| format!("{name}.{ending}"));
        let list: Vec<_> = names.iter().map(|name| (name.as_str(), bytes.clone())).collect();
        let table = shelf.folder_table("t", shelf.put_tree(&list));
        let sql = "select year + 1 as next, k, sum(v) as s from t where v > 0 group by year, k";
        check(&shelf, sql, &[("t", table.clone())], "next,k,s\n2024,a#b %41,3\n2025,c,6\n");
        // A schema is pinned in every format, too.
        let mut pinned = table;
        let schema = "v\tFloat64\nw\tUtf8\n".to_owned();
        pinned.reading.schema = Some((Vcid::of(schema.as_bytes()), schema));
        if ending != "csv" {
            let sql = "select max(v) as m, count(w) as w, max(year) as y from t";
            check(&shelf, sql, &[("t", pinned)], "m,w,y\n2.0,0,2024\n");
        }
    }
}

#[test]
fn no_file_vanishes_whatever_its_name() {
    let shelf = Shelf::new();
    let file = shelf.put(b"v\n1\n");
    let names: [&[u8]; 4] = [b"\xff.csv", b"\xfe.csv", b"a%41.csv", b"aA.csv"];
    let entry = |name: &[u8]| Entry {
        name: EntryName::new(name).expect("it is one"),
        kind: EntryKind::File,
        vcid: file,
    };
    let tree = Tree::new(names.map(entry).to_vec()).expect("they differ");
    let table = shelf.folder_table("t", shelf.put(&tree.encode()));
    check(&shelf, "select count(*) as n from t", &[("t", table)], "n\n4\n");
}

#[test]
fn options_of_csv_are_no_options_of_what_is_none() {
    let shelf = Shelf::new();
    let batch = batch(0..3);
    let reading = Reading {
        format: Some(Format::Csv),
        has_header: Some(false),
        delimiter: Some(b';'),
        null: Some("-".to_owned()),
        ..Reading::default()
    };
    let mut csv = shelf.table("x", shelf.put(b"1;'a;b'\n-;c\n"));
    csv.reading = Reading { quote: Some(b'\''), ..reading.clone() };
    let mut other = shelf.table("y", shelf.put(&parquet(&batch.schema(), &[batch])));
    other.reading = reading;
    let sql = "select column_1, column_2, (select max(v) from y) as m from x";
    check(&shelf, sql, &[("x", csv), ("y", other)], "column_1,column_2,m\n1,a;b,2\n,c,2\n");
}

#[test]
fn nothing_in_a_table_speaks_to_the_terminal() {
    let shelf = Shelf::new();
    let engine = shelf.engine(Settings::default());
    let letters = "chr(10) || chr(27) || ']0;title' || chr(7)";
    for sql in [
        format!("select 'a' || {letters} as body"),
        format!("select 'plan' as plan_type, 'a' || {letters} as plan"),
        "select 1 as \"a\u{1b}]0;x\"".to_owned(),
    ] {
        let shown = text(&run(&engine, &sql, &[]).expect("it is answered"));
        let is_harmless = |c: char| !c.is_control() || c == '\n';
        assert!(shown.chars().all(is_harmless), "{shown:?}");
    }
    let plan = text(&run(&engine, "explain select 1", &[]).expect("it is answered"));
    assert!(plan.lines().count() > 4, "a plan has lines of its own: {plan}");
}
