//! The puddle: one Person's machines, and what they may do, as a fold over signed events.
//!
//! Events ride in the machines' feeds, in any order and by any way. Each names the events that its
//! author had seen, so that "before", "after" and "at the same time" need no clock.
//!
//! Invariants: the fold depends on the set of events and evidence alone, never on their order; a
//! revocation wins over whatever its author had not seen; a grant never gives more than its parent;
//! what is refused is kept with its reason.

mod chain;
mod event;
mod fold;
mod freshness;
mod kept;
mod scope;
mod view;

pub(crate) use chain::check_statements;
pub use chain::{ChainError, Link, check_chain};
pub(crate) use event::MARKS_MAX;
pub use event::{
    AFTER_MAX, Event, EventError, FeedMark, JoinRequest, PuddleEvent, REASON_BYTES_MAX, Target,
};
pub use fold::{FoldError, fold};
pub use freshness::{Believed, Clocks, Freshness, Lease, Steady, TimeHere};
pub use kept::KeptBatches;
pub use scope::{Ask, DEPTH_MAX, Misfit, Scope, ScopeError, VERBS_MAX};
pub use view::{
    Authority, Denial, GrantView, Idle, MachineState, MachineView, Refusal, View, When,
};
