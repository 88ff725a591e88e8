//! A shared pointer whose last owner can be dropped at any depth.

use std::fmt;
use std::ops::Deref;
use std::rc::Rc;

use crate::stack::deep;

/// An `Rc` that makes room on the stack before it drops what it owns.
pub(crate) struct Shared<T>(Option<Rc<T>>);

impl<T> Shared<T> {
    pub(crate) fn new(inner: T) -> Self {
        Self(Some(Rc::new(inner)))
    }

    /// Returns an address that nothing else has while this pointer lives.
    pub(crate) fn address(&self) -> usize {
        self.0.as_ref().map_or(0, |inner| Rc::as_ptr(inner).addr())
    }

    /// Returns whether somebody else holds this pointer, too.
    pub(crate) fn is_shared(&self) -> bool {
        self.0.as_ref().is_some_and(|inner| Rc::strong_count(inner) > 1)
    }

    pub(crate) fn same(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Some(a), Some(b)) => Rc::ptr_eq(a, b),
            _ => false,
        }
    }
}

impl<T: Clone> Shared<T> {
    /// Returns what is owned, copied only if somebody else holds the pointer, too.
    pub(crate) fn into_inner(mut self) -> T {
        match self.0.take() {
            Some(inner) => Rc::unwrap_or_clone(inner),
            None => unreachable!("only `drop` takes the pointer out"),
        }
    }
}

impl<T> Clone for Shared<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> Deref for Shared<T> {
    type Target = T;

    fn deref(&self) -> &T {
        match &self.0 {
            Some(inner) => inner,
            None => unreachable!("only `drop` takes the pointer out"),
        }
    }
}

impl<T> Drop for Shared<T> {
    fn drop(&mut self) {
        if let Some(inner) = self.0.take()
            && Rc::strong_count(&inner) == 1
        {
            deep(|| drop(inner));
        }
    }
}

impl<T: fmt::Debug> fmt::Debug for Shared<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.deref().fmt(f)
    }
}
