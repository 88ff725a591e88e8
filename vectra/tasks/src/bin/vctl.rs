//! Shows every Task's whole authority by name, its memory, and how a refusal explains itself.
#![no_std]
#![no_main]

use vectra_tasks::rt::abi::{BUNDLE_SLOTS, Kind, Name, Rights, TaskState};
use vectra_tasks::rt::{LogRing, call, find};
use vectra_tasks::{log::log, note, task};

task!(main);

fn main() -> u64 {
    let log = &mut log();
    let Ok(machine) = find("machine") else { return 1 };
    let mut index = 0;
    while let Ok([low, high, state, secrecy]) = call::machine_task(machine.0, index) {
        let name = Name::from_words(low, high);
        let state = TaskState::from_word(state).map_or("?", |state| match state {
            TaskState::Embryo => "embryo",
            TaskState::Ready | TaskState::Running => "ready",
            TaskState::Waiting => "waiting",
            TaskState::Faulted => "faulted",
            TaskState::Halted => "halted",
        });
        note!(*log, "task {} {state} secrecy {secrecy:#x}", name.as_str());
        show(machine.0, index, log);
        index += 1;
    }
    // What a refusal says: this Task may look at the machine and not switch it off.
    if let Err(refused) = call::machine_power(machine.0, 0) {
        note!(*log, "why: {refused}");
    }
    0
}

fn show(machine: u64, index: u64, log: &mut Option<LogRing>) {
    for slot in 0..BUNDLE_SLOTS as u64 {
        let Ok([low, high, kind_rights, detail]) = call::machine_slot(machine, index, slot) else {
            continue;
        };
        let kind = Kind::from_word(kind_rights & 0xff).unwrap_or(Kind::Empty);
        let name = Name::from_words(low, high);
        note!(
            *log,
            "  {slot:2} {:16} {kind:?} {} {}",
            name.as_str(),
            detail,
            Shown(Rights((kind_rights >> 8) as u16))
        );
    }
}

/// Rights by name.
struct Shown(Rights);

impl core::fmt::Display for Shown {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        for (bit, name) in Rights::NAMES.iter().enumerate() {
            if self.0.has(Rights(1 << bit)) {
                write!(f, "{name} ")?;
            }
        }
        Ok(())
    }
}
