//! The lockstep Task, in the place of `initd`: calls at random, reports digests, switches off.
#![no_std]
#![no_main]

use vectra_tasks::{
    rt::{call, find, lockstep, raw},
    say, task,
};

task!(main);

const SEEDS: u64 = 3;
const STEPS: u32 = 3000;

fn main() -> u64 {
    let Ok(machine) = find("machine") else { return 1 };
    for seed in 0..SEEDS {
        let make = |number, words| {
            let answer = raw(number, words);
            let [a, b, c, d] = answer.words;
            [answer.status, a, b, c, d]
        };
        lockstep(seed, STEPS, machine.0, make, |step, answers, state| {
            say!("{seed} {step} {answers:016x} {state:016x}");
        });
    }
    match call::machine_power(machine.0, 0) {
        Ok(_) => 0,
        Err(_) => 1,
    }
}
