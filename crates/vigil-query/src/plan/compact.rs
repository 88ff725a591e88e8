//! What is sorted is first let go of what it is a part of.
//!
//! A sort holds all of its input, and counts for each batch the memory that it keeps alive. Aggregations give
//! slices of one long batch, and Arrow files slices of what is mapped, so that each slice would count as
//! the whole: a million groups came to more than four gigabytes, and were spilled. Here such a slice
//! is copied, which costs less than anything that a sort does.

use std::fmt;
use std::sync::Arc;

use datafusion::arrow::array::{Array as _, ArrayRef, AsArray as _, RecordBatch, UInt32Array};
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

fn compacted(batch: RecordBatch) -> Result<RecordBatch> {
    let columns = batch.columns().iter();
    let own: usize =
        columns.map(|column| column.to_data().get_slice_memory_size()).sum::<Result<_, _>>()?;
    if batch.get_array_memory_size() <= 2 * own + SPARE_BYTES {
        return Ok(batch);
    }
    let rows = UInt32Array::from_iter_values(0..batch.num_rows() as u32);
    let columns = batch.columns().iter().map(|column| -> Result<ArrayRef> {
        Ok(match column.data_type() {
            // Views are few bytes that point into others'.
            DataType::Utf8View => Arc::new(column.as_string_view().gc()),
            DataType::BinaryView => Arc::new(column.as_binary_view().gc()),
            _ => take(column, &rows, None)?,
        })
    });
    let columns = columns.collect::<Result<Vec<ArrayRef>>>()?;
    if columns.is_empty() {
        return Ok(batch);
    }
    Ok(RecordBatch::try_new(batch.schema(), columns)?)
}
