//! What hostile files and queries take is measured, each in a process of its own: the most memory that it
//! ever held (`VmHWM`), beside what it held before the query.

use std::env;
use std::fs;
use std::process::Command;
use std::sync::Arc;

use datafusion::arrow::array::{
    Array as _, ArrayRef, DictionaryArray, Int32Array, Int64Array, RecordBatch, StringArray,
};
use datafusion::arrow::datatypes::{DataType, Field, Int32Type, Schema};
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::parquet::arrow::arrow_writer::ArrowWriterOptions;
use datafusion::parquet::basic::{BrotliLevel, Compression, GzipLevel};
use datafusion::parquet::file::properties::{EnabledStatistics, WriterProperties};
use vigil_base::Vcid;
use vigil_query::{Settings, Source};

use crate::world::{Shelf, arrow, run};

/// What a query may have.
const LIMIT: usize = 64 << 20;

/// What may be on top of it: stacks, buffers of decoders for each thread, and what the allocator keeps.
const SLACK: usize = 96 << 20;

const CASE: &str = "VIGIL_MEMORY_CASE";

/// The most memory that this process ever held, in bytes.
fn peak() -> usize {
    let status = fs::read_to_string("/proc/self/status").expect("it is Linux");
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).expect("it is there");
    let digits: String = line.chars().filter(char::is_ascii_digit).collect();
    digits.parse::<usize>().expect("it is a number") << 10
}

/// Forgets the peak so far.
fn forget_peak() {
    fs::write("/proc/self/clear_refs", "5").expect("it is ours");
}

fn zeros(rows: usize) -> RecordBatch {
    let schema = Arc::new(Schema::new(vec![Field::new("x", DataType::Int64, true)]));
    let column: ArrayRef = Arc::new(Int64Array::from_value(7, rows));
    RecordBatch::try_new(schema, vec![column]).expect("it is a batch")
}

/// A Parquet file whose dictionary has so many texts of a kilobyte.
fn dictionary(count: usize) -> Vec<u8> {
    let text = |n: usize| Some(format!("{n:01000}"));
    let values: StringArray = (0..count).map(text).collect();
    let keys = Int32Array::from_iter_values(0..count as i32);
    let column = DictionaryArray::<Int32Type>::try_new(keys, Arc::new(values)).expect("it is one");
    let schema = Arc::new(Schema::new(vec![Field::new("s", column.data_type().clone(), true)]));
    let batch = RecordBatch::try_new(schema.clone(), vec![Arc::new(column)]).expect("it is one");
    let properties = WriterProperties::builder()
        .set_dictionary_page_size_limit(1 << 30)
        .set_compression(Compression::SNAPPY)
        .build();
    let mut writer = ArrowWriter::try_new(Vec::new(), schema, Some(properties)).expect("it writes");
    writer.write(&batch).expect("it writes");
    writer.into_inner().expect("it writes")
}

/// A Parquet file of texts, each in a page of its own.
fn pages(compression: Compression, texts: &[String]) -> Vec<u8> {
    let schema = Arc::new(Schema::new(vec![Field::new("s", DataType::Utf8, true)]));
    let properties = WriterProperties::builder()
        .set_dictionary_enabled(false)
        .set_statistics_enabled(EnabledStatistics::None)
        .set_data_page_size_limit(1000)
        .set_write_batch_size(1)
        .set_compression(compression)
        .build();
    let mut writer =
        ArrowWriter::try_new(Vec::new(), schema.clone(), Some(properties)).expect("it writes");
    for text in texts {
        let column: ArrayRef = Arc::new(StringArray::from(vec![text.as_str()]));
        let batch = RecordBatch::try_new(schema.clone(), vec![column]).expect("it is a batch");
        writer.write(&batch).expect("it writes");
    }
    writer.into_inner().expect("it writes")
}

/// A Parquet file whose only page says that it unpacks to a megabyte, and unpacks to a hundred.
fn lying_page(compression: Compression) -> Vec<u8> {
    let mut bytes = pages(compression, &["y".repeat(100 << 20)]);
    // Behind `PAR1`: field 1, a type; field 2, the size as a number in groups of seven bits.
    assert_eq!(bytes[4..7], [0x15, 0x00, 0x15]);
    bytes[7..11].copy_from_slice(&[0x80, 0x80, 0x80, 0x01]);
    bytes
}

/// The cases: a name, a query over `t`, and what its table is.
fn case(shelf: &Shelf, name: &str) -> (String, Vec<(String, Source)>) {
    let one = |sql: &str, vcid: Vcid, file: &str| {
        (sql.to_owned(), vec![("t".to_owned(), shelf.table(file, vcid))])
    };
    let none = |sql: &str| (sql.to_owned(), Vec::new());
    match name {
        "compressed arrow" => {
            let batch = zeros(16 << 20);
            let vcid = shelf.put(&arrow(&batch.schema(), &[batch]));
            one("select sum(x) from t", vcid, "x.arrow")
        }
        "many bombs" => {
            let packed = zstd::encode_all(&b"1\n".repeat(20 << 20)[..], 1).expect("it packs");
            let vcid = shelf.put(&packed);
            let tables = (0..10).map(|n| (format!("t{n}"), shelf.table("bomb.csv.zst", vcid)));
            let each: Vec<String> = (0..10).map(|n| format!("select count(*) from t{n}")).collect();
            (each.join(" union all "), tables.collect())
        }
        "open quote" => {
            let text = format!("a,b\n1,\"{}", "x,y\n".repeat(40 << 20));
            one("select count(*) from t", shelf.put(text.as_bytes()), "x.csv")
        }
        "huge result" => none("select repeat('x', 1000) as s from generate_series(1, 300000)"),
        "huge values" => none("select array_repeat(value, 1000000000) from generate_series(1, 10)"),
        "huge text" => none(
            "select repeat('x', cast(value * 1000000000 as bigint)) from generate_series(1, 2)",
        ),
        "huge range" => none(
            "select range(timestamp '1900-01-01', timestamp '2100-01-01', interval '1 second')",
        ),
        "huge dictionary" => {
            one("select max(s) from t", shelf.put(&dictionary(100_000)), "x.parquet")
        }
        "huge page" => {
            let texts = ["x".repeat(2000), "y".repeat(100 << 20)];
            one("select max(s) from t", shelf.put(&pages(Compression::SNAPPY, &texts)), "x.parquet")
        }
        "lying gzip" => {
            let file = lying_page(Compression::GZIP(GzipLevel::default()));
            one("select max(s) from t", shelf.put(&file), "x.parquet")
        }
        "lying brotli" => {
            let file = lying_page(Compression::BROTLI(BrotliLevel::default()));
            one("select max(s) from t", shelf.put(&file), "x.parquet")
        }
        "one long text" => {
            // One text of a dictionary, again and again.
            let text = "x".repeat(900_000);
            let values = StringArray::from(vec![text.as_str()]);
            let keys = Int32Array::from_iter_values(std::iter::repeat_n(0, 1000));
            let column =
                DictionaryArray::<Int32Type>::try_new(keys, Arc::new(values)).expect("it is one");
            let typed = Field::new("s", column.data_type().clone(), true);
            let batch =
                RecordBatch::try_new(Arc::new(Schema::new(vec![typed])), vec![Arc::new(column)]);
            let properties =
                WriterProperties::builder().set_statistics_enabled(EnabledStatistics::None).build();
            let options = ArrowWriterOptions::new()
                .with_properties(properties)
                .with_skip_arrow_metadata(true);
            let batch = batch.expect("it is a batch");
            let mut writer = ArrowWriter::try_new_with_options(Vec::new(), batch.schema(), options)
                .expect("it writes");
            writer.write(&batch).expect("it writes");
            let file = writer.into_inner().expect("it writes");
            one("select s from t", shelf.put(&file), "x.parquet")
        }
        "huge file of a result" => {
            // Fits as rows, and not as rows and as a file of them.
            none("select repeat('x', 1000) as s from generate_series(1, 35000)")
        }
        other => panic!("there is no case {other}"),
    }
}

/// Starts a case, and compares what it took with the limit.
fn check(name: &str, is_refused: bool) {
    let mut child = Command::new(env::current_exe().expect("this program"));
    child.args(["--exact", "memory::inside", "--nocapture"]).env(CASE, name);
    let output = child.output().expect("it runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{name}: {text}{}", String::from_utf8_lossy(&output.stderr));
    let line = text.lines().find_map(|line| line.split_once("MEASURED ")).expect("it says so").1;
    println!("{name}: {line}");
    let (grown, outcome) = line.split_once(' ').expect("two words");
    let grown: usize = grown.parse().expect("it is a number");
    assert!(grown <= LIMIT + SLACK, "{name} took {} MiB", grown >> 20);
    assert_eq!(outcome.starts_with("refused"), is_refused, "{name}: {outcome}");
}

/// What the other tests start as a process of its own; by itself it does nothing.
#[test]
fn inside() {
    let Some(name) = env::var_os(CASE) else { return };
    let shelf = Shelf::new();
    let (sql, tables) = case(&shelf, &name.to_string_lossy());
    let tables: Vec<(&str, Source)> =
        tables.iter().map(|(name, source)| (name.as_str(), source.clone())).collect();
    let settings = Settings { memory_bytes_max: LIMIT, threads: 2, ..Settings::default() };
    let engine = shelf.engine(settings);
    run(&engine, "select 1", &[]).expect("it is answered");
    forget_peak();
    let before = peak();
    let outcome = run(&engine, &sql, &tables);
    let outcome =
        outcome.and_then(|table| crate::world::wait(engine.write(table, vigil_query::Format::Csv)));
    let grown = peak() - before;
    match outcome {
        Ok(_) => println!("\nMEASURED {grown} answered"),
        Err(error) => {
            println!("\nMEASURED {grown} refused {}", error.to_string().replace('\n', " "));
        }
    }
}

#[test]
fn files_stay_within_the_limit() {
    check("compressed arrow", true);
    check("many bombs", true);
    check("open quote", true);
    check("huge dictionary", true);
    check("huge page", true);
    check("lying gzip", true);
    check("lying brotli", true);
    check("one long text", true);
}

#[test]
fn queries_stay_within_the_limit() {
    check("huge result", true);
    check("huge values", true);
    check("huge text", true);
    check("huge range", true);
    check("huge file of a result", true);
}
