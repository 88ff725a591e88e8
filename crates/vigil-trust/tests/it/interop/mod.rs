//! Outside programs that check ours, and whose work ours checks.

mod go;
