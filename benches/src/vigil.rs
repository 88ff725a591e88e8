//! Vigil under measurement: the release program, driven as a user would.

use crate::measure::{Pipeline, Sink};
use crate::tool::{Job, Step, Tool};
use std::ffi::OsStr;
use std::process::Command;

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

/// Returns the tool.
pub fn tool() -> Tool {
    Tool {
        name: NAME,
        note: "encryption off; verifies what it reads",
        version: &["--version"],
        prepare: |_| Vec::new(),
        steps: &[
            (Step::Put, add),
            (Step::PutAgain, add),
            (Step::Get, |job| Pipeline::new(run(job, &[&"get", &"@it/", &"-o", &job.output]))),
            (Step::Check, |job| Pipeline::new(run(job, &[&"verify", &"--all"]))),
            (Step::Stream, |job| Pipeline::new(run(job, &[&"tar", &"@it/"])).writing(Sink::Count)),
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
