//! Writes down what the answers follow from, so that their version changes whenever their code does: the
//! sources of this crate, and the lock file with all that is linked.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let here = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default());
    let mut list = String::new();
    for (path, name) in [("src", "src"), ("Cargo.toml", "Cargo.toml"), ("../../Cargo.lock", "lock")]
    {
        let path = here.join(path);
        println!("cargo::rerun-if-changed={}", path.display());
        gather(&path, name, &mut list)?;
    }
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default());
    fs::write(out.join("sources.txt"), list)
}

/// Lists every file at or below a path: its name, its length and its bytes.
fn gather(path: &Path, name: &str, list: &mut String) -> io::Result<()> {
    if path.is_dir() {
        let entries = fs::read_dir(path)?.map(|entry| entry.map(|entry| entry.path()));
        let mut entries: Vec<PathBuf> = entries.collect::<Result<_, _>>()?;
        entries.sort();
        for entry in entries {
            let last = entry.file_name().unwrap_or_default().to_string_lossy().into_owned();
            gather(&entry, &format!("{name}/{last}"), list)?;
        }
        return Ok(());
    }
    let text = fs::read_to_string(path)?;
    let _ = writeln!(list, "{name} {}\n{text}", text.len());
    Ok(())
}
