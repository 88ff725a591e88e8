//! What the agent does with a request.

use alloc::string::{String, ToString as _};
use alloc::vec::Vec;

use vigil_base::world::Randomness;

use super::message::{
    Answer, EXTENSION_FORGET, EXTENSION_PUBLIC, EXTENSION_SIGN, EXTENSION_STATUS, EXTENSION_STOP,
    Identity, Request,
};
use crate::formats::wire::{Reader, put_string};
use crate::formats::{Certificate, WireError, key_blob, signature_blob, sshsig_namespace};
use crate::keys::{KeyBytes, SecretKey};
use crate::seal::{SealedHeader, open, seal};
use crate::subkey::Purpose;

/// The formats that an agent signs in; handshakes and logs have servers of their own.
const PURPOSES: [Purpose; 4] = [Purpose::Ssh, Purpose::Dsse, Purpose::Minisign, Purpose::Signify];

/// Where a key lies while the agent is of use: in memory that is neither swapped nor dumped.
pub trait Vault {
    /// Keeps a key's seed in place of what was kept before.
    fn keep(&mut self, key: &SecretKey);
    /// Returns the key, if one is kept.
    fn key(&self) -> Option<SecretKey>;
    /// Wipes what is kept.
    fn wipe(&mut self);
}

/// Whose key an agent holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentIdentity {
    /// What people call the machine.
    pub name: String,
    /// What its Person says about its SSH key, if that is at hand.
    pub certificate: Option<Certificate>,
}

/// Whether an agent is of use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AgentState {
    /// It signs.
    Open,
    /// It waits for a passphrase.
    Locked,
    /// All keys were removed.
    Empty,
}

/// How an agent is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentStatus {
    /// Whether it is of use.
    pub state: AgentState,
    /// What people call the machine.
    pub name: String,
    /// The machine's own key.
    pub machine: KeyBytes,
    /// Signatures made so far.
    pub signatures: u64,
}

impl AgentState {
    /// Returns the word that stands for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Locked => "locked",
            Self::Empty => "empty",
        }
    }

    fn from_word(word: &str) -> Option<Self> {
        [Self::Open, Self::Locked, Self::Empty].into_iter().find(|state| state.as_str() == word)
    }
}

impl AgentStatus {
    fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        put_string(&mut out, self.state.as_str().as_bytes());
        put_string(&mut out, self.name.as_bytes());
        put_string(&mut out, &self.machine.0);
        out.extend(self.signatures.to_be_bytes());
        out
    }

    /// Reads the answer to [`EXTENSION_STATUS`]; `None` if it is none.
    pub fn parse(data: &[u8]) -> Option<Self> {
        let read = |reader: &mut Reader<'_>| -> Result<Option<Self>, WireError> {
            let state = AgentState::from_word(reader.text("state")?);
            let name = reader.text("name")?.to_string();
            let machine = crate::formats::wire::fixed(reader.string("machine")?, "machine")?;
            let signatures = reader.u64("signatures")?;
            let machine = KeyBytes(machine);
            Ok(state.map(|state| Self { state, name, machine, signatures }))
        };
        let mut reader = Reader::new(data);
        let status = read(&mut reader).ok().flatten()?;
        reader.finish().ok().map(|()| status)
    }
}

/// An agent for one machine.
pub struct Agent<V> {
    vault: V,
    identity: AgentIdentity,
    header: SealedHeader,
    /// What the key is unsealed from: what it came from, or what a client's passphrase sealed.
    sealed: Vec<u8>,
    /// What it came from.
    origin: Vec<u8>,
    is_removed: bool,
    is_stopped: bool,
    signatures: u64,
}

impl<V: Vault> Agent<V> {
    /// Holds `key`, which came out of `origin`.
    pub fn new(
        mut vault: V,
        identity: AgentIdentity,
        key: &SecretKey,
        header: SealedHeader,
        origin: Vec<u8>,
    ) -> Self {
        vault.keep(key);
        let sealed = origin.clone();
        let (is_removed, is_stopped, signatures) = (false, false, 0);
        Self { vault, identity, header, sealed, origin, is_removed, is_stopped, signatures }
    }

    /// Returns whether somebody asked it to end.
    pub fn is_stopped(&self) -> bool {
        self.is_stopped
    }

    /// Returns how it is.
    pub fn status(&self) -> AgentStatus {
        let state = match self.key() {
            Some(_) => AgentState::Open,
            None if self.is_removed => AgentState::Empty,
            None => AgentState::Locked,
        };
        let name = self.identity.name.clone();
        AgentStatus { state, name, machine: self.header.public, signatures: self.signatures }
    }

    /// Answers a message, whatever it is. Nothing secret is in the answer.
    pub fn answer(&mut self, message: &[u8], randomness: &dyn Randomness) -> Answer {
        let Ok(request) = Request::parse(message) else { return Answer::Failure };
        match request {
            Request::List => Answer::Identities(self.identities()),
            Request::Sign { blob, data, flags } => {
                self.sign_ssh(blob, data, flags).unwrap_or(Answer::Failure)
            }
            Request::RemoveAll => self.remove_all(),
            Request::Lock { passphrase } => self.lock(passphrase, randomness),
            Request::Unlock { passphrase } => self.unlock(passphrase),
            Request::Extension { name, data } => {
                self.extend(name, data).unwrap_or(Answer::ExtensionFailure)
            }
            // No key comes in from outside, and none leaves one by one.
            Request::Other { .. } => Answer::Failure,
        }
    }

    fn key(&self) -> Option<SecretKey> {
        self.vault.key()
    }

    /// The certificate first: whoever takes the first key then has the whole chain.
    fn identities(&self) -> Vec<Identity> {
        let Some(key) = self.key() else { return Vec::new() };
        let public = key.subkey(Purpose::Ssh).public();
        let certificate = self.identity.certificate.as_ref().filter(|c| c.body.key == public);
        let blobs = certificate.map(Certificate::encode).into_iter().chain([key_blob(&public)]);
        blobs.map(|blob| Identity { blob, comment: self.identity.name.clone() }).collect()
    }

    fn sign_ssh(&mut self, blob: &[u8], data: &[u8], flags: u32) -> Option<Answer> {
        if flags != 0 || !self.identities().iter().any(|identity| identity.blob == blob) {
            return None;
        }
        let signature = self.sign(Purpose::Ssh, data)?;
        Some(Answer::Signature(signature_blob(&signature)))
    }

    /// Signs bytes, if they are laid out as the format lays them out.
    fn sign(&mut self, purpose: Purpose, bytes: &[u8]) -> Option<crate::Signature> {
        let is_fit = match purpose {
            Purpose::Ssh => sshsig_namespace(bytes).is_ok(),
            Purpose::Dsse => bytes.starts_with(b"DSSEv1 "),
            // Raw bytes, and hashes of them: nothing to be seen.
            _ => PURPOSES.contains(&purpose),
        };
        if !is_fit {
            return None;
        }
        let signature = self.key()?.subkey(purpose).sign(bytes);
        self.signatures += 1;
        Some(signature)
    }

    fn remove_all(&mut self) -> Answer {
        self.vault.wipe();
        self.sealed.clear();
        self.is_removed = true;
        Answer::Success
    }

    fn lock(&mut self, passphrase: &[u8], randomness: &dyn Randomness) -> Answer {
        let Some(key) = self.key() else { return Answer::Failure };
        match seal(&key, &self.header, passphrase, randomness) {
            Ok(sealed) => {
                self.sealed = sealed;
                self.vault.wipe();
                Answer::Success
            }
            // It would not open again, so it stays as it is.
            Err(_) => Answer::Failure,
        }
    }

    fn unlock(&mut self, passphrase: &[u8]) -> Answer {
        if self.is_removed || self.vault.key().is_some() {
            return Answer::Failure;
        }
        match open(&self.sealed, passphrase) {
            Ok((_, key)) => {
                self.vault.keep(&key);
                self.sealed.clone_from(&self.origin);
                Answer::Success
            }
            Err(_) => Answer::Failure,
        }
    }

    fn extend(&mut self, name: &str, data: &[u8]) -> Option<Answer> {
        let mut reader = Reader::new(data);
        let answer = match name {
            EXTENSION_SIGN => {
                let purpose = Purpose::from_word(reader.text("format").ok()?)?;
                let bytes = reader.string("bytes").ok()?;
                Answer::signed(name, &self.sign(purpose, bytes)?)
            }
            EXTENSION_PUBLIC => {
                let purpose = Purpose::from_word(reader.text("format").ok()?)?;
                let data = self.key()?.certify_subkey(purpose).encode();
                Answer::Extension { name: name.to_string(), data }
            }
            EXTENSION_STATUS => {
                Answer::Extension { name: name.to_string(), data: self.status().encode() }
            }
            EXTENSION_FORGET => {
                self.key()?;
                self.vault.wipe();
                self.sealed.clone_from(&self.origin);
                Answer::Success
            }
            EXTENSION_STOP => {
                self.vault.wipe();
                self.is_stopped = true;
                Answer::Success
            }
            _ => return None,
        };
        reader.finish().ok()?;
        Some(answer)
    }
}
