//! What rows weigh that are a part of something longer.

use datafusion::arrow::array::{Array, AsArray as _, GenericListArray, OffsetSizeTrait};
use datafusion::arrow::datatypes::DataType;
use datafusion::arrow::error::ArrowError;

/// Returns how many bytes the values of an array would take by themselves: each text once for each row that
/// has it, though rows may share it, and nothing of what lies beside them in the same memory.
pub fn own_bytes(array: &dyn Array) -> Result<usize, ArrowError> {
    let nulls = array.nulls().map_or(0, |_| array.len().div_ceil(8));
    Ok(match array.data_type() {
        DataType::Utf8View => {
            array.len() * VIEW_BYTES + nulls + array.as_string_view().total_buffer_bytes_used()
        }
        DataType::BinaryView => {
            array.len() * VIEW_BYTES + nulls + array.as_binary_view().total_buffer_bytes_used()
        }
        DataType::List(_) => nulls + list_bytes(array.as_list::<i32>())?,
        DataType::LargeList(_) => nulls + list_bytes(array.as_list::<i64>())?,
        DataType::FixedSizeList(..) => nulls + own_bytes(array.as_fixed_size_list().values())?,
        DataType::Struct(_) => {
            let columns = array.as_struct().columns().iter();
            nulls + columns.map(|column| own_bytes(column)).sum::<Result<usize, _>>()?
        }
        _ => array.to_data().get_slice_memory_size()?,
    })
}

fn list_bytes<O: OffsetSizeTrait>(list: &GenericListArray<O>) -> Result<usize, ArrowError> {
    let offsets = list.value_offsets();
    let (first, last) = (offsets[0].as_usize(), offsets[list.len()].as_usize());
    Ok(size_of_val(offsets) + own_bytes(&list.values().slice(first, last - first))?)
}

/// A view: a length and a short text, or the place of a long one.
const VIEW_BYTES: usize = 16;
