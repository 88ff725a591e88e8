//! What the agent does with a request.

use alloc::boxed::Box;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;

use vigil_base::world::Randomness;

use super::message::{
    Answer, EXTENSION_ATTEST, EXTENSION_FORGET, EXTENSION_PUBLIC, EXTENSION_SIGN, EXTENSION_STATUS,
    EXTENSION_STOP, Identity, Request,
};
use crate::attestations::AttestationEntry;
use crate::feed::Incarnation;
use crate::formats::wire::{Reader, fixed, put_string};
use crate::formats::{
    Certificate, NAMESPACE_MACHINE, WireError, key_blob, signature_blob, sshsig_namespace,
};
use crate::keys::{KeyBytes, SecretKey};
use crate::seal::{SealedHeader, open, seal};
use crate::subkey::Purpose;

/// The formats that an agent signs in; handshakes and logs have servers of their own.
const PURPOSES: [Purpose; 4] = [Purpose::Ssh, Purpose::Dsse, Purpose::Minisign, Purpose::Signify];

/// Where a key lies while the agent is of use: in memory that is neither swapped nor dumped.
pub trait Vault {
    /// Keeps a key's seed in place of what was kept before.
    fn keep(&mut self, key: &SecretKey);
    /// Returns the key, if one is kept.
    fn key(&self) -> Option<SecretKey>;
    /// Wipes what is kept.
    fn wipe(&mut self);
}

/// Where an agent writes what its machine attests.
pub trait OwnFeed: Send {
    /// Appends an attestation to the feed of `machine`, durably, in a batch that is made and signed here, and
    /// says where it is.
    ///
    /// # Errors
    /// Says why it is not there, or not known to be; no secret is in that.
    fn attest(&mut self, machine: &SecretKey, entry: &AttestationEntry) -> Result<Place, String>;
}

/// Where in its machine's feeds an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// In which incarnation.
    pub incarnation: Incarnation,
    /// At which position.
    pub position: u64,
}

impl Place {
    /// Writes the answer to [`EXTENSION_ATTEST`]: a place, or why there is none.
    fn encode(said: &Result<Self, String>) -> Vec<u8> {
        let mut out = Vec::new();
        match said {
            Ok(place) => {
                put_string(&mut out, &[]);
                put_string(&mut out, &place.incarnation.0);
                out.extend(place.position.to_be_bytes());
            }
            Err(why) => put_string(&mut out, why.as_bytes()),
        }
        out
    }

    /// Reads the answer to [`EXTENSION_ATTEST`]; `None` if it is none.
    pub fn parse(data: &[u8]) -> Option<Result<Self, String>> {
        let read = |reader: &mut Reader<'_>| -> Result<Result<Self, String>, WireError> {
            let why = reader.text("why not")?;
            if !why.is_empty() {
                return Ok(Err(why.to_string()));
            }
            let incarnation = Incarnation(fixed(reader.string("incarnation")?, "incarnation")?);
            Ok(Ok(Self { incarnation, position: reader.u64("position")? }))
        };
        let mut reader = Reader::new(data);
        let said = read(&mut reader).ok()?;
        reader.finish().ok().map(|()| said)
    }
}

/// Whose key an agent holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentIdentity {
    /// What people call the machine.
    pub name: String,
    /// What its Person says about its SSH key, if that is at hand.
    pub certificate: Option<Certificate>,
}

/// Whether an agent is of use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AgentState {
    /// It signs.
    Open,
    /// It waits for a passphrase.
    Locked,
    /// All keys were removed.
    Empty,
}

/// How an agent is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentStatus {
    /// Whether it is of use.
    pub state: AgentState,
    /// What people call the machine.
    pub name: String,
    /// The machine's own key.
    pub machine: KeyBytes,
    /// Signatures made so far.
    pub signatures: u64,
}

impl AgentState {
    /// Returns the word that stands for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Locked => "locked",
            Self::Empty => "empty",
        }
    }

    fn from_word(word: &str) -> Option<Self> {
        [Self::Open, Self::Locked, Self::Empty].into_iter().find(|state| state.as_str() == word)
    }
}

impl AgentStatus {
    fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        put_string(&mut out, self.state.as_str().as_bytes());
        put_string(&mut out, self.name.as_bytes());
        put_string(&mut out, &self.machine.0);
        out.extend(self.signatures.to_be_bytes());
        out
    }

    /// Reads the answer to [`EXTENSION_STATUS`]; `None` if it is none.
    pub fn parse(data: &[u8]) -> Option<Self> {
        let read = |reader: &mut Reader<'_>| -> Result<Option<Self>, WireError> {
            let state = AgentState::from_word(reader.text("state")?);
            let name = reader.text("name")?.to_string();
            let machine = fixed(reader.string("machine")?, "machine")?;
            let signatures = reader.u64("signatures")?;
            let machine = KeyBytes(machine);
            Ok(state.map(|state| Self { state, name, machine, signatures }))
        };
        let mut reader = Reader::new(data);
        let status = read(&mut reader).ok().flatten()?;
        reader.finish().ok().map(|()| status)
    }
}

/// An agent for one machine.
pub struct Agent<V> {
    vault: V,
    identity: AgentIdentity,
    header: SealedHeader,
    /// What the key is unsealed from: what it came from, or what a client's passphrase sealed.
    sealed: Vec<u8>,
    /// What it came from.
    origin: Vec<u8>,
    /// Where attestations are written, if the machine has a feed here.
    feed: Option<Box<dyn OwnFeed>>,
    is_removed: bool,
    is_stopped: bool,
    signatures: u64,
}

impl<V: Vault> Agent<V> {
    /// Holds `key`, which came out of `origin`.
    pub fn new(
        mut vault: V,
        identity: AgentIdentity,
        key: &SecretKey,
        header: SealedHeader,
        origin: Vec<u8>,
    ) -> Self {
        vault.keep(key);
        let sealed = origin.clone();
        let (is_removed, is_stopped, signatures) = (false, false, 0);
        let feed = None;
        Self { vault, identity, header, sealed, origin, feed, is_removed, is_stopped, signatures }
    }

    /// Lets it write attestations.
    #[must_use]
    pub fn writing_to(mut self, feed: Box<dyn OwnFeed>) -> Self {
        self.feed = Some(feed);
        self
    }

    /// Returns whether somebody asked it to end.
    pub fn is_stopped(&self) -> bool {
        self.is_stopped
    }

    /// Returns how it is.
    pub fn status(&self) -> AgentStatus {
        let state = match self.key() {
            Some(_) => AgentState::Open,
            None if self.is_removed => AgentState::Empty,
            None => AgentState::Locked,
        };
        let name = self.identity.name.clone();
        AgentStatus { state, name, machine: self.header.public, signatures: self.signatures }
    }

    /// Answers a message, whatever it is. Nothing secret is in the answer.
    pub fn answer(&mut self, message: &[u8], randomness: &dyn Randomness) -> Answer {
        let Ok(request) = Request::parse(message) else { return Answer::Failure };
        match request {
            Request::List => Answer::Identities(self.identities()),
            Request::Sign { blob, data, flags } => {
                self.sign_ssh(blob, data, flags).unwrap_or(Answer::Failure)
            }
            Request::RemoveAll => self.remove_all(),
            Request::Lock { passphrase } => self.lock(passphrase, randomness),
            Request::Unlock { passphrase } => self.unlock(passphrase),
            Request::Extension { name, data } => {
                self.extend(name, data).unwrap_or(Answer::ExtensionFailure)
            }
            // No key comes in from outside, and none leaves one by one.
            Request::Other { .. } => Answer::Failure,
        }
    }

    fn key(&self) -> Option<SecretKey> {
        self.vault.key()
    }

    /// The certificate first: whoever takes the first key then has the whole chain.
    fn identities(&self) -> Vec<Identity> {
        let Some(key) = self.key() else { return Vec::new() };
        let public = key.subkey(Purpose::Ssh).public();
        let certificate = self.identity.certificate.as_ref().filter(|c| c.body.key == public);
        let blobs = certificate.map(Certificate::encode).into_iter().chain([key_blob(&public)]);
        blobs.map(|blob| Identity { blob, comment: self.identity.name.clone() }).collect()
    }

    fn sign_ssh(&mut self, blob: &[u8], data: &[u8], flags: u32) -> Option<Answer> {
        if flags != 0 || !self.identities().iter().any(|identity| identity.blob == blob) {
            return None;
        }
        let signature = self.sign(Purpose::Ssh, data)?;
        Some(Answer::Signature(signature_blob(&signature)))
    }

    /// Signs bytes, if they are laid out as the format lays them out.
    fn sign(&mut self, purpose: Purpose, bytes: &[u8]) -> Option<crate::Signature> {
        let is_fit = match purpose {
            // Whose the key is it says in the machine's own feed and nowhere else.
            Purpose::Ssh => {
                sshsig_namespace(bytes).is_ok_and(|namespace| namespace != NAMESPACE_MACHINE)
            }
            Purpose::Dsse => bytes.starts_with(b"DSSEv1 "),
            // Raw bytes, and hashes of them: nothing to be seen.
            _ => PURPOSES.contains(&purpose),
        };
        if !is_fit {
            return None;
        }
        let signature = self.key()?.subkey(purpose).sign(bytes);
        self.signatures += 1;
        Some(signature)
    }

    fn remove_all(&mut self) -> Answer {
        self.vault.wipe();
        self.sealed.clear();
        self.is_removed = true;
        Answer::Success
    }

    fn lock(&mut self, passphrase: &[u8], randomness: &dyn Randomness) -> Answer {
        let Some(key) = self.key() else { return Answer::Failure };
        match seal(&key, &self.header, passphrase, randomness) {
            Ok(sealed) => {
                self.sealed = sealed;
                self.vault.wipe();
                Answer::Success
            }
            // It would not open again, so it stays as it is.
            Err(_) => Answer::Failure,
        }
    }

    fn unlock(&mut self, passphrase: &[u8]) -> Answer {
        if self.is_removed || self.vault.key().is_some() {
            return Answer::Failure;
        }
        match open(&self.sealed, passphrase) {
            Ok((_, key)) => {
                self.vault.keep(&key);
                self.sealed.clone_from(&self.origin);
                Answer::Success
            }
            Err(_) => Answer::Failure,
        }
    }

    /// Reads the whole request before anything is done: one that is not understood changes nothing.
    fn extend(&mut self, name: &str, data: &[u8]) -> Option<Answer> {
        let mut reader = Reader::new(data);
        match name {
            EXTENSION_SIGN => {
                let purpose = Purpose::from_word(reader.text("format").ok()?)?;
                let bytes = reader.string("bytes").ok()?;
                reader.finish().ok()?;
                Some(Answer::signed(name, &self.sign(purpose, bytes)?))
            }
            EXTENSION_ATTEST => {
                let entry = AttestationEntry::decode(reader.string("entry").ok()?).ok()?;
                reader.finish().ok()?;
                let key = self.key()?;
                let said = self.feed.as_mut()?.attest(&key, &entry);
                self.signatures += u64::from(said.is_ok());
                Some(Answer::Extension { name: name.to_string(), data: Place::encode(&said) })
            }
            EXTENSION_PUBLIC => {
                let purpose = Purpose::from_word(reader.text("format").ok()?)?;
                reader.finish().ok()?;
                let data = self.key()?.certify_subkey(purpose).encode();
                Some(Answer::Extension { name: name.to_string(), data })
            }
            _ => {
                reader.finish().ok()?;
                self.extend_plainly(name)
            }
        }
    }

    /// Does what needs no more than its name.
    fn extend_plainly(&mut self, name: &str) -> Option<Answer> {
        match name {
            EXTENSION_STATUS => {
                let data = self.status().encode();
                Some(Answer::Extension { name: name.to_string(), data })
            }
            EXTENSION_FORGET => {
                self.key()?;
                self.vault.wipe();
                self.sealed.clone_from(&self.origin);
                Some(Answer::Success)
            }
            EXTENSION_STOP => {
                self.vault.wipe();
                self.is_stopped = true;
                Some(Answer::Success)
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::sync::Arc;
    use alloc::vec;
    use std::sync::Mutex;

    use vigil_base::world::Moment;
    use vigil_base::{Name, Vcid};

    use super::*;
    use crate::Statement;
    use crate::attestations::SshKeyEntry;
    use crate::feed::Batch;
    use crate::formats::sshsig_message;
    use crate::names::{AttName, NameEntry};
    use crate::seal::{Costs, Holder};
    use crate::testing::Repeating;

    /// Memory as it is: whether it is swapped matters to nobody here.
    struct Memory(Option<SecretKey>);

    impl Vault for Memory {
        fn keep(&mut self, key: &SecretKey) {
            self.0 = Some(SecretKey::from_seed(&key.seed()));
        }

        fn key(&self) -> Option<SecretKey> {
            self.0.as_ref().map(|key| SecretKey::from_seed(&key.seed()))
        }

        fn wipe(&mut self) {
            self.0 = None;
        }
    }

    fn agent() -> Agent<Memory> {
        let key = SecretKey::from_seed(&[1; 32]);
        let header = SealedHeader {
            holder: Holder::Machine,
            name: Name::new("laptop").expect("a name"),
            public: key.public().bytes(),
            at: Moment(0),
            costs: Costs::LEAST,
        };
        let identity = AgentIdentity { name: "laptop".into(), certificate: None };
        Agent::new(Memory(None), identity, &key, header, vec![1])
    }

    /// A feed in memory, or one that has no room.
    struct Written {
        entries: Arc<Mutex<Vec<AttestationEntry>>>,
        is_full: bool,
    }

    impl OwnFeed for Written {
        fn attest(&mut self, _: &SecretKey, entry: &AttestationEntry) -> Result<Place, String> {
            if self.is_full {
                return Err("the disk is full".into());
            }
            let mut entries = self.entries.lock().expect("nobody panicked");
            entries.push(entry.clone());
            let position = entries.len() as u64 - 1;
            Ok(Place { incarnation: Incarnation([4; 16]), position })
        }
    }

    fn ask(agent: &mut Agent<Memory>, entry: &[u8]) -> Answer {
        let mut data = Vec::new();
        put_string(&mut data, entry);
        let request = Request::Extension { name: EXTENSION_ATTEST, data: &data };
        agent.answer(&request.encode(), &Repeating::new(1))
    }

    fn place(answer: Answer) -> Result<Place, String> {
        let Answer::Extension { data, .. } = answer else { panic!("no answer: {answer:?}") };
        Place::parse(&data).expect("a place, or why there is none")
    }

    #[test]
    fn it_writes_what_it_reads_as_an_attestation_and_nothing_else() {
        let entries: Arc<Mutex<Vec<AttestationEntry>>> = Arc::default();
        let feed = |is_full| Box::new(Written { entries: entries.clone(), is_full });
        let mut agent = agent().writing_to(feed(false));
        let entry = AttestationEntry::new(Vcid::of(b"e"), "a:b", [Vcid::of(b"s")]).expect("fits");
        let good = entry.encode();
        // Every other record, every altered one that is none any more, and what follows one.
        let name = AttName::parse("att://ada.example/x@1").expect("a name");
        let name = NameEntry { name, target: None, replaces: vec![] }.encode();
        let statement = Statement::sign(&SecretKey::from_seed(&[1; 32]), Moment(0), name.clone());
        let ssh_key = SshKeyEntry::sign(&SecretKey::from_seed(&[1; 32])).encode();
        let batch = Batch::sign(
            &SecretKey::from_seed(&[1; 32]),
            Incarnation([4; 16]),
            None,
            Moment(0),
            &[&good],
        );
        for other in [name, statement.encode(), ssh_key, batch.encode(), Vec::new()] {
            assert_eq!(ask(&mut agent, &other), Answer::ExtensionFailure);
        }
        for bit in 0..good.len() * 8 {
            let mut altered = good.clone();
            altered[bit / 8] ^= 1 << (bit % 8);
            if AttestationEntry::decode(&altered).is_err() {
                assert_eq!(ask(&mut agent, &altered), Answer::ExtensionFailure, "bit {bit}");
            }
        }
        let longer = [&good[..], &[0]].concat();
        assert_eq!(ask(&mut agent, &longer), Answer::ExtensionFailure);
        let mut data = Vec::new();
        put_string(&mut data, &good);
        data.push(0);
        let request = Request::Extension { name: EXTENSION_ATTEST, data: &data };
        let answer = agent.answer(&request.encode(), &Repeating::new(1));
        assert_eq!(answer, Answer::ExtensionFailure);
        assert!(entries.lock().expect("nobody panicked").is_empty());
        assert_eq!(agent.status().signatures, 0);

        let want = Place { incarnation: Incarnation([4; 16]), position: 0 };
        assert_eq!(place(ask(&mut agent, &good)), Ok(want));
        assert_eq!(*entries.lock().expect("nobody panicked"), [entry]);
        assert_eq!(agent.status().signatures, 1);
        let mut agent = agent.writing_to(feed(true));
        assert_eq!(place(ask(&mut agent, &good)), Err("the disk is full".into()));
        // Locked, and without a feed, it writes nothing.
        let forget = Request::Extension { name: EXTENSION_FORGET, data: &[] };
        assert_eq!(agent.answer(&forget.encode(), &Repeating::new(1)), Answer::Success);
        assert_eq!(ask(&mut agent, &good), Answer::ExtensionFailure);
        assert_eq!(ask(&mut self::agent(), &good), Answer::ExtensionFailure);
    }

    #[test]
    fn it_says_for_no_client_whose_its_ssh_key_is() {
        // With this a stolen machine could claim this one's key, and have it listed as revoked with its own.
        let mut agent = agent();
        let key = SecretKey::from_seed(&[1; 32]).subkey(Purpose::Ssh).public();
        let random = Repeating::new(1);
        for (namespace, is_signed) in [("git", true), (NAMESPACE_MACHINE, false)] {
            let data = sshsig_message(namespace, &[7; 32]);
            let request = Request::Sign { blob: &key_blob(&key), data: &data, flags: 0 };
            let answer = agent.answer(&request.encode(), &random);
            assert_eq!(matches!(answer, Answer::Signature(_)), is_signed, "{namespace}");
            let mut parts = Vec::new();
            put_string(&mut parts, Purpose::Ssh.as_str().as_bytes());
            put_string(&mut parts, &data);
            let request = Request::Extension { name: EXTENSION_SIGN, data: &parts };
            let answer = agent.answer(&request.encode(), &random);
            assert_eq!(matches!(answer, Answer::Extension { .. }), is_signed, "{namespace}");
        }
    }

    #[test]
    fn what_is_not_understood_to_its_end_changes_nothing() {
        let mut agent = agent();
        let random = Repeating::new(1);
        let mut ask = |name: &str, data: &[u8]| {
            let answer = agent.answer(&Request::Extension { name, data }.encode(), &random);
            (answer, agent.status(), agent.is_stopped())
        };
        let (_, before, _) = ask(EXTENSION_STATUS, &[]);
        let mut sign = Vec::new();
        put_string(&mut sign, Purpose::Minisign.as_str().as_bytes());
        put_string(&mut sign, b"bytes");
        sign.push(0);
        for (name, data) in
            [(EXTENSION_FORGET, &[0][..]), (EXTENSION_STOP, &[0]), (EXTENSION_SIGN, &sign)]
        {
            let wanted = (Answer::ExtensionFailure, before.clone(), false);
            assert_eq!(ask(name, data), wanted, "{name}");
        }
        sign.pop();
        assert!(matches!(ask(EXTENSION_SIGN, &sign).0, Answer::Extension { .. }));
        assert_eq!(ask(EXTENSION_FORGET, &[]).1.state, AgentState::Locked);
        assert!(ask(EXTENSION_STOP, &[]).2);
    }
}
