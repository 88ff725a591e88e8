//! What the fuzzer was asked to do.
//!
//! Invariant: an argument that is not understood is refused.

use crate::targets::{TARGETS, Target};
use std::path::PathBuf;

/// Enough to walk a seed corpus many times over; the whole suite still ends in minutes.
const SMOKE_SECONDS: u64 = 5;
/// Long runs are asked for with their own number.
const RUN_SECONDS: u64 = 60;
/// The same inputs in every run of the suite, so that it cannot fail by luck.
const SMOKE_SEED: u64 = 1;

/// The fuzzer's arguments, checked.
pub struct Arguments {
    /// What to do.
    pub task: Task,
    /// How long each target runs.
    pub seconds: u64,
    /// Where the inputs come from.
    pub seed: u64,
}

/// What to do.
pub enum Task {
    /// Name the targets.
    List,
    /// Run targets, each in a process of its own.
    Run {
        /// The targets.
        targets: Vec<&'static Target>,
    },
    /// Run one input in this process.
    Replay {
        /// The target.
        target: &'static Target,
        /// The file with the input.
        file: PathBuf,
    },
    /// Copy what reaches new edges from what was found to the committed seeds.
    Distill {
        /// The target.
        target: &'static Target,
    },
    /// Be the process that a target runs in.
    Work {
        /// The target.
        target: &'static Target,
        /// The file that always holds the input being run.
        current: PathBuf,
    },
}

/// Why arguments were refused.
#[derive(Debug, PartialEq, Eq)]
pub struct Misuse(String);

impl std::fmt::Display for Misuse {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(&self.0)
    }
}

impl Arguments {
    /// Reads arguments.
    pub fn parse(arguments: impl Iterator<Item = String>) -> Result<Arguments, Misuse> {
        let mut arguments = arguments;
        let mut targets = Vec::new();
        let (mut seconds, mut seed) = (None, None);
        let (mut smoke, mut list, mut distill) = (false, false, false);
        let (mut replay, mut current) = (None, None);
        while let Some(argument) = arguments.next() {
            let mut value =
                || arguments.next().ok_or_else(|| Misuse(format!("`{argument}` needs a value")));
            match argument.as_str() {
                "--list" => list = true,
                "--smoke" => smoke = true,
                "--distill" => distill = true,
                "--seconds" => seconds = Some(number(&value()?)?),
                "--seed" => seed = Some(number(&value()?)?),
                "--replay" => replay = Some(PathBuf::from(value()?)),
                "--work" => current = Some(PathBuf::from(value()?)),
                flag if flag.starts_with('-') => {
                    return Err(Misuse(format!("`{flag}` means nothing here")));
                }
                name => targets.push(find(name)?),
            }
        }
        let only = || match targets.as_slice() {
            [target] => Ok(*target),
            _ => Err(Misuse("name exactly one target".to_owned())),
        };
        let task = match (list, replay, current) {
            (true, _, _) => Task::List,
            _ if distill => Task::Distill { target: only()? },
            (_, Some(file), _) => Task::Replay { target: only()?, file },
            (_, _, Some(current)) => Task::Work { target: only()?, current },
            _ if targets.is_empty() => Task::Run { targets: TARGETS.iter().collect() },
            _ => Task::Run { targets },
        };
        let (default_seconds, default_seed) =
            if smoke { (SMOKE_SECONDS, SMOKE_SEED) } else { (RUN_SECONDS, crate::random::fresh()) };
        Ok(Arguments {
            task,
            seconds: seconds.unwrap_or(default_seconds),
            seed: seed.unwrap_or(default_seed),
        })
    }
}

fn find(name: &str) -> Result<&'static Target, Misuse> {
    crate::targets::find(name)
        .ok_or_else(|| Misuse(format!("there is no target `{name}`; --list names them")))
}

fn number(text: &str) -> Result<u64, Misuse> {
    text.parse().map_err(|_| Misuse(format!("`{text}` is not a number")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Arguments, Misuse> {
        Arguments::parse(text.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn the_smoke_run_is_fixed() {
        let arguments = parse("--smoke").unwrap();
        assert_eq!((arguments.seconds, arguments.seed), (SMOKE_SECONDS, SMOKE_SEED));
        assert!(matches!(arguments.task, Task::Run { targets } if targets.len() == TARGETS.len()));
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for text in
            ["--fast", "nothing", "--seconds", "--seconds x", "--replay f", "cbor uri --work f"]
        {
            assert!(parse(text).is_err(), "{text}");
        }
        assert!(parse("cbor --seconds 2 --seed 9").is_ok_and(|a| a.seed == 9 && a.seconds == 2));
    }
}
