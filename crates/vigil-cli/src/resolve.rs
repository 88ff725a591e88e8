//! From checked text to a request: where the arguments meet the environment.

use std::path::{Path, PathBuf};

use vigil_base::{Blame, Blamed};

use crate::args::{ArenaCommand, Args, Command, DhallCommand, NameCommand, TierCommand};
use crate::environment::Environment;

/// What is to be done, with every path and default settled.
#[derive(Clone, Debug)]
pub struct Request {
    /// The folder of the store.
    pub store: PathBuf,
    /// Whether `--store` was given.
    pub is_store_given: bool,
    /// How many threads work at once.
    pub threads: usize,
    /// Whether to say nothing but errors.
    pub is_quiet: bool,
    /// What to do.
    pub command: Command,
}

/// Why arguments cannot be carried out in this environment.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ResolveArgsError {
    /// There is no folder for data.
    #[error("there is no folder to keep a store in: neither HOME nor XDG_DATA_HOME is set")]
    NoDataFolder,
    /// One name was given for several paths.
    #[error("a name can mean only one of {paths} paths")]
    NameForMany {
        /// How many paths there are.
        paths: usize,
    },
    /// Bytes for other programs would go to a person's terminal.
    #[error("{what} would fill the terminal with bytes that are not text")]
    Terminal {
        /// What would.
        what: &'static str,
    },
}

impl Blamed for ResolveArgsError {
    fn blame(&self) -> Blame {
        Blame::Caller
    }
}

impl ResolveArgsError {
    /// Returns what to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::NoDataFolder => "say where with `--store PATH` or VIGIL_STORE",
            Self::NameForMany { .. } => "add each path on its own, or a folder that holds them all",
            Self::Terminal { .. } => "send it to a file with `>`, or to a program with `|`",
        }
    }
}

impl Args {
    /// Settles defaults and paths in `environment`.
    pub fn resolve(mut self, environment: &Environment) -> Result<Request, ResolveArgsError> {
        let is_store_given = self.global.store.is_some();
        let named = self.global.store.take().or_else(|| {
            let set = environment.store.as_ref().filter(|value| !value.is_empty());
            set.map(PathBuf::from)
        });
        let store = match named {
            Some(path) => environment.locate(&path),
            None => data_folder(environment)?.join("vigil"),
        };
        locate_paths(&mut self.command, environment);
        check(&self.command, environment)?;
        Ok(Request {
            store,
            is_store_given,
            threads: self.global.threads.map_or(environment.processors, usize::from).max(1),
            is_quiet: self.global.quiet,
            command: self.command,
        })
    }
}

/// Where the XDG base directory specification keeps a person's data: an `XDG_DATA_HOME` that is not
/// absolute is to be ignored.
fn data_folder(environment: &Environment) -> Result<PathBuf, ResolveArgsError> {
    let absolute =
        |value: &std::ffi::OsString| Some(PathBuf::from(value)).filter(|p| p.is_absolute());
    if let Some(folder) = environment.data_home.as_ref().and_then(absolute) {
        return Ok(folder);
    }
    let home = environment.home.as_ref().and_then(absolute);
    home.map(|home| home.join(".local/share")).ok_or(ResolveArgsError::NoDataFolder)
}

/// The path that stands for standard input.
pub(crate) fn is_standard(path: &Path) -> bool {
    path.as_os_str() == "-"
}

fn locate_paths(command: &mut Command, environment: &Environment) {
    let locate = |path: &mut PathBuf| {
        if !is_standard(path) {
            *path = environment.locate(path);
        }
    };
    match command {
        Command::Add(add) => add.paths.iter_mut().for_each(locate),
        Command::Get(get) => get.output.iter_mut().for_each(locate),
        Command::Repair(repair) => repair.from.iter_mut().for_each(locate),
        Command::Arena(ArenaCommand::Export { output, .. }) => output.iter_mut().for_each(locate),
        Command::Arena(ArenaCommand::Import { files, .. }) => files.iter_mut().for_each(locate),
        // Remembered, and so absolute: the next command may run elsewhere.
        Command::Tier(TierCommand::Add(add)) => {
            for path in add.key_file.iter_mut().chain(&mut add.passphrase_file) {
                let folder = environment.working_folder.clone().unwrap_or_default();
                *path = folder.join(environment.locate(path));
            }
        }
        Command::Log(log) => log.paths_mut().into_iter().for_each(locate),
        Command::Pkg(pkg) => pkg.paths_mut().into_iter().for_each(locate),
        Command::Dhall(dhall) => dhall.paths_mut().into_iter().for_each(locate),
        Command::Person(person) => person.paths_mut().into_iter().for_each(locate),
        Command::Machine(machine) => machine.paths_mut().into_iter().for_each(locate),
        Command::Name(NameCommand::Set { passphrase, .. }) => {
            passphrase.passphrase_file.iter_mut().for_each(locate);
        }
        Command::Name(NameCommand::Follow { bundle, .. }) => locate(bundle),
        Command::Agent(agent) => agent.paths_mut().into_iter().for_each(locate),
        Command::Attest(attest) => attest.paths_mut().into_iter().for_each(locate),
        Command::Sign(sign) => sign.socket.socket.iter_mut().for_each(locate),
        Command::Puddle(puddle) => puddle.paths_mut().into_iter().for_each(locate),
        Command::Tour(tour) => tour.folder.iter_mut().for_each(locate),
        Command::Man(man) => man.output.iter_mut().for_each(locate),
        _ => {}
    }
}

fn check(command: &Command, environment: &Environment) -> Result<(), ResolveArgsError> {
    let is_terminal = environment.is_output_terminal;
    match command {
        Command::Add(add) if add.name.is_some() && add.paths.len() > 1 => {
            Err(ResolveArgsError::NameForMany { paths: add.paths.len() })
        }
        Command::Dhall(DhallCommand::Encode { .. }) if is_terminal => {
            Err(ResolveArgsError::Terminal { what: "a binary form" })
        }
        Command::Tar(_) if is_terminal => Err(ResolveArgsError::Terminal { what: "a tar stream" }),
        Command::Arena(ArenaCommand::Export { output: None, .. }) if is_terminal => {
            Err(ResolveArgsError::Terminal { what: "an arena" })
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
