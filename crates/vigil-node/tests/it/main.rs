//! The node over real folders: names, files, pipelines, and the next process.

mod agent;
mod archives;
mod attest;
mod files;
mod interop;
mod json;
mod packing;
mod pipelines;
mod said;
mod settings;
mod shared_names;
mod support;
mod text;
mod traces;
mod travel;
mod watching;
mod worktree;

use support::{Sevens, Still, open, request, set_name, store};
