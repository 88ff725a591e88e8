//! Tables at rest: how resources in the store become what DataFusion reads.

mod arrow;
mod bind;
mod detect;
mod objects;
mod unpack;

pub use arrow::arrow_in_place;
pub use bind::{Source, bind, file_schema};
pub use detect::{Format, Reading};
pub use objects::{Objects, Opened};
