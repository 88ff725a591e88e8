//! The door to queries: the program joins it to the crate that runs them.

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use vigil_kernel::{Space, SpaceError};
use vigil_store::Store;

use crate::dhall::LineEditor;

/// What one query may use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuerySettings {
    /// Most bytes of memory.
    pub memory_bytes: u64,
    /// How long it may take.
    pub time: Option<Duration>,
    /// How many threads work.
    pub threads: usize,
    /// Where what does not fit into memory is spilled.
    pub spill_folder: PathBuf,
}

/// The endpoints of queries, or which two overlap.
pub type QuerySpace = Result<Space, SpaceError>;

/// Rows as text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueryRows {
    /// The lines, each with its end.
    pub text: String,
    /// How many rows there are in all.
    pub row_count: usize,
    /// How many of them are in the text.
    pub shown_count: usize,
    /// The names of the columns.
    pub columns: Vec<String>,
}

/// Runs queries.
pub trait QueryDoor: Send + Sync {
    /// Says what people should know where there are no queries in this program.
    fn missing(&self) -> Option<&'static str> {
        None
    }

    /// Returns what runs queries over a store. Nothing is started before the first one.
    fn open(&self, store: &Store, settings: &QuerySettings) -> Arc<dyn Queries>;

    /// Returns what reads lines from standard input, with a prompt and a history on a terminal. `words`
    /// are what the tabulator completes to.
    ///
    /// # Errors
    /// Returns why the terminal cannot be used.
    fn editor(&self, words: Arc<Mutex<Vec<String>>>) -> io::Result<Box<dyn LineEditor>>;
}

/// Queries over one store.
pub trait Queries: Send + Sync {
    /// Returns the endpoints of queries.
    ///
    /// # Errors
    /// Returns which two overlap.
    fn space(&self) -> QuerySpace;

    /// Does some work; while it lasts, an interrupt from the keyboard stops the query and nothing else.
    fn interruptible(&self, work: &mut dyn FnMut());

    /// Lays a result out for people, at most `rows_max` of its rows.
    ///
    /// # Errors
    /// Says why the bytes are no result.
    fn rows(&self, arrow: Vec<u8>, rows_max: usize) -> Result<QueryRows, String>;
}

/// The door of a program that was built without queries: it says so.
#[derive(Clone, Copy, Debug)]
pub struct NoQueries;

impl NoQueries {
    const WHY: &str = "this program was built without SQL; build it with the feature `sql`";
}

impl QueryDoor for NoQueries {
    fn missing(&self) -> Option<&'static str> {
        Some(Self::WHY)
    }

    fn open(&self, _: &Store, _: &QuerySettings) -> Arc<dyn Queries> {
        Arc::new(Self)
    }

    fn editor(&self, _: Arc<Mutex<Vec<String>>>) -> io::Result<Box<dyn LineEditor>> {
        Err(io::Error::new(io::ErrorKind::Unsupported, Self::WHY))
    }
}

impl Queries for NoQueries {
    fn space(&self) -> QuerySpace {
        Ok(Space::new("sql"))
    }

    fn interruptible(&self, work: &mut dyn FnMut()) {
        work();
    }

    fn rows(&self, _: Vec<u8>, _: usize) -> Result<QueryRows, String> {
        Err(Self::WHY.to_owned())
    }
}
