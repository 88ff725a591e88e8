//! Writing results: each format with one fixed way to write it.

use std::collections::BTreeSet;
use std::io::Write;
use std::sync::Arc;

use datafusion::arrow::csv::WriterBuilder as CsvWriter;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::arrow::error::ArrowError;
use datafusion::arrow::ipc::MetadataVersion;
use datafusion::arrow::ipc::writer::{FileWriter, IpcWriteOptions};
use datafusion::arrow::json::{ArrayWriter, LineDelimitedWriter};
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::parquet::arrow::arrow_writer::ArrowWriterOptions;
use datafusion::parquet::basic::{Compression, ZstdLevel};
use datafusion::parquet::file::properties::{EnabledStatistics, WriterProperties, WriterVersion};

use crate::source::Format;

/// Rows of each row group of Parquet: whole batches, and DataFusion's own default.
const ROW_GROUP_ROWS: usize = 1 << 20;

/// Arrow buffers begin at multiples of this many bytes, as in the arenas.
const IPC_ALIGNMENT: usize = 64;

/// Writes canonical batches.
pub fn write(
    format: Format,
    schema: &SchemaRef,
    batches: &[RecordBatch],
) -> Result<Vec<u8>, ArrowError> {
    let mut bytes = Vec::new();
    write_to(&mut bytes, format, schema, batches)?;
    Ok(bytes)
}

/// Writes canonical batches into whatever takes bytes.
pub fn write_to<W: Write + Send>(
    into: &mut W,
    format: Format,
    schema: &SchemaRef,
    batches: &[RecordBatch],
) -> Result<(), ArrowError> {
    if let (Format::Csv | Format::Ndjson | Format::Json, Some(name)) = (format, twice(schema)) {
        let text = format!(
            "two columns are called `{name}`, and {} tells columns by their names; name one with AS",
            format.name()
        );
        return Err(ArrowError::SchemaError(text));
    }
    match format {
        Format::Arrow => arrow(into, schema, batches),
        Format::Parquet => parquet(into, schema, batches),
        Format::Csv => {
            let mut writer = CsvWriter::new().with_header(true).build(into);
            // The header of a table without rows.
            let empty = RecordBatch::new_empty(schema.clone());
            writer.write(&empty)?;
            batches.iter().try_for_each(|batch| writer.write(batch))
        }
        Format::Ndjson => {
            let mut writer = LineDelimitedWriter::new(into);
            batches.iter().try_for_each(|batch| writer.write(batch))?;
            writer.finish()
        }
        Format::Json => {
            let mut writer = ArrayWriter::new(into);
            batches.iter().try_for_each(|batch| writer.write(batch))?;
            writer.finish()
        }
    }
}

/// Returns a name that two columns have.
fn twice(schema: &SchemaRef) -> Option<&str> {
    let mut names = BTreeSet::new();
    schema.fields().iter().map(|field| field.name().as_str()).find(|name| !names.insert(*name))
}

fn arrow<W: Write>(
    into: &mut W,
    schema: &SchemaRef,
    batches: &[RecordBatch],
) -> Result<(), ArrowError> {
    let options = IpcWriteOptions::try_new(IPC_ALIGNMENT, false, MetadataVersion::V5)?;
    let mut writer = FileWriter::try_new_with_options(into, schema, options)?;
    batches.iter().try_for_each(|batch| writer.write(batch))?;
    writer.finish()
}

fn parquet<W: Write + Send>(
    into: &mut W,
    schema: &SchemaRef,
    batches: &[RecordBatch],
) -> Result<(), ArrowError> {
    let level = ZstdLevel::try_new(1)?;
    let properties = WriterProperties::builder()
        .set_created_by(concat!("vigil ", env!("CARGO_PKG_VERSION")).to_owned())
        .set_writer_version(WriterVersion::PARQUET_1_0)
        .set_compression(Compression::ZSTD(level))
        .set_dictionary_enabled(true)
        .set_statistics_enabled(EnabledStatistics::Page)
        .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
        .set_data_page_row_count_limit(20_000)
        .build();
    let options = ArrowWriterOptions::new().with_properties(properties);
    let mut writer = ArrowWriter::try_new_with_options(into, Arc::clone(schema), options)?;
    for batch in batches {
        writer.write(batch)?;
    }
    writer.close()?;
    Ok(())
}
