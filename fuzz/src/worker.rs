//! The process that a target runs in: it may crash, hang or be refused memory.
//!
//! Invariant: the file of the current input holds the input whole before the target sees it, so
//! whoever waits for this process knows what it died of.

use crate::arguments::Arguments;
use crate::corpus;
use crate::coverage::{self, Seen};
use crate::memory;
use crate::mutate::{self, Materials};
use crate::random::Random;
use crate::targets::Target;
use std::fs::File;
use std::io::{self, Seek, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// The exit code of a process whose input took too long.
pub const HANG: u8 = 71;
/// Decoders take microseconds; this is for a machine that is busy with everything else.
const INPUT_TIME_MAX: Duration = Duration::from_secs(5);

static INPUTS_STARTED: AtomicU64 = AtomicU64::new(0);

/// Runs one target until its time is up.
pub fn work(target: &Target, arguments: &Arguments, current: &Path) -> ExitCode {
    match run(target, arguments, current) {
        Ok(line) => {
            println!("{line}");
            ExitCode::SUCCESS
        }
        Err(error) => no_files(&error),
    }
}

/// Copies those of the found inputs that reach new edges to the committed seeds, small ones first.
pub fn distill(target: &Target) -> ExitCode {
    let copy = || -> io::Result<(usize, usize)> {
        let (found, seeds) = (found(target), corpus::seeds(target.name));
        let mut seen = Seen::default();
        for input in corpus::read(&seeds)? {
            run_one(target, &input);
            seen.take();
        }
        let mut inputs = corpus::read(&found)?;
        inputs.sort_by_key(Vec::len);
        let mut copied = 0;
        for input in inputs {
            run_one(target, &input);
            if seen.take_edges() {
                corpus::save(&seeds, "edge", &input)?;
                copied += 1;
            }
        }
        Ok((copied, seen.edges()))
    };
    match copy() {
        Ok((copied, edges)) => {
            println!("{}: {copied} new seeds, {edges} edges", target.name);
            ExitCode::SUCCESS
        }
        Err(error) => no_files(&error),
    }
}

/// Says that the fuzzer itself is in trouble.
fn no_files(error: &io::Error) -> ExitCode {
    eprintln!("error: the fuzzer could not use its files\n  because: {error}");
    ExitCode::from(3)
}

/// Returns the folder of the inputs that reached new edges.
fn found(target: &Target) -> PathBuf {
    corpus::artifacts(target.name).join("found")
}

/// Runs one input; whatever is wrong with it ends the process.
pub fn replay(target: &Target, file: &Path) -> ExitCode {
    match std::fs::read(file) {
        Ok(input) => {
            watch();
            run_one(target, &input);
            println!("{}: {} bytes, nothing found", target.name, input.len());
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: could not read {}\n  because: {error}", file.display());
            ExitCode::from(3)
        }
    }
}

fn run(target: &Target, arguments: &Arguments, current: &Path) -> io::Result<String> {
    let found = found(target);
    let mut inputs = corpus::read(&corpus::seeds(target.name))?;
    // A run that cannot find more of them stays the same on every machine.
    if cfg!(feature = "coverage") {
        inputs.extend(corpus::read(&found)?);
    }
    let mut file = File::create(current)?;
    let mut seen = Seen::default();
    watch();
    for input in &inputs {
        note(&mut file, input)?;
        run_one(target, input);
        seen.take();
    }
    let until = Instant::now() + Duration::from_secs(arguments.seconds);
    let mut number = 0;
    while Instant::now() < until {
        let (words, bytes_max) = (target.words, target.input_bytes_max);
        let materials = Materials { corpus: &inputs, words, bytes_max };
        let input = mutate::input(&materials, &mut Random::new(arguments.seed, number));
        note(&mut file, &input)?;
        run_one(target, &input);
        if seen.take() {
            corpus::save(&found, "edge", &input)?;
            inputs.push(input);
        }
        number += 1;
    }
    let edges = match seen.edges() {
        0 => String::new(),
        edges => format!(", {edges} edges"),
    };
    Ok(format!("{number} inputs, corpus of {}{edges}", inputs.len()))
}

fn run_one(target: &Target, input: &[u8]) {
    INPUTS_STARTED.fetch_add(1, Ordering::Relaxed);
    let bytes_max = target.memory_floor + target.memory_per_byte * input.len();
    coverage::forget();
    memory::limited(bytes_max, || (target.run)(input));
    INPUTS_STARTED.fetch_add(1, Ordering::Relaxed);
}

/// Writes the input down, its length first: the rest of the file may be of a longer one before it.
fn note(file: &mut File, input: &[u8]) -> io::Result<()> {
    let mut bytes = Vec::with_capacity(8 + input.len());
    bytes.extend_from_slice(&(input.len() as u64).to_le_bytes());
    bytes.extend_from_slice(input);
    file.rewind()?;
    file.write_all(&bytes)
}

/// Reads back what [`note`] wrote.
pub fn noted(path: &Path) -> io::Result<Vec<u8>> {
    let bytes = std::fs::read(path)?;
    let (length, rest) = bytes.split_first_chunk::<8>().ok_or(io::ErrorKind::UnexpectedEof)?;
    let length = u64::from_le_bytes(*length);
    let input = usize::try_from(length).ok().and_then(|length| rest.get(..length));
    Ok(input.ok_or(io::ErrorKind::UnexpectedEof)?.to_vec())
}

/// Ends the process when one input takes too long, and lets a panic report without a limit.
fn watch() {
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        memory::lift();
        report(panic);
    }));
    std::thread::spawn(|| {
        let mut last = (INPUTS_STARTED.load(Ordering::Relaxed), Instant::now());
        loop {
            std::thread::sleep(Duration::from_millis(100));
            let now = INPUTS_STARTED.load(Ordering::Relaxed);
            // An odd count means that an input is being run.
            if now != last.0 || now.is_multiple_of(2) {
                last = (now, Instant::now());
            } else if last.1.elapsed() > INPUT_TIME_MAX {
                eprintln!("the input took longer than {} s", INPUT_TIME_MAX.as_secs());
                std::process::exit(HANG.into());
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shorter_input_after_a_longer_one_is_noted_whole() {
        let name = format!("vigil-fuzz-note-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        let mut file = File::create(&path).unwrap();
        note(&mut file, b"a longer one").unwrap();
        note(&mut file, b"short").unwrap();
        assert_eq!(noted(&path).unwrap(), b"short");
        std::fs::write(&path, b"torn").unwrap();
        assert!(noted(&path).is_err());
        std::fs::remove_file(&path).unwrap();
    }
}
