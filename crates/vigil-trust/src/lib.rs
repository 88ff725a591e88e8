//! Person, Machine, puddle, statements and feeds: what somebody vouches for, and who may.
//!
//! A [`SecretKey`] signs typed bytes only; a format of another world gets a [`ForeignKey`] of its own.
//! Clock, disk and randomness come in through `vigil_base::world`, so all of this runs without `std`.
//! It is not a store: what a statement is about lies elsewhere, and only its hash is here.
//!
//! Invariants:
//! - no socket is opened here, no clock read, no file touched but through the door that was handed in;
//! - a signature over one type of bytes verifies for no other type and no other format;
//! - secret bytes have no `Debug` that shows them, are in no error, and are wiped when dropped;
//! - no input, however hostile, makes a decoder or a fold panic, recurse or allocate without bound.
#![no_std]
#![deny(unsafe_code)]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod agent;
pub mod attestations;
mod entropy;
pub mod feed;
pub mod formats;
pub mod gate;
pub mod home;
mod keys;
mod list;
pub mod log;
pub mod names;
pub mod package;
pub mod puddle;
pub mod seal;
mod slip10;
mod statement;
mod subkey;
#[cfg(test)]
mod testing;
mod words;

pub use entropy::{
    CREDIT_BITS_MIN, CREDIT_BITS_SOURCE_MAX, Certain, ConfidenceError, CpuSource, Credit, Dice,
    DiceError, HealthError, Jitter, Ledger, Sloppy, Source, SourceError, System, high,
};
pub use keys::{
    KIND_BYTES_MAX, KeyBytes, KeyError, Kind, PublicKey, SecretKey, Signature, VerifyError,
};
pub use statement::{BODY_BYTES_MAX, Statement, StatementError};
pub use subkey::{ForeignKey, Purpose, SubkeyCertificate, SubkeyError};
pub use words::{FINGERPRINT_WORDS, Questions, WORDS, Words, WordsError, fingerprint};
