//! The real world: environment variables, terminals, clock, randomness.

use std::io::{self, IsTerminal as _, StdoutLock, Write, stderr, stdout};
use std::os::fd::AsFd as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use vigil_base::world::{Clock, Moment, Randomness, RandomnessError};
use vigil_cli::Environment;

use crate::dhall::Machine;
use crate::logs::HttpLogs;
use crate::machine::Carried;
use crate::tiers::ObjectStores;
use crate::trust::Keyboard;

/// The machine's clock.
struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the clock that everything else takes")]
    fn now(&self) -> Moment {
        let now = SystemTime::now();
        let nanoseconds = match now.duration_since(UNIX_EPOCH) {
            Ok(since) => i64::try_from(since.as_nanos()),
            Err(before) => i64::try_from(before.duration().as_nanos()).map(|span| -span),
        };
        // A clock that is set to more than 290 years from 1970 is as wrong as it gets.
        Moment(nanoseconds.unwrap_or(i64::MAX))
    }
}

/// The kernel's random bytes.
struct SystemRandomness;

impl Randomness for SystemRandomness {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), RandomnessError> {
        let mut done = 0;
        while done < bytes.len() {
            let flags = rustix::rand::GetRandomFlags::empty();
            match rustix::rand::getrandom(&mut bytes[done..], flags) {
                Ok(count) => done += count,
                Err(rustix::io::Errno::INTR) => {}
                Err(errno) => return Err(RandomnessError { reason: errno.to_string() }),
            }
        }
        Ok(())
    }
}

/// Reads the environment, once.
pub(crate) fn environment() -> Environment {
    let variable = |name: &str| std::env::var_os(name);
    let is_set = |name: &str| variable(name).is_some_and(|value| !value.is_empty());
    let is_dumb = variable("TERM").is_some_and(|term| term == "dumb");
    Environment {
        store: variable("VIGIL_STORE"),
        data_home: variable("XDG_DATA_HOME"),
        runtime: variable("XDG_RUNTIME_DIR"),
        program: std::env::current_exe().ok(),
        home: variable("HOME"),
        folder: PathBuf::new(),
        working_folder: std::env::current_dir().ok(),
        temporary: std::env::temp_dir(),
        is_output_terminal: stdout().is_terminal(),
        talk_columns: talk_columns(),
        wants_colour: !is_set("NO_COLOR") && !is_dumb,
        processors: std::thread::available_parallelism().map_or(1, usize::from),
        clock: Arc::new(SystemClock),
        randomness: Arc::new(SystemRandomness),
        tiers: Arc::new(ObjectStores { randomness: Arc::new(SystemRandomness) }),
        dhall: Arc::new(Machine { randomness: Arc::new(SystemRandomness) }),
        logs: Arc::new(HttpLogs),
        machine: Arc::new(Carried),
        trust: Arc::new(Keyboard),
        #[cfg(feature = "sql")]
        queries: Arc::new(crate::query::Asked),
        #[cfg(not(feature = "sql"))]
        queries: Arc::new(vigil_cli::NoQueries),
    }
}

/// Returns the width of the terminal that standard error goes to.
fn talk_columns() -> Option<u16> {
    if !stderr().is_terminal() {
        return None;
    }
    let size = rustix::termios::tcgetwinsize(stderr().as_fd()).ok();
    // Terminals that do not know their width say 0.
    Some(size.map(|size| size.ws_col).filter(|columns| *columns > 0).unwrap_or(80))
}

/// Standard output without the line buffer that the standard library puts in front of it.
pub(crate) struct RawOutput(pub StdoutLock<'static>);

impl Write for RawOutput {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        rustix::io::write(self.0.as_fd(), bytes).map_err(Into::into)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
