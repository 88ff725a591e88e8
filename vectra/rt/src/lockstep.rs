//! One sequence of calls for every home: what it answers, and what state it leaves, must be equal.

use vectra_abi::{BUNDLE_SLOTS, Call, Random, random_call};

/// Makes `steps` random calls through `make` and tells `report` a digest of all answers and one of
/// all state, every fifty calls. `machine` is the slot of the machine capability.
///
/// Left out is what depends on time, what would end or silence the caller, and what would set
/// another Task running beside it.
pub fn lockstep(
    seed: u64,
    steps: u32,
    machine: u64,
    mut make: impl FnMut(u64, [u64; 6]) -> [u64; 5],
    mut report: impl FnMut(u32, u64, u64),
) {
    let mut random = Random(seed);
    let mut answers = 0xcbf2_9ce4_8422_2325;
    let info = Call::cap_info as u64;
    let own = (0..BUNDLE_SLOTS as u64)
        .take_while(|&slot| make(info, [slot, 0, 0, 0, 0, 0])[0] == 0)
        .count() as u64;
    for step in 0..steps {
        let (number, words) = random_call(&mut random);
        if is_fit(number, words, own) {
            for word in make(number, words) {
                answers = (answers ^ word).wrapping_mul(0x100_0000_01b3);
            }
        }
        if step % 50 == 49 {
            let digest = make(Call::machine_digest as u64, [machine, 0, 0, 0, 0, 0]);
            report(step, answers, digest[1]);
        }
    }
}

fn is_fit(number: u64, words: [u64; 6], own: u64) -> bool {
    let Some(call) = Call::from_word(number) else { return true };
    match call {
        Call::task_exit
        | Call::task_halt
        | Call::task_start
        | Call::signal_wait
        | Call::clock_now
        | Call::console_write
        | Call::console_read
        | Call::machine_power
        | Call::irq_done
        | Call::irq_bind => false,
        Call::task_budget | Call::label_raise | Call::label_drop | Call::label_clear => {
            words[0] >= own
        }
        Call::cap_delete | Call::ring_take_cap => words[0] >= own,
        // Else it waits.
        Call::ring_bell => words[1] == 0,
        Call::bundle_give | Call::memory_unmap => words[1] >= own,
        _ => true,
    }
}
