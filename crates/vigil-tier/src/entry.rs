//! Listing records: what arenas a tier has, so that a machine that has none of them can find them.
//!
//! A record is a claim. What it says is shown, and used to find things; the arena itself is rehashed.

use serde::{Deserialize, Serialize};
use vigil_base::Vcid;
use vigil_store::format::{Class, Site};

use crate::objects::ObjectError;
use crate::tier::{Place, Tier, sealed_place};

/// One arena that a tier says it has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArenaEntry {
    /// Where it was made.
    pub site: Site,
    /// Its number there.
    pub serial: u64,
    /// For whom it is kept.
    pub class: Class,
    /// When it was made, in nanoseconds since 1970.
    pub created: i64,
    /// The SHA-256 of its file.
    pub vcid: Vcid,
    /// The length of its file.
    pub bytes: u64,
    /// How many items it holds.
    pub items: u64,
    /// The Merkle root over its items.
    pub root: Vcid,
    /// Whether it is encrypted in the tier.
    pub encrypted: bool,
}

/// The arenas that a tier says it has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// Those whose records can be read, ordered by site and number.
    pub entries: Vec<ArenaEntry>,
    /// Records of encrypted arenas that were not looked into, because no secret was given.
    pub locked: u64,
    /// Records that cannot be understood, and why; the rest is not affected.
    pub complaints: Vec<ObjectError>,
}

/// Largest listing record: a real one has about 500 bytes.
const RECORD_BYTES_MAX: u64 = 16 << 10;

/// Longest reason why a record cannot be understood.
const REASON_CHARS_MAX: usize = 300;

const TYPE: &str = "vigil.tier.arena/1";

/// The record as JSON, version 1.
#[derive(Serialize, Deserialize)]
struct RecordV1 {
    r#type: String,
    site: String,
    serial: u64,
    class: String,
    created: i64,
    vcid: String,
    bytes: u64,
    items: u64,
    root: String,
    encrypted: bool,
}

impl ArenaEntry {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let record = RecordV1 {
            r#type: TYPE.into(),
            site: self.site.to_string(),
            serial: self.serial,
            class: self.class.as_str().into(),
            created: self.created,
            vcid: self.vcid.to_string(),
            bytes: self.bytes,
            items: self.items,
            root: self.root.to_string(),
            encrypted: self.encrypted,
        };
        let mut json = serde_json::to_vec_pretty(&record).expect("strings and numbers have JSON");
        json.push(b'\n');
        json
    }

    /// Reads a record; an error is a text that says what is wrong.
    pub(crate) fn decode(json: &[u8]) -> Result<Self, String> {
        let record: RecordV1 = serde_json::from_slice(json).map_err(|error| error.to_string())?;
        if record.r#type != TYPE {
            return Err(format!("its type is not {TYPE}"));
        }
        let vcid = |text: &str| text.parse::<Vcid>().map_err(|error| error.to_string());
        let site = site_of(&record.site).ok_or("its site is not 32 hexadecimal digits")?;
        Ok(Self {
            site,
            serial: record.serial,
            class: Class::new(&record.class).map_err(|error| error.to_string())?,
            created: record.created,
            vcid: vcid(&record.vcid)?,
            bytes: record.bytes,
            items: record.items,
            root: vcid(&record.root)?,
            encrypted: record.encrypted,
        })
    }
}

fn site_of(text: &str) -> Option<Site> {
    let mut site = [0; 16];
    if text.len() != 32 || !text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
        return None;
    }
    for (slot, at) in site.iter_mut().zip((0..32).step_by(2)) {
        *slot = u8::from_str_radix(&text[at..at + 2], 16).ok()?;
    }
    Some(Site(site))
}

impl Tier {
    /// Lists the arenas that the tier says it has.
    pub fn list(&self) -> Result<Listing, ObjectError> {
        let mut listing = Listing::default();
        for (name, _) in self.inner.objects.list("arenas")? {
            let place = Place { object: format!("arenas/{name}"), sealed: None };
            self.list_one(place, &mut listing)?;
        }
        let sealed = self.inner.objects.list("enc/arenas")?;
        if self.key().is_none() {
            listing.locked = sealed.len() as u64;
        } else {
            for (name, _) in sealed {
                match Vcid::from_hex(&name) {
                    Ok(name) => {
                        let place = sealed_place("enc/arenas", *name.as_bytes());
                        self.list_one(place, &mut listing)?;
                    }
                    Err(error) => listing.complaints.push(ObjectError::Record {
                        object: format!("enc/arenas/{name}"),
                        reason: error.to_string(),
                    }),
                }
            }
        }
        listing.entries.sort_by_key(|entry| (entry.site, entry.serial));
        Ok(listing)
    }

    /// Reads one record. One that is wrong is a complaint; a tier that cannot be asked is an error.
    fn list_one(&self, place: Place, listing: &mut Listing) -> Result<(), ObjectError> {
        match self.read_entry(&place) {
            Ok(Some(entry)) => listing.entries.push(entry),
            // Somebody has removed it since it was listed.
            Ok(None) => {}
            Err(
                error @ (ObjectError::Denied { .. }
                | ObjectError::Unreachable { .. }
                | ObjectError::Unsupported { .. }),
            ) => return Err(error),
            Err(error) => listing.complaints.push(error),
        }
        Ok(())
    }

    /// Reads the record at `place`, and checks that it belongs there.
    pub(crate) fn read_entry(&self, place: &Place) -> Result<Option<ArenaEntry>, ObjectError> {
        let object = || place.object.clone();
        let Some(opened) = self.open_at(place.clone())? else { return Ok(None) };
        if opened.plain_len > RECORD_BYTES_MAX {
            let (found, wanted) = (opened.plain_len, RECORD_BYTES_MAX);
            return Err(ObjectError::Length { object: object(), found, wanted });
        }
        let json = opened.range(0, opened.plain_len as usize)?;
        let entry = ArenaEntry::decode(&json)
            // Of a reason that repeats what it met, the start is enough.
            .map_err(|reason| reason.chars().take(REASON_CHARS_MAX).collect())
            .map_err(|reason| ObjectError::Record { object: object(), reason })?;
        let key = place.sealed.and(self.key());
        if Self::entry_place(key, entry.site, entry.serial) != *place {
            return Err(ObjectError::Swapped { object: object() });
        }
        Ok(Some(entry))
    }
}

#[cfg(test)]
mod tests {
    use vigil_base::Vcid;
    use vigil_store::format::{Class, Site};

    use super::ArenaEntry;

    fn entry() -> ArenaEntry {
        ArenaEntry {
            site: Site([0xAB; 16]),
            serial: 7,
            class: Class::shared(),
            created: 1_700_000_000_000_000_000,
            vcid: Vcid::of(b"arena"),
            bytes: 512 << 20,
            items: 12_345,
            root: Vcid::of(b"root"),
            encrypted: false,
        }
    }

    #[test]
    fn records_stay_as_they_are() {
        let json = String::from_utf8(entry().encode()).expect("JSON is text");
        expect_test::expect![[r#"
            {
              "type": "vigil.tier.arena/1",
              "site": "abababababababababababababababab",
              "serial": 7,
              "class": "shared",
              "created": 1700000000000000000,
              "vcid": "sha256:VCID",
              "bytes": 536870912,
              "items": 12345,
              "root": "sha256:ROOT",
              "encrypted": false
            }
        "#]]
        .assert_eq(
            &json
                .replace(&Vcid::of(b"arena").to_hex(), "VCID")
                .replace(&Vcid::of(b"root").to_hex(), "ROOT"),
        );
        assert_eq!(ArenaEntry::decode(json.as_bytes()), Ok(entry()));
    }

    #[track_caller]
    fn check(change: (&str, &str), want: &str) {
        let json = String::from_utf8(entry().encode()).expect("JSON is text");
        assert!(json.contains(change.0), "{}", change.0);
        let error = ArenaEntry::decode(json.replace(change.0, change.1).as_bytes());
        let error = error.expect_err("it was changed");
        assert!(error.contains(want), "{error}");
    }

    #[test]
    fn wrong_records_are_refused() {
        check(("arena/1", "arena/2"), "type is not");
        check(("\"abab", "\"ABab"), "32 hexadecimal");
        check(("\"shared\"", "\"../x\""), "a class has");
        check(("sha256:", "md5:"), "does not start with");
        check(("  \"serial\": 7,\n", ""), "missing field `serial`");
        check(("7", "-7"), "invalid value");
        check(("{", ""), "expected");
    }
}
