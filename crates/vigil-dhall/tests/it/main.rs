//! Everything that is tested from outside of the crate.

mod convert;
mod errors;
mod freezing;
mod generated;
mod hostile;
mod importer;
mod interop;
mod laws;
mod limits;
mod server;
mod shapes;
mod sharing;
mod suite;
mod terms;
