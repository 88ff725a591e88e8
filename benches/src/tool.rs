//! A tool under measurement: its name, its version, and the commands of each step.
//!
//! Vigil is one of them and gets nothing that the others do not get.

use std::ffi::OsStr;
use std::fmt;
use std::path::PathBuf;
use std::process::Command;

use crate::measure::{Pipeline, show};

/// What is timed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// The tree goes into an empty store.
    Put,
    /// The tree comes back as files with times, owners and modes.
    Get,
    /// The tree comes back as files, whatever their times.
    GetPlain,
    /// Everything in the store is read and compared with its hashes.
    Check,
    /// The tree comes back as one tar stream.
    Stream,
    /// The tree goes in again, one file in a hundred changed.
    PutAgain,
    /// One large incompressible file goes into an empty store.
    BigPut,
    /// That file comes back as a stream.
    BigCat,
    /// A sparse file goes in.
    Sparse,
    /// A folder of very many small files goes in.
    Crowd,
    /// Incompressible bytes go in from standard input.
    Input,
}

impl Step {
    /// Returns the step's name as the tables show it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Put => "put",
            Self::Get => "get with metadata",
            Self::GetPlain => "get",
            Self::Check => "check",
            Self::Stream => "tar stream",
            Self::PutAgain => "put again",
            Self::BigPut => "put one big file",
            Self::BigCat => "cat one big file",
            Self::Sparse => "put a sparse file",
            Self::Crowd => "put a crowded folder",
            Self::Input => "put standard input",
        }
    }

    /// Returns what the step does, for people.
    pub const fn about(self) -> &'static str {
        match self {
            Self::Put => "the tree into an empty store",
            Self::Get => "the tree back as files, with times, owners and modes",
            Self::GetPlain => "the tree back as files, names and bytes alone",
            Self::Check => "every byte in the store read and compared with its hash",
            Self::Stream => "the tree back as one tar stream, into a pipe",
            Self::PutAgain => "the tree again, 1 % of its files changed, appended to or renamed",
            Self::BigPut => "one incompressible file into an empty store",
            Self::BigCat => "that file back, to /dev/null",
            Self::Sparse => "one file that is a single hole",
            Self::Crowd => "very many small files in one folder",
            Self::Input => "incompressible bytes from standard input",
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// The paths that one run of one step is about.
#[derive(Clone, Debug)]
pub struct Job {
    /// The tool's program.
    pub program: PathBuf,
    /// Where the tool may keep keys and caches: not counted as store.
    pub home: PathBuf,
    /// Where the store goes.
    pub store: PathBuf,
    /// What goes in: a folder, or a file for the steps about one file.
    pub input: PathBuf,
    /// The folder into which files come back; it exists and is empty.
    pub output: PathBuf,
}

impl Job {
    /// Makes a command of the tool's own program, run where the input is: inside a folder, beside
    /// a file.
    pub fn own(&self, arguments: &[&dyn AsRef<OsStr>]) -> Command {
        self.other(&self.program, arguments)
    }

    /// Makes a command of another program, run in the same place.
    pub fn other(&self, program: impl AsRef<OsStr>, arguments: &[&dyn AsRef<OsStr>]) -> Command {
        let mut command = Command::new(program);
        let beside = self.input.parent().filter(|_| !self.input.is_dir());
        command.current_dir(beside.unwrap_or(&self.input)).args(arguments);
        // Keys and caches stay out of the user's own.
        command.env("HOME", &self.home).env("XDG_CACHE_HOME", &self.home);
        command
    }

    /// Returns a file of the tool's home.
    pub fn at_home(&self, name: &str) -> PathBuf {
        self.home.join(name)
    }
}

/// Makes the programs of one step.
pub type Commands = fn(&Job) -> Pipeline;

/// The commands of one tool. A step that it cannot do is left out.
pub struct Tool {
    /// Its name in the tables.
    pub name: &'static str,
    /// What a reader must know to compare fairly.
    pub note: &'static str,
    /// The arguments that make it print its version.
    pub version: &'static [&'static str],
    /// What makes an empty store; not timed.
    pub prepare: fn(&Job) -> Vec<Pipeline>,
    /// A folder in the store that is not counted: what only saves reading, and others keep at home.
    pub cache: Option<&'static str>,
    /// The steps that it can do.
    pub steps: &'static [(Step, Commands)],
}

impl Tool {
    /// Returns the programs of a step, or nothing if the tool cannot do it.
    pub fn pipeline(&self, step: Step, job: &Job) -> Option<Pipeline> {
        self.steps.iter().find(|(known, _)| *known == step).map(|(_, make)| make(job))
    }

    /// Returns whether the tool can do a step.
    pub fn can(&self, step: Step) -> bool {
        self.steps.iter().any(|(known, _)| *known == step)
    }
}

impl fmt::Debug for Tool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Tool").field(&self.name).finish()
    }
}

/// A tool that is on this machine.
#[derive(Debug)]
pub struct Present {
    /// What it does.
    pub tool: Tool,
    /// Its program.
    pub program: PathBuf,
    /// The first line that it prints when asked for its version.
    pub version: String,
}

impl Present {
    /// Looks at `program`; says why it is not usable.
    pub fn look(tool: Tool, program: PathBuf) -> Result<Self, String> {
        let mut command = Command::new(&program);
        command.args(tool.version);
        let printed = command.output().map_err(|error| format!("{}: {error}", show(&command)))?;
        if !printed.status.success() {
            return Err(format!("{}: {}", show(&command), printed.status));
        }
        let text = String::from_utf8_lossy(&printed.stdout);
        let version = text.lines().next().unwrap_or_default().trim().to_owned();
        Ok(Self { tool, program, version })
    }
}
