use std::io::{Read, Write};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use vectra_host::{RunError, Start, run, run_here};
use vectra_image::Qemu;

/// Emulation is slow where others use the processors, too; a machine that hangs is found anyhow.
const TIME_MAX: Duration = Duration::from_secs(120);

/// Why a machine could not be run.
#[derive(Debug)]
pub enum HomeError {
    /// QEMU could not be started.
    Start(std::io::Error),
    /// It did not end in time; these are its words until then.
    Hung(String),
    /// The supervisor gave up; these are the machine's words until then.
    Hosted(RunError, String),
}

impl std::fmt::Display for HomeError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Start(error) => write!(f, "QEMU could not be started: {error}"),
            Self::Hung(words) => write!(f, "the machine did not end; it said:\n{words}"),
            Self::Hosted(error, words) => write!(f, "{error} ({error:?}); it said:\n{words}"),
        }
    }
}

impl std::error::Error for HomeError {}

/// What a machine said, and how it ended.
#[derive(Debug)]
pub struct Ran {
    /// Its console.
    pub console: String,
    /// The code that it switched off with.
    pub code: Option<i32>,
}

/// Where a hosted machine's Tasks run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Hosted {
    /// Each is a process.
    Processes,
    /// All are in this process.
    Here,
}

/// Boots a bare machine, types `input`, and waits for the end.
pub fn run_bare(machine: &Qemu, input: &str) -> Result<Ran, HomeError> {
    let mut command: Command = machine.command();
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().map_err(HomeError::Start)?;
    let (mut to, mut from) = (child.stdin.take(), child.stdout.take());
    let input = input.to_owned();
    let typist = std::thread::spawn(move || {
        // A machine that ends before it has read everything is judged by its console.
        let _ = to.as_mut().map(|to| to.write_all(input.as_bytes()));
        to
    });
    let listener = std::thread::spawn(move || {
        let mut bytes = Vec::new();
        // What was read before an error is what the machine said.
        let _ = from.as_mut().map(|from| from.read_to_end(&mut bytes));
        String::from_utf8_lossy(&bytes).into_owned()
    });
    let status = wait(&mut child);
    let console = listener.join().unwrap_or_default();
    drop(typist.join());
    match status {
        // The exit device answers 2n + 1.
        Some(status) => Ok(Ran { console, code: status.code().map(|code| code >> 1) }),
        None => Err(HomeError::Hung(console)),
    }
}

/// Waits, but not for ever: a machine that hangs is killed.
fn wait(child: &mut Child) -> Option<ExitStatus> {
    let end = Instant::now() + TIME_MAX;
    while Instant::now() < end {
        if let Ok(Some(status)) = child.try_wait() {
            return Some(status);
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    // It may have ended just now; then there is nothing to kill.
    let _ = child.kill();
    let _ = child.wait();
    None
}

/// What a hosted machine says, kept.
#[derive(Clone, Default)]
struct Said(Arc<Mutex<Vec<u8>>>);

impl Write for Said {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Runs the same machine on Linux, types `input`, and waits for the end.
pub fn run_hosted(
    how: Hosted,
    archive: &[u8],
    frames: u32,
    first: &str,
    input: &str,
) -> Result<Ran, HomeError> {
    let (typed, mut typist) = std::io::pipe().map_err(HomeError::Start)?;
    typist.write_all(input.as_bytes()).map_err(HomeError::Start)?;
    let said = Said::default();
    let start = Start {
        archive,
        frames,
        first,
        console: Box::new(said.clone()),
        typing: Some(typed.into()),
        processors: 2,
        limit: Some(TIME_MAX),
        note: &|words| eprintln!("note: {words}"),
    };
    let result = match how {
        Hosted::Processes => run(start),
        Hosted::Here => run_here(start),
    };
    let bytes = said.0.lock().unwrap_or_else(PoisonError::into_inner);
    let console = String::from_utf8_lossy(&bytes).into_owned();
    match result {
        Ok(code) => Ok(Ran { console, code: Some(code as i32) }),
        Err(error) => Err(HomeError::Hosted(error, console)),
    }
}
