//! The acceptance suite, in the place of `initd`: every case prints one line.
//!
//! Each case gets a fresh part of memory, which is reset behind it; so a case that leaves anything
//! alive shows in the next one's arithmetic.
#![no_std]
#![no_main]

mod bench;
mod faults;
mod futures;
mod hostile;
mod labels;
mod objects;
mod rights;
mod running;
mod spawn;

use bench::Bench;
use vectra_tasks::{rt::call, rt::find, say, task};

task!(main);

fn main() -> u64 {
    let Ok(machine) = find("machine") else { return 1 };
    let mut bench = match Bench::new() {
        Ok(bench) => bench,
        Err(refused) => {
            say!("the bench: {refused}");
            return 1;
        }
    };
    rights::run(&mut bench);
    objects::run(&mut bench);
    running::run(&mut bench);
    running::run_shares(&mut bench);
    futures::run(&mut bench);
    spawn::run(&mut bench);
    faults::run(&mut bench);
    faults::run_beside(&mut bench);
    labels::run(&mut bench);
    hostile::run(&mut bench);
    say!("{} cases, {} failed", bench.cases, bench.failed);
    let code = u64::from(bench.failed != 0);
    match call::machine_power(machine.0, code) {
        Ok(_) => 0,
        Err(_) => 1,
    }
}
