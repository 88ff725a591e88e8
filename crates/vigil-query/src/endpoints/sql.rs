//! `sql`: a query as a resource.

use std::collections::BTreeSet;
use std::sync::Arc;

use vigil_base::Vcid;
use vigil_kernel::{
    Argument, Call, Context, Endpoint, Grammar, Identifier, Invocation, MediaType, Produced,
    Refusal, Serving,
};

use super::arguments::Arguments;
use super::{grammar, misuse, names, version};
use crate::catalog::Catalog;
use crate::engine::{Engine, Query};
use crate::plan::Allowed;
use crate::source::{Format, Source};

/// The name of what is piped in.
const INPUT: &str = "input";

/// `… | sql "select …"`, `active:sql+1=…`.
pub struct Sql {
    engine: Arc<Engine>,
    grammar: Grammar,
    gives: Vec<MediaType>,
}

impl Sql {
    /// Makes the endpoint.
    pub fn new(engine: Arc<Engine>) -> Self {
        let gives = vec![Format::Arrow.media_type()];
        Self { engine, grammar: grammar("active:sql{call:call}"), gives }
    }

    async fn answer(&self, call: &Call, context: &Context<'_>) -> Result<Produced, Refusal> {
        let mut arguments = Arguments::of(call)?;
        let allowed = allowed(&arguments.call)?;
        arguments.call.arguments.remove("allow");
        let sql = match arguments.text(context, "sql").await? {
            Some(sql) => sql,
            None => arguments.text(context, "1").await?.ok_or_else(|| {
                misuse("`sql` needs a query: sql \"select …\", or sql@URI for one that is stored")
            })?,
        };
        let reading = arguments.reading(context).await?;
        let mut known = match arguments.call.arguments.remove("catalog") {
            None => Catalog::default(),
            Some(Argument::Reference(uri)) => read_catalog(context, &uri).await?,
            Some(Argument::Value(_)) => {
                return Err(misuse("`catalog` names a resource: catalog@URI"));
            }
        };
        if let Some(uri) = arguments.piped()? {
            known.tables.insert(INPUT.to_owned(), uri);
        }
        // Whatever else is given by reference is a table, and by value a view.
        for (name, argument) in std::mem::take(&mut arguments.call.arguments) {
            match argument {
                Argument::Reference(uri) => {
                    known.tables.insert(name, uri);
                }
                Argument::Value(view) => {
                    known.views.insert(name, view);
                }
            }
        }
        let named = names::resolve(&self.engine, &sql, &known)?;
        if reading.schema.is_some() && named.tables.len() > 1 {
            return Err(misuse(
                "a schema is of one table, and the query has several; give it where its table stands: FROM \
                 '@x | parquet schema@URI'",
            ));
        }
        let mut query = Query { sql, views: named.views, allowed, ..Query::default() };
        for (name, uri) in named.tables {
            self.engine.check_stop()?;
            let found = context.source(&uri).await?;
            let reading = reading.clone();
            query.tables.insert(name, Source { name: uri.to_string(), found, reading });
        }
        let table = self.engine.run(query).await?;
        if table.is_passing {
            context.keep_nothing();
        }
        note_files(context, &table.opened).await?;
        let bytes = self.engine.write(table, Format::Arrow).await?;
        Ok(Produced::bytes(Format::Arrow.media_type(), bytes))
    }
}

/// Records the files of trees that were opened; what was named itself has been recorded.
pub async fn note_files(
    context: &Context<'_>,
    opened: &[crate::source::Opened],
) -> Result<(), Refusal> {
    let of_trees =
        opened.iter().filter(|file| file.0.starts_with("ca://") && file.0[5..].contains('/'));
    let uris = of_trees.map(|file| Identifier::new(&file.0)).collect::<Result<Vec<_>, _>>();
    let uris = uris.map_err(|error| misuse(error.to_string()))?;
    context.source_all(&uris).await.into_iter().try_for_each(|found| found.map(|_| ()))
}

async fn read_catalog(context: &Context<'_>, uri: &Identifier) -> Result<Catalog, Refusal> {
    let bytes = context.bytes(uri).await?;
    Catalog::decode(&bytes).map_err(|error| misuse(format!("{uri} is no catalog: {error}")))
}

/// Reads what a call allows its query to ask of the world.
fn allowed(call: &Invocation) -> Result<Allowed, Refusal> {
    let text = match call.arguments.get("allow") {
        None => return Ok(Allowed::default()),
        Some(Argument::Value(text)) => text,
        Some(Argument::Reference(_)) => return Err(misuse("`allow` is a list of words")),
    };
    let mut allowed = Allowed::default();
    for word in text.split(',') {
        match word.trim() {
            "clock" => allowed.clock = true,
            "randomness" => allowed.randomness = true,
            other => {
                return Err(misuse(format!(
                    "`{other}` cannot be allowed; there are `clock` and `randomness`"
                )));
            }
        }
    }
    Ok(allowed)
}

impl Endpoint for Sql {
    fn name(&self) -> &str {
        "sql"
    }

    fn help(&self) -> &str {
        "what a query gives: sql \"select … from input\"; other tables as name@URI"
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

    fn needs(&self, call: &Call) -> BTreeSet<String> {
        let call = Invocation::from_uri(&call.request.uri).and_then(Result::ok);
        call.and_then(|call| allowed(&call).ok()).unwrap_or_default().needs()
    }

    fn serve<'a>(&'a self, call: &'a Call, context: &'a Context<'a>) -> Serving<'a> {
        Box::pin(self.answer(call, context))
    }
}
