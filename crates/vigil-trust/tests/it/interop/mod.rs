//! Outside programs that verify what we sign, and sign what we verify.

mod go;
mod in_toto;
mod minisign;
mod signify_openbsd;
mod ssh_keygen;

use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// Returns a program. Without it the test says that it was skipped, and fails where nothing may be.
/// The test, and not the library, looks at the environment here.
fn program(variable: &str, name: &str, probe: &[&str], hint: &str) -> Option<OsString> {
    let program = std::env::var_os(variable).unwrap_or_else(|| name.into());
    let mut command = Command::new(&program);
    command.args(probe).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    // Not every program has a question that it answers with success; those only have to start.
    if command.status().is_ok_and(|status| status.success() || probe.is_empty()) {
        return Some(program);
    }
    let is_ci = std::env::var_os("CI").is_some_and(|value| value == "true");
    assert!(!is_ci, "`{name}` is not installed: {hint}");
    eprintln!("skipped: {name} is not installed ({hint})");
    None
}

/// Runs a program in a folder.
fn run(program: &OsStr, folder: &Path, arguments: &[&str], input: &[u8]) -> Output {
    use std::io::Write as _;
    let mut child = Command::new(program)
        .args(arguments)
        .current_dir(folder)
        .env("HOME", folder)
        .env_remove("SSH_AUTH_SOCK")
        .env_remove("SSH_ASKPASS")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut stdin = child.stdin.take().expect("a pipe");
    // A program that does not read its input closes the pipe.
    let _ = stdin.write_all(input);
    drop(stdin);
    child.wait_with_output().expect("the program ends")
}

/// Returns everything that a program said.
fn said(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// Runs a program that must succeed.
#[track_caller]
fn accepts(program: &OsStr, folder: &Path, arguments: &[&str], input: &[u8]) -> String {
    let output = run(program, folder, arguments, input);
    assert!(output.status.success(), "{arguments:?}: {}", said(&output));
    said(&output)
}

/// Runs a program that must refuse, and say something about it.
#[track_caller]
fn refuses(program: &OsStr, folder: &Path, arguments: &[&str], input: &[u8], why: &str) {
    let output = run(program, folder, arguments, input);
    assert!(!output.status.success(), "{arguments:?} accepted: {}", said(&output));
    assert!(said(&output).contains(why), "{arguments:?}: {}", said(&output));
}
