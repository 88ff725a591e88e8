//! Hostile calls: a Task without anything tries every number with every class of word.

use vectra_abi::TABLE;
use vectra_tasks::rt::{Slot, call};

use crate::bench::{Bench, ENDED, must};

/// Numbers behind the table that are tried as well.
const BEYOND: u64 = 4;

pub fn run(bench: &mut Bench) {
    for number in 0..TABLE.len() as u64 + BEYOND {
        let name = TABLE.get(number as usize).map_or("no such call", |row| row.name);
        bench.case("hostile", name, |bench| {
            let child = bench.actor("do.hostile")?;
            bench.endow(&child, 40)?;
            // The number travels as the bits of a signal that the child reads from its Bundle.
            let number = bench.signal(number + 1)?;
            bench.put(&child, number, vectra_abi::Rights::RAISE, "number")?;
            bench.start(&child)?;
            must(bench.wait(ENDED)? & ENDED != 0, "it ended")?;
            let Slot(part) = bench.part;
            call::reticle_reset(part)?;
            Ok(())
        });
    }
}
