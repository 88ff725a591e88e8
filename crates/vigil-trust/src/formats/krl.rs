//! Key revocation lists as OpenSSH reads them (`PROTOCOL.krl` of OpenSSH): whose signatures `ssh-keygen -Y
//! verify -r` and git's `gpg.ssh.revocationFile` refuse.
//!
//! A list names certificates by their key id, which says which machine they are for, under any authority; and
//! keys themselves. It is not signed: whoever uses one made it, or has it from the Person.
//!
//! Invariant: the same machines and keys give the same bytes, whatever order they came in.

use alloc::collections::BTreeSet;
use alloc::string::String;
use alloc::vec::Vec;

use super::machine::key_id;
use super::ssh_key::key_blob;
use super::wire::put_string;
use crate::keys::{KeyBytes, PublicKey};

const MAGIC: &[u8; 8] = b"SSHKRL\n\0";
const FORMAT: u32 = 1;
const SECTION_CERTIFICATES: u8 = 1;
const SECTION_KEYS: u8 = 2;
/// In a section of certificates: those with these key ids.
const BY_KEY_ID: u8 = 0x23;

/// Machines whose word counts no more, and their SSH keys as far as they are known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RevocationList {
    machines: BTreeSet<KeyBytes>,
    /// As SSH sends them.
    keys: BTreeSet<Vec<u8>>,
}

impl RevocationList {
    /// Adds a machine: all certificates that were ever made for it.
    pub fn machine(&mut self, machine: KeyBytes) {
        self.machines.insert(machine);
    }

    /// Adds a key: its own signatures, and those under any certificate of it.
    pub fn key(&mut self, key: &PublicKey) {
        self.keys.insert(key_blob(key));
    }

    /// Returns how many machines it names.
    pub fn machines_len(&self) -> usize {
        self.machines.len()
    }

    /// Returns how many keys it names.
    pub fn keys_len(&self) -> usize {
        self.keys.len()
    }

    /// Returns the file. `at` is when it is made, in seconds since 1970, and says which of two is newer.
    pub fn encode(&self, at: u64, comment: &str) -> Vec<u8> {
        let mut out = Vec::from(MAGIC);
        out.extend(FORMAT.to_be_bytes());
        out.extend(at.to_be_bytes()); // the list's own number, which rises
        out.extend(at.to_be_bytes());
        out.extend(0_u64.to_be_bytes()); // flags
        put_string(&mut out, &[]); // reserved
        let comment: String = comment.chars().filter(|c| !c.is_control()).collect();
        put_string(&mut out, comment.as_bytes());
        if !self.machines.is_empty() {
            let mut ids = Vec::new();
            for machine in &self.machines {
                put_string(&mut ids, key_id(machine).as_bytes());
            }
            let mut section = Vec::new();
            // Under any authority: a rotated Person's certificates are of another than today's.
            put_string(&mut section, &[]);
            put_string(&mut section, &[]); // reserved
            section.push(BY_KEY_ID);
            put_string(&mut section, &ids);
            out.push(SECTION_CERTIFICATES);
            put_string(&mut out, &section);
        }
        if !self.keys.is_empty() {
            let mut section = Vec::new();
            self.keys.iter().for_each(|key| put_string(&mut section, key));
            out.push(SECTION_KEYS);
            put_string(&mut out, &section);
        }
        out
    }
}
