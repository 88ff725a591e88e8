//! The quorum: how many have to come to the same result before it may be believed.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

/// How many must agree, and how many may not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quorum {
    /// At least so many have the wanted result.
    pub agreeing: usize,
    /// At most so many have another one.
    pub disagreeing: usize,
}

/// Who has which result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tally<V> {
    /// Who has the wanted result, and no other.
    pub agreeing: Vec<V>,
    /// Who has another one, whether or not they also have the wanted one.
    pub disagreeing: Vec<V>,
}

impl Quorum {
    /// Counts votes. A voter counts once, and whoever has voted for another result as well does not agree.
    pub fn count<V: Ord, R: PartialEq>(
        wanted: &R,
        votes: impl IntoIterator<Item = (V, R)>,
    ) -> Tally<V> {
        let mut voters: BTreeMap<V, bool> = BTreeMap::new();
        for (voter, result) in votes {
            let agrees = voters.entry(voter).or_insert(true);
            *agrees &= result == *wanted;
        }
        let (mut agreeing, mut disagreeing) = (Vec::new(), Vec::new());
        for (voter, agrees) in voters {
            if agrees { agreeing.push(voter) } else { disagreeing.push(voter) }
        }
        Tally { agreeing, disagreeing }
    }

    /// Says whether a count is enough.
    pub fn holds<V>(&self, tally: &Tally<V>) -> bool {
        tally.agreeing.len() >= self.agreeing && tally.disagreeing.len() <= self.disagreeing
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_voter_counts_once_and_against_if_ever() {
        let tally =
            Quorum::count(&'a', [(1, 'a'), (1, 'a'), (2, 'a'), (3, 'b'), (2, 'b'), (4, 'a')]);
        assert_eq!(
            (tally.agreeing.as_slice(), tally.disagreeing.as_slice()),
            (&[1, 4][..], &[2, 3][..])
        );
        assert!(Quorum { agreeing: 2, disagreeing: 2 }.holds(&tally));
        assert!(!Quorum { agreeing: 3, disagreeing: 2 }.holds(&tally));
        assert!(!Quorum { agreeing: 2, disagreeing: 1 }.holds(&tally));
        assert!(Quorum { agreeing: 0, disagreeing: 0 }.holds(&Quorum::count(&'a', [(1, 'a')])));
    }
}
