//! Why a query has no result, as people read it.

use std::error::Error as StdError;
use std::io;
use std::ops::Range;
use std::time::Duration;

use datafusion::arrow::error::ArrowError;
use datafusion::common::{DataFusionError, Diagnostic};
use vigil_base::{Blame, Blamed};
use vigil_kernel::{Reason, Refusal};

use crate::source::{LongRecord, Objects};

/// Why a query has no result.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum QueryError {
    /// The query makes no sense, or its computation fails.
    #[error("{text}")]
    Statement {
        /// What is wrong, with the place in the SQL where one is known.
        text: String,
    },
    /// A resource is not what it was taken for.
    #[error("{name} cannot be read as a table: {what}")]
    Source {
        /// The resource.
        name: String,
        /// What is wrong with it.
        what: String,
    },
    /// The bytes of a resource are not what they should be.
    #[error("{what}\n  found after reading bytes {start} to {end} of {name}", start = range.start, end = range.end)]
    Bytes {
        /// The resource that was read last.
        name: String,
        /// Which bytes of it.
        range: Range<u64>,
        /// What is wrong.
        what: String,
    },
    /// The limit on memory was reached, and what there was to spill had been.
    #[error("the query needs more memory than it may have; raise it with --memory\n  {what}")]
    Memory {
        /// Who asked for how much.
        what: String,
    },
    /// The limit on what may be spilled was reached.
    #[error(
        "the query needs more room on disk than it may have; raise --memory, so that it spills less, or ask \
         for less\n  {what}"
    )]
    Spill {
        /// What was said of it.
        what: String,
    },
    /// The time was up.
    #[error("the query took more than {limit:?}; raise it with --timeout")]
    Late {
        /// The limit.
        limit: Duration,
    },
    /// Somebody stopped it.
    #[error("the query was stopped")]
    Stopped,
    /// It panicked.
    #[error("the query broke off, which it should not: {what}")]
    Broken {
        /// What the panic said.
        what: String,
    },
    /// The store or the disk failed.
    #[error("{what}")]
    World {
        /// What happened.
        what: String,
    },
}

impl From<QueryError> for Refusal {
    fn from(error: QueryError) -> Self {
        let reason = match error.blame() {
            Blame::Caller => Reason::Misuse,
            Blame::World => Reason::World,
            Blame::Us => Reason::Broken,
        };
        Self::new(reason, error.to_string())
    }
}

impl Blamed for QueryError {
    /// Says who can mend it. What is the caller's follows from the SQL and the bytes alone, and may be kept;
    /// limits, the store and the disk are the world's.
    fn blame(&self) -> Blame {
        match self {
            Self::Statement { .. } | Self::Source { .. } | Self::Bytes { .. } => Blame::Caller,
            Self::Broken { .. } => Blame::Us,
            Self::Memory { .. }
            | Self::Spill { .. }
            | Self::Late { .. }
            | Self::Stopped
            | Self::World { .. } => Blame::World,
        }
    }
}

impl QueryError {
    /// Says what happened in the world, with all that led to it.
    pub fn world(error: &(dyn StdError + 'static)) -> Self {
        let mut what = error.to_string();
        let mut next = error.source();
        while let Some(error) = next {
            what += &format!(": {error}");
            next = error.source();
        }
        Self::World { what }
    }

    /// Says what DataFusion says, with the place in the SQL or in the bytes.
    pub fn of(error: &DataFusionError, sql: &str, objects: Option<&Objects>) -> Self {
        if let Some(not_of_bytes) = find(error, &of_limits_and_world) {
            return not_of_bytes;
        }
        let from_bytes = find(error, &|e| {
            if let Some(long) = e.downcast_ref::<LongRecord>() {
                return Some(long.to_string());
            }
            match e.downcast_ref::<DataFusionError>()? {
                DataFusionError::ParquetError(source) => Some(source.to_string()),
                DataFusionError::ArrowError(source, _) if is_of_bytes(source) => {
                    Some(source.to_string())
                }
                DataFusionError::ObjectStore(source) => Some(source.to_string()),
                _ => None,
            }
        });
        if let (Some(what), Some((name, range))) =
            (from_bytes, objects.and_then(Objects::last_read))
        {
            return Self::Bytes { name, range, what };
        }
        Self::Statement { text: statement(error, sql) }
    }
}

/// Tells what is a matter of limits, of the store or of the disk, whatever it is wrapped into.
fn of_limits_and_world(error: &(dyn StdError + 'static)) -> Option<QueryError> {
    if let Some(own) = error.downcast_ref::<QueryError>() {
        return Some(own.clone());
    }
    if error.is::<vigil_store::ReadError>() {
        return Some(QueryError::world(error));
    }
    match error.downcast_ref::<DataFusionError>()? {
        DataFusionError::ResourcesExhausted(what) if what.contains("spilling") => {
            Some(QueryError::Spill { what: what.clone() })
        }
        DataFusionError::ResourcesExhausted(what) => {
            Some(QueryError::Memory { what: what.clone() })
        }
        // Bytes come from the store, so files are those for spilling.
        DataFusionError::IoError(source) if source.get_ref().is_none() => {
            Some(QueryError::world(source))
        }
        _ => None,
    }
}

/// Says whether an error of Arrow is about bytes that were read.
fn is_of_bytes(error: &ArrowError) -> bool {
    !matches!(
        error,
        ArrowError::NotYetImplemented(_)
            | ArrowError::CastError(_)
            | ArrowError::ComputeError(_)
            | ArrowError::DivideByZero
            | ArrowError::ArithmeticOverflow(_)
            | ArrowError::OffsetOverflowError(_)
    )
}

/// Finds something in an error, or in what led to it.
fn find<T>(
    error: &(dyn StdError + 'static),
    pick: &dyn Fn(&(dyn StdError + 'static)) -> Option<T>,
) -> Option<T> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = pick(error) {
            return Some(found);
        }
        // Several threads may share one error.
        if let Some(DataFusionError::Shared(shared)) = error.downcast_ref::<DataFusionError>() {
            return find(&**shared, pick);
        }
        // Errors of input and output name not the one that they wrap, but what led to that.
        let of_io = match error.downcast_ref::<ArrowError>() {
            Some(ArrowError::IoError(_, inner)) => Some(inner),
            _ => error.downcast_ref::<io::Error>(),
        };
        next = match of_io.and_then(io::Error::get_ref) {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    None
}

/// Says what is wrong with a statement, and shows where.
fn statement(error: &DataFusionError, sql: &str) -> String {
    let plain = error.strip_backtrace();
    let prefixes = [
        "Error during planning: ",
        "Schema error: ",
        "SQL error: ",
        "Execution error: ",
        "Arrow error: ",
        "This feature is not implemented: ",
        "External error: ",
    ];
    let mut text = plain.as_str();
    while let Some(rest) = prefixes.iter().find_map(|prefix| text.strip_prefix(prefix)) {
        text = rest;
    }
    let parser = text.strip_prefix("ParserError(\"").and_then(|rest| rest.strip_suffix("\")"));
    let text = parser.unwrap_or(text).trim_end().to_owned();
    let place = match error.diagnostic() {
        Some(Diagnostic { span: Some(span), .. }) => Some((span.start.line, span.start.column)),
        _ => place_in_text(&text),
    };
    match place.and_then(|(line, column)| point(sql, line, column)) {
        Some(pointer) => format!("{text}\n{pointer}"),
        None => text,
    }
}

/// Reads `at Line: 1, Column: 8`.
fn place_in_text(text: &str) -> Option<(u64, u64)> {
    let (line, column) = text.rsplit_once("Line: ")?.1.split_once(", Column: ")?;
    let digits = |text: &str| {
        let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        text[..end].parse().ok()
    };
    Some((digits(line)?, digits(column)?))
}

/// Shows a line of the SQL with a mark below a column; both count from 1.
pub fn point(sql: &str, line: u64, column: u64) -> Option<String> {
    let shown = sql.lines().nth(usize::try_from(line.checked_sub(1)?).ok()?)?;
    let blanks: String = shown
        .chars()
        .take(usize::try_from(column.checked_sub(1)?).ok()?)
        .map(|c| if c == '\t' { '\t' } else { ' ' })
        .collect();
    let mark = format!("{line:>4} | ");
    let margin = " ".repeat(mark.len() - 2);
    Some(format!("{mark}{shown}\n{margin}| {blanks}^"))
}

/// Returns the name that is nearest to another, if one is near.
pub fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let limit = name.chars().count() / 3 + 1;
    known
        .map(|other| {
            (datafusion::common::utils::datafusion_strsim::levenshtein(name, other), other)
        })
        .filter(|(distance, _)| *distance <= limit)
        .min()
        .map(|(_, other)| other)
}
