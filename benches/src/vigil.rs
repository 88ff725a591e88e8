//! Vigil under measurement: the release program, driven as a user would.
//!
//! The tree is kept and restored with times, owners and modes, because the backup tools beside it do
//! that too.

use std::ffi::OsStr;
use std::process::Command;

use crate::measure::{Pipeline, Sink};
use crate::tool::{Job, Step, Tool};

/// The name in the tables.
pub const NAME: &str = "vigil";

fn run(job: &Job, arguments: &[&dyn AsRef<OsStr>]) -> Command {
    let mut command = job.own(&[&"--store", &job.store]);
    command.args(arguments);
    command
}

fn add(job: &Job) -> Pipeline {
    Pipeline::new(run(job, &[&"add", &job.input, &"--name", &"it"]))
}

fn add_tree(job: &Job) -> Pipeline {
    Pipeline::new(run(job, &[&"add", &"--metadata", &job.input, &"--name", &"it"]))
}

/// Returns the tool.
pub fn tool() -> Tool {
    Tool {
        name: NAME,
        note: "encryption off; verifies what it reads",
        version: &["--version"],
        prepare: |_| Vec::new(),
        cache: Some("cache"),
        steps: &[
            (Step::Put, add_tree),
            (Step::PutAgain, add_tree),
            (Step::Get, |job| {
                Pipeline::new(run(job, &[&"get", &"--metadata", &"@it", &"-o", &job.output]))
            }),
            (Step::GetPlain, |job| Pipeline::new(run(job, &[&"get", &"@it", &"-o", &job.output]))),
            (Step::Check, |job| Pipeline::new(run(job, &[&"verify", &"--all"]))),
            (Step::Stream, |job| Pipeline::new(run(job, &[&"tar", &"@it"])).writing(Sink::Count)),
            (Step::BigPut, add),
            (Step::BigCat, |job| Pipeline::new(run(job, &[&"cat", &"@it"]))),
            (Step::Sparse, add),
            (Step::Crowd, add),
            (Step::Input, |job| {
                Pipeline::new(run(job, &[&"add", &"-", &"--name", &"it"])).reading(&job.input)
            }),
        ],
    }
}
