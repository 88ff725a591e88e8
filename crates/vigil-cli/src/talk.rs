//! Standard error: talk, progress, errors. Nothing that a program would want to read.

use std::fmt::Display;
use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};

use vigil_base::world::{Clock, Moment};
use vigil_dhall::Report;

use crate::environment::Environment;
use crate::human;

/// What progress looks like: how much is done, of how much.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Things that are done, with the noun to use, where things are counted.
    pub things: Option<(u64, u64, &'static str)>,
    /// Bytes that are done.
    pub bytes: u64,
    /// How many bytes there are in all, where that is known.
    pub bytes_total: Option<u64>,
}

/// Says things to a person.
pub struct Talk<'a> {
    state: Mutex<State<'a>>,
    clock: Arc<dyn Clock>,
    /// The terminal's width; `None` where there is no terminal.
    columns: Option<usize>,
    has_colour: bool,
    is_quiet: bool,
}

struct State<'a> {
    sink: Box<dyn Write + Send + 'a>,
    /// A progress line stands on the terminal.
    is_drawn: bool,
}

/// Work that takes less is over before a person wonders.
const FIRST_AFTER_NANOSECONDS: i64 = 250_000_000;
/// Ten lines a second look smooth and cost nothing.
const AGAIN_AFTER_NANOSECONDS: i64 = 100_000_000;

impl<'a> Talk<'a> {
    /// Talks to `sink`, which is the terminal that `environment` knows of, or no terminal.
    pub fn new(
        sink: Box<dyn Write + Send + 'a>,
        environment: &Environment,
        is_quiet: bool,
    ) -> Self {
        Self {
            state: Mutex::new(State { sink, is_drawn: false }),
            clock: environment.clock.clone(),
            columns: environment.talk_columns.map(usize::from),
            has_colour: environment.wants_colour && environment.talk_columns.is_some(),
            is_quiet,
        }
    }

    /// Says a line, unless quiet was asked for.
    pub fn say(&self, line: impl Display) {
        if !self.is_quiet {
            self.write(&format!("{}\n", human::clean(&line.to_string())));
        }
    }

    /// Says a line that a person should not miss.
    pub fn warn(&self, label: &str, line: impl Display) {
        let line = human::set_in(&line.to_string());
        self.write(&format!("{} {line}\n", self.paint("1;33", &format!("{label}:"))));
    }

    /// Says what went wrong, why, and what next.
    pub fn error(&self, error: &dyn std::error::Error, hint: Option<&str>) {
        // What went wrong may repeat names and bytes from anywhere.
        let shown = |error: &dyn std::error::Error| human::set_in(&error.to_string());
        let mut text = format!("{} {}\n", self.paint("1;31", "error:"), shown(error));
        let mut source = error.source();
        while let Some(cause) = source {
            text += &format!("  because: {}\n", shown(cause));
            source = cause.source();
        }
        if let Some(hint) = hint {
            text += &format!("{} {}\n", self.paint("1;36", "hint:"), human::set_in(hint));
        }
        self.write(&text);
    }

    /// Says what is wrong with an expression.
    pub fn report(&self, report: &Report) {
        self.write(&report.render(self.has_colour));
    }

    fn paint(&self, code: &str, text: &str) -> String {
        if self.has_colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.into() }
    }

    fn write(&self, text: &str) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.erase();
        state.put(text);
    }

    /// Starts to show how far a job is, if anybody is looking.
    pub fn meter(&self, label: impl Into<String>) -> Meter<'_, 'a> {
        let now = self.clock.now();
        let is_shown = self.columns.is_some() && !self.is_quiet;
        let drawn = Mutex::new(Moment(now.0 + FIRST_AFTER_NANOSECONDS - AGAIN_AFTER_NANOSECONDS));
        Meter { talk: self, label: label.into(), start: now, drawn, is_shown }
    }
}

impl State<'_> {
    fn put(&mut self, text: &str) {
        // If standard error is gone, nobody is left to be told so.
        let _ = self.sink.write_all(text.as_bytes()).and_then(|()| self.sink.flush());
    }

    fn erase(&mut self) {
        if std::mem::take(&mut self.is_drawn) {
            self.put("\r\x1b[K");
        }
    }
}

/// Shows one job's progress on one line, which is gone when the job is done.
pub struct Meter<'t, 'a> {
    talk: &'t Talk<'a>,
    label: String,
    start: Moment,
    /// When the line was drawn last.
    drawn: Mutex<Moment>,
    is_shown: bool,
}

impl Meter<'_, '_> {
    /// Shows how far the job is, if it is time to. Threads may call this as often as they like.
    pub fn show(&self, progress: &Progress) {
        if !self.is_shown {
            return;
        }
        // A thread that finds another one drawing has nothing to add.
        let Ok(mut drawn) = self.drawn.try_lock() else { return };
        let now = self.talk.clock.now();
        // A clock that was set back must not stop the drawing for long.
        if now.0 < drawn.0 {
            drawn.0 = drawn.0.min(now.0 + FIRST_AFTER_NANOSECONDS);
        }
        if now.0 - drawn.0 < AGAIN_AFTER_NANOSECONDS {
            return;
        }
        *drawn = now;
        let mut line = line(&self.label, progress, now.0.saturating_sub(self.start.0));
        let columns = self.talk.columns.unwrap_or(80);
        if let Some((end, _)) = line.char_indices().nth(columns.saturating_sub(1)) {
            line.truncate(end);
        }
        let mut state = self.talk.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.put(&format!("\r{line}\x1b[K"));
        state.is_drawn = true;
    }
}

impl Drop for Meter<'_, '_> {
    fn drop(&mut self) {
        self.talk.state.lock().unwrap_or_else(PoisonError::into_inner).erase();
    }
}

fn line(label: &str, progress: &Progress, nanoseconds: i64) -> String {
    let mut parts = Vec::new();
    if let Some((done, total, noun)) = progress.things {
        let (done, total) = (human::grouped(done), human::grouped(total));
        parts.push(format!("{done}/{total} {noun}"));
    }
    let done = human::size(progress.bytes);
    parts.push(match progress.bytes_total {
        Some(total) => format!("{done} of {}", human::size(total)),
        None => done,
    });
    // A clock that was set back knows no rate.
    let rate = match u128::try_from(nanoseconds) {
        Ok(span) if span > 0 => u128::from(progress.bytes) * 1_000_000_000 / span,
        _ => 0,
    };
    if rate > 0 {
        parts.push(format!("{}/s", human::size(rate.min(u128::from(u64::MAX)) as u64)));
        if let Some(total) = progress.bytes_total {
            let left = u128::from(total.saturating_sub(progress.bytes)) / rate;
            parts
                .push(format!("{} left", human::clock_span(left.min(u128::from(u64::MAX)) as u64)));
        }
    }
    human::clean(&format!("{label}  {}", parts.join("  "))).replace('\n', " ")
}

#[cfg(test)]
mod tests;
