//! What the crate promises, shown from outside.

mod crash;
mod payloads;
mod place;
mod profiles;
mod scene;
