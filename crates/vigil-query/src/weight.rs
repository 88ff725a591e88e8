//! What rows weigh that are a part of something longer.

use datafusion::arrow::array::{Array, AsArray as _};
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
        DataType::List(_) => {
            let list = array.as_list::<i32>();
            let (first, last) = (list.value_offsets()[0], list.value_offsets()[list.len()]);
            let values = list.values().slice(first as usize, (last - first) as usize);
            size_of_val(list.value_offsets()) + nulls + own_bytes(&values)?
        }
        DataType::LargeList(_) => {
            let list = array.as_list::<i64>();
            let (first, last) = (list.value_offsets()[0], list.value_offsets()[list.len()]);
            let values = list.values().slice(first as usize, (last - first) as usize);
            size_of_val(list.value_offsets()) + nulls + own_bytes(&values)?
        }
        DataType::FixedSizeList(..) => nulls + own_bytes(array.as_fixed_size_list().values())?,
        DataType::Struct(_) => {
            let columns = array.as_struct().columns().iter();
            nulls + columns.map(|column| own_bytes(column)).sum::<Result<usize, _>>()?
        }
        _ => array.to_data().get_slice_memory_size()?,
    })
}

/// A view: a length and a short text, or the place of a long one.
pub const VIEW_BYTES: usize = 16;
