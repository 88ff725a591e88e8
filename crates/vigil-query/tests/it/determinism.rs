//! The same query over the same bytes is the same result, whatever runs it.

use std::sync::Arc;

use datafusion::arrow::array::{Float64Array, Int64Array, RecordBatch, StringArray};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use proptest::prelude::*;
use vigil_base::Vcid;
use vigil_query::{Settings, Source};

use crate::world::{Shelf, arrow, parquet, run, text};

/// Queries in which order could show: sums of doubles, ties, limits, windows, aggregates of rows.
const QUERIES: &[&str] = &[
    "select * from t",
    "select s, x from t limit 7",
    "select s from t order by k limit 5",
    "select k, x from t order by k desc nulls first limit 11 offset 3",
    "select sum(x), avg(x), var_samp(x), stddev_pop(x), median(x) from t",
    "select k, sum(x) as a, avg(x) as b, count(*) as c from t group by k",
    "select s, sum(x), min(x), max(x), sum(distinct x), avg(distinct x) from t group by s",
    "select k, corr(x, y), covar_samp(x, y), covar_pop(y, x), regr_slope(x, y) from t group by k",
    "select regr_intercept(x, y), regr_r2(x, y), regr_sxy(x, y), regr_count(x, y) from t",
    "select sum(x * 1e300), sum(x / 1e300), sum(exp(x / 1e9)), sum(sin(x)) from t",
    "select array_agg(s), string_agg(s, ',') from t where k < 3",
    "select k, array_agg(x order by y desc) from t group by k",
    "select k, first_value(s order by y), last_value(s order by y) from t group by k",
    "select k, nth_value(s, 2 order by y) from t group by k",
    "select k, row_number() over (order by k), rank() over (order by k) from t",
    "select s, row_number() over (partition by k), lag(x) over (partition by k order by s) from t",
    "select k, sum(x) over (order by k) as r, sum(x) over (order by k rows 3 preceding) from t",
    "select k, first_value(s) over (partition by k order by y), ntile(3) over (order by k) from t",
    "select k, avg(y) over (partition by s order by k rows between 2 preceding and 2 following) from t",
    "select distinct s from t",
    "select distinct on (k) k, s, x from t",
    "select distinct on (k) k, s from t order by k, y",
    "select a.k, b.s from t a join t b on a.k = b.k and a.s < b.s limit 20",
    "select a.k, sum(b.x) from t a left join t b on a.k = b.k + 1 group by a.k",
    "select k from t union select k + 1 from t",
    "select s from t intersect select s from t where k > 2",
    "select * from (select s, x from t limit 5) u, (select k from t order by k limit 3) v",
    "select (select s from t order by y limit 1) as a, (select sum(x) from t) as b",
    "select k, sum(x) from t group by rollup (k)",
    "select s, count(*) from t group by s order by count(*) desc limit 3",
    "select ln(abs(x) + 1), power(abs(y), 0.3), cbrt(x), atan2(x, y), log(2, abs(x) + 1) from t",
    "select unnest([k, k + 1]) as u, s from t limit 9",
    // An order below what computes is not the order of the result.
    "select upper(s) from (select s from t order by s) u",
    "select upper(s) from (select s, x from t order by x limit 200) u limit 100 offset 5",
    // Doubles that are computed, as keys.
    "select x / y as q, count(*) from t group by x / y",
    "select distinct x / y from t",
    "select count(distinct x / y), count(distinct ln(x)) from t",
    "select k, rank() over (partition by x - y order by x / y) as r from t",
    "select k from t where x / y > 1 or ln(x) < 2",
    "select array_agg(x / y), greatest(max(x / y), 1) from t",
    "select median(x / y), min(x / y), var(distinct x), stddev(y) from t",
    "select a.k, b.s from t a join t b on a.x / a.y = b.x / b.y",
    "select k, min(x) over (partition by k order by y rows 2 preceding), max(y) over (order by s) from t",
    "select s, min(x / y), max(y) filter (where k > 2), min(cast(y as real)) from t group by s",
    // What fails on rows that the left side has decided does not fail.
    "select k from t where k <> 3 and 10 / (k - 3) > 1",
    "select k = 3 or 10 / (k - 3) > 1 as c from t",
    "select k from (select k from t where k <> 3) u where 10 / (k - 3) > 1",
];

/// Rows that are hard to add up in the same way twice.
type Row = (Option<i64>, f64, Option<f64>, Option<String>);

fn rows() -> impl Strategy<Value = Vec<Row>> {
    let hard = prop_oneof![
        8 => (-1e6..1e6_f64).boxed(),
        8 => prop::sample::select(vec![1e16, -1e16, 0.1, 1e-9, 0.0, -0.0, 3e15]).boxed(),
        1 => prop::sample::select(vec![f64::NAN, -f64::NAN, f64::INFINITY, f64::NEG_INFINITY]).boxed(),
    ];
    let key = prop::option::weighted(0.9, 0_i64..6);
    let word = prop::option::weighted(0.8, "[a-c]{0,2}");
    prop::collection::vec((key, hard.clone(), prop::option::of(hard), word), 0..400)
}

fn batch(schema: &SchemaRef, rows: &[Row]) -> RecordBatch {
    let k: Int64Array = rows.iter().map(|row| row.0).collect();
    let x: Float64Array = rows.iter().map(|row| Some(row.1)).collect();
    let y: Float64Array = rows.iter().map(|row| row.2).collect();
    let s: StringArray = rows.iter().map(|row| row.3.clone()).collect();
    RecordBatch::try_new(schema.clone(), vec![Arc::new(k), Arc::new(x), Arc::new(y), Arc::new(s)])
        .expect("it is a batch")
}

fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("k", DataType::Int64, true),
        Field::new("x", DataType::Float64, true),
        Field::new("y", DataType::Float64, true),
        Field::new("s", DataType::Utf8, true),
    ]))
}

/// The same rows as one Parquet file, as several, and as an Arrow file, in different orders.
fn tables(shelf: &Shelf, rows: &[Row], cuts: usize) -> Vec<Source> {
    let schema = schema();
    let one = shelf.put(&parquet(&schema, &[batch(&schema, rows)]));
    let parts: Vec<(String, Vec<u8>)> = rows
        .chunks(rows.len().div_ceil(cuts).max(1))
        .enumerate()
        .map(|(index, rows)| {
            (format!("p{index}.parquet"), parquet(&schema, &[batch(&schema, rows)]))
        })
        .collect();
    let parts: Vec<(&str, Vec<u8>)> =
        parts.iter().map(|(name, bytes)| (name.as_str(), bytes.clone())).collect();
    let mut turned = rows.to_vec();
    turned.reverse();
    let turned = shelf.put(&arrow(&schema, &[batch(&schema, &turned)]));
    let mut sources = vec![shelf.table("one", one), shelf.table("turned", turned)];
    if !parts.is_empty() {
        sources.push(shelf.folder_table("parts", shelf.put_tree(&parts)));
    }
    sources
}

fn settings(threads: usize, batch_rows: usize) -> Settings {
    Settings { threads, batch_rows, ..Settings::default() }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 6, ..ProptestConfig::default() })]
    #[test]
    fn nothing_shows_but_the_bytes(rows in rows(), cuts in 2_usize..6) {
        let shelf = Shelf::new();
        let tables = tables(&shelf, &rows, cuts);
        let plain = shelf.engine(settings(1, 8192));
        let others =
            [shelf.engine(settings(2, 7)), shelf.engine(settings(5, 64)), plain.clone()];
        for sql in QUERIES {
            let want = run(&plain, sql, &[("t", tables[0].clone())]);
            let want = want.map(|table| (vcid(&table), text(&table)));
            for engine in &others {
                for table in &tables {
                    let got = run(engine, sql, &[("t", table.clone())]);
                    match (&want, got) {
                        (Ok((vcid_want, shown)), Ok(got)) => {
                            prop_assert_eq!(shown, &text(&got), "{} over {}", sql, table.name);
                            prop_assert_eq!(*vcid_want, vcid(&got), "{} over {}", sql, table.name);
                        }
                        (Err(want), got) => prop_assert!(false, "{sql}: {want} {:?}", got.is_ok()),
                        (Ok(_), Err(got)) => prop_assert!(false, "{sql} over {}: {got}", table.name),
                    }
                }
            }
        }
    }
}

/// The Vcid of a result as Arrow.
fn vcid(table: &vigil_query::Table) -> Vcid {
    Vcid::of(
        &vigil_query::write(vigil_query::Format::Arrow, &table.schema, &table.batches)
            .expect("it writes"),
    )
}
