//! Every function that DataFusion has was looked at.

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
