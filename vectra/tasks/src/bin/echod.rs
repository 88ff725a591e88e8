//! The echo service: takes the answering Ring out of the asking one's parcel, and answers.
#![no_std]
#![no_main]

use vectra_tasks::rt::abi::{Name, Side};
use vectra_tasks::rt::{Consumer, Producer, Refused, call, find, words};
use vectra_tasks::task;

task!(main);

const ASK_AT: u64 = 0x0500_0000;
const ANSWER_AT: u64 = 0x0501_0000;

fn main() -> u64 {
    u64::from(serve().is_err())
}

fn serve() -> Result<(), Refused> {
    let ask = find("ask")?;
    call::ring_bind(ask.0, Side::Consumer as u64, ASK_AT, 1)?;
    let pages = words(ASK_AT, 3);
    let mut asked = Consumer::new(&pages[..512], Some(&pages[512..1024]), &pages[1024..]);
    let [low, high] = Name::new("answer").words();
    let answer = loop {
        match call::ring_take_cap(ask.0, low, high) {
            Ok([slot, ..]) => break slot,
            Err(_) => call::signal_wait(1, 0)?,
        };
    };
    call::ring_bind(answer, Side::Producer as u64, ANSWER_AT, 2)?;
    let pages = words(ANSWER_AT, 3);
    let mut answers = Producer::new(&pages[..512], Some(&pages[512..1024]), &pages[1024..]);
    loop {
        while let Ok((message, parked)) = asked.pop() {
            if parked {
                call::ring_bell(ask.0)?;
            }
            // A client that does not listen loses answers; the service goes on.
            if answers.push(&message) == Ok(true) {
                call::ring_bell(answer)?;
            }
        }
        if asked.park() {
            call::signal_wait(1, 0)?;
        }
        asked.unpark();
    }
}
