//! TPC-H at a tenth of its scale: all 22 queries give what DuckDB gives.

use std::fs;
use std::path::Path;
use std::process::Command;
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

use crate::world::{Shelf, run};

const SCALE: f64 = 0.1;

/// Largest relative difference of numbers: DuckDB's doubles are summed in its own order.
const TOLERANCE: f64 = 1e-9;

/// Quotients and averages of decimals have as many digits as each program likes, so they are taken as doubles.
const CASTS: &[(&str, &str)] = &[
    ("avg(l_quantity)", "avg(cast(l_quantity as double))"),
    ("avg(l_extendedprice)", "avg(cast(l_extendedprice as double))"),
    ("avg(l_discount)", "avg(cast(l_discount as double))"),
    ("avg(c_acctbal)", "avg(cast(c_acctbal as double))"),
    ("/ sum(volume)", "/ cast(sum(volume) as double)"),
    ("/ 7.0", "/ 7.0e0"),
    (
        "/ sum(l_extendedprice * (1 - l_discount))",
        "/ cast(sum(l_extendedprice * (1 - l_discount)) as double)",
    ),
];

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

/// Splits CSV with the quotes of RFC 4180 into rows of cells.
fn cells(csv: &str) -> Vec<Vec<String>> {
    let mut rows = vec![vec![String::new()]];
    let mut is_quoted = false;
    let mut chars = csv.trim_end().chars().peekable();
    while let Some(c) = chars.next() {
        let row = rows.last_mut().expect("there is one");
        let cell = row.last_mut().expect("there is one");
        match c {
            '"' if is_quoted && chars.peek() == Some(&'"') => {
                chars.next();
                cell.push('"');
            }
            '"' => is_quoted = !is_quoted,
            ',' if !is_quoted => row.push(String::new()),
            '\r' if !is_quoted => {}
            '\n' if !is_quoted => rows.push(vec![String::new()]),
            c => cell.push(c),
        }
    }
    rows
}

fn ours(engine: &Arc<Engine>, sql: &str, tables: &[(&str, Source)]) -> String {
    let table = run(engine, sql, tables).expect("it is answered");
    let format = vigil_query::Format::Csv;
    let bytes = vigil_query::write(format, &table.schema, &table.batches).expect("it writes");
    String::from_utf8(bytes).expect("it is text")
}

fn theirs(program: &Path, folder: &Path, names: &[&str], sql: &str) -> String {
    let mut script = String::new();
    for name in names {
        let path = folder.join(format!("{name}.parquet"));
        script += &format!("create view {name} as select * from '{}';\n", path.display());
    }
    script += sql;
    script.push(';');
    let output = Command::new(program).args(["-csv", "-c", &script]).output().expect("it runs");
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{complaint}");
    String::from_utf8(output.stdout).expect("it is text")
}

#[track_caller]
fn check(name: &str, ours: &str, theirs: &str) {
    let (ours, theirs) = (cells(ours), cells(theirs));
    assert_eq!(ours.len(), theirs.len(), "{name} has another number of rows");
    for (ours, theirs) in ours.iter().zip(&theirs).skip(1) {
        assert_eq!(ours.len(), theirs.len(), "{name} has another number of columns");
        for (a, b) in ours.iter().zip(theirs) {
            let same = match (a.parse::<f64>(), b.parse::<f64>()) {
                (Ok(a), Ok(b)) => (a - b).abs() <= TOLERANCE * a.abs().max(b.abs()),
                _ => a == b,
            };
            assert!(same, "{name}: {a} is not {b} in {ours:?} and {theirs:?}");
        }
    }
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
    let names: Vec<&str> = sources.iter().map(|(name, _)| *name).collect();
    let engine = shelf.engine(Settings::default());
    let queries = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../corpus/query/tpch");
    for number in 1..=22 {
        let path = queries.join(format!("q{number:02}.sql"));
        let sql = fs::read_to_string(&path).expect("it is there");
        let sql = CASTS.iter().fold(sql, |sql, (plain, cast)| sql.replace(plain, cast));
        let (ours, theirs) =
            (ours(&engine, &sql, &sources), theirs(&program, &shelf.folder.0, &names, &sql));
        check(&format!("q{number}"), &ours, &theirs);
    }
}
