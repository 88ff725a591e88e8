//! The functions that there are: those whose result follows from their arguments alone. What is not listed
//! here is taken out of DataFusion's registries, so that a new one is looked at before it can be called.

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::common::{Result, plan_err};
use datafusion::execution::{FunctionRegistry as _, SessionState};
use datafusion::logical_expr::ScalarUDF;

/// Functions of single values.
#[rustfmt::skip]
const SCALARS: &[&str] = &[
    "abs", "acos", "acosh", "array_add", "array_any_match", "array_any_value", "array_append", "array_avg",
    "array_compact", "array_concat", "array_dims", "array_distance", "array_distinct", "array_element",
    "array_except", "array_filter", "array_first", "array_has", "array_has_all", "array_has_any",
    "array_intersect", "array_length", "array_max", "array_min", "array_ndims", "array_normalize",
    "array_pop_back", "array_pop_front", "array_position", "array_positions", "array_prepend",
    "array_product", "array_remove", "array_remove_all", "array_remove_n", "array_repeat", "array_replace",
    "array_replace_all", "array_replace_n", "array_resize", "array_reverse", "array_scale", "array_slice",
    "array_sort", "array_subtract", "array_sum", "array_to_string", "array_transform", "array_union",
    "arrays_zip", "arrow_cast", "arrow_field", "arrow_metadata", "arrow_try_cast", "arrow_typeof", "ascii",
    "asin", "asinh", "atan", "atan2", "atanh", "bit_length", "btrim", "cardinality", "cast_to_type", "cbrt",
    "ceil", "character_length", "chr", "coalesce", "concat", "concat_ws", "contains", "cos", "cosh",
    "cosine_distance", "cot", "date_bin", "date_part", "date_trunc", "decode", "degrees", "empty", "encode",
    "ends_with", "exp", "factorial", "find_in_set", "flatten", "floor", "from_unixtime", "gcd",
    "generate_series", "get_field", "greatest", "initcap", "inner_product", "isnan", "iszero", "lcm",
    "least", "left", "levenshtein", "ln", "log", "log10", "log2", "lower", "lpad", "ltrim", "make_array",
    "make_date", "make_time", "map", "map_entries", "map_extract", "map_keys", "map_values",
    "named_struct", "nanvl", "nullif", "nvl", "nvl2", "octet_length", "overlay", "pi", "power", "radians",
    "range", "regexp_count", "regexp_instr", "regexp_like", "regexp_match", "regexp_replace", "repeat",
    "replace", "reverse", "right", "round", "rpad", "rtrim", "signum", "sin", "sinh", "split_part", "sqrt",
    "starts_with", "string_to_array", "strpos", "struct", "substr", "substr_index", "tan", "tanh", "to_char",
    "to_date", "to_hex", "to_local_time", "to_time", "to_timestamp", "to_timestamp_micros",
    "to_timestamp_millis", "to_timestamp_nanos", "to_timestamp_seconds", "to_unixtime", "translate",
    "trunc", "try_cast_to_type", "union_extract", "union_tag", "upper", "with_metadata",
];

/// Functions of many rows. Those that approximate stay known, so that their refusal can say what to use.
#[rustfmt::skip]
const AGGREGATES: &[&str] = &[
    "any_value", "approx_distinct", "approx_median", "approx_percentile_cont",
    "approx_percentile_cont_with_weight", "array_agg", "avg", "bit_and", "bit_or", "bit_xor", "bool_and",
    "bool_or", "corr", "count", "covar_pop", "covar_samp", "first_value", "grouping", "last_value", "max",
    "median", "min", "nth_value", "percentile_cont", "regr_avgx", "regr_avgy", "regr_count",
    "regr_intercept", "regr_r2", "regr_slope", "regr_sxx", "regr_sxy", "regr_syy", "stddev", "stddev_pop",
    "string_agg", "sum", "var", "var_pop",
];

/// Functions of windows.
#[rustfmt::skip]
const WINDOWS: &[&str] = &[
    "cume_dist", "dense_rank", "first_value", "lag", "last_value", "lead", "nth_value", "ntile",
    "percent_rank", "rank", "row_number",
];

/// Functions that give tables.
const TABLES: &[&str] = &["generate_series", "range"];

/// Functions that ask the world, and the word that lets a query call them.
const PASSING: &[(&str, &str)] = &[
    ("current_date", "clock"),
    ("current_time", "clock"),
    ("now", "clock"),
    ("random", "randomness"),
    ("uuid", "randomness"),
];

/// Functions that are not to be had, and why.
const REFUSED: &[(&str, &str)] = &[
    ("file_row_index", "tells how a table is cut into files"),
    ("input_file_name", "tells how a table is cut into files"),
    ("version", "tells of the program and the machine, not of the data"),
];

/// Takes every function out of a state that is not listed; returns those that ask the world.
pub fn restrict(state: &mut SessionState) -> Result<Vec<Arc<ScalarUDF>>> {
    let mut passing = BTreeMap::new();
    for (key, function) in state.scalar_functions().clone() {
        let name = function.name();
        if PASSING.iter().any(|(passing, _)| *passing == name) {
            passing.insert(name.to_owned(), function.clone());
        }
        if !SCALARS.contains(&name) {
            state.deregister_udf(&key)?;
        }
    }
    for (key, function) in state.higher_order_functions().clone() {
        if !SCALARS.contains(&function.name()) {
            state.deregister_higher_order_function(&key)?;
        }
    }
    for (key, function) in state.aggregate_functions().clone() {
        if !AGGREGATES.contains(&function.name()) {
            state.deregister_udaf(&key)?;
        }
    }
    for (key, function) in state.window_functions().clone() {
        if !WINDOWS.contains(&function.name()) {
            state.deregister_udwf(&key)?;
        }
    }
    for key in state.table_functions().keys().cloned().collect::<Vec<_>>() {
        if !TABLES.contains(&key.as_str()) {
            state.deregister_udtf(&key)?;
        }
    }
    Ok(passing.into_values().collect())
}

/// Returns the word that lets a query call a function, if it asks the world.
pub fn word_for(name: &str) -> Option<&'static str> {
    let name = match name {
        "current_timestamp" | "localtimestamp" => "now",
        "today" => "current_date",
        "localtime" => "current_time",
        other => other,
    };
    PASSING.iter().find(|(passing, _)| *passing == name).map(|(_, word)| *word)
}

/// Refuses functions by name that are not to be had.
pub fn check_name(name: &str) -> Result<()> {
    match REFUSED.iter().find(|(refused, _)| *refused == name) {
        Some((_, why)) => plan_err!("`{name}` {why}, and is not to be had"),
        None => Ok(()),
    }
}

/// Says whether a function of a kind (`scalar`, `aggregate`, `window` or `table`) has been looked at: it is
/// listed as one that may be called, that asks the world, or that is refused.
pub fn is_known(kind: &str, name: &str) -> bool {
    let listed = match kind {
        "scalar" => SCALARS,
        "aggregate" => AGGREGATES,
        "window" => WINDOWS,
        "table" => TABLES,
        _ => return false,
    };
    let is_scalar = kind == "scalar";
    listed.contains(&name) || is_scalar && (word_for(name).is_some() || check_name(name).is_err())
}
