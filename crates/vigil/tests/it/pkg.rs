//! `vigil pkg` on a real disk: without a network, killed at any moment, by several at once.

use std::process::Stdio;
use std::time::Instant;

use crate::bench::{Bench, noise};
use crate::kill::run_for;

const POLICY: &str = "rebuilders 0\ninclusion waived\nallow * clock\n";

/// A bench with a Person, whose packages its own store lets in.
fn bench() -> Bench {
    let bench = Bench::new();
    bench.fine("person new ada --words-file words --words-only");
    bench.write("store/pkg.policy", POLICY);
    bench
}

/// Makes and signs a package whose program says `text`, with a file of noise.
fn package(bench: &Bench, name: &str, text: &str, more: &str) {
    let folder = format!("src-{text}");
    let script = bench.write(format!("{folder}/bin/run"), format!("#!/bin/sh\necho {text}\n"));
    bench.write(format!("{folder}/data"), noise(text.len() as u64, 2 << 20));
    for number in 0..40 {
        bench.write(format!("{folder}/many/{number}"), format!("{text} {number}\n"));
    }
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(script, std::fs::Permissions::from_mode(0o755)).expect("a mode");
    let program = name.split(['/', '@']).nth(1).expect("a name");
    bench.fine(&format!(
        "pkg build {folder} --name {name} --program {program}=bin/run -o {text}.vpkg{more}"
    ));
    bench.fine(&format!("pkg publish {text}.vpkg --words-file words"));
}

#[track_caller]
fn says(bench: &Bench, program: &str, text: &str) {
    let ran = bench.shell(&format!("store/packages/current/bin/{program}")).expect(0);
    assert_eq!(ran.out, format!("{text}\n"));
}

#[test]
fn the_gate_and_an_installation_need_no_network() {
    let bench = bench();
    package(&bench, "x.y/tool@1", "one", "");
    let interfaces = bench.shell("unshare -rn cat /proc/net/dev").expect(0).out;
    // Two lines of headings, and at most a loopback that is down.
    assert!(interfaces.lines().skip(2).all(|line| line.trim().starts_with("lo:")), "{interfaces}");
    let verified = bench.shell("unshare -rn vigil pkg verify one.vpkg --explain").expect(0);
    assert!(verified.out.contains("att://x.y/tool@1 may be installed"), "{verified:?}");
    bench.shell("unshare -rn vigil pkg install one.vpkg").expect(0);
    says(&bench, "tool", "one");
    // Nor does it ask the network where there is one: no call makes a socket.
    let traced = bench.shell("strace -f -e trace=socket,connect vigil pkg verify one.vpkg 2>&1");
    if traced.code == Some(0) {
        assert!(!traced.out.contains("socket("), "{}", traced.out);
    }
}

#[test]
fn an_installation_that_is_killed_leaves_the_old_one_or_the_new_one() {
    let bench = bench();
    package(&bench, "x.y/tool@1", "one", "");
    package(&bench, "x.y/tool@2", "two", "");
    bench.fine("pkg install one.vpkg");
    let start = Instant::now();
    bench.fine("pkg install two.vpkg");
    let whole = start.elapsed();
    let mut killed = 0;
    for round in 0..24_u32 {
        bench.fine("pkg rollback --to 1");
        let tree = bench.shell("readlink -f store/packages/current/bin/tool").expect(0).out;
        // The trees of the second one are copied anew, so that there is something to kill.
        let keep =
            tree.split("/trees/").nth(1).and_then(|rest| rest.split('/').next()).expect("a tree");
        bench
            .shell(&format!("cd store/packages/trees && ls | grep -v {keep} | xargs -r rm -r"))
            .expect(0);
        let mut command = bench.vigil(&["pkg", "install", "two.vpkg"]);
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let ran = run_for(child.expect("the program"), whole.mul_f64(f64::from(round + 1) / 20.0));
        killed += u64::from(ran.code.is_none());
        let said = bench.shell("store/packages/current/bin/tool").expect(0).out;
        assert!(said == "two\n" || said == "one\n" && ran.code != Some(0), "{said:?} {ran:?}");
        bench.fine("pkg list --generations --json");
    }
    assert!(killed > 0, "no run was killed in time");
    // Whatever they left behind, the next one comes to its end.
    bench.fine("pkg install two.vpkg");
    says(&bench, "tool", "two");
}

#[test]
fn several_install_at_once() {
    let bench = bench();
    let names = ["a", "b", "c", "d"];
    for name in names {
        package(&bench, &format!("x.y/{name}@1"), name, "");
    }
    let children = names.map(|name| {
        let mut command = bench.vigil(&["pkg", "install", &format!("{name}.vpkg")]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program")
    });
    for child in children {
        let output = child.wait_with_output().expect("its output");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    names.iter().for_each(|name| says(&bench, name, name));
    assert_eq!(bench.fine("pkg list").lines().count(), 4);
}

#[test]
fn what_hostile_files_say_is_refused_and_changes_nothing() {
    let bench = bench();
    package(&bench, "x.y/tool@1", "one", "");
    let good = std::fs::read(bench.join("one.vpkg")).expect("a package");
    let check = |bytes: &[u8]| {
        bench.write("bad.vpkg", bytes);
        let ran = bench.run("pkg install bad.vpkg");
        assert_eq!(ran.code, Some(1), "{ran:?}");
        assert!(ran.talk.contains("error: "), "{ran:?}");
        assert!(!bench.join("store/packages/current").exists());
    };
    check(b"");
    check(b"vigvpkg\x01\xff\xff\xff\x7f");
    check(&good[..good.len() / 2]);
    let mut altered = good.clone();
    let last = altered.len() - 1;
    altered[last] ^= 1;
    check(&altered);
    altered.truncate(last);
    check(&altered);
    check(&[good.as_slice(), b"more"].concat());
    bench.write("bad.vpkg", &good);
    bench.fine("pkg install bad.vpkg");
    says(&bench, "tool", "one");
    bench.run("pkg install none.vpkg").expect(1);
}

#[test]
fn circles_and_needs_that_are_not_allowed_are_refused() {
    let bench = bench();
    package(&bench, "x.y/a@1", "a", " --depends x.y/b@1");
    package(&bench, "x.y/b@1", "b", " --depends x.y/a@1");
    bench.run("pkg install a.vpkg b.vpkg").expect(1).says("packages need each other");
    package(&bench, "x.y/net@1", "net", " --needs network:evil.example");
    bench.run("pkg install net.vpkg").expect(1).says("it needs network:evil.example");
    package(&bench, "x.y/time@1", "time", " --needs clock");
    bench.fine("pkg install time.vpkg");
    package(&bench, "x.y/time@0.9", "early", "");
    bench.run("pkg install early.vpkg").expect(1).says("version: 0.9; 1 is installed");
    bench.fine("pkg install early.vpkg --allow-downgrade");
    says(&bench, "time", "early");
    let again = bench.fine("pkg install early.vpkg --json");
    assert!(again.starts_with("{\"generation\":null,\"packages\":[],"), "{again}");
}
