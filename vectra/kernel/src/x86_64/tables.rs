//! What each processor is told once: segments, interrupt gates, where to enter.

use core::cell::UnsafeCell;
use core::mem::offset_of;

use core::arch::asm;

use super::{X86, write_msr};
use crate::run::CPUS_MAX;
use crate::seams::Processors;

const STACK_BYTES: usize = 32 * 1024;

/// What `entry.s` finds at gs, and what belongs to one processor alone.
#[repr(C, align(64))]
struct Block {
    stack_top: u64,
    scratch: u64,
    vectors: u64,
    number: u64,
    state: State,
    gdt: [u64; 7],
}

/// The hardware's task state: where interrupts from Tasks find a stack.
#[repr(C, packed(4))]
#[derive(Clone, Copy)]
struct State {
    reserved: u32,
    stacks: [u64; 3],
    reserved_too: u64,
    interrupt_stacks: [u64; 7],
    rest: [u32; 2],
    reserved_word: u16,
    io_map: u16,
}

/// An address and a length, as `lgdt` and `lidt` want them.
#[repr(C, packed(2))]
struct Pointer {
    limit: u16,
    base: u64,
}

#[repr(C, align(16))]
struct Stack(UnsafeCell<[u8; STACK_BYTES]>);

struct Blocks(UnsafeCell<[Block; CPUS_MAX]>);

// WHY: processors share these arrays, each its own element.
// SAFETY: element n is touched by processor n only, in `prepare` and `set_vectors`.
unsafe impl Sync for Blocks {}
// WHY: a stack is memory that the processor writes, not a value.
// SAFETY: no reference to its bytes is ever made.
unsafe impl Sync for Stack {}

const EMPTY: Block = Block {
    stack_top: 0,
    scratch: 0,
    vectors: 0,
    number: 0,
    state: State {
        reserved: 0,
        stacks: [0; 3],
        reserved_too: 0,
        interrupt_stacks: [0; 7],
        rest: [0; 2],
        reserved_word: 0,
        io_map: size_of::<State>() as u16,
    },
    gdt: [0; 7],
};

static BLOCKS: Blocks = Blocks(UnsafeCell::new([EMPTY; CPUS_MAX]));
static STACKS: [Stack; CPUS_MAX] = [const { Stack(UnsafeCell::new([0; STACK_BYTES])) }; CPUS_MAX];
/// Double faults and machine checks come here: they are always the end.
static LAST_STACK: Stack = Stack(UnsafeCell::new([0; STACK_BYTES]));

struct Gates(UnsafeCell<[[u64; 2]; 256]>);
// WHY: one table of gates serves all processors.
// SAFETY: only the first writes it, before the others start.
unsafe impl Sync for Gates {}
static GATES: Gates = Gates(UnsafeCell::new([[0; 2]; 256]));

unsafe extern "C" {
    static interrupt_stubs: u8;
    static syscall_entry: u8;
}

/// Vectors whose stack may be broken.
const LAST_STACK_VECTORS: [usize; 3] = [2, 8, 18];

fn block(processor: usize) -> *mut Block {
    BLOCKS.0.get().cast::<Block>().wrapping_add(processor)
}

/// Tells this processor everything.
pub fn prepare(processor: usize) {
    if processor == 0 {
        fill_gates();
    }
    let top = STACKS[processor].0.get() as u64 + STACK_BYTES as u64;
    let last = LAST_STACK.0.get() as u64 + STACK_BYTES as u64;
    let place = block(processor);
    // WHY: the block is read by assembly and by the processor.
    // SAFETY: this processor's own element, before it is used.
    unsafe {
        (*place).stack_top = top;
        (*place).number = processor as u64;
        (*place).state.stacks[0] = top;
        (*place).state.interrupt_stacks[0] = last;
        let state = &raw const (*place).state as u64;
        let limit = size_of::<State>() as u64 - 1;
        (*place).gdt = [
            0,
            0x00af_9a00_0000_ffff,
            0x00cf_9200_0000_ffff,
            0x00cf_f200_0000_ffff,
            0x00af_fa00_0000_ffff,
            limit | (state & 0xff_ffff) << 16 | 0x89 << 40 | (state >> 24 & 0xff) << 56,
            state >> 32,
        ];
        let gdt = Pointer { limit: 7 * 8 - 1, base: place as u64 + offset_of!(Block, gdt) as u64 };
        let gates = Pointer { limit: 256 * 16 - 1, base: GATES.0.get() as u64 };
        asm!(
            "lgdt [{gdt}]", "lidt [{gates}]", "ltr {state:x}",
            "mov fs, {zero:e}", "mov gs, {zero:e}",
            gdt = in(reg) &gdt, gates = in(reg) &gates, state = in(reg) 0x28u64, zero = in(reg) 0u64,
            options(nostack)
        );
    }
    // While the kernel runs, gs leads to the block; while a Task runs, the other register does.
    write_msr(0xc000_0101, place as u64);
    write_msr(0xc000_0102, 0);
    write_msr(0xc000_0081, 0x08 << 32 | 0x10 << 48);
    write_msr(0xc000_0082, &raw const syscall_entry as u64);
    // Direction, interrupts, single-step, nested task and alignment check are off in the kernel.
    write_msr(0xc000_0084, 0x4_4700);
}

fn fill_gates() {
    let stubs = &raw const interrupt_stubs as u64;
    for vector in 0..256 {
        let entry = stubs + vector as u64 * 16;
        let stack = u64::from(LAST_STACK_VECTORS.contains(&vector));
        // Breakpoints are for Tasks to call; everything else is not.
        let caller = if vector == 3 { 0xee00 } else { 0x8e00 };
        let low =
            entry & 0xffff | 0x08 << 16 | stack << 32 | caller << 32 | (entry >> 16 & 0xffff) << 48;
        // WHY: the table is read by the processor.
        // SAFETY: before any other processor runs, with interrupts off.
        unsafe { (*GATES.0.get())[vector] = [low, entry >> 32] }
    }
}

/// Says where the entry code finds and puts vector registers.
pub fn set_vectors(area: *mut u8) {
    let place = block(X86::this());
    // WHY: assembly reads this field.
    // SAFETY: this processor's own element.
    unsafe { (*place).vectors = area as u64 }
}

impl Processors for X86 {
    fn this() -> usize {
        let number: u64;
        // WHY: the block of this processor is only known to the processor.
        // SAFETY: `prepare` has set gs; before that it is zero only on the first processor, which
        // does not ask (it says 0 below).
        unsafe { asm!("mov {}, gs:[24]", out(reg) number, options(nostack, readonly)) }
        number as usize
    }

    fn start_others() {
        super::apic::start_others();
    }
}
