//! What is stored raw is not copied on its way into a query.

use std::sync::Arc;

use datafusion::arrow::array::{Float64Array, RecordBatch};
use datafusion::arrow::datatypes::{DataType, Field, Schema};
use vigil_query::arrow_in_place;

use crate::world::{Shelf, arrow};

#[test]
fn an_arrow_buffer_lies_inside_the_arena() {
    let shelf = Shelf::new();
    let schema = Arc::new(Schema::new(vec![Field::new("x", DataType::Float64, false)]));
    let mut state = 1_u64;
    let noise = std::iter::repeat_with(|| {
        // SplitMix64: noise does not compress, so the store keeps 4 MiB and more of it raw.
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (state ^ state >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        f64::from_bits(mixed ^ mixed >> 31)
    });
    let values: Vec<f64> = noise.take(800_000).collect();
    let column = Arc::new(Float64Array::from(values.clone()));
    let batch = RecordBatch::try_new(schema.clone(), vec![column]).expect("it is a batch");
    let vcid = shelf.put(&arrow(&schema, &[batch]));

    let blob = shelf.store.find(vcid).expect("it is there");
    let mapped = shelf.store.map_range(&blob, 0).expect("it is read").expect("it lies raw");
    let arena = mapped.arena_bytes().as_ptr_range();

    let (_, batches) = arrow_in_place(&shelf.store, vcid).expect("it is an Arrow file");
    let data = batches[0].column(0).to_data();
    let buffer = data.buffers()[0].as_slice();
    let range = buffer.as_ptr_range();
    assert!(arena.start <= range.start && range.end <= arena.end, "the buffer is a copy");
    assert_eq!(buffer.len(), values.len() * 8);
    assert_eq!(data.buffers()[0].typed_data::<f64>()[7].to_bits(), values[7].to_bits());
}
