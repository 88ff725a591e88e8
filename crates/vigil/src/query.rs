//! The door to queries: joins the command line's trait to the crate that runs them.

use std::collections::BTreeSet;
use std::io;
use std::sync::{Arc, Mutex};

use rustyline::completion::Completer;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::validate::Validator;
use rustyline::{Context, Helper};
use vigil_cli::{LineEditor, Queries, QueryDoor, QueryRows, QuerySettings, QuerySpace};
use vigil_query::{Engine, Settings, read_arrow, render, space};
use vigil_store::Store;

use crate::dhall::open_editor;

/// Runs queries with DataFusion.
pub(crate) struct Asked;

impl QueryDoor for Asked {
    fn open(&self, store: &Store, settings: &QuerySettings) -> Arc<dyn Queries> {
        let settings = Settings {
            memory_bytes_max: usize::try_from(settings.memory_bytes).unwrap_or(usize::MAX),
            spill_folder: Some(settings.spill_folder.clone()),
            time_max: settings.time,
            threads: settings.threads,
            ..Settings::default()
        };
        Arc::new(Over { engine: Arc::new(Engine::new(store.clone(), settings)) })
    }

    fn editor(&self, words: Arc<Mutex<Vec<String>>>) -> io::Result<Box<dyn LineEditor>> {
        open_editor("sql-history", Some(Words { words }))
    }
}

struct Over {
    engine: Arc<Engine>,
}

impl Queries for Over {
    fn space(&self) -> QuerySpace {
        space(&self.engine)
    }

    fn interruptible(&self, work: &mut dyn FnMut()) {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        // Without a thread to wait for it, an interrupt ends the program, as it does elsewhere.
        if let Ok(runtime) = &runtime {
            let stop = self.engine.stop();
            runtime.spawn(async move {
                while tokio::signal::ctrl_c().await.is_ok() {
                    stop.notify_waiters();
                }
            });
        }
        work();
        if let Ok(runtime) = runtime {
            runtime.shutdown_background();
        }
    }

    fn rows(&self, arrow: Vec<u8>, rows_max: usize) -> Result<QueryRows, String> {
        let (schema, batches) = read_arrow(arrow).map_err(|error| error.to_string())?;
        let shown = render(&schema, &batches, rows_max).map_err(|error| error.to_string())?;
        Ok(QueryRows {
            text: shown.text,
            row_count: shown.row_count,
            shown_count: shown.shown_count,
            columns: schema.fields().iter().map(|field| field.name().clone()).collect(),
        })
    }
}

/// Completes words of a query.
pub(crate) struct Words {
    words: Arc<Mutex<Vec<String>>>,
}

impl Helper for Words {}
impl Highlighter for Words {}
impl Validator for Words {}
impl Hinter for Words {
    type Hint = String;
}

impl Completer for Words {
    type Candidate = String;

    fn complete(
        &self,
        line: &str,
        position: usize,
        _: &Context<'_>,
    ) -> rustyline::Result<(usize, Vec<String>)> {
        let is_part = |c: char| c.is_alphanumeric() || c == '_';
        let before = &line[..position];
        let start = before
            .rfind(|c| !is_part(c))
            .map_or(0, |at| at + before[at..].chars().next().map_or(0, char::len_utf8));
        let word = before[start..].to_lowercase();
        if word.is_empty() {
            return Ok((start, Vec::new()));
        }
        let words = self.words.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let fitting = words.iter().filter(|known| known.to_lowercase().starts_with(&word));
        Ok((start, fitting.cloned().collect::<BTreeSet<_>>().into_iter().collect()))
    }
}
