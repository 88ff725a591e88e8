//! The first endpoints. Each knows its own URIs, and no other endpoint.

mod bytes;
mod places;

use std::sync::OnceLock;

use vigil_base::Vcid;
use vigil_kernel::{Argument, Call, Context, Grammar, Identifier, Invocation, Reason, Refusal};

pub use bytes::{Data, Text, Unzstd};
pub use places::{Content, Files, Names, TREE_TYPE};

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

/// A call's arguments, taken one by one.
struct Arguments {
    call: Invocation,
}

impl Arguments {
    /// Reads the URI of a call.
    fn of(call: &Call) -> Result<Self, Refusal> {
        match Invocation::from_uri(&call.request.uri) {
            Some(Ok(call)) => Ok(Self { call }),
            Some(Err(error)) => Err(misuse(error.to_string())),
            None => Err(misuse(format!("{} is no call", call.request.uri))),
        }
    }

    /// Takes what is piped in.
    fn operand(&mut self) -> Result<Identifier, Refusal> {
        match self.call.arguments.remove(vigil_kernel::OPERAND) {
            Some(Argument::Reference(uri)) => Ok(uri),
            _ => Err(misuse(format!("nothing is piped into `{}`", self.call.name))),
        }
    }

    /// Takes an argument by its name, or by its number, as text.
    async fn text(
        &mut self,
        context: &Context<'_>,
        name: &str,
        number: &str,
    ) -> Result<Option<String>, Refusal> {
        let found = self.call.arguments.remove(name);
        match found.or_else(|| self.call.arguments.remove(number)) {
            None => Ok(None),
            Some(Argument::Value(text)) => Ok(Some(text)),
            Some(Argument::Reference(uri)) => {
                let bytes = context.bytes(&uri).await?;
                let text = std::str::from_utf8(&bytes);
                Ok(Some(text.map_err(|_| misuse(format!("{uri} is not text")))?.to_owned()))
            }
        }
    }

    /// Checks that every argument was taken.
    fn finish(self) -> Result<(), Refusal> {
        match self.call.arguments.keys().next() {
            None => Ok(()),
            Some(key) => Err(misuse(format!("`{}` has no argument `{key}`", self.call.name))),
        }
    }
}
