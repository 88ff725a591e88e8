//! Whom an error points at. Exit codes and retries follow from this, never from an error's text.

/// The one who can mend an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Blame {
    /// The request is at fault: a bad name, a refused path, something that is not there.
    Caller,
    /// The machine is at fault: a full disk, a missing permission, a link that is down.
    World,
    /// Vigil is at fault: this is a bug.
    Us,
}

/// An error that knows whom to blame.
pub trait Blamed: core::error::Error {
    /// Returns who can mend this error.
    fn blame(&self) -> Blame;
}
