//! `vigil log` on a real disk: many processes at once, and `kill -9` at any moment.

use std::collections::BTreeSet;
use std::process::Stdio;
use std::time::Duration;

use vigil_trust::log::{
    Checkpoint, CosignedAt, Ed25519Kind, FraudProof, KeyName, NoteSigner, Origin, TreeHash,
    TreeSize, cosign,
};

use crate::bench::Bench;
use crate::kill::run_for;

fn bench() -> Bench {
    let bench = Bench::new();
    bench.shell("vigil log init mylog --origin example.com/log > mylog.vkey").expect(0);
    bench
}

/// Has a monitor that knows nothing read all of the log; returns how many entries there are.
#[track_caller]
fn read_all(bench: &Bench) -> u64 {
    let line =
        "rm -f seen; vigil log monitor mylog --state seen --log-key \"$(cat mylog.vkey)\" --json";
    let report = bench.shell(line).expect(0).out;
    let report: serde_json::Value = serde_json::from_str(&report).expect("JSON");
    report["to"].as_u64().expect("a size")
}

/// The texts of all entries, each with its index in front.
fn entries(bench: &Bench, size: u64) -> Vec<String> {
    let mut found = Vec::new();
    for index in (0..size).step_by(256) {
        let paths = ["", &format!(".p/{}", size % 256)];
        let number = format!("mylog/tile/entries/{:03}", index / 256);
        let path = paths.map(|end| bench.join(format!("{number}{end}")));
        let path = path.iter().find(|path| path.exists()).expect("a bundle");
        let bytes = std::fs::read(path).expect("a bundle");
        let mut rest = bytes.as_slice();
        while let Some((len, after)) = rest.split_first_chunk::<2>() {
            let (entry, after) = after.split_at(u16::from_be_bytes(*len).into());
            found.push(String::from_utf8(entry.to_vec()).expect("text"));
            rest = after;
        }
    }
    found
}

#[test]
fn many_processes_append_to_one_log() {
    let bench = bench();
    let mut children = Vec::new();
    for process in 0..4 {
        let files: Vec<String> = (0..5).map(|part| format!("in-{process}-{part}")).collect();
        for file in &files {
            let lines: String = (0..30).map(|line| format!("{file} {line}\n")).collect();
            bench.write(file, lines);
        }
        let mut words = vec!["log", "append", "mylog", "--lines"];
        words.extend(files.iter().map(String::as_str));
        let mut command = bench.vigil(&words);
        children.push(command.stdout(Stdio::piped()).spawn().expect("the program"));
    }
    for child in children {
        let output = child.wait_with_output().expect("its output");
        assert!(output.status.success());
        assert_eq!(output.stdout.split(|byte| *byte == b'\n').count(), 6);
    }
    assert_eq!(read_all(&bench), 600);
    let all = entries(&bench, 600);
    assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), 600);
    // Each batch is in one piece.
    for batch in all.chunks(30) {
        let file = batch[0].split(' ').next().expect("a word");
        assert!(batch.iter().enumerate().all(|(at, line)| *line == format!("{file} {at}")));
    }
}

#[test]
fn what_was_printed_survives_kill_9_and_the_log_stays_one() {
    let bench = bench();
    let (mut printed, mut killed, mut known) = (Vec::new(), 0, 0);
    for round in 0..24 {
        let files: Vec<String> = (0..60).map(|part| format!("in-{part}")).collect();
        for file in &files {
            bench.write(file, format!("{round} {file}"));
        }
        let mut words = vec!["log", "append", "mylog"];
        words.extend(files.iter().map(String::as_str));
        let mut command = bench.vigil(&words);
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let ran = run_for(child.expect("the program"), Duration::from_millis(2 + 5 * round));
        killed += u64::from(ran.code.is_none());
        let whole = ran.out.rfind('\n').map_or("", |end| &ran.out[..end]);
        for (file, index) in files.iter().zip(whole.lines()) {
            printed.push((index.parse::<u64>().expect("an index"), format!("{round} {file}")));
        }
        // A monitor that goes on from the round before notices any other history.
        let line = "vigil log monitor mylog --state since --log-key \"$(cat mylog.vkey)\" --json";
        bench.shell(line).expect(0);
    }
    assert!(killed > 0, "no run was killed in time");
    bench.write("last", "last");
    bench.fine("log append mylog last");
    let size = read_all(&bench);
    let all = entries(&bench, size);
    for (index, text) in printed {
        assert_eq!(all[index as usize], text);
        known += 1;
    }
    assert!(known > 0, "nothing was printed in time");
}

#[test]
fn a_key_is_its_owner_s_and_a_log_is_not_started_twice() {
    use std::os::unix::fs::PermissionsExt as _;
    let bench = bench();
    let mode = std::fs::metadata(bench.join("mylog.key")).expect("a key").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    bench.run("log init mylog --origin example.com/log").expect(1).says("there is a log in");
    bench
        .run("log init mylog --origin example.com/other")
        .expect(1)
        .says("its name is example.com/log");
    bench.run("log append nowhere mylog.vkey").expect(1).says("nowhere.key");
    bench.run("log append nowhere mylog.vkey --key mylog.key").expect(1).says("there is no log in");
    bench.run("log prove mylog --index 0").expect(1).says("the log has no entry 0");
    bench.run("log prove mylog").expect(2);
    bench.write("long", vec![0; 70_000]);
    bench.run("log append mylog long").expect(1).says("log its hash instead");
    bench.shell("vigil log witness w --name 'a b'").expect(1).says("cannot name a key");
    bench.shell("vigil log witness w").expect(1).says("--name NAME");
    let secret = std::fs::read_to_string(bench.join("mylog.key")).expect("a key");
    bench.write("other.key", secret.replacen("example", "exemple", 1));
    let refused = bench.run("log append mylog long --key other.key").expect(1);
    assert!(!refused.talk.contains(secret.trim().rsplit('+').next().expect("a part")));
}

#[test]
fn a_witness_that_contradicts_itself_is_caught_by_whoever_has_its_key() {
    let bench = Bench::new();
    let signer = |name: &str, kind, seed| {
        NoteSigner::from_seed(KeyName::new(name).expect("a name"), kind, &[seed; 32])
    };
    let log = signer("example.com/log", Ed25519Kind::Log, 1);
    let witness = signer("w.example", Ed25519Kind::Witness, 2);
    let view = |root: u8, seconds| {
        let origin = Origin::new("example.com/log").expect("an origin");
        let root = TreeHash([root; 32]);
        let checkpoint = Checkpoint { origin, size: TreeSize(5), root, extensions: Vec::new() };
        let mut signed = checkpoint.sign(&[&log]).expect("a checkpoint");
        let at = CosignedAt::from_seconds(seconds).expect("a time");
        let line = cosign(&witness, signed.note().text(), at);
        signed.note_mut().add([line]);
        signed
    };
    let fraud = FraudProof::of_witness(witness.key(), [&view(3, 10), &view(4, 20)]);
    bench.write("fraud", fraud.expect("a proof").encode());
    let of_log = signer("example.com/log", Ed25519Kind::Log, 9);
    let policy = |witness: &NoteSigner| {
        let (log, witness) = (of_log.key(), witness.key());
        format!("log {log}\nwitness one {witness}\nquorum one\n")
    };
    bench.write("policy", policy(&witness));
    let shown = bench.fine("log verify fraud --policy policy");
    assert!(shown.starts_with("w.example is caught"), "{shown}");
    bench.write("policy", policy(&signer("w.example", Ed25519Kind::Witness, 8)));
    bench.run("log verify fraud --policy policy").expect(1).says("did not sign both sides");
}
