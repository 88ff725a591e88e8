//! From bytes to expression (`standard/binary.md`, "Decoding judgment").

use std::sync::Arc;

use crate::Limits;
use crate::builtin::{Builtin, Const};
use crate::calendar::{Date, Time, TimeZone};
use crate::expr::{Binding, Expr, ExprKind, Operator, Span, WithComponent};
use crate::import::{Anchor, Hash, Import, ImportMode, ImportPath, ImportTarget, Url};
use crate::label::Label;
use crate::number::{Integer, Natural};
use crate::stack::deep;

/// Why bytes are not the binary form of an expression.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The bytes end inside of an item.
    #[error("the encoding ends inside of an item, at byte {offset}")]
    Truncated {
        /// Where the bytes end.
        offset: usize,
    },
    /// Something else stands where an item of another kind should.
    #[error("expected {expected} at byte {offset} of the encoding")]
    Unexpected {
        /// The first byte of what stands there.
        offset: usize,
        /// What should stand there.
        expected: &'static str,
    },
    /// The expression is followed by more bytes.
    #[error("the expression ends at byte {offset} of the encoding, but more bytes follow")]
    Trailing {
        /// The first byte after the expression.
        offset: usize,
    },
    /// The expression nests deeper than the limit.
    #[error("nested deeper than {limit} levels; raise the depth limit if this is meant")]
    TooDeep {
        /// The limit.
        limit: usize,
    },
}

/// Decodes an expression (`standard/binary.md`, "Decoding judgment").
///
/// # Errors
/// Returns where and why the bytes are not an expression's binary form.
pub fn decode(bytes: &[u8], limits: &Limits) -> Result<Expr, DecodeError> {
    read(bytes, limits, true)
}

/// Decodes an expression that must import nothing, as those in a cache.
pub(crate) fn decode_resolved(bytes: &[u8], limits: &Limits) -> Result<Expr, DecodeError> {
    read(bytes, limits, false)
}

fn read(bytes: &[u8], limits: &Limits, may_import: bool) -> Result<Expr, DecodeError> {
    let mut reader = Reader { bytes, at: 0, depth: 0, depth_max: limits.depth, may_import };
    let expr = reader.expr()?;
    if reader.at < bytes.len() {
        return Err(DecodeError::Trailing { offset: reader.at });
    }
    Ok(expr)
}

/// The label of `let`.
const LET: u64 = 25;

pub(super) type Decode<T> = Result<T, DecodeError>;

/// The head of an item: what comes before its contents.
pub(super) enum Head {
    Unsigned(u64),
    Negative(u64),
    Bytes(usize),
    Text(usize),
    Array(usize),
    Map(usize),
    Tag(u64),
    Bool(bool),
    Null,
    Float(f64),
}

pub(super) struct Reader<'b> {
    pub(super) bytes: &'b [u8],
    pub(super) at: usize,
    depth: usize,
    depth_max: usize,
    /// Whether imports, and what chooses among them, are expected.
    may_import: bool,
}

impl<'b> Reader<'b> {
    /// Reads items whose inside does not matter.
    pub(super) fn outside(bytes: &'b [u8]) -> Self {
        Self { bytes, at: 0, depth: 0, depth_max: 0, may_import: false }
    }

    // ---- items ----

    pub(super) fn take(&mut self, count: usize) -> Decode<&'b [u8]> {
        let rest = &self.bytes[self.at..];
        match rest.get(..count) {
            Some(taken) => {
                self.at += count;
                Ok(taken)
            }
            None => Err(DecodeError::Truncated { offset: self.bytes.len() }),
        }
    }

    fn big_endian(&mut self, count: usize) -> Decode<u64> {
        Ok(self.take(count)?.iter().fold(0, |sum, byte| (sum << 8) | u64::from(*byte)))
    }

    /// Skips the tag of "self-described CBOR", which has no meaning of its own and may stand
    /// before any item.
    fn skip_tags(&mut self) {
        while self.bytes[self.at..].starts_with(&[0xD9, 0xD9, 0xF7]) {
            self.at += 3;
        }
    }

    pub(super) fn head(&mut self) -> Decode<Head> {
        self.skip_tags();
        let offset = self.at;
        let initial = self.take(1)?[0];
        let (major, info) = (initial >> 5, initial & 31);
        let unexpected = |expected| Err(DecodeError::Unexpected { offset, expected });
        if major == 7 {
            return match info {
                20 | 21 => Ok(Head::Bool(info == 21)),
                22 => Ok(Head::Null),
                25 => Ok(Head::Float(from_half(self.big_endian(2)? as u16))),
                26 => Ok(Head::Float(f64::from(f32::from_bits(self.big_endian(4)? as u32)))),
                27 => Ok(Head::Float(f64::from_bits(self.big_endian(8)?))),
                _ => unexpected("true, false, null or a float"),
            };
        }
        let value = match info {
            0..=23 => u64::from(info),
            24 => self.big_endian(1)?,
            25 => self.big_endian(2)?,
            26 => self.big_endian(4)?,
            27 => self.big_endian(8)?,
            _ => return unexpected("an item of definite length"),
        };
        let too_long = DecodeError::Unexpected { offset, expected: "a shorter item" };
        let size = || usize::try_from(value).map_err(|_| too_long.clone());
        Ok(match major {
            0 => Head::Unsigned(value),
            1 => Head::Negative(value),
            2 => Head::Bytes(size()?),
            3 => Head::Text(size()?),
            4 => Head::Array(size()?),
            5 => Head::Map(size()?),
            _ => Head::Tag(value),
        })
    }

    /// Reads a head and tells an unwanted one by the expectation.
    fn want<T>(&mut self, expected: &'static str, pick: fn(Head) -> Option<T>) -> Decode<T> {
        let offset = self.at;
        pick(self.head()?).ok_or(DecodeError::Unexpected { offset, expected })
    }

    fn text_of(&mut self, length: usize) -> Decode<&'b str> {
        let offset = self.at;
        std::str::from_utf8(self.take(length)?)
            .map_err(|_| DecodeError::Unexpected { offset, expected: "UTF-8 text" })
    }

    pub(super) fn text(&mut self) -> Decode<&'b str> {
        let length = self.want("a text", |head| match head {
            Head::Text(length) => Some(length),
            _ => None,
        })?;
        self.text_of(length)
    }

    fn byte_string(&mut self) -> Decode<&'b [u8]> {
        let length = self.want("a byte string", |head| match head {
            Head::Bytes(length) => Some(length),
            _ => None,
        })?;
        self.take(length)
    }

    pub(super) fn unsigned(&mut self) -> Decode<u64> {
        self.want("an unsigned number", |head| match head {
            Head::Unsigned(value) => Some(value),
            _ => None,
        })
    }

    pub(super) fn array(&mut self) -> Decode<usize> {
        self.want("an array", |head| match head {
            Head::Array(length) => Some(length),
            _ => None,
        })
    }

    fn bool(&mut self) -> Decode<bool> {
        self.want("true or false", |head| match head {
            Head::Bool(value) => Some(value),
            _ => None,
        })
    }

    /// Reads a whole number, big or small.
    fn integer(&mut self) -> Decode<Integer> {
        let offset = self.at;
        let one = Natural::from(1);
        match self.head()? {
            Head::Unsigned(value) => Ok(Integer::new(false, Natural::from(value))),
            Head::Negative(value) => Ok(Integer::new(true, Natural::from(value).add(&one))),
            Head::Tag(2) => Ok(Integer::new(false, Natural::from_bytes_be(self.byte_string()?))),
            Head::Tag(3) => {
                let stored = Natural::from_bytes_be(self.byte_string()?);
                Ok(Integer::new(true, stored.add(&one)))
            }
            _ => Err(DecodeError::Unexpected { offset, expected: "a whole number" }),
        }
    }

    fn natural(&mut self) -> Decode<Natural> {
        let offset = self.at;
        let integer = self.integer()?;
        if integer.is_negative() {
            return Err(DecodeError::Unexpected { offset, expected: "a natural number" });
        }
        Ok(integer.magnitude().clone())
    }

    fn looking_at_null(&mut self) -> bool {
        self.skip_tags();
        let found = self.bytes.get(self.at) == Some(&0xF6);
        self.at += usize::from(found);
        found
    }

    // ---- expressions ----

    fn expr(&mut self) -> Decode<Expr> {
        if self.depth >= self.depth_max {
            return Err(DecodeError::TooDeep { limit: self.depth_max });
        }
        self.depth += 1;
        let kind = deep(|| self.kind());
        self.depth -= 1;
        let expr = Expr::at(Span::NONE, kind?);
        if self.depth + expr.height() > self.depth_max {
            return Err(DecodeError::TooDeep { limit: self.depth_max });
        }
        Ok(expr)
    }

    fn optional_expr(&mut self) -> Decode<Option<Expr>> {
        if self.looking_at_null() { Ok(None) } else { self.expr().map(Some) }
    }

    fn kind(&mut self) -> Decode<ExprKind> {
        let offset = self.at;
        let unexpected = Err(DecodeError::Unexpected { offset, expected: "an expression" });
        match self.head()? {
            Head::Unsigned(index) => Ok(ExprKind::Var(Label::new("_"), Natural::from(index))),
            Head::Tag(2) => {
                let index = Natural::from_bytes_be(self.byte_string()?);
                Ok(ExprKind::Var(Label::new("_"), index))
            }
            Head::Bool(value) => Ok(ExprKind::Bool(value)),
            Head::Float(value) => Ok(ExprKind::Double(value)),
            Head::Text(length) => {
                let name = self.text_of(length)?;
                constant(name).map_or(unexpected, Ok)
            }
            Head::Array(length) if length > 0 => self.labelled(length - 1),
            _ => unexpected,
        }
    }

    /// Reads an array of which `rest` items follow the label.
    fn labelled(&mut self, rest: usize) -> Decode<ExprKind> {
        let offset = self.at;
        let unexpected = |expected| Err(DecodeError::Unexpected { offset, expected });
        let label = match self.head()? {
            Head::Unsigned(label) => label,
            Head::Text(length) => {
                let name = self.text_of(length)?;
                if rest != 1 || name == "_" {
                    return unexpected("a variable");
                }
                return Ok(ExprKind::Var(Label::new(name), self.natural()?));
            }
            _ => return unexpected("a label or a variable"),
        };
        match (label, rest) {
            (0, 2..) => self.application(rest - 1),
            (1 | 2, 2 | 3) => self.binder(label, rest),
            (3, 3) => self.operation(),
            (4, 1..) => {
                if self.looking_at_null() {
                    if rest < 2 {
                        return unexpected("a list with items");
                    }
                    return Ok(ExprKind::List(self.exprs(rest - 1)?));
                }
                if rest != 1 {
                    return unexpected("an empty list, since it has a type");
                }
                let list = Expr::builtin(Builtin::List);
                Ok(ExprKind::EmptyList(list.apply(self.expr()?)))
            }
            (5, 2) if self.looking_at_null() => Ok(ExprKind::Some(self.expr()?)),
            (6, 2) => Ok(ExprKind::Merge(self.expr()?, self.expr()?, None)),
            (6, 3) => Ok(ExprKind::Merge(self.expr()?, self.expr()?, Some(self.expr()?))),
            (7, 1) => Ok(ExprKind::RecordType(self.fields()?)),
            (8, 1) => Ok(ExprKind::Record(self.fields()?)),
            (9, 2) => {
                let inner = self.expr()?;
                Ok(ExprKind::Field(inner, Label::new(self.text()?)))
            }
            (10, 1..) => self.projection(rest - 1),
            (11, 1) => self.union(),
            (14, 3) => Ok(ExprKind::If(self.expr()?, self.expr()?, self.expr()?)),
            (15, 1) => Ok(ExprKind::Natural(self.natural()?)),
            (16, 1) => Ok(ExprKind::Integer(self.integer()?)),
            (18, 1..) if rest % 2 == 1 => self.chunks(rest / 2),
            (19, 1) => Ok(ExprKind::Assert(self.expr()?)),
            (24, 3..) if self.may_import => self.import(rest),
            (LET, 4..) if rest % 3 == 1 => self.bindings(rest / 3),
            (26, 2) => Ok(ExprKind::Annotation(self.expr()?, self.expr()?)),
            (27, 1) => Ok(ExprKind::ToMap(self.expr()?, None)),
            (27, 2) => Ok(ExprKind::ToMap(self.expr()?, Some(self.expr()?))),
            (28, 1) => Ok(ExprKind::EmptyList(self.expr()?)),
            (29, 3) => self.with(),
            (30..=32, 3) => self.temporal(label),
            (33, 1) => Ok(ExprKind::Bytes(Arc::from(self.byte_string()?))),
            (34, 1) => Ok(ExprKind::ShowConstructor(self.expr()?)),
            _ => unexpected("an expression's label with as many items as it takes"),
        }
    }

    /// Reads `count` expressions; the count is only believed as far as there are bytes.
    fn exprs(&mut self, count: usize) -> Decode<Vec<Expr>> {
        let mut exprs = Vec::with_capacity(count.min(self.bytes.len() - self.at));
        for _ in 0..count {
            exprs.push(self.expr()?);
        }
        Ok(exprs)
    }

    /// Reads a function and its arguments, each of which nests the ones before it.
    fn application(&mut self, arguments: usize) -> Decode<ExprKind> {
        let mut function = self.expr()?;
        for _ in 1..arguments {
            let argument = self.expr()?;
            function = Expr::new(ExprKind::App(function, argument));
            if self.depth + function.height() > self.depth_max {
                return Err(DecodeError::TooDeep { limit: self.depth_max });
            }
        }
        Ok(ExprKind::App(function, self.expr()?))
    }

    fn binder(&mut self, label: u64, rest: usize) -> Decode<ExprKind> {
        let offset = self.at;
        let name = if rest == 3 { self.text()? } else { "_" };
        if rest == 3 && name == "_" {
            return Err(DecodeError::Unexpected { offset, expected: "a name other than `_`" });
        }
        let (name, domain, body) = (Label::new(name), self.expr()?, self.expr()?);
        Ok(if label == 1 {
            ExprKind::Lambda(name, domain, body)
        } else {
            ExprKind::Pi(name, domain, body)
        })
    }

    pub(super) fn map(&mut self) -> Decode<usize> {
        self.want("a map", |head| match head {
            Head::Map(length) => Some(length),
            _ => None,
        })
    }

    fn operation(&mut self) -> Decode<ExprKind> {
        let offset = self.at;
        let code = self.unsigned()?;
        let operator = usize::try_from(code).ok().and_then(|code| Operator::ALL.get(code));
        // Resolution leaves no `?`, so that there is none in what is resolved.
        let is_resolved = |operator: &&Operator| **operator != Operator::Alternative;
        match operator.filter(|found| self.may_import || is_resolved(found)) {
            Some(operator) => Ok(ExprKind::Op(*operator, self.expr()?, self.expr()?)),
            None => Err(DecodeError::Unexpected { offset, expected: "an operator" }),
        }
    }

    fn fields(&mut self) -> Decode<Vec<(Label, Expr)>> {
        let count = self.map()?;
        let mut fields = Vec::with_capacity(count.min(self.bytes.len() - self.at));
        for _ in 0..count {
            fields.push((Label::new(self.text()?), self.expr()?));
        }
        Ok(fields)
    }

    fn union(&mut self) -> Decode<ExprKind> {
        let count = self.map()?;
        let alternative = |_| Ok((Label::new(self.text()?), self.optional_expr()?));
        let alternatives = (0..count).map(alternative).collect::<Decode<_>>()?;
        Ok(ExprKind::UnionType(alternatives))
    }

    fn projection(&mut self, count: usize) -> Decode<ExprKind> {
        let inner = self.expr()?;
        self.skip_tags();
        // A type stands in an array of one item; names stand bare.
        if count == 1 && self.bytes.get(self.at) == Some(&0x81) {
            self.at += 1;
            return Ok(ExprKind::ProjectByType(inner, self.expr()?));
        }
        let mut labels = Vec::with_capacity(count.min(self.bytes.len() - self.at));
        for _ in 0..count {
            labels.push(Label::new(self.text()?));
        }
        Ok(ExprKind::Project(inner, labels))
    }

    fn chunks(&mut self, count: usize) -> Decode<ExprKind> {
        let mut chunks = Vec::with_capacity(count.min(self.bytes.len() - self.at));
        for _ in 0..count {
            chunks.push((Arc::from(self.text()?), self.expr()?));
        }
        Ok(ExprKind::Text(chunks, Arc::from(self.text()?)))
    }

    /// Reads bindings and the body; a body that is another `let` goes on with them.
    fn bindings(&mut self, mut count: usize) -> Decode<ExprKind> {
        let mut bindings = Vec::with_capacity(count.min(self.bytes.len() - self.at));
        loop {
            for _ in 0..count {
                let label = Label::new(self.text()?);
                let annotation = self.optional_expr()?;
                let value = self.expr()?;
                bindings.push(Binding { span: Span::NONE, label, annotation, value });
            }
            match self.more_bindings() {
                Some(more) => count = more,
                None => return Ok(ExprKind::Let(bindings, self.expr()?)),
            }
        }
    }

    /// Passes over the beginning of a `let` and returns how many bindings follow, or stays where it
    /// is if something else stands there.
    fn more_bindings(&mut self) -> Option<usize> {
        let start = self.at;
        let found = self.array().ok().filter(|length| *length > 4 && length % 3 == 2);
        if found.is_some() && self.unsigned().is_ok_and(|label| label == LET) {
            return found.map(|length| length / 3);
        }
        self.at = start;
        None
    }

    fn with(&mut self) -> Decode<ExprKind> {
        let inner = self.expr()?;
        let count = self.array()?;
        let mut path = Vec::with_capacity(count.min(self.bytes.len() - self.at));
        for _ in 0..count {
            let offset = self.at;
            path.push(match self.head()? {
                Head::Unsigned(0) => WithComponent::Inside,
                Head::Text(length) => WithComponent::Field(Label::new(self.text_of(length)?)),
                _ => {
                    return Err(DecodeError::Unexpected { offset, expected: "a field or `?`" });
                }
            });
        }
        if path.is_empty() {
            return Err(DecodeError::Unexpected { offset: self.at, expected: "a path" });
        }
        Ok(ExprKind::With(inner, path, self.expr()?))
    }

    fn temporal(&mut self, label: u64) -> Decode<ExprKind> {
        let offset = self.at;
        let kind = match label {
            30 => {
                Date::new(self.unsigned()?, self.unsigned()?, self.unsigned()?).map(ExprKind::Date)
            }
            31 => self.time()?.map(ExprKind::Time),
            _ => TimeZone::new(!self.bool()?, self.unsigned()?, self.unsigned()?)
                .map(ExprKind::TimeZone),
        };
        kind.ok_or(DecodeError::Unexpected { offset, expected: "a valid date, time or zone" })
    }

    fn time(&mut self) -> Decode<Option<Time>> {
        let (hour, minute) = (self.unsigned()?, self.unsigned()?);
        let offset = self.at;
        let unexpected = DecodeError::Unexpected { offset, expected: "a decimal fraction" };
        let (Head::Tag(4), 2) = (self.head()?, self.array()?) else {
            return Err(unexpected);
        };
        let exponent = self.integer()?;
        let mut mantissa = self.natural()?;
        let mut digits = exponent.magnitude().to_u64().unwrap_or(u64::MAX);
        if !exponent.is_negative() {
            // Seconds stay below sixty: only 0 and one power of ten can be meant.
            if digits > 1 {
                return Err(unexpected);
            }
            if digits == 1 {
                mantissa = mantissa.multiply(&Natural::from(10));
            }
            digits = 0;
        }
        let digits = u32::try_from(digits).unwrap_or(u32::MAX);
        Ok(Time::new(hour, minute, mantissa, digits))
    }

    /// Reads an import of which `rest` items follow the label.
    fn import(&mut self, rest: usize) -> Decode<ExprKind> {
        let offset = self.at;
        let unexpected = |expected| Err(DecodeError::Unexpected { offset, expected });
        let hash = if self.looking_at_null() {
            None
        } else {
            let multihash = self.byte_string()?;
            let digest = multihash.strip_prefix(&[0x12, 0x20]).and_then(|d| d.try_into().ok());
            let Some(digest) = digest else {
                return unexpected("a SHA-256 multihash");
            };
            Some(Hash::from_bytes(digest))
        };
        let mode = match self.unsigned()? {
            0 => ImportMode::Code,
            1 => ImportMode::Text,
            2 => ImportMode::Location,
            3 => ImportMode::Bytes,
            _ => return unexpected("a mode of import"),
        };
        let target = match (self.unsigned()?, rest - 3) {
            (scheme @ (0 | 1), 4..) => self.url(scheme == 1, rest - 3)?,
            (scheme @ 2..=5, parts @ 1..) => {
                let anchor = match scheme {
                    2 => Anchor::Absolute,
                    3 => Anchor::Here,
                    4 => Anchor::Parent,
                    _ => Anchor::Home,
                };
                ImportTarget::Local(anchor, self.path(parts)?)
            }
            (6, 1) => ImportTarget::Environment(Arc::from(self.text()?)),
            (7, 0) => ImportTarget::Missing,
            _ => return unexpected("a kind of import with as many items as it takes"),
        };
        Ok(ExprKind::Import(Import { target, mode, hash }))
    }

    fn path(&mut self, parts: usize) -> Decode<ImportPath> {
        let directory = (1..parts).map(|_| self.text().map(Arc::from)).collect::<Decode<_>>()?;
        Ok(ImportPath { directory, file: Arc::from(self.text()?) })
    }

    fn url(&mut self, secure: bool, parts: usize) -> Decode<ImportTarget> {
        let headers = self.optional_expr()?;
        let authority = Arc::from(self.text()?);
        let path = self.path(parts - 3)?;
        let query = if self.looking_at_null() { None } else { Some(Arc::from(self.text()?)) };
        Ok(ImportTarget::Remote(Arc::new(Url { secure, authority, path, query, headers })))
    }
}

fn constant(name: &str) -> Option<ExprKind> {
    Some(match name {
        "Type" => ExprKind::Const(Const::Type),
        "Kind" => ExprKind::Const(Const::Kind),
        "Sort" => ExprKind::Const(Const::Sort),
        _ => ExprKind::Builtin(Builtin::from_name(name)?),
    })
}

fn from_half(bits: u16) -> f64 {
    let sign = if bits & 0x8000 == 0 { 1.0 } else { -1.0 };
    let exponent = i32::from((bits >> 10) & 31);
    let fraction = f64::from(bits & 0x3FF);
    let size = match exponent {
        0 => fraction * 2f64.powi(-24),
        31 if fraction == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        _ => (1024.0 + fraction) * 2f64.powi(exponent - 25),
    };
    sign * size
}
