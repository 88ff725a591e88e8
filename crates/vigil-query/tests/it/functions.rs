//! Every function that DataFusion has was looked at.

use datafusion::arrow::array::Array as _;
use datafusion::execution::SessionStateBuilder;
use vigil_query::{Settings, is_known};

use crate::world::{Shelf, run};

#[test]
fn every_function_is_listed() {
    let state = SessionStateBuilder::new().with_default_features().build();
    let scalars = state.scalar_functions().values().map(|f| ("scalar", f.name().to_owned()));
    let higher = state.higher_order_functions().values();
    let higher = higher.map(|f| ("scalar", f.name().to_owned()));
    let aggregates = state.aggregate_functions().values();
    let aggregates = aggregates.map(|f| ("aggregate", f.name().to_owned()));
    let windows = state.window_functions().values().map(|f| ("window", f.name().to_owned()));
    let tables = state.table_functions().keys().map(|name| ("table", name.clone()));
    let mut unknown: Vec<_> = scalars
        .chain(higher)
        .chain(aggregates)
        .chain(windows)
        .chain(tables)
        .filter(|(kind, name)| !is_known(kind, name))
        .collect();
    unknown.sort();
    unknown.dedup();
    assert!(unknown.is_empty(), "list these in plan/known.rs, or refuse them there: {unknown:?}");
}

#[test]
fn the_clock_is_not_read_while_planning() {
    let shelf = Shelf::new();
    let engine = shelf.engine(Settings::default());
    for sql in [
        "select * from generate_series(now(), now(), interval '1 day')",
        "select * from range(current_timestamp, current_timestamp, interval '1 day')",
        "select * from (values (now())) v",
        "select 1 limit cast(random() as int)",
        "explain select current_date",
        "summarize (select now() as n) u",
        "select version()",
        "select input_file_name()",
    ] {
        let error = run(&engine, sql, &[]).expect_err(sql).to_string();
        let is_said = ["something else each time", "is not to be had"];
        assert!(is_said.iter().any(|text| error.contains(text)), "{sql}: {error}");
    }
}

/// On x86-64 the sign of 0/0 is set, on AArch64 it is not.
#[test]
fn what_is_no_number_has_one_pattern_in_all_widths() {
    let shelf = Shelf::new();
    let engine = shelf.engine(Settings::default());
    for (kind, want) in
        [("Float16", "7e00"), ("Float32", "7fc00000"), ("Float64", "7ff8000000000000")]
    {
        let nan = format!("arrow_cast(value, '{kind}') / arrow_cast(value, '{kind}')");
        for sql in [
            format!("select {nan} as x from generate_series(0, 0)"),
            format!("select max({nan}) as x from generate_series(0, 1)"),
            format!(
                "select x from (select {nan} as x from generate_series(0, 1)) order by x desc limit 1"
            ),
        ] {
            let table = run(&engine, &sql, &[]).expect("it is answered");
            let data = table.batches[0].column(0).to_data();
            let bytes: String = data.buffers()[0]
                .as_slice()
                .iter()
                .rev()
                .map(|byte| format!("{byte:02x}"))
                .collect();
            assert_eq!(bytes, want, "{sql}");
        }
    }
}
