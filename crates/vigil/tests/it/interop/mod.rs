//! Outside programs that share files with ours, and that verify what it signs.

mod dhall;
mod git;
mod in_toto;
mod minisign;
mod signify_openbsd;
mod ssh_keygen;

use std::ffi::OsString;
use std::process::{Command, Stdio};

use crate::bench::{Bench, Ran};

/// Returns a program. Without it the test says that it was skipped, and fails where nothing may be.
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

/// A bench with a machine that its Person has certified when it was enrolled, and an agent that runs until this is dropped.
struct Signing {
    bench: Bench,
}

impl Signing {
    fn start() -> Self {
        let bench = Bench::new();
        bench.write("pass", "a passphrase of the test\n");
        let sealed = "--passphrase-file pass --memory 64MiB";
        bench.fine(&format!("person new ada --words-file words {sealed}"));
        bench.fine(&format!("machine enroll laptop {sealed}"));
        bench.run("agent start --socket agent/agent.sock --passphrase-file pass").expect(0);
        let signing = Self { bench };
        let signers = signing.bench.fine("attest signers");
        signing.bench.write("signers", signers);
        signing.bench.write("result", "a result\nof two lines\n");
        signing.bench.fine("add result --name result");
        signing
    }

    /// Runs the program, which is to find the agent and to succeed.
    #[track_caller]
    fn vigil(&self, words: &[&str]) -> Ran {
        Ran::of(self.bench.vigil(&[words, &["--socket", "agent/agent.sock"]].concat())).expect(0)
    }

    /// Runs an outside program with the agent within reach; `input` is a file.
    fn outside(&self, program: &OsString, words: &[&str], input: &str) -> Ran {
        let mut command = self.bench.command(program);
        let input = if input.is_empty() { "/dev/null".into() } else { self.bench.join(input) };
        command
            .args(words)
            .env("SSH_AUTH_SOCK", self.bench.join("agent/agent.sock"))
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .stdin(std::fs::File::open(input).expect("there"));
        Ran::of(command)
    }

    /// Runs an outside program that must succeed; returns all that it said.
    #[track_caller]
    fn accepts(&self, program: &OsString, words: &[&str], input: &str) -> String {
        let ran = self.outside(program, words, input).expect(0);
        ran.out + &ran.talk
    }

    /// Runs an outside program that must refuse.
    #[track_caller]
    fn refuses(&self, program: &OsString, words: &[&str], input: &str) -> String {
        let ran = self.outside(program, words, input);
        let said = ran.out + &ran.talk;
        assert_ne!(ran.code, Some(0), "{words:?} accepted: {said}");
        said
    }

    /// Changes one byte in the middle of a file.
    fn flip(&self, file: &str) {
        let path = self.bench.join(file);
        let mut bytes = std::fs::read(&path).expect("a file");
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        std::fs::write(path, bytes).expect("a file");
    }

    /// Returns the paths of the attestations in the repository `vouched`.
    fn attestations(&self) -> Vec<String> {
        let folder = self.bench.join("vouched/attestations");
        let entries = std::fs::read_dir(folder).expect("a folder");
        let names = entries.map(|entry| entry.expect("an entry").file_name());
        let names = names.map(|name| name.into_string().expect("text"));
        let mut paths: Vec<String> = names
            .filter(|name| name.ends_with(".json"))
            .map(|name| format!("vouched/attestations/{name}"))
            .collect();
        paths.sort();
        paths
    }

    /// As whom the machine signs.
    fn principal(&self) -> String {
        let line = self.bench.shell("cat store/trust/machine-cert.pub").expect(0).out;
        line.split_whitespace().last().expect("a comment").to_owned()
    }
}

impl Drop for Signing {
    fn drop(&mut self) {
        let stop = ["agent", "stop", "--socket", "agent/agent.sock"];
        let stopped = Ran::of(self.bench.vigil(&stop));
        assert!(std::thread::panicking() || stopped.code == Some(0), "{}", stopped.talk);
    }
}
