//! Keys of logs and witnesses, in files of one line as Go's `note` writes them.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use vigil_trust::log::{Ed25519Kind, KeyKind, KeyName, LogKeys, NoteKey, NoteSigner};
use zeroize::Zeroizing;

use super::{because, refused};
use crate::failure::CommandError;
use crate::run::{Session, secret_file};

/// Returns the file of a secret key: what was given, or the folder's name with `.key`.
pub(super) fn place(folder: &Path, given: Option<&Path>) -> PathBuf {
    let beside = || {
        let mut name = folder.components().as_path().as_os_str().to_owned();
        name.push(".key");
        PathBuf::from(name)
    };
    given.map_or_else(beside, Path::to_path_buf)
}

/// Reads a secret key, which must be of this kind.
pub(super) fn read(
    path: &Path,
    kind: Ed25519Kind,
    session: &Session<'_>,
) -> Result<NoteSigner, CommandError> {
    let action = || format!("use the secret key in {}", session.shown(path));
    let text = Zeroizing::new(super::read(path)?);
    let text = std::str::from_utf8(&text).map_err(refused(action()))?;
    let signer = NoteSigner::parse(text).map_err(refused(action()))?;
    let (wanted, what) = match kind {
        Ed25519Kind::Log => (KeyKind::Ed25519, "it is a witness's, and a log's is wanted"),
        Ed25519Kind::Witness => (KeyKind::Cosignature, "it is a log's, and a witness's is wanted"),
    };
    if signer.key().kind() == wanted { Ok(signer) } else { Err(because(&action(), what)) }
}

/// Reads a secret key, or makes one with a name where there is none.
pub(super) fn read_or_make(
    path: &Path,
    kind: Ed25519Kind,
    name: Option<&str>,
    session: &Session<'_>,
) -> Result<NoteSigner, CommandError> {
    let found = match read(path, kind, session) {
        Err(CommandError::File { source, .. }) if source.kind() == ErrorKind::NotFound => None,
        found => Some(found?),
    };
    let action = format!("make a key in {}", session.shown(path));
    match (found, name) {
        (Some(signer), Some(name)) if signer.key().name().as_str() != name => {
            let why = format!("there is one, and its name is {}", signer.key().name());
            Err(because(&action, why))
        }
        (Some(signer), _) => Ok(signer),
        (None, None) => Err(because(&action, "it needs a name: `--name NAME`")),
        (None, Some(name)) => {
            let name = KeyName::new(name).map_err(refused(action))?;
            let mut seed = Zeroizing::new([0; 32]);
            session.environment.randomness.fill(&mut *seed)?;
            let signer = NoteSigner::from_seed(name, kind, &seed);
            store(path, &signer)?;
            Ok(signer)
        }
    }
}

/// Writes a new file that only its owner may read, durably, before anything is signed with it.
fn store(path: &Path, signer: &NoteSigner) -> Result<(), CommandError> {
    let failed = |source| CommandError::File { action: "make", path: path.into(), source };
    secret_file::write_new(path, &signer.to_secret_text()).map_err(failed)
}

/// Reads a public key.
pub(super) fn public(text: &str) -> Result<NoteKey, CommandError> {
    NoteKey::parse(text.trim()).map_err(refused(format!("use `{}` as a public key", text.trim())))
}

/// Reads the public key of a log.
pub(super) fn log(text: &str) -> Result<LogKeys, CommandError> {
    LogKeys::of(public(text)?).map_err(refused("use this key for a log"))
}
