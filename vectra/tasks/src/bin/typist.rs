//! Hears the serial line's interrupt and says what was typed, until a line ends.
#![no_std]
#![no_main]

use vectra_tasks::rt::{Refused, call, find};
use vectra_tasks::{say, task};

task!(main);

const TYPED: u64 = 1;

fn main() -> u64 {
    match hear() {
        Ok(()) => 0,
        Err(refused) => {
            say!("{refused}");
            1
        }
    }
}

fn hear() -> Result<(), Refused> {
    let (line, console) = (find("irq4")?, find("console")?);
    let signal = call::signal_mint(TYPED, u64::from(b't'), 0)?[0];
    call::irq_bind(line.0, signal)?;
    say!("type");
    loop {
        // The line is let go first: what arrives after that is signalled, what arrived before is
        // read now.
        call::irq_done(line.0)?;
        loop {
            let [length, word, ..] = call::console_read(console.0)?;
            let bytes = word.to_le_bytes();
            let bytes = &bytes[..(length as usize).min(8)];
            if bytes.is_empty() {
                break;
            }
            for &byte in bytes {
                if byte == b'!' {
                    call::machine_power(find("machine")?.0, 0)?;
                }
                say!("typed {}", char::from(byte));
            }
        }
        call::signal_wait(TYPED, 0)?;
    }
}
