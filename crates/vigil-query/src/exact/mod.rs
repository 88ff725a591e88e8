//! Aggregates of doubles whose results do not show in which order, or by how many threads, the values
//! came.
//!
//! They take the place of DataFusion's `sum`, `avg`, `var…`, `stddev…`, `covar…`, `corr` and `regr…`.
//! What they do to whole numbers and decimals, whose addition has no order to show, is DataFusion's.

mod moments;
mod pairs;
mod sum;
mod total;
mod wide;

pub use moments::moments;
pub use sum::sums;
pub use total::Total;
