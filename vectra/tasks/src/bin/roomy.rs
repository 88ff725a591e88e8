//! Takes pages from one end of memory to the other, writes to each, and reads all of them back.
#![no_std]
#![no_main]

use core::sync::atomic::Ordering;

use vectra_tasks::rt::abi::{Access, Kind, SELF};
use vectra_tasks::rt::{Refused, call, find, free_name, words};
use vectra_tasks::{say, task};

task!(main);

const AT: u64 = 0x0400_0000;
/// Pages between two that are tried: 256 MiB.
const STRIDE: u64 = 65536;
/// Bundles have room for so many pairs of a stride and a page, beside what the first Task holds.
const TRIES_MAX: u64 = 12;

fn main() -> u64 {
    match run() {
        Ok(()) => 0,
        Err(refused) => {
            say!("{refused}");
            1
        }
    }
}

fn run() -> Result<(), Refused> {
    let memory = find("memory")?;
    let [pages, ..] = call::reticle_info(memory.0)?;
    let mut tries = 0;
    while tries < TRIES_MAX && (tries + 1) * (STRIDE + 2) < pages {
        let [low, high] = free_name("gap").words();
        call::reticle_split(memory.0, STRIDE - 3, low, high)?;
        let [low, high] = free_name("page").words();
        let page = call::reticle_retype(memory.0, Kind::Memory as u64, 1, low, high, 0)?[0];
        let address = AT + tries * 4096;
        call::memory_map(SELF, page, address, Access::Write as u64)?;
        words(address, 1)[511].store(0xfeed_0000 + tries, Ordering::Relaxed);
        tries += 1;
    }
    let right = (0..tries)
        .filter(|&at| words(AT + at * 4096, 1)[511].load(Ordering::Relaxed) == 0xfeed_0000 + at);
    let right = right.count();
    say!("{pages} pages, {tries} tried, {right} right");
    call::machine_power(find("machine")?.0, 0)?;
    Ok(())
}
