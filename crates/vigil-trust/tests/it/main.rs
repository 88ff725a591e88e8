//! The crate from outside: a disk that loses power, and vectors that nobody here wrote.

mod disk;
mod home;
mod log;
mod wycheproof;
