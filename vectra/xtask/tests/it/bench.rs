//! What all tests of this program share: one build, and all homes.

use std::sync::OnceLock;

use vectra_image::{Image, QEMU_MISSING, Qemu, Tools, build, has_qemu};
use vectra_xtask::{Hosted, Ran, root, run_bare, run_hosted};

/// Pages of the pool, equal in every home.
pub const FRAMES: u32 = 4096;

/// Returns the one image of this test program.
pub fn built() -> &'static Image {
    static IMAGE: OnceLock<Image> = OnceLock::new();
    let image = || build(&root(), &Tools::from_environment()).expect("kernel and Tasks build");
    IMAGE.get_or_init(image)
}

/// Returns the boot archive.
pub fn archive() -> &'static [u8] {
    static BYTES: OnceLock<Vec<u8>> = OnceLock::new();
    BYTES.get_or_init(|| std::fs::read(&built().archive).expect("it has just been built"))
}

/// Runs a Task as the first on Linux.
pub fn hosted(how: Hosted, first: &str, input: &str) -> Ran {
    run_hosted(how, archive(), FRAMES, first, input).unwrap_or_else(|error| panic!("{error}"))
}

/// Says whether QEMU is there; if not, how to get it. Under `CI=true` it has to be.
pub fn may_boot() -> bool {
    if has_qemu() {
        return true;
    }
    assert!(std::env::var("CI").as_deref() != Ok("true"), "{QEMU_MISSING}");
    eprintln!("NOT RUN: {QEMU_MISSING}");
    false
}

/// Returns a bare machine with two processors.
pub fn machine(first: &str) -> Qemu {
    Qemu {
        kernel: built().kernel.clone(),
        archive: built().archive.clone(),
        processors: 2,
        memory_mib: 128,
        counted: false,
        words: format!("frames={FRAMES} first={first}"),
    }
}

/// Runs a bare machine, if one can be booted here.
pub fn boot(machine: &Qemu, input: &str) -> Option<Ran> {
    may_boot().then(|| run_bare(machine, input).unwrap_or_else(|error| panic!("{error}")))
}

/// Runs a Task as the first in every home: as processes, in this process, and bare.
pub fn everywhere(first: &str, input: &str) -> Vec<(&'static str, Ran)> {
    let mut ran = vec![
        ("processes", hosted(Hosted::Processes, first, input)),
        ("here", hosted(Hosted::Here, first, input)),
    ];
    ran.extend(boot(&machine(first), input).map(|ran| ("bare", ran)));
    ran
}
