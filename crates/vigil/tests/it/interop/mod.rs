//! Outside programs that share files with ours.

mod dhall;
