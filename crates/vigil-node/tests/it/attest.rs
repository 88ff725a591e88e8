//! Attestations without git: each link of the chain, broken in turn.

use vigil_base::Vcid;
use vigil_node::attest::{Attestation, Refusal, check};
use vigil_trust::formats::{
    AllowedSigners, Certificate, Envelope, ForeignSigner, InTotoStatement, Json,
    NAMESPACE_ATTESTATION, STATEMENT_MEDIA_TYPE, SshSigner, Subject, sign_envelope, sign_ssh,
};
use vigil_trust::{ForeignKey, PublicKey, Purpose, SecretKey, Signature, SubkeyCertificate};

use crate::agent::{certificate, machine, person, signers};

const NOW: u64 = 1_900_000_000;

/// A machine whose key is at hand.
struct Machine(SecretKey);

impl ForeignSigner for Machine {
    type Failure = std::convert::Infallible;

    fn foreign_public(&self, purpose: Purpose) -> Result<PublicKey, Self::Failure> {
        Ok(self.0.subkey(purpose).public())
    }

    fn certificate(&self, purpose: Purpose) -> Result<Option<SubkeyCertificate>, Self::Failure> {
        Ok(Some(self.0.certify_subkey(purpose)))
    }

    fn sign_foreign(&self, purpose: Purpose, bytes: &[u8]) -> Result<Signature, Self::Failure> {
        Ok(self.0.subkey(purpose).sign(bytes))
    }
}

fn statement() -> InTotoStatement {
    InTotoStatement {
        subjects: vec![Subject::sha256("message", &Vcid::of(b"message").to_hex())],
        predicate_type: "https://example.org/reviewed/v1".into(),
        predicate: Json::object([]),
    }
}

fn attestation() -> Attestation {
    let Ok(signed) = Attestation::sign(&Machine(machine()), &certificate(), &statement());
    signed
}

/// Signs an envelope as a file, whatever it is.
fn seal(envelope: &str, by: &ForeignKey, certificate: Certificate) -> String {
    let signer = SshSigner::Certified(Box::new(certificate));
    let signed = sign_ssh(by, signer, NAMESPACE_ATTESTATION, envelope.as_bytes());
    signed.expect("the right key").text()
}

#[track_caller]
fn refused(name: Vcid, envelope: &str, signature: &str, list: &[AllowedSigners]) -> String {
    let refusal = check(name, envelope.as_bytes(), signature, list, NOW).expect_err("refused");
    let source = std::error::Error::source(&refusal).map(|source| format!(": {source}"));
    format!("{refusal}{}", source.unwrap_or_default())
}

#[test]
fn the_whole_chain_holds_or_the_link_that_does_not_is_named() {
    let good = attestation();
    let list = [signers()];
    let checked = check(good.hash, good.envelope.as_bytes(), &good.signature, &list, NOW);
    assert_eq!(checked.expect("it holds").machine, machine().public().bytes());
    let ssh = machine().subkey(Purpose::Ssh);
    let why = |envelope: &str, signature: &str| refused(good.hash, envelope, signature, &list);

    let unsigned = "the signature beside it does not hold: the text is no SSH signature: \
                    `-----BEGIN SSH SIGNATURE-----`, base64 and `-----END SSH SIGNATURE-----` \
                    are expected";
    assert_eq!(why(&good.envelope, ""), unsigned);
    let altered = good.envelope.replacen('{', "{ ", 1);
    let wrong = "the signature beside it does not hold: the signature is not one of its key over \
                 this file";
    assert_eq!(why(&altered, &good.signature), wrong);

    let bare = sign_ssh(
        &ssh,
        SshSigner::Key(ssh.public()),
        NAMESPACE_ATTESTATION,
        good.envelope.as_bytes(),
    );
    let bare = bare.expect("the right key").text();
    assert_eq!(why(&good.envelope, &bare), "it is signed by a key for which nobody vouches");
    let commit = sign_ssh(
        &ssh,
        SshSigner::Certified(Box::new(certificate())),
        "git",
        good.envelope.as_bytes(),
    );
    let commit = commit.expect("the right key").text();
    assert_eq!(
        why(&good.envelope, &commit),
        "the signature beside it does not hold: the signature is for `git`, not for \
         `attestation@vigil`"
    );

    let mut longer = certificate();
    longer.body.valid_after += 1;
    let refusal = why(&good.envelope, &seal(&good.envelope, &ssh, longer));
    assert!(refusal.ends_with("the certificate's signature is not its authority's"), "{refusal}");

    let mut other = signers();
    other.namespaces = vec!["git".into()];
    let refusal = refused(good.hash, &good.envelope, &good.signature, &[other]);
    assert!(refusal.contains("not on the list of signers"), "{refusal}");
    let mut other = signers();
    other.pattern = "*@somebody.vigil".into();
    let refusal = refused(good.hash, &good.envelope, &good.signature, &[other]);
    assert!(refusal.contains("not on the list of signers"), "{refusal}");
    let refusal = refused(good.hash, &good.envelope, &good.signature, &[]);
    assert!(refusal.contains("not on the list of signers"), "{refusal}");
}

#[test]
fn an_envelope_of_another_machine_or_key_is_refused_even_if_the_file_is_signed() {
    let (good, list) = (attestation(), [signers()]);
    let ssh = machine().subkey(Purpose::Ssh);
    let resealed = |envelope: &Envelope| {
        let text = envelope.json();
        let signature = seal(&text, &ssh, certificate());
        refused(good.hash, &text, &signature, &list)
    };
    let envelope = Envelope::parse(good.envelope.as_bytes()).expect("an envelope");
    let mut bare = envelope.clone();
    bare.signatures[0].certificate = None;
    assert_eq!(resealed(&bare), "the envelope's key comes without a certificate");

    let payload = statement().json().into_bytes();
    let Ok(stranger) = sign_envelope(&Machine(person()), STATEMENT_MEDIA_TYPE, payload.clone());
    assert!(resealed(&stranger).starts_with("the envelope is signed by the machine"));

    let mut cut = envelope.clone();
    cut.signatures[0].certificate.as_mut().expect("there").pop();
    assert!(resealed(&cut).starts_with("the certificate of the envelope's key does not hold"));

    let mut other = envelope.clone();
    other.signatures[0].certificate = Some(machine().certify_subkey(Purpose::Signify).encode());
    assert!(resealed(&other).contains("certified for signify alone, not for dsse"));

    let mut altered = envelope;
    altered.payload.push(b' ');
    assert!(resealed(&altered).contains("signed neither this payload nor this type of it"));

    let Ok(text) = sign_envelope(&Machine(machine()), "text/plain", payload);
    assert!(resealed(&text).contains("the payload is of the type `text/plain`"));

    let name = Vcid::of(b"another");
    let refusal = refused(name, &good.envelope, &good.signature, &list);
    assert!(refusal.starts_with("the file is named sha256:"), "{refusal}");
    let Ok(none) =
        sign_envelope(&Machine(machine()), STATEMENT_MEDIA_TYPE, b"no statement".to_vec());
    let (text, name) = (none.json(), Vcid::of(none.json().as_bytes()));
    let refusal = refused(name, &text, &seal(&text, &ssh, certificate()), &list);
    assert!(refusal.starts_with("the envelope holds no statement"), "{refusal}");
}

#[test]
fn a_certificate_that_is_none_of_ours_names_no_machine() {
    let good = attestation();
    let ssh = machine().subkey(Purpose::Ssh);
    let mut body = certificate().body;
    body.key_id = "laptop".into();
    let authority = person().subkey(Purpose::Ssh);
    let certificate = vigil_trust::formats::sign_certificate(&authority, body).expect("sound");
    let signature = seal(&good.envelope, &ssh, certificate);
    let refusal = check(good.hash, good.envelope.as_bytes(), &signature, &[signers()], NOW)
        .expect_err("none");
    assert!(matches!(refusal, Refusal::NoMachine { .. }), "{refusal}");
}
