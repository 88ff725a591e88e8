//! Sealed arenas and single blobs in an object store, read back by range.
//!
//! It keeps the heavy object-store dependency, so that no other crate needs it. It does not decide
//! what is pushed, keeps no settings, and reads no environment: that comes in as a closure. The API is
//! synchronous; a thread of its own does the waiting.
//!
//! Invariants:
//! - the plain object `cas/<hex>` holds the bytes whose SHA-256 is `<hex>`, for any S3 client;
//! - an arena's file is removed here only after the object was read back whole and has its hash;
//! - nothing that a tier says is believed: arenas are rehashed, and single blobs compared, before
//!   anything of them can be found;
//! - of what is encrypted, no key, name or listing tells the hash of the plain bytes.
#![forbid(unsafe_code)]

mod address;
mod blocks;
mod entry;
mod envelope;
mod http;
mod objects;
mod opened;
mod profile;
mod pull;
mod push;
mod remote;
mod secret;
mod settings;
mod status;
mod supply;
mod tier;
mod worker;

pub use address::{Address, AddressError};
pub use entry::{ArenaEntry, Listing};
pub use objects::ObjectError;
pub use pull::{PullError, PulledArenas};
pub use push::{PushError, PushOptions, Pushed, Sent};
pub use remote::Tiers;
pub use secret::{PassphraseCost, Secret, SecretError};
pub use settings::{Access, SettingsError, TierOptions};
pub use status::{ArenaPlace, TierStatus};
pub use supply::TierSupply;
pub use tier::{OpenTierError, Tier};
