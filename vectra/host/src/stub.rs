//! The smallest Linux program: one page with a `syscall` and a breakpoint, and no stack of its own.
//!
//! A Task begins as this, is emptied by its own supervisor, and keeps the one page, through which
//! it can still do nothing: its calls never reach Linux.

use vectra_abi::PAGE_BYTES;

/// Where the page lies: far outside every Task's window.
pub const AT: u64 = 0x7000_0000_0000;

/// Where the `syscall` instruction is.
pub const SYSCALL_AT: u64 = AT + CODE_AT as u64;

const HEADER_LEN: usize = 64;
const PROGRAM_LEN: usize = 56;
const CODE_AT: usize = HEADER_LEN + PROGRAM_LEN;
const CODE: [u8; 3] = [0x0f, 0x05, 0xcc];

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
    let length = (CODE_AT + CODE.len()) as u64;
    for word in [0, AT, AT, length, length, PAGE_BYTES] {
        file.extend(word.to_le_bytes());
    }
    file.extend(CODE);
    file
}
