//! Messages of the ssh-agent protocol: the few that are answered, both ways.

use alloc::string::{String, ToString as _};
use alloc::vec::Vec;

use crate::formats::WireError;
use crate::formats::wire::{Reader, fixed, put_string};
use crate::keys::Signature;

/// The longest message in either direction, in bytes; OpenSSH has the same (`AGENT_MAX_LEN`).
pub const MESSAGE_BYTES_MAX: usize = 256 << 10;
/// Most identities in an answer that is read.
const IDENTITIES_MAX: usize = 64;

const FAILURE: u8 = 5;
const SUCCESS: u8 = 6;
const REQUEST_IDENTITIES: u8 = 11;
const IDENTITIES_ANSWER: u8 = 12;
const SIGN_REQUEST: u8 = 13;
const SIGN_RESPONSE: u8 = 14;
const REMOVE_ALL_IDENTITIES: u8 = 19;
const LOCK: u8 = 22;
const UNLOCK: u8 = 23;
const EXTENSION: u8 = 27;
const EXTENSION_FAILURE: u8 = 28;
const EXTENSION_RESPONSE: u8 = 29;

/// Asks for a signature in a foreign format: its word, and the bytes.
pub const EXTENSION_SIGN: &str = "sign@vigil";
/// Asks for the machine's certificate of its subkey for a foreign format.
pub const EXTENSION_PUBLIC: &str = "public@vigil";
/// Has the agent write into the machine's feed what the machine attests: one entry.
pub const EXTENSION_ATTEST: &str = "attest@vigil";
/// Asks how the agent is.
pub const EXTENSION_STATUS: &str = "status@vigil";
/// Has the agent give up its key for the sealed one that it came from.
pub const EXTENSION_FORGET: &str = "lock@vigil";
/// Has the agent end.
pub const EXTENSION_STOP: &str = "stop@vigil";

/// What a client asks for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Request<'a> {
    /// Which keys there are.
    List,
    /// A signature with the SSH key.
    Sign {
        /// The key or certificate, as SSH sends it.
        blob: &'a [u8],
        /// The bytes to sign.
        data: &'a [u8],
        /// Which variant of an algorithm to use; Ed25519 has one.
        flags: u32,
    },
    /// To forget all keys.
    RemoveAll,
    /// To refuse everything until the same passphrase comes again.
    Lock {
        /// The passphrase.
        passphrase: &'a [u8],
    },
    /// To be of use again.
    Unlock {
        /// The passphrase.
        passphrase: &'a [u8],
    },
    /// Something that is not in the protocol itself.
    Extension {
        /// Its name.
        name: &'a str,
        /// What belongs to it.
        data: &'a [u8],
    },
    /// Something that is not done here, such as adding keys.
    Other {
        /// The message's number.
        number: u8,
    },
}

/// Passphrases stay out of logs.
impl core::fmt::Debug for Request<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let name = match self {
            Self::List => "list",
            Self::Sign { .. } => "sign",
            Self::RemoveAll => "remove all",
            Self::Lock { .. } => "lock",
            Self::Unlock { .. } => "unlock",
            Self::Extension { name, .. } => name,
            Self::Other { number } => return write!(f, "message {number}"),
        };
        f.write_str(name)
    }
}

/// A key as it is listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The key or certificate, as SSH sends it.
    pub blob: Vec<u8>,
    /// What people call it.
    pub comment: String,
}

/// What a client is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// No. The protocol has no place for the reason.
    Failure,
    /// Done.
    Success,
    /// No such extension, or it failed.
    ExtensionFailure,
    /// The keys.
    Identities(Vec<Identity>),
    /// A signature, as SSH sends it.
    Signature(Vec<u8>),
    /// An extension's answer.
    Extension {
        /// Its name.
        name: String,
        /// The answer.
        data: Vec<u8>,
    },
}

/// Why an answer cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AnswerError {
    /// The bytes are no such message.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// The message has a number that is no answer.
    #[error("the agent answered with message {found}, which is no answer")]
    Number {
        /// The number.
        found: u8,
    },
    /// There are more keys than any agent has.
    #[error("the agent lists more than {IDENTITIES_MAX} keys")]
    Many,
}

/// Puts the length before a message.
pub fn frame(message: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(4 + message.len());
    put_string(&mut out, message);
    out
}

impl<'a> Request<'a> {
    /// Reads a message without its length.
    ///
    /// # Errors
    /// Refuses messages that end early or late.
    pub fn parse(message: &'a [u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new(message);
        let [number] = fixed(reader.raw(1, "number")?, "number")?;
        let request = match number {
            REQUEST_IDENTITIES => Self::List,
            SIGN_REQUEST => Self::Sign {
                blob: reader.string("key")?,
                data: reader.string("data")?,
                flags: reader.u32("flags")?,
            },
            REMOVE_ALL_IDENTITIES => Self::RemoveAll,
            LOCK => Self::Lock { passphrase: reader.string("passphrase")? },
            UNLOCK => Self::Unlock { passphrase: reader.string("passphrase")? },
            EXTENSION => {
                let name = reader.text("extension")?;
                return Ok(Self::Extension { name, data: reader.rest() });
            }
            number => return Ok(Self::Other { number }),
        };
        reader.finish()?;
        Ok(request)
    }

    /// Writes a message without its length.
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Self::List => [REQUEST_IDENTITIES].into(),
            Self::Sign { blob, data, flags } => {
                let mut out = Vec::from([SIGN_REQUEST]);
                put_string(&mut out, blob);
                put_string(&mut out, data);
                out.extend(flags.to_be_bytes());
                out
            }
            Self::RemoveAll => [REMOVE_ALL_IDENTITIES].into(),
            Self::Lock { passphrase } => with_string(LOCK, passphrase),
            Self::Unlock { passphrase } => with_string(UNLOCK, passphrase),
            Self::Extension { name, data } => {
                let mut out = with_string(EXTENSION, name.as_bytes());
                out.extend_from_slice(data);
                out
            }
            Self::Other { number } => [*number].into(),
        }
    }
}

fn with_string(number: u8, bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::from([number]);
    put_string(&mut out, bytes);
    out
}

impl Answer {
    /// Writes a message without its length.
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Self::Failure => [FAILURE].into(),
            Self::Success => [SUCCESS].into(),
            Self::ExtensionFailure => [EXTENSION_FAILURE].into(),
            Self::Identities(identities) => {
                let mut out = Vec::from([IDENTITIES_ANSWER]);
                // The agent lists a key and a certificate.
                out.extend((identities.len() as u32).to_be_bytes());
                for identity in identities {
                    put_string(&mut out, &identity.blob);
                    put_string(&mut out, identity.comment.as_bytes());
                }
                out
            }
            Self::Signature(blob) => with_string(SIGN_RESPONSE, blob),
            Self::Extension { name, data } => {
                let mut out = with_string(EXTENSION_RESPONSE, name.as_bytes());
                out.extend_from_slice(data);
                out
            }
        }
    }

    /// Reads a message without its length.
    ///
    /// # Errors
    /// Refuses what no agent answers.
    pub fn parse(message: &[u8]) -> Result<Self, AnswerError> {
        let mut reader = Reader::new(message);
        let [number] = fixed(reader.raw(1, "number")?, "number")?;
        let answer = match number {
            FAILURE => Self::Failure,
            SUCCESS => Self::Success,
            EXTENSION_FAILURE => Self::ExtensionFailure,
            IDENTITIES_ANSWER => {
                let mut identities = Vec::new();
                for _ in 0..reader.u32("number of keys")? {
                    if identities.len() == IDENTITIES_MAX {
                        return Err(AnswerError::Many);
                    }
                    let blob = reader.string("key")?.to_vec();
                    // A comment may be in any encoding.
                    let comment = String::from_utf8_lossy(reader.string("comment")?).into_owned();
                    identities.push(Identity { blob, comment });
                }
                Self::Identities(identities)
            }
            SIGN_RESPONSE => Self::Signature(reader.string("signature")?.to_vec()),
            EXTENSION_RESPONSE => {
                let name = reader.text("extension")?.to_string();
                let data = reader.rest().to_vec();
                Self::Extension { name, data }
            }
            found => return Err(AnswerError::Number { found }),
        };
        reader.finish()?;
        Ok(answer)
    }

    /// Answers an extension with a signature.
    pub(super) fn signed(name: &str, signature: &Signature) -> Self {
        Self::Extension { name: name.to_string(), data: signature.0.to_vec() }
    }
}
