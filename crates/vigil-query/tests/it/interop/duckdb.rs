//! TPC-H at a tenth of its scale: all 22 queries give what DuckDB gives.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use datafusion::arrow::datatypes::SchemaRef;
use datafusion::arrow::error::ArrowError;
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::parquet::arrow::ArrowWriter;
use tpchgen::generators::{
    CustomerGenerator, LineItemGenerator, NationGenerator, OrderGenerator, PartGenerator,
    PartSuppGenerator, RegionGenerator, SupplierGenerator,
};
use tpchgen_arrow::{
    CustomerArrow, LineItemArrow, NationArrow, OrderArrow, PartArrow, PartSuppArrow, RegionArrow,
    SupplierArrow,
};
use vigil_query::{Engine, Settings, Source};

use super::answers::{compare, of_duckdb, with_casts};
use crate::world::{Shelf, run};

const SCALE: f64 = 0.1;

/// Writes a table as Parquet.
fn write(batches: impl Iterator<Item = Result<RecordBatch, ArrowError>>) -> Vec<u8> {
    let mut batches = batches.map(|batch| batch.expect("it is generated")).peekable();
    let schema: SchemaRef = batches.peek().expect("there are rows").schema();
    let mut writer = ArrowWriter::try_new(Vec::new(), schema, None).expect("it writes");
    batches.for_each(|batch| writer.write(&batch).expect("it writes"));
    writer.into_inner().expect("it writes")
}

/// Generates all tables.
fn tables() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("nation", write(NationArrow::new(NationGenerator::new(SCALE, 1, 1)))),
        ("region", write(RegionArrow::new(RegionGenerator::new(SCALE, 1, 1)))),
        ("part", write(PartArrow::new(PartGenerator::new(SCALE, 1, 1)))),
        ("supplier", write(SupplierArrow::new(SupplierGenerator::new(SCALE, 1, 1)))),
        ("partsupp", write(PartSuppArrow::new(PartSuppGenerator::new(SCALE, 1, 1)))),
        ("customer", write(CustomerArrow::new(CustomerGenerator::new(SCALE, 1, 1)))),
        ("orders", write(OrderArrow::new(OrderGenerator::new(SCALE, 1, 1)))),
        ("lineitem", write(LineItemArrow::new(LineItemGenerator::new(SCALE, 1, 1)))),
    ]
}

fn ours(engine: &Arc<Engine>, sql: &str, tables: &[(&str, Source)]) -> String {
    let table = run(engine, sql, tables).expect("it is answered");
    let format = vigil_query::Format::Csv;
    let bytes = vigil_query::write(format, &table.schema, &table.batches).expect("it writes");
    String::from_utf8(bytes).expect("it is text")
}

#[test]
fn all_22_queries_of_tpch_agree() {
    let Some(python) = std::env::var_os("VIGIL_INTEROP_DUCKDB").filter(|path| !path.is_empty())
    else {
        let is_ci = std::env::var_os("CI").is_some_and(|value| value == "true");
        assert!(!is_ci, "DuckDB is absent: `cargo xtask clients` brings it");
        eprintln!("skipped: DuckDB (VIGIL_INTEROP_DUCKDB is not set)");
        return;
    };
    // The variable names the environment's `python3`; DuckDB's program stands beside it.
    let program = Path::new(&python).with_file_name("duckdb");
    let shelf = Shelf::new();
    let mut sources: Vec<(&str, Source)> = Vec::new();
    for (name, bytes) in tables() {
        let path = shelf.folder.0.join(format!("{name}.parquet"));
        fs::write(path, &bytes).expect("it is written");
        sources.push((name, shelf.table(name, shelf.put(&bytes))));
    }
    let engine = shelf.engine(Settings::default());
    let queries = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../corpus/query/tpch");
    for number in 1..=22 {
        let path = queries.join(format!("q{number:02}.sql"));
        let sql = fs::read_to_string(&path).expect("it is there");
        let sql = with_casts(&sql);
        let ours = ours(&engine, &sql, &sources);
        let names = sources.iter().map(|(name, _)| *name);
        let theirs = of_duckdb(&program, &shelf.folder.0, names, &sql).expect("it is answered");
        let name = format!("q{number}");
        compare(&name, &ours, &theirs).unwrap_or_else(|difference| panic!("{difference}"));
    }
}
