//! The values of the variables in scope.
//!
//! A shared list with shortcuts: adding takes constant time, finding takes logarithmic time in
//! the distance, so that a file with thousands of `let`s stays quick.

use super::shared::Shared;
use super::value::Value;
use crate::label::Label;

/// An environment; the innermost variable has index 0.
#[derive(Clone, Default)]
pub(crate) struct Env(Option<Shared<Node>>);

struct Node {
    value: Value,
    next: Env,
    /// A node further out, `distance` steps away.
    shortcut: Env,
    distance: u32,
}

impl Env {
    pub(crate) fn push(&self, value: Value) -> Self {
        let (shortcut, distance) = match &self.0 {
            Some(next) => match &next.shortcut.0 {
                // Two shortcuts of one length make one of twice the length (and one more).
                Some(far) if far.distance == next.distance => {
                    (far.shortcut.clone(), 1 + 2 * next.distance)
                }
                _ => (self.clone(), 1),
            },
            None => (Self(None), 1),
        };
        Self(Some(Shared::new(Node { value, next: self.clone(), shortcut, distance })))
    }

    pub(crate) fn same(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Some(a), Some(b)) => a.same(b),
            (None, None) => true,
            _ => false,
        }
    }

    pub(crate) fn get(&self, index: u32) -> Option<&Value> {
        let mut node = self.0.as_ref()?;
        let mut left = index;
        while left > 0 {
            let step = if node.distance <= left { node.distance } else { 1 };
            let env = if step == node.distance { &node.shortcut } else { &node.next };
            left -= step;
            node = env.0.as_ref()?;
        }
        Some(&node.value)
    }
}

/// The names of variables, as a shared list: every function in a body knows those around it.
#[derive(Clone, Default)]
pub(crate) struct Names(Option<Shared<(Label, Names)>>);

impl Names {
    pub(crate) fn push(&self, label: &Label) -> Self {
        Self(Some(Shared::new((label.clone(), self.clone()))))
    }

    /// Iterates from the innermost outwards.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Label> {
        let mut rest = self;
        std::iter::from_fn(move || {
            let pair = rest.0.as_ref()?;
            rest = &pair.1;
            Some(&pair.0)
        })
    }

    /// Returns the names, the outermost first.
    pub(crate) fn outermost_first(&self) -> Vec<Label> {
        let mut names: Vec<Label> = self.iter().cloned().collect();
        names.reverse();
        names
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_index_leads_to_its_value() {
        let mut env = Env::default();
        for level in 0..1_000 {
            env = env.push(Value::Level(level));
        }
        for index in 0..1_000 {
            assert!(matches!(env.get(index), Some(Value::Level(level)) if *level == 999 - index));
        }
        assert!(env.get(1_000).is_none());
    }
}
