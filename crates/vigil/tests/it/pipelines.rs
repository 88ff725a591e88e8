//! Pipelines from a shell: getting what they give, watching, profiles, completion, and why.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::bench::Bench;

fn bench() -> Bench {
    let bench = Bench::new();
    bench.write("home/list.txt", "tent\nstove\nmap\n");
    bench.write("home/run", "#!/bin/sh\n");
    bench.shell("chmod +x home/run").expect(0);
    bench.fine("add -q home --name home --metadata");
    bench
}

fn json(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

#[test]
fn get_cat_ls_stat_diff_tar_and_name_take_pipelines() {
    let bench = bench();
    let out = |line: &str| bench.shell(line).expect(0).out;
    assert_eq!(out("vigil cat '@home/list.txt | head 1' '@home/list.txt | tail 1'"), "tent\nmap\n");
    assert_eq!(out("vigil get '@home/list.txt | sort' --range 4-9"), "stove");
    assert_eq!(out("vigil cat file:home/list.txt 'data:,x'"), "tent\nstove\nmap\nx");
    assert_eq!(
        out("vigil get -q '@home | tar | gzip' -o t.tgz && tar -tzf t.tgz"),
        "list.txt\nrun\n"
    );
    assert_eq!(
        out(
            "vigil get -q 'file:t.tgz | gunzip | untar' -o back && diff -r home back && test -x back/run; echo $?"
        ),
        "0\n"
    );
    assert_eq!(out("vigil ls 'file:t.tgz | gunzip | untar'"), "list.txt\nrun\n");
    assert_eq!(out("vigil diff 'file:t.tgz | gunzip | untar' @home 2>&1"), "no difference\n");
    assert_eq!(out("vigil tar file:home | tar -t"), "list.txt\nrun\n");
    assert!(out("vigil stat --json 'file:home | tar'").contains("\"kind\":\"file\""));
    assert!(out("vigil stat @home/run").contains("executable"));
    out("vigil name set -q lines '@home/list.txt | head 2'");
    assert_eq!(out("vigil cat @lines"), "tent\nstove\n");
    // What it was kept with comes back with it.
    assert_eq!(out("vigil get -q @home -o exact --metadata && test -x exact/run; echo $?"), "0\n");
    // A name that a pipeline could not write is a URI all the same.
    bench.write("odd/a(b).txt", "odd\n");
    bench.fine("add -q odd --name odd");
    assert_eq!(bench.fine("cat @odd/a(b).txt"), "odd\n");
}

#[test]
fn files_lie_below_the_folder_that_is_named() {
    let bench = bench();
    bench.write("elsewhere/a", "a\n");
    bench.write("secret", "s\n");
    assert_eq!(bench.fine("cat file:a --files elsewhere"), "a\n");
    bench
        .run("cat file:../secret --files elsewhere")
        .expect(1)
        .says("no file or folder `../secret`");
    bench.run("cat file:/etc/passwd").expect(1).says("hint: `--files FOLDER` says");
}

#[test]
fn refusals_say_what_where_and_what_next() {
    let bench = bench();
    let says = |line: &str, code: i32, text: &str| {
        bench.shell(line).expect(code).says(text);
    };
    says(
        "vigil cat '@home/none | head'",
        1,
        "because: `@home/none`: there is no `none` in the tree",
    );
    says("vigil cat '@nobody | head'", 1, "hint: `vigil name list`");
    says("vigil cat '@home/list.txt | hed'", 1, "because: there is no call `hed`");
    says("vigil cat nix:hello", 1, "because: nobody answers `nix:hello`");
    says("vigil cat 'nix:hello | head'", 1, "because: nobody answers `nix:hello`");
    says("vigil cat 'list.txt | head'", 1, "hint: a file is `file:PATH`, a name `@NAME`");
    says("vigil cat '@home/list.txt | head lnes=2'", 1, "hint: it takes lines=10");
    says("vigil cat '@home/list.txt | gunzip'", 1, "cannot be unpacked with gzip");
    says("vigil cat '@home | head'", 1, "is a tree, and bytes are needed");
    says("vigil cat '@home/list.txt |'", 2, "a name is missing after `|`");
    says("vigil endpoints nothing", 1, "hint: `vigil endpoints` lists all of them");
    let none = format!("vigil cat ca://sha256:{}", "0".repeat(64));
    says(&none, 1, "hint: it is not in this store");
}

#[test]
fn a_profile_is_a_chrome_trace_and_the_critical_path_is_told() {
    let bench = bench();
    let ran =
        bench.shell("vigil resolve '@home/list.txt | sort | head 1' --profile p.json").expect(0);
    assert_eq!(ran.out, "map\n");
    assert!(ran.talk.contains("critical path: "), "{}", ran.talk);
    assert!(ran.talk.contains("%  @home/list.txt | sort"), "{}", ran.talk);
    let text = std::fs::read_to_string(bench.join("p.json")).expect("a file");
    let profile: Value = serde_json::from_str(&text).expect("JSON");
    let events = profile["traceEvents"].as_array().expect("events");
    assert!(events.iter().any(|event| event["ph"] == "X" && event["cat"] == "made"), "{text}");
    bench.shell("vigil cat '@home/list.txt | sort | head 1' --profile q.json").expect(0);
    let text = std::fs::read_to_string(bench.join("q.json")).expect("a file");
    let profile: Value = serde_json::from_str(&text).expect("JSON");
    let made = |event: &&Value| event["cat"] == "made";
    let made = profile["traceEvents"].as_array().expect("events").iter().filter(made);
    // What a name means is looked up each time.
    assert!(made.map(|event| &event["name"]).all(|name| name == "@home/list.txt"), "{text}");
    assert!(text.contains("\"kept\""), "{text}");
}

#[test]
fn what_would_answer_is_explained() {
    let bench = bench();
    let ran = bench.shell("vigil resolve '@home | tar | count bytes' --explain").expect(0);
    for part in [
        "1. @home",
        "name answers @{name:rest}",
        "2. @home | tar",
        "gives application/x-tar",
        "3. ",
    ] {
        assert!(ran.out.contains(part), "{part}: {}", ran.out);
    }
    let ran = bench.shell("vigil resolve file:home --as application/gzip --explain").expect(0);
    let way = "application/vnd.vigil.tree to application/gzip: by tar, bytes, gzip (cost 31)";
    assert!(ran.out.contains(way), "{}", ran.out);
    let lines = json(&bench.shell("vigil resolve nix:x --explain --json").expect(0).out);
    assert!(lines[0]["endpoint"].is_null(), "{lines:?}");
    assert!(lines[0]["steps"].as_array().is_some_and(|steps| !steps.is_empty()), "{lines:?}");
}

#[test]
fn why_names_what_differs_from_the_nearest_run() {
    let bench = bench();
    let why = |pipeline: &str| bench.shell(&format!("vigil why '{pipeline}'")).expect(0).out;
    let first = why("@home/list.txt | head 2");
    assert!(first.contains("(there is no earlier run)"), "{first}");
    let again = why("@home/list.txt | head 2");
    assert!(again.contains("kept by head") && !again.contains("made by head"), "{again}");
    let argument = why("@home/list.txt | head 1");
    let want =
        "there is no earlier run of just this; the nearest one had the argument 1=`2`, not `1`";
    assert!(argument.contains(want), "{argument}");
    let operand = why("@home/run | head 2");
    let want = "the nearest one was made of @home/list.txt, not @home/run";
    assert!(operand.contains(want), "{operand}");
    bench.write("home/list.txt", "TENT\nstove\nmap\n");
    bench.fine("add -q home --name home");
    let input = why("@home/list.txt | head 2");
    assert!(input.contains("the input @home/list.txt gave sha256:"), "{input}");
    assert!(input.contains("looked up each time"), "{input}");
    assert!(input.contains("root name/home was sha256:"), "{input}");
    let lines = json(&bench.shell("vigil why --json '@home/list.txt | head 2'").expect(0).out);
    assert_eq!(lines[0]["how"], "kept");
    assert_eq!(lines[0]["below"][0], "@home/list.txt");
}

#[test]
fn what_is_to_be_fresh_is_made_anew() {
    let bench = bench();
    let why = |line: &str| {
        bench.shell(&format!("vigil why '@home/list.txt | head 2' {line}")).expect(0).out
    };
    why("");
    assert!(why("").contains("kept by "));
    assert!(why("--fresh").contains("(it was to be made anew)"));
    assert!(why("").contains("kept by "));
}

#[test]
fn pipelines_are_shown_as_people_type_them() {
    let bench = bench();
    let out = bench.shell("vigil why '@home/list.txt | grep o | head 1'").expect(0).out;
    assert!(out.starts_with("@home/list.txt | grep o | head 1\n"), "{out}");
    assert!(!out.contains("active:"), "{out}");
    let ran = bench.shell("vigil why 'nix:hello | head'").expect(1);
    assert!(ran.out.lines().all(|line| line.len() < 300), "{}", ran.out);
}

#[test]
fn what_an_archive_calls_its_entries_moves_no_cursor_and_gives_no_hints() {
    let bench = bench();
    let ran = bench.shell(
        "mkdir bad && ln -s /etc $'bad/a\\e[31mb\\nhint: run this\\nerror: or that' && tar -cf bad.tar -C bad .
        vigil cat 'file:bad.tar | untar'",
    );
    let talk = ran.expect(1).talk;
    assert!(!talk.contains('\x1b'), "{talk:?}");
    let starting = |with: &str| talk.lines().filter(|line| line.starts_with(with)).count();
    assert_eq!((starting("hint: "), starting("error: ")), (1, 1), "{talk}");
    assert!(talk.contains("hint: `links=drop` leaves such links out"), "{talk}");
    // An argument that is what another resource holds is not repeated whole.
    bench.write("long", "x".repeat(10_000));
    let ran = bench.shell("vigil cat '@home/list.txt | head lines@file:long'").expect(1);
    assert!(ran.talk.len() < 1000, "{}", ran.talk.len());
}

/// Starts to watch, and returns the lines that it prints as they come.
fn watching(
    bench: &Bench,
    words: &[&str],
) -> (std::process::Child, impl Iterator<Item = String> + use<>) {
    let mut command = bench.vigil(words);
    let mut child =
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
    let lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
    (child, lines.map(|line| line.expect("a line")))
}

#[test]
fn watching_tells_what_changed_and_what_did_not() {
    let bench = bench();
    let pipeline = "file:home/list.txt | head 1 | grep e";
    let (mut child, mut lines) = watching(&bench, &["watch", "--json", pipeline]);
    let first: Value = serde_json::from_str(&lines.next().expect("a line")).expect("JSON");
    assert!(first["before"].is_null() && first["vcid"].is_string(), "{first}");
    // Behind the first line: nothing that is watched for comes out otherwise, and nothing is printed.
    bench.write("home/list.txt", "tent\nstove\nMAP\n");
    // A file that is replaced, as editors do.
    bench.write("new", "teNt\nstove\n");
    std::fs::rename(bench.join("new"), bench.join("home/list.txt")).expect("a file");
    let next: Value = serde_json::from_str(&lines.next().expect("a line")).expect("JSON");
    assert_eq!(next["before"], first["vcid"], "{next}");
    let made = next["made"].as_array().expect("a list");
    assert!(made.contains(&first["pipeline"]), "{next}");
    // It is gone, and comes back.
    std::fs::remove_file(bench.join("home/list.txt")).expect("a file");
    let gone: Value = serde_json::from_str(&lines.next().expect("a line")).expect("JSON");
    assert!(gone["vcid"].is_null() && gone["refused"].is_string(), "{gone}");
    bench.write("home/list.txt", "tent\n");
    let back: Value = serde_json::from_str(&lines.next().expect("a line")).expect("JSON");
    assert_eq!(back["vcid"], first["vcid"], "{back}");
    // Interrupted, it ends at once and leaves the store sound.
    let id = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(id, rustix::process::Signal::INT).expect("it runs");
    let since = Instant::now();
    child.wait().expect("it ends");
    assert!(since.elapsed() < Duration::from_secs(5));
    bench.fine("verify");
    assert!(
        !bench.shell("ls store/traces").expect(0).out.lines().any(|name| !name.ends_with(".cbor"))
    );
}

#[test]
fn watching_follows_names_and_folders_and_runs_a_command() {
    let bench = bench();
    let exec =
        ["watch", "@home/list.txt | head 1", "--once", "--exec", "vigil cat $VIGIL_URI > seen"];
    let (mut child, mut lines) = watching(&bench, &exec);
    let first = lines.next().expect("a line");
    bench.write("home/list.txt", "boat\n");
    bench.fine("add -q home --name home");
    assert!(lines.next().expect("a line").starts_with(&format!("{first} → sha256:")));
    assert!(child.wait().expect("it ends").success());
    assert_eq!(std::fs::read_to_string(bench.join("seen")).expect("a file"), "boat\n");
    let (mut child, mut lines) = watching(&bench, &["watch", "file:home | tar", "--once"]);
    lines.next().expect("a line");
    bench.write("home/deep/er/new", "new\n");
    assert!(lines.next().expect("a line").contains(" → "));
    assert!(child.wait().expect("it ends").success());
}

#[test]
fn collecting_goes_on_while_somebody_watches() {
    let bench = bench();
    let words = ["watch", "--json", "file:home/list.txt | sort | head 1"];
    let (mut child, mut lines) = watching(&bench, &words);
    let first: Value = serde_json::from_str(&lines.next().expect("a line")).expect("JSON");
    // Nothing that was made has a name, so all of it goes, and nobody waits for the one who watches.
    let since = Instant::now();
    let collected = loop {
        let ran = bench.run("gc --json");
        if ran.code == Some(0) {
            break json(&ran.out).remove(0);
        }
        assert!(since.elapsed() < Duration::from_secs(20), "{}", ran.talk);
    };
    assert!(collected["dead_items"].as_u64() > Some(0), "{collected}");
    bench.write("home/list.txt", "boat\nstove\n");
    let next: Value = serde_json::from_str(&lines.next().expect("a line")).expect("JSON");
    assert_eq!(next["before"], first["vcid"], "{next}");
    let uri = format!("ca://{}", next["vcid"].as_str().expect("a Vcid"));
    assert_eq!(bench.run(&format!("cat {uri}")).expect(0).out, "boat\n");
    child.kill().expect("it runs");
    child.wait().expect("it ends");
}

#[test]
fn records_of_what_is_gone_go_with_it() {
    let bench = bench();
    for number in 1..4 {
        bench.shell(&format!("vigil cat '@home/list.txt | head {number} | sort'")).expect(0);
    }
    let count = || bench.shell("ls store/traces | wc -l").expect(0).out.trim().to_owned();
    assert_eq!(count(), "6");
    bench.shell("touch -d '1 year ago' $(ls -d store/traces/* | head -n 2)").expect(0);
    let dry = json(&bench.fine("gc --dry-run --json")).remove(0);
    assert_eq!((&dry["traces_dropped"], &dry["traces_kept"]), (&2.into(), &4.into()), "{dry}");
    assert_eq!(count(), "6");
    let ran = bench.run("gc").expect(0);
    assert!(ran.out.contains("forgot how "), "{}", ran.out);
    assert_ne!(count(), "6");
}

/// What real bash makes of a line and a tab.
#[test]
fn bash_completes_names_paths_calls_and_arguments() {
    let bench = bench();
    let complete = |line: &str| {
        let quoted = line.replace('\'', "'\\''");
        let script = format!(
            "source <(vigil completions bash)
            COMP_LINE='{quoted}'; COMP_POINT=${{#COMP_LINE}}
            COMP_WORDS=(vigil cat \"${{COMP_LINE#vigil cat }}\"); COMP_CWORD=2
            _vigil_resolving vigil \"${{COMP_WORDS[2]}}\" cat
            printf '%s\\n' \"${{COMPREPLY[@]}}\""
        );
        let ran = bench.shell(&script);
        let mut found: Vec<String> =
            ran.out.lines().map(|line| line.trim_end().to_owned()).collect();
        found.sort();
        // So that bash leaves a quote open, a single answer is given with and without a blank.
        found.dedup();
        found
    };
    assert_eq!(complete("vigil cat '@ho"), ["@home"]);
    assert_eq!(complete("vigil cat '@home/l"), ["@home/list.txt"]);
    assert_eq!(complete("vigil cat '@home/list.txt | gr"), ["@home/list.txt | grep"]);
    assert_eq!(
        complete("vigil cat '@home/list.txt | sort rev"),
        ["@home/list.txt | sort reverse=no", "@home/list.txt | sort reverse=yes"]
    );
    assert_eq!(complete("vigil cat 'file:home/li"), ["file:home/list.txt"]);
    // Without a quote, bash breaks words at `@` and `:`.
    assert_eq!(complete("vigil cat @ho"), ["home"]);
    assert_eq!(complete("vigil cat da"), ["data:,"]);
    // An interactive shell, with a terminal and a tab.
    let typed = "printf 'source <(vigil completions bash)\\nvigil cat '\"'\"'@home/list.txt | hea\\t 1'\"'\"'\\nexit\\n' \
        | script --quiet --return --command 'bash --norc --noprofile -i' /dev/null";
    let ran = bench.shell(typed);
    assert!(ran.out.contains("tent"), "{}", ran.out);
    // Asking makes no store.
    let fresh = Bench::new();
    fresh.shell("vigil complete 'vigil cat @'").expect(0);
    assert!(!fresh.join("store").exists());
}

#[test]
fn traces_go_to_another_store_that_accepts_them() {
    let bench = bench();
    bench
        .shell("vigil trace export '@home/list.txt | sort' -o t.traces")
        .expect(0)
        .says("wrote 1 trace");
    bench.fine("arena seal");
    bench.fine("arena export 1 -o 1.arena");
    bench.fine("--store other arena import 1.arena");
    bench.fine("--store other add -q home --name home --metadata");
    let site = json(&bench.fine("status --json"))[0]["site"].as_str().expect("a site").to_owned();
    bench.fine("--store other trace import t.traces");
    let why = |accept: &str| {
        let line = format!("vigil --store other why '@home/list.txt | sort' {accept}");
        bench.shell(&line).expect(0).out
    };
    assert!(why(&format!("--accept {site}")).contains(&format!("kept by {site}")));
    let own = why("");
    assert!(own.contains("the policy does not accept the run of"), "{own}");
    bench.run("trace import home/list.txt").expect(1).says("the bytes are no file of traces");
    // A file of any length is not read into memory to find that out.
    bench.shell("truncate -s 300G large").expect(0);
    bench.run("trace import large").says("a file of traces has at most 256.0 MiB");
}
