//! The network's stand-in: whoever may push to its Ring could send off the machine.
#![no_std]
#![no_main]

use vectra_tasks::rt::abi::Side;
use vectra_tasks::rt::{Consumer, call, find, words};
use vectra_tasks::{log::log, note, task};

task!(main);

const NET_AT: u64 = 0x0600_0000;

fn main() -> u64 {
    let mut log = log();
    let Ok(net) = find("net") else { return 1 };
    if let Err(refused) = call::ring_bind(net.0, Side::Consumer as u64, NET_AT, 1) {
        note!(log, "{refused}");
        return 1;
    }
    let pages = words(NET_AT, 3);
    let mut sent = Consumer::new(&pages[..512], Some(&pages[512..1024]), &pages[1024..]);
    let (mut count, mut was_bound) = (0, false);
    loop {
        while let Ok((message, _)) = sent.pop() {
            (count, was_bound) = (count + 1, true);
            note!(log, "off the machine goes message {count}: {:#x}", message[0]);
        }
        let bound = call::ring_info(net.0).is_ok_and(|info| info[1] == 1);
        if was_bound && !bound {
            note!(log, "the sender was cut off after {count}");
        }
        was_bound = bound;
        if sent.park() && call::signal_wait(1, 0).is_err() {
            return 1;
        }
        sent.unpark();
    }
}
