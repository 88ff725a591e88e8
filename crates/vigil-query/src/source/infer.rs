//! Finding the columns of texts, and one list of columns for several files.

use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};
use datafusion::common::DataFusionError;
use datafusion::datasource::file_format::FileFormat;
use datafusion::datasource::file_format::csv::CsvFormat;
use datafusion::prelude::SessionContext;
use futures_util::TryStreamExt as _;
use object_store_13::{ObjectMeta, ObjectStore};

use super::Source;
use super::objects::Objects;
use crate::error::QueryError;

/// Records of each file that a schema is inferred from: fixed, so that it follows from the bytes.
pub const RECORDS: usize = 10_000;

/// Finds the columns of texts, file by file: together, they would share one number of records, and the last
/// would not be looked at.
pub async fn schema(
    context: &SessionContext,
    objects: &Arc<Objects>,
    source: &Source,
    format: &Arc<dyn FileFormat>,
    files: Vec<ObjectMeta>,
) -> Result<SchemaRef, QueryError> {
    let failed = |what: String| QueryError::Source { name: source.name.clone(), what };
    let of = |error: DataFusionError| match QueryError::of(&error, "", Some(&**objects)) {
        QueryError::Statement { text } => failed(text),
        other => other,
    };
    let store: Arc<dyn ObjectStore> = objects.clone();
    let csv = format.downcast_ref::<CsvFormat>();
    let mut whole: Option<Schema> = None;
    for file in files {
        let state = context.state();
        let found = match csv {
            Some(csv) => {
                let chunks =
                    objects.whole_records(&file.location).map_err(|error| of(error.into()))?;
                let chunks = chunks.map_err(DataFusionError::from);
                let found = csv.infer_schema_from_stream(&state, RECORDS, chunks).await;
                Arc::new(found.map_err(of)?.0)
            }
            None => format.infer_schema(&state, &store, &[file]).await.map_err(of)?,
        };
        if found.fields().is_empty() {
            continue;
        }
        whole = Some(match whole {
            None => Schema::clone(&found),
            // Columns of CSV are told by their places.
            Some(known) if csv.is_some() && !same_names(&known, &found) => {
                let names: Vec<&str> =
                    known.fields().iter().map(|field| field.name().as_str()).collect();
                let names = names.join(", ");
                return Err(failed(format!("its files have other columns than {names}")));
            }
            Some(known) => widened(&known, &found).map_err(failed)?,
        });
    }
    Ok(Arc::new(whole.unwrap_or_else(Schema::empty)))
}

fn same_names(a: &Schema, b: &Schema) -> bool {
    a.fields().iter().map(|field| field.name()).eq(b.fields().iter().map(|field| field.name()))
}

/// Returns the columns that hold what two files do: those of both, with types that fit both.
fn widened(known: &Schema, found: &Schema) -> Result<Schema, String> {
    let mut fields: Vec<FieldRef> = known.fields().iter().cloned().collect();
    for field in found.fields() {
        let Some(place) = fields.iter().position(|other| other.name() == field.name()) else {
            fields.push(field.clone());
            continue;
        };
        let kind = wider(fields[place].data_type(), field.data_type())
            .map_err(|what| format!("its files differ in column `{}`: {what}", field.name()))?;
        fields[place] = Arc::new(Field::new(field.name(), kind, true));
    }
    Ok(Schema::new(fields))
}

fn wider(a: &DataType, b: &DataType) -> Result<DataType, String> {
    Ok(match (a, b) {
        (a, b) if a == b => a.clone(),
        (DataType::Null, other) | (other, DataType::Null) => other.clone(),
        (DataType::Int64, DataType::Float64) | (DataType::Float64, DataType::Int64) => {
            DataType::Float64
        }
        (DataType::Struct(a), DataType::Struct(b)) => {
            DataType::Struct(widened(&Schema::new(a.clone()), &Schema::new(b.clone()))?.fields)
        }
        (DataType::List(a), DataType::List(b)) => {
            let kind = wider(a.data_type(), b.data_type())?;
            DataType::List(Arc::new(Field::new(a.name(), kind, true)))
        }
        (a, b) if a.is_nested() || b.is_nested() => return Err(format!("{a} and {b}")),
        _ => DataType::Utf8,
    })
}
