//! One timed run of one or more programs: wall time, processor time, peak memory.
//!
//! It knows nothing of stores, and no shell takes part: what is timed is the programs alone.
//!
//! What always holds: before the clock starts everything dirty has been synced, so that nobody
//! pays for the writes of whoever ran before; after it stops the sync is done and timed again, so
//! that a tool which leaves its data in the page cache can be told from one which does not.

use std::ffi::OsStr;
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use wait4::Wait4 as _;

/// As much as a pipe holds at most for an ordinary user; fewer wake-ups on two cores.
const PIPE_BYTES: usize = 1 << 20;

/// How much of a failed program's complaint is shown.
const COMPLAINT_BYTES_MAX: usize = 2_000;

/// Where the last program's output goes.
#[derive(Debug)]
pub enum Sink {
    /// Nowhere: `/dev/null`.
    Null,
    /// Into a file, created or emptied.
    File(PathBuf),
    /// Through a pipe, read and counted here. For streams: some programs do less work when they
    /// find `/dev/null` at the other end.
    Count,
}

/// Programs joined by pipes, each started without a shell.
#[derive(Debug)]
pub struct Pipeline {
    stages: Vec<Command>,
    input: Option<PathBuf>,
    sink: Sink,
}

/// What one timed run used.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sample {
    /// From the start of the first program to the end of the last.
    pub wall: Duration,
    /// User and system time of all programs and of the children they waited for.
    pub processor: Duration,
    /// The peak resident set, added up over the programs of the pipeline.
    pub resident_bytes: u64,
    /// What arrived in [`Sink::Count`].
    pub counted_bytes: u64,
    /// How long a sync of all disks took afterwards: writes that the tool left to the system.
    pub sync: Duration,
}

/// Why a run gave no figure.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MeasureError {
    /// The program could not be started.
    #[error("could not start `{command}`")]
    Start {
        /// The program and its arguments.
        command: String,
        /// What the system said.
        source: io::Error,
    },
    /// A file that the run reads or writes could not be opened.
    #[error("could not open {} for `{command}`", path.display())]
    Open {
        /// The program and its arguments.
        command: String,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The output could not be read, or the end not awaited.
    #[error("lost sight of `{command}`")]
    Lost {
        /// The program and its arguments.
        command: String,
        /// What the system said.
        source: io::Error,
    },
    /// The program ended badly.
    #[error("`{command}` ended with {status}:\n{complaint}")]
    Failed {
        /// The program and its arguments.
        command: String,
        /// How it ended.
        status: ExitStatus,
        /// The end of what it wrote to standard error.
        complaint: String,
    },
}

impl Pipeline {
    /// Starts with one program, whose output goes nowhere.
    pub fn new(command: Command) -> Self {
        Self { stages: vec![command], input: None, sink: Sink::Null }
    }

    /// Adds a program that reads what the last one writes.
    #[must_use]
    pub fn pipe(mut self, command: Command) -> Self {
        self.stages.push(command);
        self
    }

    /// Gives the first program a file as standard input.
    #[must_use]
    pub fn reading(mut self, path: impl Into<PathBuf>) -> Self {
        self.input = Some(path.into());
        self
    }

    /// Says where the last program's output goes.
    #[must_use]
    pub fn writing(mut self, sink: Sink) -> Self {
        self.sink = sink;
        self
    }

    /// Runs the programs to their end and says what they used; their complaints go to `log`.
    pub fn measure(self, log: &Path) -> Result<Sample, MeasureError> {
        rustix::fs::sync();
        let began = Instant::now();
        let mut sample = self.run(log)?;
        sample.wall = began.elapsed();
        let ended = Instant::now();
        rustix::fs::sync();
        sample.sync = ended.elapsed();
        Ok(sample)
    }

    /// Runs the programs to their end without syncing or timing: for what a tool needs beforehand.
    pub fn run(self, log: &Path) -> Result<Sample, MeasureError> {
        let whole = self.stages.iter().map(show).collect::<Vec<_>>().join(" | ");
        let open = |path: &Path, source| MeasureError::Open {
            command: whole.clone(),
            path: path.to_owned(),
            source,
        };
        File::create(log).map_err(|source| open(log, source))?;
        let mut input = match &self.input {
            None => Stdio::null(),
            Some(path) => Stdio::from(File::open(path).map_err(|source| open(path, source))?),
        };
        let last = self.stages.len() - 1;
        let mut running = Vec::new();
        let mut counted = None;
        for (index, mut command) in self.stages.into_iter().enumerate() {
            let shown = show(&command);
            let complaints = OpenOptions::new().append(true).open(log);
            command.stderr(complaints.map_err(|source| open(log, source))?).stdin(input);
            command.stdout(match &self.sink {
                Sink::Null if index == last => Stdio::null(),
                Sink::File(path) if index == last => {
                    Stdio::from(File::create(path).map_err(|source| open(path, source))?)
                }
                _ => Stdio::piped(),
            });
            let mut child = command
                .spawn()
                .map_err(|source| MeasureError::Start { command: shown.clone(), source })?;
            input = match child.stdout.take() {
                Some(pipe) if index < last => Stdio::from(pipe),
                pipe => {
                    counted = pipe;
                    Stdio::null()
                }
            };
            running.push((shown, child));
        }
        let counted_bytes = match counted {
            None => 0,
            Some(pipe) => drain(pipe)
                .map_err(|source| MeasureError::Lost { command: whole.clone(), source })?,
        };
        let mut sample = Sample { counted_bytes, ..Sample::default() };
        for (shown, child) in running {
            reap(shown, child, log, &mut sample)?;
        }
        Ok(sample)
    }
}

/// Waits for the end of one program and adds what it used.
fn reap(
    command: String,
    child: Child,
    log: &Path,
    sample: &mut Sample,
) -> Result<(), MeasureError> {
    let ended = match child.wait4() {
        Ok(ended) => ended,
        Err(source) => return Err(MeasureError::Lost { command, source }),
    };
    if !ended.status.success() {
        let complaint = complaint(log);
        return Err(MeasureError::Failed { command, status: ended.status, complaint });
    }
    sample.processor += ended.rusage.utime + ended.rusage.stime;
    sample.resident_bytes += ended.rusage.maxrss;
    Ok(())
}

/// Reads a pipe to its end and counts.
fn drain(mut pipe: ChildStdout) -> io::Result<u64> {
    // A smaller pipe is slower for everyone alike, so a refusal of the system only costs speed.
    let granted = rustix::pipe::fcntl_setpipe_size(&pipe, PIPE_BYTES).unwrap_or(64 << 10);
    let mut buffer = vec![0; granted.min(PIPE_BYTES)];
    let mut bytes = 0;
    loop {
        match pipe.read(&mut buffer)? {
            0 => return Ok(bytes),
            read => bytes += read as u64,
        }
    }
}

/// Returns the end of what was written to the log.
fn complaint(log: &Path) -> String {
    match std::fs::read(log) {
        Ok(bytes) => {
            let from = bytes.len().saturating_sub(COMPLAINT_BYTES_MAX);
            String::from_utf8_lossy(&bytes[from..]).into_owned()
        }
        Err(error) => format!("(its complaints could not be read: {error})"),
    }
}

/// Shows a command the way it would be typed.
pub fn show(command: &Command) -> String {
    std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(OsStr::to_string_lossy)
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(program: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.args(arguments);
        command
    }

    #[test]
    fn pipes_are_joined_and_counted() {
        let place = tempfile::tempdir().unwrap();
        let input = place.path().join("input");
        std::fs::write(&input, vec![7; 3_000_000]).unwrap();
        let sample = Pipeline::new(command("cat", &[]))
            .pipe(command("head", &["-c", "2500000"]))
            .pipe(command("cat", &[]))
            .reading(&input)
            .writing(Sink::Count);
        // `head` closes its input early, so the first `cat` dies of a closed pipe: an error.
        let failed = sample.run(&place.path().join("log")).unwrap_err();
        assert!(matches!(failed, MeasureError::Failed { .. }), "{failed}");

        let sample = Pipeline::new(command("cat", &[]))
            .pipe(command("cat", &[]))
            .reading(&input)
            .writing(Sink::Count)
            .measure(&place.path().join("log"))
            .unwrap();
        assert_eq!(sample.counted_bytes, 3_000_000);
        assert!(sample.resident_bytes > 0);
    }

    #[test]
    fn a_failure_carries_the_complaint() {
        let place = tempfile::tempdir().unwrap();
        let error = Pipeline::new(command("ls", &["/there/is/no/such/place"]))
            .run(&place.path().join("log"))
            .unwrap_err();
        assert!(error.to_string().contains("such/place"), "{error}");
    }
}
