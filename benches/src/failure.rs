//! How every program here ends when something failed.

use std::error::Error;
use std::process::ExitCode;

/// Prints an error with everything that led to it, and returns the exit code that stands for it.
pub fn failed(error: &dyn Error) -> ExitCode {
    eprintln!("error: {error}");
    let mut cause = error.source();
    while let Some(error) = cause {
        eprintln!("  because: {error}");
        cause = error.source();
    }
    ExitCode::from(3)
}
