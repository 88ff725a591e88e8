//! No secret gets out: not into what is printed, nor into a file in the clear, nor into a core dump.

use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;

use vigil_trust::{SecretKey, Words, seal};

use crate::bench::Bench;
use crate::identity::{PASSPHRASE, Talk, bench};

/// Calls `check` with each file below a folder.
pub fn each_file(folder: &Path, check: &mut dyn FnMut(&Path)) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() { each_file(&path, check) } else { check(&path) }
    }
}

/// What nobody may find: as text, and as bytes.
#[derive(Default)]
struct Secrets(Vec<Vec<u8>>);

impl Secrets {
    fn text(&mut self, text: &str) {
        self.0.push(text.into());
    }

    /// A key's seed, as bytes and as programs would write it.
    fn key(&mut self, key: &SecretKey) {
        let seed = key.seed();
        let hex: String = seed.iter().map(|byte| format!("{byte:02x}")).collect();
        self.0.push(hex.to_uppercase().into_bytes());
        self.0.push(hex.into_bytes());
        let list: Vec<String> = seed.iter().map(ToString::to_string).collect();
        self.0.push(list.join(", ").into_bytes());
        self.0.push(list.join(",").into_bytes());
        self.0.push(seed.to_vec());
    }

    /// 24 words, and the Person that they are.
    fn words(&mut self, text: &str) {
        let words: Vec<&str> = text.split_whitespace().collect();
        assert_eq!(words.len(), 24);
        // Fingerprints are of the same list, so three words in a row are what gives a secret away.
        words.windows(3).for_each(|three| self.text(&three.join(" ")));
        self.key(&Words::parse(text).expect("words").person());
    }

    fn machine(&mut self, sealed: &Path) {
        let sealed = std::fs::read(sealed).expect("a sealed key");
        let (_, key) = seal::open(&sealed, PASSPHRASE.as_bytes()).expect("it opens");
        self.key(&key);
        for purpose in vigil_trust::Purpose::ALL {
            self.0.push(key.subkey(purpose).seed().to_vec());
        }
    }

    fn find(&self, bytes: &[u8]) -> bool {
        self.0.iter().any(|secret| bytes.windows(secret.len()).any(|window| window == secret))
    }
}

/// Runs a line and keeps all that it printed.
struct Transcript<'a> {
    bench: &'a Bench,
    said: Vec<(String, String)>,
}

impl Transcript<'_> {
    #[track_caller]
    fn run(&mut self, line: &str, code: i32) {
        let ran = self.bench.run(line).expect(code);
        self.said.push((line.into(), format!("{}{}", ran.out, ran.talk)));
    }
}

#[test]
fn no_secret_is_printed_or_kept_in_the_clear_and_only_the_owner_reads_the_files() {
    let bench = bench();
    let mut all = Transcript { bench: &bench, said: Vec::new() };
    all.run("person new ada --words-file words --passphrase-file pass --memory 64MiB --json", 0);
    all.run("machine enroll bench --passphrase-file pass --memory 64MiB --json", 0);
    all.run("machine unlock --passphrase-file pass", 0);
    all.run("puddle create home --passphrase-file pass --json", 0);
    let grant = "puddle grant bench --subsystem files --verbs read --passphrase-file pass --json";
    all.run(grant, 0);
    all.run("puddle check bench --subsystem files --verb read --json", 0);
    all.run("puddle renew --passphrase-file pass", 0);
    all.run("puddle time --json", 0);
    all.run("puddle join --passphrase-file pass", 0);
    all.run("puddle show --json", 0);
    all.run("puddle verify --json", 0);
    all.run("puddle export -o bundle", 0);
    all.run("puddle import bundle --json", 0);
    all.run("person show --json", 0);
    all.run("machine show --json", 0);
    let recover = "--store other person recover ada --words-file words --passphrase-file pass";
    all.run(&format!("{recover} --memory 64MiB --json"), 0);
    let rotate = "person rotate --words-file words --passphrase-file pass --memory 64MiB";
    all.run(&format!("{rotate} --new-words-file new"), 0);
    // And where it fails.
    bench.write("wrong", "wrong horse battery\n");
    all.run("machine unlock --passphrase-file wrong", 1);
    all.run("person recover ada --words-file pass --words-only", 1);
    all.run("puddle revoke nobody --words-file words --passphrase-file pass", 1);
    all.run(&format!("{rotate} --new-words-file newer"), 1);
    let wrong = "--words-file new --person-passphrase-file wrong --passphrase-file pass";
    all.run(&format!("person rotate {wrong} --new-words-file newer"), 1);
    all.run("puddle check bench --subsystem files --verb write --json", 1);
    // The agent, and what it writes and signs; git is for attestations.
    bench.write("file", "bytes");
    all.run("add file --name file", 0);
    all.run("agent start --socket agent/agent.sock --passphrase-file pass", 0);
    let attest = "attest @file --predicate https://example.org/x --repository vouched";
    let with_git = bench.shell("git init -q vouched").code == Some(0);
    all.run(&format!("{attest} --socket agent/agent.sock --json"), if with_git { 0 } else { 3 });
    all.run("sign @file --as minisign --socket agent/agent.sock", 0);
    all.run("agent lock --socket agent/agent.sock", 0);
    all.run("agent unlock --socket agent/agent.sock --passphrase-file wrong", 1);
    all.run(&format!("{attest} --socket agent/agent.sock"), if with_git { 1 } else { 3 });
    all.run("agent stop --socket agent/agent.sock", 0);
    all.run("attest list --feeds --json", 0);
    all.run("attest signers", 0);
    all.run("agent certify --passphrase-file pass --words-file new", 0);
    all.run("agent certify --request --passphrase-file pass", 0);
    let enroll = "--store second machine enroll other --passphrase-file pass --memory 64MiB";
    all.run("--store second person recover ada --words-file new --words-only", 0);
    all.run(&format!("{enroll} --words-file words --json"), 1);
    all.run(&format!("{enroll} --words-file new --json"), 0);
    all.run("puddle revoke bench --words-file new --passphrase-file pass", 0);
    all.run("puddle krl -o revoked.krl --json", 0);
    let mut secrets = Secrets::default();
    secrets.text(PASSPHRASE);
    secrets.text("wrong horse battery");
    for file in ["words", "new"] {
        let path = bench.join(file);
        secrets.words(&std::fs::read_to_string(&path).expect("words"));
        let mode = std::fs::metadata(&path).expect("a file").permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }
    assert!(!bench.join("newer").exists());
    secrets.machine(&bench.join("store/trust/machine.sealed"));
    secrets.machine(&bench.join("second/trust/machine.sealed"));
    // What is looked for would be found.
    assert!(secrets.find(&std::fs::read(bench.join("new")).expect("words")));
    for (line, text) in &all.said {
        assert!(!secrets.find(text.as_bytes()), "{line}: {text}");
    }
    let trust = bench.join("store/trust");
    let mode = std::fs::metadata(&trust).expect("a folder").permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    let mut files = 0;
    each_file(&bench.join("store"), &mut |path| {
        let bytes = std::fs::read(path).expect("a file");
        assert!(!secrets.find(&bytes), "{}", path.display());
        if path.starts_with(&trust) {
            let mode = std::fs::metadata(path).expect("a file").permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{}", path.display());
            files += 1;
        }
    });
    assert!(files >= 6, "{files}");
    for file in ["bundle", "revoked.krl"] {
        assert!(!secrets.find(&std::fs::read(bench.join(file)).expect("a file")), "{file}");
    }
    for folder in ["vouched", "second"].into_iter().filter(|folder| bench.join(folder).exists()) {
        each_file(&bench.join(folder), &mut |path| {
            let bytes = std::fs::read(path).expect("a file");
            assert!(!secrets.find(&bytes), "{}", path.display());
        });
    }
    bench.shell("chmod go+r store/trust").expect(0);
    bench.run("person show").expect(1).says("others may read");
}

#[test]
fn what_holds_secrets_leaves_no_core_dump() {
    let bench = bench();
    bench.fine("machine enroll bench --passphrase-file pass --memory 64MiB");
    let mut talk = Talk::begin(&bench, "machine unlock");
    talk.until("passphrase of this machine: ");
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", talk.child.id()));
    let limits = limits.expect("the process runs");
    let core = limits.lines().find(|line| line.starts_with("Max core file size"));
    let parts: Vec<&str> = core.expect("such a limit").split_whitespace().collect();
    assert_eq!(parts[4..6], ["0", "0"]);
    talk.answer(PASSPHRASE);
    talk.end().expect(0);
    // Killed in the way in which programs leave a core, while it has what was typed.
    let mut talk = Talk::begin(&bench, "machine enroll second --store second");
    talk.until("passphrase of this machine: ");
    talk.answer(PASSPHRASE);
    talk.until("once more: ");
    bench.shell(&format!("kill -QUIT {}", talk.child.id())).expect(0);
    let status = talk.child.wait().expect("it ends");
    assert_eq!((status.signal(), status.core_dumped()), (Some(3), false));
}
