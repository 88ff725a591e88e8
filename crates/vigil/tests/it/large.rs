//! Many files, and large ones.

use std::process::Stdio;

use crate::bench::Bench;

/// A million take minutes to create; that many are in the benchmark.
const FILES: usize = 20_000;

#[test]
fn a_folder_of_many_files_comes_back() {
    let bench = Bench::new();
    std::fs::create_dir(bench.join("many")).expect("a folder");
    for number in 0..FILES {
        std::fs::write(bench.join(format!("many/{number}")), number.to_string()).expect("a file");
    }
    let added = bench.fine("add --json --name many many");
    let added: serde_json::Value = serde_json::from_str(&added).expect("JSON");
    assert_eq!(added["files"], FILES);
    assert_eq!(bench.fine("ls @many").lines().count(), FILES);
    assert_eq!(bench.fine("cat @many/12345"), "12345");
    bench.fine("get @many -o back");
    let back = bench.fine("add back");
    assert_eq!(back.trim(), added["uri"]);
}

/// Returns the most memory that a process has had so far, from what the kernel keeps of it.
fn peak_bytes(id: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes << 10)
}

const MEMORY_MAX: u64 = 256 << 20;

/// Two gibibytes keep the test quick; memory does not depend on the length, so more shows no more.
const SPARSE_BYTES: u64 = 2 << 30;

#[test]
fn a_large_sparse_file_is_stored_and_read_within_bounded_memory() {
    let bench = Bench::new();
    let file = std::fs::File::create(bench.join("sparse")).expect("a file");
    file.set_len(SPARSE_BYTES).expect("a sparse file");
    for words in
        [["add", "sparse", "--name", "sparse"].as_slice(), &["verify"], &["cat", "@sparse"]]
    {
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
        assert!(status.success(), "{words:?}");
        assert!(peak > 1 << 20, "{words:?}: the kernel told of no memory");
        assert!(peak <= MEMORY_MAX, "{words:?} took {} MiB", peak >> 20);
    }
    let stat: serde_json::Value =
        serde_json::from_str(&bench.fine("stat --json @sparse")).expect("JSON");
    assert_eq!(stat["size"], SPARSE_BYTES);
    let status: serde_json::Value =
        serde_json::from_str(&bench.fine("status --json")).expect("JSON");
    assert!(status["arena_bytes"].as_u64().is_some_and(|bytes| bytes < 16 << 20), "{status}");
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
}
