//! Aggregates that depend on the order of their rows get one; those that approximate are refused.

use datafusion::arrow::datatypes::DataType;
use datafusion::common::tree_node::{Transformed, TreeNode as _};
use datafusion::common::{DFSchema, Result, plan_err};
use datafusion::logical_expr::expr::{AggregateFunction, AggregateFunctionParams};
use datafusion::logical_expr::{Aggregate, Expr, ExprSchemable as _, LogicalPlan, SortExpr, cast};

use super::plain_double;

/// Settles the aggregates of one node.
pub fn settle(mut aggregate: Aggregate) -> Result<LogicalPlan> {
    let schema = aggregate.input.schema().clone();
    for expr in &mut aggregate.aggr_expr {
        let name = expr.schema_name().to_string();
        let changed = std::mem::take(expr).transform(|expr| match expr {
            Expr::AggregateFunction(call) => {
                let settled = function(call, &schema)?;
                Ok(Transformed::yes(Expr::AggregateFunction(settled)))
            }
            other => Ok(Transformed::no(other)),
        })?;
        // What is above knows it by its name, which lists the order.
        *expr = match changed.data {
            plain if plain.schema_name().to_string() == name => plain,
            other => other.alias(name),
        };
    }
    Ok(LogicalPlan::Aggregate(Aggregate::try_new_with_schema(
        aggregate.input,
        aggregate.group_expr,
        aggregate.aggr_expr,
        aggregate.schema,
    )?))
}

/// Adds arguments to an order that does not have them.
fn extend_by(order: &mut Vec<SortExpr>, arguments: &[Expr]) {
    for argument in arguments {
        let is_known = order.iter().any(|sort| sort.expr == *argument);
        if !is_known && !matches!(argument, Expr::Literal(..)) {
            order.push(argument.clone().sort(true, false));
        }
    }
}

/// Settles one call of an aggregate.
fn function(call: AggregateFunction, schema: &DFSchema) -> Result<AggregateFunction> {
    let AggregateFunction { func, mut params } = call;
    check_name(func.name())?;
    match func.name() {
        "array_agg" | "string_agg" => extend_by(&mut params.order_by, &params.args),
        name @ ("first_value" | "last_value" | "nth_value") => {
            if params.order_by.is_empty() {
                return plan_err!(
                    "`{name}` needs an order to have one answer: {name}(x ORDER BY y)"
                );
            }
            extend_by(&mut params.order_by, &params.args);
        }
        "min" | "max" => params = plain_zeros(params, schema)?,
        _ => {}
    }
    Ok(AggregateFunction { func, params })
}

/// Refuses aggregates by name that have more than one answer.
pub fn check_name(name: &str) -> Result<()> {
    match name {
        "any_value" => plan_err!("`any_value` may be any value; `min` and `max` are one"),
        name if name.starts_with("approx_") => {
            let exact = match name {
                "approx_distinct" => "count(DISTINCT x)",
                "approx_median" => "median(x)",
                _ => "percentile_cont(p) WITHIN GROUP (ORDER BY x)",
            };
            plan_err!("`{name}` depends on how the work is divided; use `{exact}`")
        }
        _ => Ok(()),
    }
}

/// Of two zeros neither is the smaller: both become one.
fn plain_zeros(
    mut params: AggregateFunctionParams,
    schema: &DFSchema,
) -> Result<AggregateFunctionParams> {
    for argument in &mut params.args {
        let kind = argument.get_type(schema)?;
        if kind.is_floating() {
            let plain = plain_double().call(vec![std::mem::take(argument)]);
            // The aggregate keeps its type.
            *argument = if kind == DataType::Float64 { plain } else { cast(plain, kind) };
        }
    }
    Ok(params)
}
