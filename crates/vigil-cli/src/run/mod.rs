//! Doing what was asked for: one module for each family of commands.

mod add;
mod agent;
mod arenas;
mod attest;
mod complete;
mod dhall;
mod gc;
mod get;
mod kernel;
mod log;
mod look;
mod names;
mod pages;
mod pkg;
mod query;
mod secret_file;
mod shared_names;
mod sign;
mod status;
mod tier;
mod trust;
mod vectra;
mod verify;
mod watch;

use std::ffi::OsString;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use vigil_base::Blamed as _;
use vigil_store::{FolderDisk, Options, Store, World};

use crate::args::{ArenaCommand, Args, Command};
use crate::environment::Environment;
use crate::failure::{CommandError, exit_code};
use crate::human;
use crate::output::Output;
use crate::resolve::Request;
use crate::talk::Talk;

/// The exit code for arguments that make no sense.
pub const MISUSE: u8 = 2;
/// The exit code for a bug of ours.
pub const BUG: u8 = 70;

/// What a command works with.
pub(crate) struct Session<'a> {
    pub environment: &'a Environment,
    pub out: Output<'a>,
    pub talk: Talk<'a>,
    pub store_folder: PathBuf,
    pub is_store_given: bool,
    pub threads: usize,
}

/// Carries out a command line and returns the exit code.
pub fn run(
    argv: impl IntoIterator<Item = OsString>,
    environment: &Environment,
    out: Box<dyn Write + '_>,
    talk: Box<dyn Write + Send + '_>,
) -> u8 {
    let args = match Args::parse(argv) {
        Ok(args) => args,
        Err(error) => return print_clap(&error, out, talk),
    };
    let is_quiet = args.global.quiet;
    let talk = Talk::new(talk, environment, is_quiet);
    let request = match args.resolve(environment) {
        Ok(request) => request,
        Err(error) => {
            talk.error(&error, Some(error.hint()));
            return MISUSE;
        }
    };
    let mut session = Session {
        environment,
        out: Output::new(out),
        talk,
        store_folder: request.store.clone(),
        is_store_given: request.is_store_given,
        threads: request.threads,
    };
    let result = perform(&request, &mut session).and_then(|()| session.finish());
    match result {
        Ok(()) => 0,
        // Whoever read the output has seen enough.
        Err(_) if session.out.is_closed() => 0,
        Err(error) => {
            // What was printed before the error belongs before it.
            let flushed = session.finish();
            match error.report() {
                Some(report) => session.talk.report(report),
                None => session.talk.error(&error, error.hint().as_deref()),
            }
            if let Err(error) = flushed {
                session.talk.error(&error, None);
            }
            exit_code(error.blame())
        }
    }
}

/// Prints what the argument parser says: help and version are data, the rest is talk.
fn print_clap(
    error: &clap::Error,
    mut out: Box<dyn Write + '_>,
    mut talk: Box<dyn Write + Send + '_>,
) -> u8 {
    let text = error.render().to_string();
    if error.use_stderr() {
        // If standard error is gone, the exit code still tells.
        let _ = talk.write_all(text.as_bytes());
        return MISUSE;
    }
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => 3,
        _ => 0,
    }
}

fn perform(request: &Request, session: &mut Session<'_>) -> Result<(), CommandError> {
    match &request.command {
        Command::Add(args) => add::add(args, session),
        Command::Get(args) => get::get(args, session),
        Command::Cat(args) => get::cat(args, session),
        Command::Tar(args) => get::tar(args, session),
        Command::Ls(args) => look::list(args, session),
        Command::Stat(args) => look::stat(args, session),
        Command::Diff(args) => look::diff(args, session),
        Command::Resolve(args) => kernel::resolve(args, session),
        Command::Why(args) => kernel::why(args, session),
        Command::Watch(args) => watch::watch(args, session),
        Command::Sql(args) => query::sql(args, session),
        Command::Endpoints(args) => kernel::endpoints(args, session),
        Command::Trace(command) => kernel::trace(command, session),
        Command::Complete(args) => complete::complete(args, session),
        Command::Name(command) => names::perform(command, session),
        Command::Verify(args) => verify::verify(args, session),
        Command::Repair(args) => verify::repair(args, session),
        Command::Gc(args) => gc::collect(args, session),
        Command::Arena(command) => match command {
            ArenaCommand::List { format } => arenas::list(*format, session),
            ArenaCommand::Seal { format } => arenas::seal(*format, session),
            ArenaCommand::Export { number, output } => {
                arenas::export(*number, output.as_deref(), session)
            }
            ArenaCommand::Import { files, format } => arenas::import(files, *format, session),
        },
        Command::Tier(command) => tier::perform(command, session),
        Command::Log(command) => log::perform(command, session),
        Command::Pkg(command) => pkg::perform(command, session),
        Command::Dhall(command) => dhall::perform(command, session),
        Command::Vectra(command) => vectra::perform(command, session),
        Command::Person(command) => trust::person(command, session),
        Command::Machine(command) => trust::machine(command, session),
        Command::Agent(command) => agent::perform(command, session),
        Command::Attest(args) => attest::perform(args, session),
        Command::Sign(args) => sign::sign(args, session),
        Command::Puddle(command) => trust::puddle(command, session),
        Command::Status(args) => status::status(args, session),
        Command::Tour(args) => crate::tour::tour(args, session),
        Command::Completions(args) => pages::completions(args, session),
        Command::Man(args) => pages::man(args, session),
        Command::Version(args) => pages::version(args, session),
    }
}

impl Session<'_> {
    /// Opens the store, creating it where there is none.
    pub fn store(&self) -> Result<Store, CommandError> {
        let store = open_store(&self.store_folder, self.environment)?;
        tier::attach(&store, self)?;
        Ok(store)
    }

    /// Says a line, after what has been printed.
    pub fn say(&mut self, line: impl std::fmt::Display) -> Result<(), CommandError> {
        self.finish()?;
        self.talk.say(line);
        Ok(())
    }

    /// Returns a path as its owner typed it, or would.
    pub fn shown(&self, path: &Path) -> String {
        if crate::resolve::is_standard(path) {
            return "standard input".into();
        }
        let folder = &self.environment.folder;
        let short = if folder.as_os_str().is_empty() {
            path
        } else {
            path.strip_prefix(folder).unwrap_or(path)
        };
        human::path(short)
    }

    /// Hands on all output.
    pub fn finish(&mut self) -> Result<(), CommandError> {
        self.out.flush().map_err(CommandError::Output)
    }
}

/// Opens the store in `folder`, creating it where there is none.
pub(crate) fn open_store(folder: &Path, environment: &Environment) -> Result<Store, CommandError> {
    let world = World {
        disk: Arc::new(FolderDisk::new(folder)),
        clock: environment.clock.clone(),
        randomness: environment.randomness.clone(),
    };
    Store::open(world, Options::default())
        .map_err(|source| CommandError::Open { path: folder.into(), source })
}
