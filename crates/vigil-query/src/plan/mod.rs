//! What happens to a query between its text and its run: refusals, and the rules that leave it only one
//! answer.

mod aggregates;
mod bounded;
mod compact;
mod functions;
mod guards;
mod known;
mod nan;
mod order;
mod refuse;
mod windows;

use datafusion::common::Result;
use datafusion::common::tree_node::Transformed;
use datafusion::logical_expr::LogicalPlan;

pub use bounded::bounded;
pub use compact::Compact;
pub use functions::{column_with_one_nan, functions};
pub use guards::Guards;
pub use known::{is_known, restrict};
pub use refuse::{Allowed, check, check_names, check_size};

/// Rewrites a plan so that every part of it has one answer, and its rows one order.
///
/// It is done before optimization, so that no optimizer sees a choice that is left open.
pub fn settle(plan: LogicalPlan) -> Result<LogicalPlan> {
    let plan = plan.transform_up_with_subqueries(|plan| {
        let plan = match nan::settle(plan)? {
            LogicalPlan::Aggregate(aggregate) => aggregates::settle(aggregate)?,
            LogicalPlan::Window(window) => windows::settle(window)?,
            LogicalPlan::Limit(limit) => order::limit(limit)?,
            LogicalPlan::Distinct(distinct) => order::distinct(distinct)?,
            other => other,
        };
        Ok(Transformed::yes(plan))
    })?;
    order::root(plan.data)
}
