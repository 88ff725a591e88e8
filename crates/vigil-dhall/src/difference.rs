//! What differs between two expressions, with what is equal left out.

use crate::binary::encode;
use crate::expr::{Expr, ExprKind};
use crate::label::Label;
use crate::print::{Style, print};
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
    if encode(left) == encode(right) {
        return None;
    }
    let (left, right) = sides(left, right, false);
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

fn whole(expr: &Expr, parenthesized: bool) -> String {
    let text = print(expr, Style::one_line());
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

fn sides(left: &Expr, right: &Expr, parenthesized: bool) -> (String, String) {
    deep(|| sides_here(left, right, parenthesized))
}

fn sides_here(left: &Expr, right: &Expr, parenthesized: bool) -> (String, String) {
    if encode(left) == encode(right) {
        // What is as short as an ellipsis reads better.
        let text = whole(left, parenthesized);
        let text = if text.chars().count() <= 8 { text } else { SAME.to_owned() };
        return (text.clone(), text);
    }
    let wrap = |text: String| if parenthesized { format!("({text})") } else { text };
    match (left.kind(), right.kind()) {
        (ExprKind::RecordType(a), ExprKind::RecordType(b)) => {
            entries(["{", ",", "}"], " :", &optional(a), &optional(b))
        }
        (ExprKind::Record(a), ExprKind::Record(b)) => {
            entries(["{", ",", "}"], " =", &optional(a), &optional(b))
        }
        (ExprKind::UnionType(a), ExprKind::UnionType(b)) => {
            let refer = |entries: &[(Label, Option<Expr>)]| entries.to_vec();
            entries(["<", " |", ">"], " :", &refer(a), &refer(b))
        }
        (ExprKind::App(f, a), ExprKind::App(g, b)) => {
            let (f, g) = sides(f, g, true);
            let (a, b) = sides(a, b, true);
            (wrap(format!("{f} {a}")), wrap(format!("{g} {b}")))
        }
        (ExprKind::Pi(x, a, c), ExprKind::Pi(y, b, d)) if x == y => {
            let named = x.as_str() != "_";
            let (a, b) = sides(a, b, !named);
            let (c, d) = sides(c, d, false);
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
            let (a, b) = sides(a, b, true);
            (wrap(format!("Some {a}")), wrap(format!("Some {b}")))
        }
        (ExprKind::List(a), ExprKind::List(b)) => items(a, b),
        _ => (whole(left, parenthesized), whole(right, parenthesized)),
    }
}

fn optional(fields: &[(Label, Expr)]) -> Vec<(Label, Option<Expr>)> {
    fields.iter().map(|(label, value)| (label.clone(), Some(value.clone()))).collect()
}

/// Shows entries that differ, and those that only one side has.
fn entries(
    [open, separator, close]: [&str; 3],
    sign: &str,
    left: &[(Label, Option<Expr>)],
    right: &[(Label, Option<Expr>)],
) -> (String, String) {
    let find = |entries: &[(Label, Option<Expr>)], label: &Label| {
        entries.iter().find(|(name, _)| name == label).map(|(_, value)| value.clone())
    };
    let mut labels: Vec<&Label> = left.iter().chain(right).map(|(label, _)| label).collect();
    labels.sort();
    labels.dedup();
    let (mut a, mut b, mut some_equal) = (Vec::new(), Vec::new(), false);
    let show = |label: &Label, value: Option<String>| match value {
        Some(value) => format!("{label}{sign} {value}"),
        None => label.to_string(),
    };
    for label in labels {
        match (find(left, label), find(right, label)) {
            (Some(Some(x)), Some(Some(y))) if encode(&x) == encode(&y) => some_equal = true,
            (Some(None), Some(None)) => some_equal = true,
            (Some(Some(x)), Some(Some(y))) => {
                let (x, y) = sides(&x, &y, false);
                a.push(show(label, Some(x)));
                b.push(show(label, Some(y)));
            }
            (x, y) => {
                let text = |value: Option<Expr>| value.map(|value| whole(&value, false));
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
fn items(left: &[Expr], right: &[Expr]) -> (String, String) {
    let equal = left.iter().zip(right).take_while(|(a, b)| encode(a) == encode(b)).count();
    let lead = if equal > 0 { format!("{SAME} ({equal} equal), ") } else { String::new() };
    match (left.get(equal), right.get(equal)) {
        (Some(a), Some(b)) => {
            let (a, b) = sides(a, b, false);
            (format!("[ {lead}{a}, {SAME} ]"), format!("[ {lead}{b}, {SAME} ]"))
        }
        (a, b) => {
            let text = |item: Option<&Expr>| item.map_or(String::new(), |item| whole(item, false));
            (format!("[ {lead}{} ]", text(a)), format!("[ {lead}{} ]", text(b)))
        }
    }
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
