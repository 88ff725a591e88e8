//! `AND` and `OR` look at each row by itself.
//!
//! DataFusion computes the right side for all rows of a batch, unless the left side has decided all of them
//! (or most). So whether `k <> 3 AND 10 / (k - 3) > 1` fails would depend on which rows share a batch. Where
//! the right side may fail, it is computed for those rows alone that the left side has not decided.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use datafusion::arrow::array::{Array as _, AsArray as _, BooleanArray, RecordBatch};
use datafusion::arrow::compute::{and_kleene, or_kleene};
use datafusion::arrow::datatypes::{DataType, Schema};
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult as _, TreeNode as _};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::{ColumnarValue, Operator};
use datafusion::physical_expr::expressions::{BinaryExpr, CastExpr, Column};
use datafusion::physical_expr::{PhysicalExpr, ScalarFunctionExpr};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::filter::{FilterExec, FilterExecBuilder};
use datafusion::physical_plan::projection::{ProjectionExec, ProjectionExpr};

/// Puts guards into filters and projections, once nothing else changes them any more.
#[derive(Debug)]
pub struct Guards;

impl PhysicalOptimizerRule for Guards {
    fn optimize(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        _: &ConfigOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        plan.transform_up(guarded_node).data()
    }

    fn name(&self) -> &str {
        "guards"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

fn guarded_node(plan: Arc<dyn ExecutionPlan>) -> Result<Transformed<Arc<dyn ExecutionPlan>>> {
    if let Some(filter) = plan.downcast_ref::<FilterExec>() {
        let schema = filter.input().schema();
        let predicate = guarded(filter.predicate(), &schema)?;
        if predicate.transformed {
            let filter = FilterExecBuilder::from(filter).with_predicate(predicate.data).build()?;
            return Ok(Transformed::yes(Arc::new(filter)));
        }
    }
    if let Some(projection) = plan.downcast_ref::<ProjectionExec>() {
        let schema = projection.input().schema();
        let mut is_changed = false;
        let mut list = Vec::new();
        for column in projection.expr() {
            let found = guarded(&column.expr, &schema)?;
            is_changed |= found.transformed;
            list.push(ProjectionExpr { expr: found.data, alias: column.alias.clone() });
        }
        if is_changed {
            let input = projection.input().clone();
            let plan = ProjectionExec::try_new_with_schema_metadata(list, input, &plan.schema())?;
            return Ok(Transformed::yes(Arc::new(plan)));
        }
    }
    Ok(Transformed::no(plan))
}

fn guarded(
    expr: &Arc<dyn PhysicalExpr>,
    schema: &Schema,
) -> Result<Transformed<Arc<dyn PhysicalExpr>>> {
    expr.clone().transform_up(|expr| {
        let Some(binary) = expr.downcast_ref::<BinaryExpr>() else {
            return Ok(Transformed::no(expr));
        };
        let is_and = match binary.op() {
            Operator::And => true,
            Operator::Or => false,
            _ => return Ok(Transformed::no(expr)),
        };
        if !may_fail(binary.right(), schema)? {
            return Ok(Transformed::no(expr));
        }
        let (left, right) = (binary.left().clone(), binary.right().clone());
        Ok(Transformed::yes(Arc::new(Guarded { is_and, left, right })))
    })
}

/// Functions that fail on some values; what else fails does so on constants, or on every row.
#[rustfmt::skip]
const MAY_FAIL: &[&str] = &[
    "array_repeat", "array_resize", "chr", "date_bin", "date_trunc", "decode", "encode", "factorial",
    "from_unixtime", "gcd", "generate_series", "inner_product", "cosine_distance", "array_distance", "lcm",
    "lpad", "make_date", "make_time", "overlay", "power", "range", "regexp_count", "regexp_instr",
    "regexp_like", "regexp_match", "regexp_replace", "repeat", "replace", "rpad", "split_part", "to_char",
    "to_date", "to_time", "to_timestamp", "to_timestamp_micros", "to_timestamp_millis",
    "to_timestamp_nanos", "to_timestamp_seconds", "to_unixtime", "substr", "array_element", "array_slice",
    "cast_to_type", "sqrt",
];

/// Says whether an expression may fail on some rows and not on others.
fn may_fail(expr: &Arc<dyn PhysicalExpr>, schema: &Schema) -> Result<bool> {
    let mut fails = false;
    let mut has_column = false;
    expr.apply(|expr| {
        has_column |= expr.is::<Column>();
        if let Some(binary) = expr.downcast_ref::<BinaryExpr>() {
            let is_division = matches!(binary.op(), Operator::Divide | Operator::Modulo);
            fails |= is_division && !binary.left().data_type(schema)?.is_floating();
        } else if let Some(cast) = expr.downcast_ref::<CastExpr>() {
            fails |= !always_fits(&cast.expr().data_type(schema)?, cast.cast_type());
        } else if let Some(call) = expr.downcast_ref::<ScalarFunctionExpr>() {
            fails |= MAY_FAIL.contains(&call.fun().name());
        }
        Ok(datafusion::common::tree_node::TreeNodeRecursion::Continue)
    })?;
    Ok(fails && has_column)
}

/// Says whether every value of a type has one of another.
fn always_fits(from: &DataType, to: &DataType) -> bool {
    use DataType::{Decimal128, Decimal256, Dictionary, Utf8, Utf8View};
    let is_text = |kind: &DataType| matches!(kind, Utf8 | Utf8View | DataType::LargeUtf8);
    match (from, to) {
        (Dictionary(_, from), to) => always_fits(from, to),
        (DataType::Null, _) => true,
        (from, to) if from == to || is_text(to) => true,
        (from, to) if from.is_integer() && to.is_integer() => {
            let width = |kind: &DataType| kind.primitive_width().unwrap_or(0);
            let is_signed = |kind: &DataType| kind.is_signed_integer();
            width(to) > width(from) && (is_signed(to) || !is_signed(from))
                || width(to) == width(from) && is_signed(to) == is_signed(from)
        }
        (from, to) if from.is_numeric() && to.is_floating() => true,
        (
            Decimal128(precision, scale) | Decimal256(precision, scale),
            Decimal128(precision_to, scale_to) | Decimal256(precision_to, scale_to),
        ) => {
            let digits = |precision: u8, scale: i8| i16::from(precision) - i16::from(scale);
            scale_to >= scale && digits(*precision_to, *scale_to) >= digits(*precision, *scale)
        }
        (DataType::Date32, DataType::Date64 | DataType::Timestamp(..)) => true,
        (DataType::Timestamp(a, _), DataType::Timestamp(b, _)) => a == b,
        _ => false,
    }
}

/// `AND` or `OR`, whose right side is computed for the rows that need it.
#[derive(Debug)]
struct Guarded {
    is_and: bool,
    left: Arc<dyn PhysicalExpr>,
    right: Arc<dyn PhysicalExpr>,
}

impl Guarded {
    fn word(&self) -> &'static str {
        if self.is_and { "AND" } else { "OR" }
    }
}

impl PartialEq for Guarded {
    fn eq(&self, other: &Self) -> bool {
        self.is_and == other.is_and && *self.left == *other.left && *self.right == *other.right
    }
}

impl Eq for Guarded {}

impl Hash for Guarded {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.is_and.hash(state);
        self.left.hash(state);
        self.right.hash(state);
    }
}

impl fmt::Display for Guarded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.left, self.word(), self.right)
    }
}

impl PhysicalExpr for Guarded {
    fn data_type(&self, _: &Schema) -> Result<DataType> {
        Ok(DataType::Boolean)
    }

    fn nullable(&self, schema: &Schema) -> Result<bool> {
        Ok(self.left.nullable(schema)? || self.right.nullable(schema)?)
    }

    fn evaluate(&self, batch: &RecordBatch) -> Result<ColumnarValue> {
        let count = batch.num_rows();
        let left = self.left.evaluate(batch)?.into_array(count)?;
        let left: &BooleanArray = left.as_boolean();
        // What decides: false for AND, true for OR.
        let is_open = |row: usize| !left.is_valid(row) || left.value(row) == self.is_and;
        let open: BooleanArray = (0..count).map(|row| Some(is_open(row))).collect();
        if !open.has_true() {
            return Ok(ColumnarValue::Array(Arc::new(left.clone())));
        }
        let right = match self.right.evaluate_selection(batch, &open)? {
            ColumnarValue::Scalar(ScalarValue::Boolean(value)) => {
                BooleanArray::from(vec![value; count])
            }
            other => other.into_array(count)?.as_boolean().clone(),
        };
        let whole = match self.is_and {
            true => and_kleene(left, &right)?,
            false => or_kleene(left, &right)?,
        };
        Ok(ColumnarValue::Array(Arc::new(whole)))
    }

    fn children(&self) -> Vec<&Arc<dyn PhysicalExpr>> {
        vec![&self.left, &self.right]
    }

    fn with_new_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn PhysicalExpr>>,
    ) -> Result<Arc<dyn PhysicalExpr>> {
        let (right, left) = (children.pop(), children.pop());
        match (left, right) {
            (Some(left), Some(right)) => Ok(Arc::new(Self { is_and: self.is_and, left, right })),
            _ => datafusion::common::internal_err!("a guard has two sides"),
        }
    }

    fn fmt_sql(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.left.fmt_sql(f)?;
        write!(f, " {} ", self.word())?;
        self.right.fmt_sql(f)
    }
}
