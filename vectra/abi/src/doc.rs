use core::fmt;

use crate::{Kind, Rights, Status};

/// One row of the call table.
#[derive(Clone, Copy, Debug)]
pub struct CallDoc {
    /// The number.
    pub number: u8,
    /// The primitive that it belongs to.
    pub group: &'static str,
    /// The name.
    pub name: &'static str,
    /// Its arguments, in order.
    pub arguments: &'static [&'static str],
    /// Its result words, in order.
    pub results: &'static [&'static str],
    /// What it does.
    pub doc: &'static str,
}

/// Every call, by number.
pub const TABLE: &[CallDoc] = crate::table::ROWS;

/// Writes the whole table as the page that `golden/calls.md` freezes.
pub fn write_table(out: &mut dyn fmt::Write) -> fmt::Result {
    writeln!(out, "# The call table, version {}\n", crate::ABI_VERSION)?;
    writeln!(out, "Generated from `vectra/abi/src/table.rs`; a test compares them.\n")?;
    writeln!(out, "| no. | call | results | what it does |\n|---|---|---|---|")?;
    for row in TABLE {
        write!(out, "| {} | `{}(", row.number, row.name)?;
        write_list(out, row.arguments)?;
        write!(out, ")` | ")?;
        write_list(out, row.results)?;
        writeln!(out, " | {} |", row.doc)?;
    }
    writeln!(out, "\n| status | name | meaning |\n|---|---|---|")?;
    for &status in Status::ALL {
        writeln!(out, "| {} | {status:?} |{} |", status as u8, status.doc())?;
    }
    writeln!(out, "\n| kind | name | meaning |\n|---|---|---|")?;
    for &kind in Kind::ALL {
        writeln!(out, "| {} | {kind:?} |{} |", kind as u8, kind.doc())?;
    }
    write!(out, "\nRights, lowest bit first: ")?;
    write_list(out, &Rights::NAMES)?;
    writeln!(out, ".")
}

fn write_list(out: &mut dyn fmt::Write, items: &[&str]) -> fmt::Result {
    for (at, item) in items.iter().enumerate() {
        write!(out, "{}{item}", if at == 0 { "" } else { ", " })?;
    }
    Ok(())
}
