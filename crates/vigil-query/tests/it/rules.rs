//! Every file of `corpus/query`, in the format of sqllogictest. With `UPDATE_EXPECT=1` they rewrite
//! themselves; with `SLT=NAME` only that file is run.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use datafusion::arrow::array::Array as _;
use datafusion::arrow::datatypes::DataType;
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};
use sqllogictest::{
    DB, DBOutput, DefaultColumnType, Runner, default_column_validator, default_normalizer,
    default_validator,
};
use vigil_query::{Engine, QueryError, Settings, Source};

use crate::world::{Shelf, resolve, run};

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../corpus/query")
}

/// The tables of `corpus/query/data`, named after their files.
struct Tables {
    engine: Arc<Engine>,
    tables: Vec<(String, Source)>,
}

impl Tables {
    fn new(shelf: &Shelf) -> Self {
        let mut tables = Vec::new();
        for entry in fs::read_dir(corpus().join("data")).expect("there is data") {
            let path = entry.expect("it is read").path();
            let name = path.file_stem().expect("it has one").to_string_lossy().into_owned();
            let vcid = shelf.put(&fs::read(&path).expect("it is read"));
            let shown = path.file_name().expect("it has one").to_string_lossy().into_owned();
            tables.push((name, shelf.table(&shown, vcid)));
        }
        Self { engine: shelf.engine(Settings::default()), tables }
    }
}

impl DB for Tables {
    type Error = QueryError;
    type ColumnType = DefaultColumnType;

    fn run(&mut self, sql: &str) -> Result<DBOutput<DefaultColumnType>, QueryError> {
        for name in self.engine.references(sql)? {
            if !self.tables.iter().any(|(known, _)| *known == name) {
                let near = self.tables.iter().map(|(known, _)| known.as_str());
                let text = format!("there is no {name}; did you mean {near:?}?");
                return Err(QueryError::Statement { text });
            }
        }
        let tables: Vec<(&str, Source)> =
            self.tables.iter().map(|(name, source)| (name.as_str(), source.clone())).collect();
        let table = run(&self.engine, sql, &tables)?;
        let types = table.schema.fields().iter().map(|field| match field.data_type() {
            kind if kind.is_integer() => DefaultColumnType::Integer,
            kind if kind.is_floating() => DefaultColumnType::FloatingPoint,
            DataType::Decimal128(..) => DefaultColumnType::FloatingPoint,
            _ => DefaultColumnType::Text,
        });
        let types = types.collect();
        let options = FormatOptions::default().with_null("NULL");
        let mut rows = Vec::new();
        for batch in &table.batches {
            for row in 0..batch.num_rows() {
                let cells = batch.columns().iter().map(|column| {
                    let formatter = ArrayFormatter::try_new(column, &options).expect("it formats");
                    let text = formatter.value(row).to_string();
                    let text = text.strip_suffix(".0").map_or(text.clone(), str::to_owned);
                    let is_empty = column.is_valid(row) && text.is_empty();
                    if is_empty { "(empty)".to_owned() } else { text }
                });
                rows.push(cells.collect());
            }
        }
        Ok(DBOutput::Rows { types, rows })
    }
}

#[test]
fn every_file_of_the_corpus_holds() {
    let shelf = Shelf::new();
    let only = std::env::var_os("SLT");
    let mut count = 0;
    let mut files: Vec<PathBuf> = fs::read_dir(corpus())
        .expect("there is a corpus")
        .map(|entry| entry.expect("it is read").path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "slt"))
        .collect();
    files.sort();
    for path in files {
        let name = path.file_stem().expect("it has one").to_string_lossy().into_owned();
        if only.as_ref().is_some_and(|only| *only != *name) {
            continue;
        }
        count += 1;
        let mut runner = Runner::new(|| async { Ok(Tables::new(&shelf)) });
        if std::env::var_os("UPDATE_EXPECT").is_some() {
            let update = runner.update_test_file(
                &path,
                " ",
                default_validator,
                default_normalizer,
                default_column_validator,
            );
            crate::world::wait(update).expect("it is rewritten");
        } else if let Err(error) = runner.run_file(&path) {
            panic!("{}", error.display(false));
        }
    }
    assert!(count > 0, "no file of that name");
}

#[track_caller]
fn check_refusal(sql: &str, want: &str) {
    let shelf = Shelf::new();
    let vcid = shelf.put(b"name,age\nAda,36\n");
    let kernel = shelf.kernel(Settings::default());
    let text = sql.replace("PEOPLE", &format!("'ca://{vcid}'")).replace('"', "\\\"");
    let pipeline = format!("ca://{vcid} | sql \"{text}\"");
    let refusal = resolve(&kernel, &pipeline).expect_err("it is refused");
    let shown = refusal.message.replace(&vcid.to_string(), "VCID");
    assert_eq!(shown, want);
}

#[test]
fn errors_point_into_the_sql_and_name_what_is_near() {
    check_refusal(
        "select nmae from input",
        "No field named nmae. Did you mean 'input.name'?\nValid fields are input.name, \
         input.age.\n   1 | select nmae from input\n     |        ^",
    );
    check_refusal(
        "select name frm input where",
        "Expected: end of statement, found: input at Line: 1, Column: 17\n   \
         1 | select name frm input where\n     |                 ^",
    );
    check_refusal("select * from inptu", "there is no table `inptu`; did you mean `input`?");
}
