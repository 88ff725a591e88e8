//! What one evaluation may spend, and what it shares.

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

use super::convert::Compared;
use super::environment::Env;
use super::eval::NOTHING;
use super::rope::Rope;
use super::term::{Term, TermKind, term};
use super::value::{Delayed, Piece, Value};
use crate::builtin::Builtin;
use crate::expr::{Operator, Span};
use crate::import::Hash;
use crate::label::Label;
use crate::limits::Limits;
use crate::number::Natural;
use crate::stack::deep;

/// Why an evaluation went no further: a limit, or an import that was not what its hash promised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LimitError {
    /// Too many reductions.
    #[error("evaluation takes more than {limit} steps; raise the step limit if this is meant")]
    Steps {
        /// The limit.
        limit: u64,
    },
    /// Too large results.
    #[error("results take more than {limit} bytes; raise the memory limit if this is meant")]
    Memory {
        /// The limit.
        limit: u64,
    },
    /// Too deep a result.
    #[error("evaluation nests deeper than {limit} levels; raise the depth limit if this is meant")]
    Depth {
        /// The limit.
        limit: usize,
    },
    /// A frozen import that the cache holds has no type: its hash was made up.
    #[error("what the cache holds under {hash} has no type; freeze the import anew")]
    Frozen {
        /// The hash.
        hash: Hash,
    },
}

/// Evaluation nests deeper than its source: a fold over a list can nest as deep as the list is
/// long. A level takes well under a kilobyte of stack in an optimized build.
const EVALUATION_DEPTH_FACTOR: usize = 20;

/// The state of an evaluation.
///
/// Once a limit is reached every evaluation returns at once, with a result that means nothing;
/// no promise remembers it, and [`Context::finish`] turns it into an error.
pub(crate) struct Context {
    limits: Limits,
    steps: Cell<u64>,
    memory: Cell<u64>,
    /// The memory limit of the operation in progress.
    memory_max: Cell<u64>,
    depth: Cell<usize>,
    /// How many variables a comparison in progress has invented.
    fresh: Cell<u32>,
    exhausted: Cell<Option<LimitError>>,
    /// Whether the operation in progress is part of a larger one, with which it shares its steps.
    is_part: Cell<bool>,
    /// How comparisons in this operation went, by the addresses of both sides.
    pub(super) compared: RefCell<HashMap<(usize, usize), Compared>>,
    builtin_types: RefCell<HashMap<Builtin, Value>>,
    terms: OnceCell<Terms>,
    pub(crate) labels: Labels,
}

/// Functions that `Natural/build` and `List/build` hand to their argument.
pub(crate) struct Terms {
    /// `x + 1`, in the scope of `x`.
    pub(crate) successor: Term,
    /// `λ(as : List a) → [ x ] # as`, in the scope of `a` and `x`.
    pub(crate) cons: Term,
}

/// Names that the rules mention.
pub(crate) struct Labels {
    pub(crate) map_key: Label,
    pub(crate) map_value: Label,
    pub(crate) index: Label,
    pub(crate) value: Label,
    pub(crate) none: Label,
    pub(crate) some: Label,
    pub(crate) x: Label,
    pub(crate) a: Label,
    pub(crate) underscore: Label,
}

impl Context {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            limits: limits.clone(),
            steps: Cell::new(0),
            memory: Cell::new(0),
            memory_max: Cell::new(limits.memory_bytes),
            depth: Cell::new(0),
            fresh: Cell::new(0),
            exhausted: Cell::new(None),
            is_part: Cell::new(false),
            compared: RefCell::default(),
            builtin_types: RefCell::default(),
            terms: OnceCell::new(),
            labels: Labels {
                map_key: Label::new("mapKey"),
                map_value: Label::new("mapValue"),
                index: Label::new("index"),
                value: Label::new("value"),
                none: Label::new("None"),
                some: Label::new("Some"),
                x: Label::new("x"),
                a: Label::new("a"),
                underscore: Label::new("_"),
            },
        }
    }

    /// Starts a new account for the next operation.
    pub(crate) fn restart(&self) {
        self.restart_within(u64::MAX);
    }

    /// Starts a new account that may take no more than so many bytes, whatever the limit.
    pub(crate) fn restart_within(&self, memory_bytes: u64) {
        if !self.is_part.get() {
            self.steps.set(0);
        }
        self.memory.set(0);
        self.memory_max.set(self.limits.memory_bytes.min(memory_bytes));
        self.exhausted.set(None);
        let compared = self.compared.take();
        drop(compared);
    }

    /// Runs a larger operation, whose parts together may take no more steps than one.
    pub(crate) fn as_one<R>(&self, f: impl FnOnce() -> R) -> R {
        self.restart();
        self.is_part.set(true);
        let result = f();
        self.is_part.set(false);
        result
    }

    /// Returns an error if a limit was reached: whatever was computed then means nothing.
    pub(crate) fn finish(&self) -> Result<(), LimitError> {
        self.exhausted.get().map_or(Ok(()), Err)
    }

    pub(crate) fn exhausted(&self) -> bool {
        self.exhausted.get().is_some()
    }

    pub(crate) fn exhaust(&self, error: LimitError) {
        if self.exhausted.get().is_none() {
            self.exhausted.set(Some(error));
        }
    }

    /// Counts one reduction and returns whether there may be more.
    #[inline]
    pub(crate) fn step(&self) -> bool {
        self.work(1)
    }

    /// Counts work that takes as long as so many reductions.
    #[inline]
    pub(crate) fn work(&self, steps: u64) -> bool {
        let steps = self.steps.get().saturating_add(steps);
        self.steps.set(steps);
        if steps > self.limits.steps {
            self.exhaust(LimitError::Steps { limit: self.limits.steps });
        }
        !self.exhausted()
    }

    /// Returns how many steps the operation in progress has taken.
    pub(crate) fn steps(&self) -> u64 {
        self.steps.get()
    }

    /// Counts memory for a result and returns whether it may be built.
    pub(crate) fn charge(&self, bytes: u64) -> bool {
        let memory = self.memory.get().saturating_add(bytes);
        self.memory.set(memory);
        if memory > self.memory_max.get() {
            self.exhaust(LimitError::Memory { limit: self.memory_max.get() });
        }
        !self.exhausted()
    }

    /// Returns how much memory the operation in progress has taken.
    pub(crate) fn charged(&self) -> u64 {
        self.memory.get()
    }

    /// Runs `f` one level deeper, or returns `otherwise` at the limit.
    #[inline]
    pub(crate) fn deeper<R>(&self, otherwise: R, f: impl FnOnce() -> R) -> R {
        let depth = self.depth.get();
        let limit = self.limits.depth.saturating_mul(EVALUATION_DEPTH_FACTOR);
        if depth >= limit {
            self.exhaust(LimitError::Depth { limit });
            return otherwise;
        }
        self.depth.set(depth + 1);
        let result = deep(f);
        self.depth.set(depth);
        result
    }

    /// Runs `f` with the number of a variable that nothing else uses meanwhile.
    pub(crate) fn with_fresh<R>(&self, f: impl FnOnce(u32) -> R) -> R {
        let fresh = self.fresh.get();
        self.fresh.set(fresh + 1);
        let result = f(fresh);
        self.fresh.set(fresh);
        result
    }

    /// Returns a value, or what it promises; unlike [`Context::force`] it shares nothing new.
    pub(crate) fn forced(&self, value: Value) -> Value {
        if matches!(value, Value::Thunk(_)) { self.force(&value) } else { value }
    }

    /// Evaluates a promise, once, and returns what it promised.
    pub(crate) fn force(&self, value: &Value) -> Value {
        let Value::Thunk(thunk) = value else {
            return value.clone();
        };
        let delayed = match &*thunk.0.borrow() {
            Delayed::Done(value) => return value.clone(),
            Delayed::Call(call) => Delayed::Call(call.clone()),
            Delayed::Term(env, body) => Delayed::Term(env.clone(), body.clone()),
            Delayed::Op(operator, left, right) => {
                Delayed::Op(*operator, left.clone(), right.clone())
            }
        };
        let result = match delayed {
            Delayed::Call(call) => {
                let result = self.deeper(NOTHING, || call(self));
                self.force(&result)
            }
            Delayed::Term(env, body) => self.eval(&env, &body),
            Delayed::Op(operator, left, right) => self.operate(operator, &left, &right),
            Delayed::Done(value) => value,
        };
        if !self.exhausted() {
            let old = thunk.0.replace(Delayed::Done(result.clone()));
            drop(old);
        }
        result
    }

    /// Lays out a list's items, as far as memory allows.
    pub(crate) fn items(&self, rope: &Rope<Value>) -> Rc<Vec<Value>> {
        match rope.flat() {
            Some(items) => items,
            None if self.charge(rope.len().saturating_mul(size_of::<Value>() as u64)) => {
                rope.items()
            }
            None => Rc::default(),
        }
    }

    /// Lays out a text: runs of characters joined, empty ones gone.
    pub(crate) fn pieces(&self, rope: &Rope<Piece>) -> Rc<Vec<Piece>> {
        if let Some(items) = rope.flat()
            && items.len() < 2
        {
            return items;
        }
        if !self.charge(rope.len().saturating_mul(size_of::<Piece>() as u64)) {
            return Rc::default();
        }
        let items = rope.items();
        let joined = |pair: &[Piece]| !matches!(pair, [Piece::Text(_), Piece::Text(_)]);
        if items.windows(2).all(joined) {
            return items;
        }
        let mut merged: Vec<Piece> = Vec::new();
        let mut text = String::new();
        for piece in items.iter() {
            match piece {
                Piece::Text(more) => {
                    if !self.charge(more.len() as u64) {
                        return Rc::default();
                    }
                    text.push_str(more);
                }
                Piece::Value(value) => {
                    if !text.is_empty() {
                        merged.push(Piece::Text(std::mem::take(&mut text).into()));
                    }
                    merged.push(Piece::Value(value.clone()));
                }
            }
        }
        if !text.is_empty() {
            merged.push(Piece::Text(text.into()));
        }
        let merged = Rc::new(merged);
        rope.replace(merged.clone());
        merged
    }

    /// Returns the type of a built-in.
    pub(crate) fn builtin_type(&self, builtin: Builtin) -> Value {
        if let Some(known) = self.builtin_types.borrow().get(&builtin) {
            return known.clone();
        }
        let parsed = crate::parser::parse(builtin.type_source(), &Limits::default());
        let value = match parsed {
            Ok(parsed) => self.eval(&Env::default(), &super::lower::lower(&parsed.expr)),
            Err(error) => unreachable!("the types of built-ins are well-formed: {error}"),
        };
        self.builtin_types.borrow_mut().insert(builtin, value.clone());
        value
    }

    pub(crate) fn terms(&self) -> &Terms {
        self.terms.get_or_init(|| {
            let make = |kind| term(Span::NONE, kind);
            let var = |index| make(TermKind::Var(index));
            let one = make(TermKind::Natural(Natural::from(1)));
            let list = make(TermKind::Builtin(Builtin::List));
            let single = make(TermKind::List(vec![var(1)]));
            Terms {
                successor: make(TermKind::Op(Operator::Plus, var(0), one)),
                cons: make(TermKind::Lambda(
                    Label::new("as"),
                    make(TermKind::App(list, var(1))),
                    make(TermKind::Op(Operator::ListAppend, single, var(0))),
                )),
            }
        })
    }
}
