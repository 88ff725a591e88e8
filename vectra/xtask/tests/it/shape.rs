//! What the kernel's file may not contain, and what its own memory may not do.

use std::process::Command;

use vectra_image::Qemu;

use crate::bench::{boot, built, machine};

fn symbols() -> String {
    let out = Command::new("nm").arg(&built().kernel).output().expect("binutils are installed");
    String::from_utf8(out.stdout).expect("nm writes text")
}

#[test]
fn the_kernel_has_no_allocator() {
    let symbols = symbols();
    assert!(symbols.contains("pvh_start"), "nm shows the kernel's symbols");
    for word in ["__rust_alloc", "__rg_alloc", "malloc", "exchange_malloc"] {
        assert!(!symbols.contains(word), "the kernel contains {word}");
    }
}

#[test]
fn the_kernels_own_memory_is_written_or_executed() {
    // Error codes of a page fault: 1 the page is there, 2 a write, 0x10 a fetch.
    for (attempt, error) in [
        ("write-text", "0x3"),
        ("write-rodata", "0x3"),
        ("write-text-as-data", "0x3"),
        ("run-data", "0x11"),
        ("run-text-as-data", "0x11"),
        ("run-below", "0x10"),
    ] {
        let words = format!("attempt={attempt}");
        let Some(ran) = boot(&Qemu { words, ..machine("") }, "") else { return };
        let want = format!("KPANIC processor 0: fault 14 (error {error})");
        assert!(ran.console.contains(&want), "{attempt}: {}", ran.console);
    }
    let words = "attempt=nothing".to_owned();
    let Some(ran) = boot(&Qemu { words, ..machine("") }, "") else { return };
    assert!(ran.console.contains("nothing was allowed"), "{}", ran.console);
}

#[test]
fn the_kernel_reckons_without_floating_point() {
    let mut objdump = Command::new("objdump");
    let out = objdump.args(["-d", "--no-show-raw-insn"]).arg(&built().kernel).output();
    let out = out.expect("binutils are installed");
    let text = String::from_utf8(out.stdout).expect("objdump writes text");
    let words =
        ["addss", "addsd", "mulss", "mulsd", "divss", "divsd", "cvtsi2", "cvttsd", "fld", "fadd"];
    // Address, then the instruction: an address may well read `fadd`.
    let is_one = |line: &&str| {
        let instruction = line.split('\t').nth(1).unwrap_or_default();
        words.iter().any(|word| instruction.starts_with(word))
    };
    let found: Vec<_> = text.lines().filter(is_one).collect();
    assert!(text.contains("trap_call") && found.is_empty(), "{found:#?}");
}
