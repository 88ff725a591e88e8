//! What differs between two expressions, with what is equal left out.

use std::collections::{BTreeMap, HashMap};
use std::convert::Infallible;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use crate::binary::encode;
use crate::expr::{Expr, ExprKind};
use crate::label::Label;
use crate::print::print_beginning;
use crate::rewrite::{Rewrite, children};
use crate::stack::deep;

/// Stands for what both sides have.
const SAME: &str = "…";

/// Two expressions as text, each on one line and with an ellipsis where they agree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// What the first one has.
    pub left: String,
    /// What the second one has.
    pub right: String,
}

/// Compares two expressions, which should be normal forms; returns nothing if they are equal.
///
/// The texts are at most `columns` characters long.
#[must_use]
pub fn difference(left: &Expr, right: &Expr, columns: usize) -> Option<Difference> {
    let mut comparison = Comparison::new(columns);
    if comparison.equal(left, right) {
        return None;
    }
    let (left, right) = comparison.sides(left, right, false);
    Some(Difference { left: shorten(&left, columns), right: shorten(&right, columns) })
}

/// Cuts a text to so many characters.
pub(crate) fn shorten(text: &str, columns: usize) -> String {
    let line: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() <= columns {
        return line;
    }
    let kept: String = line.chars().take(columns.saturating_sub(1)).collect();
    format!("{}{SAME}", kept.trim_end())
}

/// Writes an expression on one line of at most so many characters, without a look at the rest.
pub(crate) fn brief(expr: &Expr, columns: usize) -> String {
    // Twice as many, since runs of spaces become one.
    shorten(&print_beginning(expr, columns.saturating_mul(2)), columns)
}

fn whole(expr: &Expr, columns: usize, parenthesized: bool) -> String {
    let text = print_beginning(expr, columns);
    let simple = matches!(
        expr.kind(),
        ExprKind::Const(_)
            | ExprKind::Builtin(_)
            | ExprKind::Var(..)
            | ExprKind::Bool(_)
            | ExprKind::Natural(_)
            | ExprKind::Text(..)
            | ExprKind::Record(_)
            | ExprKind::RecordType(_)
            | ExprKind::UnionType(_)
            | ExprKind::List(_)
    );
    if parenthesized && !simple { format!("({text})") } else { text }
}

/// Compares parts by digests. Each part is digested and shown once, however deep it lies in what is
/// compared and however often it is shared there.
pub(crate) struct Comparison {
    columns: usize,
    digests: HashMap<usize, [u8; 32]>,
    shown: HashMap<(usize, usize, bool), (String, String)>,
}

impl Rewrite for Comparison {
    type Error = Infallible;

    /// Puts the digest of a part into its place.
    fn expr(&mut self, expr: &Expr) -> Result<Expr, Infallible> {
        Ok(Expr::new(ExprKind::Bytes(Arc::from(self.digest(expr)))))
    }
}

impl Comparison {
    pub(crate) fn new(columns: usize) -> Self {
        Self { columns, digests: HashMap::new(), shown: HashMap::new() }
    }

    fn digest(&mut self, expr: &Expr) -> [u8; 32] {
        if let Some(known) = self.digests.get(&expr.address()) {
            return *known;
        }
        let shallow = match deep(|| children(self, expr)) {
            Ok(shallow) => shallow,
            Err(never) => match never {},
        };
        let digest = Sha256::digest(encode(&shallow)).into();
        self.digests.insert(expr.address(), digest);
        digest
    }

    pub(crate) fn equal(&mut self, left: &Expr, right: &Expr) -> bool {
        self.digest(left) == self.digest(right)
    }

    fn sides(&mut self, left: &Expr, right: &Expr, parenthesized: bool) -> (String, String) {
        let key = (left.address(), right.address(), parenthesized);
        if let Some(known) = self.shown.get(&key) {
            return known.clone();
        }
        let (left, right) = deep(|| self.sides_here(left, right, parenthesized));
        // What is longer is cut in the end.
        let cut = |text: String| match text.char_indices().nth(self.columns.saturating_add(1)) {
            Some((at, _)) => text[..at].to_owned(),
            None => text,
        };
        let shown = (cut(left), cut(right));
        self.shown.insert(key, shown.clone());
        shown
    }

    fn sides_here(&mut self, left: &Expr, right: &Expr, parenthesized: bool) -> (String, String) {
        if self.equal(left, right) {
            // What is as short as an ellipsis reads better.
            let text = whole(left, self.columns, parenthesized);
            let text = if text.chars().count() <= 8 { text } else { SAME.to_owned() };
            return (text.clone(), text);
        }
        let wrap = |text: String| if parenthesized { format!("({text})") } else { text };
        match (left.kind(), right.kind()) {
            (ExprKind::RecordType(a), ExprKind::RecordType(b)) => {
                self.entries(["{", ",", "}"], " :", &optional(a), &optional(b))
            }
            (ExprKind::Record(a), ExprKind::Record(b)) => {
                self.entries(["{", ",", "}"], " =", &optional(a), &optional(b))
            }
            (ExprKind::UnionType(a), ExprKind::UnionType(b)) => {
                self.entries(["<", " |", ">"], " :", a, b)
            }
            (ExprKind::App(f, a), ExprKind::App(g, b)) => {
                let (f, g) = self.sides(f, g, true);
                let (a, b) = self.sides(a, b, true);
                (wrap(format!("{f} {a}")), wrap(format!("{g} {b}")))
            }
            (ExprKind::Pi(x, a, c), ExprKind::Pi(y, b, d)) if x == y => {
                let named = x.as_str() != "_";
                let (a, b) = self.sides(a, b, !named);
                let (c, d) = self.sides(c, d, false);
                let show = |domain: String, body: String| {
                    wrap(if named {
                        format!("∀({x} : {domain}) → {body}")
                    } else {
                        format!("{domain} → {body}")
                    })
                };
                (show(a, c), show(b, d))
            }
            (ExprKind::Some(a), ExprKind::Some(b)) => {
                let (a, b) = self.sides(a, b, true);
                (wrap(format!("Some {a}")), wrap(format!("Some {b}")))
            }
            (ExprKind::List(a), ExprKind::List(b)) => self.items(a, b),
            _ => (
                whole(left, self.columns, parenthesized),
                whole(right, self.columns, parenthesized),
            ),
        }
    }

    /// Shows entries that differ, and those that only one side has.
    fn entries(
        &mut self,
        [open, separator, close]: [&str; 3],
        sign: &str,
        left: &[(Label, Entry)],
        right: &[(Label, Entry)],
    ) -> (String, String) {
        let mut labels: BTreeMap<&Label, (Option<&Entry>, Option<&Entry>)> = BTreeMap::new();
        for (label, value) in left {
            labels.entry(label).or_default().0.get_or_insert(value);
        }
        for (label, value) in right {
            labels.entry(label).or_default().1.get_or_insert(value);
        }
        let columns = self.columns;
        let (mut a, mut b, mut some_equal) = (Vec::new(), Vec::new(), false);
        let show = |label: &Label, value: Option<String>| match value {
            Some(value) => format!("{label}{sign} {value}"),
            None => label.to_string(),
        };
        for (label, values) in labels {
            match values {
                (Some(Some(x)), Some(Some(y))) if self.equal(x, y) => some_equal = true,
                (Some(None), Some(None)) => some_equal = true,
                (Some(Some(x)), Some(Some(y))) => {
                    let (x, y) = self.sides(x, y, false);
                    a.push(show(label, Some(x)));
                    b.push(show(label, Some(y)));
                }
                (x, y) => {
                    let text =
                        |value: &Entry| value.as_ref().map(|value| whole(value, columns, false));
                    a.extend(x.map(|value| show(label, text(value))));
                    b.extend(y.map(|value| show(label, text(value))));
                }
            }
        }
        if some_equal {
            a.push(SAME.to_owned());
            b.push(SAME.to_owned());
        }
        let join = |parts: Vec<String>| {
            if parts.is_empty() {
                return format!("{open}{close}");
            }
            format!("{open} {} {close}", parts.join(&format!("{separator} ")))
        };
        (join(a), join(b))
    }

    /// Shows the first items that differ.
    fn items(&mut self, left: &[Expr], right: &[Expr]) -> (String, String) {
        let equal = left.iter().zip(right).take_while(|(a, b)| self.equal(a, b)).count();
        let lead = if equal > 0 { format!("{SAME} ({equal} equal), ") } else { String::new() };
        match (left.get(equal), right.get(equal)) {
            (Some(a), Some(b)) => {
                let (a, b) = self.sides(a, b, false);
                (format!("[ {lead}{a}, {SAME} ]"), format!("[ {lead}{b}, {SAME} ]"))
            }
            (a, b) => {
                let text = |item: Option<&Expr>| {
                    item.map_or(String::new(), |item| whole(item, self.columns, false))
                };
                (format!("[ {lead}{} ]", text(a)), format!("[ {lead}{} ]", text(b)))
            }
        }
    }
}

/// What stands behind a name, if anything does.
type Entry = Option<Expr>;

fn optional(fields: &[(Label, Expr)]) -> Vec<(Label, Entry)> {
    fields.iter().map(|(label, value)| (label.clone(), Some(value.clone()))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Limits, parse};

    #[track_caller]
    fn check(left: &str, right: &str, want: [&str; 2]) {
        let parse = |source| parse(source, &Limits::default()).expect("valid").expr;
        let found = difference(&parse(left), &parse(right), 60).expect("different");
        assert_eq!([found.left.as_str(), found.right.as_str()], want);
    }

    #[test]
    fn deep_expressions_are_compared_in_linear_time() {
        const DEPTH: usize = 15_000;
        let nested = |inner: &str| format!("{}{inner}{}", "[".repeat(DEPTH), "]".repeat(DEPTH));
        let parse = |source: &str| parse(source, &Limits::default()).expect("valid").expr;
        let found = difference(&parse(&nested("1")), &parse(&nested("2")), 60);
        assert!(found.expect("different").left.starts_with("[ [ [ [ "));
    }

    #[test]
    fn only_what_differs_is_shown() {
        check("Natural", "Bool", ["Natural", "Bool"]);
        check(
            "List { a : Bool, b : Text }",
            "List { a : Bool, b : Bool }",
            ["List { b : Text, … }", "List { b : Bool, … }"],
        );
        check(
            "forall (a : Type) -> a -> List (List Natural) -> List a",
            "forall (a : Type) -> a -> List (List Natural) -> a",
            ["∀(a : Type) → a → … → List a", "∀(a : Type) → a → … → a"],
        );
        check("< A | B : Text >", "< A | C >", ["< B : Text | … >", "< C | … >"]);
        check("[1, 2]", "[1, 3]", ["[ … (1 equal), 2, … ]", "[ … (1 equal), 3, … ]"]);
    }
}
