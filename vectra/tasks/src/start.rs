//! The first instructions of a Task, its last words, and the routines that compilers call.
#![expect(unsafe_code, reason = "the linker finds these by name")]

use core::arch::global_asm;
use core::fmt::Write;

use vectra_rt::call;

global_asm!(
    ".global vectra_start",
    "vectra_start:",
    "xor %ebp, %ebp",
    "and $-16, %rsp",
    "call vectra_main",
    "ud2",
    ".global memcpy",
    "memcpy:",
    "mov %rdi, %rax",
    "mov %rdx, %rcx",
    "shr $3, %rcx",
    "rep movsq",
    "mov %edx, %ecx",
    "and $7, %ecx",
    "rep movsb",
    "ret",
    ".global memmove",
    "memmove:",
    "mov %rdi, %rax",
    "mov %rdx, %rcx",
    "mov %rdi, %r8",
    "sub %rsi, %r8",
    "cmp %rdx, %r8",
    "jae memcpy",
    "lea -1(%rdi,%rdx), %rdi",
    "lea -1(%rsi,%rdx), %rsi",
    "std",
    "rep movsb",
    "cld",
    "ret",
    ".global memset",
    "memset:",
    "mov %rdi, %r8",
    "mov %esi, %eax",
    "mov %rdx, %rcx",
    "rep stosb",
    "mov %r8, %rax",
    "ret",
    ".global memcmp",
    ".global bcmp",
    "memcmp:",
    "bcmp:",
    "xor %eax, %eax",
    "xor %ecx, %ecx",
    "4:",
    "cmp %rdx, %rcx",
    "je 5f",
    "movzbl (%rdi,%rcx), %eax",
    "movzbl (%rsi,%rcx), %r8d",
    "inc %rcx",
    "sub %r8d, %eax",
    "je 4b",
    "5:",
    "ret",
    options(att_syntax)
);

/// What a Task exits with when it panics.
const PANICKED: u64 = 101;

#[panic_handler]
fn panicked(info: &core::panic::PanicInfo<'_>) -> ! {
    if let Some(mut out) = crate::say::console() {
        // A Task without a console dies in silence; its supervisor sees the code.
        let _ = writeln!(out, "panic: {info}");
    }
    loop {
        // Ending is never refused; the loop is for the compiler.
        let _ = call::task_exit(PANICKED);
    }
}
