//! Running other programs: either shown while they run and kept, or captured.
//!
//! Invariant: what a program printed is never lost: it was shown, returned, or is in the error.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Command, Stdio};
use std::sync::mpsc::RecvTimeoutError;
use std::thread::JoinHandle;
use std::time::Duration;

/// How long a program's last words may take to arrive after it has ended.
const PAUSE: Duration = Duration::from_millis(500);

/// Why a program did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// It could not be started.
    #[error("could not start `{program}`")]
    Start {
        /// The program with its arguments.
        program: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// Its output could not be read or its end not be waited for.
    #[error("lost `{program}` while it ran")]
    Lost {
        /// The program with its arguments.
        program: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// It ran and failed where it must not.
    #[error("`{program}` failed ({status}):\n{said}")]
    Failed {
        /// The program with its arguments.
        program: String,
        /// How it ended.
        status: std::process::ExitStatus,
        /// The end of what it printed.
        said: String,
    },
}

/// What a shown program came to.
pub struct Ran {
    /// Whether it ended with success.
    pub success: bool,
    /// Everything it printed, standard output and error interleaved by line.
    pub text: String,
}

/// Runs a program, shows its output line by line, and returns a copy of it.
pub fn show(command: &mut Command) -> Result<Ran, RunError> {
    let program = name(command);
    println!("$ {program}");
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|source| RunError::Start { program: program.clone(), source })?;
    let lost = |source| RunError::Lost { program: program.clone(), source };
    let (send, receive) = std::sync::mpsc::channel::<String>();
    let mut copiers = Vec::new();
    let outputs: [Option<Box<dyn Read + Send>>; 2] = [
        child.stdout.take().map(|pipe| Box::new(pipe) as Box<dyn Read + Send>),
        child.stderr.take().map(|pipe| Box::new(pipe) as Box<dyn Read + Send>),
    ];
    for pipe in outputs.into_iter().flatten() {
        let send = send.clone();
        copiers.push(std::thread::spawn(move || copy_lines(pipe, &send)));
    }
    drop(send);
    let mut text = String::new();
    let mut ended = None;
    loop {
        match receive.recv_timeout(PAUSE) {
            Ok(line) => {
                // A closed pipe of ours must not end the run: the exit code still says how it went.
                let _shown = std::io::stdout().write_all(line.as_bytes());
                text.push_str(&line);
            }
            Err(RecvTimeoutError::Disconnected) => break,
            // Whoever inherited the pipe may outlive the program; its silence is not waited for.
            Err(RecvTimeoutError::Timeout) if ended.is_some() => break,
            Err(RecvTimeoutError::Timeout) => ended = child.try_wait().map_err(&lost)?,
        }
    }
    let finished = copiers.into_iter().filter(JoinHandle::is_finished);
    for copier in finished {
        if let Ok(Err(source)) = copier.join() {
            return Err(lost(source));
        }
    }
    let status = child.wait().map_err(lost)?;
    Ok(Ran { success: status.success(), text })
}

/// Runs a program and returns its standard output; failing is an error that carries what it said.
pub fn capture(command: &mut Command) -> Result<String, RunError> {
    let program = name(command);
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|source| RunError::Start { program: program.clone(), source })?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let said = said.trim_end().to_owned();
        return Err(RunError::Failed { program, status: output.status, said });
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn copy_lines(pipe: impl Read, send: &std::sync::mpsc::Sender<String>) -> std::io::Result<()> {
    let mut reader = BufReader::new(pipe);
    let mut line = Vec::new();
    while reader.read_until(b'\n', &mut line)? > 0 {
        // The receiver lives until every sender is gone, so sending cannot fail.
        let _sent = send.send(String::from_utf8_lossy(&line).into_owned());
        line.clear();
    }
    Ok(())
}

fn name(command: &Command) -> String {
    // The folder of a program is the machine's own business.
    let program = std::path::Path::new(command.get_program());
    let file = program.file_name().unwrap_or(command.get_program());
    let mut text = file.to_string_lossy().into_owned();
    for argument in command.get_args() {
        text.push(' ');
        text.push_str(&argument.to_string_lossy());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bash(script: &str) -> Command {
        let mut command = Command::new("bash");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn both_outputs_are_kept_and_failure_is_seen() {
        let ran = show(&mut bash("echo one; echo two >&2; exit 3")).unwrap();
        assert!(!ran.success);
        assert!(ran.text.contains("one\n") && ran.text.contains("two\n"), "{}", ran.text);
    }

    #[test]
    fn a_program_that_leaves_another_behind_is_not_waited_for_twice() {
        let start = std::time::Instant::now();
        let ran = show(&mut bash("echo before; sleep 30 & disown")).unwrap();
        assert_eq!((ran.success, ran.text.as_str()), (true, "before\n"));
        assert!(start.elapsed() < Duration::from_secs(20));
    }

    #[test]
    fn a_captured_failure_says_what_the_program_said() {
        assert_eq!(capture(&mut bash("echo fine")).unwrap(), "fine\n");
        let error = capture(&mut bash("echo broken >&2; exit 1")).unwrap_err().to_string();
        assert!(error.contains("broken"), "{error}");
        let missing = capture(&mut Command::new("no-such-program-here"));
        assert!(matches!(missing, Err(RunError::Start { .. })));
    }
}
