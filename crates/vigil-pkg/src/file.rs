//! The `.vpkg` file: a magic, the dossier with its length, the payload.

use std::io::{self, Read, Write};

use vigil_base::{Blame, Blamed};
use vigil_files::{WriteError, write_blob};
use vigil_store::{ReadError, Store};
use vigil_trust::package::{DOSSIER_BYTES_MAX, Dossier, ManifestError};

use crate::payload::{Class, PayloadError, Survey, travel};

const MAGIC: [u8; 8] = *b"vigvpkg\x01";

/// Why a `.vpkg` could not be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VpkgError {
    /// It could not be read.
    #[error("could not read the package")]
    Read(#[source] io::Error),
    /// It ends before what it begins with does.
    #[error("the file ends early: it was cut off, or is no package")]
    Short,
    /// It could not be written.
    #[error("could not write the package")]
    Write(#[source] io::Error),
    /// It begins otherwise.
    #[error("this is not a .vpkg file")]
    Magic,
    /// What stands in front of the payload is too long.
    #[error(
        "what stands in front of the payload has {found} bytes, and at most {DOSSIER_BYTES_MAX} are read"
    )]
    Long {
        /// How many bytes.
        found: usize,
    },
    /// What stands in front of the payload is not what it should be.
    #[error(transparent)]
    Dossier(#[from] ManifestError),
    /// The payload is not what it should be.
    #[error(transparent)]
    Payload(#[from] PayloadError),
    /// A file could not be had from the store.
    #[error(transparent)]
    Blob(#[from] WriteError),
}

impl Blamed for VpkgError {
    fn blame(&self) -> Blame {
        match self {
            Self::Read(_) | Self::Write(_) => Blame::World,
            Self::Short | Self::Magic | Self::Long { .. } | Self::Dossier(_) => Blame::Caller,
            Self::Payload(source) => source.blame(),
            Self::Blob(source) => source.blame(),
        }
    }
}

/// Reads what stands in front of the payload, and leaves `input` where that begins.
///
/// # Errors
/// Fails for whatever is not the beginning of a `.vpkg`.
pub fn read_dossier(input: &mut dyn Read) -> Result<Dossier, VpkgError> {
    let mut magic = [0; MAGIC.len()];
    let mut len = [0; 4];
    let begun = input.read_exact(&mut magic);
    if begun.is_ok() && magic != MAGIC {
        return Err(VpkgError::Magic);
    }
    begun.and_then(|()| input.read_exact(&mut len)).map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof => VpkgError::Short,
        _ => VpkgError::Read(error),
    })?;
    let len = u32::from_le_bytes(len) as usize;
    if len > DOSSIER_BYTES_MAX {
        return Err(VpkgError::Long { found: len });
    }
    // It grows with what comes, not with what was announced.
    let mut bytes = Vec::new();
    input.take(len as u64).read_to_end(&mut bytes).map_err(VpkgError::Read)?;
    if bytes.len() != len {
        return Err(VpkgError::Short);
    }
    Ok(Dossier::decode(&bytes)?)
}

fn write_head(dossier: &Dossier, out: &mut dyn Write) -> Result<(), VpkgError> {
    let bytes = dossier.encode();
    if bytes.len() > DOSSIER_BYTES_MAX {
        return Err(VpkgError::Long { found: bytes.len() });
    }
    let len = (bytes.len() as u32).to_le_bytes();
    [&MAGIC[..], &len, &bytes]
        .iter()
        .try_for_each(|part| out.write_all(part))
        .map_err(VpkgError::Write)
}

/// Writes a `.vpkg` whose payload is in the store.
///
/// # Errors
/// Fails where the store or `out` does, and where the payload is not what the manifest says.
pub fn write_vpkg(dossier: &Dossier, store: &Store, out: &mut dyn Write) -> Result<(), VpkgError> {
    write_head(dossier, out)?;
    let payload = dossier.manifest.payload();
    let mut survey = Survey::default();
    travel::<VpkgError>(payload.root, &mut |class, vcid| {
        let read = |source: ReadError| PayloadError::Store(source);
        let len = store.find(vcid).map_err(read)?.len();
        out.write_all(&len.to_le_bytes()).map_err(VpkgError::Write)?;
        if class == Class::File {
            write_blob(store, vcid, None, out, &|_, _| {})?;
            return Ok(survey.take(class, vcid, len, &[])?);
        }
        let small = store.read(vcid).map_err(read)?;
        out.write_all(&small).map_err(VpkgError::Write)?;
        Ok(survey.take(class, vcid, len, &small)?)
    })?;
    if survey.payload(payload.root) != *payload {
        return Err(PayloadError::Size.into());
    }
    Ok(survey.check(&dossier.manifest)?)
}

/// Writes a `.vpkg` with another dossier and the payload of `input`, which is not looked into.
///
/// # Errors
/// Fails where `input` or `out` does.
pub fn replace_dossier(
    input: &mut dyn Read,
    dossier: &Dossier,
    out: &mut dyn Write,
) -> Result<(), VpkgError> {
    read_dossier(input)?;
    write_head(dossier, out)?;
    io::copy(input, out).map(|_| ()).map_err(VpkgError::Write)
}
