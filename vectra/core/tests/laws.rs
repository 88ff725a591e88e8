//! Laws of the core under random call sequences: what must always hold, holds after every call.

use vectra_abi::{Call, Kind, Name, Random, Status, TABLE, TaskState, WINDOW_START, random_call};
use vectra_core::{Answer, Frame, Machine, Outcome, Stop};
use vectra_model::{Model, audit, booted};

/// Makes a call and goes on with it until it is finished.
fn call(machine: &mut Machine<Model>, task: Frame, call: Call, words: &[u64]) -> Answer {
    let mut all = [0; 6];
    all[..words.len()].copy_from_slice(words);
    finish(machine, task, call as u64, all)
}

fn finish(machine: &mut Machine<Model>, task: Frame, number: u64, words: [u64; 6]) -> Answer {
    loop {
        match machine.call(task, number, words) {
            Outcome::Answered(answer) if answer.status == Status::Again as u64 => {}
            Outcome::Answered(answer) => return answer,
            Outcome::Suspended => return Answer { status: u64::MAX, words: [0; 4] },
            Outcome::Gone => return Answer { status: u64::MAX, words: [1; 4] },
        }
    }
}

#[track_caller]
fn ok(machine: &mut Machine<Model>, task: Frame, number: Call, words: &[u64]) -> [u64; 4] {
    let answer = call(machine, task, number, words);
    assert_eq!(answer.status, 0, "{number:?}{words:?} was refused: {answer:?}");
    answer.words
}

fn find(machine: &mut Machine<Model>, task: Frame, name: &str) -> u64 {
    let [low, high] = Name::new(name).words();
    ok(machine, task, Call::cap_find, &[low, high])[0]
}

/// Makes a child with a Reticle of its own and starts it.
fn child(machine: &mut Machine<Model>, parent: Frame, name: &str, pages: u64, tags: u64) -> Frame {
    let memory = find(machine, parent, "memory");
    let [low, high] = Name::new(name).words();
    let slot =
        ok(machine, parent, Call::reticle_retype, &[memory, Kind::Task as u64, 0, low, high])[0];
    let [m0, m1] = Name::new("memory").words();
    let [p0, p1] = Name::new("part").words();
    let part = ok(machine, parent, Call::reticle_split, &[memory, pages, p0, p1])[0];
    let rights = ok(machine, parent, Call::cap_info, &[part])[1];
    ok(machine, parent, Call::bundle_give, &[slot, part, rights, m0, m1]);
    ok(machine, parent, Call::label_raise, &[slot, tags, 0]);
    ok(machine, parent, Call::task_start, &[slot, WINDOW_START, WINDOW_START + 16, 3]);
    machine.tasks().next().expect("the child is the newest")
}

fn runnable(machine: &Machine<Model>, task: Frame) -> bool {
    matches!(machine.task(task).state, TaskState::Ready | TaskState::Running)
}

/// Puts every ready Task on a processor: the model has one for each.
fn schedule(machine: &mut Machine<Model>) {
    while !machine.settle() {}
    while machine.pick().is_some() {}
}

#[test]
fn every_law_holds_after_every_call() {
    for seed in 0..24 {
        let mut random = Random(seed);
        let (mut machine, first) = booted();
        for (name, tags) in [("left", 0), ("right", 0), ("high", 1)] {
            child(&mut machine, first, name, 300, tags);
        }
        let mut accepted = 0;
        for step in 0..600 {
            schedule(&mut machine);
            machine.platform.now_ns += 50_000;
            machine.tick();
            let tasks: Vec<_> = machine.tasks().filter(|&t| runnable(&machine, t)).collect();
            let Some(&task) = tasks.get(random.below(tasks.len().max(1) as u64) as usize) else {
                continue;
            };
            let (number, words) = random_call(&mut random);
            // The first Task lives on, so that the sequence goes on.
            if task == first
                && (number == Call::task_exit as u64 || number == Call::task_halt as u64)
            {
                continue;
            }
            let before = machine.digest();
            let outcome = machine.call(task, number, words);
            if let Outcome::Answered(answer) = outcome {
                if answer.status > Status::Again as u64 && answer.status != Status::Timeout as u64 {
                    assert_eq!(
                        machine.digest(),
                        before,
                        "seed {seed} step {step}: a refusal acted"
                    );
                } else {
                    accepted += 1;
                }
            }
            if random.once_in(200) && task != first && runnable(&machine, task) {
                machine.fault(task, Stop { code: 1, address: 0, program_counter: 0 });
            }
            audit(&machine);
        }
        assert!(
            accepted > 30,
            "seed {seed}: only {accepted} calls were legal; the test is too tame"
        );
    }
}

#[test]
fn every_call_takes_every_kind_of_word() {
    let (mut machine, first) = booted();
    schedule(&mut machine);
    let classes =
        [0, 1, 2, 7, 47, 48, 49, 255, 4096, 0x40_0000, 1 << 31, 1 << 32, 1 << 63, u64::MAX];
    for number in (0..TABLE.len() as u64 + 3).chain([u64::MAX]) {
        if [Call::task_exit, Call::task_halt, Call::signal_wait].map(|c| c as u64).contains(&number)
        {
            continue;
        }
        for place in 0..6 {
            for class in classes {
                let mut words = [1; 6];
                words[place] = class;
                if runnable(&machine, first) {
                    machine.call(first, number, words);
                    schedule(&mut machine);
                }
            }
        }
        audit(&machine);
    }
}

#[test]
fn reset_gives_all_memory_back() {
    for seed in 0..8 {
        let (mut machine, first) = booted();
        let memory = find(&mut machine, first, "memory");
        let used = ok(&mut machine, first, Call::reticle_info, &[memory])[1];
        assert_eq!(used, 0);
        let mut random = Random(seed);
        for name in ["a1", "a2", "a3"] {
            child(&mut machine, first, name, 200, 0);
        }
        for _ in 0..400 {
            schedule(&mut machine);
            let tasks: Vec<_> =
                machine.tasks().filter(|&t| t != first && runnable(&machine, t)).collect();
            let Some(&task) = tasks.get(random.below(tasks.len().max(1) as u64) as usize) else {
                break;
            };
            let (number, words) = random_call(&mut random);
            machine.call(task, number, words);
        }
        ok(&mut machine, first, Call::reticle_reset, &[memory]);
        assert_eq!(ok(&mut machine, first, Call::reticle_info, &[memory])[1], 0);
        assert_eq!(machine.tasks().collect::<Vec<_>>(), [first], "a Task outlived its memory");
        audit(&machine);
    }
}

#[test]
fn revoke_is_bounded_and_resumes() {
    let (mut machine, first) = booted();
    let memory = find(&mut machine, first, "memory");
    for at in 0..12 {
        let task = child(&mut machine, first, &format!("t{at}"), 40, 0);
        let own = find(&mut machine, task, "memory");
        for copy in 0..10 {
            let [low, high] = Name::new(&format!("m{copy}")).words();
            ok(&mut machine, task, Call::reticle_retype, &[own, Kind::Memory as u64, 1, low, high]);
        }
    }
    let mut again = 0;
    while let Outcome::Answered(answer) =
        machine.call(first, Call::cap_revoke as u64, [memory, 0, 0, 0, 0, 0])
    {
        audit(&machine);
        if answer.status == 0 {
            break;
        }
        assert_eq!(answer.status, Status::Again as u64);
        again += 1;
    }
    assert!(again >= 2, "more than a hundred capabilities went in {again} parts");
    assert!(machine.child(vectra_core::Link::new(first, memory as usize)).is_none());
}

/// What low Tasks see of a run: their answers, in order.
fn low_trace(low_seed: u64, high_seed: u64) -> (Vec<String>, usize) {
    let (mut machine, first) = booted();
    // Nobody may declassify here: those who may are allowed to tell.
    for tag in 0..8 {
        let slot = find(&mut machine, first, &format!("tag{tag}"));
        ok(&mut machine, first, Call::cap_delete, &[slot]);
    }
    for (name, tags) in [("low", 0), ("high", 1), ("other", 1), ("higher", 3)] {
        child(&mut machine, first, name, 300, tags);
    }
    let (mut low, mut high) = (Random(low_seed), Random(high_seed));
    let (mut trace, mut raised) = (Vec::new(), 0);
    for _ in 0..500 {
        schedule(&mut machine);
        machine.platform.now_ns += 50_000;
        machine.tick();
        schedule(&mut machine);
        let is_high = |t: &Frame| machine.platform_object(*t).label.secrecy != 0;
        let (highs, lows): (Vec<_>, Vec<_>) = machine.tasks().partition(is_high);
        let states: Vec<_> = lows.iter().map(|&t| (t, machine.task(t).state)).collect();
        trace.push(format!("{states:?}"));
        for (random, tasks, are_low) in [(&mut low, lows, true), (&mut high, highs, false)] {
            let tasks: Vec<_> = tasks.into_iter().filter(|&t| runnable(&machine, t)).collect();
            let Some(&task) = tasks.get(random.below(tasks.len().max(1) as u64) as usize) else {
                continue;
            };
            let (number, words) = random_call(random);
            // That a Task ended is the one bit which the labels let through (`spec/labels.md`), so
            // nobody ends, asks or watches here; and digests see everything.
            let ends = [
                Call::task_exit,
                Call::task_halt,
                Call::task_status,
                Call::task_watch,
                Call::machine_digest,
            ];
            if ends.map(|c| c as u64).contains(&number) {
                continue;
            }
            let answer = finish(&mut machine, task, number, words);
            raised += usize::from(!are_low && answer.status == 0);
            if are_low {
                trace.push(format!("{task:?} {number} {words:?} -> {answer:?}"));
            }
        }
        audit(&machine);
    }
    (trace, raised)
}

#[test]
fn what_is_high_does_not_change_what_is_low() {
    let mut busy_total = 0;
    for low_seed in 0..60 {
        let (one, busy) = low_trace(low_seed, 1000 + low_seed);
        let (two, _) = low_trace(low_seed, 2000 + low_seed);
        busy_total += busy;
        for (at, (a, b)) in one.iter().zip(&two).enumerate() {
            assert_eq!(a, b, "low seed {low_seed}, step {at}: secrets made a difference");
        }
    }
    assert!(busy_total > 2000, "the high Tasks did only {busy_total} things");
}
