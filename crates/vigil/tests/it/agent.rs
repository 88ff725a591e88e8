//! The agent as a program: what it shows of itself, and what it never shows.

use crate::bench::Bench;

const PASSPHRASE: &str = "a passphrase of the test";

/// A bench with a certified machine.
fn enrolled() -> Bench {
    let bench = Bench::new();
    bench.write("pass", format!("{PASSPHRASE}\n"));
    let sealed = "--passphrase-file pass --memory 64MiB";
    bench.run(&format!("person new ada --words-file words {sealed}")).expect(0);
    bench.run(&format!("machine enroll bench {sealed}")).expect(0);
    bench.run("agent certify --passphrase-file pass").expect(0);
    bench
}

/// Finds the process that listens, by what its command line says.
fn agent_process(bench: &Bench) -> std::path::PathBuf {
    let socket = bench.join("agent/agent.sock").display().to_string();
    let processes = std::fs::read_dir("/proc").expect("a system with /proc");
    let mut folders = processes.filter_map(Result::ok).map(|entry| entry.path());
    let found = folders.find(|folder| {
        let line = std::fs::read(folder.join("cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line).into_owned();
        line.contains("--foreground") && line.contains(&socket)
    });
    found.expect("an agent in the background")
}

#[test]
fn secrets_are_in_no_output_no_argument_and_no_dump() {
    let bench = enrolled();
    let socket = "--socket agent/agent.sock";
    let mut said = String::new();
    let mut run = |arguments: &str, code: i32| {
        let ran = bench.run(arguments).expect(code);
        said += &format!("{}{}", ran.out, ran.talk);
    };
    run(&format!("agent start {socket} --passphrase-file pass"), 0);
    run(&format!("agent start {socket} --passphrase-file pass"), 1);
    run(&format!("agent status {socket} --json"), 0);
    let process = agent_process(&bench);
    let read = |file: &str| std::fs::read_to_string(process.join(file)).expect("readable");
    let line = |text: &str, start: &str| {
        text.lines().find(|line| line.starts_with(start)).unwrap_or_default().to_owned()
    };
    // One page is locked, and no core is written.
    let locked = line(&read("status"), "VmLck:");
    let pages = locked.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok());
    assert!(pages.is_some_and(|kib| kib >= 4), "{locked}");
    let core = line(&read("limits"), "Max core file size");
    assert_eq!(core.split_whitespace().nth(4), Some("0"), "{core}");
    assert!(!read("cmdline").contains(PASSPHRASE), "arguments are for everybody to see");
    bench.write("wrong", "another passphrase\n");
    run(&format!("agent lock {socket}"), 0);
    run(&format!("agent unlock {socket} --passphrase-file wrong"), 1);
    run(&format!("agent unlock {socket} --passphrase-file pass"), 0);
    run(&format!("agent stop {socket}"), 0);
    run("agent certify --request --passphrase-file pass", 0);
    run("agent certify --request --passphrase-file wrong", 1);
    run("attest signers", 0);
    let words = std::fs::read_to_string(bench.join("words")).expect("the words");
    let three: Vec<&str> = words.split_whitespace().take(3).collect();
    for secret in [PASSPHRASE, "another passphrase", &three.join(" ")] {
        assert!(!said.contains(secret), "{said}");
    }
}

#[test]
fn the_socket_and_what_lies_beside_it_are_for_the_owner_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let bench = enrolled();
    bench.run("agent start --socket agent/agent.sock --passphrase-file pass").expect(0);
    let mode = |path: &str| {
        let metadata = std::fs::metadata(bench.join(path)).expect("there");
        metadata.permissions().mode() & 0o777
    };
    let modes = (mode("agent"), mode("agent/agent.sock"));
    bench.write("file", "bytes");
    bench.run("add file --name file").expect(0);
    let words = "attest @file --predicate https://example.org/x --socket agent/agent.sock";
    let mut command = bench.vigil(&words.split(' ').collect::<Vec<_>>());
    command.env("PATH", "/nowhere");
    let ran = crate::bench::Ran::of(command);
    bench.run("agent stop --socket agent/agent.sock").expect(0);
    assert_eq!(modes, (0o700, 0o600));
    ran.expect(3).says("could not run `git`").says("hint: install git");
    assert!(!bench.join("agent/agent.sock").exists());
}

#[test]
fn a_wrong_passphrase_starts_nothing_and_says_so() {
    let bench = enrolled();
    bench.write("wrong", "another passphrase\n");
    let start = "agent start --socket agent/agent.sock --passphrase-file wrong";
    let ran = bench.run(start).expect(1);
    assert!(ran.talk.contains("the agent did not start: the passphrase is wrong"), "{}", ran.talk);
    assert!(!bench.join("agent/agent.sock").exists());
}
