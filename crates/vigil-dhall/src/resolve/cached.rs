//! Imports from the cache: decoded, checked and evaluated part by part, when somebody looks.
//!
//! The bytes have been compared with their hash before. That hash names a normal form, which its
//! author has checked; here each field of a record is checked when it is first used, and a package of
//! which one function is used costs that function.
//!
//! Invariant: no part is used, as a value or as a type, that is not an expression. No type is seen of
//! a part that has none: the operation ends in an error instead.

use std::cell::OnceCell;
use std::ops::Range;
use std::rc::Rc;

use crate::binary::{decode_resolved, record_parts};
use crate::check::{Checker, Scope};
use crate::core::context::{Context, LimitError};
use crate::core::environment::Env;
use crate::core::eval::NOTHING;
use crate::core::lower::lower;
use crate::core::shared::Shared;
use crate::core::term::{Loaded, Term};
use crate::core::value::{Delayed, Value};
use crate::import::Hash;
use crate::label::Label;
use crate::limits::Limits;

/// Returns what an entry of the cache holds, or nothing if that is not one item.
pub(super) fn load(bytes: Vec<u8>, hash: &Hash, limits: &Limits) -> Option<Loaded> {
    if !crate::binary::is_one_item(&bytes) {
        return None;
    }
    let range = 0..bytes.len();
    let entry = Rc::new(Entry { bytes, hash: *hash, limits: limits.clone() });
    let part = Rc::new(Part { entry, range, contents: OnceCell::new() });
    Some(Loaded {
        ty: part.delayed(Part::ty),
        value: part.delayed(Part::value),
        normal: OnceCell::new(),
        hash: OnceCell::from(*hash),
    })
}

struct Entry {
    bytes: Vec<u8>,
    hash: Hash,
    limits: Limits,
}

/// A run of an entry's bytes that encodes an expression.
struct Part {
    entry: Rc<Entry>,
    range: Range<usize>,
    contents: OnceCell<Contents>,
}

/// What a part is, as far as anybody has looked.
enum Contents {
    Record(Vec<(Label, Rc<Part>)>),
    Other(Term),
    Nothing,
}

impl Part {
    fn delayed(self: &Rc<Self>, what: fn(&Self, &Context) -> Value) -> Value {
        let part = self.clone();
        Value::thunk(Delayed::Call(Rc::new(move |context| what(&part, context))))
    }

    fn contents(&self) -> &Contents {
        self.contents.get_or_init(|| {
            let bytes = &self.entry.bytes[self.range.clone()];
            if let Some(fields) = record_parts(bytes)
                && fields.is_sorted_by(|a, b| a.0 < b.0)
            {
                let part = |range: Range<usize>| {
                    let range = self.range.start + range.start..self.range.start + range.end;
                    Rc::new(Self { entry: self.entry.clone(), range, contents: OnceCell::new() })
                };
                let fields = fields.into_iter().map(|(label, range)| (label, part(range)));
                return Contents::Record(fields.collect());
            }
            match decode_resolved(bytes, &self.entry.limits) {
                Ok(expr) => Contents::Other(lower(&expr)),
                Err(_) => Contents::Nothing,
            }
        })
    }

    fn refuse(&self, context: &Context) -> Value {
        context.exhaust(LimitError::Frozen { hash: self.entry.hash });
        NOTHING
    }

    fn value(&self, context: &Context) -> Value {
        match self.contents() {
            Contents::Record(fields) => {
                let field =
                    |(label, part): &(Label, Rc<Self>)| (label.clone(), part.delayed(Self::value));
                Value::Record(Shared::new(fields.iter().map(field).collect()))
            }
            Contents::Other(term) => context.eval(&Env::default(), term),
            Contents::Nothing => self.refuse(context),
        }
    }

    fn ty(&self, context: &Context) -> Value {
        match self.contents() {
            Contents::Record(fields) => {
                let field =
                    |(label, part): &(Label, Rc<Self>)| (label.clone(), part.delayed(Self::ty));
                Value::RecordType(Shared::new(fields.iter().map(field).collect()))
            }
            Contents::Other(term) => match Checker::new(context).infer(&Scope::default(), term) {
                Ok(ty) => context.force(&ty),
                // Where a limit was reached, that is what is reported.
                Err(_) => self.refuse(context),
            },
            Contents::Nothing => self.refuse(context),
        }
    }
}
