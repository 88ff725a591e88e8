//! Reading an input as a list of decisions, for targets that build something before they damage it.
//!
//! Invariant: it never runs out: what lies behind the end is zero.

/// What is left of an input.
pub struct Script<'a>(&'a [u8]);

impl<'a> Script<'a> {
    /// Reads an input from its start.
    pub fn new(input: &'a [u8]) -> Script<'a> {
        Script(input)
    }

    /// Whether nothing is left.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes so many bytes, or what is left.
    pub fn take(&mut self, count: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(count.min(self.0.len()));
        self.0 = rest;
        taken
    }

    /// Takes a little-endian number of so many bytes, eight at most.
    pub fn number(&mut self, width: usize) -> u64 {
        let mut bytes = [0; 8];
        let taken = self.take(width.min(8));
        bytes[..taken.len()].copy_from_slice(taken);
        u64::from_le_bytes(bytes)
    }

    /// Takes a byte.
    pub fn byte(&mut self) -> u8 {
        self.number(1) as u8
    }
}

#[cfg(test)]
mod tests {
    use super::Script;

    #[test]
    fn behind_the_end_is_zero() {
        let mut script = Script::new(&[1, 2, 3, 4]);
        assert_eq!((script.byte(), script.number(2)), (1, 0x0302));
        assert_eq!((script.number(8), script.is_empty()), (4, true));
        assert_eq!((script.byte(), script.take(9).len()), (0, 0));
    }
}
