//! x86_64 behind the seams: QEMU's q35 machine, entered by PVH.
#![expect(unsafe_code, reason = "this is where the processor is touched")]

mod apic;
mod boot;
mod context;
mod devices;
mod image;
mod paging;
mod tables;

use core::arch::{asm, global_asm};

use crate::seams::{Fences, MemoryModel, Physical};

global_asm!(include_str!("boot.s"), options(att_syntax));
global_asm!(include_str!("entry.s"), options(att_syntax));

/// This architecture.
pub struct X86;

/// Where all memory and the devices are seen, as data.
const DIRECT_MAP: u64 = 0xffff_8000_0000_0000;

/// Where the kernel's own image is seen.
const KERNEL_BASE: u64 = 0xffff_ffff_8000_0000;

impl MemoryModel for X86 {
    fn page(page: Physical) -> *mut u8 {
        assert!(page.0 < image::MEMORY_END / 4096, "the direct map ends at 512 GiB");
        (DIRECT_MAP + page.0 * 4096) as *mut u8
    }
}

impl Fences for X86 {
    fn relax() {
        core::hint::spin_loop();
    }
}

/// Writes a model-specific register.
fn write_msr(register: u32, value: u64) {
    // WHY: there is no other way to these registers.
    // SAFETY: callers write addresses of this kernel's own tables and stacks.
    unsafe {
        asm!("wrmsr", in("ecx") register, in("eax") value as u32, in("edx") (value >> 32) as u32,
            options(nostack, preserves_flags));
    }
}

/// Writes a byte to a port.
fn out8(port: u16, value: u8) {
    // WHY: the serial line, the old interrupt controller and the exit device are behind ports.
    // SAFETY: those ports do not touch memory.
    unsafe { asm!("out dx, al", in("dx") port, in("al") value, options(nomem, nostack)) }
}

/// Reads a byte from a port.
fn in8(port: u16) -> u8 {
    let value: u8;
    // WHY: as for `out8`.
    // SAFETY: as for `out8`.
    unsafe { asm!("in al, dx", in("dx") port, out("al") value, options(nomem, nostack)) }
    value
}

/// A device register in the direct map.
fn register(physical: u64) -> *mut u32 {
    (DIRECT_MAP + physical) as *mut u32
}

fn read_register(physical: u64) -> u32 {
    // WHY: devices are read by volatile loads.
    // SAFETY: callers name registers of the APICs and the HPET, mapped uncached at boot.
    unsafe { register(physical).read_volatile() }
}

fn write_register(physical: u64, value: u32) {
    // WHY: devices are told by volatile stores.
    // SAFETY: as in `read_register`.
    unsafe { register(physical).write_volatile(value) }
}
