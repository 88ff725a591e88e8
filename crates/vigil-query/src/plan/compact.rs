//! What is sorted is first let go of what it is a part of.
//!
//! A sort holds all of its input, and counts for each batch the memory that it keeps alive. Aggregations give
//! slices of one long batch, and Arrow files slices of what is mapped, so that each slice would count as
//! the whole: a million groups came to more than four gigabytes, and were spilled. Here such a slice
//! is copied, which costs less than anything that a sort does.

use std::fmt;
use std::sync::Arc;

use datafusion::arrow::array::{
    Array as _, ArrayRef, AsArray as _, RecordBatch, RecordBatchOptions, UInt32Array,
};
use datafusion::arrow::compute::take;
use datafusion::arrow::datatypes::DataType;
use datafusion::common::Result;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{
    Transformed, TransformedResult as _, TreeNode as _, TreeNodeRecursion,
};
use datafusion::execution::TaskContext;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::execution_plan::{
    ChildrenPropertiesMode, ReplaceChildrenOptions, replace_children_if_necessary,
};
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties, SendableRecordBatchStream,
};
use futures_util::TryStreamExt as _;

use crate::weight::own_bytes;

/// Puts [`CompactExec`] below sorts that hold all they are given.
#[derive(Debug)]
pub struct Compact;

impl PhysicalOptimizerRule for Compact {
    fn optimize(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        _: &ConfigOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let below_sorts = |plan: Arc<dyn ExecutionPlan>| match plan.downcast_ref::<SortExec>() {
            Some(sort) if sort.fetch().is_none() => {
                let input = Arc::new(CompactExec { input: sort.input().clone() });
                Ok(Transformed::yes(replace_children_if_necessary(plan, vec![input])?))
            }
            _ => Ok(Transformed::no(plan)),
        };
        plan.transform_up(below_sorts).data()
    }

    fn name(&self) -> &str {
        "compact"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

/// Gives the batches of its input, none of which keeps more memory alive than about twice its own.
#[derive(Debug)]
struct CompactExec {
    input: Arc<dyn ExecutionPlan>,
}

impl DisplayAs for CompactExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CompactExec")
    }
}

impl ExecutionPlan for CompactExec {
    fn name(&self) -> &str {
        "CompactExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.input.properties()
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![true]
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn replace_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn ExecutionPlan>>,
        _: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(Arc::new(Self { input: children.swap_remove(0) }))
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        self.replace_children(
            children,
            ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute),
        )
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let batches = self.input.execute(partition, context)?;
        let compacted = batches.and_then(|batch| async move { compacted(batch) });
        Ok(Box::pin(RecordBatchStreamAdapter::new(self.schema(), compacted)))
    }
}

/// Bytes that may be kept alive without being used.
const SPARE_BYTES: usize = 64 << 10;

/// Says whether so many bytes that are kept alive are far more than those that are used.
fn is_much(kept: usize, used: usize) -> bool {
    kept > used.saturating_mul(2).saturating_add(SPARE_BYTES)
}

fn compacted(batch: RecordBatch) -> Result<RecordBatch> {
    let columns =
        batch.columns().iter().map(compacted_column).collect::<Result<Vec<ArrayRef>>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    Ok(RecordBatch::try_new_with_options(batch.schema(), columns, &options)?)
}

fn compacted_column(column: &ArrayRef) -> Result<ArrayRef> {
    // Rows that share a text have it once, and would have it each: there, own bytes are the more.
    let kept = column.get_buffer_memory_size();
    if !is_much(kept, own_bytes(column)?) {
        return Ok(column.clone());
    }
    let rows = UInt32Array::from_iter_values(0..column.len() as u32);
    let taken = take(column, &rows, None)?;
    // Views are few bytes that point into the memory of others.
    Ok(match taken.data_type() {
        DataType::Utf8View => Arc::new(taken.as_string_view().gc()),
        DataType::BinaryView => Arc::new(taken.as_binary_view().gc()),
        _ => taken,
    })
}
