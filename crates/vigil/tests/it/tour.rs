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
        "att://ada.example/result@1 now means ca://sha256:",
        "Where to go next",
    ] {
        assert!(ran.out.contains(part), "{part:?} is not in the tour:\n{}", ran.out);
    }
    // What is refused is meant to be: an attestation at the end, and a package that was altered.
    let altered = "error: could not believe altered.vpkg";
    let refused = ["error: 1 attestation is refused", ": the signature beside it does not hold"];
    let has_git = std::process::Command::new("git").arg("--version").output().is_ok();
    assert!(!has_git || refused.iter().all(|part| ran.out.contains(part)), "{}", ran.out);
    assert!(ran.out.contains(altered), "{}", ran.out);
    let rest = ran.out.replace(refused[0], "").replace(altered, "");
    assert!(!rest.contains("error:"), "{}", ran.out);
    if cfg!(feature = "sql") {
        asks_twice_and_of_another_version(&ran.out);
    }
    let left: Vec<_> = std::fs::read_dir(bench.path()).expect("a folder").collect();
    assert!(left.is_empty(), "{left:?}");
}

/// Checks that the second answer is the first, kept, and that the third is another, made.
#[track_caller]
fn asks_twice_and_of_another_version(out: &str) {
    let at = |text: &str| out.find(text).unwrap_or_else(|| panic!("{text:?} is not in {out}"));
    let steps = ["| parquet'", "kind  files ", "  kept by sql ", "  made by sql "];
    let places: Vec<usize> = steps.into_iter().map(at).collect();
    assert!(places.is_sorted(), "{places:?} in {out}");
    assert!(out[places[3]..].contains("root name/table was "), "{out}");
    let answers: Vec<&str> = out.split("kind  files ").skip(1).collect();
    let row = |answer: &str| answer.lines().nth(2).expect("a row").trim().to_owned();
    let [first, second, third] = answers[..] else { panic!("{} answers", answers.len()) };
    assert_eq!(row(first), row(second));
    assert_ne!(row(second), row(third));
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
