//! The agent on a real socket: what it answers, whom it refuses, and what hostile clients can do.

use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;

use tempfile::TempDir;
use vigil_base::Name;
use vigil_base::world::Moment;
use vigil_node::agent::{AgentClient, AgentError, AgentServer, LockedMemory, agent_socket};
use vigil_trust::agent::{
    Agent, AgentIdentity, AgentState, Answer, MESSAGE_BYTES_MAX, Request, frame,
};
use vigil_trust::formats::{
    AllowedSigners, Certificate, ForeignSigner as _, MachineCertificate, key_blob,
    machine_principal, sign_envelope, sign_minisign, sshsig_message,
};
use vigil_trust::seal::{Costs, Holder, SealedHeader, seal};
use vigil_trust::{Purpose, SecretKey};

use crate::Sevens;

pub(crate) const PASSPHRASE: &[u8] = b"a long passphrase";

/// An agent that answers, until it is stopped or dropped.
pub(crate) struct Running {
    pub(crate) folder: TempDir,
    pub(crate) socket: PathBuf,
    server: Option<JoinHandle<Result<(), AgentError>>>,
}

pub(crate) fn machine() -> SecretKey {
    SecretKey::from_seed(&[0xa7; 32])
}

pub(crate) fn person() -> SecretKey {
    SecretKey::from_seed(&[1; 32])
}

pub(crate) fn certificate() -> Certificate {
    let (machine, name) = (machine(), Name::new("laptop").expect("a name"));
    let certificate = MachineCertificate {
        name: &name,
        machine: &machine.public(),
        ssh: &machine.subkey(Purpose::Ssh).public(),
        nonce: [9; 32],
        valid_after: 0,
        valid_before: u64::MAX,
    };
    certificate.sign(&person()).expect("a sound body")
}

/// As whom the machine signs.
pub(crate) fn principal() -> String {
    machine_principal(&Name::new("laptop").expect("a name"), &person().public())
}

/// Whom stock tools are to believe.
pub(crate) fn signers() -> AllowedSigners {
    let (person, ssh) = (person().public(), person().subkey(Purpose::Ssh).public());
    AllowedSigners::of_person(&person, &ssh, "a person")
}

fn agent() -> Agent<LockedMemory> {
    let key = machine();
    let header = SealedHeader {
        holder: Holder::Machine,
        name: Name::new("laptop").expect("a name"),
        public: key.public().bytes(),
        at: Moment(0),
        costs: Costs::LEAST,
    };
    let sealed = seal(&key, &header, PASSPHRASE, &Sevens).expect("sealed");
    let identity = AgentIdentity { name: "laptop".into(), certificate: Some(certificate()) };
    let memory = LockedMemory::new().expect("a page can be locked");
    Agent::new(memory, identity, &key, header, sealed)
}

impl Running {
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let socket = agent_socket(Some(folder.path()), Path::new("/nowhere"));
        let server = AgentServer::bind(&socket).expect("a free place");
        let server = std::thread::spawn(move || server.serve(agent(), Arc::new(Sevens)));
        Self { folder, socket, server: Some(server) }
    }

    fn client(&self) -> AgentClient {
        AgentClient::connect(&self.socket).expect("it answers")
    }

    /// Sends a message as it is and returns the answer, or `None` if the connection was closed.
    fn raw(&self, bytes: &[u8]) -> Option<Vec<u8>> {
        let mut stream = UnixStream::connect(&self.socket).expect("it listens");
        // An agent that has seen enough closes its end.
        let _ = stream.write_all(bytes);
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).ok()?;
        (!answer.is_empty()).then_some(answer)
    }

    fn ask(&self, request: &Request<'_>) -> Answer {
        let answer = self.raw(&frame(&request.encode())).expect("an answer");
        Answer::parse(&answer[4..]).expect("a sound one")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(server) = self.server.take() {
            let stopped = AgentClient::connect(&self.socket).and_then(|client| client.stop());
            if stopped.is_ok() {
                server.join().expect("no panic").expect("it ended well");
            }
        }
    }
}

#[test]
fn it_lists_a_key_and_its_certificate_and_signs_files_with_either() {
    let running = Running::start();
    let listed = running.client().identities().expect("it answers");
    let public = machine().subkey(Purpose::Ssh).public();
    assert_eq!(listed[0].blob, certificate().encode());
    assert_eq!(listed[1].blob, key_blob(&public));
    let data = sshsig_message("git", b"a file");
    for identity in &listed {
        let request = Request::Sign { blob: &identity.blob, data: &data, flags: 0 };
        assert!(matches!(running.ask(&request), Answer::Signature(_)));
    }
    let status = running.client().status().expect("it answers");
    assert_eq!((status.state, status.signatures), (AgentState::Open, 2));
    assert_eq!(status.machine, machine().public().bytes());
}

#[test]
fn it_signs_no_login_and_no_bytes_of_another_format() {
    let running = Running::start();
    let blob = key_blob(&machine().subkey(Purpose::Ssh).public());
    let refused = |data: &[u8], flags| {
        let request = Request::Sign { blob: &blob, data, flags };
        assert_eq!(running.ask(&request), Answer::Failure, "{data:?}");
    };
    // What an SSH client asks for at a login: a session, 50, a user, and so on (RFC 4252 §7).
    refused(b"\0\0\0\x20aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\x32\0\0\0\x04root", 0);
    refused(b"vigil/1 vigil.claim/1\0", 0);
    refused(b"", 0);
    refused(&sshsig_message("git", b"a file"), 2);
    let other = key_blob(&person().public());
    let data = sshsig_message("git", b"a file");
    let request = Request::Sign { blob: &other, data: &data, flags: 0 };
    assert_eq!(running.ask(&request), Answer::Failure, "another key");
    let client = running.client();
    let none = "the agent refused to sign";
    for (purpose, bytes) in [
        (Purpose::Ssh, &b"a login"[..]),
        (Purpose::Dsse, b"no envelope"),
        (Purpose::Tls, b"a handshake"),
        (Purpose::Note, b"a checkpoint"),
    ] {
        let refused = client.sign_foreign(purpose, bytes).expect_err("another layout");
        assert_eq!(refused.to_string(), none, "{purpose}");
    }
    assert!(sign_envelope(&client, "text/plain", b"bytes".to_vec()).is_ok());
    let signed = sign_minisign(&client, b"bytes", "a word");
    let key = machine().subkey(Purpose::Minisign).public();
    let key = vigil_trust::formats::MinisignKey::new(key);
    assert_eq!(signed.expect("signed").verify(&key, b"bytes", false), Ok("a word"));
}

#[test]
fn nothing_goes_in_and_unknown_messages_are_refused() {
    let running = Running::start();
    for number in 0..=255_u8 {
        if matches!(number, 11 | 13 | 19 | 22 | 23 | 27) {
            continue;
        }
        assert_eq!(running.ask(&Request::Other { number }), Answer::Failure, "message {number}");
    }
    let extension = |name| running.ask(&Request::Extension { name, data: b"" });
    assert_eq!(extension("session-bind@openssh.com"), Answer::ExtensionFailure);
    assert_eq!(extension("sign@vigil"), Answer::ExtensionFailure);
    assert_eq!(running.client().status().expect("it answers").state, AgentState::Open);
}

#[test]
fn locked_it_holds_no_key_and_the_passphrase_brings_it_back() {
    let running = Running::start();
    let client = running.client();
    client.lock().expect("it was open");
    assert_eq!(client.status().expect("it answers").state, AgentState::Locked);
    assert_eq!(client.identities().expect("it answers"), []);
    assert!(sign_envelope(&client, "text/plain", b"bytes".to_vec()).is_err());
    assert!(client.lock().is_err(), "it is locked already");
    assert!(client.unlock(b"another passphrase").is_err());
    client.unlock(PASSPHRASE).expect("the right one");
    assert_eq!(client.identities().expect("it answers").len(), 2);
    assert!(client.unlock(PASSPHRASE).is_err(), "it is open already");

    // What `ssh-add -x` does: a passphrase of the moment.
    assert_eq!(running.ask(&Request::Lock { passphrase: b"short" }), Answer::Failure);
    assert_eq!(running.ask(&Request::Lock { passphrase: b"of the moment" }), Answer::Success);
    assert!(client.unlock(PASSPHRASE).is_err(), "another one locked it");
    client.unlock(b"of the moment").expect("the right one");

    assert_eq!(running.ask(&Request::RemoveAll), Answer::Success);
    assert_eq!(client.status().expect("it answers").state, AgentState::Empty);
    assert!(client.unlock(PASSPHRASE).is_err(), "there is nothing to unlock");
    assert_eq!(client.identities().expect("it answers"), []);
}

#[test]
fn hostile_clients_harm_nobody_else() {
    let running = Running::start();
    let long = (MESSAGE_BYTES_MAX as u32 + 1).to_be_bytes();
    for bytes in [&b"\0\0\0\0"[..], &long, b"\xff\xff\xff\xff", b"\0\0\0\x05\x0d", b"\0", b""] {
        assert_eq!(running.raw(bytes), None, "{bytes:?}");
    }
    // Strings that claim more than is there, in every message that has one.
    for number in [13, 22, 23, 27] {
        let message = frame(&[&[number], &b"\xff\xff\xff\xff"[..]].concat());
        assert_eq!(running.raw(&message), Some(frame(&Answer::Failure.encode())), "{number}");
    }
    // Bytes from a counter, as messages of every length and number.
    let mut state = 1_u64;
    for len in 1..200_usize {
        let message: Vec<u8> = (0..len)
            .map(|_| {
                state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
                (state >> 56) as u8
            })
            .collect();
        if message[0] != 19 && message[0] != 22 {
            let answer = running.raw(&frame(&message)).expect("an answer");
            assert!(answer[4] == 5 || answer[4] == 28 || answer[4] == 12, "{message:?}");
        }
    }
    // Clients that say nothing take every place; when they leave, others are served.
    let silent: Vec<UnixStream> =
        (0..40).map(|_| UnixStream::connect(&running.socket).expect("it listens")).collect();
    drop(silent);
    let served = std::iter::repeat_with(|| running.client().status().is_ok());
    assert!(served.take(10_000).any(|is_served| is_served));
}

#[test]
fn the_socket_is_for_its_owner_alone() {
    let running = Running::start();
    let mode = |path: &Path| fs::metadata(path).expect("there").permissions().mode() & 0o777;
    assert_eq!(mode(&running.socket), 0o600);
    assert_eq!(mode(running.socket.parent().expect("a folder")), 0o700);
    let second = AgentServer::bind(&running.socket).expect_err("one answers there");
    assert!(matches!(second, AgentError::Running { .. }), "{second}");

    let open = running.folder.path().join("open");
    fs::create_dir(&open).expect("a folder");
    fs::set_permissions(&open, fs::Permissions::from_mode(0o755)).expect("ours");
    let refused = AgentServer::bind(&open.join("agent.sock")).expect_err("others see it");
    assert!(matches!(refused, AgentError::Folder { .. }), "{refused}");

    let private = running.folder.path().join("private");
    fs::create_dir(&private).expect("a folder");
    fs::set_permissions(&private, fs::Permissions::from_mode(0o700)).expect("ours");
    let file = private.join("agent.sock");
    fs::write(&file, "a file of somebody's").expect("a file");
    let refused = AgentServer::bind(&file).expect_err("something else is there");
    assert!(matches!(refused, AgentError::Taken { .. }), "{refused}");
    assert_eq!(fs::read(&file).expect("still there"), b"a file of somebody's");
    fs::remove_file(&file).expect("ours");
    // A socket that a dead agent left behind is in nobody's way.
    drop(UnixListener::bind(&file).expect("a free place"));
    assert!(AgentServer::bind(&file).is_ok());
}

#[test]
fn it_ends_when_asked_and_leaves_no_socket() {
    let mut running = Running::start();
    running.client().stop().expect("it answers");
    let server = running.server.take().expect("started");
    server.join().expect("no panic").expect("it ended well");
    assert!(!running.socket.exists());
    let absent = AgentClient::connect(&running.socket).err().expect("nobody answers");
    assert!(matches!(absent, AgentError::Absent { .. }), "{absent}");
}

#[test]
fn no_answer_and_no_message_holds_the_key() {
    let running = Running::start();
    let (key, client) = (machine(), running.client());
    let mut said: Vec<Vec<u8>> = Vec::new();
    said.push(running.raw(&frame(&Request::List.encode())).expect("an answer"));
    for name in ["status@vigil", "public@vigil", "sign@vigil"] {
        let data = [frame(b"minisign"), frame(b"bytes")].concat();
        let request = Request::Extension { name, data: &data };
        said.extend(running.raw(&frame(&request.encode())));
    }
    said.push(format!("{:?}", client.status()).into_bytes());
    said.push(format!("{:?}", Request::Unlock { passphrase: PASSPHRASE }).into_bytes());
    client.lock().expect("it was open");
    let wrong = client.unlock(b"another passphrase").expect_err("a wrong one");
    said.push(format!("{wrong} {wrong:?} {:?}", wrong.hint()).into_bytes());
    let mut secrets =
        vec![key.seed().to_vec(), PASSPHRASE.to_vec(), b"another passphrase".to_vec()];
    secrets.extend(Purpose::ALL.map(|purpose| key.subkey(purpose).seed().to_vec()));
    for secret in &secrets {
        let hex: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
        for said in &said {
            let has = |part: &[u8]| said.windows(part.len()).any(|window| window == part);
            assert!(!has(&secret[..8]) && !has(&hex.as_bytes()[..16]));
        }
    }
}
