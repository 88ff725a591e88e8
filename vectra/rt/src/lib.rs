//! What a Task links: calls, its Bundle by name, Rings, signals, an executor, a page allocator, a
//! loader for other Tasks.
//!
//! It has no global state and allocates nothing by itself. It decides nothing: what a Task may do is
//! in its Bundle.
//!
//! Invariant: nothing is reached that the Bundle did not hand over.
//!
//! `unsafe` is in `sys` (the call instruction) and `memory` (mapped addresses seen as words) only.
#![no_std]

mod bundle;
mod calls;
mod executor;
mod loader;
mod lockstep;
mod memory;
mod pages;
mod refusal;
mod ring;
mod sys;
mod text;

pub use bundle::{Slot, find, free_name, ring, ring_and_sleep};
pub use calls::call;
pub use executor::{Executor, Signals, signal};
pub use loader::{Child, LoadError, load};
pub use lockstep::lockstep;
pub use memory::{bytes, words};
pub use pages::Pages;
pub use refusal::Refused;
pub use ring::{Consumer, PopError, Producer, PushError, SLOT_WORDS, Word};
pub use sys::{Words, raw};
pub use text::{Console, LogRing};
pub use vectra_abi as abi;
