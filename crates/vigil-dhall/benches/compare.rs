//! Times the library on four shapes, beside the reference implementation where
//! `VIGIL_DHALL_REFERENCE` names that program, and prints the ratio.
//!
//! `cargo bench -p vigil-dhall`. Inputs are made here. The library's figure is the least wall time
//! of several runs in this process; the program's is its processor time, whole process.

#[path = "../tests/it/importer.rs"]
mod importer;

use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use importer::TestImporter;
use vigil_dhall::{Limits, Root, Session, parse_bytes};

/// Resolves, checks and hashes a file.
fn hash(folder: &Path, file: &str) -> String {
    let limits = Limits::default();
    let bytes = std::fs::read(folder.join(file)).expect("readable");
    let parsed = parse_bytes(&bytes, &limits).expect("parses");
    let importer = TestImporter { folder: folder.to_owned(), ..TestImporter::default() };
    let mut session = Session::new(&importer, &limits);
    let resolved = session.resolve(&parsed.expr, &Root::anonymous()).expect("resolves");
    resolved.check().expect("checks").hash().expect("within limits").to_string()
}

fn least(runs: usize, mut run: impl FnMut()) -> Duration {
    (0..runs)
        .map(|_| {
            let start = Instant::now();
            run();
            start.elapsed()
        })
        .min()
        .unwrap_or_default()
}

/// Returns the processor time of finished child processes, by the kernel's clock of 100 Hz.
fn children_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat
        .rsplit_once(')')
        .map(|(_, rest)| rest.split_whitespace().collect())
        .unwrap_or_default();
    let ticks = |at: usize| fields.get(at).and_then(|t| t.parse::<u64>().ok()).unwrap_or(0);
    Duration::from_millis(10 * (ticks(13) + ticks(14)))
}

fn reference(program: &str, folder: &Path, file: &str, cache: &Path) -> (Duration, String) {
    let before = children_time();
    let output = Command::new(program)
        .args(["hash", "--file", file])
        .current_dir(folder)
        .env("XDG_CACHE_HOME", cache)
        .stderr(Stdio::inherit())
        .output()
        .expect("the program runs");
    let hash = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    (children_time().saturating_sub(before), hash)
}

/// Two hundred and sixty files that import one another, each with a polymorphic function, an
/// annotation and an assertion, as the Prelude has them.
fn package(folder: &Path) {
    let mut package = String::from("{ ");
    for at in 0..260_usize {
        let imports: String =
            (1..=3).filter(|back| at >= back * 7).fold(String::new(), |mut text, back| {
                writeln!(text, "let import{back} = ./f{}.dhall", at - back * 7).expect("grows");
                text
            });
        let call = if at >= 7 { "import1 a (f x) xs" } else { "xs" };
        let text = format!(
            "{{- The function number {at}, with some words about what it is good for. -}}\n{imports}
let map
    : forall (a : Type) -> forall (x : a) -> List a -> List a
    = \\(a : Type) -> \\(x : a) -> \\(xs : List a) ->
        let f = \\(x : a) -> x
        in  List/build a (\\(list : Type) -> \\(cons : a -> list -> list) -> \\(nil : list) ->
              cons x (List/fold a ({call}) list cons nil))
let example = assert : List/length Natural (map Natural {at} [ 1, 2 ]) === {}
in  map\n",
            3 + at / 7
        );
        std::fs::write(folder.join(format!("f{at}.dhall")), text).expect("writable");
        let comma = if at > 0 { ", " } else { "" };
        write!(package, "{comma}f{at} = ./f{at}.dhall").expect("grows");
    }
    std::fs::write(folder.join("package.dhall"), package + " }").expect("writable");
}

/// A list of five thousand targets, as a build file has them.
fn targets(folder: &Path) {
    let mut text = String::from(
        "let Target = { name : Text, deps : List Text }\nlet t = \\(name : Text) -> \\(deps : List Text) -> { name, deps }\nin  [ ",
    );
    for at in 0..5_000 {
        let comma = if at > 0 { "\n, " } else { "" };
        write!(text, "{comma}t \"t{at}\" [ \"t{}\" ]", at / 2).expect("grows");
    }
    std::fs::write(folder.join("targets.dhall"), text + " ] : List Target").expect("writable");
}

/// A value whose normal form is twice as large with every line.
fn doubling(folder: &Path, name: &str, lines: usize, body: &str) {
    let mut text = String::from("let x0 = { name = \"a leaf of the tree\", size = 1 }\n");
    for at in 1..=lines {
        writeln!(text, "let x{at} = {{ left = x{0}, right = x{0} }}", at - 1).expect("grows");
    }
    std::fs::write(folder.join(name), format!("{text}in  {body}\n")).expect("writable");
}

fn main() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path();
    package(path);
    targets(path);
    doubling(path, "shared.dhall", 16, "x16");
    let lefts = ".left".repeat(200);
    doubling(path, "picked.dhall", 200, &format!("x200{lefts}.size"));
    #[expect(clippy::disallowed_methods, reason = "a benchmark resolves its own environment")]
    let program = std::env::var("VIGIL_DHALL_REFERENCE").ok();
    if program.is_none() {
        println!("VIGIL_DHALL_REFERENCE is not set: no comparison");
    }
    let shapes = [
        ("package.dhall", "260 files", true),
        ("targets.dhall", "5000 targets", true),
        ("shared.dhall", "65536 leaves, shared", true),
        // The program writes types out in full and does not finish on this one.
        ("picked.dhall", "one leaf of 2^200", false),
    ];
    for (file, what, comparable) in shapes {
        let ours = least(5, || drop(hash(path, file)));
        print!("{what:<24} {:>9.1} ms", ours.as_secs_f64() * 1e3);
        if let (Some(program), true) = (&program, comparable) {
            let (theirs, theirs_hash) = reference(program, path, file, &path.join("cache"));
            assert_eq!(theirs_hash, hash(path, file), "{file}: the hashes differ");
            let ratio = theirs.as_secs_f64() / ours.as_secs_f64();
            print!("   reference {:>7.0} ms   ratio {ratio:.1}", theirs.as_secs_f64() * 1e3);
        }
        println!();
    }
}
