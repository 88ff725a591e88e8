//! `vigil sql`: a query as a resource, printed, written, or talked about line by line.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::json;
use vigil_base::{Uri, Vcid};
use vigil_kernel::{
    Argument, Identifier, Invocation, MediaType, Reason, Refusal, Representation, Request, Space,
    render_pipeline,
};
use vigil_node::{Node, NodeError, SCOPE};
use vigil_store::Store;

use super::Session;
use super::get::write_part;
use super::kernel::Resolving;
use crate::args::{ResultFormat, SqlArgs, check_name};
use crate::dhall::EditedLine;
use crate::failure::CommandError;
use crate::query::{Queries, QuerySettings};

/// Memory of queries that no `--memory` stands beside.
const MEMORY_BYTES: u64 = 4 << 30;

/// Words that the prompt completes beside the names of tables and columns.
const KEYWORDS: &[&str] = &[
    "SELECT",
    "FROM",
    "WHERE",
    "GROUP BY",
    "ORDER BY",
    "HAVING",
    "LIMIT",
    "JOIN",
    "LEFT JOIN",
    "USING",
    "WITH",
    "UNION ALL",
    "DISTINCT",
    "BETWEEN",
    "EXPLAIN",
    "DESCRIBE",
    "SUMMARIZE",
    "PARTITION BY",
];

const HELP: &str = "\
SELECT …;              a query; it goes on over lines until a semicolon
DESCRIBE t;            the columns of a table     SUMMARIZE t;   figures of each column
EXPLAIN [ANALYZE] …;   how a query runs, and what it need not read
.table NAME URI        gives a resource a name
.view NAME SQL         gives a query a name
.names                 lists what has one
.uri                   the URI of the last query
.help                  this
.quit                  ends; so does the end of the input";

/// Lets a node answer queries, too.
pub(super) fn attach(
    node: &Node,
    store: &Store,
    settings: &QuerySettings,
    session: &Session<'_>,
) -> Result<Arc<dyn Queries>, CommandError> {
    let queries = session.environment.queries.open(store, settings);
    let overlap = |error| Box::new(NodeError::from(error));
    let space = queries.space().map_err(overlap)?;
    let mut whole = Space::new(SCOPE);
    if let Some(own) = node.kernel().scope(SCOPE) {
        whole = whole.import(own).map_err(overlap)?;
    }
    node.kernel().set_scope(SCOPE, whole.import(Arc::new(space)).map_err(overlap)?);
    Ok(queries)
}

/// What queries may use where nothing else is said.
pub(super) fn settings(session: &Session<'_>) -> QuerySettings {
    QuerySettings {
        memory_bytes: MEMORY_BYTES,
        time: None,
        threads: session.threads,
        spill_folder: session.environment.temporary.clone(),
    }
}

/// What all queries of one run have in common.
struct Asking<'a> {
    args: &'a SqlArgs,
    kernel: Resolving,
    tables: BTreeMap<String, Identifier>,
    views: BTreeMap<String, String>,
    /// The columns of tables, for completion.
    columns: BTreeSet<String>,
}

pub(super) fn sql(args: &SqlArgs, session: &mut Session<'_>) -> Result<(), CommandError> {
    if let Some(what) = session.environment.queries.missing() {
        return Err(refused(Reason::Misuse, what));
    }
    let settings =
        QuerySettings { memory_bytes: args.memory, time: args.timeout, ..settings(session) };
    let kernel = Resolving::start_with(&args.reach, &settings, session)?;
    let tables = args.table.iter().cloned().collect();
    let views = args.view.iter().cloned().collect();
    let mut asking = Asking { args, kernel, tables, views, columns: BTreeSet::new() };
    match &args.sql {
        Some(sql) => asking.answer(sql, session).map(|_| ()),
        None => asking.talk(session),
    }
}

fn refused(reason: Reason, text: impl Into<String>) -> CommandError {
    failed(Refusal::new(reason, text))
}

fn failed(refusal: Refusal) -> CommandError {
    CommandError::Query { source: Box::new(refusal.into()) }
}

/// The media type of a format; `None` for what people read.
fn media_type(format: ResultFormat) -> Option<MediaType> {
    let text = match format {
        ResultFormat::Table => return None,
        ResultFormat::Arrow => "application/vnd.apache.arrow.file",
        ResultFormat::Parquet => "application/vnd.apache.parquet",
        ResultFormat::Csv => "text/csv",
        ResultFormat::Ndjson => "application/x-ndjson",
        ResultFormat::Json => "application/json",
    };
    Some(MediaType::new(text).expect("these are media types"))
}

/// The format that a file's ending names.
fn of_ending(path: &Path) -> Result<ResultFormat, CommandError> {
    Ok(match path.extension().and_then(|ending| ending.to_str()) {
        Some("arrow" | "ipc" | "feather") => ResultFormat::Arrow,
        Some("parquet" | "pq") => ResultFormat::Parquet,
        Some("csv") => ResultFormat::Csv,
        Some("ndjson" | "jsonl") => ResultFormat::Ndjson,
        Some("json") => ResultFormat::Json,
        Some("txt") => ResultFormat::Table,
        _ => {
            let text = format!(
                "the ending of {} says no format; there are .arrow, .parquet, .csv, .ndjson, .json and .txt, \
                 or say it with --format",
                path.display()
            );
            return Err(refused(Reason::Misuse, text));
        }
    })
}

impl Asking<'_> {
    /// Returns the URI of a query.
    fn uri(&self, sql: &str) -> Result<Identifier, CommandError> {
        let mut call = Invocation { name: "sql".to_owned(), ..Invocation::default() };
        let mut give = |key: &str, argument| call.arguments.insert(key.to_owned(), argument);
        give("1", Argument::Value(sql.to_owned()));
        for (name, uri) in &self.tables {
            give(name, Argument::Reference(uri.clone()));
        }
        for (name, view) in &self.views {
            give(name, Argument::Value(view.clone()));
        }
        if let Some(catalog) = &self.args.catalog {
            give("catalog", Argument::Reference(catalog.clone()));
        }
        if !self.args.allow.is_empty() {
            give("allow", Argument::Value(self.args.allow.join(",")));
        }
        let options = [
            ("format", &self.args.input_format),
            ("header", &self.args.csv_header),
            ("delimiter", &self.args.csv_delimiter),
            ("quote", &self.args.csv_quote),
            ("null", &self.args.csv_null),
        ];
        for (name, value) in options {
            if let Some(value) = value {
                give(name, Argument::Value(value.clone()));
            }
        }
        call.to_uri().map_err(|error| refused(Reason::Misuse, error.to_string()))
    }

    /// Answers one query; returns the names of its columns where they are known.
    fn answer(&self, sql: &str, session: &mut Session<'_>) -> Result<Vec<String>, CommandError> {
        let uri = self.uri(sql)?;
        if self.args.uri {
            session.out.line(&uri)?;
            return Ok(Vec::new());
        }
        let format = match (self.args.format, &self.args.out) {
            (Some(format), _) => format,
            (None, Some(path)) => of_ending(path)?,
            (None, None) => ResultFormat::Table,
        };
        let mut request = Request::source(uri.clone());
        if let Some(media_type) = media_type(format).filter(|_| format != ResultFormat::Arrow) {
            request = request.wanting(media_type);
        }
        let found = self.resolved(request)?.map_err(failed)?;
        if self.args.json.json {
            session.out.json(&json!({
                "uri": uri.as_str(),
                "result": Uri::content(found.vcid).to_string(),
                "media_type": found.media_type.as_str(),
                "size": found.size,
            }))?;
        }
        match (&self.args.out, format) {
            (Some(path), _) => self.write(found.vcid, format, path, session)?,
            (None, _) if self.args.json.json => {}
            (None, ResultFormat::Table) => return self.print(found.vcid, session),
            (None, _) => {
                let uri = Uri::content(found.vcid);
                write_part(
                    &self.kernel.store,
                    &uri,
                    found.vcid,
                    None,
                    &mut session.out,
                    &session.talk,
                )?;
            }
        }
        Ok(Vec::new())
    }

    /// Resolves a request, which an interrupt stops.
    fn resolved(&self, request: Request) -> Result<Result<Representation, Refusal>, CommandError> {
        let mut found = None;
        self.kernel
            .queries
            .interruptible(&mut || found = Some(self.kernel.node.resolve(request.clone())));
        self.kernel.node.finish().map_err(Box::new)?;
        found.ok_or_else(|| refused(Reason::World, "the query was stopped"))
    }

    fn rows(&self, vcid: Vcid, rows_max: usize) -> Result<crate::query::QueryRows, CommandError> {
        let failed = |source| {
            let uri = Uri::content(vcid);
            CommandError::Read { uri, source: Box::new(source) }
        };
        let bytes = self.kernel.store.read(vcid).map_err(failed)?;
        self.kernel.queries.rows(bytes, rows_max).map_err(|what| refused(Reason::Broken, what))
    }

    fn print(&self, vcid: Vcid, session: &mut Session<'_>) -> Result<Vec<String>, CommandError> {
        let rows_max = if self.args.rows == 0 { usize::MAX } else { self.args.rows };
        let rows = self.rows(vcid, rows_max)?;
        for line in rows.text.lines() {
            session.out.line(line)?;
        }
        if rows.shown_count < rows.row_count {
            session.say(format_args!(
                "{} of {} rows; --rows 0 shows all, and --out FILE keeps them",
                rows.shown_count, rows.row_count
            ))?;
        }
        Ok(rows.columns)
    }

    fn write(
        &self,
        vcid: Vcid,
        format: ResultFormat,
        path: &Path,
        session: &Session<'_>,
    ) -> Result<(), CommandError> {
        let place = session.environment.locate(path);
        // Beside it first: whoever reads the file finds the old result or the new one, and no half of it.
        let mut beside = place.clone().into_os_string();
        beside.push(".part");
        let written = self.write_beside(vcid, format, path, beside.as_ref());
        let failed = |source| CommandError::File { action: "write", path: path.into(), source };
        let placed = written.and_then(|()| fs::rename(&beside, &place).map_err(failed));
        if placed.is_err() {
            // What has failed is told already; that nothing is left of it is all that can be done.
            let _ = fs::remove_file(&beside);
        }
        placed
    }

    fn write_beside(
        &self,
        vcid: Vcid,
        format: ResultFormat,
        path: &Path,
        beside: &Path,
    ) -> Result<(), CommandError> {
        let failed = |source| CommandError::File { action: "write", path: path.into(), source };
        let mut file = fs::File::create(beside).map_err(failed)?;
        if format == ResultFormat::Table {
            let text = self.rows(vcid, usize::MAX)?.text;
            return file.write_all(text.as_bytes()).map_err(failed);
        }
        let read = |source| {
            let uri = Uri::content(vcid);
            CommandError::Read { uri, source: Box::new(source) }
        };
        let blob = self.kernel.store.find(vcid).map_err(read)?;
        for index in 0..blob.piece_count() {
            let piece =
                self.kernel.store.piece(&blob, index, vigil_store::Depth::Full).map_err(read)?;
            file.write_all(&piece).map_err(failed)?;
        }
        file.flush().map_err(failed)
    }

    /// Reads queries from standard input, one after another.
    fn talk(&mut self, session: &mut Session<'_>) -> Result<(), CommandError> {
        let failed = |source| {
            let path = "standard input".into();
            CommandError::File { action: "read", path, source }
        };
        let words = Arc::new(Mutex::new(Vec::new()));
        let mut columns: Vec<String> = Vec::new();
        if session.environment.is_output_terminal {
            self.learn_columns(session);
        }
        let mut editor = session.environment.queries.editor(words.clone()).map_err(failed)?;
        let mut entry = String::new();
        let mut last = None;
        loop {
            *words.lock().unwrap_or_else(PoisonError::into_inner) = self.words(&columns);
            let prompt = if entry.is_empty() { "sql> " } else { "  -> " };
            match editor.line(prompt).map_err(failed)? {
                EditedLine::End => break,
                EditedLine::Interrupted => entry.clear(),
                EditedLine::Text(line) => {
                    entry += &line;
                    entry.push('\n');
                }
            }
            let text = entry.trim().to_owned();
            let is_command = text.starts_with('.');
            if text.is_empty() || !is_command && !text.ends_with(';') {
                continue;
            }
            entry.clear();
            editor.remember(&text);
            if text == ".quit" || text == ".exit" {
                break;
            }
            let result = match text.strip_prefix('.') {
                Some(command) => {
                    self.command(command, last.as_deref(), session).map(|()| Vec::new())
                }
                None => {
                    let sql = text.trim_end_matches(';').trim_end();
                    last = Some(sql.to_owned());
                    self.answer(sql, session)
                }
            };
            match result {
                Ok(found) if !found.is_empty() => columns = found,
                Ok(_) => {}
                Err(error @ CommandError::Output(_)) => return Err(error),
                Err(error) => {
                    session.finish()?;
                    session.talk.error(&error, error.hint().as_deref());
                }
            }
            session.finish()?;
        }
        let rest = entry.trim().to_owned();
        if !rest.is_empty() {
            self.answer(&rest, session)?;
        }
        if let Err(error) = editor.finish() {
            session.talk.warn("warning", format_args!("the history could not be kept: {error}"));
        }
        Ok(())
    }

    /// Looks up the columns of all tables, for completion.
    fn learn_columns(&mut self, session: &Session<'_>) {
        for (name, uri) in self.tables.clone() {
            // A prompt whose tables cannot be read yet is a prompt all the same.
            match self.columns_of(&uri) {
                Ok(names) => self.columns.extend(names),
                Err(error) => {
                    session.talk.warn("warning", format_args!("table {name}: {error}"));
                }
            }
        }
    }

    /// Returns the names of a table's columns.
    fn columns_of(&self, uri: &Identifier) -> Result<Vec<String>, CommandError> {
        let mut call = Invocation { name: "schema".to_owned(), ..Invocation::default() };
        call.arguments.insert("of".to_owned(), Argument::Reference(uri.clone()));
        let schema = call.to_uri().map_err(|error| refused(Reason::Misuse, error.to_string()))?;
        let found = self.resolved(Request::source(schema.clone()))?.map_err(|refusal| {
            let source = Box::new(refusal.into());
            CommandError::Refused { uri: render_pipeline(&schema), source }
        })?;
        let read = |source| {
            let uri = Uri::content(found.vcid);
            CommandError::Read { uri, source: Box::new(source) }
        };
        let text = self.kernel.store.read(found.vcid).map_err(read)?;
        let text = String::from_utf8_lossy(&text);
        Ok(text.lines().filter_map(|line| Some(line.split_once('\t')?.0.to_owned())).collect())
    }

    fn words(&self, columns: &[String]) -> Vec<String> {
        let names = self.tables.keys().chain(self.views.keys());
        let names = names.chain(&self.columns).chain(columns).cloned();
        names.chain(KEYWORDS.iter().map(|&word| word.to_owned())).collect()
    }

    fn command(
        &mut self,
        text: &str,
        last: Option<&str>,
        session: &mut Session<'_>,
    ) -> Result<(), CommandError> {
        let mut parts = text.splitn(3, char::is_whitespace);
        let (word, name, rest) =
            (parts.next().unwrap_or_default(), parts.next(), parts.next().map(str::trim));
        if let ("table" | "view", Some(name), Some(_)) = (word, name, rest) {
            check_name(name).map_err(|why| refused(Reason::Misuse, why))?;
        }
        match (word, name, rest) {
            ("help", ..) => session.out.line(HELP),
            ("names", ..) => {
                for (name, uri) in &self.tables {
                    session.out.line(format_args!("{name}  {uri}"))?;
                }
                for (name, sql) in &self.views {
                    session.out.line(format_args!("{name}  {sql}"))?;
                }
                Ok(())
            }
            ("uri", ..) => match last {
                Some(sql) => session.out.line(self.uri(sql)?),
                None => Err(refused(Reason::Misuse, "nothing has been asked yet")),
            },
            ("table", Some(name), Some(uri)) => {
                let uri = vigil_kernel::parse_pipeline(uri)
                    .map_err(|error| refused(Reason::Misuse, error.to_string()))?;
                let columns = self.columns_of(&uri)?;
                self.columns.extend(columns);
                self.tables.insert(name.to_owned(), uri);
                Ok(())
            }
            ("view", Some(name), Some(sql)) => {
                self.views.insert(name.to_owned(), sql.trim_end_matches(';').to_owned());
                Ok(())
            }
            _ => Err(refused(Reason::Misuse, format!("there is no `.{text}`; see .help"))),
        }
    }
}
