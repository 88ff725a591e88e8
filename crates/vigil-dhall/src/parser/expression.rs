//! The rules from `expression` down to `selector-expression`.

use std::sync::Arc;

use super::{Parse, Parser};
use crate::expr::{Binding, Expr, ExprKind, Operator, WithComponent};
use crate::stack::deep;

/// What an operator expression turned out to be: three alternatives of `expression` begin with
/// one and go on only after some of its forms.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    /// A single `import-expression`, which a `with` may follow.
    Simple,
    /// `merge` or `toMap` with their own arguments only; an annotation belongs to them.
    Annotatable,
    /// Anything else.
    Other,
}

impl Parser<'_> {
    pub(super) fn expression(&mut self) -> Parse<Expr> {
        if self.depth >= self.depth_max {
            return self.too_deep();
        }
        self.depth += 1;
        let result = deep(|| self.expression_here());
        self.depth -= 1;
        match result {
            // Chains and parentheses can take turns.
            Ok(expr) if self.depth + expr.height() > self.depth_max => self.too_deep(),
            result => result,
        }
    }

    fn expression_here(&mut self) -> Parse<Expr> {
        match self.peek() {
            Some(b'\\') => return self.lambda(1),
            Some(0xCE) if self.looking_at("λ") => return self.lambda("λ".len()),
            Some(0xE2) if self.looking_at("∀") => return self.pi("∀".len()),
            Some(b'[') => {
                if let Some(empty) = self.empty_list()? {
                    return Ok(empty);
                }
            }
            Some(b'i' | b'l' | b'f' | b'a') => match self.peek_word() {
                "if" => return self.conditional(),
                "let" => return self.bindings(),
                "forall" => return self.pi("forall".len()),
                "assert" => return self.assertion(),
                _ => {}
            },
            _ => {}
        }
        self.operator_or_more()
    }

    /// The alternatives that begin with an operator expression.
    fn operator_or_more(&mut self) -> Parse<Expr> {
        let start = self.position;
        let (expr, shape) = self.operator_expression(0)?;
        let after = self.position;
        let spaced = self.space()?;
        if self.eat("->") || self.eat("→") {
            self.space()?;
            let body = self.expression()?;
            let label = self.intern("_");
            return Ok(Expr::at(self.span_from(start), ExprKind::Pi(label, expr, body)));
        }
        if spaced && shape == Shape::Simple && self.peek_word() == "with" {
            self.position = after;
            return self.with_clauses(start, expr);
        }
        if self.peek() == Some(b':') && self.peek_at(1) != Some(b':') {
            self.position += 1;
            self.space1()?;
            let annotation = self.expression()?;
            let span = self.span_from(start);
            let kind = match (shape, expr.kind()) {
                (Shape::Annotatable, ExprKind::Merge(handlers, union, None)) => {
                    ExprKind::Merge(handlers.clone(), union.clone(), Some(annotation))
                }
                (Shape::Annotatable, ExprKind::ToMap(record, None)) => {
                    ExprKind::ToMap(record.clone(), Some(annotation))
                }
                _ => ExprKind::Annotation(expr, annotation),
            };
            return Ok(Expr::at(span, kind));
        }
        self.position = after;
        Ok(expr)
    }

    /// `(x : A) → b`, as it follows a lambda or a forall sign.
    fn binder(&mut self) -> Parse<(crate::Label, Expr, Expr)> {
        self.space()?;
        self.expect("(")?;
        self.space()?;
        let label = self.bound_label()?;
        self.space()?;
        self.expect(":")?;
        self.space1()?;
        let domain = self.expression()?;
        self.space()?;
        self.expect(")")?;
        self.space()?;
        if !(self.eat("->") || self.eat("→")) {
            return self.fail("->");
        }
        self.space()?;
        let body = self.expression()?;
        Ok((label, domain, body))
    }

    fn lambda(&mut self, sign: usize) -> Parse<Expr> {
        let start = self.position;
        self.position += sign;
        let (label, domain, body) = self.binder()?;
        Ok(Expr::at(self.span_from(start), ExprKind::Lambda(label, domain, body)))
    }

    fn pi(&mut self, sign: usize) -> Parse<Expr> {
        let start = self.position;
        self.position += sign;
        let (label, domain, body) = self.binder()?;
        Ok(Expr::at(self.span_from(start), ExprKind::Pi(label, domain, body)))
    }

    fn conditional(&mut self) -> Parse<Expr> {
        let start = self.position;
        self.expect_keyword("if")?;
        self.space1()?;
        let test = self.expression()?;
        self.space()?;
        self.expect_keyword("then")?;
        self.space1()?;
        let yes = self.expression()?;
        self.space()?;
        self.expect_keyword("else")?;
        self.space1()?;
        let no = self.expression()?;
        Ok(Expr::at(self.span_from(start), ExprKind::If(test, yes, no)))
    }

    /// A run of `let`s, with or without `in` between them, as one node.
    fn bindings(&mut self) -> Parse<Expr> {
        let start = self.position;
        let mut bindings = Vec::new();
        loop {
            while self.peek_word() == "let" {
                bindings.push(self.binding()?);
            }
            self.expect_keyword("in")?;
            self.space1()?;
            if self.peek_word() != "let" {
                break;
            }
        }
        let body = self.expression()?;
        let span = self.span_from(start);
        // A body in parentheses may be a `let` too.
        let body = match body.kind() {
            ExprKind::Let(..) => match body.into_kind() {
                ExprKind::Let(more, inner) => {
                    bindings.extend(more);
                    inner
                }
                other => Expr::new(other),
            },
            _ => body,
        };
        if bindings.len() > self.depth_max {
            return self.too_deep();
        }
        Ok(Expr::at(span, ExprKind::Let(bindings, body)))
    }

    fn binding(&mut self) -> Parse<Binding> {
        let start = self.position;
        self.expect_keyword("let")?;
        self.space1()?;
        let label = self.bound_label()?;
        self.space()?;
        let mut annotation = None;
        if self.eat(":") {
            self.space1()?;
            annotation = Some(self.expression()?);
            self.space()?;
        }
        self.expect("=")?;
        self.space()?;
        let value = self.expression()?;
        let span = self.span_from(start);
        self.space1()?;
        Ok(Binding { span, label, annotation, value })
    }

    fn assertion(&mut self) -> Parse<Expr> {
        let start = self.position;
        self.expect_keyword("assert")?;
        self.space()?;
        self.expect(":")?;
        self.space1()?;
        let claim = self.expression()?;
        Ok(Expr::at(self.span_from(start), ExprKind::Assert(claim)))
    }

    fn empty_list(&mut self) -> Parse<Option<Expr>> {
        let start = self.position;
        self.position += 1;
        self.space()?;
        if self.eat(",") {
            self.space()?;
        }
        if !self.eat("]") {
            self.position = start;
            return Ok(None);
        }
        self.space()?;
        if !self.eat(":") {
            return self.fail("`: List …`, the type of an empty list,");
        }
        self.space1()?;
        let annotation = self.expression()?;
        Ok(Some(Expr::at(self.span_from(start), ExprKind::EmptyList(annotation))))
    }

    fn with_clauses(&mut self, start: usize, mut expr: Expr) -> Parse<Expr> {
        let mut count = 0;
        loop {
            let before = self.position;
            if !self.space()? || !self.eat_keyword("with") {
                self.position = before;
                return Ok(expr);
            }
            self.space1()?;
            let mut path = vec![self.with_component()?];
            self.space()?;
            while self.eat(".") {
                self.space()?;
                path.push(self.with_component()?);
                self.space()?;
            }
            self.expect("=")?;
            self.space()?;
            let (value, _) = self.operator_expression(0)?;
            count += 1;
            if self.depth + count > self.depth_max {
                return self.too_deep();
            }
            expr = Expr::at(self.span_from(start), ExprKind::With(expr, path, value));
        }
    }

    fn with_component(&mut self) -> Parse<WithComponent> {
        if self.eat("?") {
            return Ok(WithComponent::Inside);
        }
        Ok(WithComponent::Field(self.any_label_or_some()?))
    }

    /// Climbs the ladder of operators from `lowest` upwards.
    fn operator_expression(&mut self, lowest: u8) -> Parse<(Expr, Shape)> {
        let start = self.position;
        let (mut left, mut shape) = self.application_expression()?;
        let mut chain = 0;
        loop {
            let before = self.position;
            self.space()?;
            let Some(operator) = self.operator(lowest)? else {
                self.note("an operator");
                self.position = before;
                return Ok((left, shape));
            };
            self.space()?;
            let (right, _) = self.operator_expression(operator.precedence() + 1)?;
            chain += 1;
            if self.depth + chain > self.depth_max {
                return self.too_deep();
            }
            left = Expr::at(self.span_from(start), ExprKind::Op(operator, left, right));
            shape = Shape::Other;
        }
    }

    /// Takes an operator that binds at least as tightly as `lowest`.
    fn operator(&mut self, lowest: u8) -> Parse<Option<Operator>> {
        // The longest of those that share a beginning comes first.
        const SIGNS: &[(&str, Operator)] = &[
            ("===", Operator::Equivalent),
            ("≡", Operator::Equivalent),
            ("==", Operator::Equal),
            ("?", Operator::Alternative),
            ("||", Operator::Or),
            ("++", Operator::TextAppend),
            ("+", Operator::Plus),
            ("#", Operator::ListAppend),
            ("&&", Operator::And),
            ("/\\", Operator::Combine),
            ("∧", Operator::Combine),
            ("//\\\\", Operator::CombineTypes),
            ("⩓", Operator::CombineTypes),
            ("//", Operator::Prefer),
            ("⫽", Operator::Prefer),
            ("*", Operator::Times),
            ("!=", Operator::NotEqual),
        ];
        let Some((sign, operator)) = SIGNS.iter().find(|(sign, _)| self.looking_at(sign)) else {
            return Ok(None);
        };
        if operator.precedence() < lowest {
            return Ok(None);
        }
        let spaced = matches!(operator, Operator::Alternative | Operator::Plus);
        let before = self.position;
        self.position += sign.len();
        if spaced && !self.space()? {
            self.note("a space");
            self.position = before;
            return Ok(None);
        }
        Ok(Some(*operator))
    }

    fn application_expression(&mut self) -> Parse<(Expr, Shape)> {
        let start = self.position;
        let (mut expr, mut shape) = self.first_application()?;
        let mut chain = 0;
        loop {
            let before = self.position;
            if !self.space()? || !self.may_begin_argument() {
                self.position = before;
                return Ok((expr, shape));
            }
            let argument = self.import_expression()?;
            chain += 1;
            if self.depth + chain > self.depth_max {
                return self.too_deep();
            }
            expr = Expr::at(self.span_from(start), ExprKind::App(expr, argument));
            shape = Shape::Other;
        }
    }

    /// Tells an argument from an operator, a keyword or the end.
    fn may_begin_argument(&self) -> bool {
        match self.peek() {
            Some(b'(' | b'{' | b'[' | b'"' | b'`' | b'~') => true,
            Some(b'<' | b'0'..=b'9') => true,
            Some(b'\'') => self.peek_at(1) == Some(b'\''),
            Some(b'+') => self.peek_at(1).is_some_and(|next| next.is_ascii_digit()),
            Some(b'-') => self.peek_at(1).is_some_and(|next| next.is_ascii_digit() || next == b'I'),
            Some(b'.') => matches!(
                (self.peek_at(1), self.peek_at(2)),
                (Some(b'/'), _) | (Some(b'.'), Some(b'/'))
            ),
            Some(b'/') => self
                .peek_at(1)
                .is_some_and(|next| next == b'"' || super::import::is_path_char(next)),
            Some(byte) if super::word::is_label_start(byte) => !matches!(
                self.peek_word(),
                "if" | "then"
                    | "else"
                    | "let"
                    | "in"
                    | "using"
                    | "assert"
                    | "as"
                    | "merge"
                    | "Some"
                    | "toMap"
                    | "forall"
                    | "with"
                    | "showConstructor"
            ),
            _ => false,
        }
    }

    fn first_application(&mut self) -> Parse<(Expr, Shape)> {
        let start = self.position;
        let word = self.peek_word();
        let keyword = matches!(word, "merge" | "Some" | "toMap" | "showConstructor");
        if !keyword {
            return Ok((self.import_expression()?, Shape::Simple));
        }
        self.position += word.len();
        self.space1()?;
        let argument = self.import_expression()?;
        let (kind, shape) = match word {
            "merge" => {
                self.space1()?;
                let union = self.import_expression()?;
                (ExprKind::Merge(argument, union, None), Shape::Annotatable)
            }
            "Some" => (ExprKind::Some(argument), Shape::Other),
            "toMap" => (ExprKind::ToMap(argument, None), Shape::Annotatable),
            _ => (ExprKind::ShowConstructor(argument), Shape::Other),
        };
        Ok((Expr::at(self.span_from(start), kind), shape))
    }

    pub(super) fn import_expression(&mut self) -> Parse<Expr> {
        if let Some(import) = self.import()? {
            return Ok(import);
        }
        let start = self.position;
        let left = self.selector_expression()?;
        let before = self.position;
        self.space()?;
        if !self.eat("::") {
            self.position = before;
            return Ok(left);
        }
        self.space()?;
        let right = self.selector_expression()?;
        let kind = ExprKind::Op(Operator::Complete, left, right);
        Ok(Expr::at(self.span_from(start), kind))
    }

    fn selector_expression(&mut self) -> Parse<Expr> {
        let start = self.position;
        let mut expr = self.primitive()?;
        let mut chain = 0;
        loop {
            let before = self.position;
            self.space()?;
            if !self.eat(".") {
                self.position = before;
                return Ok(expr);
            }
            self.space()?;
            let kind = match self.peek() {
                Some(b'{') => ExprKind::Project(expr, self.labels()?),
                Some(b'(') => {
                    self.position += 1;
                    self.space()?;
                    let wanted = self.expression()?;
                    self.space()?;
                    self.expect(")")?;
                    ExprKind::ProjectByType(expr, wanted)
                }
                _ => match self.any_label() {
                    Ok(label) => ExprKind::Field(expr, label),
                    Err(_) => {
                        self.position = before;
                        return Ok(expr);
                    }
                },
            };
            chain += 1;
            if self.depth + chain > self.depth_max {
                return self.too_deep();
            }
            expr = Expr::at(self.span_from(start), kind);
        }
    }

    fn labels(&mut self) -> Parse<Vec<crate::Label>> {
        self.expect("{")?;
        self.space()?;
        if self.eat(",") {
            self.space()?;
        }
        let mut labels = Vec::new();
        while !self.eat("}") {
            labels.push(self.any_label_or_some()?);
            self.space()?;
            if self.eat(",") {
                self.space()?;
            } else {
                self.expect("}")?;
                break;
            }
        }
        Ok(labels)
    }

    /// Text as the tree keeps it.
    pub(super) fn shared(text: &str) -> Arc<str> {
        Arc::from(text)
    }
}
