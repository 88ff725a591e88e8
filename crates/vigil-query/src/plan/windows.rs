//! Window functions that tell rows apart which `ORDER BY` leaves equal get a complete order.

use std::sync::Arc;

use datafusion::common::{Result, plan_err};
use datafusion::logical_expr::expr::WindowFunction;
use datafusion::logical_expr::{
    Expr, LogicalPlan, Projection, Window, WindowFrameBound, WindowFrameUnits,
};

use super::{aggregates, nan, order};

/// Settles the window functions of one node. All that stand in one node share an order, so those that
/// get a longer one move to a node of their own below.
pub fn settle(window: Window) -> Result<LogicalPlan> {
    let mut plain = Vec::new();
    let mut longer = Vec::new();
    let mut left = Vec::new();
    for mut expr in window.window_expr {
        left.push(nan::prepare(&mut expr, window.input.schema())?);
        match extended(&expr, &window.input)? {
            Some(settled) => longer.push(settled),
            None => plain.push(expr),
        }
    }
    let mut plan = window.input;
    for list in [longer, plain] {
        if !list.is_empty() {
            plan = Arc::new(LogicalPlan::Window(Window::try_new(list, plan)?));
        }
    }
    // What is above counts on the order of the columns.
    let columns = window.schema.iter().map(|parts| Expr::Column(parts.into())).collect();
    let plan = LogicalPlan::Projection(Projection::try_new(columns, plan)?);
    nan::settle_columns(plan, &left, window.schema)
}

/// Returns the expression with a complete order, where it needs one.
fn extended(expr: &Expr, input: &LogicalPlan) -> Result<Option<Expr>> {
    let name = expr.schema_name().to_string();
    let mut inner = expr.clone();
    while let Expr::Alias(alias) = inner {
        inner = *alias.expr;
    }
    let Expr::WindowFunction(mut function) = inner else { return Ok(None) };
    if !needs_order(&function)? {
        return Ok(None);
    }
    order::extend(&mut function.params.order_by, input)?;
    Ok(Some(Expr::WindowFunction(function).alias(name)))
}

/// Says whether a function shows the order of rows that are equal in its own one.
fn needs_order(function: &WindowFunction) -> Result<bool> {
    let name = function.fun.name();
    aggregates::check_name(name)?;
    let frame = &function.params.window_frame;
    let is_by_rows = frame.units == WindowFrameUnits::Rows;
    let is_whole = frame.start_bound.is_unbounded() && frame.end_bound.is_unbounded();
    let is_from_start = frame.start_bound.is_unbounded();
    let is_to_end = frame.end_bound.is_unbounded();
    match name {
        "row_number" | "ntile" | "lag" | "lead" => Ok(true),
        "rank" | "dense_rank" | "percent_rank" | "cume_dist" => Ok(false),
        "first_value" if is_by_rows || is_from_start && reaches_row(&frame.end_bound) => Ok(true),
        "last_value" if is_by_rows || is_to_end && starts_at_row(&frame.start_bound) => Ok(true),
        "nth_value" | "array_agg" | "string_agg" if is_by_rows || is_whole => Ok(true),
        "first_value" | "last_value" | "nth_value" | "array_agg" | "string_agg" => plan_err!(
            "`{name}` over rows that are equal in its order has more than one answer; add `ROWS \
             BETWEEN …` to its window"
        ),
        _ => Ok(is_by_rows && !is_whole),
    }
}

/// Says whether a frame that ends so always holds the row itself.
fn reaches_row(end: &WindowFrameBound) -> bool {
    end.is_unbounded() || matches!(end, WindowFrameBound::CurrentRow)
}

/// Says whether a frame that starts so always holds the row itself.
fn starts_at_row(start: &WindowFrameBound) -> bool {
    start.is_unbounded() || matches!(start, WindowFrameBound::CurrentRow)
}
