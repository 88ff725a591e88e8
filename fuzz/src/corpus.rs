//! Inputs on disk: the committed seeds, and what a fuzzer found.
//!
//! Invariant: a file is named by the hash of its bytes, so nothing is ever written twice.

use std::io;
use std::path::{Path, PathBuf};
use vigil_base::Vcid;

/// Returns the folder of this workspace.
fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Returns the folder of a target's committed seeds.
pub fn seeds(target: &str) -> PathBuf {
    workspace().join("corpus").join(target)
}

/// Returns the folder of what was found for a target: crashes, and inputs that reach new edges.
pub fn artifacts(target: &str) -> PathBuf {
    workspace().join("artifacts").join(target)
}

/// Reads all files of a folder in the order of their names; a folder that is absent has none.
pub fn read(folder: &Path) -> io::Result<Vec<Vec<u8>>> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if path.is_file() {
            files.push(path);
        }
    }
    files.sort();
    files.iter().map(std::fs::read).collect()
}

/// Writes an input into a folder and returns where.
pub fn save(folder: &Path, prefix: &str, input: &[u8]) -> io::Result<PathBuf> {
    std::fs::create_dir_all(folder)?;
    let hash = Vcid::of(input).to_hex();
    let path = folder.join(format!("{prefix}-{}", &hash[..16]));
    std::fs::write(&path, input)?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_target_has_seeds_and_every_seed_a_target() {
        let mut known = Vec::new();
        for target in crate::targets::TARGETS {
            let seeds = read(&seeds(target.name)).unwrap();
            assert!(!seeds.is_empty(), "{} has no seeds", target.name);
            assert!(seeds.iter().all(|seed| seed.len() <= target.input_bytes_max));
            known.push(target.name.to_owned());
        }
        for entry in std::fs::read_dir(workspace().join("corpus")).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            assert!(known.contains(&name), "corpus/{name} belongs to no target");
        }
    }

    #[test]
    fn an_absent_folder_has_no_inputs() {
        assert!(read(Path::new("no/such/folder")).unwrap().is_empty());
    }
}
