//! Aggregates that depend on the order of their rows get one; those that approximate are refused.

use datafusion::common::tree_node::{Transformed, TreeNode as _};
use datafusion::common::{Result, plan_err};
use datafusion::logical_expr::expr::AggregateFunction;
use datafusion::logical_expr::{Aggregate, Expr, LogicalPlan, SortExpr};

use super::nan::{self, Left};

/// Settles the aggregates of one node.
pub fn settle(mut aggregate: Aggregate) -> Result<LogicalPlan> {
    let schema = aggregate.input.schema().clone();
    for expr in &mut aggregate.aggr_expr {
        let name = expr.schema_name().to_string();
        let changed = std::mem::take(expr).transform(|expr| match expr {
            Expr::AggregateFunction(call) => {
                let settled = function(call)?;
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
    let (kept, names) = (aggregate.aggr_expr.clone(), aggregate.schema.clone());
    let left = aggregate.aggr_expr.iter_mut().map(|expr| nan::prepare(expr, &schema));
    let left = left.collect::<Result<Vec<Left>>>()?;
    if left.iter().all(|left| *left == Left::Nothing) {
        return Ok(LogicalPlan::Aggregate(Aggregate::try_new_with_schema(
            aggregate.input,
            aggregate.group_expr,
            kept,
            aggregate.schema,
        )?));
    }
    let plan = Aggregate::try_new(aggregate.input, aggregate.group_expr, aggregate.aggr_expr)?;
    nan::settle_columns(LogicalPlan::Aggregate(plan), &left, names)
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
fn function(call: AggregateFunction) -> Result<AggregateFunction> {
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
