//! Results as people read them: columns that stand below one another.

use datafusion::arrow::array::ArrayRef;
use datafusion::arrow::buffer::Buffer;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::arrow::error::ArrowError;
use datafusion::arrow::ipc::reader::FileReader;
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};

/// A result as text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// The lines.
    pub text: String,
    /// How many rows there are in all.
    pub row_count: usize,
    /// How many of them are in the text.
    pub shown_count: usize,
}

/// Longest value that is shown whole.
const VALUE_CHARS_MAX: usize = 80;

/// Reads an Arrow file that this crate has written.
pub fn read_arrow(bytes: Vec<u8>) -> Result<(SchemaRef, Vec<RecordBatch>), ArrowError> {
    let buffer = Buffer::from_vec(bytes);
    let reader = FileReader::try_new(std::io::Cursor::new(buffer.as_slice()), None)?;
    let schema = reader.schema();
    let batches = reader.collect::<Result<Vec<_>, _>>()?;
    Ok((schema, batches))
}

/// Renders rows as a table with a line of names, at most `rows_max` of them.
pub fn render(
    schema: &SchemaRef,
    batches: &[RecordBatch],
    rows_max: usize,
) -> Result<Shown, ArrowError> {
    let row_count: usize = batches.iter().map(RecordBatch::num_rows).sum();
    let mut columns: Vec<Vec<String>> = Vec::new();
    for (index, field) in schema.fields().iter().enumerate() {
        let mut cells = vec![escaped(field.name())];
        let mut left = rows_max;
        for batch in batches {
            let count = batch.num_rows().min(left);
            cells.extend(texts(batch.column(index), count, is_plan(schema))?);
            left -= count;
        }
        columns.push(cells);
    }
    let is_right = |index: usize| schema.field(index).data_type().is_numeric();
    let widths: Vec<usize> = columns
        .iter()
        .map(|cells| cells.iter().map(|cell| width(cell)).max().unwrap_or(0))
        .collect();
    let shown_count = row_count.min(rows_max);
    let mut text = String::new();
    for row in 0..=shown_count {
        let mut line = String::new();
        for (index, cells) in columns.iter().enumerate() {
            let cell = cells.get(row).map_or("", String::as_str);
            let blanks = " ".repeat(widths[index] - width(cell));
            if index > 0 {
                line += "  ";
            }
            match is_right(index) {
                true => line += &(blanks + cell),
                false => line += &(cell.to_owned() + &blanks),
            }
        }
        text += line.trim_end();
        text.push('\n');
        if row == 0 {
            let rule: Vec<String> = widths.iter().map(|width| "─".repeat(*width)).collect();
            text += &rule.join("  ");
            text.push('\n');
        }
    }
    Ok(Shown { text, row_count, shown_count })
}

/// Returns how many columns of a terminal a text takes, whose characters are single.
fn width(text: &str) -> usize {
    text.lines().map(|line| line.chars().count()).max().unwrap_or(0)
}

/// Says whether a table is what `EXPLAIN` gives, whose texts have lines of their own.
fn is_plan(schema: &SchemaRef) -> bool {
    schema.fields().iter().map(|field| field.name().as_str()).eq(["plan_type", "plan"])
}

fn texts(column: &ArrayRef, count: usize, is_plan: bool) -> Result<Vec<String>, ArrowError> {
    let options = FormatOptions::default().with_null("∅");
    let formatter = ArrayFormatter::try_new(column, &options)?;
    (0..count)
        .map(|row| {
            let text = formatter.value(row).try_to_string()?;
            Ok(if is_plan { harmless(&text, true) } else { escaped(&text) })
        })
        .collect()
}

/// Shortens what is long, and writes control characters so that they do nothing.
fn escaped(text: &str) -> String {
    let mut chars = text.chars();
    let mut short: String = chars.by_ref().take(VALUE_CHARS_MAX).collect();
    if chars.next().is_some() {
        short.push('…');
    }
    harmless(&short, false)
}

/// Writes control characters so that they do nothing to a terminal.
fn harmless(text: &str, keeps_lines: bool) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            '\n' if keeps_lines => out.push(c),
            c if c.is_control() => out.extend(c.escape_default()),
            c => out.push(c),
        }
    }
    out
}
