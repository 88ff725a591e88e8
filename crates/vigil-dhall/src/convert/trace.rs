//! From Rust types to types of the language, by watching what a type's `Deserialize` asks for.
//!
//! The type is offered one made-up value after another until every alternative of every enum has
//! been seen. A type whose values cannot be made up (an address that must parse, say) and one that
//! contains itself have no such type; an annotation written by hand does for those.

use std::collections::HashMap;

use serde::de::{self, DeserializeSeed, Deserializer, IntoDeserializer, Visitor};

use crate::binary::encode;
use crate::builtin::Builtin;
use crate::expr::{Expr, ExprKind};
use crate::label::Label;

/// Why a Rust type has no type in the language.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct TraceError {
    message: String,
}

impl de::Error for TraceError {
    fn custom<T: std::fmt::Display>(message: T) -> Self {
        Self { message: message.to_string() }
    }
}

/// How deep types may nest; past this one contains itself.
const DEPTH_MAX: usize = 100;
/// How many values are made up before giving up.
const ROUNDS_MAX: usize = 10_000;

/// Returns the type that values of the Rust type `T` have in the language: unsigned numbers are
/// `Natural`, signed ones `Integer`, structs are records, enums unions, maps lists of
/// `{ mapKey : Text, mapValue : … }`.
///
/// # Errors
/// Returns why there is no such type.
pub fn type_of<T: de::DeserializeOwned>() -> Result<Expr, TraceError> {
    let mut state = State::default();
    let mut last = Vec::new();
    let mut unchanged = 0;
    for _ in 0..ROUNDS_MAX {
        let mut found = None;
        T::deserialize(Tracer { state: &mut state, found: &mut found, depth: 0 })?;
        let Some(found) = found else {
            return Err(de::Error::custom("the Rust type asks for nothing"));
        };
        let encoded = encode(&found);
        unchanged = if encoded == last { unchanged + 1 } else { 0 };
        let widest = state.enums.values().map(|seen| seen.payloads.len()).max().unwrap_or(0);
        let complete = state.enums.values().all(|seen| seen.payloads.iter().all(Option::is_some));
        // Every alternative was looked into since the last change.
        if complete && unchanged >= widest {
            return Ok(found);
        }
        last = encoded;
    }
    Err(de::Error::custom("the Rust type has too many alternatives"))
}

#[derive(Default)]
struct State {
    enums: HashMap<&'static str, Seen>,
}

/// What is known of an enum: for each alternative, once it was seen, its payload.
struct Seen {
    payloads: Vec<Option<Option<Expr>>>,
    next: usize,
}

struct Tracer<'t> {
    state: &'t mut State,
    found: &'t mut Option<Expr>,
    depth: usize,
}

type Trace<T> = Result<T, TraceError>;

impl Tracer<'_> {
    fn builtin(&mut self, builtin: Builtin) {
        *self.found = Some(Expr::builtin(builtin));
    }

    /// Traces a part and returns its type beside its value.
    fn part<'de, S: DeserializeSeed<'de>>(&mut self, seed: S) -> Trace<(S::Value, Expr)> {
        if self.depth >= DEPTH_MAX {
            return Err(de::Error::custom("the Rust type contains itself"));
        }
        let mut found = None;
        let tracer = Tracer { state: self.state, found: &mut found, depth: self.depth + 1 };
        let value = seed.deserialize(tracer)?;
        match found {
            Some(found) => Ok((value, found)),
            None => Err(de::Error::custom("a part of the Rust type asks for nothing")),
        }
    }
}

macro_rules! leaves {
    ($($method:ident $visit:ident $value:expr, $builtin:ident;)*) => {
        $(fn $method<V: Visitor<'de>>(mut self, visitor: V) -> Trace<V::Value> {
            self.builtin(Builtin::$builtin);
            visitor.$visit($value)
        })*
    };
}

impl<'de> Deserializer<'de> for Tracer<'_> {
    type Error = TraceError;

    leaves! {
        deserialize_bool visit_bool false, Bool;
        deserialize_u8 visit_u8 0, Natural;
        deserialize_u16 visit_u16 0, Natural;
        deserialize_u32 visit_u32 0, Natural;
        deserialize_u64 visit_u64 0, Natural;
        deserialize_u128 visit_u128 0, Natural;
        deserialize_i8 visit_i8 0, Integer;
        deserialize_i16 visit_i16 0, Integer;
        deserialize_i32 visit_i32 0, Integer;
        deserialize_i64 visit_i64 0, Integer;
        deserialize_i128 visit_i128 0, Integer;
        deserialize_f32 visit_f32 0.0, Double;
        deserialize_f64 visit_f64 0.0, Double;
        deserialize_char visit_char ' ', Text;
        deserialize_str visit_str "", Text;
        deserialize_string visit_str "", Text;
        deserialize_bytes visit_bytes &[], Bytes;
        deserialize_byte_buf visit_bytes &[], Bytes;
    }

    fn deserialize_any<V: Visitor<'de>>(self, _visitor: V) -> Trace<V::Value> {
        Err(de::Error::custom("the Rust type takes anything, so that it has no one type"))
    }

    fn deserialize_option<V: Visitor<'de>>(mut self, visitor: V) -> Trace<V::Value> {
        let (value, inner) = self.part(SomeSeed(visitor))?;
        *self.found = Some(Expr::builtin(Builtin::Optional).apply(inner));
        Ok(value)
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Trace<V::Value> {
        *self.found = Some(Expr::new(ExprKind::RecordType(Vec::new())));
        visitor.visit_unit()
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Trace<V::Value> {
        self.deserialize_unit(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Trace<V::Value> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Trace<V::Value> {
        self.deserialize_tuple(1, visitor)
    }

    fn deserialize_tuple<V: Visitor<'de>>(mut self, len: usize, visitor: V) -> Trace<V::Value> {
        let mut items = Parts { tracer: &mut self, left: len, types: Vec::new(), keys: None };
        let value = visitor.visit_seq(&mut items)?;
        let types = std::mem::take(&mut items.types);
        let Some((first, rest)) = types.split_first() else {
            return Err(de::Error::custom("an empty tuple has no type in the language"));
        };
        if rest.iter().any(|(_, ty)| encode(ty) != encode(&first.1)) {
            return Err(de::Error::custom("a tuple of several types: use a struct"));
        }
        *self.found = Some(Expr::builtin(Builtin::List).apply(first.1.clone()));
        Ok(value)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        len: usize,
        visitor: V,
    ) -> Trace<V::Value> {
        self.deserialize_tuple(len, visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(mut self, visitor: V) -> Trace<V::Value> {
        let mut entries = Parts { tracer: &mut self, left: 1, types: Vec::new(), keys: None };
        let value = visitor.visit_map(&mut entries)?;
        let Some((_, inner)) = entries.types.pop() else {
            return Err(de::Error::custom("a map that asks for no value"));
        };
        let entry = Expr::new(ExprKind::RecordType(vec![
            (Label::new("mapKey"), Expr::builtin(Builtin::Text)),
            (Label::new("mapValue"), inner),
        ]));
        *self.found = Some(Expr::builtin(Builtin::List).apply(entry));
        Ok(value)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        mut self,
        _name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Trace<V::Value> {
        let left = fields.len();
        let mut entries = Parts { tracer: &mut self, left, types: Vec::new(), keys: Some(fields) };
        let value = visitor.visit_map(&mut entries)?;
        let mut types = std::mem::take(&mut entries.types);
        types.sort_by(|a, b| a.0.cmp(&b.0));
        *self.found = Some(Expr::new(ExprKind::RecordType(types)));
        Ok(value)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        mut self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Trace<V::Value> {
        let seen = self
            .state
            .enums
            .entry(name)
            .or_insert_with(|| Seen { payloads: vec![None; variants.len()], next: 0 });
        if variants.is_empty() {
            return Err(de::Error::custom("an enum without alternatives has no values"));
        }
        let at = seen.next % variants.len();
        seen.next += 1;
        let mut payload = None;
        let variant = Variant { tracer: &mut self, name: variants[at], payload: &mut payload };
        let value = visitor.visit_enum(variant)?;
        let Some(seen) = self.state.enums.get_mut(name) else {
            return Err(de::Error::custom("an enum was forgotten"));
        };
        if let Some(slot) = seen.payloads.get_mut(at) {
            *slot = Some(payload);
        }
        let mut alternatives: Vec<(Label, Option<Expr>)> = variants
            .iter()
            .zip(&seen.payloads)
            .map(|(name, payload)| (Label::new(name), payload.clone().flatten()))
            .collect();
        alternatives.sort_by(|a, b| a.0.cmp(&b.0));
        *self.found = Some(Expr::new(ExprKind::UnionType(alternatives)));
        Ok(value)
    }

    fn deserialize_identifier<V: Visitor<'de>>(mut self, visitor: V) -> Trace<V::Value> {
        self.builtin(Builtin::Text);
        visitor.visit_str("")
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Trace<V::Value> {
        visitor.visit_unit()
    }
}

/// Offers `Some` of a part.
struct SomeSeed<V>(V);

impl<'de, V: Visitor<'de>> DeserializeSeed<'de> for SomeSeed<V> {
    type Value = V::Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<V::Value, D::Error> {
        self.0.visit_some(deserializer)
    }
}

/// Offers items, or fields by name, or the one entry of a map.
struct Parts<'p, 't> {
    tracer: &'p mut Tracer<'t>,
    left: usize,
    types: Vec<(Label, Expr)>,
    keys: Option<&'static [&'static str]>,
}

impl<'de> de::SeqAccess<'de> for &mut Parts<'_, '_> {
    type Error = TraceError;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Trace<Option<S::Value>> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        let (value, ty) = self.tracer.part(seed)?;
        self.types.push((Label::new(""), ty));
        Ok(Some(value))
    }
}

impl<'de> de::MapAccess<'de> for &mut Parts<'_, '_> {
    type Error = TraceError;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Trace<Option<S::Value>> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        match self.keys {
            Some(keys) => {
                let key = keys[keys.len() - self.left - 1];
                self.types.push((Label::new(key), Expr::builtin(Builtin::Text)));
                let key: de::value::StrDeserializer<'_, TraceError> = key.into_deserializer();
                seed.deserialize(key).map(Some)
            }
            None => {
                let (value, ty) = self.tracer.part(seed)?;
                if !matches!(ty.kind(), ExprKind::Builtin(Builtin::Text)) {
                    return Err(de::Error::custom("the keys of a map must be texts"));
                }
                self.types.push((Label::new("mapKey"), ty));
                Ok(Some(value))
            }
        }
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Trace<S::Value> {
        let (value, ty) = self.tracer.part(seed)?;
        if let Some(last) = self.types.last_mut() {
            last.1 = ty;
        }
        Ok(value)
    }
}

/// Offers one alternative of an enum.
struct Variant<'p, 't> {
    tracer: &'p mut Tracer<'t>,
    name: &'static str,
    payload: &'p mut Option<Expr>,
}

impl<'de, 'p, 't> de::EnumAccess<'de> for Variant<'p, 't> {
    type Error = TraceError;
    type Variant = Self;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Trace<(S::Value, Self)> {
        let name: de::value::StrDeserializer<'_, TraceError> = self.name.into_deserializer();
        Ok((seed.deserialize(name)?, self))
    }
}

impl<'de> de::VariantAccess<'de> for Variant<'_, '_> {
    type Error = TraceError;

    fn unit_variant(self) -> Trace<()> {
        Ok(())
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Trace<S::Value> {
        let (value, ty) = self.tracer.part(seed)?;
        *self.payload = Some(ty);
        Ok(value)
    }

    fn tuple_variant<V: Visitor<'de>>(self, len: usize, visitor: V) -> Trace<V::Value> {
        let tracer =
            Tracer { state: self.tracer.state, found: self.payload, depth: self.tracer.depth + 1 };
        tracer.deserialize_tuple(len, visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Trace<V::Value> {
        let tracer =
            Tracer { state: self.tracer.state, found: self.payload, depth: self.tracer.depth + 1 };
        tracer.deserialize_struct(self.name, fields, visitor)
    }
}
