//! Hosted machines where Linux gives less than it could, and to people who may do less.

use std::process::{Command, Output};

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
