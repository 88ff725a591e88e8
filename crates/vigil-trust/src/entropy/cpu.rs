//! The processor's own source: RDSEED, where it has one.
#![allow(
    unsafe_code,
    reason = "the instruction may only be used where the processor has it, which is checked here"
)]

/// Fills `bytes` from RDSEED and says how many were filled: none where there is no such instruction,
/// fewer where it stayed dry.
#[cfg(target_arch = "x86_64")]
pub(super) fn seed(bytes: &mut [u8]) -> usize {
    if !is_present() {
        return 0;
    }
    let mut filled = 0;
    for chunk in bytes.chunks_mut(8) {
        // WHY: there is no safe call for an instruction that not every processor has.
        // SAFETY: RDSEED was found to be present just above, and it touches nothing but a register.
        let Some(word) = (unsafe { draw() }) else { break };
        chunk.copy_from_slice(&word.to_le_bytes()[..chunk.len()]);
        filled += chunk.len();
    }
    filled
}

/// CPUID leaf 7, EBX bit 18 (Intel's manual, volume 2, CPUID).
#[cfg(target_arch = "x86_64")]
fn is_present() -> bool {
    use core::arch::x86_64::{__cpuid, __cpuid_count};
    __cpuid(0).eax >= 7 && __cpuid_count(7, 0).ebx & (1 << 18) != 0
}

/// How often a dry source is asked again; Intel's guide says that it refills within microseconds.
#[cfg(target_arch = "x86_64")]
const TRIES: usize = 1000;

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "rdseed")]
fn draw() -> Option<u64> {
    for _ in 0..TRIES {
        let mut word = 0;
        if core::arch::x86_64::_rdseed64_step(&mut word) == 1 {
            return Some(word);
        }
        core::hint::spin_loop();
    }
    None
}

/// Other processors have no source that this build knows.
#[cfg(not(target_arch = "x86_64"))]
pub(super) fn seed(_: &mut [u8]) -> usize {
    0
}
