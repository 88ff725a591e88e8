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

pub mod formats;
mod keys;
pub mod log;
mod subkey;

pub use keys::{KIND_BYTES_MAX, KeyError, Kind, PublicKey, SecretKey, Signature, VerifyError};
pub use subkey::{ForeignKey, Purpose, SubkeyCertificate, SubkeyError};
