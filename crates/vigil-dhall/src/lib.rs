//! Dhall, the programmable configuration language, at version 23.1.0 of its standard.
//!
//! It is a pure library: it opens no file and no socket, reads no environment variable and no
//! clock.
//!
//! Invariants:
//! - no program, however hostile, makes it panic or overflow its stack;
//! - two programs with one semantic hash have one normal form.
//!
//! # From text to meaning
//!
//! Each step has a type of its own, so that none can be left out: [`Parsed`], [`Resolved`],
//! [`Checked`]. Each names the part of the standard that it implements.
//!
//! ```
//! use vigil_dhall::{Limits, NoImports, Root, Session, Style, parse, print};
//!
//! let limits = Limits::default();
//! let parsed = parse("let twice = \\(n : Natural) -> n * 2 in { a = twice 21 }", &limits)?;
//! // Imports come through an `Importer`; this one has none to offer.
//! let resolved = Session::new(&NoImports, &limits).resolve(&parsed.expr, &Root::anonymous())?;
//! let checked = resolved.check()?;
//! assert_eq!(checked.type_expr()?.to_string(), "{ a : Natural }");
//! assert_eq!(print(&checked.normalize()?, Style::default()), "{ a = 42 }");
//! assert!(checked.hash()?.to_string().starts_with("sha256:"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # To Rust and back
//!
//! ```
//! use serde::{Deserialize, Serialize};
//! use vigil_dhall::{
//!     Limits, NoImports, Root, Session, from_normal_form, from_rust, parse, type_of,
//! };
//!
//! #[derive(Debug, PartialEq, Serialize, Deserialize)]
//! struct Server {
//!     name: String,
//!     ports: Vec<u16>,
//!     owner: Option<String>,
//! }
//!
//! // The Rust type knows what the expression must be.
//! let ty = type_of::<Server>()?;
//! assert_eq!(ty.to_string(), "{ name : Text, owner : Optional Text, ports : List Natural }");
//!
//! let limits = Limits::default();
//! let source = format!("{{ name = \"web\", ports = [ 80 ], owner = None Text }} : {ty}");
//! let parsed = parse(&source, &limits)?;
//! let resolved = Session::new(&NoImports, &limits).resolve(&parsed.expr, &Root::anonymous())?;
//! let normal = resolved.check()?.normalize()?;
//! let server: Server = from_normal_form(&normal)?;
//! assert_eq!(server.ports, [80]);
//!
//! let expr = from_rust(&server)?;
//! assert_eq!(expr.to_string(), "{ name = \"web\", owner = None Text, ports = [ 80 ] }");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
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
