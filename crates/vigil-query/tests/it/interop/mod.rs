//! Beside programs that nobody here wrote.

mod duckdb;
