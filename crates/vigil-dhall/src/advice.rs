//! What to do about an error, where one sentence can tell.
//!
//! Advice never decides anything: it looks at what is wrong and at the text around it.

use std::collections::BTreeMap;

use crate::check::similar;
use crate::difference::{Comparison, brief};
use crate::expr::{Expr, ExprKind, Span};
use crate::label::Label;
use crate::parser::ParseError;

/// The most names that a sentence lists.
const NAMES_MAX: usize = 4;
/// The most characters of a type that are looked at.
const COLUMNS: usize = 1_000;
/// How many records inside of records are looked into.
const LEVELS_MAX: usize = 8;

/// Advice about a type where another one is needed.
pub(crate) fn on_types(role: &str, expected: &Expr, actual: &Expr) -> Option<String> {
    let mut comparison = Comparison::new(COLUMNS);
    let on_difference = || on_difference(&mut comparison, LEVELS_MAX, expected, actual);
    on_operator(role, actual).or_else(on_difference)
}

fn on_operator(role: &str, actual: &Expr) -> Option<String> {
    let operator = role.strip_prefix("an operand of ")?;
    let name = brief(actual, COLUMNS);
    let advice = match (operator, name.as_str()) {
        ("`+`", "Text") => "`++` joins texts",
        ("`+`" | "`++`", name) if name.starts_with("List ") => "`#` joins lists",
        ("`+`" | "`*`", "Integer" | "Double") => "`+` and `*` are for `Natural`s only",
        ("`==`" | "`!=`", _) => {
            "`==` and `!=` compare `Bool`s only; `assert : x === y` compares anything"
        }
        _ => return None,
    };
    Some(advice.to_owned())
}

/// Finds the one place where two types differ, and says what would mend it.
fn on_difference(
    comparison: &mut Comparison,
    levels: usize,
    expected: &Expr,
    actual: &Expr,
) -> Option<String> {
    if let (ExprKind::RecordType(wanted), ExprKind::RecordType(found)) =
        (expected.kind(), actual.kind())
    {
        return on_fields(comparison, levels.checked_sub(1)?, wanted, found);
    }
    let names = (brief(expected, COLUMNS), brief(actual, COLUMNS));
    let advice = match (names.0.as_str(), names.1.as_str()) {
        ("Integer", "Natural") => "`Natural/toInteger` converts; an `Integer` literal has a sign",
        ("Natural", "Integer") => "`Integer/clamp` converts; a `Natural` literal has no sign",
        ("Text", "Natural") => "`Natural/show` converts",
        ("Text", "Integer") => "`Integer/show` converts",
        ("Text", "Double") => "`Double/show` converts",
        ("Double", "Integer") => "`Integer/toDouble` converts",
        ("Double", "Natural") => "a `Double` literal has a decimal point",
        (optional, inner) if is_optional(optional, inner) => "`Some` is missing",
        (inner, optional) if is_optional(optional, inner) => {
            "`merge { Some = …, None = … }` takes an `Optional` apart"
        }
        _ => return None,
    };
    Some(advice.to_owned())
}

/// Whether the first type is `Optional` of the second.
fn is_optional(optional: &str, inner: &str) -> bool {
    optional.strip_prefix("Optional ").is_some_and(|rest| {
        rest == inner
            || rest.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')) == Some(inner)
    })
}

fn on_fields(
    comparison: &mut Comparison,
    levels: usize,
    wanted: &[(Label, Expr)],
    found: &[(Label, Expr)],
) -> Option<String> {
    let map =
        |fields: &[(Label, Expr)]| -> BTreeMap<Label, Expr> { fields.iter().cloned().collect() };
    let (wanted, found) = (map(wanted), map(found));
    let missing: Vec<&Label> = wanted.keys().filter(|name| !found.contains_key(*name)).collect();
    let extra: Vec<&Label> = found.keys().filter(|name| !wanted.contains_key(*name)).collect();
    for name in &extra {
        if let Some(meant) = similar(name, missing.iter().copied()) {
            return Some(format!("did you mean `{meant}` instead of `{name}`?"));
        }
    }
    if !missing.is_empty() {
        return Some(format!("{} missing", are("field", &missing)));
    }
    if !extra.is_empty() {
        return Some(format!("{} not wanted here", are("field", &extra)));
    }
    let differing: Vec<_> = wanted
        .iter()
        .filter_map(|(name, wanted)| found.get(name).map(|found| (name, wanted, found)))
        .filter(|(_, wanted, found)| !comparison.equal(wanted, found))
        .take(2)
        .collect();
    match differing.as_slice() {
        [(name, wanted, found)] => {
            let advice = on_difference(comparison, levels, wanted, found)?;
            Some(format!("at `{name}`: {advice}"))
        }
        _ => None,
    }
}

/// "the field `a` is", "the fields `a`, `b` are"
fn are(what: &str, names: &[&Label]) -> String {
    let mut list: Vec<String> =
        names.iter().take(NAMES_MAX).map(|name| format!("`{name}`")).collect();
    if names.len() > NAMES_MAX {
        list.push("…".to_owned());
    }
    let list = list.join(", ");
    if names.len() == 1 {
        format!("the {what} {list} is")
    } else {
        format!("the {what}s {list} are")
    }
}

/// Advice about a part that is not of the needed form.
pub(crate) fn on_form(wanted: &str, actual: &Expr, text: &str, span: Span) -> Option<String> {
    match wanted {
        "a function" => {
            let rest = text.get(span.end as usize..)?.trim_start();
            let sign = rest.chars().next().filter(|sign| matches!(sign, '+' | '-'))?;
            if !rest[1..].starts_with(|c: char| c.is_ascii_digit()) {
                return None;
            }
            let digits: String =
                rest[1..].chars().take_while(char::is_ascii_digit).take(20).collect();
            let instead = match sign {
                '+' => format!("a space makes it a sum: `+ {digits}`"),
                _ => format!("`Natural/subtract {digits} …` subtracts"),
            };
            Some(format!("`{sign}{digits}` is an `Integer`; {instead}"))
        }
        "a record" if matches!(actual.kind(), ExprKind::Const(_)) => {
            Some("this is a type; a record has `=` after its names, and `⩓` joins types".to_owned())
        }
        _ => None,
    }
}

/// Advice about a name that nothing binds.
pub(crate) fn on_unbound(name: &str, text: &str, span: Span) -> Option<String> {
    let after = text.get(span.end as usize..).unwrap_or("");
    match name {
        "null" | "nil" | "undefined" => Some("`None T` is no value of the type `T`".to_owned()),
        _ if after.starts_with(".dhall") => {
            Some(format!("a file is imported by its path: `./{name}.dhall`"))
        }
        _ => None,
    }
}

/// Advice about a text that does not parse.
pub(crate) fn on_parse(error: &ParseError, text: &str) -> Option<String> {
    let ParseError::Unexpected { offset, expected, .. } = error else { return None };
    let (before, rest) = text.split_at_checked(*offset)?;
    let advice = if expected.contains("`in`") {
        "every definition begins with `let`, and `in` comes before what they are for"
    } else if before.ends_with(['\\', 'λ']) {
        "a parameter has a type: `\\(x : Type) -> …`"
    } else if rest.starts_with('\'') {
        "texts have double quotes"
    } else if rest.starts_with('#') {
        "comments begin with `--`"
    } else if before.ends_with('0') && rest.starts_with(|c: char| c.is_ascii_digit()) {
        "numbers do not begin with zeros"
    } else if rest.starts_with("=>") {
        "a function has an arrow: `->`"
    } else {
        return None;
    };
    Some(advice.to_owned())
}
