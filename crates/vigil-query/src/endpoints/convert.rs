//! Conversions between formats, schemas, and catalogs.

use std::collections::BTreeMap;
use std::sync::Arc;

use vigil_base::Vcid;
use vigil_kernel::{
    Argument, Call, Context, Endpoint, Grammar, MediaType, Produced, Refusal, Serving,
};

use super::arguments::Arguments;
use super::sql::note_files;
use super::{grammar, version};
use crate::catalog::{CATALOG_TYPE, Catalog};
use crate::engine::Engine;
use crate::source::{Format, Source};

/// Takes the table that is piped in.
async fn source(call: &Call, context: &Context<'_>) -> Result<Source, Refusal> {
    let mut arguments = Arguments::of(call)?;
    let uri = arguments.operand()?;
    let reading = arguments.reading(context).await?;
    arguments.finish()?;
    let found = context.source(&uri).await?;
    Ok(Source { name: uri.to_string(), found, reading })
}

/// `… | parquet`, `… | arrow`, `… | csv`, `… | ndjson`, `… | json-array`: the same rows, in the same order.
pub struct Convert {
    engine: Arc<Engine>,
    grammar: Grammar,
    format: Format,
    gives: Vec<MediaType>,
}

impl Convert {
    /// Makes the endpoint of a format.
    pub fn new(engine: Arc<Engine>, format: Format) -> Self {
        let grammar = grammar(&format!("active:{}{{call:call}}", format.call()));
        Self { engine, grammar, format, gives: vec![format.media_type()] }
    }

    async fn answer(&self, call: &Call, context: &Context<'_>) -> Result<Produced, Refusal> {
        let source = source(call, context).await?;
        let table = self.engine.read(source).await?;
        note_files(context, &table.opened).await?;
        let bytes = self.engine.write(table, self.format).await?;
        Ok(Produced::bytes(self.format.media_type(), bytes))
    }
}

impl Endpoint for Convert {
    fn name(&self) -> &str {
        self.format.call()
    }

    fn help(&self) -> &str {
        match self.format {
            Format::Parquet => "a table as Parquet: parquet header=no delimiter=; schema@URI",
            Format::Arrow => "a table as an Arrow file",
            Format::Csv => "a table as CSV",
            Format::Ndjson => "a table as lines of JSON",
            Format::Json => "a table as a JSON array",
        }
    }

    fn grammar(&self) -> &Grammar {
        &self.grammar
    }

    fn version(&self) -> Vcid {
        version()
    }

    fn gives(&self) -> &[MediaType] {
        &self.gives
    }

    fn serve<'a>(&'a self, call: &'a Call, context: &'a Context<'a>) -> Serving<'a> {
        Box::pin(self.answer(call, context))
    }
}

/// `… | schema`: the names and types of a table's columns, to be looked at, edited and pinned.
pub struct Schema {
    engine: Arc<Engine>,
    grammar: Grammar,
}

impl Schema {
    /// Makes the endpoint.
    pub fn new(engine: Arc<Engine>) -> Self {
        Self { engine, grammar: grammar("active:schema{call:call}") }
    }
}

impl Endpoint for Schema {
    fn name(&self) -> &str {
        "schema"
    }

    fn help(&self) -> &str {
        "a table's columns and types as lines, to be edited and given back as schema@URI"
    }

    fn grammar(&self) -> &Grammar {
        &self.grammar
    }

    fn version(&self) -> Vcid {
        version()
    }

    fn serve<'a>(&'a self, call: &'a Call, context: &'a Context<'a>) -> Serving<'a> {
        Box::pin(async move {
            let source = source(call, context).await?;
            let text = self.engine.schema(source).await?;
            let media_type = MediaType::new("text/tab-separated-values").expect("it is one");
            Ok(Produced::bytes(media_type, text.into_bytes()))
        })
    }
}

/// `active:catalog+name@URI…`: a record of names.
pub struct Catalogs {
    grammar: Grammar,
}

impl Default for Catalogs {
    fn default() -> Self {
        Self { grammar: grammar("active:catalog{call:call}") }
    }
}

impl Endpoint for Catalogs {
    fn name(&self) -> &str {
        "catalog"
    }

    fn help(&self) -> &str {
        "names of tables and views as one record: active:catalog+name@URI+view=SQL"
    }

    fn grammar(&self) -> &Grammar {
        &self.grammar
    }

    fn version(&self) -> Vcid {
        version()
    }

    fn serve<'a>(&'a self, call: &'a Call, _: &'a Context<'a>) -> Serving<'a> {
        Box::pin(async move {
            let arguments = Arguments::of(call)?;
            let mut catalog = Catalog { tables: BTreeMap::new(), views: BTreeMap::new() };
            for (name, argument) in arguments.call.arguments {
                match argument {
                    Argument::Reference(uri) => {
                        catalog.tables.insert(name, uri);
                    }
                    Argument::Value(sql) => {
                        catalog.views.insert(name, sql);
                    }
                }
            }
            let media_type = MediaType::new(CATALOG_TYPE).expect("it is one");
            Ok(Produced::bytes(media_type, catalog.encode()))
        })
    }
}
