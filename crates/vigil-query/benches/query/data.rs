//! TPC-H's tables: generated once, as Parquet files in a folder and as blobs in a store.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use datafusion::arrow::csv::WriterBuilder;
use datafusion::arrow::error::ArrowError;
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use datafusion::parquet::basic::Compression;
use datafusion::parquet::file::properties::WriterProperties;
use tpchgen::generators::{
    CustomerGenerator, LineItemGenerator, NationGenerator, OrderGenerator, PartGenerator,
    PartSuppGenerator, RegionGenerator, SupplierGenerator,
};
use tpchgen_arrow::{
    CustomerArrow, LineItemArrow, NationArrow, OrderArrow, PartArrow, PartSuppArrow, RegionArrow,
    SupplierArrow,
};
use vigil_query::Source;

use crate::Failure;
use crate::host::Shelf;

/// Tables by name.
pub type Tables = BTreeMap<String, Source>;

/// Rows of the CSV that is converted.
const CSV_ROWS: usize = 1_500_000;

fn file(
    folder: &Path,
    name: &str,
    batches: impl Iterator<Item = Result<RecordBatch, ArrowError>>,
) -> Result<(), Failure> {
    let path = folder.join(format!("{name}.parquet"));
    if path.exists() {
        return Ok(());
    }
    let mut batches = batches.peekable();
    let Some(Ok(first)) = batches.peek() else { return Err("the generator gave nothing".into()) };
    let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
    let beside = folder.join(format!("{name}.new"));
    let sink = fs::File::create(&beside)?;
    let mut writer = ArrowWriter::try_new(sink, first.schema(), Some(properties))?;
    for batch in batches {
        writer.write(&batch?)?;
    }
    writer.close()?;
    Ok(fs::rename(beside, path)?)
}

/// Generates what is not there yet.
pub fn generate(folder: &Path, scale: f64) -> Result<(), Failure> {
    fs::create_dir_all(folder)?;
    file(folder, "nation", NationArrow::new(NationGenerator::new(scale, 1, 1)))?;
    file(folder, "region", RegionArrow::new(RegionGenerator::new(scale, 1, 1)))?;
    file(folder, "part", PartArrow::new(PartGenerator::new(scale, 1, 1)))?;
    file(folder, "supplier", SupplierArrow::new(SupplierGenerator::new(scale, 1, 1)))?;
    file(folder, "partsupp", PartSuppArrow::new(PartSuppGenerator::new(scale, 1, 1)))?;
    file(folder, "customer", CustomerArrow::new(CustomerGenerator::new(scale, 1, 1)))?;
    file(folder, "orders", OrderArrow::new(OrderGenerator::new(scale, 1, 1)))?;
    file(folder, "lineitem", LineItemArrow::new(LineItemGenerator::new(scale, 1, 1)))
}

/// Puts the files into the store.
pub fn store(shelf: &Shelf, folder: &Path) -> Result<Tables, Failure> {
    let mut tables = Tables::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|ending| ending == "parquet") {
            let name = path.file_stem().ok_or("no name")?.to_string_lossy().into_owned();
            let source = shelf.put(&format!("{name}.parquet"), &fs::read(&path)?)?;
            tables.insert(name, source);
        }
    }
    Ok(tables)
}

/// Makes a CSV file of the first rows of `lineitem`, in the folder and in the store; returns its length, and
/// itself.
pub fn csv(shelf: &Shelf, folder: &Path) -> Result<(usize, Source), Failure> {
    let file = fs::File::open(folder.join("lineitem.parquet"))?;
    let mut writer = WriterBuilder::new().with_header(true).build(Vec::new());
    let mut rows = 0;
    for batch in ParquetRecordBatchReaderBuilder::try_new(file)?.build()? {
        let batch: RecordBatch = batch?;
        writer.write(&batch)?;
        rows += batch.num_rows();
        if rows >= CSV_ROWS {
            break;
        }
    }
    let bytes = writer.into_inner();
    fs::write(folder.join("lineitem.csv"), &bytes)?;
    Ok((bytes.len(), shelf.put("lineitem.csv", &bytes)?))
}
