//! Every example in every command's help works.

use crate::bench::Bench;

/// Prepares what `args/help.rs` promises to its examples.
fn prepared() -> Bench {
    let bench = Bench::new();
    bench.write("photos/sea.jpg", b"not quite a photo");
    bench.write("photos/hill.jpg", b"nor is this one");
    bench.write("notes.txt", "milk\nbread\n");
    bench.write("home/hello.txt", "hello\n");
    bench.write("home/letter.txt", "Dear reader,\n".repeat(20));
    bench.fine("add home --name home --metadata");
    bench.write("home/letter.txt", "Dear reader!\n".repeat(20));
    bench.fine("add home --name home --metadata");
    bench
}

/// Returns the example lines in a help text. One that ends in a backslash goes on in the next line.
fn examples(help: &str) -> Vec<String> {
    let after = help.split_once("\nExamples:\n").map_or("", |(_, after)| after);
    let after = after.replace("\\\n", " ");
    after.lines().filter_map(|line| line.trim_start().strip_prefix("$ ")).map(Into::into).collect()
}

fn each_command(command: &clap::Command, words: &str, found: &mut Vec<String>) {
    found.push(words.into());
    for below in command.get_subcommands().filter(|below| below.get_name() != "help") {
        each_command(below, &format!("{words} {}", below.get_name()), found);
    }
}

#[test]
fn every_example_in_every_help_works() {
    let mut commands = Vec::new();
    each_command(&vigil_cli::Args::table(), "", &mut commands);
    assert!(commands.len() > 20, "{commands:?}");
    for words in commands {
        let bench = prepared();
        let help = bench.fine(format!("{} --help", words.trim_start()).trim_start());
        let lines = examples(&help);
        assert!(!lines.is_empty(), "`vigil{words} --help` has no examples:\n{help}");
        for line in lines {
            let ran = bench.shell(&format!("set -o pipefail; {line}"));
            assert_eq!(ran.code, Some(0), "`{line}` of `vigil{words}`:\n{}{}", ran.out, ran.talk);
        }
    }
}

#[test]
fn help_is_data_and_misuse_is_talk() {
    let bench = Bench::new();
    let help = bench.run("--help").expect(0);
    assert!(help.talk.is_empty() && help.out.contains("Usage: vigil"), "{help:?}");
    let misuse = bench.run("add").expect(2);
    assert!(misuse.out.is_empty() && misuse.talk.contains("error:"), "{misuse:?}");
    bench.run("frobnicate").expect(2);
    bench.run("ls nothing-like-a-uri").expect(2).says("`nothing-like-a-uri`");
    let bare = bench.vigil(&[]);
    assert_eq!(crate::bench::Ran::of(bare).code, Some(2));
    assert!(!bench.join("store").exists(), "asking for help makes no store");
}
