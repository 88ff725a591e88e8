use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// Emulation is slow where others use the processors, too; a machine that hangs is found anyhow.
const TIME_MAX: Duration = Duration::from_secs(120);

/// Why a machine could not be run.
#[derive(Debug)]
pub enum HomeError {
    /// The program could not be started.
    Start(String, std::io::Error),
    /// It did not end in time; these are its words until then.
    Hung(String),
}

impl std::fmt::Display for HomeError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Start(program, error) => write!(f, "{program} could not be started: {error}"),
            Self::Hung(words) => write!(f, "the machine did not end; it said:\n{words}"),
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

/// Returns what to do when QEMU cannot be started, or nothing if it can.
pub fn qemu_is_missing() -> Option<&'static str> {
    let found = Command::new(QEMU).arg("--version").stdout(Stdio::null()).status();
    found.is_err().then_some("qemu-system-x86_64 is missing: apt-get install qemu-system-x86")
}

const QEMU: &str = "qemu-system-x86_64";

/// A bare machine, emulated.
#[derive(Clone, Debug)]
pub struct Qemu {
    /// The kernel.
    pub kernel: PathBuf,
    /// The boot archive.
    pub archive: PathBuf,
    /// Processors.
    pub processors: u32,
    /// Count instructions, so that runs are repeatable.
    pub counted: bool,
    /// The kernel's command line.
    pub words: String,
}

impl Qemu {
    /// Returns the command that boots this machine with the serial line on its own console.
    pub fn command(&self) -> Command {
        let mut command = Command::new(QEMU);
        command
            .args(["-M", "q35", "-accel", "tcg", "-cpu", "max", "-m", "128"])
            .args(["-nodefaults", "-no-user-config", "-no-reboot", "-display", "none"])
            .args(["-serial", "stdio", "-device", "isa-debug-exit,iobase=0xf4,iosize=1"])
            .args(["-smp", &self.processors.to_string(), "-append", &self.words])
            .arg("-kernel")
            .arg(&self.kernel)
            .arg("-initrd")
            .arg(&self.archive);
        if self.counted {
            command.args(["-icount", "shift=0,sleep=off"]);
        }
        command
    }

    /// Boots, types `input`, and waits for the end.
    pub fn run(&self, input: &str) -> Result<Ran, HomeError> {
        let ran = run(self.command(), input)?;
        // The exit device answers 2n + 1.
        Ok(Ran { code: ran.code.map(|code| code >> 1), ..ran })
    }
}

/// The same machine on Linux, under the supervisor.
#[derive(Clone, Debug)]
pub struct Hosted {
    /// The supervisor.
    pub program: PathBuf,
    /// The boot archive.
    pub archive: PathBuf,
    /// Pages of its pool.
    pub frames: u32,
}

impl Hosted {
    /// Runs, types `input`, and waits for the end.
    pub fn run(&self, input: &str) -> Result<Ran, HomeError> {
        run(self.command(), input)
    }

    /// Returns the command.
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.arg(&self.archive).arg(self.frames.to_string());
        command
    }
}

fn run(mut command: Command, input: &str) -> Result<Ran, HomeError> {
    let program = Path::new(command.get_program()).display().to_string();
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| HomeError::Start(program, error))?;
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
        Some(status) => Ok(Ran { console, code: status.code() }),
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
