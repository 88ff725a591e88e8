//! The door to queries: joins the command line's trait to the crate that runs them.

use std::collections::BTreeSet;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use rustyline::completion::Completer;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::validate::Validator;
use rustyline::{Context, Helper};
use tokio::signal::unix::{SignalKind, signal};
use vigil_cli::{LineEditor, Queries, QueryDoor, QueryRows, QuerySettings, QuerySpace};
use vigil_query::{Engine, Settings, Stop, read_arrow, render, space};
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
        let stop = self.engine.stop();
        // Without a thread that waits for it, an interrupt ends the program, as it does elsewhere.
        if listen() {
            *running() = Some(stop.clone());
        }
        work();
        *running() = None;
        stop.clear();
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

/// What the next interrupt from the keyboard stops, instead of the program.
static RUNNING: Mutex<Option<Stop>> = Mutex::new(None);

/// The exit code of a program that an interrupt has ended: 128, and the number of the signal.
const INTERRUPTED: i32 = 130;

fn running() -> MutexGuard<'static, Option<Stop>> {
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Waits for interrupts from now on, for as long as the program runs; says whether it does.
///
/// The first one while a query runs stops the query; any other ends the program.
fn listen() -> bool {
    static LISTENS: OnceLock<bool> = OnceLock::new();
    *LISTENS.get_or_init(|| {
        let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else {
            return false;
        };
        let interrupts = {
            let _inside = runtime.enter();
            signal(SignalKind::interrupt())
        };
        let Ok(mut interrupts) = interrupts else { return false };
        let wait = move || {
            runtime.block_on(async move {
                while interrupts.recv().await.is_some() {
                    match running().take() {
                        Some(stop) => stop.set(),
                        None => std::process::exit(INTERRUPTED),
                    }
                }
            });
        };
        std::thread::Builder::new().name("interrupts".to_owned()).spawn(wait).is_ok()
    })
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
        let words = self.words.lock().unwrap_or_else(PoisonError::into_inner);
        let fitting = words.iter().filter(|known| known.to_lowercase().starts_with(&word));
        Ok((start, fitting.cloned().collect::<BTreeSet<_>>().into_iter().collect()))
    }
}
