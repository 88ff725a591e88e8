//! The echo client: makes a Ring for answers, hands its end over through the asking Ring, and asks.
#![no_std]
#![no_main]

use vectra_tasks::rt::abi::{Kind, Name, Rights, Side};
use vectra_tasks::rt::{Consumer, Producer, Refused, call, find, ring, ring_and_sleep, words};
use vectra_tasks::{log::log, note, task};

task!(main);

const ASK_AT: u64 = 0x0600_0000;
const ANSWER_AT: u64 = 0x0601_0000;
const ROUNDS: u64 = 1000;

fn main() -> u64 {
    let mut log = log();
    match ask() {
        Ok(rounds) => {
            note!(log, "{rounds} answers");
            u64::from(rounds != ROUNDS)
        }
        Err(refused) => {
            note!(log, "{refused}");
            1
        }
    }
}

fn ask() -> Result<u64, Refused> {
    let (ask, memory) = (find("ask")?, find("memory")?);
    let [low, high] = Name::new("answer").words();
    let answer = call::reticle_retype(memory.0, Kind::Ring as u64, 1, low, high, 0)?[0];
    call::ring_bind(ask.0, Side::Producer as u64, ASK_AT, 1)?;
    call::ring_send_cap(ask.0, answer, u64::from(Rights::SEND.0))?;
    call::ring_bind(answer, Side::Consumer as u64, ANSWER_AT, 2)?;
    ring(ask)?;
    let (out, back) = (words(ASK_AT, 3), words(ANSWER_AT, 3));
    let mut asks = Producer::new(&out[..512], Some(&out[512..1024]), &out[1024..]);
    let mut answers = Consumer::new(&back[..512], Some(&back[512..1024]), &back[1024..]);
    for round in 0..ROUNDS {
        // An answer that is there already shows that nobody sleeps.
        let mut bell = (asks.push(&[round; 7]) == Ok(true)).then_some(ask);
        loop {
            match answers.pop() {
                Ok((message, _)) if message == [round; 7] => break,
                Ok(_) => return Ok(round),
                Err(_) => {}
            }
            ring_and_sleep(bell.take(), answers.park(), 2)?;
            answers.unpark();
        }
    }
    Ok(ROUNDS)
}
