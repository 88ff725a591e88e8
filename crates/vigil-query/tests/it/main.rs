//! Queries over a real store.

mod catalog;
mod determinism;
mod endpoints;
mod functions;
mod golden;
mod hostile;
mod interop;
mod mapped;
mod memory;
mod pruning;
mod records;
mod rules;
mod shapes;
mod sources;
mod total;
mod world;
