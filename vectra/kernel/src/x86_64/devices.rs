//! The serial line and the power switch.

use core::arch::asm;

use super::{X86, in8, out8};
use crate::seams::{Console, Power};

const SERIAL: u16 = 0x3f8;
/// QEMU's `isa-debug-exit`: the exit code is twice the byte plus one.
const EXIT: u16 = 0xf4;

impl Console for X86 {
    fn prepare() {
        // 115200 baud, 8 bits; an interrupt for each byte that arrives, let out to the controller.
        // The queues are left as they are: what was typed while the machine started is in them.
        for (register, value) in [(3, 0x80), (0, 1), (1, 0), (3, 3), (4, 0x0b), (1, 1)] {
            out8(SERIAL + register, value);
        }
    }

    fn put(byte: u8) {
        while in8(SERIAL + 5) & 0x20 == 0 {}
        out8(SERIAL, byte);
    }

    fn get() -> Option<u8> {
        (in8(SERIAL + 5) & 1 != 0).then(|| in8(SERIAL))
    }
}

impl Power for X86 {
    fn idle() {
        // WHY: sleeping with interrupts on is one pair of instructions that may not be parted.
        // SAFETY: the handler only looks at what woke it; it is called like a function, so
        // everything that a function may change is declared changed.
        unsafe { asm!("sti", "hlt", "cli", clobber_abi("sysv64")) }
    }

    fn off(code: u64) -> ! {
        out8(EXIT, code as u8);
        loop {
            // WHY: without that device there is nothing left to do but to stand still.
            // SAFETY: interrupts are off; nothing runs any more.
            unsafe { asm!("cli", "hlt", options(nomem, nostack)) }
        }
    }
}
