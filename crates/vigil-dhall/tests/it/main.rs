//! Everything that is tested from outside of the crate.

mod importer;
mod server;
mod suite;
