//! The executor: several futures in one Task, one wait for all of them.

use core::cell::Cell;
use core::pin::pin;

use vectra_abi::Status;
use vectra_tasks::rt::{Executor, Signals, call, signal};

use crate::bench::{Bench, refused, same};

pub fn run(bench: &mut Bench) {
    bench.case("executor", "futures wake each other in turn", |bench| {
        let (first, second) = (bench.signal(1)?, bench.signal(2)?);
        let (signals, heard) = (Signals::new(), Cell::new(0u64));
        let note = |bits: u64| heard.set(heard.get() << 4 | bits);
        // Whoever hears its bit sets the other's; a refused raise would leave both waiting.
        let one = pin!(async {
            for _ in 0..3 {
                note(signal(&signals, 1).await);
                let _ = call::signal_raise(second);
            }
        });
        let two = pin!(async {
            for _ in 0..3 {
                note(signal(&signals, 2).await);
                let _ = call::signal_raise(first);
            }
        });
        call::signal_raise(first)?;
        Executor::new(&signals, [one, two]).run()?;
        same(heard.get(), 0x12_1212, "what was heard, in order")?;
        same(call::signal_poll(3)?[0], 1, "the last raise, which nobody waited for")
    });
    bench.case("executor", "what came while others waited is kept", |bench| {
        let both = bench.signal(0b1100)?;
        let (signals, heard) = (Signals::new(), Cell::new(0u64));
        let one = pin!(async { heard.set(heard.get() | signal(&signals, 0b0100).await) });
        let late = pin!(async {
            signal(&signals, 0b0001).await;
            heard.set(heard.get() | signal(&signals, 0b1000).await);
        });
        let start = bench.signal(0b0001)?;
        call::signal_raise(both)?;
        call::signal_raise(start)?;
        Executor::new(&signals, [one, late]).run()?;
        same(heard.get(), 0b1100, "bits")
    });
    bench.case("executor", "a future takes the bits that it asked for, and no more", |bench| {
        let all = bench.signal(0b0111_0000)?;
        let (signals, heard) = (Signals::new(), Cell::new(0u64));
        let one = pin!(async { heard.set(signal(&signals, 0b0001_0000).await) });
        call::signal_raise(all)?;
        Executor::new(&signals, [one]).run()?;
        same(heard.get(), 0b0001_0000, "bits")?;
        same(call::signal_poll(0b0111_0000)?[0], 0b0110_0000, "what is left to poll")?;
        refused(call::signal_wait(0b0111_0000, 1), Status::Timeout).map(|_| ())
    });
    bench.case("executor", "what is done at once needs no signal", |_| {
        let (signals, ran) = (Signals::new(), Cell::new(0u64));
        let one = pin!(async { ran.set(ran.get() + 1) });
        let two = pin!(async { ran.set(ran.get() + 1) });
        Executor::new(&signals, [one, two]).run()?;
        same(ran.get(), 2, "futures")
    });
}
