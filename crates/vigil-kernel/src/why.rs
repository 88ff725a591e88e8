//! Provenance: how an answer came about, as a tree.

use vigil_base::Vcid;

use crate::pipeline;
use crate::representation::Representation;
use crate::trace::{Input, Read};

/// Why there is no trace of what is quickly found, and of what the kernel makes of other answers.
pub const LOOKED_UP: &str = "looked up each time";
pub const DERIVED: &str = "made of other answers each time";

/// Whether an answer was made or found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum How {
    /// It was made by its endpoint.
    #[default]
    Made,
    /// It was taken from a kept trace, whose inputs were all as they had been.
    Kept,
}

/// How one answer came about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Story {
    /// Who answered.
    pub endpoint: String,
    /// Which version of it.
    pub version: Option<Vcid>,
    /// What was read.
    pub inputs: Vec<Input>,
    /// The trace's name, if one was kept.
    pub trace: Option<Vcid>,
    /// The hash of the request that it is filed under, as its endpoint knows it.
    pub filed_under: Option<Vcid>,
    /// Whether it was made or found.
    pub how: How,
    /// For what was made: in what the nearest earlier run differed.
    pub why: String,
    /// How long it took, with what it waited for, in nanoseconds.
    pub nanos: u64,
}

/// An answer's story and those below it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Provenance {
    /// What was asked for.
    pub name: String,
    /// What it gave, or why it gave nothing.
    pub gave: Result<Representation, String>,
    /// How it came about.
    pub story: Story,
    /// Indices, in the list that this is part of, of what it read; roots stand in the story.
    pub below: Vec<usize>,
}

impl Input {
    /// Returns the name of what was read.
    pub fn name(&self) -> String {
        match &self.what {
            Read::Resource(request) => pipeline::render(&request.uri),
            Read::Root(root) => format!("root {root}"),
        }
    }
}

/// Deepest level that is printed.
const DEPTH_MAX: usize = 64;

/// Writes the tree below the first of the list, each answer once.
pub fn render(list: &[Provenance]) -> String {
    let mut out = String::new();
    let mut shown = vec![false; list.len()];
    let mut open = vec![(0, 0)];
    while let Some((index, depth)) = open.pop() {
        let Some(item) = list.get(index) else { continue };
        let indent = "  ".repeat(depth);
        if std::mem::replace(&mut shown[index], true) {
            out += &format!("{indent}{} (see above)\n", item.name);
            continue;
        }
        let how = match item.story.how {
            How::Made => "made",
            How::Kept => "kept",
        };
        let gave = match &item.gave {
            Ok(found) => format!("{} {} {} B", found.vcid, found.media_type, found.size),
            Err(text) => format!("refused: {}", text.lines().next().unwrap_or_default()),
        };
        let micros = item.story.nanos / 1000;
        out += &format!("{indent}{}\n{indent}  gave {gave}\n", item.name);
        let version = item.story.version.map(|version| version.to_hex()[..12].to_owned());
        out += &format!(
            "{indent}  {how} by {} {} in {micros} µs ({})\n",
            item.story.endpoint,
            version.unwrap_or_default(),
            item.story.why
        );
        for input in &item.story.inputs {
            if let Read::Root(root) = &input.what {
                out += &format!("{indent}  root {root} was {}\n", input.gave);
            }
        }
        if depth < DEPTH_MAX {
            open.extend(item.below.iter().rev().map(|below| (*below, depth + 1)));
        }
    }
    out
}
