//! The echo service: one future takes answering Rings out of the asking one's parcel place, another
//! answers. A client that hands over another Ring is answered there from then on.
#![no_std]
#![no_main]

use core::cell::{Cell, RefCell};
use core::pin::pin;
use core::sync::atomic::AtomicU64;

use vectra_tasks::rt::abi::{RING_SLOT_BYTES, Side};
use vectra_tasks::rt::{
    Consumer, Executor, Producer, Refused, Signals, Slot, call, find, free_name, ring, signal,
    words,
};
use vectra_tasks::task;

task!(main);

const ASK_AT: u64 = 0x0500_0000;
const ANSWER_AT: u64 = 0x0600_0000;
/// The asking Ring's bell sets both, so that each future has a bit of its own.
const PARCEL: u64 = 1;
const QUESTION: u64 = 2;
/// An answering Ring has room again.
const ROOM: u64 = 4;

/// The end at which answers go out.
struct Client {
    slot: Slot,
    answers: Producer<'static, AtomicU64>,
}

fn main() -> u64 {
    u64::from(serve().is_err())
}

fn serve() -> Result<(), Refused> {
    let ask = find("ask")?;
    let [slots, ..] = call::ring_bind(ask.0, Side::Consumer as u64, ASK_AT, PARCEL | QUESTION)?;
    let pages = words(ASK_AT, 2 + slots * RING_SLOT_BYTES / 4096);
    let asked = Consumer::new(&pages[..512], Some(&pages[512..1024]), &pages[1024..]);
    let signals = Signals::new();
    let (client, failed) = (RefCell::new(None), Cell::new(None));
    let take = pin!(async {
        if let Err(refused) = take(&signals, ask, &client).await {
            failed.set(Some(refused));
        }
    });
    let answer = pin!(async {
        if let Err(refused) = answer(&signals, ask, asked, &client).await {
            failed.set(Some(refused));
        }
    });
    Executor::new(&signals, [take, answer]).run()?;
    failed.take().map_or(Ok(()), Err)
}

/// Takes capabilities as they come; the newest client is the one that is answered.
async fn take(
    signals: &Signals,
    ask: Slot,
    client: &RefCell<Option<Client>>,
) -> Result<(), Refused> {
    loop {
        let [low, high] = free_name("answer").words();
        let Ok([slot, ..]) = call::ring_take_cap(ask.0, low, high) else {
            signal(signals, PARCEL).await;
            continue;
        };
        if let Some(old) = client.borrow_mut().take() {
            call::cap_delete(old.slot.0)?;
        }
        let [slots, ..] = call::ring_bind(slot, Side::Producer as u64, ANSWER_AT, ROOM)?;
        let pages = words(ANSWER_AT, 2 + slots * RING_SLOT_BYTES / 4096);
        let answers = Producer::new(&pages[..512], Some(&pages[512..1024]), &pages[1024..]);
        *client.borrow_mut() = Some(Client { slot: Slot(slot), answers });
        // Questions that came before the client are answered now.
        let own = call::signal_mint(QUESTION, u64::from(b'q'), 0)?[0];
        call::signal_raise(own)?;
        call::cap_delete(own)?;
    }
}

/// Answers questions, while there is somebody to be answered.
async fn answer(
    signals: &Signals,
    ask: Slot,
    mut asked: Consumer<'static, AtomicU64>,
    client: &RefCell<Option<Client>>,
) -> Result<(), Refused> {
    let mut message = [0; 7];
    loop {
        if let Some(client) = &mut *client.borrow_mut() {
            while let Ok(parked) = asked.pop_into(&mut message) {
                if parked {
                    ring(ask)?;
                }
                // A client that does not listen loses answers; the service goes on.
                if client.answers.push(&message) == Ok(true) {
                    ring(client.slot)?;
                }
            }
        }
        if asked.park() || client.borrow().is_none() {
            signal(signals, QUESTION).await;
        }
        asked.unpark();
    }
}
