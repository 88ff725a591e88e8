//! Shapes that exhaust stacks, memory or patience are refused before they do.

use std::sync::Arc;
use std::time::{Duration, Instant};

use datafusion::arrow::array::{ArrayRef, Int64Array, NullArray, RecordBatch};
use datafusion::arrow::datatypes::{DataType, Field, Schema};
use datafusion::arrow::ipc::root_as_footer;
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::parquet::basic::Compression;
use datafusion::parquet::file::metadata::{PageIndexPolicy, ParquetMetaDataReader};
use datafusion::parquet::file::properties::WriterProperties;
use vigil_base::{Entry, EntryKind, EntryName, Tree, Vcid};
use vigil_query::{QueryError, Settings, Source};

use crate::world::{Shelf, arrow, run};

fn refusal(shelf: &Shelf, sql: &str, source: Option<Source>) -> String {
    let engine = shelf.engine(Settings { memory_bytes_max: 256 << 20, ..Settings::default() });
    let tables: Vec<(&str, Source)> = source.into_iter().map(|source| ("t", source)).collect();
    run(&engine, sql, &tables).expect_err("it is refused").to_string()
}

/// A Parquet file without rows whose only column lies so many groups deep.
fn nested_parquet(depth: usize) -> Vec<u8> {
    fn varint(mut value: usize, out: &mut Vec<u8>) {
        while value >= 0x80 {
            out.push(value as u8 | 0x80);
            value >>= 7;
        }
        out.push(value as u8);
    }
    // Thrift's compact protocol: each field is the step from the last one and its type, and its value.
    let mut footer = vec![0x15, 2, 0x19, 0xfc];
    varint(depth + 2, &mut footer);
    footer.extend(b"\x48\x01r\x15\x02\x00");
    for _ in 0..depth {
        footer.extend(b"\x35\x02\x18\x01g\x15\x02\x00");
    }
    footer.extend(b"\x15\x02\x25\x02\x18\x01x\x00");
    footer.extend([0x16, 0, 0x19, 0x0c, 0]);
    let mut file = b"PAR1".to_vec();
    let len = (footer.len() as u32).to_le_bytes();
    file.extend(footer);
    file.extend(len);
    file.extend(b"PAR1");
    file
}

#[test]
fn deeply_nested_parquet_is_named_with_its_bytes() {
    let shelf = Shelf::new();
    let shallow = shelf.table("shallow.parquet", shelf.put(&nested_parquet(20)));
    let engine = shelf.engine(Settings::default());
    run(&engine, "select count(*) from t", &[("t", shallow)]).expect("it is read");
    for depth in [65, 1000, 100_000] {
        let file = nested_parquet(depth);
        let source = shelf.table("deep.parquet", shelf.put(&file));
        let error = run(&engine, "select * from t", &[("t", source)]).expect_err("it is refused");
        let QueryError::Bytes { name, range, what } = error else { panic!("{error}") };
        assert_eq!((name.as_str(), range.start), ("deep.parquet", 4));
        assert!(what.contains(&format!("nested {depth} deep")), "{what}");
    }
    // What claims more than it has.
    let mut lie = nested_parquet(3);
    lie[8] = 0x7f;
    let error =
        refusal(&shelf, "select * from t", Some(shelf.table("lie.parquet", shelf.put(&lie))));
    assert!(error.contains("lie.parquet"), "{error}");
}

#[test]
fn types_are_not_nested_without_end() {
    let shelf = Shelf::new();
    let name = "List(".repeat(50_000);
    let error = refusal(&shelf, &format!("select arrow_cast(1, '{name}')"), None);
    assert!(error.contains("nested no deeper"), "{error}");
    let error = refusal(&shelf, "select arrow_cast(1, repeat('List(', 50000))", None);
    assert!(error.contains("nested no deeper") || error.contains("constant string"), "{error}");
    let mut source = shelf.table("x.csv", shelf.put(b"a\n1\n"));
    let schema = format!("a\t{name}\n");
    source.reading.schema = Some((Vcid::of(schema.as_bytes()), schema));
    let error = refusal(&shelf, "select * from t", Some(source));
    assert!(error.contains("nested no deeper"), "{error}");
}

#[test]
fn long_expressions_end() {
    let shelf = Shelf::new();
    let engine = shelf.engine(Settings::default());
    let sums = |count: usize| format!("select 1{} as n", "+1".repeat(count));
    run(&engine, &sums(3900), &[]).expect("it is answered");
    for sql in [
        sums(100_000),
        format!("select {}", "1 or ".repeat(50_000)),
        format!("select 1{}", " union all select 1".repeat(50_000)),
        format!("select x{}", "::int".repeat(100_000)),
        format!("select {}", " ".repeat(2 << 20)),
    ] {
        let error = run(&engine, &sql, &[]).expect_err("it is refused").to_string();
        assert!(error.contains("has no more than"), "{error}");
    }
    // A list is as long as it likes.
    let list: Vec<String> = (0..50_000).map(|n| n.to_string()).collect();
    let sql = format!("select 7 in ({}) as found", list.join(","));
    run(&engine, &sql, &[]).expect("it is answered");
    // Views count together.
    let views =
        (0..30).map(|n| (format!("v{n}"), format!("select n{} as n from w", "+1".repeat(500))));
    let query = vigil_query::Query {
        sql: "select 1".to_owned(),
        views: views.collect(),
        ..Default::default()
    };
    let error = crate::world::wait(engine.run(query)).expect_err("it is refused").to_string();
    assert!(error.contains("its views included"), "{error}");
}

#[test]
fn arrow_that_claims_more_rows_than_it_can_hold_is_refused() {
    let shelf = Shelf::new();
    let schema = Arc::new(Schema::new(vec![Field::new("x", DataType::Null, true)]));
    let file = |rows: usize| {
        let column: ArrayRef = Arc::new(NullArray::new(rows));
        let batch = RecordBatch::try_new(schema.clone(), vec![column]).expect("it is one");
        arrow(&schema, &[batch])
    };
    let fine = shelf.table("few.arrow", shelf.put(&file(60_000)));
    let engine = shelf.engine(Settings::default());
    run(&engine, "select x, 1 as one from t order by one", &[("t", fine)]).expect("it is answered");
    let many = file(1 << 40);
    assert!(many.len() < 1000);
    let error = refusal(
        &shelf,
        "select x, 1 as one from t order by one",
        Some(shelf.table("many.arrow", shelf.put(&many))),
    );
    assert!(error.contains("many.arrow") && error.contains("claims more values"), "{error}");
    assert!(error.contains("at byte"), "{error}");
}

#[test]
fn arrow_whose_blocks_are_one_block_is_refused() {
    let shelf = Shelf::new();
    let schema = Arc::new(Schema::new(vec![Field::new("x", DataType::Int64, true)]));
    let batch = |count: i64| {
        let column: ArrayRef = Arc::new(Int64Array::from_iter_values(0..count));
        RecordBatch::try_new(schema.clone(), vec![column]).expect("it is one")
    };
    let mut file = arrow(&schema, &[batch(5000), batch(1), batch(1)]);
    let end = file.len() - 10;
    let len = u32::from_le_bytes(file[end..end + 4].try_into().expect("four")) as usize;
    let footer_at = end - len;
    let offsets: Vec<i64> = {
        let footer = root_as_footer(&file[footer_at..end]).expect("it is one");
        footer.recordBatches().expect("it has some").iter().map(|block| block.offset()).collect()
    };
    // Blocks are 24 bytes each, one behind the other, and begin with the offset.
    let last = file[footer_at..].windows(8).rposition(|eight| eight == offsets[2].to_le_bytes());
    let last = footer_at + last.expect("it is there");
    for place in [last - 24, last] {
        file.copy_within(last - 48..last - 24, place);
    }
    let source = shelf.table("same.arrow", shelf.put(&file));
    let error = refusal(&shelf, "select count(*) from t", Some(source));
    assert!(error.contains("same.arrow") && error.contains("blocks overlap"), "{error}");
}

#[test]
fn a_tree_of_few_folders_that_has_endless_many_paths_is_refused() {
    let shelf = Shelf::new();
    let file = shelf.put(b"a\n1\n");
    let entry = |name: &str, kind, vcid| Entry {
        name: EntryName::new(name).expect("it is one"),
        kind,
        vcid,
    };
    let leaf = Tree::new(vec![entry("x.csv", EntryKind::File, file)]).expect("it is one");
    let mut below = shelf.put(&leaf.encode());
    for _ in 0..40 {
        let both = ["a", "b"].map(|name| entry(name, EntryKind::Tree, below));
        below = shelf.put(&Tree::new(both.to_vec()).expect("it is one").encode());
    }
    let since = Instant::now();
    let error = refusal(&shelf, "select * from t", Some(shelf.folder_table("bomb", below)));
    assert!(error.contains("more than 100000 files and folders"), "{error}");
    assert!(since.elapsed() < Duration::from_secs(60));
}

/// A Parquet file of two pages, with an index of them.
fn two_pages() -> Vec<u8> {
    let schema = Arc::new(Schema::new(vec![Field::new("n", DataType::Int64, true)]));
    let properties = WriterProperties::builder()
        .set_dictionary_enabled(false)
        .set_data_page_row_count_limit(1000)
        .set_write_batch_size(1000)
        .set_compression(Compression::SNAPPY)
        .build();
    let column: ArrayRef = Arc::new(Int64Array::from_iter_values(0..2000));
    let batch = RecordBatch::try_new(schema.clone(), vec![column]).expect("it is a batch");
    let mut writer = ArrowWriter::try_new(Vec::new(), schema, Some(properties)).expect("it writes");
    writer.write(&batch).expect("it writes");
    writer.into_inner().expect("it writes")
}

/// A reader that takes headers as they come, and one that goes by the index, must be given the same pages.
#[test]
fn pages_that_hide_from_whoever_counts_them_are_refused() {
    let shelf = Shelf::new();
    let whole = two_pages();
    let sum = "select sum(n) as s from t";
    let honest = shelf.table("t.parquet", shelf.put(&whole));
    run(&shelf.engine(Settings::default()), sum, &[("t", honest)]).expect("it is read");

    // The size as a number of 64 bits: some readers take it.
    let mut wide = whole.clone();
    assert_eq!(wide[4..7], [0x15, 0x00, 0x15]);
    wide[6] = 0x16;
    let error = refusal(&shelf, sum, Some(shelf.table("wide.parquet", shelf.put(&wide))));
    assert!(error.contains("wide.parquet") && error.contains("header of a page"), "{error}");

    let reader = ParquetMetaDataReader::new().with_page_index_policy(PageIndexPolicy::Required);
    let said = reader.parse_and_finish(&bytes::Bytes::from(whole.clone())).expect("it is one");
    let index_at = said.row_group(0).column(0).offset_index_offset().expect("it has one") as usize;
    let second = said.offset_index().expect("it has one")[0][0].page_locations()[1].clone();
    let varint = |mut value: u64| {
        let mut bytes = Vec::new();
        while value >= 0x80 {
            bytes.push(value as u8 | 0x80);
            value >>= 7;
        }
        bytes.push(value as u8);
        bytes
    };
    let known = varint(2 * second.offset as u64);
    let place = whole[index_at..].windows(known.len()).position(|bytes| bytes == known);
    let place = index_at + place.expect("the second page is in the index");
    for (offset, what) in [(second.offset - 1, "where their index says"), (2, "index of its pages")]
    {
        let mut moved = whole.clone();
        let mut changed = varint(2 * offset as u64);
        while changed.len() < known.len() {
            *changed.last_mut().expect("it has bytes") |= 0x80;
            changed.push(0);
        }
        moved[place..place + known.len()].copy_from_slice(&changed);
        let error = refusal(&shelf, sum, Some(shelf.table("moved.parquet", shelf.put(&moved))));
        assert!(error.contains("moved.parquet") && error.contains(what), "{error}");
    }
}
