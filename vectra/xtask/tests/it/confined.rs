//! What Linux keeps hosted Tasks in, also where it gives less than it could, and to people who may do
//! less.

use std::io::Read as _;
use std::process::{Command, Output, Stdio};

use crate::bench::built;

/// What a machine says that has no namespaces.
const NOTE: &str = "no namespaces of their own";

/// Runs the first Tasks, started by `sh` inside a namespace of users with these options.
fn run(options: &[&str], script: &str) -> Output {
    built();
    let program = env!("CARGO_BIN_EXE_vectra-xtask");
    let mut command = Command::new("unshare");
    command.arg("--user").args(options).args(["sh", "-c", script, program]);
    let ran = command.output().expect("util-linux is installed");
    if !String::from_utf8_lossy(&ran.stderr).starts_with("unshare:") {
        return ran;
    }
    // Namespaces of users are forbidden here: then the machine is without in any case.
    Command::new(program).arg("hosted").output().expect("the program can be started")
}

#[track_caller]
fn check(ran: &Output) -> String {
    let (said, talk) = (String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    assert!(ran.status.success() && said.contains("[initd] all is done"), "{said}{talk}");
    talk.into_owned()
}

#[test]
fn where_there_are_no_namespaces_it_says_so() {
    let script = "echo 0 > /proc/sys/user/max_user_namespaces; exec \"$0\" hosted";
    let talk = check(&run(&["--map-root-user"], script));
    assert!(talk.contains(NOTE), "{talk}");
}

#[test]
fn an_ordinary_user_hosts_it_too() {
    let script = "test $(id -u) = 1000 && exec \"$0\" hosted";
    check(&run(&["--map-user=1000", "--map-group=1000"], script));
}

/// Namespaces that no Task shares with who runs the machine.
const NAMESPACES: [&str; 7] = ["user", "pid", "mnt", "ipc", "uts", "cgroup", "net"];

fn children(of: u32) -> Vec<u32> {
    let path = format!("/proc/{of}/task/{of}/children");
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.split_whitespace().filter_map(|word| word.parse().ok()).collect()
}

fn namespace(id: &str, name: &str) -> String {
    let link = std::fs::read_link(format!("/proc/{id}/ns/{name}")).expect("the process is ours");
    link.display().to_string()
}

/// Looks at a Task's process from outside: what Linux keeps it in, and the one file that it has.
fn look(id: u32, namespaces: &[&str]) {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).expect("it runs");
    for line in ["Seccomp:\t2", "NoNewPrivs:\t1"] {
        assert!(status.contains(line), "{status}");
    }
    for name in namespaces {
        assert_ne!(namespace(&id.to_string(), name), namespace("self", name), "{name}");
    }
    let folder = std::fs::read_dir(format!("/proc/{id}/fd")).expect("it runs");
    let files: Vec<_> = folder.map(|entry| entry.expect("it runs").path()).collect();
    assert_eq!(files.len(), 1, "{files:?}");
    let pool = std::fs::read_link(&files[0]).expect("it is open");
    assert!(pool.display().to_string().contains("memfd:vectra-pool"), "{pool:?}");
    let pool = std::fs::OpenOptions::new().write(true).open(&files[0]).expect("it is open");
    for length in [0, 1 << 40] {
        let error = pool.set_len(length).expect_err("its size is sealed");
        assert_eq!(error.kind(), std::io::ErrorKind::PermissionDenied, "{error}");
    }
}

#[test]
fn a_task_is_a_process_with_nothing_but_sealed_memory() {
    built();
    let mut command = Command::new(env!("CARGO_BIN_EXE_vectra-xtask"));
    // It waits for what is never typed.
    command.args(["hosted", "typist"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut machine = command.stderr(Stdio::piped()).spawn().expect("the program can be started");
    let mut first = [0];
    let has_spoken = machine.stdout.as_mut().is_some_and(|out| out.read_exact(&mut first).is_ok());
    let tasks = children(machine.id());
    let looked = std::panic::catch_unwind(|| {
        assert!(has_spoken, "its Task speaks before it waits");
        // The process that others are made of, one that showed whether Linux gives namespaces and is
        // over, and the Task.
        let [maker, .., task] = tasks[..] else { panic!("{tasks:?}") };
        // Where Linux gives no namespaces the machine says so; the rest holds all the same.
        let has = namespace(&task.to_string(), "user") != namespace("self", "user");
        look(maker, if has { &["user", "net"] } else { &[] });
        look(task, if has { &NAMESPACES } else { &[] });
    });
    machine.kill().expect("it still waits");
    let ended = machine.wait_with_output().expect("it has been killed");
    if let Err(panic) = looked {
        eprintln!("{}", String::from_utf8_lossy(&ended.stderr));
        std::panic::resume_unwind(panic);
    }
}
