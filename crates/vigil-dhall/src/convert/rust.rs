//! From normal forms to Rust values, through serde.

use serde::de::{
    self, Deserializer, IntoDeserializer, MapAccess, SeqAccess, VariantAccess, Visitor,
};

use super::{alternative, map_entries};
use crate::builtin::Builtin;
use crate::difference::brief;
use crate::expr::{Expr, ExprKind};
use crate::stack::deep;

/// Why a normal form is not what a Rust type wants.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct DeserializeError {
    message: String,
}

impl de::Error for DeserializeError {
    fn custom<T: std::fmt::Display>(message: T) -> Self {
        Self { message: message.to_string() }
    }
}

/// Reads a normal form as a Rust value.
///
/// Records and lists of `{ mapKey : Text, mapValue : … }` are structs and maps, lists are
/// sequences, `Optional` is `Option`, unions are enums.
///
/// # Errors
/// Returns what the Rust type wants and the normal form is not.
pub fn from_normal_form<T: de::DeserializeOwned>(expr: &Expr) -> Result<T, DeserializeError> {
    T::deserialize(Reader(expr))
}

struct Reader<'e>(&'e Expr);

type Read<T> = Result<T, DeserializeError>;

impl Reader<'_> {
    fn unexpected<T>(&self) -> Read<T> {
        let what = brief(self.0, 60);
        Err(de::Error::custom(format!("`{what}` is not data that a Rust value can hold")))
    }
}

impl<'de> Deserializer<'de> for Reader<'_> {
    type Error = DeserializeError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Read<V::Value> {
        deep(|| match self.0.kind() {
            ExprKind::Bool(value) => visitor.visit_bool(*value),
            ExprKind::Natural(value) => match value.to_u64() {
                Some(small) => visitor.visit_u64(small),
                None => Err(de::Error::custom(format!("{value} does not fit into 64 bits"))),
            },
            ExprKind::Integer(value) => {
                let magnitude = value.magnitude().to_u64().map(i128::from);
                let signed = magnitude.map(|m| if value.is_negative() { -m } else { m });
                match signed.and_then(|signed| i64::try_from(signed).ok()) {
                    Some(small) => visitor.visit_i64(small),
                    None => Err(de::Error::custom(format!("{value} does not fit into 64 bits"))),
                }
            }
            ExprKind::Double(value) => visitor.visit_f64(*value),
            ExprKind::Text(chunks, text) if chunks.is_empty() => visitor.visit_str(text),
            ExprKind::Bytes(bytes) => visitor.visit_bytes(bytes),
            ExprKind::Date(date) => visitor.visit_string(date.to_string()),
            ExprKind::Time(time) => visitor.visit_string(time.to_string()),
            ExprKind::TimeZone(zone) => visitor.visit_string(zone.to_string()),
            ExprKind::Some(inner) => visitor.visit_some(Reader(inner)),
            ExprKind::App(none, _) if matches!(none.kind(), ExprKind::Builtin(Builtin::None)) => {
                visitor.visit_none()
            }
            ExprKind::EmptyList(_) => visitor.visit_seq(Items(&[])),
            ExprKind::List(items) => visitor.visit_seq(Items(items)),
            ExprKind::Record(fields) => {
                let entries =
                    fields.iter().map(|(label, value)| (label.to_string(), value.clone()));
                visitor.visit_map(Entries::new(entries.collect()))
            }
            _ => match alternative(self.0) {
                Some((label, payload)) => {
                    visitor.visit_enum(Alternative { name: label.to_string(), payload })
                }
                None => self.unexpected(),
            },
        })
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Read<V::Value> {
        match self.0.kind() {
            ExprKind::EmptyList(_) => visitor.visit_map(Entries::new(Vec::new())),
            ExprKind::List(items) => match map_entries(items) {
                Some(entries) => visitor.visit_map(Entries::new(entries)),
                None => self.deserialize_any(visitor),
            },
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Read<V::Value> {
        match self.0.kind() {
            ExprKind::Record(fields) if fields.is_empty() => visitor.visit_unit(),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Read<V::Value> {
        self.deserialize_unit(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Read<V::Value> {
        visitor.visit_newtype_struct(self)
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf
        option seq tuple tuple_struct struct enum identifier ignored_any
    }
}

struct Items<'e>(&'e [Expr]);

impl<'de> SeqAccess<'de> for Items<'_> {
    type Error = DeserializeError;

    fn next_element_seed<T: de::DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Read<Option<T::Value>> {
        let Some((first, rest)) = self.0.split_first() else {
            return Ok(None);
        };
        self.0 = rest;
        seed.deserialize(Reader(first)).map(Some)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.0.len())
    }
}

struct Entries {
    left: std::vec::IntoIter<(String, Expr)>,
    value: Option<(String, Expr)>,
}

impl Entries {
    fn new(entries: Vec<(String, Expr)>) -> Self {
        Self { left: entries.into_iter(), value: None }
    }
}

impl<'de> MapAccess<'de> for Entries {
    type Error = DeserializeError;

    fn next_key_seed<K: de::DeserializeSeed<'de>>(&mut self, seed: K) -> Read<Option<K::Value>> {
        self.value = self.left.next();
        match &self.value {
            Some((key, _)) => {
                let key: de::value::StrDeserializer<'_, DeserializeError> =
                    key.as_str().into_deserializer();
                seed.deserialize(key).map(Some)
            }
            None => Ok(None),
        }
    }

    fn next_value_seed<T: de::DeserializeSeed<'de>>(&mut self, seed: T) -> Read<T::Value> {
        let Some((key, value)) = self.value.take() else {
            return Err(de::Error::custom("a value was asked for before its key"));
        };
        seed.deserialize(Reader(&value)).map_err(|error| {
            let message = format!("in `{key}`: {error}");
            DeserializeError { message }
        })
    }
}

struct Alternative<'e> {
    name: String,
    payload: Option<&'e Expr>,
}

impl<'de, 'e> de::EnumAccess<'de> for Alternative<'e> {
    type Error = DeserializeError;
    type Variant = Payload<'e>;

    fn variant_seed<V: de::DeserializeSeed<'de>>(self, seed: V) -> Read<(V::Value, Payload<'e>)> {
        let name: de::value::StringDeserializer<DeserializeError> = self.name.into_deserializer();
        Ok((seed.deserialize(name)?, Payload(self.payload)))
    }
}

struct Payload<'e>(Option<&'e Expr>);

impl<'e> Payload<'e> {
    fn reader(self) -> Read<Reader<'e>> {
        match self.0 {
            Some(payload) => Ok(Reader(payload)),
            None => Err(de::Error::custom("this alternative has no payload, but one is wanted")),
        }
    }
}

impl<'de> VariantAccess<'de> for Payload<'_> {
    type Error = DeserializeError;

    fn unit_variant(self) -> Read<()> {
        match self.0 {
            None => Ok(()),
            Some(_) => Err(de::Error::custom("this alternative has a payload, but none is wanted")),
        }
    }

    fn newtype_variant_seed<T: de::DeserializeSeed<'de>>(self, seed: T) -> Read<T::Value> {
        seed.deserialize(self.reader()?)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _len: usize, visitor: V) -> Read<V::Value> {
        self.reader()?.deserialize_any(visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Read<V::Value> {
        self.reader()?.deserialize_any(visitor)
    }
}
