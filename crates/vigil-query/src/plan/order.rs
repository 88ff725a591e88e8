//! The order of rows: where it decides which rows there are, and the order of a result.
//!
//! Rows come in the order of `ORDER BY`, and those that it leaves equal, or all if there is none, in the
//! order of their columns from left to right, rising, nulls last. Rows that are equal in all columns
//! cannot be told apart.

use std::sync::Arc;

use datafusion::arrow::row::{RowConverter, SortField};
use datafusion::common::{Result, plan_err};
use datafusion::logical_expr::{
    Distinct, Expr, ExprSchemable as _, Limit, LogicalPlan, Projection, Sort, SortExpr,
    SubqueryAlias,
};

use super::functions::place_of_double;

/// Adds every column of `plan` that is not there yet to an order.
pub fn extend(order: &mut Vec<SortExpr>, plan: &LogicalPlan) -> Result<()> {
    for (qualifier, field) in plan.schema().iter() {
        let column = Expr::Column((qualifier, field).into());
        let kind = field.data_type();
        let key = if kind.is_floating() { place_of_double().call(vec![column]) } else { column };
        if order.iter().any(|sort| sort.expr == key) {
            continue;
        }
        if !RowConverter::supports_fields(&[SortField::new(kind.clone())]) {
            return plan_err!(
                "rows need an order, and `{}` of type {kind} has none; leave it out or cast it to \
                 text",
                field.name()
            );
        }
        order.push(key.sort(true, false));
    }
    Ok(())
}

/// Orders rows by all columns.
fn sorted(plan: LogicalPlan) -> Result<LogicalPlan> {
    let mut order = Vec::new();
    extend(&mut order, &plan)?;
    if order.is_empty() {
        return Ok(plan);
    }
    Ok(LogicalPlan::Sort(Sort { expr: order, input: Arc::new(plan), fetch: None }))
}

/// Makes the order of a plan that has one complete; gives it back if it has none.
fn completed(plan: LogicalPlan) -> Result<std::result::Result<LogicalPlan, LogicalPlan>> {
    Ok(match plan {
        LogicalPlan::Sort(mut sort) => {
            // What a limit has seen lets it skip what compares as no smaller, where both zeros are
            // equal; as places on the line of numbers they are not.
            for key in &mut sort.expr {
                if key.expr.get_type(sort.input.schema())?.is_floating() {
                    key.expr = place_of_double().call(vec![std::mem::take(&mut key.expr)]);
                }
            }
            extend(&mut sort.expr, &sort.input)?;
            Ok(LogicalPlan::Sort(sort))
        }
        LogicalPlan::Limit(limit) => Ok(LogicalPlan::Limit(limit)),
        // What computes may be given to several threads, which join their rows as they come.
        LogicalPlan::Projection(projection) if projection.expr.iter().all(is_column) => {
            let input = Arc::unwrap_or_clone(projection.input);
            let rebuild = |input: LogicalPlan| {
                Projection::try_new_with_schema(projection.expr, Arc::new(input), projection.schema)
            };
            match completed(input)? {
                Ok(input) => Ok(LogicalPlan::Projection(rebuild(input)?)),
                Err(input) => Err(LogicalPlan::Projection(rebuild(input)?)),
            }
        }
        LogicalPlan::SubqueryAlias(named) => {
            let alias = named.alias;
            let rebuild = |input: LogicalPlan| SubqueryAlias::try_new(Arc::new(input), alias);
            match completed(Arc::unwrap_or_clone(named.input))? {
                Ok(input) => Ok(LogicalPlan::SubqueryAlias(rebuild(input)?)),
                Err(input) => Err(LogicalPlan::SubqueryAlias(rebuild(input)?)),
            }
        }
        other => Err(other),
    })
}

/// Says whether an expression is a column as it stands, under whatever name.
fn is_column(expr: &Expr) -> bool {
    match expr {
        Expr::Column(_) => true,
        Expr::Alias(alias) => is_column(&alias.expr),
        _ => false,
    }
}

/// Orders what a result, or a limit, is taken from.
fn ordered(plan: LogicalPlan) -> Result<LogicalPlan> {
    match completed(plan)? {
        Ok(plan) => Ok(plan),
        Err(plan) => sorted(plan),
    }
}

/// Settles which rows a limit lets through.
pub fn limit(limit: Limit) -> Result<LogicalPlan> {
    let input = ordered(Arc::unwrap_or_clone(limit.input))?;
    Ok(LogicalPlan::Limit(Limit { input: Arc::new(input), ..limit }))
}

/// Settles which row `DISTINCT ON` keeps.
pub fn distinct(distinct: Distinct) -> Result<LogicalPlan> {
    let Distinct::On(mut on) = distinct else { return Ok(LogicalPlan::Distinct(distinct)) };
    let mut order = match on.sort_expr.take() {
        Some(order) => order,
        None => on.on_expr.iter().map(|expr| expr.clone().sort(true, false)).collect(),
    };
    extend(&mut order, &on.input)?;
    Ok(LogicalPlan::Distinct(Distinct::On(on.with_sort_expr(order)?)))
}

/// Settles the order of a result.
pub fn root(plan: LogicalPlan) -> Result<LogicalPlan> {
    match plan {
        plan @ (LogicalPlan::Explain(_)
        | LogicalPlan::Analyze(_)
        | LogicalPlan::DescribeTable(_)) => Ok(plan),
        plan => ordered(plan),
    }
}
