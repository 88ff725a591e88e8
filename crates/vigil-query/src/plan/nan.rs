//! What is no number has one pattern of bits wherever it leaves a computation: the sign of 0/0 is one on
//! x86-64 and another on AArch64, and comparing, grouping and sorting look at the bits.

use datafusion::arrow::datatypes::DataType;
use datafusion::common::tree_node::{Transformed, TreeNode as _};
use datafusion::common::{DFSchema, DFSchemaRef, Result};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{Expr, ExprSchemable as _, LogicalPlan, Operator, Projection, cast};

use super::functions::{double_at, is_own, one_nan, place_of_double};

/// Settles the expressions of one node.
pub fn settle(plan: LogicalPlan) -> Result<LogicalPlan> {
    // A scan computes nothing, and its columns are not those of an input.
    if matches!(plan, LogicalPlan::TableScan(_)) {
        return Ok(plan);
    }
    let schema = merge_schema(&plan.inputs());
    let names = NamePreserver::new(&plan);
    let mapped = plan.map_expressions(|expr| {
        // Its columns are known by the names that are in it.
        if matches!(expr, Expr::GroupingSet(_)) {
            return Ok(Transformed::no(expr));
        }
        let saved = names.save(&expr);
        let inner = expr.transform_up(|expr| {
            // Within arithmetic the bits do not show.
            if is_arithmetic(&expr) || is_settled(&expr) {
                return Ok(Transformed::no(expr));
            }
            expr.map_children(|child| wrapped(child, &schema))
        })?;
        let whole = inner.transform_data(|expr| wrapped(expr, &schema))?;
        Ok(whole.update_data(|expr| saved.restore(expr)))
    })?;
    Ok(mapped.data)
}

/// What is left to do to a column that a function has computed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Left {
    /// It is what it should be.
    Nothing,
    /// DataFusion computed it.
    OneNan,
    /// It is the place of a double, or of another type of floating point, among all.
    Value(DataType),
}

/// Settles the columns of an aggregation or of windows: the last ones, as `left` says; their names and types
/// become those of `schema`.
pub fn settle_columns(
    plan: LogicalPlan,
    left: &[Left],
    schema: DFSchemaRef,
) -> Result<LogicalPlan> {
    if left.iter().all(|left| *left == Left::Nothing) {
        return Ok(plan);
    }
    let first = schema.fields().len() - left.len();
    let columns = schema.iter().enumerate().map(|(place, (qualifier, field))| {
        let column = Expr::Column(plan.schema().qualified_field(place).into());
        let named = |expr: Expr| expr.alias_qualified(qualifier.cloned(), field.name());
        match place.checked_sub(first).map_or(&Left::Nothing, |place| &left[place]) {
            Left::OneNan if is_float(field.data_type()) => named(one_nan().call(vec![column])),
            Left::Value(kind) => {
                let double = double_at().call(vec![column]);
                named(if *kind == DataType::Float64 { double } else { cast(double, kind.clone()) })
            }
            _ => column,
        }
    });
    let columns = columns.collect();
    let plan = Projection::try_new_with_schema(columns, plan.into(), schema)?;
    Ok(LogicalPlan::Projection(plan))
}

/// Prepares a function for what is left to do: the least and the greatest of doubles are found by their
/// places, since comparing has no place for what is no number, and none of two zeros is the smaller.
pub fn prepare(expr: &mut Expr, schema: &DFSchema) -> Result<Left> {
    let name = expr.schema_name().to_string();
    let mut inner = std::mem::take(expr);
    while let Expr::Alias(alias) = inner {
        inner = *alias.expr;
    }
    let (function, arguments) = match &mut inner {
        Expr::AggregateFunction(call) => (call.func.name().to_owned(), &mut call.params.args),
        Expr::WindowFunction(call) => (call.fun.name().to_owned(), &mut call.params.args),
        _ => {
            *expr = inner.alias_if_changed(name)?;
            return Ok(Left::Nothing);
        }
    };
    let mut left = Left::Nothing;
    match (function.as_str(), arguments.as_mut_slice()) {
        ("median" | "percentile_cont", _) => left = Left::OneNan,
        ("min" | "max", [argument]) => {
            let kind = argument.get_type(schema)?;
            if is_float(&kind) {
                let double = cast(std::mem::take(argument), DataType::Float64);
                *argument = place_of_double().call(vec![double]);
                left = Left::Value(kind);
            }
        }
        _ => {}
    }
    *expr = inner.alias_if_changed(name)?;
    Ok(left)
}

fn is_float(kind: &DataType) -> bool {
    matches!(kind, DataType::Float16 | DataType::Float32 | DataType::Float64)
}

fn wrapped(expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    let is_computed = match &expr {
        Expr::BinaryExpr(_) => is_arithmetic(&expr),
        Expr::ScalarFunction(call) => !is_own(call.func.name()),
        _ => false,
    };
    if is_computed && is_float(&expr.get_type(schema)?) {
        return Ok(Transformed::yes(one_nan().call(vec![expr])));
    }
    Ok(Transformed::no(expr))
}

fn is_arithmetic(expr: &Expr) -> bool {
    use Operator::{Divide, Minus, Modulo, Multiply, Plus};
    matches!(expr, Expr::BinaryExpr(binary) if matches!(binary.op, Plus | Minus | Multiply | Divide | Modulo))
}

fn is_settled(expr: &Expr) -> bool {
    matches!(expr, Expr::ScalarFunction(call) if is_own(call.func.name()))
}
