//! What a person or a program sees: exit codes, both streams, pages and completions.

use std::io::Read as _;
use std::process::Stdio;

use crate::bench::{Bench, noise};

#[test]
fn exit_codes_tell_who_can_mend_it() {
    let bench = Bench::new();
    bench.write("file", "bytes\n");
    bench.run("add file --name file").expect(0);
    bench.run("cat @nobody").expect(1).says("hint: `vigil name list`");
    bench.run("add nothing-here").expect(1).says("because: No such file");
    bench.run("get @file -o file").expect(1).says("--overwrite");
    bench.run("get @file --range 5-7").expect(1);
    bench.run("man no such command").expect(1).says("there is no command `vigil no such command`");
    bench.run("get @file --metadata").expect(2);
    bench.run("add file file --name two").expect(2).says("a name can mean only one of 2 paths");
    bench.run("--store file/below status").expect(3);
    let homeless = crate::bench::Ran::of({
        let mut command = bench.vigil(&["status"]);
        command.env_remove("HOME").env_remove("VIGIL_STORE");
        command
    });
    homeless.expect(2).says("hint: say where with `--store PATH` or VIGIL_STORE");
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let bench = Bench::new();
    bench.write("large", noise(1, 8 << 20));
    bench.fine("add large --name large");
    for words in [["cat", "@large"].as_slice(), &["get", "@large"], &["man"], &["--help"]] {
        let mut command = bench.vigil(words);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it");
        let mut out = child.stdout.take().expect("a pipe");
        out.read_exact(&mut [0; 10]).expect("a start");
        drop(out);
        let ended = child.wait_with_output().expect("its end");
        assert_eq!(ended.status.code(), Some(0), "{words:?}");
        assert!(ended.stderr.is_empty(), "{words:?}: {}", String::from_utf8_lossy(&ended.stderr));
    }
}

#[test]
fn output_that_cannot_be_written_is_an_error() {
    let bench = Bench::new();
    bench.write("large", noise(1, 1 << 20));
    bench.fine("add large --name large");
    let ran = bench.shell("vigil cat @large > /dev/full").expect(3);
    assert!(ran.talk.contains("No space left on device"), "{}", ran.talk);
    bench.shell("vigil version > /dev/full").expect(3);
}

#[test]
fn quiet_leaves_data_and_errors() {
    let bench = Bench::new();
    bench.write("file", "bytes\n");
    let ran = bench.run("add -q file").expect(0);
    assert!(ran.talk.is_empty() && ran.out.starts_with("ca://sha256:"), "{ran:?}");
    bench.run("-q cat @nobody").expect(1).says("error: ");
}

#[test]
fn without_a_terminal_there_is_no_colour_and_no_progress() {
    let bench = Bench::new();
    bench.write("file", noise(1, 5 << 20));
    let ran = bench.run("add file").expect(0);
    assert!(!ran.talk.contains('\x1b') && !ran.talk.contains('\r'), "{:?}", ran.talk);
    let ran = bench.run("cat @nobody").expect(1);
    assert!(!ran.talk.contains('\x1b'), "{:?}", ran.talk);
}

/// `script` gives a program a terminal.
#[test]
fn on_a_terminal_errors_have_colour_unless_it_is_unwanted() {
    let bench = Bench::new();
    bench.fine("status");
    let on_terminal = |before: &str| {
        let line = format!(
            "{before} TERM=xterm script --quiet --return --command 'vigil cat @nobody' /dev/null"
        );
        bench.shell(&line).expect(1).out
    };
    assert!(on_terminal("").contains("\x1b[1;31merror:\x1b[0m"));
    let plain = on_terminal("NO_COLOR=1");
    assert!(plain.contains("error: `@nobody`") && !plain.contains('\x1b'), "{plain:?}");
}

#[test]
fn json_is_json_and_has_the_fields_that_the_help_names() {
    let bench = Bench::new();
    bench.write("folder/a", "one\n");
    bench.fine("add folder --name x --metadata");
    bench.write("folder/b", "two\n");
    bench.fine("add folder --name x");
    bench.fine("arena seal");
    for line in [
        "add folder",
        "ls @x",
        "stat @x",
        "diff @x~1 @x",
        "name list",
        "name show x",
        "verify",
        "repair",
        "gc --dry-run",
        "arena list",
        "arena seal",
        "status",
        "version",
        "endpoints",
        "resolve @x/a",
        "why @x/a",
    ] {
        let (words, rest) = line
            .split_once(" @")
            .map_or((line, String::new()), |(words, rest)| (words, format!(" @{rest}")));
        let out = bench.fine(&format!("{words} --json{rest}"));
        assert!(!out.is_empty(), "{line}");
        let command: Vec<&str> =
            words.split(' ').filter(|word| !["folder", "x", "--dry-run"].contains(word)).collect();
        let help = bench.fine(&format!("{} --help", command.join(" ")));
        for document in out.lines() {
            let value: serde_json::Value = serde_json::from_str(document).expect("JSON");
            for field in value.as_object().expect("an object").keys() {
                assert!(help.contains(field), "the help of `{line}` does not tell of {field}");
            }
        }
    }
}

#[test]
fn pages_and_completions_are_made_from_the_table() {
    let bench = Bench::new();
    bench.fine("man -o pages");
    let pages = std::fs::read_dir(bench.join("pages")).expect("a folder").count();
    assert!(pages > 20, "{pages} pages");
    let page = std::fs::read_to_string(bench.join("pages/vigil-arena-export.1")).expect("a page");
    assert_eq!(page, bench.fine("man arena export"));
    assert!(page.contains(".TH vigil-arena-export 1"), "{page}");
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        assert!(bench.fine(&format!("completions {shell}")).contains("keep-within"), "{shell}");
    }
    let completed = "source <(vigil completions bash); COMP_WORDS=(vigil ver); COMP_CWORD=1; \
        _vigil vigil ver vigil; echo ${COMPREPLY[@]}";
    assert_eq!(bench.shell(completed).expect(0).out.trim(), "verify version");
}

#[test]
fn a_file_with_the_bytes_of_a_tree_is_a_file() {
    let bench = Bench::new();
    bench.write("folder/inside", "text\n");
    let tree = bench.fine("add -q folder");
    let bare = tree.trim().trim_end_matches('/');
    bench.shell(&format!("mkdir trap; vigil get -q {bare} > trap/record")).expect(0);
    bench.fine("add -q trap --name trap");
    let stat = bench.fine("stat @trap/record");
    assert!(stat.contains("kind      file") && stat.contains(bare), "{stat}");
    bench.run("ls @trap/record").expect(1).says("is not a tree");
    bench.run("cat @trap/record/inside").expect(1).says("is a file");
    bench.run(&format!("ls {bare}")).expect(0);
    bench.run(&format!("get {bare} -o record")).expect(0).says("means the tree");
    assert_eq!(
        std::fs::read(bench.join("record")).expect("a file"),
        std::fs::read(bench.join("trap/record")).expect("a file")
    );
}
