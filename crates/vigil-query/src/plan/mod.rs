//! What happens to a query between its text and its run: refusals, and the rules that leave it only one
//! answer.

mod aggregates;
mod functions;
mod order;
mod refuse;
mod windows;

use datafusion::common::Result;
use datafusion::common::tree_node::Transformed;
use datafusion::logical_expr::LogicalPlan;

pub use functions::{functions, plain_double};
pub use refuse::{Allowed, check};

/// Rewrites a plan so that every part of it has one answer, and its rows one order.
///
/// It is done before optimization, so that no optimizer sees a choice that is left open.
pub fn settle(plan: LogicalPlan) -> Result<LogicalPlan> {
    let plan = plan.transform_up_with_subqueries(|plan| {
        let plan = match plan {
            LogicalPlan::Aggregate(aggregate) => aggregates::settle(aggregate)?,
            LogicalPlan::Window(window) => windows::settle(window)?,
            LogicalPlan::Limit(limit) => order::limit(limit)?,
            LogicalPlan::Distinct(distinct) => order::distinct(distinct)?,
            other => return Ok(Transformed::no(other)),
        };
        Ok(Transformed::yes(plan))
    })?;
    order::root(plan.data)
}
