//! Measures what trust costs: chains, a puddle, a feed that is written and one that is checked, beside
//! OpenSSL's Ed25519, `ssh-keygen -Y verify` and `minisign` in the same run.
//!
//! Run it as `cargo xtask bench trust`. Medians count; the best shows how quiet the machine was.

use std::collections::BTreeSet;
use std::error::Error;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::sync::Arc;
use std::time::Instant;

use clap::Parser;
use vigil_base::world::{Moment, Randomness, RandomnessError};
use vigil_base::{Name, Vcid};
use vigil_bench::failed;
use vigil_store::FolderDisk;
use vigil_trust::feed::{Batch, Feed, FeedLog, Waiting};
use vigil_trust::home::Home;
use vigil_trust::puddle::{Ask, Event, JoinRequest, Lease, PuddleEvent, Scope, check_chain, fold};
use vigil_trust::{KeyBytes, SecretKey, Statement};

/// Measures chains, puddles and feeds, beside OpenSSL, ssh-keygen and minisign
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// How often each thing is done; the medians count
    #[arg(long, value_name = "N", default_value_t = 9)]
    rounds: usize,

    /// Where the feed is written [default: the folder for temporary files]
    #[arg(long, value_name = "FOLDER")]
    folder: Option<std::path::PathBuf>,
}

struct Kernel;

impl Randomness for Kernel {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), RandomnessError> {
        let failed = |errno: rustix::io::Errno| RandomnessError { reason: errno.to_string() };
        rustix::rand::getrandom(bytes, rustix::rand::GetRandomFlags::empty()).map_err(failed)?;
        Ok(())
    }
}

fn key(seed: u8) -> SecretKey {
    SecretKey::from_seed(&[seed; 32])
}

fn bytes(seed: u8) -> KeyBytes {
    key(seed).public().bytes()
}

const PERSON: u8 = 100;

/// What some rounds took, in seconds.
#[derive(Clone, Copy)]
struct Took {
    median: f64,
    /// The quickest, which other work on the machine has disturbed least.
    best: f64,
}

impl Took {
    /// Returns what each of so many parts took.
    fn each(self, parts: usize) -> Self {
        Self { median: self.median / parts as f64, best: self.best / parts as f64 }
    }

    fn micros(self) -> String {
        format!("{:.1} us (best {:.1})", self.median * 1e6, self.best * 1e6)
    }

    fn millis(self) -> String {
        format!("{:.1} ms (best {:.1})", self.median * 1e3, self.best * 1e3)
    }
}

/// Measures some rounds.
fn rounds_of<T>(rounds: usize, mut work: impl FnMut() -> T) -> Took {
    let mut times: Vec<f64> = (0..rounds.max(1))
        .map(|_| {
            let start = Instant::now();
            std::hint::black_box(work());
            start.elapsed().as_secs_f64()
        })
        .collect();
    times.sort_by(f64::total_cmp);
    Took { median: times[times.len() / 2], best: times[0] }
}

fn genesis() -> Statement {
    let name = Name::new("home").expect("a name");
    let event = Event::Genesis { name, lease: Lease::Never, nonce: [0; 16] };
    PuddleEvent { puddle: None, after: Vec::new(), event }.sign(&key(PERSON), Moment(0))
}

/// A puddle of machines and grants with so many events, one after another.
fn events(count: usize) -> Vec<Statement> {
    let mut all = vec![genesis()];
    let id = all[0].id();
    for number in 1..count {
        let event = if number <= 20 {
            let name = Name::new(&format!("m{number}")).expect("a name");
            let request = JoinRequest::sign(&key(number as u8), Moment(0), &name);
            Event::Add { request, pardons: Vec::new() }
        } else {
            let scope = Scope::new("files", ["read"], &format!("logs/{number}"), None);
            let to = bytes(1 + (number % 20) as u8);
            Event::Grant { to, parent: None, scope: scope.expect("a scope") }
        };
        let after = vec![all[number - 1].id()];
        let event = PuddleEvent { puddle: Some(id), after, event };
        all.push(event.sign(&key(PERSON), Moment(number as i64)));
    }
    all
}

/// Four grants, each under the one before.
fn chain(puddle: Vcid) -> Vec<Vec<u8>> {
    let scope = Scope::new("files", ["read"], "logs", Some(Moment(i64::MAX))).expect("a scope");
    let mut links: Vec<Statement> = Vec::new();
    for (from, to) in [(PERSON, 1), (1, 2), (2, 3), (3, 4)] {
        let parent = links.last().map(Statement::id);
        let event = Event::Grant { to: bytes(to), parent, scope: scope.clone() };
        let event = PuddleEvent { puddle: Some(puddle), after: Vec::new(), event };
        links.push(event.sign(&key(from), Moment(1)));
    }
    links.iter().map(Statement::encode).collect()
}

fn row(what: &str, figure: String, aim: &str) {
    println!("  {what:<58}{figure:>26}   {aim}");
}

fn entries(count: usize) -> Vec<Vec<u8>> {
    (0..count).map(|number| format!("{number:0100}").into_bytes()).collect()
}

fn measure_chain(rounds: usize) -> Result<f64, Box<dyn Error>> {
    let puddle = genesis().id();
    let links = chain(puddle);
    let ask = Ask { subsystem: "files", verb: "read", resource: "logs/today" };
    let check = || check_chain(&bytes(PERSON), &puddle, &links, &ask, Moment(5));
    check()?;
    let took = rounds_of(rounds, || (0..250).filter(|_| check().is_ok()).count());
    let each = took.each(250 * links.len());
    row("checking a chain, for each link", each.micros(), "aim: 60 us at most");
    Ok(each.median)
}

fn measure_puddle(rounds: usize, folder: &Path) -> Result<(), Box<dyn Error>> {
    let all = events(1000);
    let id = all[0].id();
    let disk = Arc::new(FolderDisk::private(folder.join("puddle")));
    let place = Vcid::of(b"here");
    let mut log = FeedLog::open(disk.clone(), bytes(1), place, |_| false, &Kernel, Waiting::Long)?;
    for part in all.chunks(10) {
        let encoded: Vec<Vec<u8>> = part.iter().map(Statement::encode).collect();
        log.append(&key(1), Moment(1), &encoded)?;
    }
    let home = Home::new(disk);
    assert_eq!(home.open_puddle(id)?.view.refused.len(), 0);
    let open = rounds_of(rounds, || home.open_puddle(id).is_ok());
    row("opening a puddle of 1000 events in 100 batches", open.millis(), "aim: 50 ms at most");
    let folding = rounds_of(rounds, || fold(id, &all, &BTreeSet::new()).is_ok());
    row("  of which folding", folding.millis(), "");
    Ok(())
}

fn measure_feed(rounds: usize, folder: &Path) -> Result<(), Box<dyn Error>> {
    const COUNT: usize = 100_000;
    let all = entries(COUNT);
    for batch in [100, 1000, 10_000] {
        let disk = Arc::new(FolderDisk::private(folder.join(format!("feed{batch}"))));
        let place = Vcid::of(b"here");
        let mut log = FeedLog::open(disk, bytes(1), place, |_| false, &Kernel, Waiting::Long)?;
        let write = rounds_of(rounds.min(3), || {
            all.chunks(batch).all(|part| log.append(&key(1), Moment(1), part).is_ok())
        });
        let aim = if batch == 1000 { "aim: 50 000/s at least" } else { "" };
        let rate = COUNT as f64 / write.median;
        row(
            &format!("appending entries of 100 bytes, {batch} a batch, durable"),
            format!("{rate:.0} /s"),
            aim,
        );
    }
    let mut batches: Vec<Vec<u8>> = Vec::new();
    let mut last: Option<Batch> = None;
    let incarnation = vigil_trust::feed::Incarnation([1; 16]);
    for part in all.chunks(1000) {
        let previous = last.as_ref().map(Batch::signed_header);
        let batch = Batch::sign(&key(1), incarnation, previous, Moment(1), part);
        batches.push(batch.encode());
        last = Some(batch);
    }
    let id = last.ok_or("there are batches")?.header().feed;
    let check = || {
        let mut feed = Feed::new(id);
        for bytes in &batches {
            let batch = Batch::decode(bytes).expect("it holds");
            feed.accept(&batch).expect("it follows");
        }
        feed.next()
    };
    let rate = COUNT as f64 / rounds_of(rounds, check).median;
    row(
        "checking 100 000 entries, 1000 a batch",
        format!("{rate:.0} /s"),
        "aim: 500 000/s at least",
    );
    Ok(())
}

/// What `openssl speed` says one check of an Ed25519 signature takes, in seconds.
fn openssl() -> Option<f64> {
    let mut command = Command::new("openssl");
    command.args(["speed", "-seconds", "2", "ed25519"]).stderr(Stdio::null());
    let text = String::from_utf8(command.output().ok()?.stdout).ok()?;
    let line = text.lines().find(|line| line.contains("Ed25519") && line.contains("253 bits"))?;
    let per_second: f64 = line.split_whitespace().last()?.parse().ok()?;
    Some(1.0 / per_second)
}

/// Prepares a signature by another tool and returns the command that checks it.
fn prepared(folder: &Path, script: &str, check: &str) -> Option<Command> {
    let mut command = Command::new("sh");
    command.current_dir(folder).args(["-c", script]).stdout(Stdio::null()).stderr(Stdio::null());
    if !command.status().ok()?.success() {
        return None;
    }
    let mut command = Command::new("sh");
    command.current_dir(folder).args(["-c", check]).stdout(Stdio::null()).stderr(Stdio::null());
    Some(command)
}

fn measure_outside(rounds: usize, folder: &Path, link: f64) {
    match openssl() {
        Some(each) => row(
            "one Ed25519 check by openssl speed",
            format!("{:.1} us", each * 1e6),
            &format!("a link takes {:.2} x that", link / each),
        ),
        None => row("one Ed25519 check by openssl speed", "not here".into(), ""),
    }
    let tools = [
        (
            "a chain of one certificate by ssh-keygen -Y verify",
            "rm -f ca m; ssh-keygen -q -t ed25519 -N '' -f ca && ssh-keygen -q -t ed25519 -N '' -f m && \
             ssh-keygen -q -s ca -I m -n m m.pub && echo data > data && \
             ssh-keygen -q -Y sign -f m-cert.pub -n file data && \
             (printf 'm cert-authority '; cat ca.pub) > allowed",
            "ssh-keygen -Y verify -f allowed -I m -n file -s data.sig < data",
        ),
        (
            "one signature by minisign -V",
            "rm -f k.pub k.sec; echo data > data && minisign -G -W -p k.pub -s k.sec && \
             minisign -S -s k.sec -m data",
            "minisign -V -q -p k.pub -m data",
        ),
    ];
    for (what, script, check) in tools {
        let Some(mut command) = prepared(folder, script, check) else {
            row(what, "not here".into(), "");
            continue;
        };
        let mut is_fine = true;
        let took =
            rounds_of(rounds, || is_fine &= command.status().is_ok_and(|ended| ended.success()));
        let figure = if is_fine { took.millis() } else { "refused".into() };
        let share = took.median / link;
        let ratio = format!("a process for each; a link here takes 1/{share:.0} of it");
        row(what, figure, &ratio);
    }
}

fn run(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let above = arguments.folder.clone().unwrap_or_else(std::env::temp_dir);
    let folder = above.join(format!("vigil-bench-trust-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    println!("one thread, medians of {} rounds, in {}\n", arguments.rounds, above.display());
    let measured = measure_chain(arguments.rounds).and_then(|link| {
        measure_puddle(arguments.rounds, &folder)?;
        measure_feed(arguments.rounds, &folder)?;
        measure_outside(arguments.rounds, &folder, link);
        Ok(())
    });
    std::fs::remove_dir_all(&folder)?;
    measured
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&*error),
    }
}
