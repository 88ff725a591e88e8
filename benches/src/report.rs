//! The figures for people: a table for each step, then the aims.

use std::fmt::Write as _;

use crate::aims::{AIMS, Verdict};
use crate::figures::{Figures, Metric};
use crate::tool::{Present, Step};
use crate::vigil;

/// What stands where nothing was measured.
const NOTHING: &str = "·";

const HEAD: [&str; 14] = [
    "tool",
    "wall s",
    "from – to",
    "MB/s",
    "CPU s",
    "peak MiB",
    "+ sync s",
    "store MB",
    "on disk",
    "wall",
    "CPU",
    "peak",
    "size",
    "",
];

/// The column of the first ratio; there are four.
const RATIOS_AT: usize = 9;

/// Writes all tables and the aims.
pub fn render(figures: &Figures, tools: &[Present]) -> String {
    let mut text = String::new();
    let ours = tools.iter().any(|present| present.tool.name == vigil::NAME);
    for step in figures.steps() {
        write_step(&mut text, figures, tools, step, ours);
    }
    if ours {
        write_aims(&mut text, figures);
    }
    for failure in &figures.failures {
        line(&mut text, &format!("FAILED  {} of {}: {}", failure.step, failure.tool, failure.why));
    }
    text
}

fn line(text: &mut String, line: &str) {
    text.push_str(line);
    text.push('\n');
}

fn write_step(text: &mut String, figures: &Figures, tools: &[Present], step: Step, ours: bool) {
    let input = match figures.input(step) {
        Some(bytes) => format!(" · {:.3} GB", bytes as f64 / 1e9),
        None => String::new(),
    };
    line(text, &format!("\n{} — {}{input}", step.name().to_uppercase(), step.about()));
    let measured = tools.iter().filter(|tool| !figures.rounds(step, tool.tool.name).is_empty());
    let mut rows: Vec<_> = measured.map(|tool| row(figures, step, tool)).collect();
    rows.insert(0, HEAD.map(str::to_owned).to_vec());
    if !ours {
        for row in &mut rows {
            row.drain(RATIOS_AT..RATIOS_AT + 4);
        }
    }
    let empty = |column: usize| rows[1..].iter().all(|row| row[column] == NOTHING);
    let kept: Vec<_> = (0..rows[0].len()).filter(|column| !empty(*column)).collect();
    for row in &mut rows {
        *row = kept.iter().map(|column| row[*column].clone()).collect();
    }
    if ours {
        let before = kept.iter().take_while(|column| **column < RATIOS_AT).count();
        let width: usize = (0..before).map(|column| width(&rows, column) + 2).sum();
        line(text, &format!("  {:width$}vigil ÷ tool", ""));
    }
    text.push_str(&aligned(&rows));
}

/// Returns one tool's line: figures, ratios, note.
fn row(figures: &Figures, step: Step, present: &Present) -> Vec<String> {
    let name = present.tool.name;
    let shown = |metric, unit: f64, places: usize| match figures.median(step, name, metric) {
        Some(value) => format!("{:.places$}", value / unit),
        None => NOTHING.to_owned(),
    };
    let ratio = |metric| {
        let ours = figures.median(step, vigil::NAME, metric);
        match (ours, figures.median(step, name, metric)) {
            (Some(ours), Some(theirs)) if name != vigil::NAME && theirs > 0.0 => {
                format!("{:.2}", ours / theirs)
            }
            _ => NOTHING.to_owned(),
        }
    };
    let range = figures.range(step, name, Metric::Wall);
    let range = match range.filter(|_| figures.rounds(step, name).len() > 1) {
        Some((least, most)) => format!("{least:.2} – {most:.2}"),
        None => NOTHING.to_owned(),
    };
    let speed = match (figures.input(step), figures.median(step, name, Metric::Wall)) {
        (Some(bytes), Some(seconds)) if seconds > 0.0 => {
            format!("{:.0}", bytes as f64 / seconds / 1e6)
        }
        _ => NOTHING.to_owned(),
    };
    vec![
        name.to_owned(),
        shown(Metric::Wall, 1.0, 2),
        range,
        speed,
        shown(Metric::Processor, 1.0, 2),
        shown(Metric::Resident, 1_048_576.0, 0),
        shown(Metric::Sync, 1.0, 2),
        shown(Metric::Store, 1e6, 1),
        shown(Metric::Allocated, 1e6, 1),
        ratio(Metric::Wall),
        ratio(Metric::Processor),
        ratio(Metric::Resident),
        ratio(Metric::Store),
        present.tool.note.to_owned(),
    ]
}

fn width(rows: &[Vec<String>], column: usize) -> usize {
    rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0)
}

/// Writes rows as columns: the first and the last to the left, what is between to the right.
pub fn aligned(rows: &[Vec<String>]) -> String {
    let columns = rows.first().map_or(0, Vec::len);
    let widths: Vec<_> = (0..columns).map(|column| width(rows, column)).collect();
    let mut text = String::new();
    for row in rows {
        let mut whole = String::new();
        for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
            let gap = " ".repeat(width - cell.chars().count());
            let left = column == 0 || column + 1 == columns;
            let (before, after) = if left { ("", gap.as_str()) } else { (gap.as_str(), "") };
            let written = write!(whole, "  {before}{cell}{after}");
            debug_assert!(written.is_ok(), "a String takes everything");
        }
        line(&mut text, whole.trim_end());
    }
    text
}

fn write_aims(text: &mut String, figures: &Figures) {
    line(text, "\nAIMS");
    let rows: Vec<_> = AIMS
        .iter()
        .map(|aim| match aim.judge(figures) {
            Verdict::NotMeasured => {
                vec![format!("·  {}", aim.text), NOTHING.to_owned(), "not measured".to_owned()]
            }
            Verdict::Measured { reached, value, reckoning } => {
                let mark = if reached { '✓' } else { '✗' };
                vec![format!("{mark}  {}", aim.text), format!("{value:.2}"), reckoning]
            }
        })
        .collect();
    text.push_str(&aligned(&rows));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned() {
        let rows = [["tool", "wall", ""], ["–", "12.00", "note"]];
        let rows: Vec<_> = rows.iter().map(|row| row.map(str::to_owned).to_vec()).collect();
        assert_eq!(aligned(&rows), "  tool   wall\n  –     12.00  note\n");
    }
}
