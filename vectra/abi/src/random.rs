//! Random calls from a seed: the same sequence in every home.

use crate::{Call, Name, Rights, TABLE, WINDOW_START};

/// A small generator (splitmix64), so that a seed is a whole test case on every home.
#[derive(Clone, Debug)]
pub struct Random(pub u64);

impl Random {
    /// Returns the next word.
    pub fn word(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ word >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ word >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ word >> 31
    }

    /// Returns a number below `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        self.word() % end
    }

    /// Says yes once in `of` times.
    pub fn once_in(&mut self, of: u64) -> bool {
        self.below(of) == 0
    }
}

/// Returns a call that has a fair chance to be legal.
pub fn random_call(random: &mut Random) -> (u64, [u64; 6]) {
    let mut row = &TABLE[random.below(TABLE.len() as u64) as usize];
    if ["task_exit", "task_halt", "signal_wait"].contains(&row.name) && !random.once_in(8) {
        // Three calls that end a sequence soon make room for the one that lengthens it most.
        row = &TABLE[Call::reticle_retype as usize];
    }
    let name = Name::new(NAMES[random.below(NAMES.len() as u64) as usize]).words();
    let mut words = [0; 6];
    for (place, argument) in words.iter_mut().zip(row.arguments) {
        *place = match *argument {
            "name_low" => name[0],
            "name_high" => name[1],
            "task" if random.once_in(3) => 0,
            "task" | "slot" | "reticle" | "ring" | "signal" | "label" | "source" | "target"
            | "payload" | "budget" | "irq" | "machine" | "console" => {
                random.below(44).min(random.below(44)).min(random.below(24))
            }
            "kind" => [2, 3, 4, 7, 11][random.below(5) as usize],
            "count" | "pages" | "length" if random.once_in(2) => 0,
            "count" | "pages" | "length" => random.below(9),
            // Half of all bells are rung without waiting.
            "mask" if row.name == "ring_bell" && random.once_in(2) => 0,
            "deadline_ns" => 1 + random.below(900_000),
            "rights" => random_rights(random),
            "address" => WINDOW_START + 0x10_0000 + random.below(40) * 0x1000,
            "access" => [1, 3, 5, 7][random.below(4) as usize],
            "side" | "index" => random.below(3),
            "tags" if !random.once_in(4) => 0,
            "tags" | "tags_low" | "tags_high" => random.below(2) << random.below(9),
            "bits" | "mask" => 1 << random.below(6),
            "entry" => WINDOW_START,
            "stack" => WINDOW_START + 0x1000,
            "priority" => random.below(9),
            "quota_ns" => random.below(2_000_000),
            "period_ns" => 2_000_000,
            _ => random.word(),
        };
        if random.once_in(64) {
            *place = [u64::MAX, 1 << 63, 47, 48, 4096][random.below(5) as usize];
        }
    }
    (u64::from(row.number), words)
}

const NAMES: [&str; 40] = [
    "memory", "self", "m", "n", "o", "p", "q", "r", "s", "t", "u", "v", "w", "x", "y", "z", "aa",
    "ab", "ac", "ad", "ae", "af", "ag", "ah", "ai", "aj", "ak", "al", "a", "b", "c", "d", "e", "f",
    "g", "h", "i", "j", "k", "l",
];

fn random_rights(random: &mut Random) -> u64 {
    match random.below(6) {
        4 => u64::from(Rights::COPY.or(Rights::SEND).0),
        5 => u64::from(Rights::COPY.or(Rights::RECEIVE).0),
        0 => u64::from(Rights::COPY.or(Rights::READ).0),
        1 => u64::from(Rights::COPY.0),
        2 => u64::from((random.word() as u16) & 0x1fff),
        _ => 1 << random.below(14),
    }
}
