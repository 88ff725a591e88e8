//! Saying something: to the console, if the Bundle has one.

use vectra_rt::{Console, find};

/// Returns the console of this Task's Bundle.
pub fn console() -> Option<Console> {
    find("console").ok().map(Console)
}

/// Writes a line to the console; without one, says nothing.
#[macro_export]
macro_rules! say {
    ($($words:tt)*) => {
        if let Some(mut out) = $crate::say::console() {
            use core::fmt::Write as _;
            // A console that refuses has no console to complain to.
            let _ = writeln!(out, $($words)*);
        }
    };
}
