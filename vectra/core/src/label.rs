//! Labels: fixed sets of secrecy and integrity tags, and the one order between them.

/// A set of tags; tag *n* is bit *n*.
pub type Tags = u128;

/// What is known of the data in an object: whom it concerns, and who vouches for it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Hash)]
pub struct Label {
    /// Tags of those whose secrets may be inside. More is higher.
    pub secrecy: Tags,
    /// Tags of those who vouch for it. Fewer is higher.
    pub integrity: Tags,
}

impl Label {
    /// Returns the lowest tag that forbids a flow from `self` to `to`, after the sender's right to
    /// drop `owned` tags is taken into account.
    pub fn flow(self, owned: Tags, to: Self) -> Result<(), u8> {
        let bad = (self.secrecy & !owned & !to.secrecy) | (to.integrity & !self.integrity);
        if bad == 0 { Ok(()) } else { Err(bad.trailing_zeros() as u8) }
    }

    /// Says whether data may flow from `self` to `to`.
    pub fn flows_to(self, to: Self) -> bool {
        self.flow(0, to).is_ok()
    }

    /// Returns the least label that both flow to.
    pub fn join(self, other: Self) -> Self {
        Self { secrecy: self.secrecy | other.secrecy, integrity: self.integrity & other.integrity }
    }
}

/// Makes a set of tags from the two words of a call.
pub fn tags_from_words(low: u64, high: u64) -> Tags {
    Tags::from(low) | (Tags::from(high) << 64)
}

/// Returns the two words that carry a set of tags.
pub fn tags_words(tags: Tags) -> [u64; 2] {
    [tags as u64, (tags >> 64) as u64]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> impl Iterator<Item = Label> {
        (0..4).flat_map(|secrecy| (0..4).map(move |integrity| Label { secrecy, integrity }))
    }

    #[test]
    fn flow_is_a_partial_order_with_joins() {
        for a in all() {
            assert!(a.flows_to(a));
            for b in all() {
                assert!(!(a.flows_to(b) && b.flows_to(a)) || a == b);
                let join = a.join(b);
                assert!(a.flows_to(join) && b.flows_to(join));
                for c in all() {
                    assert!(!(a.flows_to(b) && b.flows_to(c)) || a.flows_to(c));
                    assert!(!(a.flows_to(c) && b.flows_to(c)) || join.flows_to(c));
                }
            }
        }
    }

    #[test]
    fn the_lowest_offending_tag_is_named() {
        let from = Label { secrecy: 0b110, integrity: 0 };
        assert_eq!(from.flow(0, Label::default()), Err(1));
        assert_eq!(from.flow(0b10, Label::default()), Err(2));
        assert_eq!(from.flow(0b110, Label::default()), Ok(()));
        assert_eq!(from.flow(0b110, Label { secrecy: 0, integrity: 8 }), Err(3));
        let tags = 1 << 100 | 5;
        let [low, high] = tags_words(tags);
        assert_eq!(tags_from_words(low, high), tags);
    }
}
