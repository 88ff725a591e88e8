//! Interrupt controllers, the tick, the clock, and starting other processors.

use core::sync::atomic::{AtomicU64, Ordering};

use super::context::{LINES, NUDGE, TICK};
use super::{X86, out8, read_register, write_register};
use crate::seams::{Interrupts, MemoryModel, Physical, Timer, Trap};

const LOCAL: u64 = 0xfee0_0000;
const LOCAL_DONE: u64 = LOCAL + 0xb0;
const LOCAL_ON: u64 = LOCAL + 0xf0;
const LOCAL_COMMAND: u64 = LOCAL + 0x300;
const LOCAL_TARGET: u64 = LOCAL + 0x310;
const TIMER_MODE: u64 = LOCAL + 0x320;
const TIMER_START: u64 = LOCAL + 0x380;
const TIMER_NOW: u64 = LOCAL + 0x390;
const TIMER_DIVIDE: u64 = LOCAL + 0x3e0;

const LINES_SELECT: u64 = 0xfec0_0000;
const LINES_WINDOW: u64 = LINES_SELECT + 0x10;

const CLOCK: u64 = 0xfed0_0000;
const CLOCK_PERIOD_FS: u64 = CLOCK + 4;
const CLOCK_ON: u64 = CLOCK + 0x10;
const CLOCK_LOW: u64 = CLOCK + 0xf0;
const CLOCK_HIGH: u64 = CLOCK + 0xf4;

/// Nanoseconds for one count, with this many bits behind the point: a clock is read too often to
/// divide each time. A period is at most 10^8 fs, so this does not overflow.
static NS_PER_COUNT: AtomicU64 = AtomicU64::new(0);
const FACTOR_BITS: u32 = 32;

const TICK_NS: u64 = 1_000_000;
const SPURIOUS: u32 = 0xff;
const START_PAGE: u64 = 8;

unsafe extern "C" {
    static boot_other_start: u8;
    static boot_other_end: u8;
}

fn set_line(line: u32, high: u32, low: u32) {
    write_register(LINES_SELECT, 0x11 + 2 * line);
    write_register(LINES_WINDOW, high);
    write_register(LINES_SELECT, 0x10 + 2 * line);
    write_register(LINES_WINDOW, low);
}

impl Interrupts for X86 {
    fn prepare(processor: usize) {
        write_register(LOCAL_ON, 0x100 | SPURIOUS);
        if processor != 0 {
            return;
        }
        // The old controller would answer with vectors that mean faults here.
        out8(0x21, 0xff);
        out8(0xa1, 0xff);
        (0..16).for_each(|line| set_line(line, 0, 1 << 16));
    }

    fn enable(line: u32, enabled: bool) {
        if line < 16 {
            set_line(line, 0, (LINES as u32 + line) | (u32::from(!enabled) << 16));
        }
    }

    fn seen(trap: Trap) {
        if matches!(trap, Trap::Tick | Trap::Line(_) | Trap::Nudge) {
            write_register(LOCAL_DONE, 0);
        }
    }

    fn nudge(processor: usize) {
        command((processor as u32) << 24, NUDGE as u32);
    }
}

/// Sends a message between processors and waits until it has left.
fn command(target: u32, words: u32) {
    write_register(LOCAL_TARGET, target);
    write_register(LOCAL_COMMAND, words);
    while read_register(LOCAL_COMMAND) & 1 << 12 != 0 {}
}

impl Timer for X86 {
    fn start(processor: usize) {
        if processor == 0 {
            let period = u64::from(read_register(CLOCK_PERIOD_FS));
            NS_PER_COUNT.store((period << FACTOR_BITS) / 1_000_000, Ordering::Relaxed);
            write_register(CLOCK_ON, 1);
        }
        write_register(TIMER_DIVIDE, 0b0011);
        write_register(TIMER_MODE, 1 << 16);
        write_register(TIMER_START, u32::MAX);
        let from = X86::now_ns();
        while X86::now_ns() - from < TICK_NS {}
        let ticks = u32::MAX - read_register(TIMER_NOW);
        write_register(TIMER_MODE, TICK as u32 | 1 << 17);
        write_register(TIMER_START, ticks);
    }

    fn now_ns() -> u64 {
        // Two halves: read again if the upper one moved meanwhile.
        loop {
            let high = read_register(CLOCK_HIGH);
            let low = read_register(CLOCK_LOW);
            if high == read_register(CLOCK_HIGH) {
                let count = u64::from(high) << 32 | u64::from(low);
                let factor = NS_PER_COUNT.load(Ordering::Relaxed);
                return ((u128::from(count) * u128::from(factor)) >> FACTOR_BITS) as u64;
            }
        }
    }
}

/// Wakes all other processors at the start page. This one is number 0 because its id is; the others
/// get numbers as they come, so ids are assumed dense, as QEMU gives them.
pub fn start_others() {
    let (from, to) = (&raw const boot_other_start, &raw const boot_other_end);
    let length = to as usize - from as usize;
    // WHY: the start page is below the kernel and belongs to nobody.
    // SAFETY: `length` bytes of the boot segment, seen in the direct map like the target.
    unsafe {
        let source = X86::page(Physical(0)).wrapping_add(from as usize);
        source.copy_to_nonoverlapping(X86::page(Physical(START_PAGE)), length);
    }
    const ALL_OTHERS: u32 = 3 << 18;
    command(0, ALL_OTHERS | 0x4500);
    let from = X86::now_ns();
    while X86::now_ns() - from < TICK_NS {}
    command(0, ALL_OTHERS | 0x4600 | START_PAGE as u32);
}
