//! Lines from standard input: edited and remembered on a terminal, taken as they come elsewhere.

use std::fs;
use std::io::{self, BufRead as _, IsTerminal as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::PathBuf;

use rustyline::error::ReadlineError;
use rustyline::history::{History as _, MemHistory, SearchDirection};
use rustyline::{Config, Editor};
use vigil_cli::{EditedLine, LineEditor};

/// As many entries as a person may look for.
const HISTORY_ENTRIES_MAX: usize = 2_000;

/// Opens standard input.
pub(super) fn open(history: Option<PathBuf>) -> io::Result<Box<dyn LineEditor>> {
    if !io::stdin().is_terminal() {
        return Ok(Box::new(Plain));
    }
    let config = Config::builder().max_history_size(HISTORY_ENTRIES_MAX).map_err(failed)?.build();
    let entries = MemHistory::with_config(&config);
    let mut editor: Editor<(), MemHistory> =
        Editor::with_history(config, entries).map_err(failed)?;
    if let Some(path) = &history {
        match fs::read_to_string(path) {
            Ok(text) => {
                for entry in text.lines() {
                    editor.add_history_entry(unescaped(entry)).map_err(failed)?;
                }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(Box::new(Terminal { editor, history }))
}

fn failed(error: ReadlineError) -> io::Error {
    match error {
        ReadlineError::Io(error) => error,
        error => io::Error::other(error),
    }
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

struct Terminal {
    editor: Editor<(), MemHistory>,
    history: Option<PathBuf>,
}

impl LineEditor for Terminal {
    fn line(&mut self, prompt: &str) -> io::Result<EditedLine> {
        match self.editor.readline(prompt) {
            Ok(line) => Ok(EditedLine::Text(line)),
            Err(ReadlineError::Interrupted) => Ok(EditedLine::Interrupted),
            Err(ReadlineError::Eof) => Ok(EditedLine::End),
            Err(error) => Err(failed(error)),
        }
    }

    fn remember(&mut self, entry: &str) {
        // Without room for it, the entry is only not found again.
        let _ = self.editor.add_history_entry(entry);
    }

    fn finish(&mut self) -> io::Result<()> {
        let Some(path) = &self.history else { return Ok(()) };
        let history = self.editor.history();
        let mut text = String::new();
        for index in 0..history.len() {
            let found = history.get(index, SearchDirection::Forward).map_err(failed)?;
            if let Some(found) = found {
                text.push_str(&escaped(&found.entry));
                text.push('\n');
            }
        }
        if let Some(folder) = path.parent() {
            fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        }
        // Written beside and renamed, so that two that end at once leave one history, whole.
        let temporary = path.with_extension(format!("{}", std::process::id()));
        let options =
            fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).clone();
        io::Write::write_all(&mut options.open(&temporary)?, text.as_bytes())?;
        fs::rename(&temporary, path)
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
}
