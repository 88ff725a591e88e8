//! Which results that were computed elsewhere may stand for computing them here: by the gate's quorum.
//!
//! A machine's own traces count, those of machines that are named, and what enough voters agree on. Who
//! votes is the owner's to say: a person with several machines is one voter.

use std::collections::{BTreeMap, BTreeSet};

use vigil_kernel::{Trace, TracePolicy};
use vigil_trust::gate::Quorum;

/// Whose traces count.
#[derive(Clone, Debug)]
pub struct Vouched {
    /// Machines that are believed alone, this one among them.
    pub trusted: BTreeSet<String>,
    /// Machines that are believed together, and for whom each votes.
    pub voters: BTreeMap<String, String>,
    /// How many voters must agree; nobody's vote counts if none.
    pub quorum: Option<Quorum>,
}

impl TracePolicy for Vouched {
    fn accepts(&self, trace: &Trace, others: &[Trace]) -> bool {
        if self.trusted.contains(&trace.machine) {
            return true;
        }
        let Some(quorum) = self.quorum.filter(|_| self.voters.contains_key(&trace.machine)) else {
            return false;
        };
        // Whoever read something else was asked something else, and does not disagree.
        let question = (&trace.endpoint, trace.version, &trace.inputs);
        let votes = others.iter().filter_map(|other| {
            let is_same = (&other.endpoint, other.version, &other.inputs) == question;
            let voter = self.voters.get(&other.machine).filter(|_| is_same)?;
            Some((voter, &other.output))
        });
        quorum.holds(&Quorum::count(&&trace.output, votes))
    }
}
