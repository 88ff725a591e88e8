//! Sequences with cheap concatenation.
//!
//! Concatenating notes both halves; looking inside lays them out once. Building a list or a text
//! step by step is therefore linear, as the language's folds do it all the time.

use std::cell::RefCell;
use std::rc::Rc;

use super::shared::Shared;

/// A shared sequence.
pub(crate) struct Rope<T>(Shared<Inner<T>>);

struct Inner<T> {
    /// Counts items; saturates, since a sequence may be declared that no memory holds.
    len: u64,
    node: RefCell<Node<T>>,
}

enum Node<T> {
    Leaf(Rc<Vec<T>>),
    Cat(Rope<T>, Rope<T>),
}

impl<T> Clone for Rope<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T: Clone> Rope<T> {
    pub(crate) fn empty() -> Self {
        Self::leaf(Vec::new())
    }

    pub(crate) fn leaf(items: Vec<T>) -> Self {
        let len = items.len() as u64;
        Self(Shared::new(Inner { len, node: RefCell::new(Node::Leaf(Rc::new(items))) }))
    }

    pub(crate) fn cat(&self, other: &Self) -> Self {
        if self.0.len == 0 {
            return other.clone();
        }
        if other.0.len == 0 {
            return self.clone();
        }
        let len = self.0.len.saturating_add(other.0.len);
        let node = RefCell::new(Node::Cat(self.clone(), other.clone()));
        Self(Shared::new(Inner { len, node }))
    }

    pub(crate) fn len(&self) -> u64 {
        self.0.len
    }

    pub(crate) fn same(&self, other: &Self) -> bool {
        self.0.same(&other.0)
    }

    /// Returns an address that nothing else has while this sequence lives.
    pub(crate) fn address(&self) -> usize {
        self.0.address()
    }

    /// Returns the items one after the other, if they lie so already.
    pub(crate) fn flat(&self) -> Option<Rc<Vec<T>>> {
        match &*self.0.node.borrow() {
            Node::Leaf(items) => Some(items.clone()),
            Node::Cat(..) => None,
        }
    }

    /// Lays the items out one after the other. The caller has checked that they fit.
    pub(crate) fn items(&self) -> Rc<Vec<T>> {
        if let Some(items) = self.flat() {
            return items;
        }
        let mut items = Vec::with_capacity(usize::try_from(self.0.len).unwrap_or(0));
        let mut pending = vec![self.clone()];
        while let Some(rope) = pending.pop() {
            match &*rope.0.node.borrow() {
                Node::Leaf(leaf) => items.extend_from_slice(leaf),
                Node::Cat(left, right) => {
                    pending.push(right.clone());
                    pending.push(left.clone());
                }
            }
        }
        let items = Rc::new(items);
        self.replace(items.clone());
        items
    }

    /// Notes another layout of the same sequence.
    pub(crate) fn replace(&self, items: Rc<Vec<T>>) {
        let old = self.0.node.replace(Node::Leaf(items));
        drop(old);
    }

    /// Returns the first item, without laying out the others.
    pub(crate) fn first(&self) -> Option<T> {
        self.end(true)
    }

    /// Returns the last item, without laying out the others.
    pub(crate) fn last(&self) -> Option<T> {
        self.end(false)
    }

    fn end(&self, first: bool) -> Option<T> {
        let mut rope = self.clone();
        loop {
            let next = match &*rope.0.node.borrow() {
                Node::Leaf(items) if first => return items.first().cloned(),
                Node::Leaf(items) => return items.last().cloned(),
                Node::Cat(left, right) => if first { left } else { right }.clone(),
            };
            rope = next;
        }
    }
}
