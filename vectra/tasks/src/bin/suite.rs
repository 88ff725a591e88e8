//! Start: says hello.
#![no_std]
#![no_main]

use vectra_tasks::{rt::call, rt::find, say, task};

task!(main);

fn main() -> u64 {
    say!("hello from suite, ABI {}", call::machine_version().map_or(0, |w| w[0]));
    match find("machine") {
        Ok(machine) => {
            let _ = call::machine_power(machine.0, 0);
        }
        Err(refused) => say!("{refused}"),
    }
    0
}
