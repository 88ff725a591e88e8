//! The bench that each test works on: a folder, a store in it, and the program.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// The program under test.
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_vigil");

/// A folder of its own for one test, gone after it.
pub struct Bench {
    folder: tempfile::TempDir,
}

/// What a run of the program came to.
#[derive(Debug)]
pub struct Ran {
    pub code: Option<i32>,
    pub out: String,
    pub talk: String,
}

impl Bench {
    pub fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("a folder") }
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    pub fn join(&self, path: impl AsRef<Path>) -> PathBuf {
        self.folder.path().join(path)
    }

    /// Writes a file, and the folders above it.
    pub fn write(&self, path: impl AsRef<Path>, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.join(path);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        std::fs::write(&path, bytes).expect("a file");
        path
    }

    /// Prepares a program to run in the folder, with nothing of the tester's own environment.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        let path = std::env::var_os("PATH").unwrap_or_default();
        let folder = Path::new(PROGRAM).parent().expect("the program lies in a folder");
        let path = std::iter::once(folder.to_path_buf()).chain(std::env::split_paths(&path));
        command
            .current_dir(self.path())
            .env_clear()
            .env("PATH", std::env::join_paths(path).expect("a search path"))
            .env("HOME", self.path())
            .env("TMPDIR", self.path())
            .env("VIGIL_STORE", self.join("store"))
            .stdin(Stdio::null());
        command
    }

    pub fn vigil(&self, words: &[&str]) -> Command {
        let mut command = self.command(PROGRAM);
        command.args(words);
        command
    }

    /// Runs the program on a line of words without blanks in them.
    pub fn run(&self, line: &str) -> Ran {
        Ran::of(self.vigil(&line.split(' ').collect::<Vec<_>>()))
    }

    /// Runs the program, which must succeed, and returns what it printed.
    #[track_caller]
    pub fn fine(&self, line: &str) -> String {
        self.run(line).expect(0).out
    }

    /// Runs a line of shell.
    pub fn shell(&self, line: &str) -> Ran {
        let mut command = self.command("bash");
        command.args(["-c", line]);
        Ran::of(command)
    }
}

impl Ran {
    pub fn of(mut command: Command) -> Self {
        Self::from(command.output().expect("the program starts"))
    }

    #[track_caller]
    pub fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "stdout: {}\nstderr: {}", self.out, self.talk);
        self
    }

    #[track_caller]
    pub fn says(self, text: &str) -> Self {
        assert!(self.talk.contains(text), "{text:?} is not in {:?}", self.talk);
        self
    }
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Self { code: output.status.code(), out: text(output.stdout), talk: text(output.stderr) }
    }
}

/// Waits until a program has worked for half a second more than it had: what it was asked last has begun.
pub fn wait_until_busy(child: &std::process::Child) {
    let ticks = || {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", child.id())).expect("it runs");
        let behind_name = stat.rsplit_once(')').expect("a name").1.to_owned();
        // Time in the program and in the system, in hundredths of a second: fields 14 and 15 of proc(5).
        let fields = behind_name.split_whitespace().skip(11).take(2);
        fields.map(|field| field.parse::<u64>().expect("a number")).sum::<u64>()
    };
    let before = ticks();
    while ticks() < before + 50 {
        std::thread::yield_now();
    }
}

/// `len` bytes that do not compress and differ from seed to seed (xorshift64*).
pub fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        bytes.extend_from_slice(&state.wrapping_mul(0x2545_F491_4F6C_DD1D).to_le_bytes());
    }
    bytes.truncate(len);
    bytes
}
