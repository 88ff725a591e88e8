//! Go's `golang.org/x/mod/sumdb/tlog` and `note`, the implementation that the specifications grew from:
//! it checks our logs and proofs, and we its. The program beside this file is built for each run.
//!
//! The compiler's place is in `VIGIL_INTEROP_GO`, which `cargo xtask interop` sets.

use std::convert::Infallible;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use vigil_trust::log::{
    CosignedAt, DiskTiles, Ed25519Kind, LeafIndex, LogReader, Monitor, NoteKey, Progress,
    SignedCheckpoint, TileId, TileNodes, Tiles, TlogProof, TreeHash, TreeSize, cosign, root,
};

use crate::sim::Sim;
use crate::transparency::world::{append, create, entry, log_keys, log_signer, signer};
use crate::world::write_files;

/// Where Debian's `golang-golang-x-mod-dev` puts its sources.
const GO_PATH: &str = "/usr/share/gocode";

struct Built {
    folder: tempfile::TempDir,
}

static BUILT: OnceLock<Option<Built>> = OnceLock::new();

/// Builds the program once. Without a compiler the test says that it was skipped, and fails where
/// nothing may be. The test, and not the library, looks at the environment here.
fn program() -> Option<PathBuf> {
    let built = BUILT.get_or_init(|| {
        let has_tlog = Path::new(GO_PATH).join("src/golang.org/x/mod/sumdb/tlog").is_dir();
        let compiler = std::env::var_os("VIGIL_INTEROP_GO").filter(|path| !path.is_empty());
        let compiler = compiler.filter(|_| has_tlog);
        if compiler.is_none() {
            let is_ci = std::env::var_os("CI").is_some_and(|value| value == "true");
            assert!(
                !is_ci,
                "Go or its x/mod is absent: Debian's golang-go golang-golang-x-mod-dev"
            );
            eprintln!(
                "skipped: Go (VIGIL_INTEROP_GO is not set, or golang-golang-x-mod-dev missing)"
            );
        }
        compiler.map(|compiler| {
            let folder = tempfile::tempdir().expect("a folder");
            let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/interop/tlog.go");
            let mut go = Command::new(compiler);
            go.args(["build", "-o"]).arg(folder.path().join("tlog")).arg(source);
            go.env("GOPATH", GO_PATH).env("GO111MODULE", "off").env("GOFLAGS", "");
            go.env("GOCACHE", folder.path().join("cache")).env("HOME", folder.path());
            let output = go.output().expect("Go starts");
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            Built { folder }
        })
    });
    built.as_ref().map(|built| built.folder.path().join("tlog"))
}

fn run(program: &Path, words: &[&str]) -> Result<String, String> {
    let output = Command::new(program).args(words).output().map_err(|error| error.to_string())?;
    match output.status.success() {
        true => Ok(String::from_utf8(output.stdout).expect("text")),
        false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
    }
}

/// The lines of an answer, each in words.
fn lines(answer: &str) -> Vec<Vec<&str>> {
    answer.lines().map(|line| line.split(' ').collect()).collect()
}

fn texts(hashes: &[TreeHash]) -> Vec<String> {
    hashes.iter().map(ToString::to_string).collect()
}

/// A log on a real disk.
#[derive(Clone)]
struct FolderTiles(PathBuf);

impl Tiles for FolderTiles {
    type Error = Infallible;

    fn tile(&mut self, id: TileId) -> Result<Option<Vec<u8>>, Infallible> {
        Ok(fs::read(self.0.join(id.path())).ok())
    }
}

/// A log of ours that grew in uneven batches, as files.
fn our_log(sizes: &[u64]) -> (Sim, tempfile::TempDir) {
    let sim = Sim::default();
    let mut log = create(sim.process());
    let mut known = 0;
    for size in sizes {
        append(&mut log, size - known).expect("a batch");
        known = *size;
    }
    log.flush().expect("a flush");
    let folder = tempfile::tempdir().expect("a folder");
    let paths = sim.paths().into_iter().filter(|path| !path.starts_with("state/"));
    write_files(
        folder.path(),
        paths.map(|path| (path.clone(), sim.content(&path).expect("a file"))),
    );
    (sim, folder)
}

fn shown(sim: &Sim) -> SignedCheckpoint {
    SignedCheckpoint::parse(&sim.content("checkpoint").expect("a file")).expect("a checkpoint")
}

#[test]
fn go_reads_our_checkpoint_tiles_and_entries_and_makes_the_same_proofs() {
    let Some(program) = program() else { return };
    let key = log_signer().key().to_string();
    for sizes in [&[1][..], &[255], &[3, 256], &[257], &[1, 300, 700], &[100, 65_536, 66_001]] {
        let (sim, folder) = our_log(sizes);
        let dir = folder.path().to_str().expect("text");
        let size = *sizes.last().expect("a size");
        let mut indexes = vec![0, size / 2, size - 1, 255.min(size - 1), 256.min(size - 1)];
        indexes.dedup();
        let words: Vec<String> = indexes.iter().map(u64::to_string).collect();
        let mut all = vec!["verify", dir, &key];
        all.extend(words.iter().map(String::as_str));
        let answer = run(&program, &all).expect("Go is content");
        let disk = sim.process();
        let mut reader = LogReader::new(DiskTiles(&*disk), shown(&sim));
        for (index, line) in indexes.iter().zip(lines(&answer)) {
            let (bytes, proof) = reader.entry(LeafIndex(*index)).expect("an entry");
            let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!((line[0], line[1]), (index.to_string().as_str(), hex.as_str()));
            assert_eq!(line[2..], texts(&proof.path));
        }
        let earlier: Vec<u64> = sizes.iter().copied().chain([1, size]).collect();
        let words: Vec<String> = earlier.iter().map(u64::to_string).collect();
        let mut all = vec!["growth", dir, &key];
        all.extend(words.iter().map(String::as_str));
        let answer = run(&program, &all).expect("Go is content");
        for (from, line) in earlier.iter().zip(lines(&answer)) {
            let proof = reader.prove_growth(TreeSize(*from)).expect("a proof");
            let mut nodes = TileNodes::new(DiskTiles(&*disk), TreeSize(size));
            let tree = root(&mut nodes, TreeSize(*from)).expect("a root");
            assert_eq!((line[0], line[1]), (from.to_string().as_str(), tree.to_string().as_str()));
            assert_eq!(line[2..], texts(&proof), "{from} to {size}");
        }
    }
}

#[test]
fn go_refuses_our_log_when_a_tile_or_the_checkpoint_was_changed() {
    let Some(program) = program() else { return };
    let key = log_signer().key().to_string();
    let (_, folder) = our_log(&[700]);
    let dir = folder.path().to_str().expect("text");
    assert!(run(&program, &["verify", dir, &key, "5"]).is_ok());
    for path in ["tile/0/000", "tile/1/000.p/2", "tile/entries/000", "checkpoint"] {
        let full = folder.path().join(path);
        let good = fs::read(&full).expect("a file");
        let mut bad = good.clone();
        bad[60] ^= 1;
        fs::write(&full, bad).expect("a file");
        assert!(run(&program, &["verify", dir, &key, "5"]).is_err(), "{path}");
        fs::write(&full, good).expect("a file");
    }
    let other = signer("log.example/other", Ed25519Kind::Log, 2).key().to_string();
    assert!(run(&program, &["verify", dir, &other, "5"]).is_err());
}

#[test]
fn go_checks_our_proof_files_and_cosignatures() {
    let Some(program) = program() else { return };
    let (sim, folder) = our_log(&[1_000]);
    let disk = sim.process();
    let witness = signer("witness.example/w1", Ed25519Kind::Witness, 30);
    let mut signed = shown(&sim);
    let at = CosignedAt::from_seconds(1_679_315_147).expect("a time");
    let line = cosign(&witness, signed.note().text(), at);
    signed.note_mut().add([line]);
    let (bytes, mut proof) =
        LogReader::new(DiskTiles(&*disk), signed).entry(LeafIndex(700)).expect("an entry");
    let place = |name: &str| folder.path().join(name).to_str().expect("text").to_owned();
    let (file, content, cosigned) = (place("x.tlog-proof"), place("entry"), place("cosigned"));
    fs::write(&content, bytes).expect("a file");
    fs::write(&cosigned, proof.checkpoint.to_string()).expect("a file");
    let key = log_signer().key().to_string();
    for extra in [None, Some(b"extra".to_vec())] {
        proof.extra = extra;
        fs::write(&file, proof.to_string()).expect("a file");
        let answer = run(&program, &["proof", &file, &key, &content]);
        assert_eq!(answer.as_deref(), Ok("ok 700 1000\n"));
    }
    fs::write(&content, entry(701)).expect("a file");
    assert!(run(&program, &["proof", &file, &key, &content]).is_err());
    let answer = run(&program, &["cosigned", &cosigned, &witness.key().to_string()]);
    assert_eq!(answer.as_deref(), Ok("1679315147\n"));
    let other = signer("witness.example/w1", Ed25519Kind::Witness, 31).key().to_string();
    assert!(run(&program, &["cosigned", &cosigned, &other]).is_err());
}

#[test]
fn we_read_the_logs_that_go_makes() {
    let Some(program) = program() else { return };
    // Its secret keys are ours too.
    let secret = log_signer().to_secret_text();
    let key = NoteKey::parse(&log_signer().key().to_string()).expect("a key");
    for sizes in [&["1"][..], &["255", "256"], &["257"], &["10", "300", "700"], &["66001"]] {
        let folder = tempfile::tempdir().expect("a folder");
        let dir = folder.path().to_str().expect("text");
        let mut words = vec!["make", dir, secret.as_str()];
        words.extend(sizes);
        run(&program, &words).expect("Go makes a log");
        let bytes = fs::read(folder.path().join("checkpoint")).expect("a file");
        let signed = SignedCheckpoint::parse(&bytes).expect("a checkpoint");
        assert_eq!(signed.note().is_signed_by(&key), Ok(true));
        assert_eq!(signed.to_string().as_bytes(), bytes);
        let tiles = FolderTiles(folder.path().to_owned());
        let mut monitor = Monitor::new(log_keys());
        let seen = monitor.look(&signed, tiles.clone(), |index, bytes| {
            assert_eq!(bytes, entry(index.0));
        });
        let to = signed.unverified().size;
        assert_eq!(seen.ok(), Some(Progress::Grown { from: TreeSize(0), to }));
        let mut reader = LogReader::new(tiles, signed);
        for index in [0, to.0 / 2, to.0 - 1] {
            let (bytes, proof) = reader.entry(LeafIndex(index)).expect("an entry");
            assert_eq!(bytes, entry(index));
            let file = proof.to_string();
            assert_eq!(TlogProof::parse(file.as_bytes()).as_ref(), Ok(&proof));
        }
    }
}
