//! What a witness keeps on a disk: the last checkpoint that it cosigned of each log.
//!
//! The files are those that the protocol serves to monitors: `HASH-OF-ORIGIN/checkpoint`.
//!
//! Invariants:
//! - what is answered was durable before;
//! - no cosignature of a log has an earlier time than the one before, whatever the clock does;
//! - looking at the last checkpoint and replacing it happen under one lock, so nothing goes back;
//! - a log with a fraud proof beside its checkpoint is never cosigned again.

use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::sync::Arc;
use alloc::vec::Vec;

use sha2::{Digest as _, Sha256};
use vigil_base::world::{Clock, Disk, DiskError, Lock, OpenMode, replace_file};
use vigil_base::{Blame, Blamed, Vcid};

use super::checkpoint::{CheckpointError, LogKeys, Origin, SignedCheckpoint};
use super::cosignature::{CosignedAt, cosigned_at};
use super::files::read_whole;
use super::fraud::{FRAUD_BYTES_MAX, FraudError, FraudProof};
use super::note::{KeyKind, NOTE_BYTES_MAX, NoteError, NoteKey, NoteSigner};
use super::witness::{AddCheckpoint, Cosigned, WitnessRefusal, decide};

const LOCK: &str = "lock";

/// A witness that keeps its records on a disk. Several processes may be the same witness.
pub struct WitnessStore {
    disk: Arc<dyn Disk>,
    clock: Arc<dyn Clock>,
    signer: NoteSigner,
    logs: Vec<LogKeys>,
}

/// Why a witness gave no answer, or a refusal.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WitnessError {
    /// It refuses.
    #[error(transparent)]
    Refused(#[from] WitnessRefusal),
    /// The disk failed.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// The clock is set to before 1970.
    #[error("the clock of this machine says that it is before 1970")]
    Clock,
    /// What was kept is no checkpoint.
    #[error("what the witness kept of {origin} is damaged")]
    Kept {
        /// The log.
        origin: Origin,
        /// How.
        source: CheckpointError,
    },
    /// The witness's own line in what was kept is not its own.
    #[error("what the witness kept of {origin} is damaged")]
    KeptLine {
        /// The log.
        origin: Origin,
        /// How.
        source: NoteError,
    },
    /// A fraud proof that was kept, or is to be, does not hold.
    #[error("the fraud proof against {origin} does not hold")]
    Fraud {
        /// The log.
        origin: Origin,
        /// Why not.
        source: FraudError,
    },
    /// The key is not a witness's.
    #[error("{name} is the key of a log; a witness signs with one of type 0x04")]
    Key {
        /// The key's name.
        name: String,
    },
}

impl Blamed for WitnessError {
    fn blame(&self) -> Blame {
        match self {
            Self::Refused(_) | Self::Key { .. } | Self::Fraud { .. } => Blame::Caller,
            Self::Disk(_) | Self::Clock | Self::Kept { .. } | Self::KeptLine { .. } => Blame::World,
        }
    }
}

/// Returns the folder of a log: the SHA-256 of its origin, in hexadecimal digits.
fn folder(origin: &Origin) -> String {
    let digest: [u8; 32] = Sha256::digest(origin.as_str()).into();
    Vcid::from_bytes(digest).to_hex()
}

impl WitnessStore {
    /// Opens or begins a witness's records, for logs with these keys.
    pub fn open(
        disk: Arc<dyn Disk>,
        clock: Arc<dyn Clock>,
        signer: NoteSigner,
        logs: Vec<LogKeys>,
    ) -> Result<Self, WitnessError> {
        if signer.key().kind() != KeyKind::Cosignature {
            return Err(WitnessError::Key { name: signer.key().name().to_string() });
        }
        disk.create_folder("")?;
        Ok(Self { disk, clock, signer, logs })
    }

    /// Returns the witness's public key.
    pub fn key(&self) -> &NoteKey {
        self.signer.key()
    }

    /// Answers a request: the cosignature, after the checkpoint is durable here.
    pub fn add_checkpoint(&self, body: &[u8]) -> Result<Cosigned, WitnessError> {
        let request = AddCheckpoint::parse(body).map_err(WitnessRefusal::from)?;
        let origin = request.checkpoint.unverified().origin.clone();
        let log = self.log(&origin)?;
        let at = CosignedAt::from_moment(self.clock.now()).filter(|at| at.seconds() > 0);
        let at = at.ok_or(WitnessError::Clock)?;
        let lock = self.disk.open(LOCK, OpenMode::Create)?;
        lock.lock(Lock::Exclusive, true)?;
        if self.fraud(log)?.is_some() {
            return Err(WitnessRefusal::Frozen { origin: origin.to_string() }.into());
        }
        let latest = self.latest(log)?;
        // A larger tree at an earlier time would be proof that this witness went back.
        let last = latest.as_ref().map(|latest| cosigned_at(latest, self.signer.key()));
        let last = last.transpose();
        let last =
            last.map_err(|source| WitnessError::KeptLine { origin: origin.clone(), source })?;
        let at = last.flatten().map_or(at, |last| at.max(last));
        let accepted = match decide(log, latest.as_ref(), request) {
            Err(WitnessRefusal::SplitView(fraud)) => {
                self.keep(log, "fraud", &fraud.encode())?;
                return Err(WitnessRefusal::SplitView(fraud).into());
            }
            decided => decided?,
        };
        let cosigned = accepted.cosign(&self.signer, at);
        self.keep(log, "checkpoint", cosigned.kept.to_string().as_bytes())?;
        Ok(cosigned)
    }

    /// Returns the last checkpoint that was cosigned of a log.
    pub fn latest(&self, log: &LogKeys) -> Result<Option<SignedCheckpoint>, WitnessError> {
        let path = format!("{}/checkpoint", folder(log.origin()));
        let Some(bytes) = read_whole(&*self.disk, &path, NOTE_BYTES_MAX)? else { return Ok(None) };
        let bad = |source| WitnessError::Kept { origin: log.origin().clone(), source };
        SignedCheckpoint::parse(&bytes).map(Some).map_err(bad)
    }

    /// Returns the proof for which a log is frozen.
    pub fn fraud(&self, log: &LogKeys) -> Result<Option<FraudProof>, WitnessError> {
        let path = format!("{}/fraud", folder(log.origin()));
        let Some(bytes) = read_whole(&*self.disk, &path, FRAUD_BYTES_MAX)? else { return Ok(None) };
        let proof = FraudProof::decode(&bytes);
        proof
            .map(Some)
            .map_err(|source| WitnessError::Fraud { origin: log.origin().clone(), source })
    }

    /// Freezes a log, if the proof holds against it.
    pub fn freeze(&self, fraud: &FraudProof) -> Result<(), WitnessError> {
        let log = self.log(fraud.origin())?;
        let bad = |source| WitnessError::Fraud { origin: log.origin().clone(), source };
        fraud.check_log(log).map_err(bad)?;
        let lock = self.disk.open(LOCK, OpenMode::Create)?;
        lock.lock(Lock::Exclusive, true)?;
        self.keep(log, "fraud", &fraud.encode())
    }

    fn log(&self, origin: &Origin) -> Result<&LogKeys, WitnessError> {
        let unknown = || WitnessRefusal::UnknownLog { origin: origin.to_string() };
        let log = self.logs.iter().find(|log| log.origin() == origin);
        Ok(log.ok_or_else(unknown)?)
    }

    fn keep(&self, log: &LogKeys, name: &str, bytes: &[u8]) -> Result<(), WitnessError> {
        let folder = folder(log.origin());
        self.disk.create_folder(&folder)?;
        // The folder's own entry must last as well.
        self.disk.sync_folder("")?;
        Ok(replace_file(&*self.disk, &format!("{folder}/{name}"), bytes)?)
    }
}
