//! dhall-haskell 1.42, whose opinion of the same expressions must be ours.
//!
//! The program's place is in `VIGIL_INTEROP_DHALL`, which `cargo xtask interop` sets.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use vigil_dhall::{Limits, Root, Session, decode, encode, from_json, parse, parse_bytes, to_json};

use crate::importer::TestImporter;
use crate::laws::check;
use crate::shapes;
use crate::terms::generated;

/// Returns the program. Without it the test says that it was skipped, and fails where nothing may be.
/// The test, and not the library, looks at the environment here.
fn program() -> Option<PathBuf> {
    let path = std::env::var_os("VIGIL_INTEROP_DHALL").filter(|path| !path.is_empty());
    if path.is_none() {
        let is_ci = std::env::var_os("CI").is_some_and(|value| value == "true");
        assert!(!is_ci, "dhall-haskell is absent: `cargo xtask clients` brings it");
        eprintln!("skipped: dhall-haskell (VIGIL_INTEROP_DHALL is not set)");
    }
    path.map(PathBuf::from)
}

/// Runs the program on a text, in a folder with caches of its own, and returns what it prints.
fn run(program: &Path, folder: &Path, words: &[&str], input: &[u8]) -> Result<Vec<u8>, String> {
    let mut child = Command::new(program)
        .args(words)
        .current_dir(folder)
        .env("HOME", folder)
        .env("XDG_CACHE_HOME", folder.join("cache"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| error.to_string())?;
    let mut stdin = child.stdin.take().ok_or("no input")?;
    // A program that has seen enough closes its input.
    let _ = stdin.write_all(input);
    drop(stdin);
    let output = child.wait_with_output().map_err(|error| error.to_string())?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    Ok(output.stdout)
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).expect("it prints text").trim().to_owned()
}

#[test]
fn normal_forms_and_hashes_of_generated_terms_are_equal() {
    let Some(program) = program() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    for batch in 0..20 {
        let seeds = 1_000 + batch * 25..1_000 + (batch + 1) * 25;
        let mut record = String::from("{ ");
        for seed in seeds.clone() {
            let comma = if seed > seeds.start { ", " } else { "" };
            write!(record, "{comma}t{seed} = {}", generated(seed).0).expect("strings grow");
        }
        record.push_str(" }");
        let theirs = |words: &[&str]| {
            run(&program, folder.path(), words, record.as_bytes()).expect("well-typed there too")
        };
        let ours = check(&record).expect("well-typed");
        let hash = ours.hash().expect("within limits").to_string();
        assert_eq!(hash, text(theirs(&["hash"])), "batch {batch}");
        // Normal forms with their names, not only up to them.
        let normal = parse(&text(theirs(&["normalize"])), &Limits::default()).expect("parses").expr;
        let mine = ours.normalize().expect("within limits");
        assert_eq!(encode(&mine), encode(&normal), "batch {batch}\n{mine}\n{normal}");
        // Types, and the binary form of the source.
        let ty = parse(&text(theirs(&["type"])), &Limits::default()).expect("parses").expr;
        assert_eq!(encode(&ours.type_expr().expect("within limits")), encode(&ty));
        let source = parse(&record, &Limits::default()).expect("parses").expr;
        let bytes = theirs(&["encode"]);
        assert_eq!(encode(&source), bytes, "batch {batch}");
        assert_eq!(encode(&decode(&bytes, &Limits::default()).expect("decodes")), bytes);
    }
}

#[test]
fn what_we_call_wrong_is_wrong_there_too_and_said_in_less() {
    let Some(program) = program() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../corpus/dhall/errors");
    // In a copy, since the program leaves its caches where it runs.
    let copied = Command::new("cp").arg("-r").arg(corpus).arg(folder.path()).status();
    assert!(copied.expect("`cp` runs").success());
    let corpus = folder.path().join("errors");
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for entry in std::fs::read_dir(&corpus).expect("the corpus is readable") {
        let path = entry.expect("readable").path();
        if path.extension().is_none_or(|extension| extension != "dhall") {
            continue;
        }
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        // Their own errors, with every explanation that they offer.
        let words = ["--explain", "type", "--no-cache", "--file", &name];
        let explained = run(&program, &corpus, &words, b"").err();
        let explained = explained.unwrap_or_else(|| panic!("{name} is fine there"));
        assert!(!explained.contains("Usage:"), "{explained}");
        let golden = std::fs::read_to_string(path.with_extension("txt")).expect("a golden file");
        println!("{name}: {} lines, theirs {}", golden.lines().count(), explained.lines().count());
        ours.push(golden.lines().count());
        theirs.push(explained.lines().count());
    }
    ours.sort_unstable();
    theirs.sort_unstable();
    assert!(ours.len() >= 30 && ours[ours.len() / 2] * 3 < theirs[theirs.len() / 2]);
}

/// Hashes a file with everything that it imports.
fn hash(folder: &Path, file: &str) -> String {
    let limits = Limits::default();
    let bytes = std::fs::read(folder.join(file)).expect("readable");
    let parsed = parse_bytes(&bytes, &limits).expect("parses");
    let importer = TestImporter { folder: folder.to_owned(), ..TestImporter::default() };
    let mut session = Session::new(&importer, &limits);
    let resolved = session.resolve(&parsed.expr, &Root::anonymous()).expect("resolves");
    resolved.check().expect("checks").hash().expect("within limits").to_string()
}

#[test]
fn packages_have_one_hash() {
    let Some(program) = program() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path();
    let [components, render] = shapes::kubernetes(path, 5, 4);
    for file in [
        shapes::package(path, 40),
        shapes::targets(path, 200),
        components,
        render,
        shapes::customized(path, 10),
        shapes::overlays(path, 3),
        shapes::doubling(path, "shared.dhall", 8, "x8"),
    ] {
        let theirs = run(&program, path, &["hash", "--file", &file], b"");
        assert_eq!(hash(path, &file), text(theirs.expect("it hashes")), "{file}");
    }
}

#[test]
fn formatted_and_converted_texts_mean_the_same_there() {
    let Some(program) = program() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let source = "let T = < A | B : Natural > -- why\nin { t = T.B 1, l = [ T.A ], n = None Text, d = -1.5 }";
    let formatted = vigil_dhall::format(source, &Limits::default()).expect("formats");
    let theirs =
        |text: &str| run(&program, folder.path(), &["hash"], text.as_bytes()).expect("fine");
    assert_eq!(theirs(source), theirs(&formatted));
    let normal = check(source).expect("fine").normalize().expect("within limits");
    assert_eq!(theirs(source), theirs(&normal.to_string()));
    let data = "{ t = 1, l = [ \"a\" ], n = None Text }";
    let checked = check(data).expect("fine");
    let json = to_json(&checked.normalize().expect("within limits")).expect("data");
    let ty = checked.type_expr().expect("within limits");
    let back = from_json(&json, &ty).expect("fits");
    assert_eq!(theirs(data), theirs(&back.to_string()));
}
