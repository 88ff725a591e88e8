//! What a resource's bytes are: said by whoever asks, by its media type, by its name, or by how they begin.

use vigil_base::Vcid;
use vigil_kernel::MediaType;

/// How a table's bytes are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Format {
    /// Apache Parquet.
    Parquet,
    /// Arrow's file format.
    Arrow,
    /// Comma-separated values (RFC 4180).
    Csv,
    /// A JSON value on each line.
    Ndjson,
    /// One JSON array of objects.
    Json,
}

impl Format {
    const ALL: [Self; 5] = [Self::Parquet, Self::Arrow, Self::Csv, Self::Ndjson, Self::Json];

    /// Returns its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Parquet => "parquet",
            Self::Arrow => "arrow",
            Self::Csv => "csv",
            Self::Ndjson => "ndjson",
            Self::Json => "json",
        }
    }

    /// Returns the name of the call that gives it. `json` alone is what writes JSON anew.
    pub fn call(self) -> &'static str {
        match self {
            Self::Json => "json-array",
            other => other.name(),
        }
    }

    /// Returns its media type, as the IANA lists it.
    pub fn media_type(self) -> MediaType {
        let text = match self {
            Self::Parquet => "application/vnd.apache.parquet",
            Self::Arrow => "application/vnd.apache.arrow.file",
            Self::Csv => "text/csv",
            Self::Ndjson => "application/x-ndjson",
            Self::Json => "application/json",
        };
        MediaType::new(text).expect("these are media types")
    }

    /// Finds a format by its name, or by an ending of file names.
    pub fn named(name: &str) -> Option<Self> {
        Some(match name.to_ascii_lowercase().as_str() {
            "parquet" | "pq" => Self::Parquet,
            "arrow" | "ipc" | "feather" => Self::Arrow,
            "csv" | "tsv" => Self::Csv,
            "ndjson" | "jsonl" => Self::Ndjson,
            "json" => Self::Json,
            _ => return None,
        })
    }

    /// Finds a format by its media type.
    pub fn of_media_type(media_type: &MediaType) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.media_type() == *media_type)
    }

    /// Finds a format by how unpacked bytes begin.
    pub fn of_bytes(front: &[u8]) -> Option<Self> {
        if front.starts_with(b"PAR1") {
            return Some(Self::Parquet);
        }
        if front.starts_with(b"ARROW1") {
            return Some(Self::Arrow);
        }
        match front.iter().find(|byte| !byte.is_ascii_whitespace()) {
            Some(b'{') => return Some(Self::Ndjson),
            Some(b'[') => return Some(Self::Json),
            _ => {}
        }
        // A line with a comma in a text without control characters.
        let line = front.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let is_text = !line.iter().any(|byte| *byte < 0x20 && !b"\t\r".contains(byte));
        (is_text && line.contains(&b',')).then_some(Self::Csv)
    }
}

/// How to read a table, where its bytes do not say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// Its format.
    pub format: Option<Format>,
    /// Whether the first line of CSV has names; it has if nothing is said.
    pub has_header: Option<bool>,
    /// What separates values of CSV.
    pub delimiter: Option<u8>,
    /// What stands around values of CSV.
    pub quote: Option<u8>,
    /// Which text of CSV stands for no value.
    pub null: Option<String>,
    /// The Vcid of a schema to use instead of an inferred one, and its text.
    pub schema: Option<(Vcid, String)>,
}

/// Returns the endings of a name, the last first: `gz` and `csv` of `t.csv.gz`.
pub fn endings(name: &str) -> impl Iterator<Item = &str> {
    let last = name.rsplit(['/', '%']).next().unwrap_or_default();
    last.split('.').skip(1).collect::<Vec<_>>().into_iter().rev()
}
