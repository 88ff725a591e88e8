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

    pub(crate) fn same(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Some(a), Some(b)) => Rc::ptr_eq(a, b),
            _ => false,
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
