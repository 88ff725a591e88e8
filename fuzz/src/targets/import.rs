//! Importing forged arenas: what is taken in has been compared, so nothing wrong is ever read from it.
//!
//! Invariants:
//! - an import takes all or nothing;
//! - after it, every read gives right bytes or an error, and verifying finds nothing damaged.

use super::forgery::forge;
use super::store::{options, world};
use crate::world::MemoryDisk;
use vigil_base::Vcid;
use vigil_store::{Store, VerifyOptions};

/// Checks one input.
pub fn run(input: &[u8]) {
    let forgery = forge(input);
    let store = Store::open(world(MemoryDisk::default()), options()).expect("a fresh store opens");
    let mut bytes = forgery.bytes.as_slice();
    let imported = store.import_arenas(&mut [&mut bytes]);
    for id in &forgery.ids {
        let vcid = id.to_vcid();
        if let Ok(bytes) = store.read(vcid) {
            assert!(imported.is_ok(), "{vcid} was refused and can be read");
            assert_eq!(Vcid::of(&bytes), vcid, "wrong bytes");
        }
    }
    let verify = VerifyOptions { percent: 100, threads: 1, progress: &|_, _| {} };
    match store.verify(&verify) {
        Ok(report) => assert!(report.is_clean(), "imported {imported:?}, then found {report:?}"),
        Err(error) => panic!("the disk is whole, but: {error:?}"),
    }
}
