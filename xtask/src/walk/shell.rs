//! One `bash` for a whole page, so that its folder and variables persist from command to command.
//!
//! Each command is sourced from a file of its own: a syntax error or an open quote in it ends that
//! command and not the shell.
//!
//! Invariants:
//! - the shell's environment is made here, so nothing of the user's own leaks in;
//! - when it is dropped, its processes are ended and its folder is gone.

use crate::project::Project;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

/// A command that takes longer hangs; the tour, the longest, takes seconds.
const COMMAND_TIME_MAX: Duration = Duration::from_secs(180);

/// Why a command gave no output to compare.
#[derive(Debug, thiserror::Error)]
pub enum ShellError {
    /// The shell or its folder could not be made.
    #[error("could not set up a shell for the page")]
    Start(#[source] std::io::Error),
    /// The command could not be handed over.
    #[error("could not hand the command to the shell")]
    Send(#[source] std::io::Error),
    /// The shell ended, by `exit` perhaps.
    #[error("the shell ended; it had printed:\n{0}")]
    Ended(String),
    /// The command did not end.
    #[error("the command did not end within {} s; it had printed:\n{said}", COMMAND_TIME_MAX.as_secs())]
    Hangs {
        /// What it had printed until then.
        said: String,
    },
}

/// What a command came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// Standard output and error, in order, without blanks at line ends or blank lines at the end.
    pub lines: Vec<String>,
    /// The exit code.
    pub exit: i32,
}

/// A running shell in a folder of its own.
pub struct Shell {
    base: PathBuf,
    folder: PathBuf,
    child: Child,
    commands: ChildStdin,
    lines: Receiver<String>,
    count: u64,
}

impl Shell {
    /// Starts a shell that finds the dev profile's `vigil`.
    pub fn start(project: &Project) -> Result<Shell, ShellError> {
        let path = std::env::join_paths(
            std::iter::once(project.target().join("debug"))
                .chain(std::env::split_paths(&project.path)),
        );
        // A search path that cannot be joined again is no search path; it came from one.
        let path = path.unwrap_or_else(|_| project.path.clone());
        Shell::start_with(&path)
    }

    fn start_with(path: &std::ffi::OsStr) -> Result<Shell, ShellError> {
        let base = fresh_folder().map_err(ShellError::Start)?;
        let folder = base.join("walk");
        std::fs::create_dir(&folder).map_err(ShellError::Start)?;
        let mut bash = Command::new("bash");
        bash.args(["--noprofile", "--norc"])
            .current_dir(&folder)
            .env_clear()
            .envs([("LANG", "C.UTF-8"), ("LC_ALL", "C.UTF-8"), ("TZ", "UTC"), ("TERM", "dumb")])
            .env("PATH", path)
            .env("HOME", &folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut bash, 0);
        let mut child = bash.spawn().map_err(ShellError::Start)?;
        let (Some(mut commands), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(ShellError::Start(std::io::Error::other("the shell has no pipes")));
        };
        commands.write_all(b"exec 2>&1\n").map_err(ShellError::Start)?;
        let lines = read_lines(output);
        Ok(Shell { base, folder, child, commands, lines, count: 0 })
    }

    /// Returns the folder that the page starts in, which is also its home.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Runs one command and waits for its end.
    pub fn run(&mut self, command: &str) -> Result<Output, ShellError> {
        self.count += 1;
        let name = self.count.to_string();
        let file = self.base.join(&name);
        std::fs::write(&file, format!("{command}\n")).map_err(ShellError::Send)?;
        // The page cannot guess the folder's name, so it cannot print the mark by accident.
        let mark = format!("== {} ended:", file.display());
        let line =
            format!("source '{0}' </dev/null; printf '\\n%s%d\\n' '{mark}' $?\n", file.display());
        self.commands.write_all(line.as_bytes()).map_err(ShellError::Send)?;
        self.wait_for(&mark)
    }

    fn wait_for(&mut self, mark: &str) -> Result<Output, ShellError> {
        let until = Instant::now() + COMMAND_TIME_MAX;
        let mut lines: Vec<String> = Vec::new();
        loop {
            match self.lines.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(line) => match line.strip_prefix(mark).and_then(|code| code.parse().ok()) {
                    Some(exit) => {
                        while lines.last().is_some_and(String::is_empty) {
                            lines.pop();
                        }
                        return Ok(Output { lines, exit });
                    }
                    None => lines.push(line.trim_end().to_owned()),
                },
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(ShellError::Ended(lines.join("\n")));
                }
                Err(RecvTimeoutError::Timeout) => {
                    return Err(ShellError::Hangs { said: lines.join("\n") });
                }
            }
        }
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        // Servers that the page left running are in the shell's process group.
        let group = format!("-{}", self.child.id());
        let mut kill = Command::new("kill");
        kill.args(["-KILL", "--", &group]).stdout(Stdio::null()).stderr(Stdio::null());
        // What is left to do when any of this fails is nothing: the processes are gone already, or
        // the folder is for the system's own cleaning.
        let _killed = kill.status();
        let _killed = self.child.kill();
        let _ended = self.child.wait();
        let _removed = std::fs::remove_dir_all(&self.base);
    }
}

fn read_lines(output: ChildStdout) -> Receiver<String> {
    let (send, receive) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let mut reader = BufReader::new(output);
        let mut line = Vec::new();
        // An error ends the output as its end does: the shell is gone.
        while reader.read_until(b'\n', &mut line).is_ok_and(|bytes| bytes > 0) {
            if send.send(String::from_utf8_lossy(&line).trim_end_matches('\n').to_owned()).is_err()
            {
                return;
            }
            line.clear();
        }
    });
    receive
}

/// Makes a folder outside the checkout, so that no ignore file or git folder is above it.
fn fresh_folder() -> std::io::Result<PathBuf> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    loop {
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("vigil-walk-{}-{count}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        match std::fs::create_dir(&folder) {
            Ok(()) => return Ok(folder),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell() -> Shell {
        Shell::start_with(&std::env::var_os("PATH").unwrap()).unwrap()
    }

    #[track_caller]
    fn check(shell: &mut Shell, command: &str, lines: &[&str], exit: i32) {
        let output = shell.run(command).unwrap();
        assert_eq!(
            (output.lines, output.exit),
            (lines.iter().map(|l| (*l).into()).collect(), exit)
        );
    }

    #[test]
    fn state_persists_and_both_outputs_are_kept() {
        let mut shell = shell();
        check(&mut shell, "x=7; mkdir d; cd d", &[], 0);
        check(&mut shell, "echo $x; echo bad >&2; basename $PWD", &["7", "bad", "d"], 0);
        check(&mut shell, "printf 'no newline'", &["no newline"], 0);
        check(&mut shell, "printf 'a  \\n\\nb\\n\\n'", &["a", "", "b"], 0);
        check(&mut shell, "cat <<END\n$x\nEND", &["7"], 0);
        check(&mut shell, "cat; (exit 3)", &[], 3);
    }

    #[test]
    fn nothing_of_the_users_own_leaks_in() {
        let mut shell = shell();
        let home = shell.folder().display().to_string();
        check(&mut shell, "echo $HOME", &[&home], 0);
        check(&mut shell, "env | grep -c CARGO", &["0"], 1);
        check(&mut shell, "ls -A", &[], 0);
    }

    #[test]
    fn broken_commands_end_themselves_only() {
        let mut shell = shell();
        assert_ne!(shell.run("echo 'open").unwrap().exit, 0);
        assert_ne!(shell.run("if then").unwrap().exit, 0);
        check(&mut shell, "echo fine", &["fine"], 0);
        assert!(matches!(shell.run("exit 4"), Err(ShellError::Ended(_))));
    }

    #[test]
    fn nothing_is_left_behind() {
        let mut shell = shell();
        let folder = shell.folder().to_path_buf();
        let child = shell.run("sleep 600 & echo $!").unwrap().lines.remove(0);
        drop(shell);
        assert!(!folder.exists());
        // The signal is on its way; asking starts a process each time, which gives it the time.
        let gone = (0..1000).any(|_| !runs(&child));
        assert!(gone, "process {child} is still there");
    }

    fn runs(id: &str) -> bool {
        let asked = Command::new("kill").args(["-0", id]).stderr(Stdio::null()).status();
        asked.unwrap().success() && !zombie(id)
    }

    /// A killed process whose parent is gone may wait for the system to collect it.
    fn zombie(id: &str) -> bool {
        let status = std::fs::read_to_string(format!("/proc/{id}/stat"));
        status.is_ok_and(|text| text.contains(") Z "))
    }
}
