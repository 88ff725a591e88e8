//! What all tests of this program share: one build, and both homes.

use std::path::PathBuf;
use std::sync::OnceLock;

use vectra_xtask::{
    Hosted, Image, Qemu, Ran, hosted_program, image, initd_archive, qemu_is_missing,
};

/// Pages of the pool, equal in every home.
pub const FRAMES: u32 = 4096;

/// Returns the one image of this test program.
pub fn built() -> &'static Image {
    static IMAGE: OnceLock<Image> = OnceLock::new();
    IMAGE.get_or_init(|| image().expect("kernel and Tasks build"))
}

fn archive(home: &str, first: &str) -> PathBuf {
    initd_archive(built(), &format!("test-{home}-{first}"), first).expect("the archive is packed")
}

/// Runs a Task as the first on Linux.
pub fn hosted(first: &str, input: &str) -> Ran {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    let program = PROGRAM.get_or_init(|| hosted_program().expect("the supervisor builds")).clone();
    let machine = Hosted { program, archive: archive("hosted", first), frames: FRAMES };
    machine.run(input).unwrap_or_else(|error| panic!("{error}"))
}

/// Says whether QEMU is there; if not, how to get it. Under `CI=true` it has to be.
pub fn may_boot() -> bool {
    let Some(hint) = qemu_is_missing() else { return true };
    assert!(std::env::var("CI").as_deref() != Ok("true"), "{hint}");
    eprintln!("NOT RUN: {hint}");
    false
}

/// Runs a Task as the first on the bare machine, if that can be booted here.
pub fn bare(first: &str, input: &str, processors: u32) -> Option<Ran> {
    boot(first, input, processors, false)
}

/// The same on one processor whose instructions are counted, so that every run is equal.
pub fn bare_counted(first: &str) -> Option<Ran> {
    boot(first, "", 1, true)
}

fn boot(first: &str, input: &str, processors: u32, counted: bool) -> Option<Ran> {
    if !may_boot() {
        return None;
    }
    let machine = Qemu {
        kernel: built().kernel.clone(),
        archive: archive(&format!("bare{processors}"), first),
        processors,
        counted,
        words: format!("frames={FRAMES}"),
    };
    Some(machine.run(input).unwrap_or_else(|error| panic!("{error}")))
}

/// Runs a Task in both homes: bare with two processors.
pub fn everywhere(first: &str, input: &str) -> Vec<(&'static str, Ran)> {
    let mut ran = vec![("hosted", hosted(first, input))];
    ran.extend(bare(first, input, 2).map(|ran| ("bare", ran)));
    ran
}
