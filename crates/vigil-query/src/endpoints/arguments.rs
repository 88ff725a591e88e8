//! The arguments of a call, taken one by one.

use vigil_kernel::{Argument, Call, Context, Identifier, Invocation, OPERAND, Refusal};

use super::misuse;
use crate::source::{Format, Reading};

/// A call's arguments.
pub struct Arguments {
    /// What has not been taken yet.
    pub call: Invocation,
}

impl Arguments {
    /// Reads the URI of a call.
    pub fn of(call: &Call) -> Result<Self, Refusal> {
        match Invocation::from_uri(&call.request.uri) {
            Some(Ok(call)) => Ok(Self { call }),
            Some(Err(error)) => Err(misuse(error.to_string())),
            None => Err(misuse(format!("{} is no call", call.request.uri))),
        }
    }

    /// Takes what is piped in, if anything is.
    pub fn piped(&mut self) -> Result<Option<Identifier>, Refusal> {
        match self.call.arguments.remove(OPERAND) {
            None => Ok(None),
            Some(Argument::Reference(uri)) => Ok(Some(uri)),
            Some(Argument::Value(_)) => Err(misuse("`of` names a resource: of@URI")),
        }
    }

    /// Takes what must be piped in.
    pub fn operand(&mut self) -> Result<Identifier, Refusal> {
        let piped = self.piped()?;
        piped.ok_or_else(|| misuse(format!("nothing is piped into `{}`", self.call.name)))
    }

    /// Takes a text, by itself or from a resource.
    pub async fn text(
        &mut self,
        context: &Context<'_>,
        name: &str,
    ) -> Result<Option<String>, Refusal> {
        match self.call.arguments.remove(name) {
            None => Ok(None),
            Some(Argument::Value(text)) => Ok(Some(text)),
            Some(Argument::Reference(uri)) => Ok(Some(text_of(context, &uri).await?)),
        }
    }

    /// Takes how tables are to be read.
    pub async fn reading(&mut self, context: &Context<'_>) -> Result<Reading, Refusal> {
        let mut reading = Reading::default();
        if let Some(name) = self.text(context, "format").await? {
            let format = Format::named(&name).ok_or_else(|| {
                misuse(format!(
                    "`{name}` is no format; there are parquet, arrow, csv, ndjson, json"
                ))
            })?;
            reading.format = Some(format);
            if name == "tsv" {
                reading.delimiter = Some(b'\t');
            }
        }
        if let Some(text) = self.text(context, "header").await? {
            reading.has_header = Some(match text.as_str() {
                "yes" | "true" => true,
                "no" | "false" => false,
                _ => return Err(misuse(format!("`header` is `yes` or `no`, not `{text}`"))),
            });
        }
        for (name, place) in [("delimiter", &mut reading.delimiter), ("quote", &mut reading.quote)]
        {
            let Some(text) = self.text(context, name).await? else { continue };
            *place = Some(match text.as_bytes() {
                [byte] => *byte,
                b"\\t" => b'\t',
                _ => return Err(misuse(format!("`{name}` is one character, not `{text}`"))),
            });
        }
        reading.null = self.text(context, "null").await?;
        if let Some(text) = self.text(context, "schema").await? {
            reading.schema = Some((vigil_base::Vcid::of(text.as_bytes()), text));
        }
        Ok(reading)
    }

    /// Checks that every argument was taken.
    pub fn finish(self) -> Result<(), Refusal> {
        match self.call.arguments.keys().next() {
            None => Ok(()),
            Some(key) => Err(misuse(format!("`{}` has no argument `{key}`", self.call.name))),
        }
    }
}

/// Reads a resource as text.
pub async fn text_of(context: &Context<'_>, uri: &Identifier) -> Result<String, Refusal> {
    let bytes = context.bytes(uri).await?;
    let text = std::str::from_utf8(&bytes);
    Ok(text.map_err(|_| misuse(format!("{uri} is not text")))?.to_owned())
}
