//! What a query need not read it does not read.

use std::sync::Arc;

use datafusion::arrow::array::{Int64Array, RecordBatch, StringArray};
use datafusion::arrow::datatypes::{DataType, Field, Schema};
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::parquet::file::properties::WriterProperties;
use vigil_query::{Settings, Source};

use crate::world::{Shelf, run, text};

/// Ten groups of a thousand rows, in pages of a hundred: rising numbers, and texts that take room.
fn table(shelf: &Shelf) -> Source {
    let schema = Arc::new(Schema::new(vec![
        Field::new("n", DataType::Int64, false),
        Field::new("s", DataType::Utf8, false),
    ]));
    let n = Int64Array::from_iter_values(0..10_000);
    let s = StringArray::from_iter_values((0..10_000).map(|n| format!("{n:0100}")));
    let batch =
        RecordBatch::try_new(schema.clone(), vec![Arc::new(n), Arc::new(s)]).expect("it is one");
    // Without dictionaries, which are read whole.
    let properties = WriterProperties::builder()
        .set_dictionary_enabled(false)
        .set_max_row_group_row_count(Some(1000))
        .set_data_page_row_count_limit(100)
        .set_write_batch_size(100)
        .build();
    let mut writer = ArrowWriter::try_new(Vec::new(), schema, Some(properties)).expect("it writes");
    writer.write(&batch).expect("it writes");
    shelf.table("t.parquet", shelf.put(&writer.into_inner().expect("it writes")))
}

/// Runs a query as `EXPLAIN ANALYZE` does; returns what it says.
fn analyzed(shelf: &Shelf, source: &Source, sql: &str) -> String {
    let engine = shelf.engine(Settings { threads: 1, ..Settings::default() });
    let sql = format!("explain analyze {sql}");
    text(&run(&engine, &sql, &[("t", source.clone())]).expect("it is answered"))
}

/// Reads a figure of the scan, in bytes.
#[track_caller]
fn scanned(plan: &str) -> f64 {
    let figure = plan.split_once("bytes_scanned=").expect(plan).1;
    let figure = figure.split([',', ']']).next().expect("it ends").trim();
    let (number, unit) = figure.split_once(' ').unwrap_or((figure, "B"));
    let factor = match unit {
        "B" => 1.0,
        "K" | "KB" | "KiB" => 1024.0,
        "M" | "MB" | "MiB" => 1024.0 * 1024.0,
        other => panic!("{other} is no unit, in {plan}"),
    };
    number.parse::<f64>().expect("it is a number") * factor
}

#[test]
fn only_columns_groups_and_pages_that_may_matter_are_read() {
    let shelf = Shelf::new();
    let source = table(&shelf);
    let all = scanned(&analyzed(&shelf, &source, "select max(n), max(s) from t where n >= 0"));
    let numbers = scanned(&analyzed(&shelf, &source, "select sum(n) from t where n >= 0"));
    assert!(numbers * 5.0 < all, "of two columns {all} bytes, of one {numbers}");
    let plan = analyzed(&shelf, &source, "select max(s) from t where n between 4321 and 4340");
    for want in [
        "row_groups_pruned_statistics=10 total → 1 matched",
        "page_index_rows_pruned=1.00 K total → 100 matched",
    ] {
        assert!(plan.contains(want), "{want} is not in {plan}");
    }
    let few = scanned(&plan);
    assert!(few * 50.0 < all, "of all pages {all} bytes, of one {few}");
    // A group whose numbers cannot be there is not opened, so nothing is read of its pages.
    let plan = analyzed(&shelf, &source, "select max(s) from t where n = 123456");
    assert!(plan.contains("row_groups_pruned_statistics=10 total → 0 matched"), "{plan}");
}
