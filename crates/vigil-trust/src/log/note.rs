//! Signed notes (C2SP signed-note): a text, and lines that say who signed it.
//!
//! Invariants:
//! - a note that parses encodes to the same bytes;
//! - a signature counts only if name, id and bytes fit a key that the caller brought;
//! - a signature that names a known key and does not hold makes the whole note worthless.

use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;
use core::fmt;

use super::text::{base64, excerpt, from_base64};
use crate::keys::{PublicKey, SecretKey, Signature};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

/// Longest note, in bytes: one hundred signatures of the longest kind, ML-DSA-44, and a long text.
pub const NOTE_BYTES_MAX: usize = 512 << 10;

/// Most signatures on a note. The specification asks for at least 16.
pub const NOTE_SIGNATURES_MAX: usize = 100;

/// What each line of a signature begins with: an em dash and a space.
const SIGNATURE_START: &str = "\u{2014} ";

/// Bytes of an ML-DSA-44 public key (FIPS 204, table 2).
const ML_DSA_44_KEY_LEN: usize = 1312;

/// The name of a key: not empty, without white space, `+` and control characters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyName(String);

/// Why a text is not the name of a key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` cannot name a key: such a name is not empty and has no white space and no `+`")]
pub struct KeyNameError {
    /// The text, cut to 80 characters.
    pub text: String,
}

impl KeyName {
    /// Checks a name.
    pub fn new(text: &str) -> Result<Self, KeyNameError> {
        let is_bad = |c: char| c.is_whitespace() || c.is_control() || c == '+';
        match text.is_empty() || text.len() > 1024 || text.contains(is_bad) {
            true => Err(KeyNameError { text: excerpt(text) }),
            false => Ok(Self(text.to_string())),
        }
    }

    /// Returns the text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The four bytes by which a signature names its key. No hash to rely on: keys can be made to collide.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(pub [u8; 4]);

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", u32::from_be_bytes(self.0))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// How a key signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KeyKind {
    /// Ed25519 over the text of the note, as logs sign (type `0x01`).
    Ed25519,
    /// Ed25519 over the text and a time, as witnesses sign (type `0x04`).
    Cosignature,
    /// ML-DSA-44 over a checkpoint and a time (type `0x06`). Read and kept, not checked yet.
    MlDsa44,
}

impl KeyKind {
    fn byte(self) -> u8 {
        match self {
            Self::Ed25519 => 1,
            Self::Cosignature => 4,
            Self::MlDsa44 => 6,
        }
    }
}

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Material {
    Ed25519(PublicKey),
    Cosignature(PublicKey),
    MlDsa44(Vec<u8>),
}

/// The public key of a log or of a witness, under its name.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct NoteKey {
    name: KeyName,
    id: KeyId,
    material: Material,
}

/// Why a text is not a verifier key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NoteKeyError {
    /// It has not three parts.
    #[error("a verifier key is NAME+ID+KEY, not `{text}`")]
    Shape {
        /// The text, cut to 80 characters.
        text: String,
    },
    /// The name is none.
    #[error(transparent)]
    Name(#[from] KeyNameError),
    /// The key is of a type that is not known.
    #[error("the key of {name} is of type {kind:#04x}; known are 0x01, 0x04 and 0x06")]
    Kind {
        /// The name.
        name: KeyName,
        /// The type.
        kind: u8,
    },
    /// The bytes are no key of their type.
    #[error("the key of {name} is not a key that can be relied upon")]
    Key {
        /// The name.
        name: KeyName,
    },
    /// The id is that of another key.
    #[error("the id of {name} is {found}, but its key has the id {wanted}")]
    Id {
        /// The name.
        name: KeyName,
        /// The id that the text gives.
        found: String,
        /// The id that belongs to name and key.
        wanted: KeyId,
    },
}

impl NoteKey {
    /// Names an Ed25519 key. ML-DSA-44 keys come from their text.
    pub fn ed25519(name: KeyName, kind: Ed25519Kind, key: PublicKey) -> Self {
        Self::of(name, kind.material(key))
    }

    fn of(name: KeyName, material: Material) -> Self {
        let kind = material.kind().byte();
        let digest = Sha256::new()
            .chain_update(name.as_str())
            .chain_update([b'\n', kind])
            .chain_update(material.bytes())
            .finalize();
        let id = KeyId([digest[0], digest[1], digest[2], digest[3]]);
        Self { name, id, material }
    }

    /// Reads a verifier key: `NAME+ID+KEY`.
    pub fn parse(text: &str) -> Result<Self, NoteKeyError> {
        let shape = || NoteKeyError::Shape { text: excerpt(text) };
        // Base64 may contain a plus, so only the first two divide.
        let mut parts = text.splitn(3, '+');
        let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(shape());
        };
        let name = KeyName::new(name)?;
        let bytes = from_base64(key).ok_or_else(shape)?;
        let (kind, key) = bytes.split_first().ok_or_else(shape)?;
        let bad = || NoteKeyError::Key { name: name.clone() };
        let point = || {
            let bytes: &[u8; 32] = key.try_into().map_err(|_| bad())?;
            PublicKey::from_bytes(bytes).map_err(|_| bad())
        };
        let material = match kind {
            1 => Material::Ed25519(point()?),
            4 => Material::Cosignature(point()?),
            6 if key.len() == ML_DSA_44_KEY_LEN => Material::MlDsa44(key.to_vec()),
            6 => return Err(bad()),
            kind => return Err(NoteKeyError::Kind { name, kind: *kind }),
        };
        let this = Self::of(name, material);
        match this.id.to_string() == id {
            true => Ok(this),
            false => Err(NoteKeyError::Id { name: this.name, found: excerpt(id), wanted: this.id }),
        }
    }

    /// Returns the name.
    pub fn name(&self) -> &KeyName {
        &self.name
    }

    /// Returns the id.
    pub fn id(&self) -> KeyId {
        self.id
    }

    /// Returns how it signs.
    pub fn kind(&self) -> KeyKind {
        self.material.kind()
    }

    /// Whether both wrap the same key, under whatever names.
    pub fn is_same_key(&self, other: &Self) -> bool {
        self.material.bytes() == other.material.bytes()
    }

    /// Returns the Ed25519 key, if it is one.
    pub(crate) fn point(&self) -> Option<&PublicKey> {
        match &self.material {
            Material::Ed25519(key) | Material::Cosignature(key) => Some(key),
            Material::MlDsa44(_) => None,
        }
    }

    /// Whether a signature says that it is of this key.
    pub fn is_named_by(&self, signature: &NoteSignature) -> bool {
        self.name == signature.name && self.id == signature.id
    }
}

impl fmt::Display for NoteKey {
    /// Writes the verifier key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = Vec::from([self.kind().byte()]);
        bytes.extend_from_slice(self.material.bytes());
        write!(f, "{}+{}+{}", self.name, self.id, base64(&bytes))
    }
}

impl fmt::Debug for NoteKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Material {
    fn kind(&self) -> KeyKind {
        match self {
            Self::Ed25519(_) => KeyKind::Ed25519,
            Self::Cosignature(_) => KeyKind::Cosignature,
            Self::MlDsa44(_) => KeyKind::MlDsa44,
        }
    }

    fn bytes(&self) -> &[u8] {
        match self {
            Self::Ed25519(key) | Self::Cosignature(key) => key.as_bytes(),
            Self::MlDsa44(key) => key,
        }
    }
}

/// What an Ed25519 key signs as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ed25519Kind {
    /// A log, or whoever else signs plain notes.
    Log,
    /// A witness, who signs checkpoints with a time.
    Witness,
}

impl Ed25519Kind {
    fn material(self, key: PublicKey) -> Material {
        match self {
            Self::Log => Material::Ed25519(key),
            Self::Witness => Material::Cosignature(key),
        }
    }
}

/// A secret key of a log or of a witness, under its name.
#[derive(Debug)]
pub struct NoteSigner {
    key: NoteKey,
    secret: SecretKey,
}

/// Why a text is not the secret key of a log or a witness. It never shows the text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NoteSignerError {
    /// It does not look like one.
    #[error("a secret note key is PRIVATE+KEY+NAME+ID+KEY on one line; this is something else")]
    Shape,
    /// The name is none.
    #[error(transparent)]
    Name(#[from] KeyNameError),
    /// The id is that of another key.
    #[error("the id of the secret key of {name} does not belong to its key")]
    Id {
        /// The name.
        name: KeyName,
    },
}

impl NoteSigner {
    /// Makes the key of a seed.
    pub fn from_seed(name: KeyName, kind: Ed25519Kind, seed: &[u8; 32]) -> Self {
        let secret = SecretKey::from_seed(seed);
        Self { key: NoteKey::ed25519(name, kind, secret.public()), secret }
    }

    /// Reads a secret key as Go's `note` writes it: `PRIVATE+KEY+NAME+ID+KEY`.
    pub fn parse(text: &str) -> Result<Self, NoteSignerError> {
        let rest = text.trim_end_matches('\n').strip_prefix("PRIVATE+KEY+");
        let mut parts = rest.ok_or(NoteSignerError::Shape)?.splitn(3, '+');
        let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(NoteSignerError::Shape);
        };
        let bytes = Zeroizing::new(from_base64(key).ok_or(NoteSignerError::Shape)?);
        let (kind, seed) = bytes.split_first().ok_or(NoteSignerError::Shape)?;
        let kind = match kind {
            1 => Ed25519Kind::Log,
            4 => Ed25519Kind::Witness,
            _ => return Err(NoteSignerError::Shape),
        };
        let seed = seed.try_into().map_err(|_| NoteSignerError::Shape)?;
        let this = Self::from_seed(KeyName::new(name)?, kind, seed);
        match this.key.id.to_string() == id {
            true => Ok(this),
            false => Err(NoteSignerError::Id { name: this.key.name }),
        }
    }

    /// Writes the secret key as Go's `note` reads it.
    pub fn to_secret_text(&self) -> Zeroizing<String> {
        let mut bytes = Zeroizing::new(Vec::from([self.key.kind().byte()]));
        bytes.extend_from_slice(&*self.secret.seed());
        let key = Zeroizing::new(base64(&bytes));
        Zeroizing::new(format!("PRIVATE+KEY+{}+{}+{}", self.key.name, self.key.id, *key))
    }

    /// Returns the public key.
    pub fn key(&self) -> &NoteKey {
        &self.key
    }

    /// Signs a message that is laid out for the key's kind.
    pub(crate) fn sign_message(&self, message: &[u8]) -> Signature {
        self.secret.sign_foreign(message)
    }

    /// Makes a line of a signature out of its bytes.
    pub(crate) fn line(&self, bytes: Vec<u8>) -> NoteSignature {
        NoteSignature { name: self.key.name.clone(), id: self.key.id, bytes }
    }
}

/// A line that says who signed. Nothing about it has been checked.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct NoteSignature {
    /// The name of the key.
    pub name: KeyName,
    /// The id of the key.
    pub id: KeyId,
    /// What the key made of the text; its kind says how.
    pub bytes: Vec<u8>,
}

impl NoteSignature {
    /// Reads a line, without its line feed.
    pub fn parse(line: &str) -> Result<Self, NoteError> {
        let bad = || NoteError::Signature { line: excerpt(line) };
        let rest = line.strip_prefix(SIGNATURE_START).ok_or_else(bad)?;
        let (name, text) = rest.split_once(' ').ok_or_else(bad)?;
        let name = KeyName::new(name).map_err(|_| bad())?;
        let decoded = from_base64(text).ok_or_else(bad)?;
        let (id, bytes) = decoded.split_first_chunk::<4>().ok_or_else(bad)?;
        if bytes.is_empty() {
            return Err(bad());
        }
        Ok(Self { name, id: KeyId(*id), bytes: bytes.to_vec() })
    }
}

impl fmt::Display for NoteSignature {
    /// Writes the line, without its line feed.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = [&self.id.0, self.bytes.as_slice()].concat();
        write!(f, "{SIGNATURE_START}{} {}", self.name, base64(&bytes))
    }
}

/// A text with signatures, none of which has been checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    text: String,
    signatures: Vec<NoteSignature>,
}

/// Why bytes are not a note, or one that nobody known signed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NoteError {
    /// It is too long.
    #[error("a note has at most {NOTE_BYTES_MAX} bytes, this one has {found}")]
    Long {
        /// How many bytes.
        found: usize,
    },
    /// It has characters that a note may not have.
    #[error("a note is UTF-8 without control characters other than line feeds")]
    Characters,
    /// Text and signatures are not where they should be.
    #[error("a note is a text, an empty line, and at least one signature, each line ended")]
    Shape,
    /// There are too many signatures.
    #[error("a note has at most {NOTE_SIGNATURES_MAX} signatures")]
    Crowded,
    /// A line is not a signature.
    #[error("`{line}` is not a signature of a note")]
    Signature {
        /// The line, cut to 80 characters.
        line: String,
    },
    /// A known key is named by a signature that it did not make.
    #[error("the signature that names {name} ({id}) was not made by that key over this text")]
    Forged {
        /// The name.
        name: KeyName,
        /// The id.
        id: KeyId,
    },
}

impl Note {
    /// Takes a text that ends with a line feed, and signs it.
    pub fn sign(text: &str, signers: &[&NoteSigner]) -> Result<Self, NoteError> {
        if !text.ends_with('\n') {
            return Err(NoteError::Shape);
        }
        let sign =
            |signer: &&NoteSigner| signer.line(signer.sign_message(text.as_bytes()).0.to_vec());
        let signatures: Vec<NoteSignature> = signers.iter().map(sign).collect();
        let note = Self { text: text.to_string(), signatures };
        Self::parse(note.to_string().as_bytes())
    }

    /// Puts together a text and signatures that were both taken from notes.
    pub(crate) fn from_parts(text: String, signatures: Vec<NoteSignature>) -> Self {
        Self { text, signatures }
    }

    /// Reads a note.
    pub fn parse(bytes: &[u8]) -> Result<Self, NoteError> {
        if bytes.len() > NOTE_BYTES_MAX {
            return Err(NoteError::Long { found: bytes.len() });
        }
        let all = core::str::from_utf8(bytes).map_err(|_| NoteError::Characters)?;
        if all.bytes().any(|byte| byte < 0x20 && byte != b'\n') {
            return Err(NoteError::Characters);
        }
        let split = all.rfind("\n\n").ok_or(NoteError::Shape)?;
        let (text, lines) = (&all[..=split], &all[split + 2..]);
        let lines = lines.strip_suffix('\n').ok_or(NoteError::Shape)?;
        if lines.split('\n').count() > NOTE_SIGNATURES_MAX {
            return Err(NoteError::Crowded);
        }
        let signatures = lines.split('\n').map(NoteSignature::parse).collect::<Result<_, _>>()?;
        Ok(Self { text: text.to_string(), signatures })
    }

    /// Returns the text, with the line feed at its end.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Returns the signatures.
    pub fn signatures(&self) -> &[NoteSignature] {
        &self.signatures
    }

    /// Adds signatures, each once, as many as fit.
    pub fn add(&mut self, signatures: impl IntoIterator<Item = NoteSignature>) {
        for signature in signatures {
            if !self.signatures.contains(&signature) && self.signatures.len() < NOTE_SIGNATURES_MAX
            {
                self.signatures.push(signature);
            }
        }
    }

    /// Keeps only the signatures for which `keep` says so.
    pub fn retain(&mut self, keep: impl FnMut(&NoteSignature) -> bool) {
        self.signatures.retain(keep);
    }

    /// Returns whether a plain Ed25519 key signed the text.
    ///
    /// # Errors
    /// Fails if a signature names the key and was not made by it.
    pub fn is_signed_by(&self, key: &NoteKey) -> Result<bool, NoteError> {
        let mut is_signed = false;
        let named = self.signatures.iter().filter(|signature| key.is_named_by(signature));
        for signature in named {
            let bytes = <[u8; Signature::LEN]>::try_from(signature.bytes.as_slice());
            let holds = match (&key.material, bytes) {
                (Material::Ed25519(point), Ok(bytes)) => {
                    point.verify_foreign(self.text.as_bytes(), &Signature(bytes)).is_ok()
                }
                _ => false,
            };
            if !holds {
                return Err(NoteError::Forged { name: key.name.clone(), id: key.id });
            }
            is_signed = true;
        }
        Ok(is_signed)
    }
}

impl fmt::Display for Note {
    /// Writes the note.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.text)?;
        self.signatures.iter().try_for_each(|signature| writeln!(f, "{signature}"))
    }
}
