//! A client of an agent: ours, or anybody's for what the protocol itself has.

use std::io::{self, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use vigil_base::Vcid;
use vigil_trust::agent::{
    AgentStatus, Answer, EXTENSION_ATTEST, EXTENSION_FORGET, EXTENSION_PUBLIC, EXTENSION_SIGN,
    EXTENSION_STATUS, EXTENSION_STOP, Identity, MESSAGE_BYTES_MAX, Place, Request, frame,
};
use vigil_trust::attestations::AttestationEntry;
use vigil_trust::formats::ForeignSigner;
use vigil_trust::{PublicKey, Purpose, Signature, SubkeyCertificate};
use zeroize::Zeroizing;

use super::AgentError;
use super::server::is_mine;

/// Unlocking takes as long as guessing a passphrase is to cost: seconds, on a slow machine a minute.
const PATIENCE: Duration = Duration::from_secs(120);

/// A connection to an agent.
pub struct AgentClient {
    stream: Mutex<UnixStream>,
    path: PathBuf,
}

/// Returns where the agent of a store listens if nobody says where: in `runtime`, which the system
/// empties when the person logs out, or else beside the sealed key. Each store has its own.
pub fn agent_socket(runtime: Option<&Path>, store: &Path) -> PathBuf {
    use std::os::unix::ffi::OsStrExt as _;
    let id = Vcid::of(store.as_os_str().as_bytes()).to_hex();
    let folder = match runtime {
        Some(runtime) => runtime.join(format!("vigil-{}", &id[..8])),
        None => store.join("trust/agent"),
    };
    folder.join("agent.sock")
}

impl AgentClient {
    /// Connects, and checks that the agent is of the same user.
    ///
    /// # Errors
    /// Fails if nobody answers there, or another user's process.
    pub fn connect(path: &Path) -> Result<Self, AgentError> {
        let stream = UnixStream::connect(path).map_err(|source| match source.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
                AgentError::Absent { path: path.into() }
            }
            _ => AgentError::Socket { action: "reach the agent", path: path.into(), source },
        })?;
        if !is_mine(&stream) {
            return Err(AgentError::Stranger { path: path.into() });
        }
        let limited = stream.set_read_timeout(Some(PATIENCE));
        limited.and_then(|()| stream.set_write_timeout(Some(PATIENCE))).map_err(|source| {
            AgentError::Socket { action: "reach the agent", path: path.into(), source }
        })?;
        Ok(Self { stream: Mutex::new(stream), path: path.into() })
    }

    fn ask(&self, request: &Request<'_>) -> Result<Answer, AgentError> {
        let wrong = |source| AgentError::Socket {
            action: "talk to the agent",
            path: self.path.clone(),
            source,
        };
        let message = Zeroizing::new(frame(&Zeroizing::new(request.encode())));
        let mut stream = self.stream.lock().unwrap_or_else(PoisonError::into_inner);
        stream.write_all(&message).map_err(wrong)?;
        let mut len = [0; 4];
        stream.read_exact(&mut len).map_err(wrong)?;
        let len = u32::from_be_bytes(len) as usize;
        if len > MESSAGE_BYTES_MAX {
            return Err(wrong(io::Error::other("the answer is longer than any may be")));
        }
        let mut answer = vec![0; len];
        stream.read_exact(&mut answer).map_err(wrong)?;
        Ok(Answer::parse(&answer)?)
    }

    fn certified(&self, purpose: Purpose) -> Result<SubkeyCertificate, AgentError> {
        let action = "tell a public key";
        let data = self.extension(EXTENSION_PUBLIC, &[purpose.as_str().as_bytes()], action)?;
        let certificate = SubkeyCertificate::decode(&data).ok();
        let fitting = certificate.filter(|certificate| certificate.purpose() == purpose);
        fitting.ok_or(AgentError::Refused { action })
    }

    fn done(&self, request: &Request<'_>, action: &'static str) -> Result<(), AgentError> {
        match self.ask(request)? {
            Answer::Success => Ok(()),
            _ => Err(AgentError::Refused { action }),
        }
    }

    fn extension(
        &self,
        name: &str,
        parts: &[&[u8]],
        action: &'static str,
    ) -> Result<Vec<u8>, AgentError> {
        let data: Vec<u8> = parts.iter().flat_map(|part| frame(part)).collect();
        match self.ask(&Request::Extension { name, data: &data })? {
            Answer::Extension { name: found, data } if found == name => Ok(data),
            _ => Err(AgentError::Refused { action }),
        }
    }

    /// Lists the keys that any client sees.
    ///
    /// # Errors
    /// Fails if the agent cannot be asked.
    pub fn identities(&self) -> Result<Vec<Identity>, AgentError> {
        match self.ask(&Request::List)? {
            Answer::Identities(identities) => Ok(identities),
            _ => Err(AgentError::Refused { action: "list its keys" }),
        }
    }

    /// Asks how the agent is.
    ///
    /// # Errors
    /// Fails if it cannot be asked, or is another program's.
    pub fn status(&self) -> Result<AgentStatus, AgentError> {
        let action = "tell how it is";
        let data = self.extension(EXTENSION_STATUS, &[], action)?;
        AgentStatus::parse(&data).ok_or(AgentError::Refused { action })
    }

    /// Has the agent write into the machine's feed what the machine attests, and returns where it is.
    ///
    /// # Errors
    /// Fails if it cannot be asked, has no key, or could not write.
    pub fn attest(&self, entry: &AttestationEntry) -> Result<Place, AgentError> {
        let action = "write into the feed";
        let data = self.extension(EXTENSION_ATTEST, &[&entry.encode()], action)?;
        let said = Place::parse(&data).ok_or(AgentError::Refused { action })?;
        said.map_err(|why| AgentError::Feed { why })
    }

    /// Has the agent give up its key until the machine's passphrase comes.
    ///
    /// # Errors
    /// Fails if it cannot be asked, or has none.
    pub fn lock(&self) -> Result<(), AgentError> {
        self.done(&Request::Extension { name: EXTENSION_FORGET, data: &[] }, "lock itself")
    }

    /// Hands the passphrase over.
    ///
    /// # Errors
    /// Fails if it is the wrong one, or the agent is not locked.
    pub fn unlock(&self, passphrase: &[u8]) -> Result<(), AgentError> {
        self.done(&Request::Unlock { passphrase }, "unlock itself")
    }

    /// Ends the agent.
    ///
    /// # Errors
    /// Fails if it cannot be asked.
    pub fn stop(&self) -> Result<(), AgentError> {
        self.done(&Request::Extension { name: EXTENSION_STOP, data: &[] }, "end")
    }
}

impl ForeignSigner for AgentClient {
    type Failure = AgentError;

    fn foreign_public(&self, purpose: Purpose) -> Result<PublicKey, AgentError> {
        self.certified(purpose).map(|certificate| *certificate.subkey())
    }

    fn certificate(&self, purpose: Purpose) -> Result<Option<SubkeyCertificate>, AgentError> {
        self.certified(purpose).map(Some)
    }

    fn sign_foreign(&self, purpose: Purpose, bytes: &[u8]) -> Result<Signature, AgentError> {
        let action = "sign";
        let data = self.extension(EXTENSION_SIGN, &[purpose.as_str().as_bytes(), bytes], action)?;
        let signature: Option<[u8; 64]> = data.try_into().ok();
        signature.map(Signature).ok_or(AgentError::Refused { action })
    }
}
