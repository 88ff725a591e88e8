//! Answers beside DuckDB's: cell by cell, numbers within a relative difference. The benchmark and the test
//! beside outside programs share it.

use std::error::Error;
use std::path::Path;
use std::process::Command;

/// Largest relative difference of numbers: DuckDB's doubles are summed in its own order.
const TOLERANCE: f64 = 1e-9;

/// Quotients and averages of decimals have as many digits as each program likes, so they are taken as doubles.
const CASTS: &[(&str, &str)] = &[
    ("avg(l_quantity)", "avg(cast(l_quantity as double))"),
    ("avg(l_extendedprice)", "avg(cast(l_extendedprice as double))"),
    ("avg(l_discount)", "avg(cast(l_discount as double))"),
    ("avg(c_acctbal)", "avg(cast(c_acctbal as double))"),
    ("/ sum(volume)", "/ cast(sum(volume) as double)"),
    ("/ 7.0", "/ 7.0e0"),
    (
        "/ sum(l_extendedprice * (1 - l_discount))",
        "/ cast(sum(l_extendedprice * (1 - l_discount)) as double)",
    ),
];

/// Returns a query of TPC-H as both are asked it.
pub fn with_casts(sql: &str) -> String {
    CASTS.iter().fold(sql.to_owned(), |sql, (plain, cast)| sql.replace(plain, cast))
}

/// Returns what DuckDB's program answers over the Parquet files of a folder, as CSV.
pub fn of_duckdb<'a>(
    program: &Path,
    folder: &Path,
    names: impl Iterator<Item = &'a str>,
    sql: &str,
) -> Result<String, Box<dyn Error>> {
    let mut script = String::new();
    for name in names {
        let path = folder.join(format!("{name}.parquet"));
        script += &format!("create view {name} as select * from '{}';\n", path.display());
    }
    script += &format!("{sql};");
    let output = Command::new(program).args(["-csv", "-c", &script]).output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into());
    }
    Ok(String::from_utf8(output.stdout)?)
}

/// Splits CSV with the quotes of RFC 4180 into rows of cells.
fn cells(csv: &str) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    let (mut row, mut cell) = (Vec::new(), String::new());
    let mut is_quoted = false;
    let mut chars = csv.trim_end().chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if is_quoted && chars.peek() == Some(&'"') => {
                chars.next();
                cell.push('"');
            }
            '"' => is_quoted = !is_quoted,
            ',' if !is_quoted => row.push(std::mem::take(&mut cell)),
            '\r' if !is_quoted => {}
            '\n' if !is_quoted => {
                row.push(std::mem::take(&mut cell));
                rows.push(std::mem::take(&mut row));
            }
            c => cell.push(c),
        }
    }
    row.push(cell);
    rows.push(row);
    rows
}

/// Compares two answers as CSV; their names of columns may differ.
pub fn compare(name: &str, ours: &str, theirs: &str) -> Result<(), String> {
    let (ours, theirs) = (cells(ours), cells(theirs));
    if ours.len() != theirs.len() {
        return Err(format!("{name}: {} rows are not {}", ours.len() - 1, theirs.len() - 1));
    }
    for (ours, theirs) in ours.iter().zip(&theirs).skip(1) {
        if ours.len() != theirs.len() {
            return Err(format!("{name}: {} columns are not {}", ours.len(), theirs.len()));
        }
        for (a, b) in ours.iter().zip(theirs) {
            let is_same = match (a.parse::<f64>(), b.parse::<f64>()) {
                (Ok(a), Ok(b)) => (a - b).abs() <= TOLERANCE * a.abs().max(b.abs()),
                _ => a == b,
            };
            if !is_same {
                return Err(format!("{name}: {a} is not {b} in {ours:?} and {theirs:?}"));
            }
        }
    }
    Ok(())
}
