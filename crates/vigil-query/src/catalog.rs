//! Catalogs: a record that gives names to tables and views. Drawn in `docs/format/catalog.md`.

use std::collections::BTreeMap;

use vigil_base::cbor::{DecodeError, Decoder, Encoder, Fault};
use vigil_kernel::Identifier;

/// The media type of a catalog.
pub const CATALOG_TYPE: &str = "application/vnd.vigil.catalog";

const TAG: &str = "vigil.catalog/1";

/// Names of tables and views.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Catalog {
    /// Where each table is.
    pub tables: BTreeMap<String, Identifier>,
    /// The SQL of each view.
    pub views: BTreeMap<String, String>,
}

impl Catalog {
    /// Returns the canonical record.
    pub fn encode(&self) -> Vec<u8> {
        let mut encoder = Encoder::record(TAG, 3);
        encoder.array(2 * self.tables.len());
        for (name, uri) in &self.tables {
            encoder.text(name);
            encoder.text(uri.as_str());
        }
        encoder.array(2 * self.views.len());
        for (name, sql) in &self.views {
            encoder.text(name);
            encoder.text(sql);
        }
        encoder.finish()
    }

    /// Reads a record strictly.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut decoder = Decoder::record(bytes, TAG, 3)?;
        let tables = pairs(&mut decoder)?;
        let views = pairs(&mut decoder)?;
        let at = decoder.offset();
        let mut catalog = Self { tables: BTreeMap::new(), views };
        for (name, uri) in tables {
            let Ok(uri) = Identifier::new(&uri) else { return decoder.fault(at, Fault::Range) };
            catalog.tables.insert(name, uri);
        }
        decoder.finish()?;
        Ok(catalog)
    }
}

/// Reads names, strictly rising, each with a text.
fn pairs(decoder: &mut Decoder<'_>) -> Result<BTreeMap<String, String>, DecodeError> {
    let at = decoder.offset();
    let count = decoder.array()?;
    if count % 2 != 0 {
        return decoder.fault(at, Fault::Range);
    }
    let mut pairs = BTreeMap::new();
    for _ in 0..count / 2 {
        let at = decoder.offset();
        let name = decoder.text()?.to_owned();
        if pairs.last_key_value().is_some_and(|(last, _)| *last >= name) {
            return decoder.fault(at, Fault::KeyOrder);
        }
        pairs.insert(name, decoder.text()?.to_owned());
    }
    Ok(pairs)
}
