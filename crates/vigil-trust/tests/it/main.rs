//! What the crate promises, shown from outside.

mod formats;
mod interop;
