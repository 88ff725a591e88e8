//! What the kernel's file may not contain.

use std::process::Command;

use crate::bench::built;

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
