//! `sum` and `avg`: exact for doubles, DataFusion's own for everything else.

use std::collections::BTreeSet;
use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray as _, BinaryArray, BinaryBuilder, BooleanArray, Float64Array,
    Float64Builder, Int64Array,
};
use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Float64Type, Int64Type};
use datafusion::common::{Result, ScalarValue, exec_datafusion_err};
use datafusion::functions_aggregate::{average, sum};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::AggregateOrderSensitivity;
use datafusion::logical_expr::utils::format_state_name;
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, EmitTo, GroupsAccumulator, Signature,
};

use super::total::Total;

/// What is read off a total.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Reading {
    Sum,
    Average,
}

/// Returns both aggregates.
pub fn sums() -> Vec<AggregateUDF> {
    [(sum::sum_udaf(), Reading::Sum), (average::avg_udaf(), Reading::Average)]
        .map(|(inner, reading)| AggregateUDF::from(ExactSum { inner, reading }))
        .into()
}

/// An aggregate that reads an exact sum.
#[derive(Debug, PartialEq, Eq, Hash)]
struct ExactSum {
    inner: Arc<AggregateUDF>,
    reading: Reading,
}

fn is_double(fields: &[FieldRef]) -> bool {
    fields.first().is_some_and(|field| *field.data_type() == DataType::Float64)
}

impl AggregateUDFImpl for ExactSum {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn aliases(&self) -> &[String] {
        self.inner.aliases()
    }

    fn signature(&self) -> &Signature {
        self.inner.signature()
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        self.inner.return_type(types)
    }

    fn accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        if !is_double(args.expr_fields) {
            return self.inner.accumulator(args);
        }
        let distinct = args.is_distinct.then(BTreeSet::new);
        Ok(Box::new(Running { group: Group::default(), distinct, reading: self.reading }))
    }

    fn create_sliding_accumulator(
        &self,
        args: AccumulatorArgs<'_>,
    ) -> Result<Box<dyn Accumulator>> {
        if is_double(args.expr_fields) {
            return self.accumulator(args);
        }
        self.inner.create_sliding_accumulator(args)
    }

    fn state_fields(&self, args: StateFieldsArgs<'_>) -> Result<Vec<FieldRef>> {
        if !is_double(args.input_fields) {
            return self.inner.state_fields(args);
        }
        let field =
            |part: &str, kind| Arc::new(Field::new(format_state_name(args.name, part), kind, true));
        if args.is_distinct {
            let item = Arc::new(Field::new_list_field(DataType::Float64, true));
            return Ok(vec![field("values", DataType::List(item))]);
        }
        Ok(vec![
            field("count", DataType::Int64),
            field("high", DataType::Float64),
            field("low", DataType::Float64),
            field("wide", DataType::Binary),
        ])
    }

    fn groups_accumulator_supported(&self, args: AccumulatorArgs<'_>) -> bool {
        match is_double(args.expr_fields) {
            true => !args.is_distinct,
            false => self.inner.groups_accumulator_supported(args),
        }
    }

    fn create_groups_accumulator(
        &self,
        args: AccumulatorArgs<'_>,
    ) -> Result<Box<dyn GroupsAccumulator>> {
        if !is_double(args.expr_fields) {
            return self.inner.create_groups_accumulator(args);
        }
        Ok(Box::new(Groups { groups: Vec::new(), heap_bytes: 0, reading: self.reading }))
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        AggregateOrderSensitivity::Insensitive
    }

    fn default_value(&self, data_type: &DataType) -> Result<ScalarValue> {
        self.inner.default_value(data_type)
    }
}

/// What is known of one group.
#[derive(Clone, Debug, Default)]
struct Group {
    total: Total,
    /// How many values were taken in.
    count: i64,
}

impl Group {
    #[inline]
    fn add(&mut self, value: f64) {
        self.total.add(value);
        self.count += 1;
    }

    fn read(&self, reading: Reading) -> Option<f64> {
        let value = (self.count > 0).then(|| self.total.value())?;
        Some(match reading {
            Reading::Sum => value,
            Reading::Average => value / self.count as f64,
        })
    }
}

/// The columns of a state, row by row.
struct States<'a> {
    counts: &'a Int64Array,
    highs: &'a Float64Array,
    lows: &'a Float64Array,
    wides: &'a BinaryArray,
}

impl<'a> States<'a> {
    fn of(columns: &'a [ArrayRef]) -> Result<Self> {
        let [counts, highs, lows, wides] = columns else {
            return Err(exec_datafusion_err!("an exact sum has four columns of state"));
        };
        Ok(Self {
            counts: counts.as_primitive::<Int64Type>(),
            highs: highs.as_primitive::<Float64Type>(),
            lows: lows.as_primitive::<Float64Type>(),
            wides: wides.as_binary::<i32>(),
        })
    }

    fn merge(&self, row: usize, into: &mut Group) -> Result<()> {
        let wide = self.wides.is_valid(row).then(|| self.wides.value(row));
        let total = Total::from_parts(self.highs.value(row), self.lows.value(row), wide);
        let total = total.ok_or_else(|| exec_datafusion_err!("the state of a sum is damaged"))?;
        into.total.merge(&total);
        into.count += self.counts.value(row);
        Ok(())
    }

    fn columns(groups: &[Group]) -> Vec<ArrayRef> {
        let mut highs = Float64Builder::with_capacity(groups.len());
        let mut lows = Float64Builder::with_capacity(groups.len());
        let mut wides = BinaryBuilder::new();
        for group in groups {
            let (high, low, wide) = group.total.parts();
            highs.append_value(high);
            lows.append_value(low);
            wides.append_option(wide);
        }
        let counts: Int64Array = groups.iter().map(|group| Some(group.count)).collect();
        vec![
            Arc::new(counts),
            Arc::new(highs.finish()),
            Arc::new(lows.finish()),
            Arc::new(wides.finish()),
        ]
    }
}

/// Sums of many groups.
struct Groups {
    groups: Vec<Group>,
    heap_bytes: usize,
    reading: Reading,
}

impl Groups {
    fn grow(&mut self, count: usize) {
        self.groups.resize(count.max(self.groups.len()), Group::default());
    }

    /// Takes something into a group, which never holds less for it.
    #[inline]
    fn change<T>(&mut self, index: usize, change: impl FnOnce(&mut Group) -> T) -> T {
        let group = &mut self.groups[index];
        let before = group.total.heap_bytes();
        let result = change(group);
        self.heap_bytes += group.total.heap_bytes() - before;
        result
    }

    fn take(&mut self, emit: EmitTo) -> Vec<Group> {
        let taken = emit.take_needed(&mut self.groups);
        self.measure();
        taken
    }

    fn measure(&mut self) {
        self.heap_bytes = self.groups.iter().map(|group| group.total.heap_bytes()).sum();
    }
}

impl GroupsAccumulator for Groups {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        indices: &[usize],
        filter: Option<&BooleanArray>,
        group_count: usize,
    ) -> Result<()> {
        self.grow(group_count);
        let values = values[0].as_primitive::<Float64Type>();
        let mut take = |index: usize, value: f64| self.change(index, |group| group.add(value));
        if filter.is_none() && values.null_count() == 0 {
            indices.iter().zip(values.values()).for_each(|(index, value)| take(*index, *value));
        } else {
            let passes =
                |row: usize| filter.is_none_or(|filter| filter.is_valid(row) && filter.value(row));
            for (row, index) in indices.iter().enumerate() {
                if values.is_valid(row) && passes(row) {
                    take(*index, values.value(row));
                }
            }
        }
        Ok(())
    }

    fn evaluate(&mut self, emit: EmitTo) -> Result<ArrayRef> {
        let taken = self.take(emit);
        let values: Float64Array = taken.iter().map(|group| group.read(self.reading)).collect();
        Ok(Arc::new(values))
    }

    fn state(&mut self, emit: EmitTo) -> Result<Vec<ArrayRef>> {
        Ok(States::columns(&self.take(emit)))
    }

    fn merge_batch(
        &mut self,
        values: &[ArrayRef],
        indices: &[usize],
        group_count: usize,
    ) -> Result<()> {
        self.grow(group_count);
        let states = States::of(values)?;
        for (row, index) in indices.iter().enumerate() {
            self.change(*index, |group| states.merge(row, group))?;
        }
        Ok(())
    }

    fn convert_to_state(
        &self,
        values: &[ArrayRef],
        filter: Option<&BooleanArray>,
    ) -> Result<Vec<ArrayRef>> {
        let mut each = Self { groups: Vec::new(), heap_bytes: 0, reading: self.reading };
        let rows: Vec<usize> = (0..values[0].len()).collect();
        each.update_batch(values, &rows, filter, rows.len())?;
        Ok(States::columns(&each.groups))
    }

    fn size(&self) -> usize {
        self.groups.capacity() * size_of::<Group>() + self.heap_bytes
    }
}

/// A sum that is read while it grows: of a whole table, or of a window.
#[derive(Debug)]
struct Running {
    group: Group,
    /// The values so far as bits, where each counts once.
    distinct: Option<BTreeSet<u64>>,
    reading: Reading,
}

impl Running {
    fn take(&mut self, value: f64) {
        // Both zeros are one value, and so is whatever is no number.
        let value = if value.is_nan() { f64::NAN } else { value + 0.0 };
        let is_new = self.distinct.as_mut().is_none_or(|seen| seen.insert(value.to_bits()));
        if is_new {
            self.group.add(value);
        }
    }
}

impl Accumulator for Running {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let values = values[0].as_primitive::<Float64Type>();
        if self.distinct.is_none() && values.null_count() == 0 {
            values.values().iter().for_each(|value| self.group.add(*value));
        } else {
            values.iter().flatten().for_each(|value| self.take(value));
        }
        Ok(())
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        Ok(ScalarValue::Float64(self.group.read(self.reading)))
    }

    fn size(&self) -> usize {
        let seen = self.distinct.as_ref().map_or(0, |seen| seen.len() * 16);
        size_of::<Self>() + self.group.total.heap_bytes() + seen
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        if let Some(seen) = &self.distinct {
            let values = seen.iter().map(|bits| ScalarValue::from(f64::from_bits(*bits)));
            let values: Vec<ScalarValue> = values.collect();
            let list = ScalarValue::new_list_nullable(&values, &DataType::Float64);
            return Ok(vec![ScalarValue::List(list)]);
        }
        let columns = States::columns(std::slice::from_ref(&self.group));
        columns.iter().map(|column| ScalarValue::try_from_array(column, 0)).collect()
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        if self.distinct.is_some() {
            for values in states[0].as_list::<i32>().iter().flatten() {
                self.update_batch(&[values])?;
            }
            return Ok(());
        }
        let states = States::of(states)?;
        (0..states.counts.len()).try_for_each(|row| states.merge(row, &mut self.group))
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        for value in values[0].as_primitive::<Float64Type>().iter().flatten() {
            self.group.total.remove(value);
            self.group.count -= 1;
        }
        Ok(())
    }

    fn supports_retract_batch(&self) -> bool {
        self.distinct.is_none()
    }
}
