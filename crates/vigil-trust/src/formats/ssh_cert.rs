//! OpenSSH certificates (`PROTOCOL.certkeys` of OpenSSH), of the one kind that vouches for a
//! machine's signing key: `ssh-ed25519-cert-v01@openssh.com`, for a user, signed by an Ed25519 key.
//!
//! A certificate cannot certify another one, so a chain has one link: Person → Machine. Those that we
//! make carry no extension: they allow no terminal, no forwarding, nothing but to be recognised.
//!
//! Invariant: a decoded certificate encodes to the same bytes, so a signature over one covers it all.

use alloc::string::{String, ToString as _};
use alloc::vec::Vec;

use super::ssh_key::{
    ALGORITHM, SshKeyError, blob_line, excerpt, key_blob, parse_blob_line, parse_key_blob,
};
use super::wire::{Reader, WireError, fixed, put_string};
use crate::keys::{KeyBytes, PublicKey, Signature};

/// The kind of key that a certificate is.
pub(super) const CERTIFICATE: &str = "ssh-ed25519-cert-v01@openssh.com";
/// The type of a certificate for a user; the other one, 2, is for hosts.
const FOR_USERS: u32 = 1;
/// Most principals; OpenSSH takes 256 (`SSHKEY_CERT_MAX_PRINCIPALS`).
const PRINCIPALS_MAX: usize = 256;
/// Most extensions: OpenSSH writes at most six.
const EXTENSIONS_MAX: usize = 64;
/// The longest nonce that is taken. OpenSSH writes 32 bytes.
const NONCE_BYTES_MAX: usize = 64;

/// What a certificate says, before anybody signed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateBody {
    /// Random bytes, so that nobody can choose what is signed. 32 of them in ours.
    pub nonce: Vec<u8>,
    /// The key that is vouched for.
    pub key: PublicKey,
    /// A number of the authority's choice.
    pub serial: u64,
    /// What the authority calls the certificate.
    pub key_id: String,
    /// As whom the key signs. Never empty: OpenSSH takes an empty list for everybody.
    pub principals: Vec<String>,
    /// From when it holds, in seconds since 1970.
    pub valid_after: u64,
    /// Until when it holds, in seconds since 1970; the second itself is too late.
    pub valid_before: u64,
    /// Rights at a login, which mean nothing here. Names rise, as OpenSSH demands.
    pub extensions: Vec<(String, Vec<u8>)>,
    /// Who vouches.
    pub authority: PublicKey,
}

/// A certificate. Nobody has verified it yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// What it says.
    pub body: CertificateBody,
    /// The authority's signature over that.
    pub signature: Signature,
}

/// Why something is not a certificate of the one kind that is taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateError {
    /// The bytes are no such structure.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// The line is none, or a key of another kind is inside.
    #[error(transparent)]
    Key(#[from] SshKeyError),
    /// It is no certificate for an Ed25519 key.
    #[error("the key is of the kind `{found}`, and only `{CERTIFICATE}` is taken")]
    Kind {
        /// The kind, cut to 64 characters.
        found: String,
    },
    /// It is for a host.
    #[error("the certificate is of the type {found}; only those for users (1) sign files")]
    Type {
        /// The type.
        found: u32,
    },
    /// Nobody would be recognised by it.
    #[error("the certificate names nobody, which OpenSSH reads as everybody")]
    NoPrincipals,
    /// A name cannot be written into a list of allowed signers.
    #[error("the certificate names `{found}`: names are 1 to 255 bytes without spaces and commas")]
    Principal {
        /// The name, cut to 64 characters.
        found: String,
    },
    /// A list is longer than any that OpenSSH makes.
    #[error("the certificate has more than {max} {what}")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many are taken.
        max: usize,
    },
    /// It demands something that nothing here enforces.
    #[error("the certificate has the critical option `{name}`, which says nothing about files")]
    Critical {
        /// The option, cut to 64 characters.
        name: String,
    },
    /// Extensions do not rise.
    #[error("the certificate's extensions are not in rising order")]
    ExtensionOrder,
    /// The reserved field is not empty.
    #[error("the certificate's reserved field is not empty")]
    Reserved,
    /// The certificate holds at no moment.
    #[error("the certificate ends before it starts")]
    NeverValid,
}

/// Why a certificate does not vouch for what it is presented for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refused {
    /// Somebody else signed it.
    #[error("the certificate is by {found}, not by {want}")]
    Authority {
        /// Who did.
        found: KeyBytes,
        /// Who should have.
        want: KeyBytes,
    },
    /// The signature is wrong: some byte of the certificate was altered.
    #[error("the certificate's signature is not its authority's")]
    Signature,
    /// It does not hold yet.
    #[error("the certificate holds from second {from} of 1970 on, and it is {at}")]
    Early {
        /// From when.
        from: u64,
        /// When it is.
        at: u64,
    },
    /// It holds no more.
    #[error("the certificate held until second {until} of 1970, and it is {at}")]
    Late {
        /// Until when.
        until: u64,
        /// When it is.
        at: u64,
    },
    /// It is for somebody else.
    #[error("the certificate does not name `{want}`")]
    Principal {
        /// Who is asked for.
        want: String,
    },
}

fn check_principal(name: &str) -> Result<(), CertificateError> {
    // A comma or a space would end the name in a list of allowed signers; `!`, `*` and `?` are
    // patterns there.
    let is_odd = |c: char| c.is_control() || c.is_whitespace() || ",!*?\"#".contains(c);
    if name.is_empty() || name.len() > 255 || name.contains(is_odd) {
        return Err(CertificateError::Principal { found: excerpt(name.as_bytes()) });
    }
    Ok(())
}

impl CertificateBody {
    /// Checks what a signer must not be asked to sign.
    ///
    /// # Errors
    /// Returns what would be refused on reading.
    pub fn check(&self) -> Result<(), CertificateError> {
        if self.principals.is_empty() {
            return Err(CertificateError::NoPrincipals);
        }
        if self.principals.len() > PRINCIPALS_MAX {
            return Err(CertificateError::TooMany { what: "names", max: PRINCIPALS_MAX });
        }
        self.principals.iter().try_for_each(|name| check_principal(name))?;
        if self.nonce.len() > NONCE_BYTES_MAX {
            return Err(CertificateError::TooMany { what: "nonce bytes", max: NONCE_BYTES_MAX });
        }
        if self.extensions.len() > EXTENSIONS_MAX {
            return Err(CertificateError::TooMany { what: "extensions", max: EXTENSIONS_MAX });
        }
        if self.extensions.windows(2).any(|pair| pair[0].0 >= pair[1].0) {
            return Err(CertificateError::ExtensionOrder);
        }
        if self.valid_before <= self.valid_after {
            return Err(CertificateError::NeverValid);
        }
        Ok(())
    }

    /// Returns the bytes that the authority signs.
    pub fn signed_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        put_string(&mut out, CERTIFICATE.as_bytes());
        put_string(&mut out, &self.nonce);
        put_string(&mut out, self.key.as_bytes());
        out.extend(self.serial.to_be_bytes());
        out.extend(FOR_USERS.to_be_bytes());
        put_string(&mut out, self.key_id.as_bytes());
        let mut list = Vec::new();
        self.principals.iter().for_each(|name| put_string(&mut list, name.as_bytes()));
        put_string(&mut out, &list);
        out.extend(self.valid_after.to_be_bytes());
        out.extend(self.valid_before.to_be_bytes());
        put_string(&mut out, &[]); // critical options
        list.clear();
        for (name, value) in &self.extensions {
            put_string(&mut list, name.as_bytes());
            put_string(&mut list, value);
        }
        put_string(&mut out, &list);
        put_string(&mut out, &[]); // reserved
        put_string(&mut out, &key_blob(&self.authority));
        out
    }

    /// Joins the body and its signature.
    pub fn sign_with(self, signature: Signature) -> Certificate {
        Certificate { body: self, signature }
    }

    fn decode(reader: &mut Reader<'_>) -> Result<Self, CertificateError> {
        let nonce = reader.string("nonce")?.to_vec();
        let key = fixed(reader.string("public key")?, "public key")?;
        let key = PublicKey::from_bytes(&key).map_err(SshKeyError::from)?;
        let serial = reader.u64("serial")?;
        let found = reader.u32("type")?;
        if found != FOR_USERS {
            return Err(CertificateError::Type { found });
        }
        let key_id = reader.text("key id")?.to_string();
        let principals = decode_principals(reader.string("principals")?)?;
        let valid_after = reader.u64("valid after")?;
        let valid_before = reader.u64("valid before")?;
        let mut options = Reader::new(reader.string("critical options")?);
        if !options.is_at_end() {
            return Err(CertificateError::Critical { name: excerpt(options.string("option")?) });
        }
        let extensions = decode_extensions(reader.string("extensions")?)?;
        if !reader.string("reserved")?.is_empty() {
            return Err(CertificateError::Reserved);
        }
        let authority = parse_key_blob(reader.string("signature key")?)?;
        let body = Self {
            nonce,
            key,
            serial,
            key_id,
            principals,
            valid_after,
            valid_before,
            extensions,
            authority,
        };
        body.check()?;
        Ok(body)
    }
}

fn decode_principals(bytes: &[u8]) -> Result<Vec<String>, CertificateError> {
    let mut reader = Reader::new(bytes);
    let mut found = Vec::new();
    while !reader.is_at_end() {
        if found.len() == PRINCIPALS_MAX {
            return Err(CertificateError::TooMany { what: "names", max: PRINCIPALS_MAX });
        }
        found.push(reader.text("principal")?.to_string());
    }
    Ok(found)
}

fn decode_extensions(bytes: &[u8]) -> Result<Vec<(String, Vec<u8>)>, CertificateError> {
    let mut reader = Reader::new(bytes);
    let mut found = Vec::new();
    while !reader.is_at_end() {
        if found.len() == EXTENSIONS_MAX {
            return Err(CertificateError::TooMany { what: "extensions", max: EXTENSIONS_MAX });
        }
        let name = reader.text("extension")?.to_string();
        found.push((name, reader.string("extension value")?.to_vec()));
    }
    Ok(found)
}

/// Writes a signature as SSH sends it.
pub(crate) fn signature_blob(signature: &Signature) -> Vec<u8> {
    let mut out = Vec::new();
    put_string(&mut out, ALGORITHM.as_bytes());
    put_string(&mut out, &signature.0);
    out
}

/// Reads a signature as SSH sends it.
pub(super) fn parse_signature_blob(blob: &[u8]) -> Result<Signature, SshKeyError> {
    let mut reader = Reader::new(blob);
    let algorithm = reader.string("signature algorithm")?;
    if algorithm != ALGORITHM.as_bytes() {
        return Err(SshKeyError::Algorithm { found: excerpt(algorithm) });
    }
    let signature = fixed(reader.string("signature")?, "signature")?;
    reader.finish()?;
    Ok(Signature(signature))
}

impl Certificate {
    /// Returns the certificate as SSH sends it.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = self.body.signed_bytes();
        put_string(&mut out, &signature_blob(&self.signature));
        out
    }

    /// Reads a certificate as SSH sends it, and verifies nothing.
    ///
    /// # Errors
    /// Refuses other kinds, critical options, lists without bound, and every byte too many.
    pub fn decode(bytes: &[u8]) -> Result<Self, CertificateError> {
        let mut reader = Reader::new(bytes);
        let kind = reader.string("kind")?;
        if kind != CERTIFICATE.as_bytes() {
            return Err(CertificateError::Kind { found: excerpt(kind) });
        }
        let body = CertificateBody::decode(&mut reader)?;
        let signature = parse_signature_blob(reader.string("signature")?)?;
        reader.finish()?;
        Ok(Self { body, signature })
    }

    /// Returns the certificate as a line of a `…-cert.pub` file, without its end.
    pub fn line(&self, comment: &str) -> String {
        blob_line(CERTIFICATE, &self.encode(), comment)
    }

    /// Reads a line of a `…-cert.pub` file.
    ///
    /// # Errors
    /// Refuses what [`Certificate::decode`] refuses, and what is not one line.
    pub fn parse_line(line: &str) -> Result<Self, CertificateError> {
        let (blob, _) = parse_blob_line(CERTIFICATE, line)?;
        Self::decode(&blob)
    }

    /// Returns the key, if `authority` vouches at second `at` of 1970 that it is `principal`'s.
    ///
    /// # Errors
    /// Returns the first reason against it: who signed, then the signature, then when, then whom.
    pub fn verify(
        &self,
        authority: &PublicKey,
        principal: &str,
        at: u64,
    ) -> Result<PublicKey, Refused> {
        let body = &self.body;
        if body.authority != *authority {
            let (found, want) = (body.authority.bytes(), authority.bytes());
            return Err(Refused::Authority { found, want });
        }
        let signed = body.signed_bytes();
        authority.verify_foreign(&signed, &self.signature).map_err(|()| Refused::Signature)?;
        if at < body.valid_after {
            return Err(Refused::Early { from: body.valid_after, at });
        }
        if at >= body.valid_before {
            return Err(Refused::Late { until: body.valid_before, at });
        }
        if !body.principals.iter().any(|name| name == principal) {
            return Err(Refused::Principal { want: principal.to_string() });
        }
        Ok(body.key)
    }
}
