//! Randomness with confidence: how sure one can be that nobody guesses it.
//!
//! Three confidences, three types, so that none is taken for another. **Sloppy** ([`Sloppy`]) is a
//! generator seeded once: for what only must not repeat. **Standard** is the system's, as it comes
//! through `vigil_base::world::Randomness`. **High** ([`Certain`], by [`high`]) mixes all that is present
//! of the system, the processor's own source, the jitter of its timing and dice, tests each for health,
//! and counts what each may be credited with: it refuses below 256 bits, and credits no single source
//! with more than 192, so that one alone never suffices.
//!
//! Invariant: what fails its health test is credited nothing, though it is still mixed in.

mod cpu;
mod health;
mod mix;
mod sources;

pub use health::HealthError;
pub use mix::{
    CREDIT_BITS_MIN, CREDIT_BITS_SOURCE_MAX, Certain, ConfidenceError, Credit, Ledger, Sloppy, high,
};
pub use sources::{CpuSource, Dice, DiceError, Jitter, Source, SourceError, System};
