//! The call instruction.
#![expect(unsafe_code, reason = "a call is an instruction that the compiler does not know")]

use core::arch::asm;

use vectra_abi::Status;

/// A status and four words.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Words {
    /// How it ended.
    pub status: u64,
    /// Results, or the parts of a refusal.
    pub words: [u64; 4],
}

/// Makes one call, with any number and any words, and goes on with it until it is finished.
#[inline]
pub fn raw(number: u64, words: [u64; 6]) -> Words {
    loop {
        let answer = once(number, words);
        if answer.status != Status::Again as u64 {
            return answer;
        }
    }
}

#[inline]
fn once(number: u64, words: [u64; 6]) -> Words {
    let (status, a, b, c, d): (u64, u64, u64, u64, u64);
    // WHY: there is no other way out of a Task.
    // SAFETY: the kernel changes the registers named here and memory that this Task has shared or
    // asked to be mapped. What a call unmaps is the caller's concern, as is what it maps: only
    // `memory` turns addresses into references.
    unsafe {
        asm!(
            "syscall",
            inlateout("rax") number => status,
            inlateout("rdi") words[0] => a,
            inlateout("rsi") words[1] => b,
            inlateout("rdx") words[2] => c,
            inlateout("r10") words[3] => d,
            in("r8") words[4],
            in("r9") words[5],
            lateout("rcx") _,
            lateout("r11") _,
            lateout("xmm0") _, lateout("xmm1") _, lateout("xmm2") _, lateout("xmm3") _,
            lateout("xmm4") _, lateout("xmm5") _, lateout("xmm6") _, lateout("xmm7") _,
            lateout("xmm8") _, lateout("xmm9") _, lateout("xmm10") _, lateout("xmm11") _,
            lateout("xmm12") _, lateout("xmm13") _, lateout("xmm14") _, lateout("xmm15") _,
            options(nostack)
        );
    }
    Words { status, words: [a, b, c, d] }
}
