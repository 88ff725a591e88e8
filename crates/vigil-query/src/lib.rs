//! SQL over resources at rest.
//!
//! A query is a resource like any other: its URI has the SQL and names its tables by theirs, its
//! representation is Arrow, Parquet, CSV or JSON, its trace lists every table and every file that was
//! opened. DataFusion plans and runs it over the arenas; what is here sees to it that the answer follows
//! from the SQL and the bytes alone.
//!
//! This is the only crate that imports DataFusion. It registers endpoints with the kernel, and knows
//! nothing of other families of endpoints.
//!
//! Invariants:
//! - the same query over the same bytes gives the same Vcid, whatever the number of threads, the sizes of
//!   batches and the limits (`docs/design/query.md` lists the rules);
//! - a query writes nothing but what it spills, into one folder, and leaves nothing there;
//! - no bytes, however damaged, make it panic, hang, or use more memory than its limit.

mod budget;
mod canonical;
mod catalog;
mod endpoints;
mod engine;
mod error;
mod exact;
mod plan;
mod render;
mod source;
mod summary;
mod weight;
mod write;

pub use catalog::{CATALOG_TYPE, Catalog};
pub use endpoints::{endpoints, space};
pub use engine::{Engine, Query, Settings, Stop, Table};
pub use error::QueryError;
pub use exact::Total;
pub use plan::{Allowed, is_known};
pub use render::{Shown, read_arrow, render};
pub use source::{Format, Opened, Reading, Source, arrow_in_place};
pub use write::write;
