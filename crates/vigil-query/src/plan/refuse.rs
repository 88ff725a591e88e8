//! What a query may not do: change something, or ask the world what time it is.

use std::collections::BTreeSet;

use datafusion::common::tree_node::{TreeNode as _, TreeNodeRecursion};
use datafusion::common::{Result, plan_err};
use datafusion::logical_expr::{Expr, LogicalPlan, Volatility};

/// What a query may ask of the world.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Allowed {
    /// The time.
    pub clock: bool,
    /// Random numbers.
    pub randomness: bool,
}

impl Allowed {
    /// Returns the words for it.
    pub fn needs(self) -> BTreeSet<String> {
        let words = [(self.clock, "clock"), (self.randomness, "randomness")];
        words.iter().filter(|(is, _)| *is).map(|(_, word)| (*word).to_owned()).collect()
    }

    fn permits(self, name: &str) -> Result<()> {
        let (is_allowed, word) = match name {
            "now" | "current_timestamp" | "current_date" | "current_time" | "today" => {
                (self.clock, "clock")
            }
            "random" | "uuid" => (self.randomness, "randomness"),
            _ => return plan_err!("`{name}` says something else each time, and is not to be had"),
        };
        if is_allowed {
            return Ok(());
        }
        plan_err!(
            "`{name}` says something else each time, so its result could not be kept; ask for it \
             with `--allow {word}`"
        )
    }
}

/// Checks that a statement only reads, and asks nothing of the world that is not allowed.
pub fn check(plan: &LogicalPlan, allowed: Allowed) -> Result<()> {
    plan.apply_with_subqueries(|plan| {
        match plan {
            LogicalPlan::Ddl(_)
            | LogicalPlan::Dml(_)
            | LogicalPlan::Copy(_)
            | LogicalPlan::Statement(_) => {
                return plan_err!("a query only reads; `{}` does not", plan.display());
            }
            _ => {}
        }
        plan.apply_expressions(|expr| {
            expr.apply(|expr| {
                match expr {
                    Expr::ScalarFunction(call)
                        if call.func.signature().volatility != Volatility::Immutable =>
                    {
                        allowed.permits(call.func.name())?;
                    }
                    Expr::ScalarVariable(..) => {
                        return plan_err!("there are no variables here");
                    }
                    _ => {}
                }
                Ok(TreeNodeRecursion::Continue)
            })
        })
    })
    .map(|_| ())
}
