//! Vectra on a bare machine: the core under one lock, behind eleven seams.
//!
//! It has no heap, no file, no driver but a console for first words, and no third-party code. It
//! decides nothing: `vectra-core` does. Its Tasks' memory is the only memory it manages.
//!
//! Invariants:
//! - the kernel runs with interrupts off and under one lock, but for the instant in which an idle
//!   processor sleeps;
//! - `unsafe` is in `x86_64/`, `lock` and `home` only: what touches the processor, the lock's
//!   promise, and pages seen as objects.
#![no_std]
#![no_main]

mod home;
mod lock;
mod run;
mod seams;
mod x86_64;

/// The architecture that this kernel is built for.
use x86_64::X86 as Arch;
