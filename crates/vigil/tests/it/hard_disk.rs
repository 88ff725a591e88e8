//! Disks that are full or do not take writes.

use crate::bench::{Bench, Ran, noise};

/// Runs a script in which file systems may be mounted; they are gone with it. `None` where this is
/// not permitted.
fn with_mounts(bench: &Bench, script: &str) -> Option<Ran> {
    let modes = ["unshare --mount", "unshare --map-root-user --mount"];
    let probe = "mkdir -p probe && mount -t tmpfs none probe";
    let mode =
        modes.iter().find(|mode| bench.shell(&format!("{mode} bash -c '{probe}'")).code == Some(0));
    let Some(mode) = mode else {
        assert!(std::env::var_os("CI").is_none(), "a run of record may mount");
        return None;
    };
    bench.write("script", script);
    Some(bench.shell(&format!("{mode} bash script")))
}

/// What both ways of filling up come to: the first add is kept, the second is refused and says why.
fn check_full(ran: Ran) {
    let ran = ran.expect(0);
    assert_eq!(ran.out, "small 0\nlarge 3\ncat 0\nverify 0\n", "{}", ran.talk);
    assert!(ran.talk.contains("error: ") && ran.talk.contains("hint: "), "{}", ran.talk);
}

const FILL: &str = "
    vigil add -q small > uri; echo small $?
    vigil add -q large > /dev/null; echo large $?
    vigil cat $(cat uri) | cmp - small; echo cat $?
    vigil verify > /dev/null; echo verify $?
";

#[test]
fn a_full_disk_loses_nothing_that_was_acknowledged() {
    let bench = Bench::new();
    bench.write("small", noise(1, 300_000));
    bench.write("large", noise(2, 9 << 20));
    let script = format!("mkdir store && mount -t tmpfs -o size=4m none store\n{FILL}");
    if let Some(ran) = with_mounts(&bench, &script) {
        assert!(ran.talk.contains("make room"), "{}", ran.talk);
        check_full(ran);
    }
}

/// Where nothing can be mounted a limit on the length of files does nearly the same.
#[test]
fn a_file_that_may_not_grow_loses_nothing_that_was_acknowledged() {
    let bench = Bench::new();
    bench.write("small", noise(1, 300_000));
    bench.write("large", noise(2, 9 << 20));
    // The signal would end the program, which is what a person's `ulimit` does; ignored, the write
    // fails.
    check_full(bench.shell(&format!("trap '' XFSZ; ulimit -f 2048\n{FILL}")));
}

#[test]
fn a_disk_that_takes_no_writes_can_still_be_read() {
    let bench = Bench::new();
    bench.write("file", noise(3, 500_000));
    let uri = bench.fine("add file --name file");
    let uri = uri.trim();
    let script = format!(
        "mount --bind store store && mount -o remount,bind,ro store
        vigil cat {uri} | cmp - file; echo cat $?
        vigil cat @file | cmp - file; echo name $?
        vigil verify > /dev/null; echo verify $?
        vigil ls {uri}/ > /dev/null 2>&1; echo ls $?
        echo other > other; vigil add -q other; echo add $?
        vigil gc > /dev/null; echo gc $?
        "
    );
    if let Some(ran) = with_mounts(&bench, &script) {
        let ran = ran.expect(0);
        assert_eq!(ran.out, "cat 0\nname 0\nverify 0\nls 1\nadd 3\ngc 3\n", "{}", ran.talk);
        assert!(ran.talk.contains("hint: check who may write there"), "{}", ran.talk);
    }
}
