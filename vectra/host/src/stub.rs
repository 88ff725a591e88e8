//! The smallest Linux program: one page with a `syscall`, a breakpoint and a filter of calls, and no
//! stack of its own.
//!
//! A Task begins as this, is emptied by its own supervisor, and keeps the one page, through which
//! it can still do nothing: its calls never reach Linux.

use vectra_abi::PAGE_BYTES;

/// Where the page lies: far outside every Task's window.
pub const AT: u64 = 0x7000_0000_0000;

/// Where the `syscall` instruction is.
pub const SYSCALL_AT: u64 = AT + CODE_AT as u64;

/// Where the description of the filter is.
pub const FILTER_AT: u64 = AT + DESCRIPTION_AT as u64;

const HEADER_LEN: usize = 64;
const PROGRAM_LEN: usize = 56;
const CODE_AT: usize = HEADER_LEN + PROGRAM_LEN;
const CODE: [u8; 8] = [0x0f, 0x05, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc];
const RULES_AT: usize = CODE_AT + CODE.len();
const DESCRIPTION_AT: usize = RULES_AT + RULES.len() * 8;

/// What the process may ever ask of Linux: to map and to unmap. No Task gets as far as this, since
/// its calls stop it before; if one did, it would end. Each rule: operation, jump if true, jump if
/// false, operand (Linux, `Documentation/userspace-api/seccomp_filter.rst`).
const RULES: [(u16, u8, u8, u32); 7] = [
    (LOAD, 0, 0, 4), // the architecture
    (IF_EQUAL, 0, 4, 0xc000_003e),
    (LOAD, 0, 0, 0), // the call
    (IF_EQUAL, 1, 0, libc::SYS_mmap as u32),
    (IF_EQUAL, 0, 1, libc::SYS_munmap as u32),
    (RETURN, 0, 0, libc::SECCOMP_RET_ALLOW),
    (RETURN, 0, 0, libc::SECCOMP_RET_KILL_PROCESS),
];
const LOAD: u16 = 0x20;
const IF_EQUAL: u16 = 0x15;
const RETURN: u16 = 0x06;

/// Returns the program's file.
pub fn file() -> Vec<u8> {
    let mut file = vec![0x7f, b'E', b'L', b'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let half = |file: &mut Vec<u8>, value: u16| file.extend(value.to_le_bytes());
    half(&mut file, 2); // executable
    half(&mut file, 62); // x86_64
    file.extend(1u32.to_le_bytes());
    for word in [SYSCALL_AT, HEADER_LEN as u64, 0] {
        file.extend(word.to_le_bytes());
    }
    file.extend(0u32.to_le_bytes());
    for value in [HEADER_LEN as u16, PROGRAM_LEN as u16, 1, 0, 0, 0] {
        half(&mut file, value);
    }
    file.extend(1u32.to_le_bytes());
    file.extend(5u32.to_le_bytes());
    let length = (DESCRIPTION_AT + 16) as u64;
    for word in [0, AT, AT, length, length, PAGE_BYTES] {
        file.extend(word.to_le_bytes());
    }
    file.extend(CODE);
    for (operation, yes, no, operand) in RULES {
        half(&mut file, operation);
        file.extend([yes, no]);
        file.extend(operand.to_le_bytes());
    }
    file.extend((RULES.len() as u64).to_le_bytes());
    file.extend((AT + RULES_AT as u64).to_le_bytes());
    file
}
