//! What every Task's process has beside its window: one page of code that Linux enters for the Task's
//! calls, faults and interruptions, and that asks the supervisor what to do.
//!
//! The page is no boundary. A Task may jump to any of its instructions with any registers; what comes
//! of it is a call to Linux from this page, and every such call waits, in Linux, until the supervisor
//! has looked at it. So the page is trusted for nothing but its own Task's comfort.
//!
//! Invariants:
//! - no instruction here reads what the Task could not read, or writes but to its own stack;
//! - a process whose call has been received stands still until it is answered.
#![expect(unsafe_code, reason = "signals are entered and left in assembly")]

use std::arch::global_asm;

use vectra_abi::PAGE_BYTES;

/// Where the page lies: far outside every Task's window. The filter looks at its two halves.
pub const AT: u64 = 0x7000_0000_0000;

/// The page that only the supervisor writes: answers and orders.
pub const SLOT_AT: u64 = AT + PAGE_BYTES;

/// Where signals are handled.
pub const STACK_AT: u64 = AT + 0x10_0000;
/// Linux puts all of a processor's registers there, up to three times.
pub const STACK_BYTES: u64 = 0x1_0000;

/// The end of what a Task's process keeps.
pub const END: u64 = STACK_AT + STACK_BYTES;

/// The signal that interrupts a Task.
pub const INTERRUPT: i32 = libc::SIGUSR1;

/// Every signal that the page handles.
pub const SIGNALS: [i32; 7] = [
    libc::SIGSYS,
    libc::SIGSEGV,
    libc::SIGBUS,
    libc::SIGILL,
    libc::SIGFPE,
    libc::SIGTRAP,
    INTERRUPT,
];

/// Added to the number of a Task's call, so that it is never one of Linux's.
const CALL_BASE: i32 = 0x1_0000;
/// Numbers beyond all that a call can have; they all mean the same.
const NUMBER_MAX: u64 = 0xffff;

/// Words of the slot: an answer or where to enter, then an order.
pub const ANSWER_AT: usize = 0;
const ORDER_AT: usize = 64;

/// What the supervisor answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i64)]
pub enum Command {
    /// Go on behind a call, with the words in the slot.
    Answer = 0,
    /// Carry out the order in the slot, and say how it went.
    Order = 1,
    /// Go on with all registers as they were.
    Restore = 2,
    /// The same, at the instruction that the slot names.
    Jump = 3,
    /// Begin at the slot's entry, with its stack, and with nothing in any register.
    Enter = 4,
}

/// What a process asks of the supervisor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// Its Task has made a call: number and words.
    Call(u64, [u64; 6]),
    /// A signal: number, detail, address, and the instruction.
    Signal(i32, i32, u64, u64),
    /// It is about to carry this out, for which it needs to be let.
    Order(u64, [u64; 6]),
    /// It has carried out an order, with this result.
    Done(u64),
    /// Something that the page does not do by itself.
    Astray,
}

// Registers in what Linux saves (`asm/sigcontext.h`), which %rbx points to.
global_asm!(
    ".pushsection .rodata.vectra_shim, \"a\", @progbits",
    ".balign 16",
    ".global vectra_shim_start, vectra_shim_handler, vectra_shim_call, vectra_shim_event",
    ".global vectra_shim_order, vectra_shim_done, vectra_shim_end",
    "vectra_shim_start:",
    // The first process: what will be other processes' is mapped by the supervisor's orders, and
    // for these the slot has to be there.
    "    movl $9, %eax",
    "    movabs ${slot}, %rdi",
    "    movl ${page}, %esi",
    "    movl $1, %edx", // read
    "    movl $0x11, %r10d", // shared, fixed
    "    movl .Lvectra_pool(%rip), %r8d",
    "    movq .Lvectra_offset(%rip), %r9",
    "    syscall",
    "    cmpq %rdi, %rax",
    "    jne 2f",
    "    movl $317, %eax", // seccomp
    "    movl $1, %edi", // a filter
    "    movl ${flags}, %esi",
    "    leaq .Lvectra_filter(%rip), %rdx",
    "    movw .Lvectra_rules(%rip), %cx",
    "    subq $16, %rsp",
    "    movw %cx, (%rsp)",
    "    movq %rdx, 8(%rsp)",
    "    movq %rsp, %rdx",
    "    syscall",
    "    testl %eax, %eax",
    "    js 2f",
    // The listener goes to the supervisor: one message of a byte with one descriptor.
    "    subq $128, %rsp",
    "    movq $20, (%rsp)",
    "    movl $1, 8(%rsp)", // SOL_SOCKET
    "    movl $1, 12(%rsp)", // SCM_RIGHTS
    "    movl %eax, 16(%rsp)",
    "    movq %rsp, 96(%rsp)",
    "    movq $1, 104(%rsp)",
    "    movq $0, 32(%rsp)",
    "    movq $0, 40(%rsp)",
    "    leaq 96(%rsp), %rax",
    "    movq %rax, 48(%rsp)",
    "    movq $1, 56(%rsp)",
    "    movq %rsp, 64(%rsp)",
    "    movq $24, 72(%rsp)",
    "    movq $0, 80(%rsp)",
    "    movl $46, %eax", // sendmsg
    "    movl .Lvectra_socket(%rip), %edi",
    "    leaq 32(%rsp), %rsi",
    "    xorl %edx, %edx",
    "    syscall",
    "    jmp 5f",
    "2:  negl %eax",
    "    movl %eax, %edi",
    "    movl $231, %eax", // exit_group
    "    syscall",
    "    ud2",
    //
    "vectra_shim_handler:",
    "    movq %rdx, %rbx",
    "    cmpl $31, %edi", // SIGSYS
    "    jne 3f",
    "    cmpl $0xc000003e, 28(%rsi)", // made the one way that there is
    "    jne 3f",
    "    movq 144(%rbx), %rax",
    "    movl ${number_max}, %ecx",
    "    cmpq %rcx, %rax",
    "    cmovaq %rcx, %rax",
    "    addl ${call_base}, %eax",
    "    movq 104(%rbx), %rdi",
    "    movq 112(%rbx), %rsi",
    "    movq 136(%rbx), %rdx",
    "    movq 56(%rbx), %r10",
    "    movq 40(%rbx), %r8",
    "    movq 48(%rbx), %r9",
    "    syscall",
    "vectra_shim_call:",
    "    jmp 6f",
    "3:  movq 16(%rsi), %rdx",
    "    movslq 8(%rsi), %rsi",
    "    movq 168(%rbx), %r10",
    "    xorl %eax, %eax",
    "    syscall",
    "vectra_shim_event:",
    "    jmp 6f",
    //
    "4:  movabs ${order}, %r12",
    "    movq (%r12), %rax",
    "    movq 8(%r12), %rdi",
    "    movq 16(%r12), %rsi",
    "    movq 24(%r12), %rdx",
    "    movq 32(%r12), %r10",
    "    movq 40(%r12), %r8",
    "    movq 48(%r12), %r9",
    "    syscall",
    "vectra_shim_order:",
    "5:  movq %rax, %rdi",
    "    xorl %eax, %eax",
    "    syscall",
    "vectra_shim_done:",
    //
    "6:  cmpl $1, %eax",
    "    je 4b",
    "    ja 7f",
    // Behind a call. Wide registers count as lost: they are clear.
    "    movabs ${slot}, %r12",
    "    movq 224(%rbx), %rcx",
    "    fxrstor64 (%rcx)",
    "    .irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15",
    "    xorps %xmm\\n, %xmm\\n",
    "    .endr",
    "    movq (%r12), %rax",
    "    movq 8(%r12), %rdi",
    "    movq 16(%r12), %rsi",
    "    movq 24(%r12), %rdx",
    "    movq 32(%r12), %r10",
    "    movq 40(%rbx), %r8",
    "    movq 48(%rbx), %r9",
    "    pushq 176(%rbx)",
    "    popfq",
    "    movq %rbx, %r11",
    "    movq 72(%r11), %r12",
    "    movq 128(%r11), %rbx",
    "    movq 168(%r11), %rcx",
    // From here on the next signal may write over what was saved; nothing of it is needed.
    "    movq 160(%r11), %rsp",
    "    jmpq *%rcx",
    //
    "7:  cmpl $3, %eax",
    "    ja 8f",
    "    jb 1f",
    "    movabs ${slot}, %rcx",
    "    movq (%rcx), %rcx",
    "    movq %rcx, 168(%rbx)",
    "1:  movq 224(%rbx), %rcx",
    "    movl 472(%rcx), %eax", // which registers Linux has saved
    "    movl 476(%rcx), %edx",
    "    xrstor64 (%rcx)",
    "    movl %ss, %eax",
    "    pushq %rax",
    "    pushq 160(%rbx)",
    "    pushq 176(%rbx)",
    "    movl %cs, %eax",
    "    pushq %rax",
    "    pushq 168(%rbx)",
    "    movq 40(%rbx), %r8",
    "    movq 48(%rbx), %r9",
    "    movq 56(%rbx), %r10",
    "    movq 64(%rbx), %r11",
    "    movq 72(%rbx), %r12",
    "    movq 80(%rbx), %r13",
    "    movq 88(%rbx), %r14",
    "    movq 96(%rbx), %r15",
    "    movq 104(%rbx), %rdi",
    "    movq 112(%rbx), %rsi",
    "    movq 120(%rbx), %rbp",
    "    movq 136(%rbx), %rdx",
    "    movq 144(%rbx), %rax",
    "    movq 152(%rbx), %rcx",
    "    movq 128(%rbx), %rbx",
    "    iretq",
    //
    "8:  cmpl $4, %eax",
    "    ja 9f",
    "    movabs ${stack_end}, %rsp",
    "    movabs ${slot}, %rcx",
    "    movl %ss, %eax",
    "    pushq %rax",
    "    pushq 8(%rcx)",
    "    pushq $0x202",
    "    movl %cs, %eax",
    "    pushq %rax",
    "    pushq (%rcx)",
    "    .irp r, eax,ebx,ecx,edx,esi,edi,ebp,r8d,r9d,r10d,r11d,r12d,r13d,r14d,r15d",
    "    xorl %\\r, %\\r",
    "    .endr",
    "    iretq",
    // Nobody answers any more: Linux ends this process together with its supervisor.
    "9:  pause",
    "    jmp 9b",
    //
    "    .balign 8",
    ".global vectra_shim_variables",
    "vectra_shim_variables:",
    ".Lvectra_offset: .quad 0",
    ".Lvectra_pool: .long 0",
    ".Lvectra_socket: .long 0",
    ".Lvectra_rules: .quad 0",
    ".Lvectra_filter:",
    "vectra_shim_end:",
    ".popsection",
    slot = const SLOT_AT,
    order = const SLOT_AT + ORDER_AT as u64,
    stack_end = const END,
    page = const PAGE_BYTES,
    flags = const libc::SECCOMP_FILTER_FLAG_NEW_LISTENER
        | libc::SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV,
    number_max = const NUMBER_MAX,
    call_base = const CALL_BASE,
    options(att_syntax)
);

// WHY: the labels of the assembly above.
// SAFETY: it defines every one of them; only their addresses are used, but for what `code` reads.
unsafe extern "C" {
    static vectra_shim_start: u8;
    static vectra_shim_handler: u8;
    static vectra_shim_call: u8;
    static vectra_shim_event: u8;
    static vectra_shim_order: u8;
    static vectra_shim_done: u8;
    static vectra_shim_variables: u8;
    static vectra_shim_end: u8;
}

/// Returns a label's place in the code.
fn place(label: *const u8) -> usize {
    label.addr() - (&raw const vectra_shim_start).addr()
}

/// Returns a label's address in a process.
fn address(label: *const u8) -> u64 {
    AT + (CODE_AT + place(label)) as u64
}

/// Returns the code, up to the filter.
fn code() -> &'static [u8] {
    // WHY: assembly has no Rust type.
    // SAFETY: start and end are the first byte and the one behind the last of one section's constant
    // bytes.
    unsafe {
        let start = &raw const vectra_shim_start;
        std::slice::from_raw_parts(start, place(&raw const vectra_shim_end))
    }
}

/// Reads what a process asks, out of what Linux says of its call.
pub fn cause(data: &libc::seccomp_data) -> Cause {
    let number = i64::from(data.nr);
    match data.instruction_pointer {
        at if at == address(&raw const vectra_shim_call) => {
            // What is below the base comes from a Task that has jumped here; no call has its number.
            let number = u64::try_from(number - i64::from(CALL_BASE));
            Cause::Call(number.unwrap_or(NUMBER_MAX), data.args)
        }
        at if at == address(&raw const vectra_shim_event) => {
            let [signal, detail, address, program_counter, ..] = data.args;
            Cause::Signal(signal as i32, detail as i32, address, program_counter)
        }
        at if at == address(&raw const vectra_shim_order) => Cause::Order(number as u64, data.args),
        at if at == address(&raw const vectra_shim_done) => Cause::Done(data.args[0]),
        _ => Cause::Astray,
    }
}

/// Returns an order as the slot holds it, and where.
pub fn order(number: u64, words: [u64; 6]) -> (usize, Vec<u8>) {
    let words = std::iter::once(number).chain(words);
    (ORDER_AT, words.flat_map(u64::to_le_bytes).collect())
}

/// What the first process has to know.
#[derive(Clone, Copy, Debug)]
pub struct Variables {
    /// The pool's descriptor.
    pub pool: i32,
    /// Where in the pool the first slot lies.
    pub slot: u64,
    /// The socket through which the listener goes.
    pub socket: i32,
}

const LOAD: u16 = 0x20;
const IF_EQUAL: u16 = 0x15;
const IF_AT_LEAST: u16 = 0x35;
const RETURN: u16 = 0x06;

/// What Linux does with a process's calls. Each rule: operation, jump if true, jump if false, operand
/// (Linux, `Documentation/userspace-api/seccomp_filter.rst`). A call from the page waits for the
/// supervisor; any other becomes a signal, as dispatching would make it. One is let through: the
/// message that hands over the listener, through a socket that is closed before there is a Task.
fn filter(socket: i32) -> [(u16, u8, u8, u32); 13] {
    let (high, low) = ((AT >> 32) as u32, AT as u32);
    [
        (LOAD, 0, 0, 4), // the architecture
        (IF_EQUAL, 0, 10, 0xc000_003e),
        (LOAD, 0, 0, 12), // the instruction
        (IF_EQUAL, 0, 8, high),
        (LOAD, 0, 0, 8),
        (IF_AT_LEAST, 6, 0, low + PAGE_BYTES as u32),
        (LOAD, 0, 0, 0), // the call
        (IF_EQUAL, 0, 3, libc::SYS_sendmsg as u32),
        (LOAD, 0, 0, 16), // its first word
        (IF_EQUAL, 0, 1, socket as u32),
        (RETURN, 0, 0, libc::SECCOMP_RET_ALLOW),
        (RETURN, 0, 0, libc::SECCOMP_RET_USER_NOTIF),
        (RETURN, 0, 0, libc::SECCOMP_RET_TRAP),
    ]
}

const _: () = assert!(AT as u32 == 0, "the filter compares with the page's end only");

const HEADER_LEN: usize = 64;
const PROGRAM_LEN: usize = 56;
const CODE_AT: usize = HEADER_LEN + PROGRAM_LEN + 8;
/// Structures that Linux reads when it is told of handlers and their stack.
const STRUCTURES_AT: usize = PAGE_BYTES as usize - 64;
const ACTION_AT: usize = STRUCTURES_AT;
const STACK_STRUCTURE_AT: usize = ACTION_AT + 32;

/// Where the description of a handler is (`struct kernel_sigaction`).
pub const ACTION: u64 = AT + ACTION_AT as u64;
/// Where the description of its stack is (`stack_t`).
pub const STACK: u64 = AT + STACK_STRUCTURE_AT as u64;

/// Returns the first process's program: one page.
pub fn file(variables: Variables) -> Vec<u8> {
    let mut file = vec![0x7f, b'E', b'L', b'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let half = |file: &mut Vec<u8>, value: u16| file.extend(value.to_le_bytes());
    half(&mut file, 2); // executable
    half(&mut file, 62); // x86_64
    file.extend(1u32.to_le_bytes());
    for word in [AT + CODE_AT as u64, HEADER_LEN as u64, 0] {
        file.extend(word.to_le_bytes());
    }
    file.extend(0u32.to_le_bytes());
    for value in [HEADER_LEN as u16, PROGRAM_LEN as u16, 1, 0, 0, 0] {
        half(&mut file, value);
    }
    file.extend(1u32.to_le_bytes());
    file.extend(5u32.to_le_bytes());
    for word in [0, AT, AT, PAGE_BYTES, PAGE_BYTES, PAGE_BYTES] {
        file.extend(word.to_le_bytes());
    }
    file.resize(CODE_AT, 0);
    let rules = filter(variables.socket);
    file.extend(&code()[..place(&raw const vectra_shim_variables)]);
    file.extend(variables.slot.to_le_bytes());
    file.extend(variables.pool.to_le_bytes());
    file.extend(variables.socket.to_le_bytes());
    file.extend((rules.len() as u64).to_le_bytes());
    for (operation, yes, no, operand) in rules {
        half(&mut file, operation);
        file.extend([yes, no]);
        file.extend(operand.to_le_bytes());
    }
    assert!(file.len() <= STRUCTURES_AT, "the page holds it all");
    file.resize(STRUCTURES_AT, 0);
    // A handler may be interrupted by another signal, and none is left by `rt_sigreturn`: so nothing
    // ever changes which signals a process hears.
    let flags = libc::SA_SIGINFO | libc::SA_ONSTACK | libc::SA_NODEFER | libc::SA_RESTART;
    let restorer = 0x0400_0000; // without one Linux enters no handler
    let handler = address(&raw const vectra_shim_handler);
    for word in [handler, flags as u64 | restorer, AT, 0, STACK_AT, 0, STACK_BYTES, 0] {
        file.extend(word.to_le_bytes());
    }
    file
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOCKET: i32 = 7;
    const X86_64: u32 = 0xc000_003e;

    /// Does what Linux does with the filter: these five operations, on four bytes at a time.
    fn decide(arch: u32, number: i32, at: u64, first: u64) -> u32 {
        let mut data = [0u8; 64];
        data[..4].copy_from_slice(&number.to_le_bytes());
        data[4..8].copy_from_slice(&arch.to_le_bytes());
        data[8..16].copy_from_slice(&at.to_le_bytes());
        data[16..24].copy_from_slice(&first.to_le_bytes());
        let rules = filter(SOCKET);
        let (mut next, mut loaded) = (0, 0);
        loop {
            let (operation, yes, no, operand) = rules[next];
            let holds = match operation {
                LOAD => {
                    let word = data[operand as usize..].first_chunk().expect("inside the data");
                    loaded = u32::from_le_bytes(*word);
                    true
                }
                IF_EQUAL => loaded == operand,
                IF_AT_LEAST => loaded >= operand,
                RETURN => return operand,
                other => panic!("Linux would refuse operation {other:#x}"),
            };
            next += 1 + usize::from(if holds { yes } else { no });
        }
    }

    #[test]
    fn a_call_from_the_page_waits_and_any_other_is_a_signal() {
        use libc::{SECCOMP_RET_TRAP as TRAP, SECCOMP_RET_USER_NOTIF as WAIT};
        for number in [0, 9, 11, 15, 46, 231, 0x1_0000, -1] {
            for at in [AT, AT + 0x80, AT + PAGE_BYTES - 1] {
                assert_eq!(decide(X86_64, number, at, 0), WAIT, "{number} at {at:#x}");
                assert_eq!(decide(0x4000_0003, number, at, 0), TRAP, "32 bits, {number}");
            }
            for at in [0x40_1000, AT - 1, AT + PAGE_BYTES, AT + (1 << 32), 0xffff_ffff_ff60_0000] {
                assert_eq!(decide(X86_64, number, at, SOCKET as u64), TRAP, "{number} at {at:#x}");
            }
        }
    }

    #[test]
    fn only_the_one_message_is_let_through() {
        let sendmsg = libc::SYS_sendmsg as i32;
        let at = AT + 0x80;
        assert_eq!(decide(X86_64, sendmsg, at, SOCKET as u64), libc::SECCOMP_RET_ALLOW);
        assert_eq!(decide(X86_64, sendmsg + 1, at, SOCKET as u64), libc::SECCOMP_RET_USER_NOTIF);
    }

    #[test]
    fn what_is_asked_shows_in_where_it_is_asked() {
        let asked = |label: *const u8, nr| {
            let instruction_pointer = address(label);
            cause(&libc::seccomp_data { nr, arch: X86_64, instruction_pointer, args: [7; 6] })
        };
        let call = &raw const vectra_shim_call;
        assert_eq!(asked(call, CALL_BASE + 46), Cause::Call(46, [7; 6]));
        // Jumped to, with a number that the handler would never have made of any.
        assert_eq!(asked(call, 46), Cause::Call(NUMBER_MAX, [7; 6]));
        assert_eq!(asked(&raw const vectra_shim_event, 0), Cause::Signal(7, 7, 7, 7));
        assert_eq!(asked(&raw const vectra_shim_order, 9), Cause::Order(9, [7; 6]));
        assert_eq!(asked(&raw const vectra_shim_done, 0), Cause::Done(7));
        assert_eq!(asked(&raw const vectra_shim_handler, 0), Cause::Astray);
    }

    #[test]
    fn the_program_is_one_page_and_every_call_in_it_has_its_label() {
        let page = file(Variables { pool: 3, slot: 0, socket: SOCKET });
        assert_eq!(page.len() as u64, PAGE_BYTES);
        // Four of them ask while there are Tasks; the others are behind the first process.
        let calls = code().windows(2).filter(|bytes| *bytes == [0x0f, 0x05]).count();
        assert_eq!(calls, 8);
    }
}
