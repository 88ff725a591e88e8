//! Packages as files, and what is installed of them.
//!
//! A `.vpkg` is a dossier and a payload in one file; it is drawn in `docs/format/vpkg.md`. An installation
//! is a folder of generations, one of which is current. Whether a package may be installed is the gate's to
//! say, in `vigil-trust`; here nothing is decided and no network is known.
//!
//! Invariants:
//! - no byte of a payload is used before it has been compared with its hash;
//! - nothing is written outside of the installation's folder, whatever a package says;
//! - whoever looks at an installation, also after a crash at any moment, sees one generation, and all of it.

mod file;
mod generation;
mod payload;
mod place;
mod profile;

pub use file::{VpkgError, read_dossier, replace_dossier, write_vpkg};
pub use generation::{Generation, GenerationError, InstalledPackage};
pub use payload::{PayloadError, Survey, measure, unpack};
pub use place::{Fill, FolderPlace, Place};
pub use profile::{Profile, ProfileError};
