//! Lines from standard input: edited and remembered on a terminal, taken as they come elsewhere.
//!
//! An entry is in the history's file as soon as it is made, so that whatever ends the program
//! loses none, and conversations side by side lose none of each other's.

use std::fs;
use std::io::{self, BufRead as _, IsTerminal as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustyline::error::ReadlineError;
use rustyline::history::MemHistory;
use rustyline::{Config, Editor, Helper};
use vigil_cli::{EditedLine, LineEditor};

/// As many entries as a person may look for.
const HISTORY_ENTRIES_MAX: usize = 2_000;

/// The file is cut when it has this many times more entries than are looked at.
const HISTORY_SLACK: usize = 2;

/// Opens standard input.
pub(crate) fn open<H: Helper + 'static>(
    history: Option<PathBuf>,
    helper: Option<H>,
) -> io::Result<Box<dyn LineEditor>> {
    if !io::stdin().is_terminal() {
        return Ok(Box::new(Plain));
    }
    let config = Config::builder().max_history_size(HISTORY_ENTRIES_MAX).map_err(failed)?.build();
    let entries = MemHistory::with_config(&config);
    let mut editor: Editor<H, MemHistory> =
        Editor::with_history(config, entries).map_err(failed)?;
    editor.set_helper(helper);
    if let Some(path) = &history {
        for entry in kept(path)? {
            editor.add_history_entry(entry).map_err(failed)?;
        }
    }
    Ok(Box::new(Terminal { editor, history, trouble: None }))
}

fn failed(error: ReadlineError) -> io::Error {
    match error {
        ReadlineError::Io(error) => error,
        error => io::Error::other(error),
    }
}

/// Returns the entries of a file, oldest first, and cuts the file if it has become long.
fn kept(path: &Path) -> io::Result<Vec<String>> {
    // What is damaged in it is an odd entry, no reason to stop.
    let text = match fs::read(path) {
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let lines: Vec<&str> = text.lines().collect();
    let last = &lines[lines.len().saturating_sub(HISTORY_ENTRIES_MAX)..];
    if lines.len() > HISTORY_ENTRIES_MAX * HISTORY_SLACK {
        // Written beside and renamed, so that whoever reads it meanwhile sees one of both, whole.
        let temporary = path.with_extension(format!("{}", std::process::id()));
        let mut file = private().write(true).truncate(true).open(&temporary)?;
        file.write_all((last.join("\n") + "\n").as_bytes())?;
        fs::rename(&temporary, path)?;
    }
    Ok(last.iter().map(|line| unescaped(line)).collect())
}

/// Writes an entry behind the others.
fn append(path: &Path, entry: &str) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    let mut file = private().append(true).open(path)?;
    file.write_all((escaped(entry) + "\n").as_bytes())
}

/// A file that is made if it is absent, for nobody else to read.
fn private() -> fs::OpenOptions {
    fs::OpenOptions::new().create(true).mode(0o600).clone()
}

/// An entry of several lines is one line of the file.
fn escaped(entry: &str) -> String {
    entry.replace('\\', "\\\\").replace('\n', "\\n")
}

fn unescaped(line: &str) -> String {
    let mut entry = String::with_capacity(line.len());
    let mut characters = line.chars();
    while let Some(character) = characters.next() {
        if character != '\\' {
            entry.push(character);
            continue;
        }
        match characters.next() {
            Some('n') => entry.push('\n'),
            Some(other) => entry.push(other),
            None => {}
        }
    }
    entry
}

struct Plain;

impl LineEditor for Plain {
    fn line(&mut self, _prompt: &str) -> io::Result<EditedLine> {
        let mut line = String::new();
        if io::stdin().lock().read_line(&mut line)? == 0 {
            return Ok(EditedLine::End);
        }
        let end = line.trim_end_matches(['\r', '\n']).len();
        line.truncate(end);
        Ok(EditedLine::Text(line))
    }

    fn remember(&mut self, _entry: &str) {}

    fn finish(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Terminal<H: Helper> {
    editor: Editor<H, MemHistory>,
    history: Option<PathBuf>,
    /// The first reason why an entry could not be kept.
    trouble: Option<io::Error>,
}

impl<H: Helper> LineEditor for Terminal<H> {
    fn line(&mut self, prompt: &str) -> io::Result<EditedLine> {
        match self.editor.readline(prompt) {
            Ok(line) => Ok(EditedLine::Text(line)),
            Err(ReadlineError::Interrupted) => Ok(EditedLine::Interrupted),
            Err(ReadlineError::Eof) => Ok(EditedLine::End),
            Err(error) => Err(failed(error)),
        }
    }

    fn remember(&mut self, entry: &str) {
        // What repeats the entry before it is not added again.
        let is_new = match self.editor.add_history_entry(entry).map_err(failed) {
            Ok(is_new) => is_new,
            Err(error) => {
                self.trouble.get_or_insert(error);
                false
            }
        };
        if let Some(path) = self.history.as_ref().filter(|_| is_new)
            && let Err(error) = append(path, entry)
        {
            self.trouble.get_or_insert(error);
        }
    }

    fn finish(&mut self) -> io::Result<()> {
        self.trouble.take().map_or(Ok(()), Err)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_of_several_lines_come_back() {
        for entry in ["1 + 1", "let x = 1\nin x", "\\(n : Natural) ->\n  n", "a\\nb\\\\"] {
            assert_eq!(unescaped(&escaped(entry)), entry);
            assert!(!escaped(entry).contains('\n'));
        }
    }

    #[test]
    fn the_history_stays_short_and_keeps_what_is_last() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("state/history");
        assert_eq!(kept(&path).expect("none yet"), Vec::<String>::new());
        for number in 0..=HISTORY_ENTRIES_MAX * HISTORY_SLACK {
            append(&path, &format!("entry\n{number}")).expect("writable");
        }
        let entries = kept(&path).expect("readable");
        assert_eq!(entries.len(), HISTORY_ENTRIES_MAX);
        assert_eq!(entries.last().map(String::as_str), Some("entry\n4000"));
        let text = fs::read_to_string(&path).expect("readable");
        assert_eq!(text.lines().count(), HISTORY_ENTRIES_MAX);
        assert_eq!(kept(&path).expect("readable"), entries);
    }
}
