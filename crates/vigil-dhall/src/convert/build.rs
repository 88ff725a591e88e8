//! From Rust values to expressions of a given type, through serde.

use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde::ser::{self, Serialize, Serializer};

use super::trace::type_of;
use crate::builtin::Builtin;
use crate::difference::{brief, shorten};
use crate::expr::{Expr, ExprKind};
use crate::label::Label;
use crate::limits::Limits;
use crate::number::{Integer, Natural};

/// Why a Rust value is not of a type.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}{message}", at(path))]
pub struct SerializeError {
    /// The fields that lead to what does not fit, the innermost first.
    path: Vec<String>,
    message: String,
}

fn at(path: &[String]) -> String {
    let names: Vec<&str> = path.iter().rev().map(String::as_str).collect();
    if names.is_empty() { String::new() } else { format!("in `{}`: ", names.join(".")) }
}

impl ser::Error for SerializeError {
    fn custom<T: std::fmt::Display>(message: T) -> Self {
        Self { path: Vec::new(), message: message.to_string() }
    }
}

impl SerializeError {
    fn inside(mut self, name: &str) -> Self {
        self.path.push(name.to_owned());
        self
    }
}

/// Writes a Rust value as an expression of the type `ty`, which is a normal form.
///
/// Structs are records, maps lists of `{ mapKey : Text, mapValue : … }`, sequences lists, `Option`
/// is `Optional`, enums are unions. Whole numbers become what the type asks for if they fit it.
///
/// # Errors
/// Returns the first part of the value that does not fit.
pub fn to_expr<T: Serialize + ?Sized>(value: &T, ty: &Expr) -> Result<Expr, SerializeError> {
    value.serialize(Builder { ty })
}

/// Writes a Rust value as an expression of the type that [`type_of`] finds for it.
///
/// # Errors
/// Returns why the Rust type has no type in the language, or what does not fit it.
pub fn from_rust<T: Serialize + DeserializeOwned>(value: &T) -> Result<Expr, SerializeError> {
    let ty = type_of::<T>().map_err(ser::Error::custom)?;
    to_expr(value, &ty)
}

/// Builds one value of a type.
#[derive(Clone, Copy)]
struct Builder<'t> {
    ty: &'t Expr,
}

type Build<T> = Result<T, SerializeError>;

impl<'t> Builder<'t> {
    fn mismatch<T>(self, what: &str) -> Build<T> {
        let wanted = brief(self.ty, 60);
        Err(ser::Error::custom(format!("{what} is not of the type `{wanted}`")))
    }

    fn builtin(self) -> Option<Builtin> {
        match self.ty.kind() {
            ExprKind::Builtin(builtin) => Some(*builtin),
            _ => None,
        }
    }

    /// Returns the argument of `List` or `Optional`.
    fn argument(self, builtin: Builtin) -> Option<&'t Expr> {
        match self.ty.kind() {
            ExprKind::App(function, argument) if matches!(function.kind(), ExprKind::Builtin(found) if *found == builtin) => {
                Some(argument)
            }
            _ => None,
        }
    }

    fn whole(self, negative: bool, magnitude: u128) -> Build<Expr> {
        let natural = Natural::from_bytes_be(&magnitude.to_be_bytes());
        let kind = match self.builtin() {
            Some(Builtin::Natural) if !negative => ExprKind::Natural(natural),
            Some(Builtin::Integer) => ExprKind::Integer(Integer::new(negative, natural)),
            _ => {
                let sign = if negative { "-" } else { "" };
                return self.mismatch(&format!("{sign}{magnitude}"));
            }
        };
        Ok(Expr::new(kind))
    }

    fn text(self, text: &str) -> Build<Expr> {
        let fits = |kind: &ExprKind| match self.builtin() {
            Some(Builtin::Date) => matches!(kind, ExprKind::Date(_)),
            Some(Builtin::Time) => matches!(kind, ExprKind::Time(_)),
            Some(Builtin::TimeZone) => matches!(kind, ExprKind::TimeZone(_)),
            _ => false,
        };
        match self.builtin() {
            Some(Builtin::Text) => Ok(Expr::text(text)),
            Some(Builtin::Date | Builtin::Time | Builtin::TimeZone) => {
                match crate::parser::parse(text, &Limits::default()) {
                    Ok(parsed) if fits(parsed.expr.kind()) => Ok(parsed.expr),
                    _ => self.mismatch(&format!("`{text}`")),
                }
            }
            _ => self.mismatch(&format!("the text `{}`", shorten(text, 40))),
        }
    }

    /// Returns the payload type of an alternative.
    fn alternative(self, name: &str) -> Build<Option<&'t Expr>> {
        if let ExprKind::UnionType(alternatives) = self.ty.kind()
            && let Some((_, payload)) =
                alternatives.iter().find(|(label, _)| label.as_str() == name)
        {
            return Ok(payload.as_ref());
        }
        self.mismatch(&format!("the alternative `{name}`"))
    }

    fn constructor(self, name: &str) -> Expr {
        Expr::new(ExprKind::Field(self.ty.clone(), Label::new(name)))
    }

    /// Returns the payload type of an alternative that must have one.
    fn payload(self, name: &str) -> Build<&'t Expr> {
        match self.alternative(name)? {
            Some(payload) => Ok(payload),
            None => self.mismatch(&format!("the alternative `{name}` with a payload")),
        }
    }

    fn list(self, variant: Option<Variant<'t>>) -> Build<List<'t>> {
        match self.argument(Builtin::List) {
            Some(item) => Ok(List { list: self.ty, item, items: Vec::new(), variant }),
            None => self.mismatch("a sequence"),
        }
    }

    fn record(self, variant: Option<Variant<'t>>) -> Build<Record<'t>> {
        match self.ty.kind() {
            ExprKind::RecordType(types) => {
                Ok(Record { types, fields: Vec::new(), key: None, variant })
            }
            _ => self.mismatch("a struct"),
        }
    }
}

/// The alternative that what is being built is the payload of.
struct Variant<'t> {
    builder: Builder<'t>,
    name: &'static str,
}

fn wrap(variant: Option<Variant<'_>>, payload: Expr) -> Expr {
    match variant {
        Some(variant) => variant.builder.constructor(variant.name).apply(payload),
        None => payload,
    }
}

impl<'t> Serializer for Builder<'t> {
    type Ok = Expr;
    type Error = SerializeError;
    type SerializeSeq = List<'t>;
    type SerializeTuple = List<'t>;
    type SerializeTupleStruct = List<'t>;
    type SerializeTupleVariant = List<'t>;
    type SerializeMap = Map<'t>;
    type SerializeStruct = Record<'t>;
    type SerializeStructVariant = Record<'t>;

    fn serialize_bool(self, value: bool) -> Build<Expr> {
        match self.builtin() {
            Some(Builtin::Bool) => Ok(Expr::new(ExprKind::Bool(value))),
            _ => self.mismatch(if value { "`True`" } else { "`False`" }),
        }
    }

    fn serialize_i8(self, value: i8) -> Build<Expr> {
        self.serialize_i128(value.into())
    }

    fn serialize_i16(self, value: i16) -> Build<Expr> {
        self.serialize_i128(value.into())
    }

    fn serialize_i32(self, value: i32) -> Build<Expr> {
        self.serialize_i128(value.into())
    }

    fn serialize_i64(self, value: i64) -> Build<Expr> {
        self.serialize_i128(value.into())
    }

    fn serialize_i128(self, value: i128) -> Build<Expr> {
        self.whole(value < 0, value.unsigned_abs())
    }

    fn serialize_u8(self, value: u8) -> Build<Expr> {
        self.whole(false, value.into())
    }

    fn serialize_u16(self, value: u16) -> Build<Expr> {
        self.whole(false, value.into())
    }

    fn serialize_u32(self, value: u32) -> Build<Expr> {
        self.whole(false, value.into())
    }

    fn serialize_u64(self, value: u64) -> Build<Expr> {
        self.whole(false, value.into())
    }

    fn serialize_u128(self, value: u128) -> Build<Expr> {
        self.whole(false, value)
    }

    fn serialize_f32(self, value: f32) -> Build<Expr> {
        self.serialize_f64(value.into())
    }

    fn serialize_f64(self, value: f64) -> Build<Expr> {
        match self.builtin() {
            Some(Builtin::Double) => Ok(Expr::new(ExprKind::Double(value))),
            _ => self.mismatch(&format!("{value}")),
        }
    }

    fn serialize_char(self, value: char) -> Build<Expr> {
        self.text(value.encode_utf8(&mut [0; 4]))
    }

    fn serialize_str(self, value: &str) -> Build<Expr> {
        self.text(value)
    }

    fn serialize_bytes(self, value: &[u8]) -> Build<Expr> {
        match self.builtin() {
            Some(Builtin::Bytes) => Ok(Expr::new(ExprKind::Bytes(Arc::from(value)))),
            _ => self.mismatch("a run of bytes"),
        }
    }

    fn serialize_none(self) -> Build<Expr> {
        match self.argument(Builtin::Optional) {
            Some(inner) => Ok(Expr::builtin(Builtin::None).apply(inner.clone())),
            None => self.mismatch("nothing"),
        }
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Build<Expr> {
        match self.argument(Builtin::Optional) {
            Some(ty) => Ok(Expr::new(ExprKind::Some(value.serialize(Builder { ty })?))),
            None => self.mismatch("an option"),
        }
    }

    fn serialize_unit(self) -> Build<Expr> {
        match self.ty.kind() {
            ExprKind::RecordType(fields) if fields.is_empty() => {
                Ok(Expr::new(ExprKind::Record(Vec::new())))
            }
            _ => self.mismatch("`{=}`"),
        }
    }

    fn serialize_unit_struct(self, _name: &'static str) -> Build<Expr> {
        self.serialize_unit()
    }

    fn serialize_unit_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
    ) -> Build<Expr> {
        match self.alternative(variant)? {
            None => Ok(self.constructor(variant)),
            Some(_) => self.mismatch(&format!("the alternative `{variant}` without its payload")),
        }
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        value: &T,
    ) -> Build<Expr> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        value: &T,
    ) -> Build<Expr> {
        let ty = self.payload(variant)?;
        let payload = value.serialize(Builder { ty }).map_err(|error| error.inside(variant))?;
        Ok(self.constructor(variant).apply(payload))
    }

    fn serialize_seq(self, _len: Option<usize>) -> Build<List<'t>> {
        self.list(None)
    }

    fn serialize_tuple(self, _len: usize) -> Build<List<'t>> {
        self.list(None)
    }

    fn serialize_tuple_struct(self, _name: &'static str, _len: usize) -> Build<List<'t>> {
        self.list(None)
    }

    fn serialize_tuple_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        _len: usize,
    ) -> Build<List<'t>> {
        let ty = self.payload(variant)?;
        Builder { ty }.list(Some(Variant { builder: self, name: variant }))
    }

    fn serialize_map(self, _len: Option<usize>) -> Build<Map<'t>> {
        if matches!(self.ty.kind(), ExprKind::RecordType(_)) {
            return Ok(Map::Record(self.record(None)?));
        }
        let Some(entry) = self.argument(Builtin::List) else {
            return self.mismatch("a map");
        };
        Ok(Map::List(List { list: self.ty, item: entry, items: Vec::new(), variant: None }, None))
    }

    fn serialize_struct(self, _name: &'static str, _len: usize) -> Build<Record<'t>> {
        self.record(None)
    }

    fn serialize_struct_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        _len: usize,
    ) -> Build<Record<'t>> {
        let ty = self.payload(variant)?;
        Builder { ty }.record(Some(Variant { builder: self, name: variant }))
    }
}

/// A list in the making.
struct List<'t> {
    list: &'t Expr,
    item: &'t Expr,
    items: Vec<Expr>,
    variant: Option<Variant<'t>>,
}

impl List<'_> {
    fn push<T: Serialize + ?Sized>(&mut self, value: &T) -> Build<()> {
        let at = self.items.len();
        let item = value.serialize(Builder { ty: self.item });
        self.items.push(item.map_err(|error| error.inside(&at.to_string()))?);
        Ok(())
    }

    fn finish(self) -> Build<Expr> {
        let kind = if self.items.is_empty() {
            ExprKind::EmptyList(self.list.clone())
        } else {
            ExprKind::List(self.items)
        };
        Ok(wrap(self.variant, Expr::new(kind)))
    }
}

macro_rules! lists {
    ($($trait:ident $method:ident;)*) => {
        $(impl ser::$trait for List<'_> {
            type Ok = Expr;
            type Error = SerializeError;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Build<()> {
                self.push(value)
            }

            fn end(self) -> Build<Expr> {
                self.finish()
            }
        })*
    };
}

lists! {
    SerializeSeq serialize_element;
    SerializeTuple serialize_element;
    SerializeTupleStruct serialize_field;
    SerializeTupleVariant serialize_field;
}

/// A record in the making.
struct Record<'t> {
    types: &'t [(Label, Expr)],
    fields: Vec<(Label, Expr)>,
    key: Option<String>,
    variant: Option<Variant<'t>>,
}

impl Record<'_> {
    fn push<T: Serialize + ?Sized>(&mut self, name: &str, value: &T) -> Build<()> {
        let Some((label, ty)) = self.types.iter().find(|(label, _)| label.as_str() == name) else {
            return Err(ser::Error::custom(format!("the type has no field `{name}`")));
        };
        let value = value.serialize(Builder { ty }).map_err(|error| error.inside(name))?;
        self.fields.push((label.clone(), value));
        Ok(())
    }

    /// Fills in what is absent and may be.
    fn finish(mut self) -> Build<Expr> {
        for (label, ty) in self.types {
            if !self.fields.iter().any(|(found, _)| found == label) {
                let absent = Builder { ty }.serialize_none().map_err(|_| {
                    ser::Error::custom(format!("the field `{label}` of the type is missing"))
                });
                self.fields.push((label.clone(), absent?));
            }
        }
        self.fields.sort_by(|a, b| a.0.cmp(&b.0));
        Ok(wrap(self.variant, Expr::new(ExprKind::Record(self.fields))))
    }
}

macro_rules! records {
    ($($trait:ident)*) => {
        $(impl ser::$trait for Record<'_> {
            type Ok = Expr;
            type Error = SerializeError;

            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                name: &'static str,
                value: &T,
            ) -> Build<()> {
                self.push(name, value)
            }

            fn end(self) -> Build<Expr> {
                self.finish()
            }
        })*
    };
}

records! { SerializeStruct SerializeStructVariant }

/// A map in the making: a list of entries, or a record where the type is one.
enum Map<'t> {
    List(List<'t>, Option<Expr>),
    Record(Record<'t>),
}

/// Returns the type of one field of an entry.
fn entry_type<'t>(entry: &'t Expr, name: &str) -> Build<&'t Expr> {
    match entry.kind() {
        ExprKind::RecordType(fields) if fields.len() == 2 => {
            fields.iter().find(|(label, _)| label.as_str() == name).map(|(_, ty)| ty)
        }
        _ => None,
    }
    .ok_or_else(|| ser::Error::custom("a map is a list of `{ mapKey : Text, mapValue : … }`"))
}

impl ser::SerializeMap for Map<'_> {
    type Ok = Expr;
    type Error = SerializeError;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Build<()> {
        match self {
            Self::List(list, slot) => {
                let ty = entry_type(list.item, "mapKey")?;
                *slot = Some(key.serialize(Builder { ty })?);
            }
            Self::Record(record) => {
                let key = key.serialize(Builder { ty: &Expr::builtin(Builtin::Text) })?;
                if let ExprKind::Text(_, name) = key.kind() {
                    record.key = Some(name.to_string());
                }
            }
        }
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Build<()> {
        match self {
            Self::List(list, slot) => {
                let Some(key) = slot.take() else {
                    return Err(ser::Error::custom("a value came before its key"));
                };
                let ty = entry_type(list.item, "mapValue")?;
                let value = value.serialize(Builder { ty })?;
                list.items.push(Expr::new(ExprKind::Record(vec![
                    (Label::new("mapKey"), key),
                    (Label::new("mapValue"), value),
                ])));
                Ok(())
            }
            Self::Record(record) => match record.key.take() {
                Some(key) => record.push(&key, value),
                None => Err(ser::Error::custom("a value came before its key")),
            },
        }
    }

    fn end(self) -> Build<Expr> {
        match self {
            Self::List(list, _) => list.finish(),
            Self::Record(record) => record.finish(),
        }
    }
}
