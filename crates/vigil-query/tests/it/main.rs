//! Queries over a real store.

mod catalog;
mod determinism;
mod endpoints;
mod hostile;
mod interop;
mod mapped;
mod rules;
mod total;
mod world;
