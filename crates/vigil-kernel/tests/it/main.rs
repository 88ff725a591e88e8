//! The kernel's tests. They need only memory; each random one prints its seed first.

mod engine;
mod formats;
mod holding;
mod image;
mod labels;
mod model;
mod pipeline;
mod profile;
mod resolver;
mod resolver_model;
mod seeds;
mod spaces;
mod toys;
mod typed;
