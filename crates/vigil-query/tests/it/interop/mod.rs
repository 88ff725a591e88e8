//! Beside programs that nobody here wrote.

#[path = "../../../benches/query/answers.rs"]
mod answers;
mod duckdb;
