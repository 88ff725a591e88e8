//! What the code of a crate follows from, as one hash: for build scripts.
//!
//! Answers of endpoints are kept under the version of the code that gave them, so that version has to
//! change whenever the code does. Counted are, of the crate and of all crates in this tree that it is
//! built on, every file but tests and benches; what the lock file says of those and of all else that is
//! linked; every manifest of the tree, since features that one crate turns on are on for all; and the
//! compiler and the target. It runs while others are built, and is linked into nothing.
//!
//! Invariant: names inside of the tree and bytes count; where the tree lies and when it was written do
//! not.

mod lock;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{fs, io};

use sha2::{Digest as _, Sha256};

use crate::lock::Locked;

/// The folder of the crates in a tree.
const CRATES: &str = "crates";

/// Folders of a crate that nothing but its tests is made of.
const APART: &[&str] = &["tests", "benches", "examples", "target"];

/// What a crate follows from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sources {
    /// The crates of this tree, the crate itself among them, by name.
    pub local: Vec<String>,
    /// What else is linked: name and version.
    pub foreign: Vec<(String, String)>,
    /// Every file that counts: its name inside of the tree, and where it lies.
    pub files: BTreeMap<String, PathBuf>,
    /// What the lock file says of each package.
    locked: String,
}

/// Tells cargo, from a build script which is given these variables, the hash of all that the crate follows from, as 64 hexadecimal digits in
/// the variable `VIGIL_SOURCES`, and which files to watch.
pub fn tell(variables: impl Fn(&str) -> Option<OsString>) -> io::Result<()> {
    let variable = |name: &str| {
        let value = variables(name).and_then(|value| value.into_string().ok());
        value.ok_or_else(|| wrong(format!("{name} is not set: this is for build scripts")))
    };
    let here = PathBuf::from(variable("CARGO_MANIFEST_DIR")?);
    let root = here.ancestors().find(|folder| folder.join("Cargo.lock").is_file());
    let root = root.ok_or_else(|| wrong("there is no Cargo.lock above the crate".to_owned()))?;
    let sources = Sources::of(root, &variable("CARGO_PKG_NAME")?)?;
    // Folders, so that a new file counts as well.
    for name in &sources.local {
        let folder = root.join(CRATES).join(name);
        for entry in entries(&folder)? {
            if !is_apart(&entry) {
                println!("cargo::rerun-if-changed={}", entry.display());
            }
        }
    }
    for (name, path) in &sources.files {
        if name.ends_with("Cargo.toml") {
            println!("cargo::rerun-if-changed={}", path.display());
        }
    }
    println!("cargo::rerun-if-changed={}", root.join("Cargo.lock").display());
    let compiler = Command::new(variable("RUSTC")?).arg("-vV").output()?;
    let compiler = String::from_utf8_lossy(&compiler.stdout);
    let built_by = format!("{compiler}target: {}\n", variable("TARGET")?);
    println!("cargo::rustc-env=VIGIL_SOURCES={}", sources.hash(&built_by)?);
    Ok(())
}

impl Sources {
    /// Lists what a crate of the tree in a folder follows from.
    pub fn of(root: &Path, name: &str) -> io::Result<Self> {
        let text = fs::read_to_string(root.join("Cargo.lock"))?;
        let lock = Locked::read(&text);
        let below = lock.below(name);
        let mut sources = Self::default();
        for package in &below {
            sources.locked += package.text;
            match package.is_local {
                true => sources.local.push(package.name.to_owned()),
                false => {
                    sources.foreign.push((package.name.to_owned(), package.version.to_owned()));
                }
            }
        }
        if !sources.local.iter().any(|local| local == name) {
            return Err(wrong(format!("the lock file does not know the crate {name}")));
        }
        for local in sources.local.clone() {
            let folder = root.join(CRATES).join(&local);
            if !folder.join("Cargo.toml").is_file() {
                return Err(wrong(format!("the crate {local} does not lie in {CRATES}/{local}")));
            }
            sources.gather(&folder, &format!("{CRATES}/{local}"))?;
        }
        sources.files.insert("Cargo.toml".to_owned(), root.join("Cargo.toml"));
        for folder in entries(&root.join(CRATES))? {
            let manifest = folder.join("Cargo.toml");
            if manifest.is_file() {
                let name = format!("{CRATES}/{}/Cargo.toml", last(&folder));
                sources.files.insert(name, manifest);
            }
        }
        Ok(sources)
    }

    fn gather(&mut self, folder: &Path, name: &str) -> io::Result<()> {
        for entry in entries(folder)? {
            let below = format!("{name}/{}", last(&entry));
            if !entry.is_dir() {
                self.files.insert(below, entry);
            } else if !is_apart(&entry) {
                self.gather(&entry, &below)?;
            }
        }
        Ok(())
    }

    /// Returns the hash of it all, and of what it is built by, as hexadecimal digits.
    pub fn hash(&self, built_by: &str) -> io::Result<String> {
        let mut hash = Sha256::new();
        // Each with its length, so that nothing can pass for two things.
        let mut add = |name: &str, bytes: &[u8]| {
            hash.update(format!("{} {name} {}\n", name.len(), bytes.len()));
            hash.update(bytes);
        };
        add("built by", built_by.as_bytes());
        add("Cargo.lock", self.locked.as_bytes());
        for (name, path) in &self.files {
            add(name, &fs::read(path)?);
        }
        let mut hex = String::new();
        for byte in hash.finalize() {
            let _ = write!(hex, "{byte:02x}");
        }
        Ok(hex)
    }
}

fn wrong(text: String) -> io::Error {
    io::Error::other(text)
}

fn last(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn is_apart(folder: &Path) -> bool {
    APART.contains(&last(folder).as_str())
}

/// Returns what is in a folder, by name.
fn entries(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.path()));
    let mut entries: Vec<PathBuf> = entries.collect::<Result<_, _>>()?;
    entries.sort();
    Ok(entries)
}
