//! The tour runs everywhere and leaves nothing behind.

use crate::bench::Bench;

#[test]
fn the_tour_shows_real_commands_and_leaves_nothing() {
    let bench = Bench::new();
    let ran = bench.run("tour").expect(0);
    assert!(ran.talk.is_empty(), "{}", ran.talk);
    for part in [
        "on a small sample of four files",
        "$ vigil add ",
        "Three times the same.",
        "$ vigil cat '@tour/README.md | head 1 | count bytes'",
        "kept by count",
        "made by head",
        "~ README.md",
        "1 changed",
        "everything is as it was written",
        "sealed 1 arena",
        "this time from the other store",
        "rebuilders  holds   the same bits: bob, cy, dee",
        "unshare -rn vigil pkg install hello-1.0.vpkg",
        "  hello from 1.0\n",
        "  hello from 2.0\n",
        "$ vigil pkg rollback --into installed",
        "@tour~1  ",
        "Where to go next",
    ] {
        assert!(ran.out.contains(part), "{part:?} is not in the tour:\n{}", ran.out);
    }
    // One package was altered, and nothing else went wrong.
    assert_eq!(ran.out.matches("error:").count(), 1, "{}", ran.out);
    assert!(ran.out.contains("error: could not believe altered.vpkg"), "{}", ran.out);
    let left: Vec<_> = std::fs::read_dir(bench.path()).expect("a folder").collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn the_tour_keeps_a_store_that_was_named_and_only_reads_the_folder() {
    let bench = Bench::new();
    bench.write("mine/.git/config", "not to be added");
    bench.write("mine/.gitignore", "secret\n");
    bench.write("mine/secret", "not to be added");
    bench.write("mine/deep/text.txt", "text\n");
    bench.shell("cp -a mine before").expect(0);
    let mut command = bench.vigil(&["--store", "../kept", "tour"]);
    command.current_dir(bench.join("mine/deep"));
    let ran = crate::bench::Ran::of(command).expect(0);
    assert!(ran.out.contains("$ vigil diff @tour~1 @tour\n  ~ deep/text.txt\n"), "{}", ran.out);
    assert_eq!(bench.shell("diff -r mine before").expect(1).out, "Only in mine: kept\n");
    let listed = bench.fine("--store mine/kept ls -R @tour~1");
    assert_eq!(listed, ".gitignore\ndeep/\ndeep/text.txt\n");
    bench.fine("--store mine/kept verify");
}
