//! Policies: who counts, and who does not.

use vigil_trust::log::{
    CosignedAt, Ed25519Kind, LeafIndex, LogPolicy, LogReader, NoteSigner, PolicyRefusal, Sight,
    SignedCheckpoint, TreeHash, TreeSize, cosign,
};

use super::world::{MemoryLog, chain, entry, log_signer, sign, signer};

fn witnesses() -> Vec<NoteSigner> {
    (1..=6).map(|n| signer(&format!("w{n}.example"), Ed25519Kind::Witness, 10 + n)).collect()
}

/// The example of the specification: two of X1 to X3, and any of Y1 to Y3.
fn example() -> String {
    let w = witnesses();
    let key = |n: usize| w[n].key().to_string();
    format!(
        "# an example\n log {}\thttps://log.example/\n\n\
         witness X1 {}\nwitness X2 {}\nwitness X3 {} https://x3.example/\n\
         group X-witnesses 2 X1 X2 X3\n\
         witness Y1 {}\nwitness Y2 {}\nwitness Y3 {}\n\
         group Y-witnesses any Y1 Y2 Y3\n\
         group X-and-Y all X-witnesses Y-witnesses\nquorum X-and-Y\n",
        log_signer().key(),
        key(0),
        key(1),
        key(2),
        key(3),
        key(4),
        key(5),
    )
}

fn policy(text: &str) -> LogPolicy {
    LogPolicy::parse(text.as_bytes()).unwrap_or_else(|error| panic!("{}", chain(&error)))
}

fn cosigned(by: &[usize], at: u64) -> SignedCheckpoint {
    let mut signed = sign(TreeSize(3), TreeHash([3; 32]));
    let (w, at) = (witnesses(), CosignedAt::from_seconds(at).expect("a time"));
    let text = signed.note().text().to_owned();
    signed.note_mut().add(by.iter().map(|n| cosign(&w[*n], &text, at)));
    signed
}

#[test]
fn a_quorum_of_groups_is_what_it_says() {
    let policy = policy(&example());
    // All 64 subsets of the six witnesses.
    for set in 0..64u32 {
        let by: Vec<usize> = (0..6).filter(|n| set >> n & 1 == 1).collect();
        let want = (set & 7).count_ones() >= 2 && set >> 3 != 0;
        let signed = cosigned(&by, 100);
        assert_eq!(policy.verify(&signed, |_| true).is_ok(), want, "{by:?}");
    }
}

#[test]
fn old_cosignatures_do_not_count() {
    let policy = policy(&example());
    let signed = cosigned(&[0, 1, 4], 100);
    let at = |seconds| CosignedAt::from_seconds(seconds).expect("a time");
    assert!(policy.verify(&signed, |time| time >= at(100)).is_ok());
    let Err(PolicyRefusal::Quorum { sights, .. }) = policy.verify(&signed, |time| time > at(100))
    else {
        panic!("the witnesses saw it too long ago");
    };
    assert_eq!(sights[0], ("X1".to_owned(), Sight::TooOld(at(100))));
    assert_eq!(sights[2], ("X3".to_owned(), Sight::Absent));
    let error = policy.verify(&signed, |_| false).expect_err("too old");
    let text = error.to_string();
    assert!(text.starts_with("the quorum `X-and-Y` is not met: 0 of 6 witnesses"), "{text}");
}

#[test]
fn a_forged_cosignature_spoils_the_checkpoint() {
    let policy = policy(&example());
    let mut signed = cosigned(&[0, 1, 2, 3], 100);
    let other = sign(TreeSize(4), TreeHash([4; 32]));
    let at = CosignedAt::from_seconds(100).expect("a time");
    signed.note_mut().add([cosign(&witnesses()[5], other.note().text(), at)]);
    let refused = policy.verify(&signed, |_| true);
    assert!(matches!(refused, Err(PolicyRefusal::Forged(_))), "{refused:?}");
}

#[test]
fn other_logs_and_other_keys_are_refused() {
    let stranger = signer("other.example", Ed25519Kind::Log, 1);
    let text = example().replace(&log_signer().key().to_string(), &stranger.key().to_string());
    let refused = policy(&text).verify(&cosigned(&[0, 1, 3], 1), |_| true).map(|_| ());
    assert!(matches!(refused, Err(PolicyRefusal::UnknownLog { .. })), "{refused:?}");
    let same_name = signer(super::world::ORIGIN, Ed25519Kind::Log, 77);
    let text = example().replace(&log_signer().key().to_string(), &same_name.key().to_string());
    let refused = policy(&text).verify(&cosigned(&[0, 1, 3], 1), |_| true).map(|_| ());
    assert!(matches!(refused, Err(PolicyRefusal::Log(_))), "{refused:?}");
}

#[test]
fn a_proof_holds_for_its_entry_alone() {
    let mut log = MemoryLog::of(1000);
    let signed = log.sign();
    let text = format!("log {}\nquorum none\n", log_signer().key());
    let policy = policy(&text);
    let (_, proof) = LogReader::new(log, signed).entry(LeafIndex(700)).expect("an entry");
    assert!(policy.verify_proof(&proof, TreeHash::of_leaf(&entry(700)), |_| true).is_ok());
    let refused = policy.verify_proof(&proof, TreeHash::of_leaf(&entry(701)), |_| true);
    assert!(matches!(refused, Err(PolicyRefusal::Proof(_))), "{refused:?}");
}

#[test]
fn policies_are_strict() {
    let w = witnesses();
    let (a, b) = (w[0].key().to_string(), w[1].key().to_string());
    let log = log_signer().key().to_string();
    let two = format!("witness a {a}\nwitness b {b}\n");
    for (text, want) in [
        (String::new(), "there is no quorum line"),
        ("quorum none\nquorum none\n".into(), "there is a quorum already"),
        ("quorum a\n".into(), "`a` is no witness"),
        ("what none\n".into(), "`what` means nothing"),
        ("quorum\n".into(), "`quorum NAME`"),
        (format!("witness a {a}\nwitness b {a}\nquorum a\n"), "this key is in the policy already"),
        (format!("witness a {a}\nwitness a {b}\nquorum a\n"), "`a` is taken"),
        (format!("witness none {a}\nquorum none\n"), "`none` is taken"),
        (format!("witness a {log}\nquorum a\n"), "type 0x01"),
        (format!("log {a}\nquorum none\n"), "is the key of a witness"),
        (format!("log {log}\nlog {log}\nquorum none\n"), "this key is in the policy already"),
        (format!("{two}group g 3 a b\nquorum g\n"), "the threshold"),
        (format!("{two}group g 0 a b\nquorum g\n"), "the threshold"),
        (format!("{two}group g 02 a b\nquorum g\n"), "the threshold"),
        (format!("{two}group g all\nquorum g\n"), "the threshold"),
        (format!("{two}group g any a a\nquorum g\n"), "`a` is a member of a group already"),
        (
            format!("{two}group g any a\ngroup h any a b\nquorum h\n"),
            "`a` is a member of a group already",
        ),
        (format!("{two}group g any none\nquorum g\n"), "`none` is no witness"),
        (format!("{two}group g any g\nquorum g\n"), "`g` is no witness"),
        ("quorum none\r\n".into(), "the only control characters"),
    ] {
        let error = LogPolicy::parse(text.as_bytes()).expect_err(&text);
        let message = chain(&error);
        assert!(message.contains(want), "{text}: {message}");
    }
}
