//! Bytes that lie end in an error that names the resource, within the limits.

use std::sync::Arc;
use std::time::{Duration, Instant};

use datafusion::arrow::array::{Int64Array, RecordBatch, StringArray};
use datafusion::arrow::datatypes::{DataType, Field, Schema};
use vigil_base::{Blame, Blamed as _};
use vigil_query::{QueryError, Settings};

use crate::world::{Shelf, arrow, parquet, run};

fn batch() -> RecordBatch {
    let schema = Arc::new(Schema::new(vec![
        Field::new("n", DataType::Int64, true),
        Field::new("s", DataType::Utf8, true),
    ]));
    let n: Int64Array = (0..3000).map(|n| (n % 7 != 0).then_some(n)).collect();
    let s: StringArray = (0..3000).map(|n| Some(format!("text {}", n % 40))).collect();
    RecordBatch::try_new(schema, vec![Arc::new(n), Arc::new(s)]).expect("it is a batch")
}

/// Damages a file in many places: each time there is an answer or an error that names it.
fn damage(name: &str, whole: &[u8], stride: usize) {
    let shelf = Shelf::new();
    let engine = shelf.engine(Settings { memory_bytes_max: 64 << 20, ..Settings::default() });
    let sql = "select count(n), sum(n), min(s), max(s) from t";
    let mut refused = 0;
    let mut ask = |bytes: &[u8]| {
        let source = shelf.table(name, shelf.put(bytes));
        match run(&engine, sql, &[("t", source)]) {
            Ok(_) => {}
            Err(QueryError::Memory { .. }) => refused += 1,
            // What a damaged schema says is a table all the same, of other columns.
            Err(QueryError::Statement { text })
                if text.contains("No field named") || text.contains("coerce") =>
            {
                refused += 1;
            }
            Err(error) => {
                assert!(error.to_string().contains(name), "{error}");
                refused += 1;
            }
        }
    };
    for cut in (0..whole.len()).step_by(stride * 3) {
        ask(&whole[..cut]);
    }
    for at in (0..whole.len()).step_by(stride).chain(whole.len() - 60..whole.len()) {
        for flip in [0xff, 0x80, 0x01] {
            let mut bytes = whole.to_vec();
            bytes[at] ^= flip;
            ask(&bytes);
        }
    }
    assert!(refused > 10, "hardly anything was noticed: {refused}");
}

#[test]
fn damaged_parquet_is_named() {
    let batch = batch();
    let whole = parquet(&batch.schema(), std::slice::from_ref(&batch));
    damage("x.parquet", &whole, whole.len() / 60);
}

#[test]
fn damaged_arrow_is_named() {
    let batch = batch();
    let whole = arrow(&batch.schema(), std::slice::from_ref(&batch));
    damage("x.arrow", &whole, whole.len() / 120);
}

#[test]
fn csv_that_changes_its_mind_is_named_with_the_bytes() {
    let shelf = Shelf::new();
    let engine = shelf.engine(Settings::default());
    let mut csv = String::from("a,b\n");
    (0..20_000).for_each(|n| csv += &format!("{n},{n}\n"));
    csv += "x,y\n";
    let source = shelf.table("late.csv", shelf.put(csv.as_bytes()));
    let error = run(&engine, "select sum(a) from t", &[("t", source)]).expect_err("it is refused");
    let QueryError::Bytes { name, range, .. } = &error else { panic!("{error}") };
    assert_eq!(name, "late.csv");
    assert!(range.end <= csv.len() as u64);
}

#[test]
fn what_unpacks_to_too_much_is_refused() {
    let shelf = Shelf::new();
    let engine = shelf.engine(Settings { memory_bytes_max: 16 << 20, ..Settings::default() });
    let packed = zstd::encode_all(&vec![b'1'; 64 << 20][..], 1).expect("it packs");
    let source = shelf.table("bomb.csv.zst", shelf.put(&packed));
    let error = run(&engine, "select * from t", &[("t", source)]).expect_err("it is refused");
    assert!(error.to_string().contains("bomb.csv.zst"), "{error}");
}

#[test]
fn memory_and_time_have_limits() {
    let shelf = Shelf::new();
    let small = shelf.engine(Settings { memory_bytes_max: 4 << 20, ..Settings::default() });
    let big = "select array_agg(value) from generate_series(1, 20000000)";
    let error = run(&small, big, &[]).expect_err("it is refused");
    assert!(matches!(error, QueryError::Memory { .. }), "{error}");

    let time_max = Some(Duration::from_millis(300));
    let short = shelf.engine(Settings { time_max, ..Settings::default() });
    let endless = "select sum(a.value * b.value) from generate_series(1, 1000000) a, generate_series(1, 1000000) b";
    let since = Instant::now();
    let error = run(&short, endless, &[]).expect_err("it is refused");
    assert!(matches!(error, QueryError::Late { .. }), "{error}");
    assert!(since.elapsed() < Duration::from_secs(20));
}

#[test]
fn what_does_not_fit_into_memory_is_spilled_and_cleared_away() {
    let shelf = Shelf::new();
    let spill = shelf.folder.0.join("spill");
    std::fs::create_dir(&spill).expect("it is made");
    let groups = "select value % 400000 as a, count(*) as c, min(value) as l, max(value) as m \
                  from generate_series(1, 800000) group by a";
    let count = format!("select count(*), sum(c), sum(l), sum(m) from ({groups})");
    let roomy = shelf.engine(Settings::default());
    let tight = shelf.engine(Settings {
        memory_bytes_max: 24 << 20,
        spill_folder: Some(spill.clone()),
        ..Settings::default()
    });
    let want = run(&roomy, &count, &[]).expect("it is answered");
    let got = run(&tight, &count, &[]).expect("it is answered");
    assert_eq!(got.batches, want.batches);
    let left: usize = walk(&spill);
    assert_eq!(left, 0, "files were left behind");
}

/// An aggregation gives slices of one long batch; a sort holds them all.
#[test]
fn slices_that_are_sorted_do_not_count_as_the_whole() {
    let shelf = Shelf::new();
    let settings = Settings { memory_bytes_max: 512 << 20, ..Settings::default() };
    let engine = shelf.engine(settings);
    for key in ["value % 1000000", "cast(value % 1000000 as varchar)"] {
        let groups = format!(
            "select {key} as a, sum(cast(value as double) * 1.1) as s \
             from generate_series(1, 4000000) group by a"
        );
        let got = run(&engine, &groups, &[]).expect("nothing has to be spilled");
        let rows: usize = got.batches.iter().map(|batch| batch.num_rows()).sum();
        assert_eq!(rows, 1_000_000, "{key}");
    }
}

#[test]
fn what_is_spilled_has_a_quota() {
    let shelf = Shelf::new();
    let spill = shelf.folder.0.join("spill");
    std::fs::create_dir(&spill).expect("it is made");
    let tight = shelf.engine(Settings {
        memory_bytes_max: 24 << 20,
        spill_bytes_max: 1 << 20,
        spill_folder: Some(spill.clone()),
        ..Settings::default()
    });
    let sql = "select value % 400000 as a, count(*) as c, min(value) as l, max(value) as m \
               from generate_series(1, 800000) group by a";
    let error = run(&tight, sql, &[]).expect_err("it is refused");
    assert!(matches!(error, QueryError::Spill { .. }), "{error}");
    assert_eq!(error.blame(), Blame::World);
    assert_eq!(walk(&spill), 0, "files were left behind");
}

#[test]
fn a_query_is_stopped_and_the_next_one_runs() {
    let shelf = Shelf::new();
    let engine = shelf.engine(Settings::default());
    let endless = "select sum(a.value * b.value) from generate_series(1, 1000000) a, generate_series(1, 1000000) b";
    let stop = engine.stop();
    let asked = engine.clone();
    let query = std::thread::spawn(move || run(&asked, endless, &[]));
    stop.set();
    let error = query.join().expect("it ends").expect_err("it is stopped");
    assert!(matches!(error, QueryError::Stopped), "{error}");
    assert!(engine.check_stop().is_err());
    stop.clear();
    run(&engine, "select 1", &[]).expect("it is answered");
}

#[test]
fn what_the_store_cannot_give_is_the_worlds() {
    let shelf = Shelf::new();
    let engine = shelf.engine(Settings::default());
    let mut source = shelf.table("lost.csv", shelf.put(b"a\n1\n"));
    source.found.vcid = vigil_base::Vcid::of(b"never stored");
    let error = run(&engine, "select * from t", &[("t", source)]).expect_err("it is not there");
    assert_eq!(error.blame(), Blame::World, "{error}");
    let reason = vigil_kernel::Refusal::from(error).reason;
    assert_eq!(reason, vigil_kernel::Reason::World);
    // So are limits, whatever runs into them.
    let small = shelf.engine(Settings { memory_bytes_max: 16 << 20, ..Settings::default() });
    let packed = zstd::encode_all(&vec![b'1'; 64 << 20][..], 1).expect("it packs");
    let source = shelf.table("bomb.csv.zst", shelf.put(&packed));
    let error = run(&small, "select * from t", &[("t", source)]).expect_err("it is refused");
    assert_eq!(error.blame(), Blame::World, "{error}");
}

fn walk(folder: &std::path::Path) -> usize {
    let entries = std::fs::read_dir(folder).expect("it is read");
    entries
        .map(|entry| entry.expect("it is read").path())
        .map(|path| if path.is_dir() { walk(&path) } else { 1 })
        .sum()
}

#[test]
fn sql_that_is_nested_without_end_is_refused() {
    let shelf = Shelf::new();
    let engine = shelf.engine(Settings::default());
    for text in [
        "(".repeat(100_000),
        "select ".to_owned() + &"-".repeat(50_000),
        "select not ".repeat(20_000),
    ] {
        assert!(run(&engine, &text, &[]).is_err());
    }
}
