//! Everything that is tested from outside of the crate.

mod errors;
mod importer;
mod server;
mod suite;
