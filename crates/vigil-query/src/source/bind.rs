//! Binding: a representation becomes a table.

use std::collections::BTreeSet;
use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::catalog::{MemTable, TableProvider};
use datafusion::common::DataFusionError;
use datafusion::datasource::file_format::FileFormat;
use datafusion::datasource::file_format::csv::CsvFormat;
use datafusion::datasource::file_format::json::JsonFormat;
use datafusion::datasource::file_format::parquet::ParquetFormat;
use datafusion::datasource::listing::{
    ListingOptions, ListingTable, ListingTableConfig, ListingTableUrl,
};
use datafusion::prelude::SessionContext;
use object_store_13::path::Path;
use vigil_base::limits::TREE_DEPTH_MAX;
use vigil_base::{EntryKind, EntryName, Root, Tree, TreePath, Uri, Vcid};
use vigil_kernel::Representation;
use vigil_store::Store;

use super::arrow;
use super::detect::{Format, Reading, endings};
use super::objects::{Object, Objects, Place};
use super::unpack::{Packing, unpack};
use crate::error::QueryError;

/// The media type of a tree's record, which the node's endpoints give.
const TREE_TYPE: &str = "application/vnd.vigil.tree";

/// Most files of one table.
const FILES_MAX: usize = 100_000;

/// Records that a schema is inferred from: fixed, so that it follows from the bytes.
const INFER_RECORDS: usize = 10_000;

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
    /// Folders and name below the table.
    parts: Vec<String>,
    object: Object,
    format: Format,
}

/// Makes a table of a source; `index` tells it from others of the query. No more than `bytes_max` bytes
/// are unpacked into memory.
pub async fn bind(
    context: &SessionContext,
    objects: &Arc<Objects>,
    index: usize,
    source: &Source,
    bytes_max: usize,
) -> Result<Arc<dyn TableProvider>, QueryError> {
    let failed = |what: String| QueryError::Source { name: source.name.clone(), what };
    let files = files(objects.store(), source, bytes_max).map_err(failed)?;
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
    match format {
        Format::Arrow => in_place(objects, &files).map_err(failed),
        _ => listed(context, objects, index, source, files).await,
    }
}

/// Lists the files of a source.
fn files(store: &Store, source: &Source, bytes_max: usize) -> Result<Vec<File>, String> {
    let vcid = source.found.vcid;
    if source.found.media_type.as_str() != TREE_TYPE {
        let said = source.reading.format.or(Format::of_media_type(&source.found.media_type));
        let file = file(store, &source.name, vcid, said, bytes_max)?;
        let Some((object, format)) = file else {
            return Err("nothing says what its format is; say it, as in `format=csv`".to_owned());
        };
        let parts = vec![format!("table.{}", format.name())];
        return Ok(vec![File { parts, object, format }]);
    }
    let mut found = Vec::new();
    let mut open = vec![(vcid, TreePath::root())];
    while let Some((folder, path)) = open.pop() {
        let record = store.read(folder).map_err(|error| error.to_string())?;
        let tree = Tree::decode(&record).map_err(|error| error.to_string())?;
        for entry in tree.entries() {
            let name = String::from_utf8_lossy(entry.name.as_bytes()).into_owned();
            // As everywhere where tables are folders: what begins so is not data.
            if name.starts_with(['.', '_']) {
                continue;
            }
            let path = path.join(entry.name.clone());
            match entry.kind {
                EntryKind::Tree if path.names().len() < TREE_DEPTH_MAX => {
                    open.push((entry.vcid, path));
                }
                EntryKind::File | EntryKind::Executable => found.push((path, entry.vcid)),
                _ => {}
            }
            if found.len() > FILES_MAX {
                return Err(format!("it has more than {FILES_MAX} files"));
            }
        }
    }
    found.sort();
    let mut files = Vec::new();
    let mut bytes_left = bytes_max;
    for (path, file_vcid) in found {
        let text = |name: &EntryName| String::from_utf8_lossy(name.as_bytes()).into_owned();
        let parts: Vec<String> = path.names().iter().map(text).collect();
        let uri = Uri { root: Root::Content(vcid), path: Some(path) }.to_string();
        let ending = parts.last().and_then(|name| endings(name).find_map(Format::named));
        let Some(format) = ending else { continue };
        let said = source.reading.format.or(Some(format));
        if let Some((object, format)) = file(store, &uri, file_vcid, said, bytes_left)? {
            if let Place::Held(bytes) = &object.place {
                bytes_left = bytes_left.saturating_sub(bytes.len());
            }
            files.push(File { parts, object, format });
        }
    }
    Ok(files)
}

/// Finds out what a file is, and unpacks it where it is packed.
fn file(
    store: &Store,
    name: &str,
    vcid: Vcid,
    said: Option<Format>,
    bytes_max: usize,
) -> Result<Option<(Object, Format)>, String> {
    let blob = store.find(vcid).map_err(|error| error.to_string())?;
    let mut front = vec![0; blob.len().min(4096) as usize];
    store.read_range(&blob, 0, &mut front).map_err(|error| error.to_string())?;
    let mut place = Place::Kept(blob.clone());
    if let Some(packing) = Packing::of_bytes(&front) {
        let bytes = unpack(store, &blob, packing, bytes_max).map_err(|error| error.to_string())?;
        front = bytes[..bytes.len().min(4096)].to_vec();
        place = Place::Held(bytes);
    }
    let by_name = || endings(name).find_map(Format::named);
    let certain = Format::of_bytes(&front).filter(|f| matches!(f, Format::Parquet | Format::Arrow));
    let format = said.or(certain).or_else(by_name).or_else(|| Format::of_bytes(&front));
    Ok(format.map(|format| (Object { place, name: name.to_owned() }, format)))
}

/// Makes a table of Arrow files, whose memory is used as it lies.
fn in_place(objects: &Objects, files: &[File]) -> Result<Arc<dyn TableProvider>, String> {
    let mut schema: Option<SchemaRef> = None;
    let mut rows = Vec::new();
    for file in files {
        let named = |what: String| match files.len() {
            1 => what,
            _ => format!("{}: {what}", file.object.name),
        };
        let (found, batches) = arrow::read(objects, &file.object).map_err(named)?;
        match &schema {
            Some(known) if known.fields() != found.fields() => {
                return Err(named("its columns are not those of the files before it".to_owned()));
            }
            _ => schema = Some(found),
        }
        rows.extend(batches);
    }
    let schema = schema.ok_or("there are no files")?;
    let table = MemTable::try_new(schema, vec![rows]).map_err(|error| error.to_string())?;
    Ok(Arc::new(table))
}

/// Makes a table of files that DataFusion reads through the object store.
async fn listed(
    context: &SessionContext,
    objects: &Arc<Objects>,
    index: usize,
    source: &Source,
    files: Vec<File>,
) -> Result<Arc<dyn TableProvider>, QueryError> {
    let failed = |what: String| QueryError::Source { name: source.name.clone(), what };
    let format = files[0].format;
    let columns = partition_columns(&files);
    let table = Path::from(format!("t{index}"));
    for file in files {
        let path = file.parts.iter().fold(table.clone(), |path, part| path.join(part.as_str()));
        objects.add(path, file.object);
    }
    let url = ListingTableUrl::parse(format!("vigil://store/t{index}/"));
    let url = url.map_err(|error| failed(error.to_string()))?;
    let format = file_format(context, format, &source.reading);
    let options =
        ListingOptions::new(format).with_file_extension("").with_table_partition_cols(columns);
    let of = |error: DataFusionError| match QueryError::of(&error, "", Some(&**objects)) {
        QueryError::Statement { text } => failed(text),
        other => other,
    };
    let state = context.state();
    let schema = match &source.reading.schema {
        Some((_, text)) => Arc::new(parse_schema(text).map_err(failed)?),
        None => options.infer_schema(&state, &url).await.map_err(of)?,
    };
    let config = ListingTableConfig::new(url).with_listing_options(options).with_schema(schema);
    let table = ListingTable::try_new(config).map_err(of)?;
    let cache = context.runtime_env().cache_manager.get_file_statistic_cache();
    Ok(Arc::new(table.with_cache(cache)))
}

fn file_format(context: &SessionContext, format: Format, reading: &Reading) -> Arc<dyn FileFormat> {
    match format {
        Format::Csv => {
            let mut csv = CsvFormat::default()
                .with_has_header(reading.has_header.unwrap_or(true))
                .with_delimiter(reading.delimiter.unwrap_or(b','))
                .with_quote(reading.quote.unwrap_or(b'"'))
                .with_newlines_in_values(true)
                .with_schema_infer_max_rec(INFER_RECORDS);
            if let Some(null) = &reading.null {
                csv = csv.with_null_regex(Some(format!("^{}$", escaped(null))));
            }
            Arc::new(csv)
        }
        Format::Ndjson | Format::Json => Arc::new(
            JsonFormat::default()
                .with_newline_delimited(format == Format::Ndjson)
                .with_schema_infer_max_rec(INFER_RECORDS),
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
    let folders = |file: &File| file.parts[..file.parts.len() - 1].to_vec();
    let mut columns = Vec::new();
    let depth = files.iter().map(|file| file.parts.len() - 1).min().unwrap_or(0);
    for level in 0..depth {
        let pairs: Option<Vec<(String, String)>> = files
            .iter()
            .map(|file| {
                let (name, value) = folders(file)[level].split_once('=')?.to_owned_pair();
                Some((name, value))
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

/// Two borrowed texts as two of one's own.
trait ToOwnedPair {
    fn to_owned_pair(self) -> (String, String);
}

impl ToOwnedPair for (&str, &str) {
    fn to_owned_pair(self) -> (String, String) {
        (self.0.to_owned(), self.1.to_owned())
    }
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
        let kind: DataType = kind.trim().parse().map_err(|error| format!("{place}: {error}"))?;
        fields.push(Field::new(name, kind, true));
    }
    Ok(Schema::new(fields))
}
