//! The rules for operators.

use super::{Checker, Scope, TypeErrorKind, Typing};
use crate::builtin::{Builtin, Const};
use crate::core::shared::Shared;
use crate::core::term::{Term, TermKind};
use crate::core::value::{Fields, Value, field};
use crate::expr::{Operator, Span};
use crate::label::Label;

impl Checker<'_> {
    pub(super) fn operator(
        &self,
        scope: &Scope,
        term: &Term,
        operator: Operator,
        left: &Term,
        right: &Term,
    ) -> Typing<Value> {
        let both = |builtin, role| {
            let ty = Value::Builtin(builtin);
            self.expect(scope, left, &ty, role)?;
            self.expect(scope, right, &ty, role)?;
            Ok(ty)
        };
        match operator {
            Operator::Or => both(Builtin::Bool, "an operand of `||`"),
            Operator::And => both(Builtin::Bool, "an operand of `&&`"),
            Operator::Equal => both(Builtin::Bool, "an operand of `==`"),
            Operator::NotEqual => both(Builtin::Bool, "an operand of `!=`"),
            Operator::Plus => both(Builtin::Natural, "an operand of `+`"),
            Operator::Times => both(Builtin::Natural, "an operand of `*`"),
            Operator::TextAppend => both(Builtin::Text, "an operand of `++`"),
            Operator::ListAppend => self.append(scope, left, right),
            Operator::Equivalent => self.equivalence(scope, left, right),
            Operator::Prefer => {
                let left = self.record_operand(scope, left, "the left side of `⫽`")?;
                let right = self.record_operand(scope, right, "the right side of `⫽`")?;
                let joined = self.context.joined(left, &right, |_, new| new.clone());
                Ok(Value::RecordType(Shared::new(joined)))
            }
            Operator::Combine => {
                let left = self.record_operand(scope, left, "the left side of `∧`")?;
                let right = self.record_operand(scope, right, "the right side of `∧`")?;
                self.disjoint(term.span, &left, &right, &mut Vec::new())?;
                let (left, right) = (Value::RecordType(left), Value::RecordType(right));
                Ok(self.context.merge_records(Operator::CombineTypes, left, &right))
            }
            Operator::CombineTypes => self.combined_types(scope, term),
            Operator::Alternative | Operator::Complete => {
                unreachable!("resolution and lowering leave no such operator")
            }
        }
    }

    /// `A ⩓ B ⩓ …`, from the innermost operand outwards.
    fn combined_types(&self, scope: &Scope, term: &Term) -> Typing<Value> {
        let mut operands = Vec::new();
        let mut first = term;
        while let TermKind::Op(Operator::CombineTypes, left, right) = &first.kind {
            operands.push((first.span, right));
            first = left;
        }
        let (mut universe, mut fields) = self.type_operand(scope, first)?;
        for (span, right) in operands.into_iter().rev() {
            let (other, more) = self.type_operand(scope, right)?;
            universe = universe.max(other);
            self.disjoint(span, &fields, &more, &mut Vec::new())?;
            let (left, right) = (Value::RecordType(fields), Value::RecordType(more));
            match self.context.merge_records(Operator::CombineTypes, left, &right) {
                Value::RecordType(combined) => fields = combined,
                // A limit was reached, which the caller reports instead.
                _ => return self.fail(span, TypeErrorKind::Untyped),
            }
        }
        Ok(Value::Const(universe))
    }

    fn append(&self, scope: &Scope, left: &Term, right: &Term) -> Typing<Value> {
        let list = |term: &Term| {
            let ty = self.infer(scope, term)?;
            let ty = self.force(&ty);
            match &ty {
                Value::App(app) if matches!(app.0, Value::Builtin(Builtin::List)) => Ok(ty),
                _ => {
                    let actual = scope.quote(self.context, &ty);
                    let (role, wanted) = ("an operand of `#`", "a list");
                    self.fail(term.span, TypeErrorKind::WrongForm { role, wanted, actual })
                }
            }
        };
        let (a, b) = (list(left)?, list(right)?);
        self.same_type(scope, right.span, &a, &b, "the right side of `#`")?;
        Ok(a)
    }

    fn equivalence(&self, scope: &Scope, left: &Term, right: &Term) -> Typing<Value> {
        let a = self.infer(scope, left)?;
        let b = self.infer(scope, right)?;
        self.must_be_term(scope, left.span, &a, "the left side of `≡`")?;
        self.must_be_term(scope, right.span, &b, "the right side of `≡`")?;
        self.same_type(scope, right.span, &a, &b, "the right side of `≡`")?;
        Ok(Value::TYPE)
    }

    /// Demands a record and returns the types of its fields.
    pub(super) fn record_operand(
        &self,
        scope: &Scope,
        term: &Term,
        role: &'static str,
    ) -> Typing<Shared<Fields>> {
        let ty = self.infer(scope, term)?;
        match self.context.forced(ty) {
            Value::RecordType(fields) => Ok(fields),
            other => {
                let actual = scope.quote(self.context, &other);
                let wanted = "a record";
                self.fail(term.span, TypeErrorKind::WrongForm { role, wanted, actual })
            }
        }
    }

    fn type_operand(&self, scope: &Scope, term: &Term) -> Typing<(Const, Shared<Fields>)> {
        let role = "an operand of `⩓`";
        let universe = self.type_universe(scope, term, role)?;
        match self.context.eval(&scope.env, term) {
            Value::RecordType(fields) => Ok((universe, fields)),
            other => {
                let actual = scope.quote(self.context, &other);
                let wanted = "a record type";
                self.fail(term.span, TypeErrorKind::WrongForm { role, wanted, actual })
            }
        }
    }

    /// Demands that fields of one name are both records, all the way down.
    fn disjoint(
        &self,
        span: Span,
        left: &Fields,
        right: &Fields,
        path: &mut Vec<Label>,
    ) -> Typing<()> {
        let (few, many) = if left.len() < right.len() { (left, right) } else { (right, left) };
        for (label, a) in few {
            let Some(b) = field(many, label) else {
                continue;
            };
            if !self.context.step() {
                // The caller reports the limit instead.
                return self.fail(span, TypeErrorKind::Untyped);
            }
            path.push(label.clone());
            match (self.force(a), self.force(b)) {
                (Value::RecordType(a), Value::RecordType(b)) => {
                    self.context.deeper(Ok(()), || self.disjoint(span, &a, &b, path))?;
                }
                _ => return self.fail(span, TypeErrorKind::Collision { path: path.clone() }),
            }
            path.pop();
        }
        Ok(())
    }
}
