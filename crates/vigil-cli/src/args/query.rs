//! The command that asks with SQL.

use std::path::PathBuf;
use std::time::Duration;

use vigil_kernel::Identifier;

use super::{FormatArgs, ReachArgs, help, parse_pipeline, parse_size};

/// How a result is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum ResultFormat {
    /// Columns that stand below one another
    Table,
    /// An Arrow file
    Arrow,
    /// Apache Parquet
    Parquet,
    /// Comma-separated values
    Csv,
    /// A JSON object on each line
    Ndjson,
    /// One JSON array
    Json,
}

/// Arguments of `vigil sql`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = help::SQL)]
pub struct SqlArgs {
    /// The query; without one, queries are read from standard input, with a prompt on a terminal
    #[arg(value_name = "SQL")]
    pub sql: Option<String>,
    /// Give a resource a name in the query
    #[arg(long, value_name = "NAME=URI", value_parser = parse_table)]
    pub table: Vec<(String, Identifier)>,
    /// Give a query a name in the query
    #[arg(long, value_name = "NAME=SQL", value_parser = parse_view)]
    pub view: Vec<(String, String)>,
    /// Take names from a catalog, a record that `active:catalog` makes
    #[arg(long, value_name = "URI", value_parser = parse_pipeline)]
    pub catalog: Option<Identifier>,
    /// What the query may reach
    #[command(flatten)]
    pub reach: ReachArgs,
    /// How to print the result, or how to write it; a table if neither this nor a file's ending says
    #[arg(long, value_name = "FORMAT")]
    pub format: Option<ResultFormat>,
    /// Most rows of a table that are printed; 0 for all
    #[arg(long, value_name = "N", default_value_t = 40)]
    pub rows: usize,
    /// Write the result into this file; its ending says in which format, if --format does not
    #[arg(long, short, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Print the URI of the query instead of its result
    #[arg(long)]
    pub uri: bool,
    /// Most memory that the query may use
    #[arg(long, value_name = "SIZE", default_value = "4G", value_parser = parse_size)]
    pub memory: u64,
    /// How long the query may take, such as 500ms, 30s, 5min or 1h
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    pub timeout: Option<Duration>,
    /// Let the query ask for the time (clock) or for random numbers (randomness); its result is not kept
    #[arg(long, value_name = "WHAT", value_delimiter = ',')]
    pub allow: Vec<String>,
    /// What files are that do not say: parquet, arrow, csv, tsv, ndjson or json
    #[arg(long, value_name = "FORMAT")]
    pub input_format: Option<String>,
    /// Whether the first line of CSV files has names: yes or no
    #[arg(long, value_name = "YES|NO")]
    pub csv_header: Option<String>,
    /// What separates values of CSV files
    #[arg(long, value_name = "CHARACTER")]
    pub csv_delimiter: Option<String>,
    /// What stands around values of CSV files
    #[arg(long, value_name = "CHARACTER")]
    pub csv_quote: Option<String>,
    /// Which text of CSV files stands for no value
    #[arg(long, value_name = "TEXT")]
    pub csv_null: Option<String>,
    /// How to tell about the result
    #[command(flatten)]
    pub json: FormatArgs,
}

fn parse_time(text: &str) -> Result<Duration, String> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let millis = match unit {
        "ms" => 1,
        "s" => 1_000,
        "min" => 60_000,
        "h" => 3_600_000,
        _ => return Err("a time is a whole number and ms, s, min or h".to_owned()),
    };
    let number: u64 = number.parse().map_err(|_| "a time begins with a number".to_owned())?;
    number.checked_mul(millis).map(Duration::from_millis).ok_or("that is too long".to_owned())
}

/// Names that a call of `sql` has for itself.
const RESERVED: &[&str] = &[
    "1",
    "of",
    "sql",
    "catalog",
    "allow",
    "format",
    "header",
    "delimiter",
    "quote",
    "null",
    "schema",
];

/// Checks the name that a table or a view gets.
pub(crate) fn check_name(name: &str) -> Result<(), String> {
    let is_word = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
    if RESERVED.contains(&name) {
        return Err(format!(
            "`{name}` is what `sql` calls one of its own arguments; take another name"
        ));
    }
    if name.is_empty() || !name.bytes().all(is_word) {
        return Err(format!(
            "`{name}` is no name for a table: it has lower-case letters, digits and `_`, since SQL reads \
             capitals as small letters"
        ));
    }
    Ok(())
}

fn named(text: &str) -> Result<(String, &str), String> {
    let (name, rest) = text.split_once('=').ok_or("it has the form NAME=…")?;
    check_name(name)?;
    Ok((name.to_owned(), rest))
}

fn parse_table(text: &str) -> Result<(String, Identifier), String> {
    let (name, uri) = named(text)?;
    Ok((name, parse_pipeline(uri).map_err(|error| error.to_string())?))
}

fn parse_view(text: &str) -> Result<(String, String), String> {
    let (name, sql) = named(text)?;
    Ok((name, sql.to_owned()))
}
