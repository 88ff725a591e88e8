//! Signatures in other people's formats, and the agent that makes some of them.
//!
//! Invariants:
//! - what a decoder of bytes takes, its encoder reproduces; a text that is read, written and read again
//!   is the same;
//! - no input is a signature of the test's key, but for the one that it made;
//! - no message makes an agent answer with its key.

use std::sync::OnceLock;

use vigil_base::Name;
use vigil_base::world::{Moment, Randomness, RandomnessError};
use vigil_trust::agent::{
    Agent, AgentIdentity, AgentStatus, Answer, OwnFeed, Place, Request, Vault,
};
use vigil_trust::attestations::AttestationEntry;
use vigil_trust::feed::Incarnation;
use vigil_trust::formats::{
    AllowedSigners, Certificate, CertificateBody, Envelope, InTotoStatement, Json, MinisignKey,
    MinisignSignature, STATEMENT_MEDIA_TYPE, SignifyKey, SignifySignature, SshSignature, SshSigner,
    sign_certificate, sign_ssh, sshsig_namespace,
};
use vigil_trust::seal::{Costs, Holder, SealedHeader};
use vigil_trust::{ForeignKey, Purpose, SecretKey};

const MESSAGE: &[u8] = b"what is signed\n";

/// Names, lengths and heads of SSH's structures.
pub const SSH_WORDS: &[&[u8]] = &[
    b"SSHSIG",
    b"SSHSIG\0\0\0\x01",
    b"\0\0\0\x0bssh-ed25519",
    b"\0\0\0\x20ssh-ed25519-cert-v01@openssh.com",
    b"\0\0\0\x06sha512",
    b"\0\0\0\x06sha256",
    b"\0\0\0\x03git",
    b"\0\0\0\x20",
    b"\0\0\0\x40",
    b"\0\0\0\0",
    b"\xff\xff\xff\xff",
    b"\0\0\0\x0dforce-command",
];

/// Lines of keys, signatures and lists.
pub const TEXT_WORDS: &[&[u8]] = &[
    b"untrusted comment: ",
    b"trusted comment: ",
    b"\n",
    b"\r\n",
    b"RWQ",
    b"RUQ",
    b"==",
    b"-----BEGIN SSH SIGNATURE-----\n",
    b"-----END SSH SIGNATURE-----\n",
    b"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI",
    b"*@x.vigil cert-authority,namespaces=\"git\" ",
    b"\" ",
    b"#",
];

/// Fields of envelopes and statements.
pub const JSON_WORDS: &[&[u8]] = &[
    b"{\"payload\":\"\",\"payloadType\":\"x\",\"signatures\":[{\"sig\":\"\"}]}",
    b"\"payload\":",
    b"\"signatures\":[",
    b"\"keyid\":",
    b"\"cert\":\"\"",
    b"\"_type\":\"https://in-toto.io/Statement/v1\"",
    b"\"subject\":[{\"digest\":{\"sha256\":\"ab\"}}]",
    b"\"predicateType\":\"x\"",
    b"\"predicate\":{}",
    b"\\ud800",
    b"1e999",
    b"[[[[[[[[[[[[[[[[",
];

/// Numbers of messages, and extensions.
pub const AGENT_WORDS: &[&[u8]] = &[
    b"\x0b",
    b"\x0d",
    b"\x13",
    b"\x16\0\0\0\x01",
    b"\x17\0\0\0\x01",
    b"\x1b\0\0\0\x0asign@vigil",
    b"\x1b\0\0\0\x0cpublic@vigil",
    b"\x1b\0\0\0\x0cstatus@vigil",
    b"\x1b\0\0\0\x0alock@vigil",
    b"\x1b\0\0\0\x0astop@vigil",
    b"\x1b\0\0\0\x0cattest@vigil",
    b"vigil.attestation/1",
    b"\0\0\0\x08minisign",
    b"\0\0\0\x03ssh",
    b"\xff\xff\xff\xff",
];

fn key(purpose: Purpose) -> ForeignKey {
    SecretKey::from_seed(&[7; 32]).subkey(purpose)
}

fn certificate() -> Certificate {
    let authority = SecretKey::from_seed(&[8; 32]).subkey(Purpose::Ssh);
    let body = CertificateBody {
        nonce: vec![9; 32],
        key: key(Purpose::Ssh).public(),
        serial: 1,
        key_id: "laptop".into(),
        principals: vec!["laptop@x.vigil".into()],
        valid_after: 0,
        valid_before: u64::MAX,
        extensions: Vec::new(),
        authority: authority.public(),
    };
    sign_certificate(&authority, body).expect("a sound body")
}

/// Checks one input as a signature, a certificate and what an agent is asked to sign.
pub fn run_ssh(input: &[u8]) {
    static GENUINE: OnceLock<Vec<u8>> = OnceLock::new();
    let genuine = GENUINE.get_or_init(|| {
        let signer = SshSigner::Certified(Box::new(certificate()));
        sign_ssh(&key(Purpose::Ssh), signer, "git", MESSAGE).expect("the right key").encode()
    });
    if let Ok(signature) = SshSignature::decode(input) {
        assert_eq!(signature.encode(), input);
        assert_eq!(SshSignature::parse(&signature.text()).as_ref(), Ok(&signature));
        let is_by_us = *signature.signer.key() == key(Purpose::Ssh).public();
        // A key without its certificate may be presented with the same signature.
        if is_by_us && signature.verify("git", MESSAGE).is_ok() {
            let certified = matches!(&signature.signer, SshSigner::Certified(_));
            let holds = |certificate: &Certificate| {
                let authority = SecretKey::from_seed(&[8; 32]).subkey(Purpose::Ssh).public();
                certificate.verify(&authority, "laptop@x.vigil", 5).is_ok()
            };
            let SshSigner::Certified(certificate) = &signature.signer else { return };
            assert!(!certified || !holds(certificate) || input == genuine.as_slice());
        }
    }
    if let Ok(certificate) = Certificate::decode(input) {
        assert_eq!(certificate.encode(), input);
        assert_eq!(Certificate::parse_line(&certificate.line("x")).as_ref(), Ok(&certificate));
    }
    if sshsig_namespace(input).is_ok() {
        assert!(input.starts_with(b"SSHSIG"));
    }
}

/// Checks one input as each of the small text files.
pub fn run_texts(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    if let Ok(signature) = SshSignature::parse(text) {
        assert_eq!(SshSignature::parse(&signature.text()), Ok(signature));
    }
    if let Ok(signature) = MinisignSignature::parse(text) {
        assert_eq!(MinisignSignature::parse(&signature.text()).as_ref(), Ok(&signature));
        let key = MinisignKey::new(key(Purpose::Minisign).public());
        if signature.verify(&key, MESSAGE, true).is_ok() {
            assert_eq!(signature.trusted_comment, "a word");
        }
    }
    if let Ok(signature) = SignifySignature::parse(text) {
        assert_eq!(SignifySignature::parse(&signature.text()).as_ref(), Ok(&signature));
    }
    if let Ok(key) = MinisignKey::parse(text) {
        assert_eq!(MinisignKey::parse(&key.text()), Ok(key));
    }
    if let Ok(key) = SignifyKey::parse(text) {
        assert_eq!(SignifyKey::parse(&key.text("x").expect("one line")), Ok(key));
    }
    if let Ok(list) = AllowedSigners::parse_list(text) {
        for line in list {
            let written = line.line().expect("what is read can be written");
            assert_eq!(AllowedSigners::parse_list(&written), Ok(vec![line]));
        }
    }
}

/// Checks one input as JSON, an envelope and a statement.
pub fn run_dsse(input: &[u8]) {
    if let Ok(json) = Json::parse(input) {
        assert_eq!(Json::parse(json.canonical().as_bytes()), Ok(json));
    }
    if let Ok(envelope) = Envelope::parse(input) {
        assert_eq!(Envelope::parse(envelope.json().as_bytes()).as_ref(), Ok(&envelope));
        let key = key(Purpose::Dsse).public();
        if let Ok(payload) = envelope.verify(STATEMENT_MEDIA_TYPE, &key) {
            assert_eq!(payload, MESSAGE, "this key signed nothing else");
        }
    }
    if let Ok(statement) = InTotoStatement::parse(input) {
        assert_eq!(InTotoStatement::parse(statement.json().as_bytes()), Ok(statement));
    }
}

/// A seed in ordinary memory.
#[derive(Default)]
struct Plain(Option<[u8; SecretKey::SEED_LEN]>);

impl Vault for Plain {
    fn keep(&mut self, key: &SecretKey) {
        self.0 = Some(*key.seed());
    }

    fn key(&self) -> Option<SecretKey> {
        self.0.as_ref().map(SecretKey::from_seed)
    }

    fn wipe(&mut self) {
        self.0 = None;
    }
}

/// There is none, so that nothing is sealed: a passphrase costs too much to be guessed here.
struct NoRandomness;

impl Randomness for NoRandomness {
    fn fill(&self, _: &mut [u8]) -> Result<(), RandomnessError> {
        Err(RandomnessError { reason: "none".into() })
    }
}

/// A feed that keeps nothing, and holds the agent to what an entry is.
struct Mirror;

impl OwnFeed for Mirror {
    fn attest(&mut self, _: &SecretKey, entry: &AttestationEntry) -> Result<Place, String> {
        assert_eq!(AttestationEntry::decode(&entry.encode()).as_ref(), Ok(entry));
        match entry.subjects().len() {
            1 => Ok(Place { incarnation: Incarnation([1; 16]), position: 0 }),
            _ => Err("the disk is full".into()),
        }
    }
}

/// Checks one input as messages to an agent, each of a length that its first byte says, and as an answer.
pub fn run_agent(input: &[u8]) {
    if let Ok(answer) = Answer::parse(input) {
        assert_eq!(Answer::parse(&answer.encode()).as_ref(), Ok(&answer));
        if let Answer::Extension { data, .. } = &answer {
            let _ = AgentStatus::parse(data);
            let _ = Place::parse(data);
        }
    }
    let machine = SecretKey::from_seed(&[0xa7; 32]);
    let header = SealedHeader {
        holder: Holder::Machine,
        name: Name::new("laptop").expect("a name"),
        public: machine.public().bytes(),
        at: Moment(0),
        costs: Costs::LEAST,
    };
    let identity = AgentIdentity { name: "laptop".into(), certificate: None };
    let agent = Agent::new(Plain::default(), identity, &machine, header, Vec::new());
    let mut agent = agent.writing_to(Box::new(Mirror));
    let mut rest = input;
    while let Some((len, after)) = rest.split_first() {
        let (message, after) = after.split_at(after.len().min(usize::from(*len)));
        if let Ok(request) = Request::parse(message) {
            assert_eq!(Request::parse(&request.encode()), Ok(request));
        }
        let answer = agent.answer(message, &NoRandomness).encode();
        assert!(!answer.windows(8).any(|window| window == [0xa7; 8]));
        rest = after;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vigil_trust::formats::{sign_envelope, sign_minisign, sign_signify};

    /// What the committed seeds are made of.
    fn seeds() -> Vec<(&'static str, &'static str, Vec<u8>)> {
        let ssh = key(Purpose::Ssh);
        let signer = SshSigner::Certified(Box::new(certificate()));
        let signed = sign_ssh(&ssh, signer, "git", MESSAGE).expect("the right key");
        let bare = sign_ssh(&ssh, SshSigner::Key(ssh.public()), "git", MESSAGE).expect("the same");
        let minisign = key(Purpose::Minisign);
        let mini = sign_minisign(&minisign, MESSAGE, "a word").expect("one line");
        let signify = key(Purpose::Signify);
        let sig = sign_signify(&signify, MESSAGE, "x.pub").expect("one line");
        let envelope = sign_envelope(&key(Purpose::Dsse), STATEMENT_MEDIA_TYPE, MESSAGE.into());
        let line = AllowedSigners {
            pattern: "*@x.vigil".into(),
            authority: ssh.public(),
            namespaces: vec!["git".into()],
            comment: "x".into(),
        };
        vec![
            ("foreign-ssh", "certified", signed.encode()),
            ("foreign-ssh", "bare", bare.encode()),
            ("foreign-ssh", "certificate", certificate().encode()),
            ("foreign-text", "ssh", bare.text().into_bytes()),
            ("foreign-text", "minisign", mini.text().into_bytes()),
            (
                "foreign-text",
                "minisign-key",
                MinisignKey::new(minisign.public()).text().into_bytes(),
            ),
            ("foreign-text", "signify", sig.text().into_bytes()),
            ("foreign-text", "signers", line.line().expect("sound words").into_bytes()),
            ("foreign-dsse", "envelope", envelope.expect("the right key").json().into_bytes()),
        ]
    }

    #[test]
    fn the_seeds_are_what_is_signed_today() {
        let corpus = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
        for (target, name, bytes) in seeds() {
            let path = corpus.join(target).join(name);
            assert!(std::fs::read(&path).is_ok_and(|found| found == bytes), "{target}/{name}");
        }
    }
}
