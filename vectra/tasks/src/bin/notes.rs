//! A notes application: it may talk to the network until it has seen personal data.
//!
//! What happened to it is written into the personal page: it has no other way left to tell.
#![no_std]
#![no_main]

use core::sync::atomic::Ordering;

use vectra_tasks::rt::abi::{Access, SELF, Side};
use vectra_tasks::rt::{Producer, Refused, call, find, ring, words};
use vectra_tasks::task;

task!(main);

const PERSON: u64 = 1;
const NET_AT: u64 = 0x0500_0000;
const PERSONAL_AT: u64 = 0x0600_0000;

fn main() -> u64 {
    u64::from(run().is_err())
}

fn run() -> Result<(), Refused> {
    let (net, personal) = (find("net")?, find("personal")?);
    call::ring_bind(net.0, Side::Producer as u64, NET_AT, 1)?;
    let pages = words(NET_AT, 3);
    let mut out = Producer::new(&pages[..512], Some(&pages[512..1024]), &pages[1024..]);
    let sent = (0..3).filter(|&n| out.push(&[0xbeef + n; 7]).is_ok()).count() as u64;
    ring(net)?;
    // The personal page cannot be mapped yet, and after the raise the Ring cannot be.
    let too_early = call::memory_map(SELF, personal.0, PERSONAL_AT, Access::Read as u64);
    let severed = call::label_raise(SELF, PERSON, 0)?[0];
    call::memory_map(SELF, personal.0, PERSONAL_AT, Access::Write as u64)?;
    let again = call::ring_bind(net.0, Side::Producer as u64, NET_AT, 1);
    let status = |result: Result<[u64; 4], Refused>| match result {
        Ok(_) => 0,
        Err(refused) => refused.status as u64,
    };
    let page = words(PERSONAL_AT, 1);
    for (at, word) in [sent, severed, status(again), status(too_early)].into_iter().enumerate() {
        page[at].store(word, Ordering::Relaxed);
    }
    Ok(())
}
