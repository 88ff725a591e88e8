//! What the endpoints follow from, as one text: the build script hashes it into their version.
//!
//! Names inside of the tree and bytes count; where the tree lies and when it was written do not.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{fs, io};

/// Lists every file at or below each path: the name that the path goes by, its length and its bytes.
pub fn list(paths: &[(PathBuf, String)]) -> io::Result<String> {
    let mut list = String::new();
    for (path, name) in paths {
        gather(path, name, &mut list)?;
    }
    Ok(list)
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dependency_that_rises_changes_the_version_and_a_move_does_not() {
        let folder = tempfile::tempdir().unwrap();
        let write = |tree: &str, version: &str, code: &str| {
            let root = folder.path().join(tree);
            fs::create_dir_all(root.join("src/deep")).unwrap();
            fs::write(root.join("src/deep/a.rs"), code).unwrap();
            fs::write(root.join("Cargo.lock"), format!("zstd {version}\n")).unwrap();
            let of = |name: &str| (root.join(name), name.to_owned());
            list(&[of("src"), of("Cargo.lock")]).unwrap()
        };
        let first = write("one", "0.14.3", "fn a() {}");
        assert_eq!(write("elsewhere", "0.14.3", "fn a() {}"), first);
        assert_ne!(write("one", "0.14.4", "fn a() {}"), first);
        assert_ne!(write("one", "0.14.3", "fn b() {}"), first);
        assert_eq!(write("one", "0.14.3", "fn a() {}"), first);
    }
}
