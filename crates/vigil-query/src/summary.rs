//! `SUMMARIZE`: a few figures of each column, as a query that is written here.

use datafusion::arrow::datatypes::{DataType, Schema};

/// Returns what is to be summarized, if a text says so.
pub fn subject(sql: &str) -> Option<String> {
    let text = sql.trim().trim_end_matches(';').trim_end();
    let (word, rest) = text.split_once(char::is_whitespace)?;
    if !word.eq_ignore_ascii_case("summarize") {
        return None;
    }
    let rest = rest.trim();
    let first = rest.split(|c: char| !c.is_ascii_alphabetic()).next().unwrap_or_default();
    let is_query = ["select", "with", "values"].iter().any(|w| first.eq_ignore_ascii_case(w));
    Some(if is_query { rest.to_owned() } else { format!("SELECT * FROM {rest}") })
}

/// Returns the query of the figures of a query's columns.
pub fn figures(query: &str, schema: &Schema) -> String {
    let rows = schema.fields().iter().enumerate().map(|(place, field)| {
        let column = format!("\"{}\"", field.name().replace('"', "\"\""));
        let text = field.name().replace('\'', "''");
        let is_number = field.data_type().is_numeric();
        let double = |function: &str| match is_number {
            true => format!("{function}(CAST({column} AS DOUBLE))"),
            false => "CAST(NULL AS DOUBLE)".to_owned(),
        };
        let least = |function: &str| match field.data_type() {
            kind if kind.is_nested() => "CAST(NULL AS VARCHAR)".to_owned(),
            DataType::Boolean => format!("CAST({function}(CAST({column} AS INT)) AS VARCHAR)"),
            _ => format!("CAST({function}({column}) AS VARCHAR)"),
        };
        format!(
            "SELECT {place} AS place, '{text}' AS \"column\", '{}' AS type, {} AS min, {} AS max, \
             count(DISTINCT {column}) AS distinct_values, {} AS avg, {} AS std, \
             count(*) AS rows, count(*) - count({column}) AS nulls FROM subject",
            field.data_type().to_string().replace('\'', "''"),
            least("min"),
            least("max"),
            double("avg"),
            double("stddev"),
        )
    });
    let rows: Vec<String> = rows.collect();
    format!(
        "WITH subject AS ({query}) SELECT \"column\", type, min, max, distinct_values, avg, std, \
         rows, nulls FROM ({}) ORDER BY place",
        rows.join(" UNION ALL ")
    )
}
