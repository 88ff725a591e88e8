//! Packages: what somebody says that a tree of files is, needs and depends on, and who vouches for it.
//!
//! A [`Manifest`] describes a payload, a [`Claim`] is its maintainer's signed word for it, a [`Rebuild`] is
//! somebody else's word that the same sources gave the same bytes, and a [`Dossier`] carries all of that
//! in front of the payload in a `.vpkg`. Nothing here decides whom to believe: the gate does. It is drawn
//! in `docs/format/vpkg.md`.
//!
//! Invariants: what a decoder accepts, its encoder reproduces; every list and text has a bound; a path
//! that leads out of the payload is refused when it is read, not when it is used.

mod claim;
mod dossier;
mod manifest;
mod need;
mod rebuild;
mod version;

pub use claim::{Claim, ClaimError, log_entry};
pub use dossier::{
    ATTESTATIONS_MAX, Attested, DOSSIER_BYTES_MAX, Dossier, FOREIGN_MAX, ForeignEvidence,
    ForeignKind,
};
pub use manifest::{
    DEPENDENCIES_MAX, Dependency, ENTRY_POINTS_MAX, EntryPoint, MANIFEST_BYTES_MAX, Manifest,
    ManifestError, PackageName, PackageNameError, Payload, SUMMARY_BYTES_MAX, climb,
};
pub use need::{Footprint, NEEDS_MAX, Need, NeedError};
pub(crate) use need::{excess, tell};
pub use rebuild::{Rebuild, RebuildError};
pub use version::version_order;
