//! A memory hog: takes all that its own Reticle has, and says how it was refused.
#![no_std]
#![no_main]

use vectra_tasks::rt::abi::{Kind, Status};
use vectra_tasks::rt::{call, find, free_name};
use vectra_tasks::{log::log, note, task};

task!(main);

fn main() -> u64 {
    let mut log = log();
    let Ok(memory) = find("memory") else { return 1 };
    let mut pages = 0;
    loop {
        let [low, high] = free_name("hoard").words();
        match call::reticle_retype(memory.0, Kind::Memory as u64, 7, low, high, 0) {
            Ok(_) => pages += 7,
            Err(refused) => {
                note!(log, "took {pages} pages, then {refused}");
                return u64::from(refused.status != Status::NoMemory);
            }
        }
    }
}
