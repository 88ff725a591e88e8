//! Files on disk as trees in the store, and back.
//!
//! It reads and writes ordinary folders; it knows no store format but trees and snapshot metadata,
//! and keeps no state but an advisory record of which files have not changed.
//!
//! Invariants:
//! - the same content gives the same tree, wherever, whenever and by how many threads it is added;
//! - restoring never writes outside the folder that it was given, whatever the tree says;
//! - a file is taken as unchanged only if it was last changed well before it was last read.

mod add;
mod add_error;
mod attributes;
mod building;
mod changes;
mod folder;
mod note;
mod restore;
mod snapshot;
mod stream;
mod trees;
mod walk;

pub use add::{AddOptions, AddProgress, Added, add_path, add_stream};
pub use add_error::AddError;
pub use note::{Note, NoteKind};
pub use restore::{RestoreError, RestoreOptions, RestoreProgress, Restored, restore};
pub use snapshot::{Attributes, Snapshot};
pub use stream::{WriteError, write_blob, write_tar};
pub use trees::{Change, Listed, ResolveError, Resolved, diff, list, resolve};
