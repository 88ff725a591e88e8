//! The endpoints: SQL, conversions, schemas, catalogs.

mod arguments;
mod convert;
mod names;
mod sql;

use std::sync::{Arc, OnceLock};

use vigil_base::Vcid;
use vigil_kernel::{Converter, Endpoint, Grammar, Reason, Refusal, Space, SpaceError};

use crate::engine::Engine;
use crate::source::Format;

/// The version of every endpoint here: the hash of all their sources and of what those are built on.
fn version() -> Vcid {
    static VERSION: OnceLock<Vcid> = OnceLock::new();
    let sources = include_str!(concat!(env!("OUT_DIR"), "/sources.txt"));
    *VERSION.get_or_init(|| Vcid::of(sources.as_bytes()))
}

/// Reads a pattern of this crate.
fn grammar(pattern: &str) -> Grammar {
    Grammar::new(pattern).expect("the patterns here are tested")
}

fn misuse(text: impl Into<String>) -> Refusal {
    Refusal::new(Reason::Misuse, text)
}

/// The formats that results are had in.
const FORMATS: [Format; 5] =
    [Format::Arrow, Format::Parquet, Format::Csv, Format::Ndjson, Format::Json];

/// Returns all endpoints of an engine.
pub fn endpoints(engine: &Arc<Engine>) -> Vec<Arc<dyn Endpoint>> {
    let mut all: Vec<Arc<dyn Endpoint>> = vec![
        Arc::new(sql::Sql::new(engine.clone())),
        Arc::new(convert::Schema::new(engine.clone())),
        Arc::new(convert::Catalogs::default()),
    ];
    for format in FORMATS {
        all.push(Arc::new(convert::Convert::new(engine.clone(), format)));
    }
    all
}

/// Returns a space with all endpoints, and the conversions between formats.
pub fn space(engine: &Arc<Engine>) -> Result<Space, SpaceError> {
    let mut space = Space::new("query");
    for endpoint in endpoints(engine) {
        space = space.with(endpoint)?;
    }
    for from in FORMATS {
        for to in FORMATS.into_iter().filter(|to| *to != from) {
            space = space.converter(Converter {
                from: from.media_type(),
                to: to.media_type(),
                cost: 10,
                call: to.call().to_owned(),
            });
        }
    }
    Ok(space)
}
