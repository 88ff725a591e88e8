//! A Task's registers: as the entry code leaves them on the stack, and in the context page.

use core::arch::asm;

use vectra_abi::{Call, FaultCode};
use vectra_core::Answer;

use super::X86;
use crate::seams::{Context, MemoryModel, Physical, Trap, Traps};

/// What `entry.s` pushes. The order is its order.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Frame {
    r15: u64,
    r14: u64,
    r13: u64,
    r12: u64,
    rbp: u64,
    rbx: u64,
    r11: u64,
    rcx: u64,
    /// rdi, rsi, rdx, r10, r8, r9: the words of a call.
    words: [u64; 6],
    rax: u64,
    vector: u64,
    error: u64,
    rip: u64,
    cs: u64,
    rflags: u64,
    rsp: u64,
    ss: u64,
}

pub const TICK: u64 = 0xf0;
pub const NUDGE: u64 = 0xf1;
pub const LINES: u64 = 0x20;
const LINES_END: u64 = 0x30;

/// Flags that a Task may own: all but interrupts on, which it always has, are its arithmetic.
const FLAGS_START: u64 = 0x202;

/// Vector registers lie here in the context page, as FXSAVE lays them out ...
const VECTORS_AT: usize = 512;
const VECTORS_BYTES: usize = 512;
/// ... and in that, the 16 wide ones; before them are old floating point and the control words.
const WIDE_AT: usize = 160;
const WIDE_WORDS: usize = 32;

fn context(task: Physical) -> *mut Frame {
    X86::page(Physical(task.0 + 1)).cast()
}

/// Returns where the entry code puts a Task's vector registers.
pub fn vectors(task: Physical) -> *mut u8 {
    X86::page(Physical(task.0 + 1)).wrapping_add(VECTORS_AT)
}

/// Makes the vector registers what they are for a new Task.
fn clean_vectors(task: Physical) {
    let area = vectors(task);
    // WHY: the area belongs to a Task, not to a Rust value.
    // SAFETY: 512 bytes inside the context page, which only the kernel sees.
    unsafe {
        area.write_bytes(0, VECTORS_BYTES);
        area.cast::<u16>().write(0x37f);
        area.add(24).cast::<u32>().write(0x1f80);
    }
}

/// Puts vector registers away as a call leaves them: the 16 wide ones are clear, the rest is kept.
fn save_vectors_after_call(task: Physical) {
    let area = vectors(task);
    // WHY: no Rust value holds these registers.
    // SAFETY: 512 bytes inside the context page, aligned to 16, which only the kernel sees.
    unsafe {
        asm!("fxsave64 [{}]", in(reg) area, options(nostack, preserves_flags));
        area.add(WIDE_AT).cast::<[u64; WIDE_WORDS]>().write([0; WIDE_WORDS]);
    }
}

/// Changes the saved registers of a Task that is not running.
fn saved(task: Physical, change: impl FnOnce(&mut Frame)) {
    // WHY: the context page belongs to a Task, not to a Rust value.
    // SAFETY: the kernel is under its lock and the Task is on no processor, so nobody else has a
    // reference; any bits are a `Frame`.
    change(unsafe { &mut *context(task) });
}

fn set_answer(frame: &mut Frame, answer: Answer) {
    frame.rax = answer.status;
    frame.words[..4].copy_from_slice(&answer.words);
}

impl Context for X86 {
    type Frame = Frame;

    fn enter(task: Physical, entry: u64, stack: u64) {
        clean_vectors(task);
        saved(task, |frame| {
            *frame = Frame {
                rip: entry,
                cs: 0x23,
                rflags: FLAGS_START,
                rsp: stack,
                ss: 0x1b,
                ..empty()
            };
        });
    }

    fn jump(task: Physical, program_counter: u64) {
        saved(task, |frame| frame.rip = program_counter);
    }

    fn answer(task: Physical, answer: Answer) {
        saved(task, |frame| set_answer(frame, answer));
    }

    fn answer_now(frame: &mut Frame, answer: Answer) {
        set_answer(frame, answer);
    }

    fn program_counter(frame: &Frame) -> u64 {
        frame.rip
    }

    fn save(task: Physical, frame: &Frame) {
        saved(task, |place| *place = *frame);
    }

    fn save_called(task: Physical, frame: &Frame) {
        // The processor put these two there when the Task called; the entry code kept neither.
        saved(task, |place| *place = Frame { rcx: frame.rip, r11: frame.rflags, ..*frame });
        save_vectors_after_call(task);
    }

    fn load(task: Physical, frame: &mut Frame) {
        saved(task, |place| *frame = *place);
        super::tables::set_vectors(vectors(task));
    }
}

/// Returns registers without anything in them.
pub const fn empty() -> Frame {
    Frame {
        r15: 0,
        r14: 0,
        r13: 0,
        r12: 0,
        rbp: 0,
        rbx: 0,
        r11: 0,
        rcx: 0,
        words: [0; 6],
        rax: 0,
        vector: 0,
        error: 0,
        rip: 0,
        cs: 0,
        rflags: 0,
        rsp: 0,
        ss: 0,
    }
}

impl Traps for X86 {
    type Frame = Frame;

    fn prepare(processor: usize) {
        super::tables::prepare(processor);
    }

    #[inline]
    fn call(frame: &Frame) -> (u64, [u64; 6]) {
        (frame.rax, frame.words)
    }

    fn cause(frame: &Frame) -> Trap {
        let fault = |code| Trap::Fault { code, address: 0 };
        match frame.vector {
            14 => Trap::Fault { code: FaultCode::Memory, address: fault_address() },
            6 | 7 => fault(FaultCode::Instruction),
            0 | 16 | 19 => fault(FaultCode::Arithmetic),
            1 | 3 => fault(FaultCode::Breakpoint),
            0..LINES => fault(FaultCode::Protection),
            LINES..LINES_END => Trap::Line((frame.vector - LINES) as u32),
            TICK => Trap::Tick,
            NUDGE => Trap::Nudge,
            _ => Trap::Spurious,
        }
    }
}

fn fault_address() -> u64 {
    let address: u64;
    // WHY: the address that faulted is in this register only.
    // SAFETY: reading it changes nothing.
    unsafe { asm!("mov {}, cr2", out(reg) address, options(nomem, nostack)) }
    address
}

/// The calls that `entry.s` tries to have carried out without putting anything else away, as bits.
const PLAIN: u64 = 0x4010_0000_0001;
const _: () = assert!(
    PLAIN
        == 1 << Call::machine_version as u64
            | 1 << Call::signal_poll as u64
            | 1 << Call::clock_now as u64
);

/// Called by `entry.s` for plain calls. Returns whether it is answered.
// WHY: assembly finds it by name.
// SAFETY: no other symbol has this name.
#[unsafe(no_mangle)]
extern "C" fn trap_plain(frame: &mut Frame) -> u64 {
    u64::from(crate::run::called_plain(frame))
}

/// Called by `entry.s` for every other call, and for those. Returns whether the frame is to be left to as a whole.
// WHY: assembly finds it by name.
// SAFETY: no other symbol has this name.
#[unsafe(no_mangle)]
extern "C" fn trap_call(frame: &mut Frame) -> u64 {
    u64::from(crate::run::called(frame))
}

/// Called by `entry.s` for every other entry from a Task.
// WHY: assembly finds it by name.
// SAFETY: no other symbol has this name.
#[unsafe(no_mangle)]
extern "C" fn trap(frame: &mut Frame) {
    crate::run::entered(frame);
}

/// Called by `entry.s` when the kernel itself is interrupted: idle, or by its own fault.
// WHY: assembly finds it by name.
// SAFETY: no other symbol has this name.
#[unsafe(no_mangle)]
extern "C" fn trap_in_kernel(frame: &mut Frame) {
    match X86::cause(frame) {
        Trap::Fault { address, .. } => crate::run::die(format_args!(
            "fault {} (error {:#x}) at {:#x}, address {address:#x}",
            frame.vector, frame.error, frame.rip
        )),
        trap => crate::run::woken(trap),
    }
}
