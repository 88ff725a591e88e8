//! CSV with a text that stands for no value: DataFusion's reader does not know it, and only its inference
//! of types does.

use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::catalog::TableProvider;
use datafusion::common::{Column, Result};
use datafusion::datasource::{ViewTable, provider_as_source};
use datafusion::functions::core::expr_fn::nullif;
use datafusion::logical_expr::{Expr, LogicalPlanBuilder, cast, lit};

/// Returns the columns of a schema, all as texts.
pub fn as_texts(schema: &SchemaRef) -> SchemaRef {
    let fields = schema.fields().iter().map(|field| Field::new(field.name(), DataType::Utf8, true));
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

/// Returns a table whose columns have the types of a schema, over one that has them as texts; columns that the
/// schema does not have stay as they are.
pub fn table(
    texts: Arc<dyn TableProvider>,
    schema: &SchemaRef,
    null: &str,
) -> Result<Arc<dyn TableProvider>> {
    let whole = texts.schema();
    let columns = whole.fields().iter().map(|field| {
        let column = Expr::Column(Column::new(Some("texts"), field.name()));
        match schema.field_with_name(field.name()) {
            Ok(known) => {
                let value = nullif(column, lit(null));
                cast(value, known.data_type().clone()).alias(field.name())
            }
            Err(_) => column.alias(field.name()),
        }
    });
    let columns: Vec<Expr> = columns.collect();
    let scan = LogicalPlanBuilder::scan("texts", provider_as_source(texts), None)?;
    Ok(Arc::new(ViewTable::new(scan.project(columns)?.build()?, None)))
}
