//! The gate: from evidence, a policy and a time to a decision, with every reason for and against it.
//!
//! Whether a package may be installed depends on what it brings along and on a policy that its user wrote,
//! and on nothing else: the gate asks nobody. Each rule is judged and told of, also where another one has
//! failed already, so that whoever is refused sees all that is missing. The same [`Quorum`] decides whether
//! a result that was computed elsewhere may stand for computing it here.
//!
//! Invariants:
//! - a decision is a pure function of what is handed in; what a [`Gate`] remembers only saves time;
//! - what does not verify counts for nothing, and what is not understood counts against;
//! - a person counts once, with however many machines, keys and envelopes.

mod decision;
mod foreign;
mod judge;
mod plan;
mod policy;
mod quorum;
mod rebuilders;
mod speaker;

pub use decision::{Decision, Reason, Rule, Verdict};
pub use judge::{Evidence, Gate, Installed};
pub use plan::{PACKAGES_MAX, PlanError, Unmet, plan};
pub use policy::{
    DEFAULT_POLICY, GATE_POLICY_BYTES_MAX, GatePolicy, GatePolicyError, GatePolicyFault,
    KnownPerson,
};
pub use quorum::{Quorum, Tally};
