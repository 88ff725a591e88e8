//! One form for each result: the same values are the same bytes, however they were computed.
//!
//! Arrow leaves free what stands below a null, whether a bitmap without nulls is there, how strings are
//! laid out and where rows are cut into batches. Here nothing is left free: nulls have zeros or nothing
//! below them, a bitmap is there if there is a null, texts are `Utf8` (`LargeUtf8` where the type says
//! so), dictionaries, views and runs are spelt out, all that is no number is one pattern of bits, and a
//! batch has [`BATCH_ROWS`] rows.

use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayData, ArrayDataBuilder, ArrayRef, AsArray as _, BooleanArray, make_array,
};
use datafusion::arrow::buffer::{BooleanBuffer, Buffer, MutableBuffer, NullBuffer};
use datafusion::arrow::compute::{cast, concat};
use datafusion::arrow::datatypes::{
    ArrowNativeType, DataType, Field, FieldRef, Fields, Schema, SchemaRef,
};
use datafusion::arrow::error::ArrowError;
use datafusion::arrow::record_batch::{RecordBatch, RecordBatchOptions};
use datafusion::execution::memory_pool::MemoryReservation;

use crate::plan::column_with_one_nan;
use crate::weight::own_bytes;

/// Rows of each batch of a result but the last. A multiple of eight, so that bitmaps are cut at bytes.
pub const BATCH_ROWS: usize = 64 << 10;

type Result<T> = std::result::Result<T, ArrowError>;

/// Returns the form that a type has in results.
fn plain_type(kind: &DataType) -> Result<DataType> {
    let inner = |field: &FieldRef| {
        let kind = plain_type(field.data_type())?;
        Ok::<_, ArrowError>(Arc::new(Field::new(field.name(), kind, field.is_nullable())))
    };
    Ok(match kind {
        DataType::Utf8View => DataType::Utf8,
        DataType::BinaryView => DataType::Binary,
        DataType::Dictionary(_, value) => plain_type(value)?,
        DataType::RunEndEncoded(_, values) => plain_type(values.data_type())?,
        DataType::List(field) | DataType::ListView(field) => DataType::List(inner(field)?),
        DataType::LargeList(field) | DataType::LargeListView(field) => {
            DataType::LargeList(inner(field)?)
        }
        DataType::FixedSizeList(field, len) => DataType::FixedSizeList(inner(field)?, *len),
        DataType::Struct(fields) => {
            DataType::Struct(fields.iter().map(inner).collect::<Result<Fields>>()?)
        }
        DataType::Map(..) | DataType::Union(..) => {
            let text =
                format!("a result has no columns of type {kind}; take it apart in the query");
            return Err(ArrowError::NotYetImplemented(text));
        }
        plain => plain.clone(),
    })
}

/// Returns the schema that a result has: plain types, and nothing but names and types.
pub fn plain_schema(schema: &Schema) -> Result<SchemaRef> {
    let fields = schema.fields().iter().map(|field| {
        Ok(Field::new(field.name(), plain_type(field.data_type())?, field.is_nullable()))
    });
    Ok(Arc::new(Schema::new(fields.collect::<Result<Vec<Field>>>()?)))
}

/// Puts rows into canonical batches, as they come.
#[derive(Debug)]
pub struct Canonical {
    schema: SchemaRef,
    /// The batch that is being filled: slices of those that came.
    pending: Vec<RecordBatch>,
    pending_rows: usize,
    /// What is held, in all.
    held: MemoryReservation,
    batches: Vec<RecordBatch>,
    batch_bytes: usize,
}

impl Canonical {
    /// Begins a result with plain types; what it holds counts.
    pub fn new(schema: SchemaRef, held: MemoryReservation) -> Self {
        let (pending, batches) = Default::default();
        Self { schema, pending, pending_rows: 0, held, batches, batch_bytes: 0 }
    }

    /// Takes in a batch.
    pub fn push(&mut self, batch: &RecordBatch) -> datafusion::common::Result<()> {
        let mut start = 0;
        while start < batch.num_rows() {
            let count = (BATCH_ROWS - self.pending_rows).min(batch.num_rows() - start);
            let part = batch.slice(start, count);
            self.held.try_grow(slice_bytes(&part)?)?;
            self.pending.push(part);
            self.pending_rows += count;
            start += count;
            if self.pending_rows == BATCH_ROWS {
                self.close()?;
            }
        }
        Ok(())
    }

    fn close(&mut self) -> datafusion::common::Result<()> {
        // Until the parts are gone, they are there twice.
        let pending_bytes = self.held.size() - self.batch_bytes;
        self.held.try_grow(pending_bytes)?;
        let batch = joined(&self.schema, &self.pending, self.pending_rows)?;
        self.pending.clear();
        self.pending_rows = 0;
        self.batch_bytes += batch.get_array_memory_size();
        self.held.try_resize(self.batch_bytes)?;
        self.batches.push(batch);
        Ok(())
    }

    /// Returns the columns and the batches, and what counts for as long as they are held.
    pub fn finish(
        mut self,
    ) -> datafusion::common::Result<(SchemaRef, Vec<RecordBatch>, MemoryReservation)> {
        if self.pending_rows > 0 {
            self.close()?;
        }
        Ok((self.schema, self.batches, self.held))
    }
}

/// Returns the bytes that a batch's rows take once they are spelt out.
fn slice_bytes(batch: &RecordBatch) -> datafusion::common::Result<usize> {
    Ok(batch.columns().iter().map(|column| own_bytes(column)).sum::<Result<usize>>()?)
}

fn joined(schema: &SchemaRef, parts: &[RecordBatch], rows: usize) -> Result<RecordBatch> {
    let columns = schema.fields().iter().enumerate().map(|(index, field)| {
        let pieces = parts
            .iter()
            .map(|part| cast(part.column(index), field.data_type()))
            .collect::<Result<Vec<ArrayRef>>>()?;
        let pieces: Vec<&dyn Array> = pieces.iter().map(|piece| &**piece).collect();
        let whole = concat(&pieces)?;
        Ok(make_array(plain(&whole, None)?))
    });
    let columns = columns.collect::<Result<Vec<ArrayRef>>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(schema.clone(), columns, &options)
}

/// Brings an array into its one form; `above` are nulls of what it is a part of. What is in it already, as
/// columns without nulls mostly are, is not copied.
fn plain(array: &ArrayRef, above: Option<&NullBuffer>) -> Result<ArrayData> {
    let nulls = NullBuffer::union(array.logical_nulls().as_ref(), above);
    let nulls = nulls.filter(|nulls| nulls.null_count() > 0);
    let bitmap = nulls.as_ref().map(|nulls| {
        let bits: BooleanBuffer = nulls.iter().collect();
        bits.into_inner()
    });
    let builder =
        ArrayDataBuilder::new(array.data_type().clone()).len(array.len()).null_bit_buffer(bitmap);
    let is_null = |row: usize| nulls.as_ref().is_some_and(|nulls| nulls.is_null(row));
    let builder = match array.data_type() {
        DataType::Null => return Ok(array.to_data()),
        DataType::Boolean => {
            let values: &BooleanArray = array.as_boolean();
            let bits: BooleanBuffer =
                (0..array.len()).map(|row| !is_null(row) && values.value(row)).collect();
            builder.add_buffer(bits.into_inner())
        }
        DataType::Utf8 | DataType::Binary => variable::<i32>(builder, &array.to_data(), is_null)?,
        DataType::LargeUtf8 | DataType::LargeBinary => {
            variable::<i64>(builder, &array.to_data(), is_null)?
        }
        DataType::List(_) => list::<i32>(builder, array, is_null)?,
        DataType::LargeList(_) => list::<i64>(builder, array, is_null)?,
        DataType::FixedSizeList(_, len) => {
            let values = array.as_fixed_size_list().values().clone();
            let below: NullBuffer = (0..array.len())
                .flat_map(|row| std::iter::repeat_n(!is_null(row), *len as usize))
                .collect::<Vec<bool>>()
                .into();
            builder.add_child_data(plain(&values, Some(&below))?)
        }
        DataType::Struct(_) => {
            let columns = array.as_struct().columns().iter();
            columns
                .map(|column| plain(column, nulls.as_ref()))
                .try_fold(builder, |builder, child| {
                    Ok::<_, ArrowError>(builder.add_child_data(child?))
                })?
        }
        kind => builder.add_buffer(fixed(array, kind, is_null)?),
    };
    builder.build()
}

/// Gives back values of one length, with zeros below nulls.
fn fixed(array: &ArrayRef, kind: &DataType, is_null: impl Fn(usize) -> bool) -> Result<Buffer> {
    let width = match kind {
        DataType::FixedSizeBinary(width) => *width as usize,
        kind => kind.primitive_width().ok_or_else(|| {
            ArrowError::NotYetImplemented(format!("a result has no columns of type {kind}"))
        })?,
    };
    let data = column_with_one_nan(array.clone()).to_data();
    let values = data.buffers()[0].slice_with_length(data.offset() * width, data.len() * width);
    let mut nulls = (0..data.len()).filter(|row| is_null(*row)).peekable();
    if nulls.peek().is_none() && is_all(&values) {
        return Ok(values);
    }
    // A buffer of bytes may lie anywhere, one of numbers may not.
    let mut copied = MutableBuffer::with_capacity(values.len());
    copied.extend_from_slice(&values);
    for row in nulls {
        copied[row * width..(row + 1) * width].fill(0);
    }
    Ok(copied.into())
}

/// Says whether a buffer is all of what it keeps alive, but for what allocators round up to.
fn is_all(buffer: &Buffer) -> bool {
    buffer.capacity() <= buffer.len() + 64
}

/// Gives back texts or bytes, with nothing below nulls.
fn variable<O: ArrowNativeType>(
    builder: ArrayDataBuilder,
    data: &ArrayData,
    is_null: impl Fn(usize) -> bool,
) -> Result<ArrayDataBuilder> {
    let offsets: &[O] = &data.buffers()[0].typed_data()[data.offset()..];
    let values = data.buffers()[1].as_slice();
    if let [first, .., last] = offsets
        && (first.as_usize(), last.as_usize()) == (0, values.len())
        && offsets.len() == data.len() + 1
        && data.buffers().iter().all(is_all)
        && !(0..data.len()).any(&is_null)
    {
        return Ok(builder.buffers(data.buffers().to_vec()));
    }
    let mut starts = Vec::with_capacity(data.len() + 1);
    let mut bytes = Vec::with_capacity(values.len());
    starts.push(O::default());
    for row in 0..data.len() {
        if !is_null(row) {
            bytes.extend_from_slice(&values[offsets[row].as_usize()..offsets[row + 1].as_usize()]);
        }
        starts.push(offset(bytes.len())?);
    }
    Ok(builder.add_buffer(Buffer::from_vec(starts)).add_buffer(Buffer::from_vec(bytes)))
}

fn offset<O: ArrowNativeType>(value: usize) -> Result<O> {
    let too_long = || ArrowError::OffsetOverflowError(value);
    O::from_usize(value).ok_or_else(too_long)
}

/// Copies lists, with nothing below nulls.
fn list<O: ArrowNativeType + datafusion::arrow::array::OffsetSizeTrait>(
    builder: ArrayDataBuilder,
    array: &ArrayRef,
    is_null: impl Fn(usize) -> bool,
) -> Result<ArrayDataBuilder> {
    let list = array.as_list::<O>();
    let mut starts: Vec<O> = vec![O::default()];
    let mut pieces = Vec::new();
    let mut count = 0;
    for row in 0..array.len() {
        if !is_null(row) {
            let piece = list.value(row);
            count += piece.len();
            pieces.push(piece);
        }
        starts.push(offset(count)?);
    }
    let pieces: Vec<&dyn Array> = pieces.iter().map(|piece| &**piece).collect();
    let values = if pieces.is_empty() { list.values().slice(0, 0) } else { concat(&pieces)? };
    Ok(builder.add_buffer(Buffer::from_vec(starts)).add_child_data(plain(&values, None)?))
}
