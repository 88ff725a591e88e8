//! `vigil agent`: starting one, asking it, and the certificate that it offers.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::json;
use vigil_base::Name;
use vigil_base::world::read_file;
use vigil_node::agent::{AgentClient, AgentError, AgentServer, LockedMemory, agent_socket, harden};
use vigil_trust::agent::{Agent, AgentIdentity};
use vigil_trust::formats::{Certificate, CertificateError, MachineCertificate};
use vigil_trust::home::Home;
use vigil_trust::seal::{self, SealedHeader};
use vigil_trust::{Purpose, SecretKey, SubkeyCertificate};
use zeroize::Zeroizing;

use super::trust::feed::FeedWriter;
use super::{Session, trust};
use crate::args::{AgentCommand, PassphraseArgs, PersonKeyArgs, SocketArgs};
use crate::failure::CommandError;
use crate::human;
use crate::signing_failure::SigningError;
use crate::trust_failure::TrustError;

/// The file that the certificate is kept in, beside the sealed key.
const CERTIFICATE: &str = "machine-cert.pub";
/// The longest certificate that is read, in bytes.
const CERTIFICATE_BYTES_MAX: usize = 128 << 10;
/// What stands before a request for a certificate.
const REQUEST: &str = "vigil-certify:";

pub(super) fn perform(
    command: &AgentCommand,
    session: &mut Session<'_>,
) -> Result<(), CommandError> {
    match command {
        AgentCommand::Start { foreground, socket, passphrase } => {
            start(*foreground, socket, passphrase, session)
        }
        AgentCommand::Status { socket, format } => status(socket, format.json, session),
        AgentCommand::Key { format, socket, output } => {
            super::sign::key(*format, socket, output.json, session)
        }
        AgentCommand::Lock { socket } => {
            connect(socket, session)?.lock().map_err(SigningError::from)?;
            session.say("the agent waits for the passphrase")
        }
        AgentCommand::Unlock { socket, passphrase } => unlock(socket, passphrase, session),
        AgentCommand::Stop { socket } => {
            connect(socket, session)?.stop().map_err(SigningError::from)?;
            session.say("the agent has ended")
        }
        AgentCommand::Certify { request: true, passphrase, .. } => request(passphrase, session),
        AgentCommand::Certify { take: Some(file), passphrase, .. } => {
            take(file, passphrase, session)
        }
        AgentCommand::Certify { request_file, person, passphrase, .. } => {
            certify(request_file.as_deref(), person, passphrase, session)
        }
    }
}

/// Returns where the agent listens, for whoever looks from another folder, too.
pub(super) fn socket_path(
    args: &SocketArgs,
    session: &Session<'_>,
) -> Result<PathBuf, CommandError> {
    if let Some(path) = &args.socket {
        return absolute(path);
    }
    let runtime = session.environment.runtime.as_ref().map(Path::new);
    let runtime = runtime.filter(|path| path.is_absolute());
    // Each store has its own, however its folder is written.
    Ok(agent_socket(runtime, &absolute(&session.store_folder)?))
}

/// Returns a path as it is from every folder.
pub(super) fn absolute(path: &Path) -> Result<PathBuf, CommandError> {
    let failed = |source| CommandError::File { action: "find", path: path.into(), source };
    std::path::absolute(path).map_err(failed)
}

/// Connects to the agent.
pub(super) fn connect(
    args: &SocketArgs,
    session: &Session<'_>,
) -> Result<AgentClient, CommandError> {
    Ok(AgentClient::connect(&socket_path(args, session)?).map_err(SigningError::from)?)
}

/// Returns where the certificate is kept.
pub(super) fn certificate_path(session: &Session<'_>) -> PathBuf {
    session.store_folder.join(trust::FOLDER).join(CERTIFICATE)
}

/// Reads the certificate, if there is one.
pub(in crate::run) fn certificate(home: &Home) -> Result<Option<Certificate>, CommandError> {
    Ok(read_certificate(home)?.transpose().map_err(SigningError::from)?)
}

/// Reads the file of the certificate, if there is one, and says whether it is damaged.
pub(in crate::run) fn read_certificate(
    home: &Home,
) -> Result<Option<Result<Certificate, CertificateError>>, CommandError> {
    let Some(file) = read_file(&**home.disk(), CERTIFICATE, CERTIFICATE_BYTES_MAX)? else {
        return Ok(None);
    };
    Ok(Some(Certificate::parse_line(&String::from_utf8_lossy(&file.bytes))))
}

fn keep_certificate(home: &Home, certificate: &Certificate) -> Result<(), CommandError> {
    let comment = certificate.body.principals[0].clone();
    let line = certificate.line(&comment) + "\n";
    Ok(home.set_certificate(&line).map_err(TrustError::from)?)
}

/// Has the Person certify a machine's SSH key.
fn certified(
    name: &Name,
    subkey: &SubkeyCertificate,
    person: &SecretKey,
    session: &Session<'_>,
) -> Result<Certificate, CommandError> {
    let mut nonce = [0; 32];
    session.environment.randomness.fill(&mut nonce)?;
    let certificate = MachineCertificate {
        name,
        machine: subkey.owner(),
        ssh: subkey.subkey(),
        nonce,
        // It holds until somebody revokes it: a clock that is wrong must not take a machine's word.
        valid_after: 0,
        valid_before: u64::MAX,
    };
    Ok(certificate.sign(person).map_err(SigningError::from)?)
}

/// Has the Person certify this machine's SSH key, since both keys are at hand, unless the certificate that is
/// there is this Person's and of this machine: it may be of a key that was here before, or damaged.
pub(in crate::run) fn certify_if_none(
    home: &Home,
    machine: &SecretKey,
    person: &SecretKey,
    session: &Session<'_>,
) -> Result<(), CommandError> {
    let at = u64::try_from(session.environment.clock.now().0 / 1_000_000_000).unwrap_or(0);
    let authority = person.subkey(Purpose::Ssh).public();
    let holds = |kept: &Certificate| {
        kept.verify(&authority, &kept.body.principals[0], at).is_ok() && is_of(kept, machine)
    };
    if matches!(read_certificate(home)?, Some(Ok(kept)) if holds(&kept)) {
        return Ok(());
    }
    let (_, header) = sealed(home)?;
    let subkey = machine.certify_subkey(Purpose::Ssh);
    keep_certificate(home, &certified(&header.name, &subkey, person, session)?)
}

/// Says whether a certificate is of this machine and its SSH key.
fn is_of(certificate: &Certificate, machine: &SecretKey) -> bool {
    certificate.body.key == machine.subkey(Purpose::Ssh).public()
        && certificate.machine() == Some(machine.public().bytes())
}

fn sealed(home: &Home) -> Result<(Vec<u8>, SealedHeader), CommandError> {
    let file = home.machine_sealed().map_err(TrustError::from)?.ok_or(TrustError::NoMachine)?;
    let header = seal::read_header(&file).map_err(TrustError::from)?;
    Ok((file, header))
}

fn start(
    is_foreground: bool,
    socket: &SocketArgs,
    args: &PassphraseArgs,
    session: &mut Session<'_>,
) -> Result<(), CommandError> {
    let home = trust::home(session)?;
    let socket = socket_path(socket, session)?;
    if AgentClient::connect(&socket).is_ok() {
        return Err(SigningError::from(AgentError::Running { path: socket }).into());
    }
    // A machine that has no key is told so before a passphrase is asked for.
    let (file, header) = sealed(&home)?;
    trust::guard(session)?;
    let whose = "this machine";
    let passphrase = trust::passphrase(args.passphrase_file.as_deref(), whose, false, session)?;
    if !is_foreground {
        return spawn(&socket, &passphrase, session);
    }
    let failed = |source| TrustError::System { action: "keep secrets out of core dumps", source };
    harden().map_err(failed)?;
    let memory = LockedMemory::new().map_err(|source| AgentError::Memory { source });
    let memory = memory.map_err(SigningError::from)?;
    let (_, key) = seal::open(&file, passphrase.as_bytes()).map_err(TrustError::from)?;
    drop(passphrase);
    let certificate = certificate(&home)?;
    let identity = AgentIdentity { name: header.name.as_str().to_owned(), certificate };
    let feed = Box::new(FeedWriter::of(&home, session));
    let agent = Agent::new(memory, identity, &key, header, file).writing_to(feed);
    drop(key);
    let server = AgentServer::bind(&socket).map_err(SigningError::from)?;
    print_exports(&socket, session)?;
    let randomness = session.environment.randomness.clone();
    Ok(server.serve(agent, randomness).map_err(SigningError::from)?)
}

fn print_exports(socket: &Path, session: &mut Session<'_>) -> Result<(), CommandError> {
    // A quote inside quotes, as every shell reads it.
    let path = socket.to_string_lossy().replace('\'', r"'\''");
    session.out.line(format_args!("SSH_AUTH_SOCK='{path}'; export SSH_AUTH_SOCK;"))?;
    session.finish()
}

/// Starts this program again, in the background, and hands it the passphrase through a pipe.
fn spawn(
    socket: &Path,
    passphrase: &Zeroizing<String>,
    session: &mut Session<'_>,
) -> Result<(), CommandError> {
    let program = session.environment.program.clone().ok_or(SigningError::NoProgram)?;
    let failed = |action| move |source| TrustError::System { action, source };
    let mut child = Command::new(program)
        .arg("--store")
        .arg(&session.store_folder)
        .args(["agent", "start", "--foreground", "--passphrase-file", "/dev/stdin", "--socket"])
        .arg(socket)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        // What interrupts this shell's work is not meant for the agent.
        .process_group(0)
        .spawn()
        .map_err(failed("start the agent"))?;
    let (input, output) = (child.stdin.take(), child.stdout.take());
    if let Some(mut input) = input {
        let line = Zeroizing::new(format!("{}\n", passphrase.as_str()));
        // A child that ended already says why below.
        let _ = input.write_all(line.as_bytes());
    }
    let mut exports = String::new();
    if let Some(output) = output {
        BufReader::new(output).read_line(&mut exports).map_err(failed("hear from the agent"))?;
    }
    if exports.is_empty() {
        let mut said = String::new();
        if let Some(mut errors) = child.stderr.take() {
            errors.read_to_string(&mut said).map_err(failed("hear from the agent"))?;
        }
        child.wait().map_err(failed("wait for the agent"))?;
        let said = said.lines().next().unwrap_or("it said nothing");
        let said = said.strip_prefix("error: ").unwrap_or(said).to_owned();
        return Err(SigningError::NotStarted { said }.into());
    }
    session.out.line(exports.trim_end())?;
    session.say("the agent runs until `vigil agent stop`")
}

fn status(args: &SocketArgs, is_json: bool, session: &mut Session<'_>) -> Result<(), CommandError> {
    let socket = socket_path(args, session)?;
    let status = connect(args, session)?.status().map_err(SigningError::from)?;
    let certificate = certificate_path(session);
    let certificate = certificate.exists().then_some(certificate);
    if is_json {
        return session.out.json(&json!({
            "state": status.state.as_str(),
            "name": status.name,
            "machine": status.machine.to_string(),
            "signatures": status.signatures,
            "socket": socket.to_string_lossy(),
            "certificate": certificate.map(|path| path.to_string_lossy().into_owned()),
        }));
    }
    let signatures = human::count(status.signatures, "signature", "signatures");
    let (state, name, machine) = (status.state.as_str(), &status.name, status.machine);
    session.out.line(format_args!("{state}: {name}, {machine}, {signatures} so far"))?;
    session.out.line(format_args!("socket       {}", human::path(&socket)))?;
    match certificate {
        Some(path) => session.out.line(format_args!("certificate  {}", human::path(&path))),
        None => session.say("no certificate; `vigil agent certify` makes one"),
    }
}

fn unlock(
    socket: &SocketArgs,
    args: &PassphraseArgs,
    session: &mut Session<'_>,
) -> Result<(), CommandError> {
    let client = connect(socket, session)?;
    trust::guard(session)?;
    let whose = "this machine";
    let passphrase = trust::passphrase(args.passphrase_file.as_deref(), whose, false, session)?;
    client.unlock(passphrase.as_bytes()).map_err(SigningError::from)?;
    session.say("the agent signs again")
}

/// Prints what a Person's machine needs to know to certify this one.
fn request(args: &PassphraseArgs, session: &mut Session<'_>) -> Result<(), CommandError> {
    let home = trust::home(session)?;
    let unlocked = trust::unlock_machine(&home, args, session)?;
    let (_, header) = sealed(&home)?;
    let certificate = unlocked.key.certify_subkey(Purpose::Ssh).encode();
    let hex = human::hex(&certificate);
    session.out.line(format_args!("{REQUEST}{}:{hex}", header.name.as_str()))
}

/// Reads a request: a name, and the machine's own word about its SSH key.
fn parse_request(text: &str) -> Option<(Name, SubkeyCertificate)> {
    let (name, hex) = text.trim().strip_prefix(REQUEST)?.split_once(':')?;
    let digits = hex.as_bytes();
    if digits.len() % 2 != 0 || !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    let byte = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).ok();
    let bytes: Option<Vec<u8>> = (0..hex.len()).step_by(2).map(byte).collect();
    let subkey = SubkeyCertificate::decode(&bytes?).ok()?;
    subkey.key_for(Purpose::Ssh).ok()?;
    Some((Name::new(name).ok()?, subkey))
}

fn certify(
    request: Option<&Path>,
    person: &PersonKeyArgs,
    args: &PassphraseArgs,
    session: &mut Session<'_>,
) -> Result<(), CommandError> {
    let home = trust::home(session)?;
    let unlocked = trust::unlock_machine(&home, args, session)?;
    let (name, subkey) = match request {
        Some(path) => parse_request(&trust::read_text(path)?).ok_or(SigningError::Request)?,
        None => (sealed(&home)?.1.name, unlocked.key.certify_subkey(Purpose::Ssh)),
    };
    let person = trust::person_key(&home, person, &unlocked.passphrase, session)?;
    let certificate = certified(&name, &subkey, &person, session)?;
    let principal = certificate.body.principals[0].clone();
    if request.is_some() {
        session.out.line(certificate.line(&principal))?;
        return session.say(format_args!("carry this line to {}", name.as_str()));
    }
    keep_certificate(&home, &certificate)?;
    let path = session.shown(&certificate_path(session));
    session.say(format_args!("this machine signs as {principal}; git's user.signingkey is {path}"))
}

fn take(file: &Path, args: &PassphraseArgs, session: &mut Session<'_>) -> Result<(), CommandError> {
    let home = trust::home(session)?;
    let line = trust::read_text(file)?;
    let certificate = Certificate::parse_line(line.trim()).map_err(SigningError::from)?;
    let unlocked = trust::unlock_machine(&home, args, session)?;
    if !is_of(&certificate, &unlocked.key) {
        return Err(SigningError::AnotherKey.into());
    }
    keep_certificate(&home, &certificate)?;
    let principal = &certificate.body.principals[0];
    session.say(format_args!("this machine signs as {principal}"))
}
