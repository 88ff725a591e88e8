//! Whatever stands in brackets: lists, records, unions, completions.

use super::atoms::{Place, label};
use super::doc::Doc;
use super::expression::{Printer, first_token, level};
use crate::expr::{Expr, ExprKind};
use crate::label::Label;

impl Printer<'_> {
    /// `open item separator item close`, on one line or on one line each. The comments up to the
    /// end of `expr` stand before the closing bracket.
    fn group(&mut self, expr: &Expr, signs: [&'static str; 3], items: &[Doc]) -> Doc {
        let [open, separator, close] = signs;
        let end = expr.span().end;
        let trailing = if end == 0 { None } else { self.comments_before(end) };
        if items.is_empty() && trailing.is_none() {
            return Doc::text(&format!("{open}{close}"));
        }
        // Every item and separator takes a column at least.
        let may_be_short = items.len() * 2 < self.width();
        let mut short = Doc::Sign(open).sign(" ");
        let mut long = Doc::Sign(open).sign(" ");
        for (at, item) in items.iter().enumerate() {
            if at > 0 {
                long = long.line().sign(separator).sign(" ");
            }
            long = long.then(item.clone().nest(2));
            if may_be_short {
                let gap = if separator == "|" { " | " } else { ", " };
                short = short.sign(if at > 0 { gap } else { "" }).then(item.clone());
            }
        }
        if let Some(trailing) = trailing {
            let gap = if items.is_empty() { Doc::Nil } else { Doc::Line };
            return long.then(gap.then(trailing).nest(2)).line().sign(close).align();
        }
        let long = long.line().sign(close).align();
        if may_be_short { Doc::choice(short.sign(" ").sign(close), long) } else { long }
    }

    pub(super) fn list(&mut self, expr: &Expr, items: &[Expr]) -> Doc {
        let docs: Vec<Doc> = items.iter().map(|item| self.at(item, level::EXPRESSION)).collect();
        self.group(expr, ["[", ",", "]"], &docs)
    }

    /// `head sign value`, the value on lines of its own if need be.
    fn entry(&mut self, head: &str, sign: &str, value: &Expr) -> Doc {
        // Comments before a value move before its name: there is room for them.
        let leading = self.after_comments(first_token(value));
        let doc = self.at(value, level::EXPRESSION);
        let bracketed = matches!(
            value.kind(),
            ExprKind::Record(_)
                | ExprKind::RecordType(_)
                | ExprKind::List(_)
                | ExprKind::UnionType(_)
        );
        let columns = if bracketed { 0 } else { 2 };
        let short = Doc::text(&format!("{head} {sign} ")).then(doc.clone());
        let long = Doc::text(&format!("{head} {sign}")).then(Doc::Line.then(doc).nest(columns));
        leading.then(Doc::choice(short, long))
    }

    pub(super) fn record_type(&mut self, expr: &Expr, fields: &[(Label, Expr)]) -> Doc {
        let docs: Vec<Doc> = fields
            .iter()
            .map(|(name, value)| self.entry(&label(name, Place::Field), ":", value))
            .collect();
        self.group(expr, ["{", ",", "}"], &docs)
    }

    fn entries(&mut self, fields: &[(Label, Expr)]) -> Vec<Doc> {
        fields.iter().map(|(name, value)| self.field(name, value)).collect()
    }

    /// `x = e`, the pun `x`, or `x.y = e`.
    fn field(&mut self, name: &Label, value: &Expr) -> Doc {
        let mut head = label(name, Place::Field);
        if let ExprKind::Var(variable, index) = value.kind()
            && variable == name
            && index.is_zero()
        {
            return self.after_comments(first_token(value)).and(&head);
        }
        let mut value = value;
        while let ExprKind::Record(fields) = value.kind()
            && let [(name, inner)] = fields.as_slice()
        {
            head.push('.');
            head.push_str(&label(name, Place::Field));
            value = inner;
        }
        self.entry(&head, "=", value)
    }

    pub(super) fn record(&mut self, expr: &Expr, fields: &[(Label, Expr)]) -> Doc {
        if fields.is_empty() {
            let comments = self.comments_before(expr.span().end);
            return match comments {
                Some(comments) => comments.line().and("{=}").align(),
                None => Doc::text("{=}"),
            };
        }
        let docs = self.entries(fields);
        self.group(expr, ["{", ",", "}"], &docs)
    }

    pub(super) fn union(&mut self, expr: &Expr, alternatives: &[(Label, Option<Expr>)]) -> Doc {
        let docs: Vec<Doc> = alternatives
            .iter()
            .map(|(name, payload)| {
                let name = label(name, Place::Field);
                match payload {
                    Some(payload) => self.entry(&name, ":", payload),
                    None => Doc::text(&name),
                }
            })
            .collect();
        self.group(expr, ["<", "|", ">"], &docs)
    }

    /// `T::{ x = e }`, whose record keeps to the schema's line.
    pub(super) fn completion(&mut self, schema: &Expr, record: &Expr) -> Doc {
        let schema = self.at(schema, level::SELECTOR);
        if let ExprKind::Record(fields) = record.kind()
            && !fields.is_empty()
            && self.comments_before_is_empty(record)
        {
            let docs = self.entries(fields);
            let end = record.span().end;
            let trailing = if end == 0 { None } else { self.comments_before(end) };
            let mut short = schema.clone().and("::{ ");
            let mut long = schema.and("::{");
            for (at, doc) in docs.into_iter().enumerate() {
                if at > 0 {
                    short = short.and(", ");
                }
                short = short.then(doc.clone());
                long = long.line().and(", ").then(doc.nest(2));
            }
            if let Some(trailing) = trailing {
                return long.then(Doc::Line.then(trailing).nest(2)).line().and("}").align();
            }
            return Doc::choice(short.and(" }"), long.line().and("}").align());
        }
        schema.and("::").then(self.at(record, level::SELECTOR))
    }

    /// Whether no comment stands between here and `expr`.
    fn comments_before_is_empty(&self, expr: &Expr) -> bool {
        self.next_comment().is_none_or(|start| start >= expr.span().start)
    }
}
