//! The rule `primitive-expression`: literals, names, and everything in brackets.

use super::{Parse, Parser};
use crate::Label;
use crate::builtin::{Builtin, Const, is_reserved};
use crate::expr::{Expr, ExprKind, Operator};
use crate::number::Natural;

impl Parser<'_> {
    pub(super) fn primitive(&mut self) -> Parse<Expr> {
        let start = self.position;
        match self.peek() {
            Some(b'(') => {
                self.position += 1;
                self.space()?;
                let inner = self.expression()?;
                self.space()?;
                self.expect(")")?;
                Ok(inner)
            }
            Some(b'{') => self.record(),
            Some(b'<') => self.union(),
            Some(b'[') => self.list(),
            Some(b'"') => self.double_quoted(),
            Some(b'\'') if self.peek_at(1) == Some(b'\'') => self.multi_line(),
            Some(b'0'..=b'9' | b'+' | b'-') => self.number(),
            Some(b'`') => {
                let label = self.any_label()?;
                self.variable(start, label)
            }
            _ => self.word(start),
        }
    }

    fn word(&mut self, start: usize) -> Parse<Expr> {
        let word = self.peek_word();
        let kind = match word {
            "NaN" => ExprKind::Double(f64::NAN),
            "Infinity" => ExprKind::Double(f64::INFINITY),
            _ if is_reserved(word) => reserved(word),
            _ => {
                let Ok(label) = self.any_label() else {
                    return self.fail("an expression");
                };
                return self.variable(start, label);
            }
        };
        self.position += word.len();
        Ok(Expr::at(self.span_from(start), kind))
    }

    fn variable(&mut self, start: usize, label: Label) -> Parse<Expr> {
        let before = self.position;
        self.space()?;
        let mut index = Natural::ZERO;
        if self.eat("@") {
            self.space()?;
            index = self.natural()?;
        } else {
            self.position = before;
        }
        Ok(Expr::at(self.span_from(start), ExprKind::Var(label, index)))
    }

    fn list(&mut self) -> Parse<Expr> {
        let start = self.position;
        self.expect("[")?;
        self.space()?;
        if self.eat(",") {
            self.space()?;
        }
        let mut items = vec![self.expression()?];
        self.space()?;
        while !self.eat("]") {
            if !self.eat(",") {
                self.note("`,`");
                return self.fail("`]`");
            }
            self.space()?;
            if self.eat("]") {
                break;
            }
            items.push(self.expression()?);
            self.space()?;
        }
        Ok(Expr::at(self.span_from(start), ExprKind::List(items)))
    }

    fn union(&mut self) -> Parse<Expr> {
        let start = self.position;
        self.expect("<")?;
        self.space()?;
        if self.eat("|") {
            self.space()?;
        }
        let mut alternatives = Vec::new();
        while !self.eat(">") {
            let label = self.any_label_or_some()?;
            self.space()?;
            let mut payload = None;
            if self.eat(":") {
                self.space1()?;
                payload = Some(self.expression()?);
                self.space()?;
            }
            alternatives.push((label, payload));
            if self.eat("|") {
                self.space()?;
            } else if self.eat(">") {
                break;
            } else {
                self.note("`|`");
                return self.fail("`>`");
            }
        }
        Ok(Expr::at(self.span_from(start), ExprKind::UnionType(alternatives)))
    }

    fn record(&mut self) -> Parse<Expr> {
        let start = self.position;
        self.expect("{")?;
        self.space()?;
        if self.eat(",") {
            self.space()?;
        }
        let kind = if self.eat("}") {
            return Ok(Expr::at(self.span_from(start), ExprKind::RecordType(Vec::new())));
        } else if self.eat("=") {
            self.space()?;
            if self.eat(",") {
                self.space()?;
            }
            self.expect("}")?;
            ExprKind::Record(Vec::new())
        } else {
            self.entries()?
        };
        Ok(Expr::at(self.span_from(start), kind))
    }

    /// The entries of a record type or literal; the first one tells which.
    fn entries(&mut self) -> Parse<ExprKind> {
        let before = self.position;
        self.any_label_or_some()?;
        self.space()?;
        let is_type = self.peek() == Some(b':');
        self.position = before;
        let mut types = Vec::new();
        let mut fields: Vec<(Label, Expr)> = Vec::new();
        loop {
            if is_type {
                let label = self.any_label_or_some()?;
                self.space()?;
                self.expect(":")?;
                self.space1()?;
                types.push((label, self.expression()?));
            } else {
                let (label, value) = self.field()?;
                fields.push((label, value));
            }
            self.space()?;
            if self.eat(",") {
                self.space()?;
                if self.eat("}") {
                    break;
                }
            } else if self.eat("}") {
                break;
            } else {
                self.note("`,`");
                return self.fail("`}`");
            }
        }
        if is_type {
            return Ok(ExprKind::RecordType(types));
        }
        Ok(ExprKind::Record(self.merge_repeated(fields)?))
    }

    /// `x.y = e` or the pun `x`.
    fn field(&mut self) -> Parse<(Label, Expr)> {
        let start = self.position;
        let first = self.any_label_or_some()?;
        let after = self.position;
        let mut inner = Vec::new();
        self.space()?;
        while self.eat(".") {
            self.space()?;
            inner.push(self.any_label_or_some()?);
            self.space()?;
        }
        if !self.eat("=") {
            if !inner.is_empty() {
                return self.fail("=");
            }
            self.note("`=`");
            self.note("`:`");
            self.position = after;
            // Always the variable of that name, a built-in's name included.
            let kind = ExprKind::Var(first.clone(), Natural::ZERO);
            return Ok((first, Expr::at(self.span_from(start), kind)));
        }
        self.space()?;
        let mut value = self.expression()?;
        if self.depth + inner.len() > self.depth_max {
            return self.too_deep();
        }
        for label in inner.into_iter().rev() {
            value = Expr::at(value.span(), ExprKind::Record(vec![(label, value)]));
        }
        Ok((first, value))
    }

    /// Joins the values of repeated fields with `∧`, each at the place of its first occurrence
    /// (`standard/record.md`, "Duplicate fields").
    fn merge_repeated(&self, fields: Vec<(Label, Expr)>) -> Parse<Vec<(Label, Expr)>> {
        let mut places = std::collections::HashMap::with_capacity(fields.len());
        let mut merged: Vec<(Label, Expr)> = Vec::with_capacity(fields.len());
        for (label, value) in fields {
            match places.get(&label) {
                None => {
                    places.insert(label.clone(), merged.len());
                    merged.push((label, value));
                }
                Some(&place) => {
                    let slot: &mut (Label, Expr) = &mut merged[place];
                    let span = slot.1.span().to(value.span());
                    let kind = ExprKind::Op(Operator::Combine, slot.1.clone(), value);
                    slot.1 = Expr::at(span, kind);
                    if self.depth + slot.1.height() > self.depth_max {
                        return self.too_deep();
                    }
                }
            }
        }
        Ok(merged)
    }
}

fn reserved(word: &str) -> ExprKind {
    match word {
        "True" => ExprKind::Bool(true),
        "False" => ExprKind::Bool(false),
        "Kind" => ExprKind::Const(Const::Kind),
        "Sort" => ExprKind::Const(Const::Sort),
        _ => Builtin::from_name(word).map_or(ExprKind::Const(Const::Type), ExprKind::Builtin),
    }
}
