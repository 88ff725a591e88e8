//! The forms of expression, and where parentheses go.

use super::atoms::{self, Place, label};
use super::doc::Doc;
use super::{CharacterSet, Style};
use crate::expr::{Binding, Expr, ExprKind, Operator, WithComponent};
use crate::import::{Import, ImportMode, ImportTarget};
use crate::label::Label;
use crate::number::show_double;
use crate::parser::Comment;
use crate::stack::deep;

/// How tightly forms bind; an operator stands at one more than its precedence.
pub(super) mod level {
    /// Anything.
    pub(in crate::print) const EXPRESSION: u8 = 0;
    /// The loosest operator.
    pub(in crate::print) const OPERATOR: u8 = 1;
    /// A function applied to arguments.
    pub(in crate::print) const APPLICATION: u8 = 14;
    /// An argument.
    pub(in crate::print) const ARGUMENT: u8 = 15;
    /// A completion.
    pub(in crate::print) const COMPLETION: u8 = 16;
    /// Something that a field is selected from.
    pub(in crate::print) const SELECTOR: u8 = 17;
}

fn level_of(kind: &ExprKind) -> u8 {
    match kind {
        ExprKind::Lambda(..)
        | ExprKind::Pi(..)
        | ExprKind::Let(..)
        | ExprKind::If(..)
        | ExprKind::Annotation(..)
        | ExprKind::EmptyList(_)
        | ExprKind::Assert(_)
        | ExprKind::With(..)
        | ExprKind::Merge(_, _, Some(_))
        | ExprKind::ToMap(_, Some(_)) => level::EXPRESSION,
        ExprKind::Op(Operator::Complete, ..) => level::COMPLETION,
        ExprKind::Op(operator, ..) => level::OPERATOR + operator.precedence(),
        ExprKind::App(..)
        | ExprKind::Merge(..)
        | ExprKind::ToMap(..)
        | ExprKind::Some(_)
        | ExprKind::ShowConstructor(_) => level::APPLICATION,
        ExprKind::Import(_) => level::ARGUMENT,
        _ => level::SELECTOR,
    }
}

/// Returns where the first token of `expr` stands that will be printed: parentheses around what
/// it begins with may go, and a comment inside of them comes first then.
pub(super) fn first_token(expr: &Expr) -> u32 {
    let mut expr = expr;
    let mut start = expr.span().start;
    loop {
        let left = match expr.kind() {
            ExprKind::App(left, _)
            | ExprKind::Op(_, left, _)
            | ExprKind::Annotation(left, _)
            | ExprKind::Field(left, _)
            | ExprKind::Project(left, _)
            | ExprKind::ProjectByType(left, _)
            | ExprKind::With(left, ..) => left,
            _ => return start,
        };
        if level_of(left.kind()) < level_of(expr.kind()) {
            // It keeps its parentheses.
            return start;
        }
        start = start.max(left.span().start);
        expr = left;
    }
}

fn is_temporal(expr: &Expr) -> bool {
    matches!(expr.kind(), ExprKind::Date(_) | ExprKind::Time(_) | ExprKind::TimeZone(_))
}

/// Turns trees into documents; comments are handed out in the order of the source.
pub(super) struct Printer<'s> {
    style: Style,
    source: Option<&'s str>,
    comments: &'s [Comment],
}

impl<'s> Printer<'s> {
    pub(super) fn new(style: Style, source: Option<&'s str>, comments: &'s [Comment]) -> Self {
        Self { style, source, comments }
    }

    /// The whole of a file.
    pub(super) fn file(mut self, expr: &Expr) -> Doc {
        let doc = self.at(expr, level::EXPRESSION);
        let rest = self.comments_before(u32::MAX);
        if let Some(rest) = rest { doc.line().then(rest) } else { doc }
    }

    pub(super) fn width(&self) -> usize {
        self.style.width
    }

    pub(super) fn ascii(&self) -> bool {
        self.style.characters == CharacterSet::Ascii
    }

    fn arrow(&self) -> &'static str {
        if self.ascii() { "->" } else { "→" }
    }

    pub(super) fn sign(&self, operator: Operator) -> &'static str {
        match operator {
            Operator::Combine if self.ascii() => "/\\",
            Operator::CombineTypes if self.ascii() => "//\\\\",
            Operator::Prefer if self.ascii() => "//",
            Operator::Equivalent if self.ascii() => "===",
            _ => operator.symbol(),
        }
    }

    // ---- comments ----

    /// Returns the comments that begin before `offset`, each on lines of its own.
    pub(super) fn comments_before(&mut self, offset: u32) -> Option<Doc> {
        let mut docs: Option<Doc> = None;
        while let Some((comment, rest)) = self.comments.split_first() {
            if comment.span.start >= offset {
                break;
            }
            self.comments = rest;
            let source = self.source.unwrap_or("");
            let text = &source[comment.span.start as usize..comment.span.end as usize];
            let mut doc = docs.map_or(Doc::Nil, Doc::line);
            for (at, line) in text.split('\n').enumerate() {
                if at > 0 {
                    // Inside of a block comment nothing moves.
                    doc = doc.then(Doc::RawLine);
                }
                doc = doc.and(line.trim_end_matches('\r'));
            }
            docs = Some(doc);
        }
        docs
    }

    /// Puts the comments that stand before `expr` before `doc`.
    pub(super) fn after_comments(&mut self, offset: u32) -> Doc {
        self.comments_before(offset).map_or(Doc::Nil, Doc::line)
    }

    // ---- expressions ----

    /// Returns the document of `expr` where something of `least` is needed. Without comments to keep in
    /// order, it can wait.
    pub(super) fn at(&mut self, expr: &Expr, least: u8) -> Doc {
        if self.source.is_none() && expr.height() > 1 {
            return Doc::later(expr, least, self.style);
        }
        self.now(expr, least)
    }

    /// Returns the document of `expr` where something of `least` is needed.
    pub(super) fn now(&mut self, expr: &Expr, least: u8) -> Doc {
        let leading = if self.comments.is_empty() {
            Doc::Nil
        } else {
            self.after_comments(first_token(expr))
        };
        let doc = deep(|| self.kind(expr));
        let doc = leading.then(doc);
        if level_of(expr.kind()) < least {
            let short = Doc::text("(").then(doc.clone()).and(")");
            let long = Doc::text("( ").then(doc.nest(2)).line().and(")");
            return Doc::choice(short, long.align());
        }
        doc
    }

    /// Returns how the source spells a literal.
    fn verbatim(&self, expr: &Expr) -> Option<&'s str> {
        let span = expr.span();
        let text = self.source?.get(span.start as usize..span.end as usize)?;
        text.starts_with(|c: char| c.is_ascii_digit() || c == '+' || c == '-').then_some(text)
    }

    fn kind(&mut self, expr: &Expr) -> Doc {
        match expr.kind() {
            ExprKind::Const(universe) => Doc::text(universe.name()),
            ExprKind::Builtin(builtin) => Doc::text(builtin.name()),
            ExprKind::Var(name, index) => {
                let name = label(name, Place::Variable);
                if index.is_zero() {
                    Doc::text(&name)
                } else {
                    Doc::text(&format!("{name}@{index}"))
                }
            }
            ExprKind::Lambda(..) | ExprKind::Pi(..) => self.functions(expr),
            ExprKind::App(..) => self.application(expr),
            ExprKind::Let(bindings, body) => self.bindings(bindings, body),
            ExprKind::Annotation(inner, annotation) => {
                // Without parentheses the annotation would be the keyword's own.
                let keyword =
                    matches!(inner.kind(), ExprKind::Merge(_, _, None) | ExprKind::ToMap(_, None));
                let least = if keyword { level::ARGUMENT } else { level::OPERATOR };
                let inner = self.at(inner, least);
                self.annotated(inner, annotation)
            }
            ExprKind::Op(Operator::Complete, schema, record) => self.completion(schema, record),
            ExprKind::Op(operator, ..) => self.operators(expr, *operator),
            ExprKind::If(..) => self.conditional(expr),
            ExprKind::Bool(value) => Doc::text(if *value { "True" } else { "False" }),
            ExprKind::Natural(value) => self.number(expr, || value.to_string()),
            ExprKind::Integer(value) => self.number(expr, || value.to_string()),
            ExprKind::Double(value) => self.number(expr, || show_double(*value)),
            ExprKind::Bytes(bytes) => self.number(expr, || atoms::bytes(bytes)),
            ExprKind::Date(date) => Doc::text(&date.to_string()),
            ExprKind::Time(time) => Doc::text(&time.to_string()),
            ExprKind::TimeZone(zone) => Doc::text(&zone.to_string()),
            ExprKind::Text(chunks, last) => self.text(chunks, last),
            ExprKind::EmptyList(annotation) => self.annotated(Doc::text("[]"), annotation),
            ExprKind::List(items) => self.list(expr, items),
            ExprKind::Some(inner) => self.keyword("Some", &[inner]),
            ExprKind::ShowConstructor(inner) => self.keyword("showConstructor", &[inner]),
            ExprKind::Merge(handlers, union, annotation) => {
                let doc = self.keyword("merge", &[handlers, union]);
                self.maybe_annotated(doc, annotation.as_ref())
            }
            ExprKind::ToMap(record, annotation) => {
                let doc = self.keyword("toMap", &[record]);
                self.maybe_annotated(doc, annotation.as_ref())
            }
            ExprKind::Assert(claim) => self.annotated(Doc::text("assert"), claim),
            ExprKind::RecordType(fields) => self.record_type(expr, fields),
            ExprKind::Record(fields) => match self.verbatim(expr) {
                Some(text) if fields.iter().all(|(_, value)| is_temporal(value)) => Doc::text(text),
                _ => self.record(expr, fields),
            },
            ExprKind::UnionType(alternatives) => self.union(expr, alternatives),
            ExprKind::Field(..) | ExprKind::Project(..) | ExprKind::ProjectByType(..) => {
                self.selection(expr)
            }
            ExprKind::With(..) => self.with(expr),
            ExprKind::Import(import) => self.import(import),
        }
    }

    fn number(&self, expr: &Expr, otherwise: impl FnOnce() -> String) -> Doc {
        self.verbatim(expr).map_or_else(|| Doc::text(&otherwise()), Doc::text)
    }

    fn maybe_annotated(&mut self, doc: Doc, annotation: Option<&Expr>) -> Doc {
        match annotation {
            Some(annotation) => self.annotated(doc, annotation),
            None => doc,
        }
    }

    /// `doc : annotation`
    fn annotated(&mut self, doc: Doc, annotation: &Expr) -> Doc {
        let annotation = self.at(annotation, level::EXPRESSION);
        let short = doc.clone().and(" : ").then(annotation.clone());
        let long = Doc::text("  ").then(doc.nest(2)).line().and(": ").then(annotation.nest(2));
        Doc::choice(short, long.align())
    }

    /// A run of `λ`s or of `∀`s and arrows.
    fn functions(&mut self, expr: &Expr) -> Doc {
        let (mut short, mut long) = (Doc::Nil, Doc::Nil);
        let mut expr = expr;
        let arrow = self.arrow();
        loop {
            let (head, body) = match expr.kind() {
                ExprKind::Lambda(name, domain, body) => {
                    let sign = if self.ascii() { "\\" } else { "λ" };
                    (self.binder(sign, name, domain), body)
                }
                ExprKind::Pi(name, domain, body) if name.as_str() == "_" => {
                    (self.at(domain, level::OPERATOR), body)
                }
                ExprKind::Pi(name, domain, body) => {
                    let sign = if self.ascii() { "forall" } else { "∀" };
                    (self.binder(sign, name, domain), body)
                }
                _ => break,
            };
            short = short.then(head.clone()).and(&format!(" {arrow} "));
            long = long.then(head).and(&format!(" {arrow}")).line();
            let next = matches!(body.kind(), ExprKind::Lambda(..) | ExprKind::Pi(..));
            if next {
                long = long.then(self.after_comments(first_token(body)));
            }
            expr = body;
        }
        let body = self.at(expr, level::EXPRESSION);
        let long = long.and("  ").then(body.clone().nest(2));
        Doc::choice(short.then(body), long.align())
    }

    fn binder(&mut self, sign: &str, name: &Label, domain: &Expr) -> Doc {
        let domain = self.at(domain, level::EXPRESSION);
        let name = label(name, Place::Variable);
        let gap = if sign == "forall" { " " } else { "" };
        let short = Doc::text(&format!("{sign}{gap}({name} : ")).then(domain.clone()).and(")");
        let inner = Doc::text(&format!("( {name}")).line().and(": ").then(domain.nest(2));
        Doc::choice(short, Doc::text(sign).and(" ").then(inner.line().and(")").align()))
    }

    fn bindings(&mut self, bindings: &[Binding], body: &Expr) -> Doc {
        let mut long = Doc::Nil;
        for binding in bindings {
            long = long.then(self.after_comments(binding.span.start));
            long = long.then(self.binding(binding)).line().line();
        }
        let body = self.at(body, level::EXPRESSION);
        long.and("in  ").then(body.nest(4)).align()
    }

    fn binding(&mut self, binding: &Binding) -> Doc {
        let head = Doc::text(&format!("let {}", label(&binding.label, Place::Variable)));
        let Some(annotation) = &binding.annotation else {
            let value = self.at(&binding.value, level::EXPRESSION);
            let short = head.clone().and(" = ").then(value.clone());
            let long = head.and(" =").then(Doc::Line.then(value).nest(6));
            return Doc::choice(short, long);
        };
        let annotation = self.at(annotation, level::EXPRESSION);
        let value = self.at(&binding.value, level::EXPRESSION);
        head.then(Doc::Line.and(": ").then(annotation.nest(2)).nest(4))
            .then(Doc::Line.and("= ").then(value.nest(2)).nest(4))
    }

    /// An `if`, and those in its `else`, as one run.
    fn conditional(&mut self, expr: &Expr) -> Doc {
        let mut expr = expr;
        let mut short = Doc::text("if ");
        let mut long = Doc::text("if    ");
        loop {
            let ExprKind::If(test, yes, no) = expr.kind() else {
                unreachable!("the run goes on only with an `if`");
            };
            let test = self.at(test, level::EXPRESSION);
            let yes = self.at(yes, level::EXPRESSION);
            short = short.then(test.clone()).and(" then ").then(yes.clone()).and(" else ");
            long =
                long.then(test.nest(6)).line().and("then  ").then(yes.nest(6)).line().and("else  ");
            let commented = self.next_comment().is_some_and(|start| start < first_token(no));
            if matches!(no.kind(), ExprKind::If(..)) && !commented {
                short = short.and("if ");
                long = long.and("if ");
                expr = no;
                continue;
            }
            let no = self.at(no, level::EXPRESSION);
            return Doc::choice(short.then(no.clone()), long.then(no.nest(6)).align());
        }
    }

    fn keyword(&mut self, keyword: &str, arguments: &[&Expr]) -> Doc {
        let docs = arguments.iter().map(|argument| self.at(argument, level::ARGUMENT)).collect();
        Self::applied(Doc::text(keyword), docs)
    }

    fn application(&mut self, expr: &Expr) -> Doc {
        let mut arguments = Vec::new();
        let mut function = expr;
        while let ExprKind::App(inner, argument) = function.kind() {
            arguments.push(argument);
            function = inner;
        }
        // A keyword's own arguments belong to the run.
        let head = self.at(function, level::APPLICATION);
        let docs =
            arguments.iter().rev().map(|argument| self.at(argument, level::ARGUMENT)).collect();
        Self::applied(head, docs)
    }

    fn applied(head: Doc, arguments: Vec<Doc>) -> Doc {
        let mut short = head.clone();
        let mut long = head;
        for argument in arguments {
            short = short.and(" ").then(argument.clone());
            long = long.then(Doc::Line.then(argument).nest(2));
        }
        Doc::choice(short, long.align())
    }

    /// A run of one operator.
    fn operators(&mut self, expr: &Expr, operator: Operator) -> Doc {
        let mut operands = Vec::new();
        let mut left = expr;
        while let ExprKind::Op(this, next, right) = left.kind()
            && *this == operator
        {
            operands.push(right);
            left = next;
        }
        let least = level::OPERATOR + operator.precedence();
        let first = self.at(left, least);
        let sign = self.sign(operator);
        // Operands stand in one column, whatever the operator's length.
        let columns = if sign.chars().count() == 1 { 2 } else { 4 };
        let mut short = first.clone();
        let mut long = Doc::text(&" ".repeat(columns)).then(first.nest(columns));
        for operand in operands.iter().rev() {
            let operand = self.at(operand, least + 1);
            short = short.and(&format!(" {sign} ")).then(operand.clone());
            let gap = " ".repeat(if columns == 2 { 1 } else { 2 });
            let padded = format!("{sign}{gap}");
            long = long.line().and(&padded).then(operand.nest(columns));
        }
        Doc::choice(short, long.align())
    }

    fn selection(&mut self, expr: &Expr) -> Doc {
        match expr.kind() {
            ExprKind::Field(inner, name) => {
                let inner = self.at(inner, level::SELECTOR);
                inner.and(&format!(".{}", label(name, Place::Selector)))
            }
            ExprKind::Project(inner, names) => {
                let inner = self.at(inner, level::SELECTOR);
                let names: Vec<String> =
                    names.iter().map(|name| label(name, Place::Field)).collect();
                if names.is_empty() {
                    return inner.and(".{}");
                }
                inner.and(&format!(".{{ {} }}", names.join(", ")))
            }
            ExprKind::ProjectByType(inner, wanted) => {
                let inner = self.at(inner, level::SELECTOR);
                let wanted = self.at(wanted, level::EXPRESSION);
                inner.and(".(").then(wanted.align()).and(")")
            }
            _ => Doc::Nil,
        }
    }

    fn with(&mut self, expr: &Expr) -> Doc {
        let mut clauses = Vec::new();
        let mut subject = expr;
        while let ExprKind::With(inner, path, value) = subject.kind() {
            clauses.push((path, value));
            subject = inner;
        }
        let subject = self.at(subject, level::ARGUMENT);
        let (mut short, mut long) = (subject.clone(), subject);
        for (path, value) in clauses.into_iter().rev() {
            let path: Vec<String> = path
                .iter()
                .map(|component| match component {
                    WithComponent::Field(name) => label(name, Place::Field),
                    WithComponent::Inside => "?".to_owned(),
                })
                .collect();
            let head = format!("with {} =", path.join("."));
            let value = self.at(value, level::OPERATOR);
            short = short.and(&format!(" {head} ")).then(value.clone());
            let clause = Doc::choice(
                Doc::text(&format!("{head} ")).then(value.clone()),
                Doc::text(&head).then(Doc::Line.then(value).nest(4)),
            );
            long = long.line().then(clause);
        }
        Doc::choice(short, long.align())
    }

    fn import(&mut self, import: &Import) -> Doc {
        let head = Doc::text(&atoms::target(&import.target));
        let mut parts = Vec::new();
        if let ImportTarget::Remote(url) = &import.target
            && let Some(headers) = &url.headers
        {
            parts.push(Doc::text("using ").then(self.at(headers, level::ARGUMENT).align()));
        }
        if let Some(hash) = &import.hash {
            parts.push(Doc::text(&hash.to_string()));
        }
        match import.mode {
            ImportMode::Code => {}
            ImportMode::Text => parts.push(Doc::text("as Text")),
            ImportMode::Bytes => parts.push(Doc::text("as Bytes")),
            ImportMode::Location => parts.push(Doc::text("as Location")),
        }
        Self::applied(head, parts)
    }
}

impl Printer<'_> {
    /// Returns where the next comment stands.
    pub(super) fn next_comment(&self) -> Option<u32> {
        self.comments.first().map(|comment| comment.span.start)
    }
}
