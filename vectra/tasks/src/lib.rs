//! What every Task of this package begins with, and what several of them share.
//!
//! Invariant: a Task starts with its Bundle and nothing else.
//!
//! It is linked without a host. `unsafe` is in `start` only: names that the linker must find.
#![no_std]

pub mod children;
pub mod log;
pub mod say;
mod start;

pub use vectra_rt as rt;

/// Makes a function the beginning of a Task.
#[macro_export]
macro_rules! task {
    ($main:ident) => {
        // WHY: the start code finds the Task's own code by name.
        // SAFETY: no other symbol has this name; it is called once, on a fresh stack.
        #[expect(unsafe_code, reason = "the linker joins start code and Task by name")]
        #[unsafe(no_mangle)]
        extern "C" fn vectra_main() {
            let main: fn() -> u64 = $main;
            let code = main();
            // Nobody is there to hear that ending was refused; what follows is a fault.
            let _ = $crate::rt::call::task_exit(code);
        }
    };
}
