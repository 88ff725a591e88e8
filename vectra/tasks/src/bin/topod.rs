//! Topology: what Tasks there are, how many, and how much memory they hold.
#![no_std]
#![no_main]

use vectra_tasks::rt::abi::{BUNDLE_SLOTS, Kind};
use vectra_tasks::rt::{call, find};
use vectra_tasks::{log::log, note, task};

task!(main);

fn main() -> u64 {
    let mut log = log();
    let Ok(machine) = find("machine") else { return 1 };
    let (mut tasks, mut bytes, mut rings) = (0, 0, 0);
    while call::machine_task(machine.0, tasks).is_ok() {
        for slot in 0..BUNDLE_SLOTS as u64 {
            let Ok([.., kind, detail]) = call::machine_slot(machine.0, tasks, slot) else {
                continue;
            };
            match Kind::from_word(kind & 0xff) {
                Some(Kind::Memory) => bytes += detail,
                Some(Kind::Ring) => rings += 1,
                _ => {}
            }
        }
        tasks += 1;
    }
    note!(log, "{tasks} tasks, {bytes} bytes in their Bundles, {rings} ends of Rings");
    0
}
