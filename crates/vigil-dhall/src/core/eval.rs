//! Evaluation: from terms to values (`standard/beta-normalization.md`).
//!
//! Arguments, bindings and fields become promises; nothing is evaluated that is not looked at,
//! and nothing twice. On ill-typed terms evaluation still ends in a value, or at a limit.

use super::context::Context;
use super::environment::Env;
use super::lower::lower_under;
use super::quote::Quote;
use super::rope::Rope;
use super::shared::Shared;
use super::term::{Term, TermKind};
use super::value::{Binder, Closure, Delayed, LevelClosure, Piece, Value};
use crate::builtin::Const;
use crate::expr::Operator;

/// What an evaluation returns that may not go on.
pub(crate) const NOTHING: Value = Value::Const(Const::Sort);

impl Context {
    /// Returns the value of `term`, evaluated as far as its head.
    pub(crate) fn eval(&self, env: &Env, term: &Term) -> Value {
        self.deeper(NOTHING, || self.eval_here(env, term))
    }

    fn eval_here(&self, env: &Env, term: &Term) -> Value {
        let mut env = env.clone();
        let mut term = term.clone();
        loop {
            if !self.step() {
                return NOTHING;
            }
            let next = match &term.kind {
                TermKind::Let(_, _, value, body) => {
                    env = env.push(self.delay(&env, value));
                    body.clone()
                }
                TermKind::Annotation(inner, _) => inner.clone(),
                TermKind::App(function, argument) => {
                    let function = self.eval(&env, function);
                    let argument = self.delay(&env, argument);
                    match &function {
                        Value::Lambda(binder) => match &binder.body {
                            Closure::Term { env: scope, body } => {
                                env = scope.push(argument);
                                body.clone()
                            }
                            closure => return self.enter(closure, argument),
                        },
                        _ => return self.apply(&function, argument),
                    }
                }
                TermKind::If(test, yes, no) => match self.eval(&env, test) {
                    Value::Bool(true) => yes.clone(),
                    Value::Bool(false) => no.clone(),
                    test => {
                        let (yes, no) = (self.delay(&env, yes), self.delay(&env, no));
                        return self.choose(test, yes, no);
                    }
                },
                _ => return self.eval_form(&env, &term),
            };
            term = next;
        }
    }

    /// Returns the value of `term`, or a promise of it where that takes work.
    pub(crate) fn delay(&self, env: &Env, term: &Term) -> Value {
        match &term.kind {
            TermKind::Const(universe) => Value::Const(*universe),
            TermKind::Builtin(builtin) => Value::Builtin(*builtin),
            TermKind::Bool(value) => Value::Bool(*value),
            TermKind::Natural(value) => Value::Natural(value.clone()),
            TermKind::Double(value) => Value::Double(*value),
            TermKind::Var(index) => env.get(*index).cloned().unwrap_or(NOTHING),
            TermKind::Loaded(loaded) => loaded.value.clone(),
            TermKind::Lambda(..) | TermKind::Pi(..) | TermKind::Integer(_) => {
                self.eval_form(env, term)
            }
            _ => Value::thunk(Delayed::Term(env.clone(), term.clone())),
        }
    }

    fn binder(
        &self,
        env: &Env,
        label: &crate::Label,
        domain: &Term,
        body: &Term,
    ) -> Shared<Binder> {
        Shared::new(Binder {
            label: label.clone(),
            domain: self.delay(env, domain),
            body: Closure::Term { env: env.clone(), body: body.clone() },
        })
    }

    /// The forms that do not go on to another term.
    fn eval_form(&self, env: &Env, term: &Term) -> Value {
        match &term.kind {
            TermKind::Const(universe) => Value::Const(*universe),
            TermKind::Builtin(builtin) => Value::Builtin(*builtin),
            TermKind::Var(index) => env.get(*index).map_or(NOTHING, |value| self.force(value)),
            TermKind::Free(label, index) => {
                Value::Free(Shared::new((label.clone(), index.clone())))
            }
            TermKind::Loaded(loaded) => self.force(&loaded.value),
            TermKind::Lambda(label, domain, body) => {
                Value::Lambda(self.binder(env, label, domain, body))
            }
            TermKind::Pi(label, domain, body) => Value::Pi(self.binder(env, label, domain, body)),
            TermKind::Op(Operator::Prefer | Operator::Combine | Operator::CombineTypes, ..) => {
                self.eval_record_chain(env, term)
            }
            TermKind::Op(operator, left, right) => {
                let (left, right) = (self.delay(env, left), self.delay(env, right));
                self.operate(*operator, &left, &right)
            }
            TermKind::Merge(handlers, union, annotation) => {
                let handlers = self.eval(env, handlers);
                let union = self.eval(env, union);
                let annotation = annotation.as_ref().map(|term| self.delay(env, term));
                self.merge(&handlers, &union, annotation)
            }
            TermKind::ToMap(record, annotation) => {
                let record = self.eval(env, record);
                self.to_map(&record, annotation.as_ref().map(|term| self.delay(env, term)))
            }
            TermKind::ShowConstructor(inner) => self.show_constructor(&self.eval(env, inner)),
            TermKind::Assert(claim) => Value::Assert(Shared::new(self.delay(env, claim))),
            TermKind::Field(inner, label) => self.field(&self.eval(env, inner), label),
            TermKind::Project(inner, labels) => {
                if labels.is_empty() {
                    return Value::record(Vec::new());
                }
                self.project(&self.eval(env, inner), labels)
            }
            TermKind::ProjectByType(inner, wanted) => {
                let wanted = self.eval(env, wanted);
                self.project_by_type(&self.delay(env, inner), &wanted)
            }
            TermKind::With(..) => self.eval_update_chain(env, term),
            TermKind::Let(..) | TermKind::Annotation(..) | TermKind::App(..) | TermKind::If(..) => {
                unreachable!("the caller goes on with these")
            }
            _ => self.eval_literal(env, term),
        }
    }

    /// Evaluates a chain of one operator on records from its innermost operand outwards.
    fn eval_record_chain(&self, env: &Env, term: &Term) -> Value {
        let mut operands = Vec::new();
        let (mut first, mut operator) = (term, Operator::Prefer);
        while let TermKind::Op(next, left, right) = &first.kind
            && (operands.is_empty() || *next == operator)
        {
            operator = *next;
            operands.push(right);
            first = left;
        }
        operands.iter().rev().fold(self.eval(env, first), |left, right| {
            self.merge_records(operator, left, &self.delay(env, right))
        })
    }

    /// Evaluates a chain of `with` from what is updated outwards.
    fn eval_update_chain(&self, env: &Env, term: &Term) -> Value {
        let mut updates = Vec::new();
        let mut subject = term;
        while let TermKind::With(inner, path, value) = &subject.kind {
            updates.push((path, value));
            subject = inner;
        }
        updates.iter().rev().fold(self.eval(env, subject), |record, (path, value)| {
            self.with(record, path, self.delay(env, value))
        })
    }

    fn eval_literal(&self, env: &Env, term: &Term) -> Value {
        match &term.kind {
            TermKind::Bool(value) => Value::Bool(*value),
            TermKind::Natural(value) => Value::Natural(value.clone()),
            TermKind::Integer(value) => Value::Integer(Shared::new(value.clone())),
            TermKind::Double(value) => Value::Double(*value),
            TermKind::Bytes(bytes) => Value::Bytes(bytes.clone()),
            TermKind::Date(date) => Value::Date(*date),
            TermKind::Time(time) => Value::Time(Shared::new(time.clone())),
            TermKind::TimeZone(zone) => Value::TimeZone(*zone),
            TermKind::Text(chunks, last) => {
                let mut rope = Rope::empty();
                for (text, inner) in chunks {
                    rope = cat_text(&rope, text);
                    rope = rope.cat(&self.text_rope(self.eval(env, inner)));
                }
                collapse(cat_text(&rope, last))
            }
            TermKind::EmptyList(annotation) => {
                Value::EmptyList(Shared::new(self.delay(env, annotation)))
            }
            TermKind::List(items) => {
                Value::List(Rope::leaf(items.iter().map(|item| self.delay(env, item)).collect()))
            }
            TermKind::Some(inner) => Value::Some(Shared::new(self.delay(env, inner))),
            TermKind::RecordType(fields) => {
                Value::RecordType(Shared::new(self.delay_fields(env, fields)))
            }
            TermKind::Record(fields) => Value::Record(Shared::new(self.delay_fields(env, fields))),
            TermKind::UnionType(alternatives) => Value::UnionType(Shared::new(
                alternatives
                    .iter()
                    .map(|(label, payload)| {
                        (label.clone(), payload.as_ref().map(|term| self.delay(env, term)))
                    })
                    .collect(),
            )),
            _ => unreachable!("the caller has handled every other form"),
        }
    }

    fn delay_fields(&self, env: &Env, fields: &[(crate::Label, Term)]) -> super::value::Fields {
        fields.iter().map(|(label, term)| (label.clone(), self.delay(env, term))).collect()
    }

    /// Returns the text as a rope; something abstract becomes its only piece.
    pub(crate) fn text_rope(&self, value: Value) -> Rope<Piece> {
        match value {
            Value::Text(rope) => rope,
            other => Rope::leaf(vec![Piece::Value(other)]),
        }
    }

    /// Applies a function to an argument.
    pub(crate) fn apply(&self, function: &Value, argument: Value) -> Value {
        match function {
            Value::Lambda(binder) => self.enter(&binder.body, argument),
            Value::Builtin(_) | Value::App(_) => self.apply_builtin(function, argument),
            _ => Value::app(function.clone(), argument),
        }
    }

    /// Evaluates the body of a binder.
    pub(crate) fn enter(&self, closure: &Closure, argument: Value) -> Value {
        match closure {
            Closure::Term { env, body } => self.eval(&env.push(argument), body),
            Closure::Constant(value) => self.force(value),
            Closure::Level(closure) => match argument {
                Value::Level(level) if level == closure.level => self.force(&closure.body),
                argument => {
                    let (env, body) = closure.term.get_or_init(|| self.level_term(closure));
                    self.eval(&env.push(argument), body)
                }
            },
        }
    }

    /// Turns a value over levels into a term over an environment of those levels.
    fn level_term(&self, closure: &LevelClosure) -> (Env, Term) {
        let names = closure.names.outermost_first();
        let expr = Quote::new(self, names.clone(), false).expr(&closure.body);
        let env =
            (0..closure.level).fold(Env::default(), |env, level| env.push(Value::Level(level)));
        (env, lower_under(&expr, names))
    }

    /// `if` of which the test is abstract.
    fn choose(&self, test: Value, yes: Value, no: Value) -> Value {
        let forced = (self.force(&yes), self.force(&no));
        if let (Value::Bool(true), Value::Bool(false)) = forced {
            return test;
        }
        if self.convertible(&forced.0, &forced.1) {
            return forced.0;
        }
        Value::If(Shared::new((test, yes, no)))
    }
}

fn cat_text(rope: &Rope<Piece>, text: &std::sync::Arc<str>) -> Rope<Piece> {
    if text.is_empty() {
        return rope.clone();
    }
    rope.cat(&Rope::leaf(vec![Piece::Text(text.clone())]))
}

/// A text that is nothing but one abstract piece is that piece.
pub(crate) fn collapse(rope: Rope<Piece>) -> Value {
    if rope.len() == 1
        && let Some(Piece::Value(value)) = rope.first()
    {
        return value;
    }
    Value::Text(rope)
}
