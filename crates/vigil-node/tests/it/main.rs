//! The node over real folders: names, files, pipelines, and the next process.

mod archives;
mod files;
mod json;
mod packing;
mod pipelines;
mod support;
mod text;
