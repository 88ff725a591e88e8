//! What Linux itself takes for what Vectra's Tasks do: messages, round trips, calls, new processes.
//!
//! The references stand beside the machine's own figures in one run, so that a slow or busy computer
//! shows on both sides.

use std::io::{self, Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// Bytes of a message: seven words, as in a Ring.
const MESSAGE_BYTES: usize = 56;
/// Messages of one stream, round trips of one round, processes of one round.
const STREAM: u32 = 200_000;
const TRIPS: u32 = 5_000;
const BOUNCES: u64 = 200_000;
const CALLS: u32 = 200_000;
const PROCESSES: u32 = 40;

/// A figure: what was done, and nanoseconds for one, in each round.
#[derive(Clone, Debug, PartialEq)]
pub struct Timed {
    /// What was done.
    pub name: String,
    /// Nanoseconds for one.
    pub rounds: Vec<f64>,
}

impl Timed {
    /// Returns the quickest round: what the operation takes when nobody is in the way.
    pub fn best(&self) -> f64 {
        self.rounds.iter().copied().fold(f64::INFINITY, f64::min)
    }

    /// Returns the middle round.
    pub fn median(&self) -> f64 {
        let mut sorted = self.rounds.clone();
        sorted.sort_by(f64::total_cmp);
        sorted.get(sorted.len() / 2).copied().unwrap_or(f64::INFINITY)
    }
}

/// Reads what the machine's `timings` Task says: `name: picoseconds`, a line for each round.
pub fn read_timings(said: &str) -> Vec<Timed> {
    let mut found: Vec<Timed> = Vec::new();
    for line in said.lines() {
        let Some((name, picoseconds)) = line.rsplit_once(": ") else { continue };
        let Ok(picoseconds) = picoseconds.parse::<f64>() else { continue };
        let nanoseconds = picoseconds / 1000.0;
        match found.iter_mut().find(|timed| timed.name == name) {
            Some(timed) => timed.rounds.push(nanoseconds),
            None => found.push(Timed { name: name.to_owned(), rounds: vec![nanoseconds] }),
        }
    }
    found
}

/// Measures all references, in so many rounds. `helper` is a program that, told `echo` or `drain`,
/// does [`echo`] or [`drain`].
pub fn references(helper: &Path, rounds: usize) -> io::Result<Vec<Timed>> {
    let timed = |name: &str, mut round: Box<dyn FnMut() -> io::Result<f64> + '_>| {
        let rounds = (0..rounds).map(|_| round()).collect::<io::Result<Vec<f64>>>()?;
        Ok::<Timed, io::Error>(Timed { name: name.to_owned(), rounds })
    };
    Ok(vec![
        timed("getppid", Box::new(|| Ok(calls())))?,
        timed("message through a pipe", Box::new(|| stream(helper)))?,
        timed("cache line there and back, spinning", Box::new(|| Ok(bounces())))?,
        timed("round trip through two pipes", Box::new(|| trips(helper)))?,
        timed("`true` started and waited for", Box::new(processes))?,
    ])
}

fn per(from: Instant, count: f64) -> f64 {
    from.elapsed().as_nanos() as f64 / count
}

fn calls() -> f64 {
    let from = Instant::now();
    for _ in 0..CALLS {
        std::hint::black_box(rustix::process::getppid());
    }
    per(from, f64::from(CALLS))
}

fn start(helper: &Path, part: &str) -> io::Result<Child> {
    Command::new(helper).arg(part).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()
}

/// Writes messages, one call each, until the reader has read the last.
fn stream(helper: &Path) -> io::Result<f64> {
    let mut child = start(helper, "drain")?;
    let message = [7; MESSAGE_BYTES];
    let missing = || io::Error::other("the helper has no pipes");
    let mut to = child.stdin.take().ok_or_else(missing)?;
    let mut from = child.stdout.take().ok_or_else(missing)?;
    let start = Instant::now();
    for _ in 0..STREAM {
        to.write_all(&message)?;
    }
    drop(to);
    let mut end = [0];
    from.read_exact(&mut end)?;
    let took = per(start, f64::from(STREAM));
    child.wait()?;
    Ok(took)
}

fn trips(helper: &Path) -> io::Result<f64> {
    let mut child = start(helper, "echo")?;
    let missing = || io::Error::other("the helper has no pipes");
    let mut to = child.stdin.take().ok_or_else(missing)?;
    let mut from = child.stdout.take().ok_or_else(missing)?;
    let mut message = [7; MESSAGE_BYTES];
    let mut trip = || to.write_all(&message).and_then(|()| from.read_exact(&mut message));
    trip()?;
    let start = Instant::now();
    for _ in 0..TRIPS {
        trip()?;
    }
    let took = per(start, f64::from(TRIPS));
    drop(to);
    child.wait()?;
    Ok(took)
}

/// Two threads take turns at one word: what the processors' caches take at least.
fn bounces() -> f64 {
    let word = AtomicU64::new(0);
    let wait = |value: u64| {
        while word.load(Ordering::Acquire) != value {
            std::hint::spin_loop();
        }
    };
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for turn in 0..BOUNCES {
                wait(2 * turn + 1);
                word.store(2 * turn + 2, Ordering::Release);
            }
        });
        let from = Instant::now();
        for turn in 0..BOUNCES {
            word.store(2 * turn + 1, Ordering::Release);
            wait(2 * turn + 2);
        }
        per(from, BOUNCES as f64)
    })
}

fn processes() -> io::Result<f64> {
    let from = Instant::now();
    for _ in 0..PROCESSES {
        Command::new("true").status()?;
    }
    Ok(per(from, f64::from(PROCESSES)))
}

/// Sends back every message that comes on standard input.
pub fn echo() -> io::Result<()> {
    let (mut from, mut to) = (io::stdin().lock(), io::stdout().lock());
    let mut message = [0; MESSAGE_BYTES];
    while from.read_exact(&mut message).is_ok() {
        to.write_all(&message)?;
        to.flush()?;
    }
    Ok(())
}

/// Reads messages, one call each, to the end, and says when there are no more.
pub fn drain() -> io::Result<()> {
    // Without a lock's buffer: one message, one call.
    let mut from = std::fs::File::open("/dev/stdin")?;
    let mut message = [0; MESSAGE_BYTES];
    while from.read_exact(&mut message).is_ok() {}
    io::stdout().write_all(b"!")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_are_gathered_by_name() {
        let timed = read_timings("a: 2000\nb c: 500\nnothing\na: 1000\na: 9000\n");
        assert_eq!(timed.len(), 2);
        assert_eq!((timed[0].best(), timed[0].median()), (1.0, 2.0));
        assert_eq!(timed[1].name, "b c");
    }

    #[test]
    fn a_bouncing_word_comes_back() {
        assert!(bounces() > 0.0);
    }
}
