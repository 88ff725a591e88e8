//! Real processes on a real folder, killed at random.
//!
//! The test runs its own executable again for each process, with the folder in the environment.

use std::ffi::OsStr;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use vigil_base::Vcid;
use vigil_store::{Options, ReadError, Store};

use crate::crash::{chain, small_options};
use crate::world::{folder_world, noise, noise_bytes, text_bytes};

const FOLDER: &str = "VIGIL_STORE_TEST_FOLDER";
const ROLE: &str = "VIGIL_STORE_TEST_ROLE";
const ROUNDS: u64 = 6;

/// Blob `number` of a seed: a quarter of them long, half of them shared by all writers.
fn blob(seed: u64, number: u64) -> Vec<u8> {
    let seed = if number.is_multiple_of(2) { number } else { seed * 1_000_003 + number };
    let long = number % 4 < 1;
    let len = if long { 40_000 + (seed % 9) as usize * 9000 } else { (seed % 5000) as usize };
    if number.is_multiple_of(3) { noise_bytes(seed, len) } else { text_bytes(seed, len) }
}

fn open(folder: &Path) -> Store {
    let options = Options { sync_every_bytes: Some(200_000), ..small_options() };
    Store::open(folder_world(folder), options).unwrap_or_else(|why| panic!("{}", chain(&why)))
}

/// Puts, commits, and says so, until it is killed.
fn write_on(folder: &Path, seed: u64) {
    let mut number = 0;
    loop {
        let store = open(folder);
        let writer = store.writer().unwrap_or_else(|why| panic!("{}", chain(&why)));
        for _ in 0..4 {
            let mut put = Vec::new();
            let mut batch = writer.batch().expect("a batch");
            for _ in 0..5 {
                let bytes = blob(seed, number);
                batch.put_any(&bytes).unwrap_or_else(|why| panic!("{}", chain(&why)));
                put.push(number);
                number += 1;
            }
            batch.finish().unwrap_or_else(|why| panic!("{}", chain(&why)));
            writer.commit().unwrap_or_else(|why| panic!("{}", chain(&why)));
            let mut out = std::io::stdout().lock();
            for number in put {
                writeln!(out, "acknowledged {number}").expect("somebody listens");
            }
            out.flush().expect("somebody listens");
        }
        if number % 3 == 0 { writer.seal().map(|_| ()) } else { writer.finish() }
            .unwrap_or_else(|why| panic!("{}", chain(&why)));
    }
}

/// Reads whatever is there, until it is killed; a wrong byte makes it say so.
fn read_on(folder: &Path, seed: u64) {
    let store = open(folder);
    let mut reads = 0_u64;
    for number in (0..40).cycle() {
        let bytes = blob(seed % 4, number);
        let vcid = Vcid::of(&bytes);
        match store.read(vcid) {
            Ok(read) if read == bytes => reads += 1,
            Ok(_) => println!("wrong bytes of {vcid}"),
            Err(ReadError::Absent { .. } | ReadError::Incomplete { .. }) => {}
            Err(error) => println!("wrong: {}", chain(&error)),
        }
        if number == 39 {
            println!("read {reads}");
        }
    }
}

fn start(folder: &Path, role: &str) -> Child {
    let program = std::env::current_exe().expect("this program");
    Command::new(program)
        .args(["--exact", "processes::killed_at_random", "--nocapture"])
        .env(FOLDER, folder)
        .env(ROLE, role)
        .stdout(Stdio::piped())
        .spawn()
        .expect("a process")
}

/// Runs four writers and four readers, kills them all, and returns what was acknowledged.
fn run_and_kill(folder: &Path, round: u64, life: Duration) -> Vec<(u64, u64)> {
    let (send, heard) = mpsc::channel::<(u64, String)>();
    let seeds = (0..4).map(|seed| ("write", seed)).chain((0..4).map(|seed| ("read", seed)));
    let mut children: Vec<Child> = Vec::new();
    for (role, seed) in seeds {
        let mut child = start(folder, &format!("{role} {}", seed + 10 * round));
        let out = BufReader::new(child.stdout.take().expect("a pipe"));
        let send = send.clone();
        std::thread::spawn(move || {
            for line in out.lines().map_while(Result::ok) {
                _ = send.send((seed + 10 * round, line));
            }
        });
        children.push(child);
    }
    drop(send);
    let mut acknowledged = Vec::new();
    let mut dice = noise(round);
    let mut note = |(seed, line): (u64, String)| {
        assert!(!line.contains("wrong"), "round {round}: {line}");
        if let Some(number) = line.split("acknowledged ").nth(1) {
            acknowledged.push((seed, number.parse().expect("a number")));
        }
    };
    // The first commit starts the clock, so a slow machine makes the round longer, not empty.
    while let Ok(line) = heard.recv_timeout(Duration::from_secs(60)) {
        let is_start = line.1.contains("acknowledged");
        note(line);
        if is_start {
            break;
        }
    }
    for child in &mut children {
        let wait = life * u32::from(dice()) / 1024;
        if let Ok(line) = heard.recv_timeout(wait) {
            note(line);
        }
        child.kill().expect("it runs until it is killed");
        let status = child.wait().expect("it has ended");
        assert!(!status.success(), "round {round}: it ended by itself");
    }
    heard.into_iter().for_each(note);
    acknowledged
}

#[test]
fn killed_at_random() {
    let variable = |name: &str| std::env::var_os(name);
    if let (Some(folder), Some(role)) = (variable(FOLDER), variable(ROLE)) {
        let (folder, role) = (Path::new(&folder), role.to_string_lossy().into_owned());
        let (role, seed) = role.split_once(' ').expect("a role and a seed");
        let seed = seed.parse().expect("a number");
        if role == "write" {
            write_on(folder, seed);
        } else {
            read_on(folder, seed);
        }
        return;
    }
    let place = tempfile::tempdir().expect("a folder");
    let folder = &place.path().join("store");
    let mut acknowledged = Vec::new();
    for round in 0..ROUNDS {
        acknowledged.extend(run_and_kill(folder, round, Duration::from_millis(300)));
        let store = open(folder);
        let rebuilt = open(&without_index(folder));
        for (seed, number) in &acknowledged {
            let bytes = blob(*seed, *number);
            for store in [&store, &rebuilt] {
                let read = store.read(Vcid::of(&bytes));
                let read = read.unwrap_or_else(|why| panic!("round {round}: {}", chain(&why)));
                assert!(read == bytes, "round {round}: other bytes");
            }
        }
    }
    assert!(acknowledged.len() > 50, "only {} commits were seen", acknowledged.len());
}

/// Copies the store, without its index, into a folder beside it.
fn without_index(folder: &Path) -> std::path::PathBuf {
    let copy = folder.with_extension("bare");
    if copy.exists() {
        std::fs::remove_dir_all(&copy).expect("an old copy");
    }
    std::fs::create_dir_all(copy.join("arenas")).expect("a folder");
    std::fs::create_dir_all(copy.join("names")).expect("a folder");
    std::fs::copy(folder.join("store.cbor"), copy.join("store.cbor")).expect("a copy");
    for entry in std::fs::read_dir(folder.join("arenas")).expect("the arenas") {
        let entry = entry.expect("an arena");
        let name: &OsStr = &entry.file_name();
        std::fs::copy(entry.path(), copy.join("arenas").join(name)).expect("a copy");
    }
    copy
}
