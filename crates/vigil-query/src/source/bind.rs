//! Binding: a representation becomes a table.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::array::{
    ArrayRef, Int64Array, RecordBatch, RecordBatchOptions, StringArray, new_null_array,
};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};
use datafusion::arrow::error::ArrowError;
use datafusion::catalog::{MemTable, Session, TableProvider};
use datafusion::common::DataFusionError;
use datafusion::datasource::file_format::FileFormat;
use datafusion::datasource::file_format::csv::CsvFormat;
use datafusion::datasource::file_format::json::JsonFormat;
use datafusion::datasource::file_format::parquet::ParquetFormat;
use datafusion::datasource::listing::{
    ListingOptions, ListingTable, ListingTableConfig, ListingTableUrl,
};
use datafusion::execution::memory_pool::MemoryReservation;
use datafusion::logical_expr::{Expr, TableType};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::prelude::SessionContext;
use object_store_13::path::Path;
use vigil_base::limits::TREE_DEPTH_MAX;
use vigil_base::{EntryKind, EntryName, Root, Tree, TreePath, Uri, Vcid};
use vigil_kernel::Representation;
use vigil_store::ReadError;

use super::detect::{Format, Reading, endings};
use super::objects::{Object, Objects, Place};
use super::pages::Pages;
use super::records::Records;
use super::unpack::{Packing, unpack};
use super::{arrow, footer, infer, nulls};
use crate::error::QueryError;

/// The media type of a tree's record, which the node's endpoints give.
const TREE_TYPE: &str = "application/vnd.vigil.tree";

/// Most files of one table.
const FILES_MAX: usize = 100_000;

/// Most bytes of the names on the paths of one table.
const PATH_BYTES_MAX: usize = 64 << 20;

/// What a table is made of.
#[derive(Clone, Debug)]
pub struct Source {
    /// The name that it was asked for by.
    pub name: String,
    /// What that gave.
    pub found: Representation,
    /// How to read it.
    pub reading: Reading,
}

/// A file of a table.
struct File {
    /// Folders below the table.
    folders: Vec<String>,
    object: Object,
    format: Format,
}

/// Makes a table of a source; `index` tells it from others of the query.
pub async fn bind(
    context: &SessionContext,
    objects: &Arc<Objects>,
    index: usize,
    source: &Source,
) -> Result<Arc<dyn TableProvider>, QueryError> {
    let failed = |what: String| QueryError::Source { name: source.name.clone(), what };
    let files = files(objects, source)?;
    let Some(first) = files.first() else {
        return Err(failed("the folder has no Parquet, Arrow, CSV or JSON files".to_owned()));
    };
    let format = first.format;
    if let Some(other) = files.iter().find(|file| file.format != format) {
        return Err(failed(format!(
            "it has both {} and {} files; name a folder with one sort",
            format.name(),
            other.format.name()
        )));
    }
    let pinned = match &source.reading.schema {
        Some((_, text)) => Some(Arc::new(parse_schema(text).map_err(failed)?)),
        None => None,
    };
    match format {
        Format::Arrow => in_place(context, objects, source, &files, pinned),
        _ => listed(context, objects, index, source, files, pinned).await,
    }
}

/// Lists the files of a source.
fn files(objects: &Objects, source: &Source) -> Result<Vec<File>, QueryError> {
    let vcid = source.found.vcid;
    if source.found.media_type.as_str() != TREE_TYPE {
        let said = source.reading.format.or(Format::of_media_type(&source.found.media_type));
        let Some((object, format)) = file(objects, &source.name, vcid, said)? else {
            let what = "nothing says what its format is; say it, as in `format=csv`".to_owned();
            return Err(QueryError::Source { name: source.name.clone(), what });
        };
        return Ok(vec![File { folders: Vec::new(), object, format }]);
    }
    let mut files = Vec::new();
    for (path, file_vcid) in listing(objects, source)? {
        let text = |name: &EntryName| String::from_utf8_lossy(name.as_bytes()).into_owned();
        let mut parts: Vec<String> = path.names().iter().map(text).collect();
        let name = parts.pop().unwrap_or_default();
        let uri = Uri { root: Root::Content(vcid), path: Some(path) }.to_string();
        let Some(format) = endings(&name).find_map(Format::named) else { continue };
        let said = source.reading.format.or(Some(format));
        if let Some((object, format)) = file(objects, &uri, file_vcid, said)? {
            files.push(File { folders: parts, object, format });
        }
    }
    Ok(files)
}

/// Lists what lies below a tree, in the order of names.
fn listing(objects: &Objects, source: &Source) -> Result<Vec<(TreePath, Vcid)>, QueryError> {
    let failed = |what: String| QueryError::Source { name: source.name.clone(), what };
    let mut found = Vec::new();
    let mut open = vec![(source.found.vcid, TreePath::root())];
    // One folder may stand in many places, so that a few of them make endless many paths.
    let (mut folder_count, mut path_bytes) = (0, 0);
    while let Some((folder, path)) = open.pop() {
        objects.budget().check()?;
        folder_count += 1;
        let record = objects.store().read(folder).map_err(|error| QueryError::world(&error))?;
        let tree = Tree::decode(&record).map_err(|error| failed(error.to_string()))?;
        for entry in tree.entries() {
            // As everywhere where tables are folders: what begins so is not data.
            if entry.name.as_bytes().starts_with(b".") || entry.name.as_bytes().starts_with(b"_") {
                continue;
            }
            let path = path.join(entry.name.clone());
            path_bytes += path.names().iter().map(|name| name.as_bytes().len()).sum::<usize>();
            match entry.kind {
                EntryKind::Tree if path.names().len() < TREE_DEPTH_MAX => {
                    open.push((entry.vcid, path));
                }
                EntryKind::File | EntryKind::Executable => found.push((path, entry.vcid)),
                _ => {}
            }
            if found.len() > FILES_MAX
                || folder_count + open.len() > FILES_MAX
                || path_bytes > PATH_BYTES_MAX
            {
                return Err(failed(format!("it has more than {FILES_MAX} files and folders")));
            }
        }
    }
    found.sort();
    Ok(found)
}

/// Finds out what a file is, and unpacks it where it is packed.
fn file(
    objects: &Objects,
    name: &str,
    vcid: Vcid,
    said: Option<Format>,
) -> Result<Option<(Object, Format)>, QueryError> {
    let store = objects.store();
    let of_store = |error: ReadError| QueryError::world(&error);
    let blob = store.find(vcid).map_err(of_store)?;
    let mut front = vec![0; blob.len().min(4096) as usize];
    store.read_range(&blob, 0, &mut front).map_err(of_store)?;
    let mut place = Place::Kept(blob.clone());
    if let Some(packing) = Packing::of_bytes(&front) {
        let bytes = unpack(store, &blob, packing, objects.budget());
        let bytes = bytes.map_err(|error| match QueryError::of(&error, "", None) {
            QueryError::Statement { text } => {
                let what = format!("it cannot be unpacked: {text}");
                QueryError::Source { name: name.to_owned(), what }
            }
            QueryError::Memory { what } => QueryError::Memory { what: format!("{name}: {what}") },
            other => other,
        })?;
        front = bytes[..bytes.len().min(4096)].to_vec();
        place = Place::Held(bytes);
    }
    let by_name = || endings(name).find_map(Format::named);
    // What is said of all tables of a query does not make text of what is none.
    let certain = Format::of_bytes(&front).filter(|f| matches!(f, Format::Parquet | Format::Arrow));
    let format = certain.or(said).or_else(by_name).or_else(|| Format::of_bytes(&front));
    let mut object = Object { place, name: name.to_owned(), records: None, pages: None };
    if format == Some(Format::Parquet) {
        object.pages = Pages::of(objects, &object)?.map(Arc::new);
    }
    Ok(format.map(|format| (object, format)))
}

/// Makes a table of Arrow files, whose memory is used as it lies.
fn in_place(
    context: &SessionContext,
    objects: &Objects,
    source: &Source,
    files: &[File],
    pinned: Option<SchemaRef>,
) -> Result<Arc<dyn TableProvider>, QueryError> {
    let partitions = partition_columns(files);
    let mut schema: Option<SchemaRef> = pinned;
    let mut rows = Vec::new();
    // What a batch weighs itself; its buffers are counted where they are copied.
    let held = objects.budget().reserve("batches of Arrow files");
    let step = context.state().config().batch_size();
    for file in files {
        let failed = |what: String| QueryError::Source { name: file.object.name.clone(), what };
        let (found, batches) = arrow::read(objects, &file.object)?;
        let known = schema.get_or_insert_with(|| found.clone()).clone();
        if source.reading.schema.is_none() && known.fields() != found.fields() {
            return Err(failed("its columns are not those of the files before it".to_owned()));
        }
        for batch in batches {
            for start in (0..batch.num_rows()).step_by(step) {
                let part = batch.slice(start, step.min(batch.num_rows() - start));
                held.try_grow(size_of::<RecordBatch>() + size_of_val(part.columns()) * 16)
                    .map_err(|error| QueryError::of(&error, "", None))?;
                let part = with_partitions(&known, &partitions, file, &part);
                rows.push(part.map_err(|error| failed(error.to_string()))?);
            }
        }
    }
    let failed = |what: String| QueryError::Source { name: source.name.clone(), what };
    let schema = schema.ok_or_else(|| failed("there are no files".to_owned()))?;
    let schema = whole_schema(&schema, &partitions);
    let table = MemTable::try_new(schema, vec![rows]).map_err(|error| failed(error.to_string()))?;
    Ok(Arc::new(Held { table, _held: held }))
}

/// A table in memory, with what it counts.
#[derive(Debug)]
struct Held {
    table: MemTable,
    _held: MemoryReservation,
}

#[async_trait]
impl TableProvider for Held {
    fn schema(&self) -> SchemaRef {
        self.table.schema()
    }

    fn table_type(&self) -> TableType {
        self.table.table_type()
    }

    async fn scan(
        &self,
        session: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> datafusion::common::Result<Arc<dyn ExecutionPlan>> {
        self.table.scan(session, projection, filters, limit).await
    }
}

fn whole_schema(schema: &SchemaRef, partitions: &[(String, DataType)]) -> SchemaRef {
    let mut fields: Vec<FieldRef> = schema.fields().iter().cloned().collect();
    for (name, kind) in partitions {
        fields.push(Arc::new(Field::new(name, kind.clone(), false)));
    }
    Arc::new(Schema::new(fields))
}

/// Gives a batch the columns of a schema, by name, and those that stand in the names of its folders.
fn with_partitions(
    schema: &SchemaRef,
    partitions: &[(String, DataType)],
    file: &File,
    batch: &RecordBatch,
) -> Result<RecordBatch, ArrowError> {
    let count = batch.num_rows();
    let mut columns: Vec<ArrayRef> = Vec::new();
    for (place, field) in schema.fields().iter().enumerate() {
        let same = batch.schema_ref().fields().get(place) == Some(field);
        let column =
            if same { Some(batch.column(place)) } else { batch.column_by_name(field.name()) };
        columns.push(match column {
            Some(column) => cast(column, field.data_type())?,
            None => new_null_array(field.data_type(), count),
        });
    }
    for ((_, kind), folder) in partitions.iter().zip(&file.folders) {
        let value = folder.split_once('=').map_or("", |(_, value)| value);
        columns.push(match value.parse() {
            Ok(number) if *kind == DataType::Int64 => {
                Arc::new(Int64Array::from_value(number, count))
            }
            _ => Arc::new(StringArray::from_iter_values(std::iter::repeat_n(value, count))),
        });
    }
    let options = RecordBatchOptions::new().with_row_count(Some(count));
    RecordBatch::try_new_with_options(whole_schema(schema, partitions), columns, &options)
}

/// Makes a table of files that DataFusion reads through the object store.
async fn listed(
    context: &SessionContext,
    objects: &Arc<Objects>,
    index: usize,
    source: &Source,
    files: Vec<File>,
    pinned: Option<SchemaRef>,
) -> Result<Arc<dyn TableProvider>, QueryError> {
    let failed = |what: String| QueryError::Source { name: source.name.clone(), what };
    let kind = files[0].format;
    let columns = partition_columns(&files);
    let table = Path::from(format!("t{index}"));
    let mut metas = Vec::new();
    for (number, file) in files.into_iter().enumerate() {
        // Folders that are columns, and then a number: names need not be text, nor differ as such.
        let folders = file.folders.iter().take(columns.len());
        let path = folders.fold(table.clone(), |path, part| path.join(part.as_str()));
        let path = path.join(format!("{number:08}"));
        let records = records(kind, &source.reading);
        let object = Object { records, ..file.object };
        metas.push(Objects::meta(&path, &object));
        objects.add(path, object);
    }
    let url = ListingTableUrl::parse(format!("vigil://store/t{index}/"));
    let url = url.map_err(|error| failed(error.to_string()))?;
    let format = file_format(context, kind, &source.reading);
    let options = ListingOptions::new(format.clone())
        .with_file_extension("")
        .with_table_partition_cols(columns);
    let of = |error: DataFusionError| match QueryError::of(&error, "", Some(&**objects)) {
        QueryError::Statement { text } => failed(text),
        other => other,
    };
    let state = context.state();
    let schema = match (pinned, kind) {
        (Some(schema), _) => schema,
        (None, Format::Parquet) => options.infer_schema(&state, &url).await.map_err(of)?,
        (None, _) => infer::schema(context, objects, source, &format, metas).await?,
    };
    let null = source.reading.null.as_deref().filter(|_| kind == Format::Csv);
    let config = ListingTableConfig::new(url).with_listing_options(options);
    let config = config.with_schema(match null {
        // The reader knows no such text: values are read as texts first.
        Some(_) => nulls::as_texts(&schema),
        None => schema.clone(),
    });
    let table = ListingTable::try_new(config).map_err(of)?;
    let cache = context.runtime_env().cache_manager.get_file_statistic_cache();
    let table: Arc<dyn TableProvider> = Arc::new(table.with_cache(cache));
    match null {
        Some(null) => nulls::table(table, &schema, null).map_err(of),
        None => Ok(table),
    }
}

/// Says where the records of a format end, for readers that hold one whole.
fn records(format: Format, reading: &Reading) -> Option<Records> {
    match format {
        Format::Csv => {
            let (quote, delimiter) = (reading.quote, reading.delimiter);
            Some(Records::csv(quote.unwrap_or(b'"'), delimiter.unwrap_or(b',')))
        }
        Format::Ndjson | Format::Json => Some(Records::json(format == Format::Json)),
        Format::Parquet | Format::Arrow => None,
    }
}

fn file_format(context: &SessionContext, format: Format, reading: &Reading) -> Arc<dyn FileFormat> {
    match format {
        Format::Csv => {
            let mut csv = CsvFormat::default()
                .with_has_header(reading.has_header.unwrap_or(true))
                .with_delimiter(reading.delimiter.unwrap_or(b','))
                .with_quote(reading.quote.unwrap_or(b'"'))
                .with_newlines_in_values(true)
                .with_schema_infer_max_rec(infer::RECORDS);
            if let Some(null) = &reading.null {
                csv = csv.with_null_regex(Some(format!("^{}$", escaped(null))));
            }
            Arc::new(csv)
        }
        Format::Ndjson | Format::Json => Arc::new(
            JsonFormat::default()
                .with_newline_delimited(format == Format::Ndjson)
                .with_schema_infer_max_rec(infer::RECORDS),
        ),
        Format::Parquet | Format::Arrow => {
            let options = context.state().table_options().parquet.clone();
            Arc::new(ParquetFormat::default().with_options(options))
        }
    }
}

/// Writes a text so that a regular expression means it as it stands.
fn escaped(text: &str) -> String {
    text.chars().fold(String::new(), |mut out, c| {
        if !c.is_alphanumeric() && c.is_ascii() {
            out.push('\\');
        }
        out.push(c);
        out
    })
}

/// Finds the columns that stand in the names of folders, as in `year=2024`: those that every file has at
/// the same depth.
fn partition_columns(files: &[File]) -> Vec<(String, DataType)> {
    let mut columns = Vec::new();
    let depth = files.iter().map(|file| file.folders.len()).min().unwrap_or(0);
    for level in 0..depth {
        let pairs: Option<Vec<(String, String)>> = files
            .iter()
            .map(|file| {
                let (name, value) = file.folders[level].split_once('=')?;
                // A name that paths write in another way would not be found again.
                (Path::from(name).as_ref() == name).then(|| (name.to_owned(), value.to_owned()))
            })
            .collect();
        let Some(pairs) = pairs else { break };
        let names: BTreeSet<&str> = pairs.iter().map(|(name, _)| name.as_str()).collect();
        let [name] = names.into_iter().collect::<Vec<_>>()[..] else { break };
        let is_number =
            |text: &str| text.parse::<i64>().is_ok_and(|number| number.to_string() == text);
        let is_whole = pairs.iter().all(|(_, value)| is_number(value));
        let kind = if is_whole { DataType::Int64 } else { DataType::Utf8 };
        columns.push((name.to_owned(), kind));
    }
    columns
}

/// Writes a schema as lines of a name, a tab and a type.
pub fn file_schema(schema: &Schema) -> String {
    let line = |field: &Arc<Field>| format!("{}\t{}\n", field.name(), field.data_type());
    schema.fields().iter().map(line).collect()
}

/// Reads what [`file_schema`] writes, and what people make of it.
fn parse_schema(text: &str) -> Result<Schema, String> {
    let mut fields = Vec::new();
    for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let place = format!("line {} of its schema", index + 1);
        let (name, kind) = line
            .split_once('\t')
            .ok_or_else(|| format!("{place} is not a name, a tab and a type"))?;
        check_type(kind).map_err(|what| format!("{place}: {what}"))?;
        let kind: DataType = kind.trim().parse().map_err(|error| format!("{place}: {error}"))?;
        fields.push(Field::new(name, kind, true));
    }
    Ok(Schema::new(fields))
}

/// Refuses the name of a type that is nested so deep that reading it would exhaust the stack.
pub fn check_type(name: &str) -> Result<(), String> {
    let mut depth = 0_usize;
    for byte in name.bytes() {
        match byte {
            b'(' | b'<' | b'[' => depth += 1,
            b')' | b'>' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > footer::NESTING_MAX {
            return Err(format!("a type is nested no deeper than {}", footer::NESTING_MAX));
        }
    }
    Ok(())
}
