//! What is made of bytes: text in a URI, parts of text, unpacking.

use std::io::Read as _;

use vigil_base::limits::RECORD_BYTES_MAX;
use vigil_base::{Vcid, percent_decode};
use vigil_kernel::{Call, Context, Endpoint, Grammar, MediaType, Produced, Refusal, Serving};

use super::{Arguments, grammar, misuse, version};

fn plain(bytes: Vec<u8>) -> Produced {
    Produced::bytes(MediaType::new("text/plain").expect("it is one"), bytes)
}

/// `data:,TEXT` (RFC 2397 without parameters): the text, with `%HH` for what a URI may not hold.
pub struct Data {
    grammar: Grammar,
}

impl Default for Data {
    fn default() -> Self {
        Self { grammar: grammar("data:,{text:rest}") }
    }
}

impl Endpoint for Data {
    fn name(&self) -> &str {
        "data"
    }

    fn help(&self) -> &str {
        "the text that stands in the URI itself"
    }

    fn grammar(&self) -> &Grammar {
        &self.grammar
    }

    fn version(&self) -> Vcid {
        version()
    }

    fn serve<'a>(&'a self, call: &'a Call, _: &'a Context<'a>) -> Serving<'a> {
        Box::pin(async move {
            let text = percent_decode(&call.parts["text"]);
            text.map(plain).ok_or_else(|| misuse("`%` is followed by two hexadecimal digits"))
        })
    }
}

/// What is done to the lines of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Work {
    Head,
    Lines,
    Grep,
}

/// `… | head 3`, `… | lines 2 5`, `… | grep text`.
pub struct Text {
    name: &'static str,
    help: &'static str,
    grammar: Grammar,
    work: Work,
}

impl Text {
    /// The first lines: `head lines=N`, ten unless it is said.
    pub fn head() -> Self {
        let help = "the first lines of a text: head lines=10";
        Self { name: "head", help, grammar: grammar("active:head{call:call}"), work: Work::Head }
    }

    /// Some lines: `lines from=N to=M`, counted from 1, both included.
    pub fn lines() -> Self {
        let help = "lines of a text, counted from 1: lines from=3 to=5";
        Self { name: "lines", help, grammar: grammar("active:lines{call:call}"), work: Work::Lines }
    }

    /// The lines that hold a text: `grep TEXT`.
    pub fn grep() -> Self {
        let help = "the lines that hold a text, as it stands: grep \"error: \"";
        Self { name: "grep", help, grammar: grammar("active:grep{call:call}"), work: Work::Grep }
    }

    async fn pick(&self, call: &Call, context: &Context<'_>) -> Result<Vec<u8>, Refusal> {
        let mut arguments = Arguments::of(call)?;
        let operand = arguments.operand()?;
        let first = match self.work {
            Work::Head => arguments.text(context, "lines", "1").await?,
            Work::Lines => arguments.text(context, "from", "1").await?,
            Work::Grep => arguments.text(context, "text", "1").await?,
        };
        let second = match self.work {
            Work::Lines => arguments.text(context, "to", "2").await?,
            Work::Head | Work::Grep => None,
        };
        arguments.finish()?;
        let (from, to) = match self.work {
            Work::Head => (1, number(first.as_deref(), 10)?),
            Work::Lines => (number(first.as_deref(), 1)?, number(second.as_deref(), usize::MAX)?),
            Work::Grep => (1, usize::MAX),
        };
        let sought = match (self.work, &first) {
            (Work::Grep, None) => return Err(misuse("`grep` needs the text to look for")),
            (Work::Grep, Some(text)) => text.as_bytes(),
            _ => &[],
        };
        let bytes = context.bytes(&operand).await?;
        let lines = bytes.split_inclusive(|byte| *byte == b'\n');
        let wanted = lines.take(to).skip(from.saturating_sub(1));
        let holds = |line: &&[u8]| {
            sought.is_empty() || line.windows(sought.len()).any(|part| part == sought)
        };
        Ok(wanted.filter(holds).flatten().copied().collect())
    }
}

fn number(text: Option<&str>, default: usize) -> Result<usize, Refusal> {
    let Some(text) = text else { return Ok(default) };
    text.parse().map_err(|_| misuse(format!("`{text}` is no number of lines")))
}

impl Endpoint for Text {
    fn name(&self) -> &str {
        self.name
    }

    fn help(&self) -> &str {
        self.help
    }

    fn grammar(&self) -> &Grammar {
        &self.grammar
    }

    fn version(&self) -> Vcid {
        version()
    }

    fn serve<'a>(&'a self, call: &'a Call, context: &'a Context<'a>) -> Serving<'a> {
        Box::pin(async move { Ok(plain(self.pick(call, context).await?)) })
    }
}

/// `… | unzstd`.
pub struct Unzstd {
    grammar: Grammar,
}

impl Default for Unzstd {
    fn default() -> Self {
        Self { grammar: grammar("active:unzstd{call:call}") }
    }
}

impl Endpoint for Unzstd {
    fn name(&self) -> &str {
        "unzstd"
    }

    fn help(&self) -> &str {
        "what was packed with zstd"
    }

    fn grammar(&self) -> &Grammar {
        &self.grammar
    }

    fn version(&self) -> Vcid {
        version()
    }

    fn serve<'a>(&'a self, call: &'a Call, context: &'a Context<'a>) -> Serving<'a> {
        Box::pin(async move {
            let mut arguments = Arguments::of(call)?;
            let operand = arguments.operand()?;
            arguments.finish()?;
            let packed = context.bytes(&operand).await?;
            let bad = |error: std::io::Error| misuse(format!("{operand} is not zstd: {error}"));
            let decoder = zstd::stream::read::Decoder::new(&packed[..]).map_err(bad)?;
            // A few bytes may stand for very many; no more is made than one may hold in memory.
            let mut bytes = Vec::new();
            decoder.take(RECORD_BYTES_MAX as u64 + 1).read_to_end(&mut bytes).map_err(bad)?;
            if bytes.len() > RECORD_BYTES_MAX {
                return Err(misuse(format!("{operand} holds more than {RECORD_BYTES_MAX} bytes")));
            }
            let media_type = MediaType::new("application/octet-stream").expect("it is one");
            Ok(Produced::bytes(media_type, bytes))
        })
    }
}
