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
        "@tour~1  ",
        // The query: asked twice, then over another list.
        "$ vigil resolve '@list | parquet'",
        "kind  files   bytes",
        "  kept by sql ",
        "  made by sql ",
        "root name/table was ",
        "Where to go next",
    ] {
        assert!(ran.out.contains(part), "{part:?} is not in the tour:\n{}", ran.out);
    }
    assert!(!ran.out.contains("error:"), "{}", ran.out);
    // The second answer is the first, kept; the third is another, made.
    let answers: Vec<&str> = ran.out.split("kind  files   bytes\n").skip(1).collect();
    let line = |answer: &str| answer.lines().nth(1).expect("a row").trim().to_owned();
    let [first, second, third] = answers[..] else { panic!("{} answers", answers.len()) };
    assert_eq!(line(first), line(second));
    assert_ne!(line(second), line(third));
    let why = |text: &str| ran.out.find(text).expect("it is told");
    assert!(why("  kept by sql ") < why("  made by sql "));
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
