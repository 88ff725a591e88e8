//! `kill -9` at any moment of `vigil add`: what was acknowledged is there, and nothing else is wrong.

use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use crate::bench::{Bench, Ran, noise};

/// Lets a program run for `span` at most, then kills it. Returns what it had printed.
pub fn run_for(mut child: Child, span: Duration) -> Ran {
    let until = Instant::now() + span;
    while Instant::now() < until {
        if child.try_wait().expect("a child of ours").is_some() {
            break;
        }
        std::thread::yield_now();
    }
    // It may have ended just now, which is as good.
    child.kill().expect("a child of ours");
    child.wait_with_output().expect("its output").into()
}

const ROUNDS: u64 = 24;

#[test]
fn what_was_acknowledged_survives_kill_9_and_nothing_is_ever_wrong() {
    let bench = Bench::new();
    let mut acknowledged: Vec<(String, Vec<u8>)> = Vec::new();
    let mut killed = 0;
    // How long an undisturbed run takes sets the scale of the moments to kill at.
    bench.write("work/large", noise(1000, 3 << 20));
    let start = Instant::now();
    bench.fine("add work --name work");
    let whole = start.elapsed();
    for round in 0..ROUNDS {
        let content = noise(round, 3 << 20);
        bench.write("work/large", &content);
        for small in 0..40 {
            bench.write(format!("work/small-{small}"), format!("{round} {small}\n"));
        }
        let mut command = bench.vigil(&["add", "work", "--name", "work"]);
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let span = whole.mul_f64((round + 1) as f64 / ROUNDS as f64);
        let ran = run_for(child.expect("the program"), span);
        killed += u64::from(ran.code.is_none());
        if let Some(uri) = ran.out.lines().next().filter(|_| ran.out.ends_with('\n')) {
            acknowledged.push((uri.into(), content));
        }
        // A quarter of the rounds look closely; all of them use what the others left.
        if round % 4 == 3 {
            check(&bench, &acknowledged);
        }
    }
    assert!(killed > 0, "no run was killed in time");
    let uri = bench.fine("add work --name work");
    assert!(uri.starts_with("ca://sha256:"));
    check(&bench, &acknowledged);
    bench.fine("gc --keep-last 1");
    bench.fine("verify");
    bench.fine("get @work -o back");
    assert_eq!(bench.shell("diff -r work back").expect(0).out, "");
}

#[track_caller]
fn check(bench: &Bench, acknowledged: &[(String, Vec<u8>)]) {
    let report = bench.run("verify --json").expect(0);
    let report: serde_json::Value = serde_json::from_str(&report.out).expect("JSON");
    assert_eq!(report["clean"], true);
    // Whatever the name means, all of it can be read.
    let named = bench.command(crate::bench::PROGRAM).args(["tar", "@work"]).output();
    assert!(named.expect("the program").status.success());
    for (uri, content) in acknowledged {
        let cat = bench.vigil(&["cat", &format!("{uri}large")]).output().expect("the program");
        assert!(cat.status.success(), "{uri}: {}", String::from_utf8_lossy(&cat.stderr));
        assert!(cat.stdout == *content, "{uri} has other bytes than were added");
    }
}
