//! The same calls on the model, hosted and bare: equal answers, equal state, step by step.

use vectra_abi::Status;
use vectra_core::{Frame, Machine, Outcome};
use vectra_model::{Model, boot};
use vectra_rt::lockstep;

use crate::bench::{FRAMES, archive, everywhere};

fn model() -> String {
    let (mut machine, task) = boot(FRAMES, archive(), "lockstep");
    let slots = &machine.task(task).slots;
    let machine_slot =
        slots.iter().position(|slot| slot.name.as_str() == "machine").expect("it is there");
    let mut lines = String::new();
    for seed in 0..3 {
        lockstep(
            seed,
            3000,
            machine_slot as u64,
            |number, words| make(&mut machine, task, number, words),
            |step, answers, state| {
                lines += &format!("{seed} {step} {answers:016x} {state:016x}\n");
            },
        );
        vectra_model::audit(&machine);
    }
    lines
}

fn make(machine: &mut Machine<Model>, task: Frame, number: u64, words: [u64; 6]) -> [u64; 5] {
    loop {
        let answer = match machine.call(task, number, words) {
            Outcome::Answered(answer) if answer.status == Status::Again as u64 => continue,
            Outcome::Answered(answer) => answer,
            Outcome::Suspended => {
                assert_eq!(machine.pick(), Some(task), "the only Task runs again");
                machine.platform.answers.remove(&task).expect("a yield is answered")
            }
            Outcome::Gone => panic!("the lockstep Task ended"),
        };
        let [a, b, c, d] = answer.words;
        return [answer.status, a, b, c, d];
    }
}

#[test]
fn every_home_says_the_same() {
    let want = model();
    assert!(want.lines().count() > 150);
    for (home, ran) in everywhere("lockstep", "") {
        for (at, (got, want)) in ran.console.lines().zip(want.lines()).enumerate() {
            assert_eq!(got, want, "{home} parts from the model at report {at}");
        }
        assert_eq!(ran.console.lines().count(), want.lines().count(), "{home}: {}", ran.console);
        assert_eq!(ran.code, Some(0), "{home}");
    }
}
