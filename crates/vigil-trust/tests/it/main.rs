//! The crate from outside: foreign formats, a disk that loses power, and vectors that nobody here wrote.

mod disk;
mod formats;
mod home;
mod interop;
mod log;
mod wycheproof;
