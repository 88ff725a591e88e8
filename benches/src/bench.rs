//! A measuring session: who is measured, where, and what came out.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::figures::{Failure, Figure, Figures};
use crate::files::{self, At as _, Extent, FileError};
use crate::measure::{MeasureError, Pipeline, Sink};
use crate::tool::{Job, Present, Step};
use crate::trash::Trash;

/// Why a session cannot go on. What one tool cannot do is no reason: it is noted and shown.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BenchError {
    /// A file of the session itself failed.
    #[error(transparent)]
    File(#[from] FileError),
    /// A helper of the session itself failed.
    #[error(transparent)]
    Measure(#[from] MeasureError),
    /// A helper printed something else than it should.
    #[error("`{command}` printed `{printed}`")]
    Helper {
        /// The helper's arguments.
        command: String,
        /// What it printed.
        printed: String,
    },
}

/// Why one figure is missing.
#[derive(Debug, thiserror::Error)]
enum StepError {
    #[error(transparent)]
    Measure(#[from] MeasureError),
    #[error("{came} came back, but {went} went in")]
    Wrong { came: String, went: String },
    #[error("{counted} bytes came, fewer than the {least} of the files")]
    Short { counted: u64, least: u64 },
}

/// What a step must bring back.
#[derive(Clone, Debug)]
pub enum Expected {
    /// Nothing that could be looked at.
    Nothing,
    /// A folder with this list digest; looked at in the first round.
    Folder(String),
    /// A stream with this SHA-256; looked at in the first round.
    Stream(String),
    /// A stream of at least as many bytes.
    AtLeast(u64),
}

/// A measuring session.
#[derive(Debug)]
pub struct Bench {
    /// This very program, for what must not weigh on its own memory.
    pub helper: PathBuf,
    /// Everything that the session writes is below this.
    pub folder: PathBuf,
    /// How many rounds.
    pub rounds: usize,
    /// Who is measured.
    pub tools: Vec<Present>,
    /// What came out.
    pub figures: Figures,
    /// Where trees go that are no longer needed.
    pub trash: Trash,
}

impl Bench {
    /// Returns the peak memory of a program that does nothing: no smaller peak can be seen.
    pub fn floor(&self) -> Result<u64, BenchError> {
        let sample = Pipeline::new(Command::new("true")).run(&self.log())?;
        Ok(sample.resident_bytes)
    }

    /// Runs this very program on `arguments` and returns what it prints.
    pub fn help(&self, arguments: &[&str], path: &Path) -> Result<String, BenchError> {
        let printed = self.folder.join("printed");
        let mut command = Command::new(&self.helper);
        command.args(arguments).arg(path);
        Pipeline::new(command).writing(Sink::File(printed.clone())).run(&self.log())?;
        let text = fs::read_to_string(&printed).at("read", &printed)?;
        Ok(text.trim().to_owned())
    }

    /// Returns the digest, the number of files and their bytes of a folder.
    pub fn list(&self, folder: &Path) -> Result<(String, u64, u64), BenchError> {
        self.listed(&["list"], folder)
    }

    /// Runs this very program on `arguments` and reads what it prints as a list's digest, the
    /// number of files and their bytes.
    pub fn listed(
        &self,
        arguments: &[&str],
        path: &Path,
    ) -> Result<(String, u64, u64), BenchError> {
        let printed = self.help(arguments, path)?;
        let command = arguments.join(" ");
        parse_list(&printed).ok_or(BenchError::Helper { command, printed })
    }

    /// Returns the indices of the tools that can do any of `steps`, turned by the round.
    pub fn order(&self, round: usize, steps: &[Step]) -> Vec<usize> {
        let able = |index: &usize| steps.iter().any(|step| self.tools[*index].tool.can(*step));
        let mut order: Vec<_> = (0..self.tools.len()).filter(able).collect();
        if !order.is_empty() {
            let turn = round % order.len();
            order.rotate_left(turn);
        }
        order
    }

    /// Makes a tool's folders empty and its store ready.
    pub fn prepare(&mut self, index: usize, input: &Path) -> Result<(), BenchError> {
        let job = self.job(index, input);
        self.clean(index)?;
        for folder in [&job.home, &job.output] {
            fs::create_dir_all(folder).at("create", folder)?;
        }
        for pipeline in (self.tools[index].tool.prepare)(&job) {
            if let Err(error) = pipeline.run(&self.log()) {
                self.note_failure(Step::Put, index, &error);
            }
        }
        Ok(())
    }

    /// Removes what a tool wrote.
    pub fn clean(&mut self, index: usize) -> Result<(), BenchError> {
        let place = self.place(index);
        Ok(self.trash.take(&place)?)
    }

    /// Times one step of one tool and keeps the figure.
    pub fn time(
        &mut self,
        step: Step,
        index: usize,
        input: &Path,
        expected: &Expected,
    ) -> Result<(), BenchError> {
        let job = self.job(index, input);
        let name = self.tools[index].tool.name;
        let Some(pipeline) = self.tools[index].tool.pipeline(step, &job) else {
            return Ok(());
        };
        if self.figures.failures.iter().any(|failed| failed.tool == name && failed.step == step) {
            return Ok(());
        }
        let first = self.figures.rounds(step, name).is_empty();
        let timed = pipeline.measure(&self.log()).map_err(StepError::from);
        match timed.and_then(|sample| {
            if let Expected::AtLeast(least) = expected
                && sample.counted_bytes < *least
            {
                return Err(StepError::Short { counted: sample.counted_bytes, least: *least });
            }
            Ok(sample)
        }) {
            Err(error) => self.note_failure(step, index, &error),
            Ok(sample) => {
                let store = match step {
                    Step::Put | Step::PutAgain | Step::BigPut if job.store.is_dir() => {
                        Some(self.stored(index, &job)?)
                    }
                    _ => None,
                };
                self.figures.add(step, name, Figure { sample, store });
                let (wall, processor) = (sample.wall.as_secs_f64(), sample.processor.as_secs_f64());
                say(&format!("  {step:<22} {name:<16} {wall:>8.2} s {processor:>8.2} CPU s"));
            }
        }
        if first && let Err(error) = self.look(step, index, &job, expected)? {
            self.note_failure(step, index, &error);
        }
        if matches!(step, Step::Get | Step::GetPlain) {
            self.trash.take(&job.output)?;
            fs::create_dir_all(&job.output).at("create", &job.output)?;
        }
        Ok(())
    }

    /// Adds up what a tool has stored.
    fn stored(&self, index: usize, job: &Job) -> Result<Extent, BenchError> {
        let mut extent = files::extent(&job.store)?;
        let cache = self.tools[index].tool.cache.map(|cache| job.store.join(cache));
        if let Some(cache) = cache.filter(|cache| cache.is_dir()) {
            let cache = files::extent(&cache)?;
            extent.files -= cache.files;
            extent.bytes -= cache.bytes;
            extent.allocated_bytes -= cache.allocated_bytes;
        }
        Ok(extent)
    }

    /// Compares what came back with what went in.
    fn look(
        &self,
        step: Step,
        index: usize,
        job: &Job,
        expected: &Expected,
    ) -> Result<Result<(), StepError>, BenchError> {
        let (came, went) = match expected {
            Expected::Nothing | Expected::AtLeast(_) => return Ok(Ok(())),
            Expected::Folder(went) => (self.list(&job.output)?.0, went),
            Expected::Stream(went) => {
                let printed = self.folder.join("printed");
                let mut hash = Command::new(&self.helper);
                hash.args(["hash", "-"]);
                let Some(pipeline) = self.tools[index].tool.pipeline(step, job) else {
                    return Ok(Ok(()));
                };
                let pipeline = pipeline.pipe(hash).writing(Sink::File(printed.clone()));
                if let Err(error) = pipeline.run(&self.log()) {
                    return Ok(Err(error.into()));
                }
                let came = fs::read_to_string(&printed).at("read", &printed)?;
                (came.trim().to_owned(), went)
            }
        };
        if came == *went {
            return Ok(Ok(()));
        }
        Ok(Err(StepError::Wrong { came, went: went.clone() }))
    }

    fn note_failure(&mut self, step: Step, index: usize, error: &dyn std::error::Error) {
        let tool = self.tools[index].tool.name;
        let mut why = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause {
            why.push_str(&format!(": {error}"));
            cause = error.source();
        }
        say(&format!("  {step:<22} {tool:<16}   FAILED: {why}"));
        self.figures.failures.push(Failure { step, tool, why });
    }

    fn place(&self, index: usize) -> PathBuf {
        let name = self.tools[index].tool.name;
        let name: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
        self.folder.join("tools").join(format!("{index}-{name}"))
    }

    fn job(&self, index: usize, input: &Path) -> Job {
        let place = self.place(index);
        Job {
            program: self.tools[index].program.clone(),
            home: place.join("home"),
            store: place.join("store"),
            input: input.to_owned(),
            output: place.join("output"),
        }
    }

    fn log(&self) -> PathBuf {
        self.folder.join("log")
    }
}

fn parse_list(printed: &str) -> Option<(String, u64, u64)> {
    let mut words = printed.split(' ');
    let digest = words.next()?.to_owned();
    let files = words.next()?.parse().ok()?;
    let bytes = words.next()?.parse().ok()?;
    Some((digest, files, bytes))
}

/// Talks to people while the measuring goes on.
pub fn say(text: &str) {
    eprintln!("{text}");
}
