//! The agent's end of the socket: a thread for each client, and few of them.

use std::fs;
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{
    DirBuilderExt as _, FileTypeExt as _, MetadataExt as _, PermissionsExt as _,
};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use vigil_base::world::Randomness;
use vigil_trust::agent::{Agent, MESSAGE_BYTES_MAX, Vault, frame};
use zeroize::Zeroizing;

use super::AgentError;

/// Clients at a time. `git` opens one connection for each signature.
const CLIENTS_MAX: usize = 32;
/// How long a client may be silent. Whoever signs is done in a blink.
const SILENCE_MAX: Duration = Duration::from_secs(60);

/// A socket at which nobody answers yet.
#[derive(Debug)]
pub struct AgentServer {
    listener: UnixListener,
    path: PathBuf,
}

/// Keeps this process out of core dumps, and other processes of the same user out of its memory.
///
/// # Errors
/// Returns what the system said.
#[cfg(target_os = "linux")]
pub fn harden() -> io::Result<()> {
    use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?;
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    Ok(())
}

/// Keeps this process out of core dumps.
///
/// # Errors
/// Returns what the system said.
#[cfg(not(target_os = "linux"))]
pub fn harden() -> io::Result<()> {
    use rustix::process::{Resource, Rlimit, setrlimit};
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?;
    Ok(())
}

/// Makes the folder, or checks that nobody else can reach into it.
fn prepare_folder(path: &Path) -> Result<(), AgentError> {
    let wrong = |action| move |source| AgentError::Socket { action, path: path.into(), source };
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true).mode(0o700);
    builder.create(path).map_err(wrong("make the agent's folder"))?;
    let metadata = fs::metadata(path).map_err(wrong("look at the agent's folder"))?;
    let is_mine = metadata.uid() == rustix::process::geteuid().as_raw();
    let is_private = metadata.is_dir() && metadata.mode() & 0o077 == 0;
    if is_mine && is_private { Ok(()) } else { Err(AgentError::Folder { path: path.into() }) }
}

/// Removes a socket that an agent left behind, and nothing else.
fn clear(path: &Path) -> Result<(), AgentError> {
    let wrong = |source| AgentError::Socket { action: "look", path: path.into(), source };
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(wrong(error)),
        Ok(metadata) if !metadata.file_type().is_socket() => {
            return Err(AgentError::Taken { path: path.into() });
        }
        Ok(_) => {}
    }
    if UnixStream::connect(path).is_ok() {
        return Err(AgentError::Running { path: path.into() });
    }
    fs::remove_file(path).map_err(wrong)
}

impl AgentServer {
    /// Takes a place for the socket. Its folder is made, if it is not there.
    ///
    /// # Errors
    /// Refuses a folder that others reach into, and a place at which an agent answers.
    pub fn bind(path: &Path) -> Result<Self, AgentError> {
        let wrong = |action| move |source| AgentError::Socket { action, path: path.into(), source };
        prepare_folder(path.parent().unwrap_or(Path::new(".")))?;
        clear(path)?;
        let listener = UnixListener::bind(path).map_err(wrong("listen"))?;
        // Until here the folder alone kept others out.
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).map_err(wrong("listen"))?;
        Ok(Self { listener, path: path.into() })
    }

    /// Answers until somebody asks the agent to end; then the socket is gone.
    ///
    /// # Errors
    /// Returns what the system said when it took no more clients.
    pub fn serve<V: Vault + Send + 'static>(
        self,
        agent: Agent<V>,
        randomness: Arc<dyn Randomness>,
    ) -> Result<(), AgentError> {
        let agent = Arc::new(Mutex::new(agent));
        let clients = Arc::new(AtomicUsize::new(0));
        let ending: Arc<Mutex<Option<Ending>>> = Arc::default();
        loop {
            let client = match self.listener.accept() {
                Ok((client, _)) => client,
                // The client was gone before it was looked at.
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => continue,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(source) => {
                    let path = self.path;
                    return Err(AgentError::Socket { action: "take clients", path, source });
                }
            };
            let ended = ending.lock().unwrap_or_else(PoisonError::into_inner).take();
            if let Some(ended) = ended {
                // What is at the path is ours, or somebody removed it, which is as good.
                let _ = fs::remove_file(&self.path);
                ended.answer();
                return Ok(());
            }
            // A connection that is dropped is all the answer that a stranger gets.
            if !is_mine(&client) || clients.load(Ordering::Acquire) >= CLIENTS_MAX {
                continue;
            }
            clients.fetch_add(1, Ordering::AcqRel);
            let (agent, clients) = (agent.clone(), clients.clone());
            let (ending, path) = (ending.clone(), self.path.clone());
            let randomness = randomness.clone();
            std::thread::spawn(move || {
                let ended = attend(client, &agent, &*randomness);
                clients.fetch_sub(1, Ordering::AcqRel);
                if ended.is_some() {
                    *ending.lock().unwrap_or_else(PoisonError::into_inner) = ended;
                    // Wakes the loop above; if that fails, the next client does.
                    let _ = UnixStream::connect(path);
                }
            });
        }
    }
}

/// Returns whether the other end is a process of the same user.
pub(super) fn is_mine(stream: &UnixStream) -> bool {
    let credentials = rustix::net::sockopt::socket_peercred(stream);
    credentials.is_ok_and(|peer| peer.uid == rustix::process::geteuid())
}

/// Reads one message; `None` when the client is done, silent or wrong.
fn read(client: &mut UnixStream) -> Option<Zeroizing<Vec<u8>>> {
    let mut len = [0; 4];
    client.read_exact(&mut len).ok()?;
    let len = usize::try_from(u32::from_be_bytes(len)).ok()?;
    if len == 0 || len > MESSAGE_BYTES_MAX {
        return None;
    }
    // It may be a passphrase.
    let mut message = Zeroizing::new(vec![0; len]);
    client.read_exact(&mut message).ok()?;
    Some(message)
}

/// Whoever asked the agent to end, and what they are told when it has.
struct Ending {
    client: UnixStream,
    answer: Vec<u8>,
}

impl Ending {
    fn answer(mut self) {
        // A client that did not wait knows what it asked for.
        let _ = self.client.write_all(&self.answer);
    }
}

/// Answers one client until it is done; returns what is still to be said if the agent is to end.
fn attend<V: Vault>(
    mut client: UnixStream,
    agent: &Mutex<Agent<V>>,
    randomness: &dyn Randomness,
) -> Option<Ending> {
    let limited = client.set_read_timeout(Some(SILENCE_MAX));
    if limited.and_then(|()| client.set_write_timeout(Some(SILENCE_MAX))).is_err() {
        return None;
    }
    while let Some(message) = read(&mut client) {
        // An agent whose other client's thread died is as good as before: no answer is half done.
        let mut agent = agent.lock().unwrap_or_else(PoisonError::into_inner);
        let answer = frame(&agent.answer(&message, randomness).encode());
        let is_stopped = agent.is_stopped();
        drop(agent);
        if is_stopped {
            return Some(Ending { client, answer });
        }
        client.write_all(&answer).ok()?;
    }
    None
}
