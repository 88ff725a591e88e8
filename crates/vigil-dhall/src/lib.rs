//! Dhall, the programmable configuration language, at version 23.1.0 of its standard.
//!
//! It is a pure library: it opens no file and no socket, reads no environment variable and no
//! clock.
//!
//! Invariants:
//! - no program, however hostile, makes it panic or overflow its stack;
//! - two programs with one semantic hash have one normal form.
#![forbid(unsafe_code)]

mod advice;
mod alpha;
mod binary;
mod blame;
mod builtin;
mod calendar;
mod check;
mod convert;
mod core;
mod difference;
mod expr;
mod import;
mod label;
mod limits;
mod lint;
mod number;
mod parser;
mod phase;
mod print;
mod report;
mod resolve;
mod rewrite;
mod stack;

pub use crate::core::context::LimitError;
pub use alpha::alpha_normalize;
pub use binary::{DecodeError, decode, encode};
pub use blame::Blame;
pub use builtin::{Builtin, Const, KEYWORDS};
pub use calendar::{Date, Time, TimeZone};
pub use check::{Inspection, TypeError, TypeErrorKind};
pub use convert::{
    DeserializeError, FromJsonError, SerializeError, ToJsonError, TraceError, from_json,
    from_normal_form, from_rust, to_expr, to_json, to_yaml, type_of,
};
pub use difference::{Difference, difference};
pub use expr::{Binding, Expr, ExprKind, Operator, Span, WithComponent};
pub use import::{
    Anchor, Hash, Import, ImportMode, ImportPath, ImportTarget, ImportUse, Url, imports,
};
pub use label::Label;
pub use limits::Limits;
pub use lint::lint;
pub use number::{Integer, Natural, show_double};
pub use parser::{Comment, ParseError, Parsed, parse, parse_bytes};
pub use phase::{CheckError, Checked, Resolved};
pub use print::{CharacterSet, Style, format, format_label, print, print_parsed};
pub use report::Report;
pub use resolve::{
    Cache, FetchError, Fetched, Frame, Freeze, ImportError, ImportErrorKind, Importer, NoImports,
    Request, Root, Session, Source,
};
