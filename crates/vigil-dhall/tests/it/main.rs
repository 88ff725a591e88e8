//! Everything that is tested from outside of the crate.

mod convert;
mod errors;
mod importer;
mod server;
mod suite;
