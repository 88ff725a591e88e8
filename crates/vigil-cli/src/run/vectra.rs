//! `vigil vectra`.

use std::io::Write;

use serde_json::{Value, json};

use super::Session;
use crate::args::{FormatArgs, MachineArgs, VectraCommand};
use crate::failure::CommandError;
use crate::human::size;
use crate::machine::{MachineFailure, MachineHome, MachineSettings};

/// Memory of a machine that is only asked something.
const ASKED_MIB: u32 = 64;

pub(super) fn perform(
    command: &VectraCommand,
    session: &mut Session<'_>,
) -> Result<(), CommandError> {
    match command {
        VectraCommand::Boot { machine } => show(MachineHome::Bare, machine, session),
        VectraCommand::Run(args) => {
            let home = if args.here { MachineHome::Here } else { MachineHome::Hosted };
            show(home, &args.machine, session)
        }
        VectraCommand::Caps { task, format } => caps(task.as_deref(), *format, session),
        VectraCommand::Prices { format } => prices(*format, session),
    }
}

/// Runs a machine whose console is standard output.
fn show(
    home: MachineHome,
    args: &MachineArgs,
    session: &mut Session<'_>,
) -> Result<(), CommandError> {
    let settings = MachineSettings {
        first: args.first.clone(),
        processors: args.processors,
        memory_mib: args.memory,
    };
    let door = session.environment.machine.clone();
    let (out, talk) = (&mut session.out, &session.talk);
    content(door.power_on(home, &settings, out, &|words| talk.say(words)))
}

/// Says what a machine's end means.
fn content(ended: Result<u64, MachineFailure>) -> Result<(), CommandError> {
    match ended {
        Ok(0) => Ok(()),
        Ok(code) => Err(CommandError::MachineCode { code }),
        Err(MachineFailure { blame, source, hint }) => {
            Err(CommandError::Machine { blame, source, hint })
        }
    }
}

/// Runs a machine and returns what it said.
fn ask(home: MachineHome, first: &str, session: &mut Session<'_>) -> Result<String, CommandError> {
    let settings =
        MachineSettings { first: first.to_owned(), processors: 1, memory_mib: ASKED_MIB };
    let mut said = Vec::new();
    let (door, talk) = (session.environment.machine.clone(), &session.talk);
    content(door.power_on(home, &settings, &mut said, &|words| talk.say(words)))?;
    Ok(String::from_utf8_lossy(&said).into_owned())
}

/// A Task as vctl shows it: its own line, and those of its slots.
struct Shown<'a> {
    head: &'a str,
    slots: Vec<&'a str>,
}

/// Reads what vctl says of Tasks.
fn read_tasks(said: &str) -> Vec<Shown<'_>> {
    let mut tasks: Vec<Shown<'_>> = Vec::new();
    for line in said.lines().filter_map(|line| line.strip_prefix("[vctl] ")) {
        if let Some(head) = line.strip_prefix("task ") {
            tasks.push(Shown { head, slots: Vec::new() });
        } else if let Some((task, slot)) = tasks.last_mut().zip(line.strip_prefix("  ")) {
            task.slots.push(slot);
        }
    }
    tasks
}

impl Shown<'_> {
    fn name(&self) -> &str {
        self.head.split(' ').next().unwrap_or_default()
    }

    fn json(&self) -> Value {
        let words: Vec<&str> = self.head.split(' ').collect();
        let word = |at: usize| words.get(at).copied().unwrap_or_default();
        let slots: Vec<Value> = self.slots.iter().map(|slot| slot_json(slot)).collect();
        json!({ "task": word(0), "state": word(1), "secrecy": word(3), "slots": slots })
    }
}

fn slot_json(slot: &str) -> Value {
    let mut words = slot.split_whitespace();
    let number = words.next().and_then(|word| word.parse::<u64>().ok());
    let (name, kind) = (words.next(), words.next());
    let detail = words.next().and_then(|word| word.parse::<u64>().ok());
    let rights: Vec<&str> = words.collect();
    json!({ "slot": number, "name": name, "kind": kind, "detail": detail, "rights": rights })
}

/// Returns a slot as a line of a table, its detail with a unit.
fn slot_line(slot: &str) -> String {
    let mut words = slot.split_whitespace();
    let mut word = || words.next().unwrap_or_default();
    let (number, name, kind, detail) = (word(), word(), word(), word());
    let detail = detail.parse().map_or(String::new(), |detail| detail_words(kind, detail));
    let rights: Vec<&str> = words.collect();
    let line = format!("{number:>4} {name:<16} {kind:<8} {detail:<10} {}", rights.join(" "));
    line.trim_end().to_owned()
}

/// Says what a detail counts: it depends on the kind.
fn detail_words(kind: &str, detail: u64) -> String {
    match kind {
        "Memory" | "Reticle" => size(detail),
        "Ring" | "UpRing" => format!("{detail} slots"),
        "Signal" if detail.is_power_of_two() => format!("bit {}", detail.ilog2()),
        "Signal" => format!("{detail:#x}"),
        "Label" => format!("tag {detail}"),
        "Irq" => format!("line {detail}"),
        _ => String::new(),
    }
}

fn caps(
    only: Option<&str>,
    format: FormatArgs,
    session: &mut Session<'_>,
) -> Result<(), CommandError> {
    let said = ask(MachineHome::Hosted, "initd", session)?;
    let mut tasks = read_tasks(&said);
    if let Some(name) = only {
        tasks.retain(|task| task.name() == name);
        if tasks.is_empty() {
            return Err(CommandError::NoTask { name: name.to_owned() });
        }
    }
    for task in tasks {
        if format.json {
            session.out.json(&task.json())?;
            continue;
        }
        session.out.line(task.head)?;
        for slot in task.slots {
            session.out.line(slot_line(slot))?;
        }
    }
    Ok(())
}

fn prices(format: FormatArgs, session: &mut Session<'_>) -> Result<(), CommandError> {
    let said = ask(MachineHome::Counted, "prices", session)?;
    let rows = said.lines().filter_map(|line| {
        let (operation, count) = line.strip_prefix("| ")?.strip_suffix(" |")?.split_once(" | ")?;
        Some((operation, count.parse::<u64>().ok()?))
    });
    for (operation, count) in rows {
        if format.json {
            session.out.json(&json!({ "operation": operation, "instructions": count }))?;
        } else {
            session.out.line(format_args!("{count:>9}  {operation}"))?;
        }
    }
    session.out.flush().map_err(CommandError::Output)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAID: &str = "[hog] took 42 pages\n[vctl] task echod waiting secrecy 0x0\n\
        [vctl]    0 self             Task 0 control inspect \n\
        [vctl]   12 ask              Ring 64 receive \n[vctl] task hog ready secrecy 0x0\n\
        [vctl] memory memory of initd: 9 pages, 0 used by 0 objects\n[vctl] why: refused\n";

    #[test]
    fn what_vctl_says_is_understood() {
        let tasks = read_tasks(SAID);
        assert_eq!(tasks.iter().map(Shown::name).collect::<Vec<_>>(), ["echod", "hog"]);
        let want = json!({
            "task": "echod", "state": "waiting", "secrecy": "0x0", "slots": [
                { "slot": 0, "name": "self", "kind": "Task", "detail": 0,
                  "rights": ["control", "inspect"] },
                { "slot": 12, "name": "ask", "kind": "Ring", "detail": 64, "rights": ["receive"] },
            ]
        });
        assert_eq!(tasks[0].json(), want);
        assert!(tasks[1].slots.is_empty());
        assert_eq!(
            slot_line(tasks[0].slots[0]),
            "   0 self             Task                control inspect"
        );
        assert_eq!(
            slot_line(tasks[0].slots[1]),
            "  12 ask              Ring     64 slots   receive"
        );
    }

    #[test]
    fn details_have_their_unit() {
        assert_eq!(detail_words("Memory", 32_768), "32.0 KiB");
        assert_eq!(detail_words("Signal", 1 << 63), "bit 63");
        assert_eq!(detail_words("Signal", 5), "0x5");
        assert_eq!(detail_words("Irq", 4), "line 4");
        assert_eq!(detail_words("Machine", 0), "");
    }
}
