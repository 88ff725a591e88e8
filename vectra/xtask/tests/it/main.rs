//! The machine in its homes: built once, booted bare under QEMU and hosted on Linux.

mod bench;
mod confined;
mod lockstep;
mod prices;
mod shape;
mod suite;
mod tasks;
