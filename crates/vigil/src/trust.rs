//! The door of identity: the terminal, the finest clock, and what the system calls a folder.

use std::io::{self, IsTerminal as _, Write as _, stderr, stdin};
use std::os::fd::{AsFd as _, BorrowedFd};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::OnceLock;
use std::time::Instant;

use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};
use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
use vigil_cli::{Steady, TrustDoor};

/// This machine, and whoever sits at it.
pub(crate) struct Keyboard;

impl TrustDoor for Keyboard {
    fn guard(&self) -> io::Result<()> {
        setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?;
        // Nor may another process of the same user look into this one's memory.
        Ok(set_dumpable_behavior(DumpableBehavior::NotDumpable)?)
    }

    fn ask(&self, prompt: &str, is_secret: bool, answer: &mut Vec<u8>) -> io::Result<bool> {
        let mut talk = stderr();
        write!(talk, "{prompt}")?;
        talk.flush()?;
        let input = stdin();
        let _quiet = if is_secret && input.is_terminal() { Some(Quiet::begin()?) } else { None };
        read_line(input.as_fd(), answer)
    }

    fn steady(&self) -> Option<Steady> {
        let start = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
        let uptime = std::fs::read_to_string("/proc/uptime").ok()?;
        steady_of(&start, &uptime)
    }

    fn ticks(&self) -> u64 {
        static START: OnceLock<Instant> = OnceLock::new();
        let since = START.get_or_init(Instant::now).elapsed();
        // 584 years fit.
        since.as_nanos() as u64
    }

    fn place(&self, folder: &Path) -> io::Result<Vec<u8>> {
        let found = std::fs::metadata(folder)?;
        let mut place = Vec::new();
        // Not every system has the file; the folder's own number is there always.
        place.extend(std::fs::read("/etc/machine-id").unwrap_or_default());
        place.push(0);
        place.extend(found.dev().to_le_bytes());
        place.extend(found.ino().to_le_bytes());
        Ok(place)
    }
}

/// Reads up to the end of a line, byte by byte: the buffer of standard input would keep what was read, and
/// what follows the line is another answer.
fn read_line(input: BorrowedFd<'_>, answer: &mut Vec<u8>) -> io::Result<bool> {
    let mut byte = [0];
    let mut is_any = false;
    loop {
        match rustix::io::read(input, &mut byte) {
            Err(rustix::io::Errno::INTR) => continue,
            Err(error) => return Err(error.into()),
            Ok(0) => break,
            Ok(_) => is_any = true,
        }
        let [read] = std::mem::take(&mut byte);
        if read == b'\n' {
            break;
        }
        if answer.len() == answer.capacity() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "the answer is too long"));
        }
        answer.push(read);
    }
    if answer.last() == Some(&b'\r') {
        answer.pop();
    }
    Ok(is_any)
}

/// Reads the id of a start of the machine, and the seconds since.
fn steady_of(start: &str, uptime: &str) -> Option<Steady> {
    let digits: Vec<u32> = start.chars().filter_map(|letter| letter.to_digit(16)).collect();
    let bytes: Vec<u8> = digits.chunks_exact(2).map(|two| (two[0] * 16 + two[1]) as u8).collect();
    let (seconds, hundredths) = uptime.split_whitespace().next()?.split_once('.')?;
    let hundredths: i64 =
        if hundredths.len() == 2 { hundredths.parse().ok()? } else { return None };
    let seconds: i64 = seconds.parse().ok()?;
    let nanoseconds = seconds.checked_mul(1_000_000_000)?.checked_add(hundredths * 10_000_000)?;
    Some(Steady { start: bytes.try_into().ok()?, nanoseconds })
}

/// A terminal that does not show what is typed, until this is dropped.
struct Quiet(rustix::termios::Termios);

impl Quiet {
    fn begin() -> io::Result<Self> {
        let before = tcgetattr(stdin().as_fd())?;
        let mut quiet = before.clone();
        quiet.local_modes.remove(LocalModes::ECHO);
        quiet.local_modes.insert(LocalModes::ECHONL);
        tcsetattr(stdin().as_fd(), OptionalActions::Flush, &quiet)?;
        Ok(Self(before))
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        // A terminal that is gone shows nothing anyway.
        let _ = tcsetattr(stdin().as_fd(), OptionalActions::Flush, &self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_steady_clock_is_read_as_the_system_writes_it() {
        let start = "b5a3f1de-0102-4a5b-8c9d-00ff10203040\n";
        let steady = steady_of(start, "3600.25 7100.00\n").expect("a reading");
        assert_eq!((steady.start[0], steady.start[15]), (0xb5, 0x40));
        assert_eq!(steady.nanoseconds, 3_600_250_000_000);
        for (start, uptime) in [("", "1.00 1"), (start, ""), (start, "1"), (start, "1.5 1")] {
            assert_eq!(steady_of(start, uptime), None, "{start} {uptime}");
        }
        let (one, two) = (Keyboard.steady(), Keyboard.steady());
        assert!(one.zip(two).is_none_or(|(one, two)| one.start == two.start));
    }

    #[test]
    fn an_answer_is_read_to_its_end_and_grows_nowhere() {
        let (reader, mut writer) = io::pipe().expect("a pipe");
        writer.write_all(b"one\r\n\nlonger than that").expect("a pipe");
        drop(writer);
        let mut answer = Vec::with_capacity(8);
        let place = answer.as_ptr();
        assert!(read_line(reader.as_fd(), &mut answer).expect("a line"));
        assert_eq!(answer, b"one");
        answer.clear();
        assert!(read_line(reader.as_fd(), &mut answer).expect("an empty line"));
        assert!(answer.is_empty());
        let error = read_line(reader.as_fd(), &mut answer).expect_err("it does not fit");
        assert_eq!(error.to_string(), "the answer is too long");
        assert_eq!(answer.as_ptr(), place);
        let (reader, writer) = io::pipe().expect("a pipe");
        drop(writer);
        assert!(!read_line(reader.as_fd(), &mut answer).expect("the end"));
    }
}
