//! Tables at rest: how resources in the store become what DataFusion reads.

mod arrow;
mod bind;
mod detect;
mod footer;
mod infer;
mod nulls;
mod objects;
mod pages;
mod records;
mod unpack;

pub use arrow::arrow_in_place;
pub use bind::{Source, bind, check_type, file_schema};
pub use detect::{Format, Reading};
pub use objects::{Objects, Opened};
pub use records::LongRecord;
