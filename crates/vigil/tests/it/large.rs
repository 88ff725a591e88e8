//! Many files, and large ones.

use std::process::Stdio;
use std::time::Duration;

use crate::bench::Bench;
use crate::kill::run_for;

/// Sizes that keep the suite quick, or those of the promise: `VIGIL_FULL_SIZE=1` asks for a million
/// files and 8 GiB. `docs/design/survival.md` has the command.
#[expect(clippy::disallowed_methods, reason = "a test program resolves its own environment")]
fn sized(quick: u64, full: u64) -> u64 {
    if std::env::var("VIGIL_FULL_SIZE").is_ok() { full } else { quick }
}

#[test]
fn a_folder_of_many_files_comes_back_within_bounded_memory() {
    let bench = Bench::new();
    let files = sized(50_000, 1_000_000);
    std::fs::create_dir(bench.join("many")).expect("a folder");
    for number in 0..files {
        std::fs::write(bench.join(format!("many/{number}")), number.to_string()).expect("a file");
    }
    for words in [["add", "many", "--name", "many"].as_slice(), &["add", "many"], &["verify"]] {
        check_memory(&bench, words);
    }
    assert_eq!(bench.fine("ls @many").lines().count() as u64, files);
    assert_eq!(bench.fine("cat @many/12345"), "12345");
    check_memory(&bench, &["get", "@many", "-o", "back"]);
    let uris = [bench.fine("add many"), bench.fine("add back")];
    assert_eq!(uris[0], uris[1]);
}

/// Returns the most memory that a process has had so far, from what the kernel keeps of it.
fn peak_bytes(id: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes << 10)
}

const MEMORY_MAX: u64 = 256 << 20;

/// Runs the program, which must succeed, and looks at how much memory it takes.
#[track_caller]
fn check_memory(bench: &Bench, words: &[&str]) {
    let start = std::time::Instant::now();
    let mut command = bench.vigil(words);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn().expect("the program");
    let mut peak = 0;
    let status = loop {
        peak = peak.max(peak_bytes(child.id()).unwrap_or(0));
        match child.try_wait().expect("a child of ours") {
            Some(status) => break status,
            None => std::thread::yield_now(),
        }
    };
    println!("{words:?}: {} MiB, {:.1} s", peak >> 20, start.elapsed().as_secs_f64());
    assert!(status.success(), "{words:?}");
    assert!(peak > 1 << 20, "{words:?}: the kernel told of no memory");
    assert!(peak <= MEMORY_MAX, "{words:?} took {} MiB", peak >> 20);
}

#[test]
fn a_large_sparse_file_is_stored_and_read_within_bounded_memory() {
    let bench = Bench::new();
    // Memory does not depend on the length, so that the quick size shows as much.
    let len = sized(2 << 30, 8 << 30);
    let file = std::fs::File::create(bench.join("sparse")).expect("a file");
    file.set_len(len).expect("a sparse file");
    for words in
        [["add", "sparse", "--name", "sparse"].as_slice(), &["verify"], &["cat", "@sparse"]]
    {
        check_memory(&bench, words);
    }
    let stat: serde_json::Value =
        serde_json::from_str(&bench.fine("stat --json @sparse")).expect("JSON");
    assert_eq!(stat["size"], len);
    let status: serde_json::Value =
        serde_json::from_str(&bench.fine("status --json")).expect("JSON");
    assert!(status["arena_bytes"].as_u64().is_some_and(|bytes| bytes < 64 << 20), "{status}");
}

#[test]
fn a_file_above_the_limit_is_refused_by_the_limits_name() {
    let bench = Bench::new();
    let file = std::fs::File::create(bench.join("claims-a-lot")).expect("a file");
    file.set_len(1 << 40).expect("a sparse file");
    bench.run("add claims-a-lot").expect(1).says("--max-file-size");
    bench.write("folder/fine", "fine");
    std::fs::rename(bench.join("claims-a-lot"), bench.join("folder/claims-a-lot")).expect("a move");
    bench.run("add folder").expect(1).says("claims-a-lot");
    bench.run("add folder --exclude claims-a-lot").expect(0);
    // The limit can be raised: then the program sets to work on it, for as long as it takes.
    let mut command = bench.vigil(&["add", "folder", "--max-file-size", "2TiB"]);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let ran = run_for(child.expect("the program"), Duration::from_secs(2));
    assert_eq!((ran.code, ran.talk.as_str()), (None, ""), "it was still at work");
    bench.write("small", [7; 3000]);
    bench.run("add small --max-file-size 2KiB").expect(1).says("--max-file-size");
    bench.run("add small --max-file-size 3KiB").expect(0);
}
