//! Outside programs that sign through the agent.

mod git;
mod ssh_keygen;

use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::agent::{Running, certificate, signers};

/// Returns a program. Without it the test says that it was skipped, and fails where nothing may be.
/// The test, and not the library, looks at the environment here.
fn program(variable: &str, name: &str, hint: &str) -> Option<OsString> {
    let program = std::env::var_os(variable).unwrap_or_else(|| name.into());
    let mut command = Command::new(&program);
    command.arg("--version").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    if command.status().is_ok() {
        return Some(program);
    }
    let is_ci = std::env::var_os("CI").is_some_and(|value| value == "true");
    assert!(!is_ci, "`{name}` is not installed: {hint}");
    eprintln!("skipped: {name} is not installed ({hint})");
    None
}

/// Runs a program with the agent within reach, and nothing else of this machine's settings.
fn run(program: &OsStr, running: &Running, arguments: &[&str], input: &Path) -> Output {
    let home = running.folder.path();
    Command::new(program)
        .args(arguments)
        .current_dir(home)
        .env("HOME", home)
        .env("SSH_AUTH_SOCK", &running.socket)
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .stdin(std::fs::File::open(input).expect("there"))
        .output()
        .expect("the program starts")
}

fn said(output: &Output) -> String {
    let (out, talk) = (&output.stdout, &output.stderr);
    format!("{}{}", String::from_utf8_lossy(out), String::from_utf8_lossy(talk))
}

/// Writes what stock tools need: the certificate, and whom to believe.
fn prepare(running: &Running) {
    let folder = running.folder.path();
    std::fs::write(folder.join("signers"), signers().line().expect("sound words")).expect("a file");
    std::fs::write(folder.join("id.pub"), certificate().line("laptop") + "\n").expect("a file");
    std::fs::write(folder.join("message"), "what is signed\n").expect("a file");
}
