//! What a release build carries: kernel and boot archive, with which it boots and hosts where there is
//! neither source nor cargo.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

use vectra_image::{QEMU_MISSING, has_qemu};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

/// Builds the example as releases are built, in a target folder of its own. It neither optimises across
/// crates nor keeps line numbers: that takes minutes, and what is carried does not depend on it.
fn built() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("carried");
        let status = Command::new(env!("CARGO"))
            .current_dir(ROOT)
            .args(["build", "--release", "--locked", "--quiet", "--package", "vigil-vectra"])
            .args(["--example", "carried", "--target-dir"])
            .arg(&target)
            .env("CARGO_PROFILE_RELEASE_LTO", "off")
            .env("CARGO_PROFILE_RELEASE_DEBUG", "false")
            .stdin(Stdio::null())
            .status()
            .expect("cargo runs the tests, so it can be run");
        assert!(status.success(), "the release build failed; its words are above");
        target.join("release/examples/carried")
    })
}

/// Runs a copy of it elsewhere, with QEMU and nothing else to be found.
fn run(home: &str) -> Output {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let program = folder.path().join("carried");
    std::fs::copy(built(), &program).expect("the program can be copied");
    let path = folder.path().join("path");
    std::fs::create_dir(&path).expect("a folder can be made");
    if let Some(qemu) = find("qemu-system-x86_64") {
        std::os::unix::fs::symlink(qemu, path.join("qemu-system-x86_64")).expect("a link");
    }
    Command::new(program)
        .arg(home)
        .current_dir(&folder)
        .env_clear()
        .env("PATH", path)
        .stdin(Stdio::null())
        .output()
        .expect("the program can be started")
}

fn find(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.exists())
}

#[track_caller]
fn check(ran: &Output) {
    let (out, talk) = (String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    assert!(ran.status.success(), "{out}{talk}");
    assert!(out.contains("[initd] all is done"), "{out}{talk}");
    assert!(!talk.contains("building"), "it built what it should carry: {talk}");
}

fn contains(all: &[u8], part: &[u8]) -> bool {
    all.windows(part.len()).any(|window| window == part)
}

#[test]
fn a_release_build_carries_kernel_and_archive_and_no_way_to_the_source() {
    let program = std::fs::read(built()).expect("it has just been built");
    let target = Path::new(ROOT).join("vectra/target");
    for file in ["kernel/x86_64-unknown-linux-gnu/release/vectra-kernel", "vectra.archive"] {
        let part = std::fs::read(target.join(file)).expect("the build has left it there");
        assert!(part.len() > 10_000, "{file} is no machine");
        assert!(contains(&program, &part), "{file} is not in the program");
    }
    assert!(!contains(&program, env!("CARGO_MANIFEST_DIR").as_bytes()), "it names its source");
}

#[test]
fn a_release_build_hosts_without_source_and_cargo() {
    check(&run("hosted"));
}

#[test]
fn a_release_build_boots_without_source_and_cargo() {
    if !has_qemu() {
        let is_ci = std::env::var_os("CI").is_some_and(|value| value == "true");
        assert!(!is_ci, "{QEMU_MISSING}");
        eprintln!("NOT RUN: {QEMU_MISSING}");
        return;
    }
    check(&run("bare"));
}
