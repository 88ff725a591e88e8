//! The figures for programs: every round, not only the medians.
//!
//! Written by hand: numbers, and names whose every odd character is escaped.

use std::fmt::Write as _;

use crate::aims::{AIMS, Verdict};
use crate::figures::{Figure, Figures};
use crate::tool::Present;

/// Writes one JSON object with a list of facts about the run, the rounds, aims and failures.
pub fn render(figures: &Figures, tools: &[Present], facts: &[(&str, String)]) -> String {
    let facts = facts.iter().map(|(name, value)| format!("{}: {}", quoted(name), quoted(value)));
    let versions =
        tools.iter().map(|tool| format!("{}: {}", quoted(tool.tool.name), quoted(&tool.version)));
    let mut rounds = Vec::new();
    for step in figures.steps() {
        for tool in tools {
            for (round, figure) in figures.rounds(step, tool.tool.name).iter().enumerate() {
                let head = format!(
                    "\"step\": {}, \"tool\": {}, \"round\": {round}",
                    quoted(step.name()),
                    quoted(tool.tool.name)
                );
                rounds.push(format!("{{{head}, {}}}", numbers(figure)));
            }
        }
    }
    let aims = AIMS.iter().map(|aim| match aim.judge(figures) {
        Verdict::NotMeasured => format!("{{\"aim\": {}, \"reached\": null}}", quoted(aim.text)),
        Verdict::Measured { reached, value, .. } => {
            format!(
                "{{\"aim\": {}, \"reached\": {reached}, \"value\": {value:.4}}}",
                quoted(aim.text)
            )
        }
    });
    let failures = figures.failures.iter().map(|failure| {
        format!(
            "{{\"step\": {}, \"tool\": {}, \"why\": {}}}",
            quoted(failure.step.name()),
            quoted(failure.tool),
            quoted(&failure.why)
        )
    });
    format!(
        "{{\n\"run\": {{{}}},\n\"versions\": {{{}}},\n\"rounds\": [{}],\n\"aims\": [{}],\n\"failures\": [{}]\n}}\n",
        lines(facts),
        lines(versions),
        lines(rounds.into_iter()),
        lines(aims),
        lines(failures)
    )
}

fn lines(items: impl Iterator<Item = String>) -> String {
    let items: Vec<_> = items.map(|item| format!("\n  {item}")).collect();
    items.join(",")
}

fn numbers(figure: &Figure) -> String {
    let sample = &figure.sample;
    let mut text = format!(
        "\"wall_seconds\": {:.6}, \"processor_seconds\": {:.6}, \"resident_bytes\": {}, \
         \"sync_seconds\": {:.6}",
        sample.wall.as_secs_f64(),
        sample.processor.as_secs_f64(),
        sample.resident_bytes,
        sample.sync.as_secs_f64()
    );
    if let Some(store) = figure.store {
        let (files, bytes, allocated) = (store.files, store.bytes, store.allocated_bytes);
        text.push_str(&format!(
            ", \"store_files\": {files}, \"store_bytes\": {bytes}, \
             \"store_allocated_bytes\": {allocated}"
        ));
    }
    text
}

fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for character in text.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            ' '..='~' => quoted.push(character),
            _ => {
                let mut units = [0; 2];
                for unit in character.encode_utf16(&mut units) {
                    let written = write!(quoted, "\\u{unit:04x}");
                    debug_assert!(written.is_ok(), "a String takes everything");
                }
            }
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_characters_are_escaped() {
        assert_eq!(quoted("a\"b\\c\n≤𝄞"), r#""a\"b\\c\u000a\u2264\ud834\udd1e""#);
    }
}
