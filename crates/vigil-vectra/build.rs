//! A release build carries the machine: kernel and boot archive are built now, by a nested cargo run
//! that names its target, so that their flags reach no build script. Any other build stays quick and
//! only remembers with what it could build them when they are asked for.

use std::error::Error;
use std::path::{Path, PathBuf};

use vectra_image::{SOURCES, Tools, build};

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rustc-check-cfg=cfg(carries_machine, hosts_tasks)");
    println!("cargo::rerun-if-changed=build.rs");
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../vectra");
    let tools = Tools::from_environment();
    let is = |name: &str, value: &str| std::env::var_os(name).is_some_and(|found| found == value);
    // The Tasks' own processor and, for the supervisor, the system whose calls it speaks.
    let is_home = is("CARGO_CFG_TARGET_OS", "linux") && is("CARGO_CFG_TARGET_ARCH", "x86_64");
    if is_home {
        println!("cargo::rustc-cfg=hosts_tasks");
    }
    if is_home && is("PROFILE", "release") {
        for source in SOURCES.iter().copied().chain(["Cargo.toml", "Cargo.lock"]) {
            println!("cargo::rerun-if-changed={}", root.join(source).display());
        }
        let image = build(&root, &tools)?;
        println!("cargo::rustc-cfg=carries_machine");
        println!("cargo::rustc-env=VECTRA_KERNEL={}", image.kernel.display());
        println!("cargo::rustc-env=VECTRA_ARCHIVE={}", image.archive.display());
    } else {
        let shown = |path: Option<PathBuf>| path.unwrap_or_default().display().to_string();
        println!("cargo::rustc-env=VECTRA_CARGO={}", tools.cargo.display());
        println!("cargo::rustc-env=VECTRA_RUSTC={}", shown(tools.rustc));
        println!("cargo::rustc-env=VECTRA_CARGO_HOME={}", shown(tools.home));
    }
    Ok(())
}
