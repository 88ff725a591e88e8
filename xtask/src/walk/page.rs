//! A manual page: prose around fenced `console` blocks, each a list of commands with their output.
//!
//! It runs nothing.
//!
//! Invariant: a page that is blessed with the output that it shows is the same page.

use super::matcher::{ANY_LINES, ANYTHING, line_matches, lines_match};
use super::shell::Output;
use std::path::Path;

const OPEN: &str = "```console";
const CLOSE: &str = "```";

/// A page, piece by piece, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// The programs that the page needs beside `vigil`.
    pub needs: Vec<String>,
    pieces: Vec<Piece>,
    open_block: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Prose(String),
    Step(Step),
}

/// One command and what it should print.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The line of the page, counted from 1.
    pub line: usize,
    /// The command, without prompts, lines joined by newlines.
    pub command: String,
    /// The lines that should come out; blank lines at the end do not count.
    pub expected: Vec<String>,
    /// The exit code that should come out.
    pub exit: i32,
    /// Blank lines between the output and what follows on the page.
    blank_after: usize,
}

impl Page {
    /// Reads a page.
    pub fn parse(text: &str) -> Page {
        let mut page = Page { needs: Vec::new(), pieces: Vec::new(), open_block: false };
        for (index, line) in text.lines().enumerate() {
            if !page.open_block {
                page.open_block = line == OPEN;
                page.needs.extend(needs(line));
                page.pieces.push(Piece::Prose(line.to_owned()));
            } else if line == CLOSE {
                page.open_block = false;
                page.pieces.push(Piece::Prose(line.to_owned()));
            } else {
                page.read_block_line(index + 1, line);
            }
        }
        for piece in &mut page.pieces {
            if let Piece::Step(step) = piece {
                step.settle();
            }
        }
        page
    }

    fn read_block_line(&mut self, number: usize, line: &str) {
        if let Some(command) = line.strip_prefix("$ ") {
            let (expected, command) = (Vec::new(), command.to_owned());
            let step = Step { line: number, command, expected, exit: 0, blank_after: 0 };
            self.pieces.push(Piece::Step(step));
            return;
        }
        match self.pieces.last_mut() {
            Some(Piece::Step(step)) => {
                let continues = line.strip_prefix("> ").or((line == ">").then_some(""));
                match continues.filter(|_| step.expected.is_empty()) {
                    Some(more) => {
                        step.command.push('\n');
                        step.command.push_str(more);
                    }
                    None => step.expected.push(line.to_owned()),
                }
            }
            // Output before any command is kept as it is; `complaint` names it.
            _ => self.pieces.push(Piece::Prose(line.to_owned())),
        }
    }

    /// Returns what is wrong with the page itself, if anything is.
    pub fn complaint(&self) -> Option<String> {
        if self.open_block {
            return Some("a ```console block is never closed".to_owned());
        }
        if self.steps().next().is_none() {
            return Some("no ```console block has a line that starts with `$ `".to_owned());
        }
        None
    }

    /// Returns the commands in order.
    pub fn steps(&self) -> impl Iterator<Item = &Step> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Step(step) => Some(step),
            Piece::Prose(_) => None,
        })
    }

    /// Returns the page with what came out, keeping the patterns that still match.
    pub fn bless(&self, outputs: &[Output], folder: &Path) -> String {
        let mut text = String::new();
        let mut outputs = outputs.iter();
        for piece in &self.pieces {
            match piece {
                Piece::Prose(line) => {
                    text.push_str(line);
                    text.push('\n');
                }
                Piece::Step(step) => step.bless(outputs.next(), folder, &mut text),
            }
        }
        text
    }
}

/// Returns the programs that a line `<!-- needs: a b -->` names.
fn needs(line: &str) -> Vec<String> {
    let names = line.strip_prefix("<!-- needs:").and_then(|rest| rest.strip_suffix("-->"));
    names.unwrap_or_default().split_whitespace().map(str::to_owned).collect()
}

impl Step {
    /// Takes the blank lines and the exit code off the end of the expected lines.
    fn settle(&mut self) {
        while self.expected.last().is_some_and(String::is_empty) {
            self.expected.pop();
            self.blank_after += 1;
        }
        let code = self
            .expected
            .last()
            .and_then(|line| line.strip_prefix("[exit ")?.strip_suffix(']')?.parse::<i32>().ok());
        if let Some(code) = code {
            self.exit = code;
            self.expected.pop();
        }
    }

    fn bless(&self, output: Option<&Output>, folder: &Path, text: &mut String) {
        let command = self.command.replace('\n', "\n> ").replace("> \n", ">\n");
        text.push_str(&format!("$ {command}\n"));
        let (lines, exit) = match output {
            Some(output) => (self.blessed_lines(&output.lines, folder), output.exit),
            None => (self.expected.clone(), self.exit),
        };
        for line in lines {
            text.push_str(&line);
            text.push('\n');
        }
        if exit != 0 {
            text.push_str(&format!("[exit {exit}]\n"));
        }
        text.push_str(&"\n".repeat(self.blank_after));
    }

    /// Returns the lines to show: the old ones where they match, else what came out.
    fn blessed_lines(&self, lines: &[String], folder: &Path) -> Vec<String> {
        if lines_match(&self.expected, lines) {
            return self.expected.clone();
        }
        let folder = folder.display().to_string();
        let mut old = self.expected.iter().filter(|pattern| *pattern != ANY_LINES).peekable();
        let mut shown = Vec::new();
        for line in lines {
            let mut ahead = old.clone();
            match ahead.find(|pattern| line_matches(pattern, line)) {
                Some(pattern) => {
                    shown.push(pattern.clone());
                    old = ahead;
                }
                None => shown.push(line.replace(&folder, ANYTHING)),
            }
        }
        shown
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# Title\n<!-- needs: aws rclone -->\n\n```console\n$ echo a\na\n\n\
                        $ cat <<END\n> b\n>\n> END\nb\n$ false\n[exit 1]\n```\n\n```\n$ no\n```\n";

    fn output(lines: &[&str], exit: i32) -> Output {
        Output { lines: lines.iter().map(|line| (*line).to_owned()).collect(), exit }
    }

    #[test]
    fn commands_outputs_and_exit_codes_are_read() {
        let page = Page::parse(TEXT);
        assert_eq!(page.complaint(), None);
        assert_eq!(page.needs, ["aws", "rclone"]);
        let got: Vec<_> =
            page.steps().map(|s| (s.line, &*s.command, s.expected.join("|"), s.exit)).collect();
        assert_eq!(
            got,
            [
                (5, "echo a", "a".to_owned(), 0),
                (8, "cat <<END\nb\n\nEND", "b".to_owned(), 0),
                (13, "false", String::new(), 1),
            ]
        );
    }

    #[test]
    fn blessing_what_is_shown_changes_nothing() {
        let page = Page::parse(TEXT);
        let outputs = [output(&["a"], 0), output(&["b"], 0), output(&[], 1)];
        assert_eq!(page.bless(&outputs, Path::new("/t")), TEXT);
    }

    #[test]
    fn blessing_keeps_patterns_that_match() {
        let page = Page::parse("```console\n$ x\nid [..]\nold\n...\nend\n```\n");
        let blessed = page.bless(&[output(&["id 7", "new", "in /t/f", "end"], 2)], Path::new("/t"));
        assert_eq!(blessed, "```console\n$ x\nid [..]\nnew\nin [..]/f\nend\n[exit 2]\n```\n");
    }

    #[test]
    fn broken_pages_are_refused() {
        assert!(Page::parse("```console\n$ x\n").complaint().unwrap().contains("never closed"));
        assert!(Page::parse("```console\nx\n```\n").complaint().unwrap().contains("`$ `"));
        assert!(Page::parse("text\n").complaint().is_some());
    }
}
