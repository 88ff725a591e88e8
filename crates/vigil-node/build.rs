//! Writes down what the endpoints follow from, so that their version changes whenever their code does:
//! the sources of this crate and of those below it, and the lock file with all that is linked.

#[path = "src/sources.rs"]
mod sources;

use std::path::PathBuf;
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let here = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default());
    let mut paths = vec![(here.join("../../Cargo.lock"), "Cargo.lock".to_owned())];
    for part in ["vigil-node", "vigil-kernel", "vigil-base", "vigil-store", "vigil-files"] {
        for name in ["src", "Cargo.toml"] {
            paths.push((here.join("..").join(part).join(name), format!("{part}/{name}")));
        }
    }
    for (path, _) in &paths {
        println!("cargo::rerun-if-changed={}", path.display());
    }
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default());
    fs::write(out.join("sources.txt"), sources::list(&paths)?)
}
