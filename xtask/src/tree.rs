//! The tree as the checks see it: every file that git knows or would take, as text.
//!
//! It holds no handle on the disk, so that a check is a pure function of it.
//!
//! Invariant: paths are relative to the root, use `/`, and are sorted.

use crate::outcome::StepError;
use crate::project::Project;
use std::collections::{BTreeMap, BTreeSet};

/// Larger files are data, not text that somebody reads.
const TEXT_BYTES_MAX: u64 = 1 << 20;

/// Every file of the project, and the texts of those that are text.
#[derive(Clone, Debug, Default)]
pub struct Tree {
    paths: BTreeSet<String>,
    texts: BTreeMap<String, String>,
    private: Vec<String>,
}

impl Tree {
    /// Reads what `git ls-files` names, untracked files that are not ignored included.
    pub fn read(project: &Project) -> Result<Tree, StepError> {
        let mut git = project.git();
        git.args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]);
        let listed = crate::run::capture(&mut git)?;
        let mut tree = Tree { private: private_texts(project), ..Tree::default() };
        for path in listed.split('\0').filter(|path| !path.is_empty()) {
            let file = project.root.join(path);
            // A file that is deleted but not yet committed so is still listed.
            let Ok(meta) = file.symlink_metadata() else { continue };
            tree.paths.insert(path.to_owned());
            if !meta.is_file() || meta.len() > TEXT_BYTES_MAX {
                continue;
            }
            let bytes = std::fs::read(&file)
                .map_err(|source| StepError::File { path: file.clone(), source })?;
            if let Ok(text) = String::from_utf8(bytes)
                && !text.contains('\0')
            {
                tree.texts.insert(path.to_owned(), text);
            }
        }
        Ok(tree)
    }

    /// Returns every text with its path.
    pub fn texts(&self) -> impl Iterator<Item = (&str, &str)> {
        self.texts.iter().map(|(path, text)| (path.as_str(), text.as_str()))
    }

    /// Returns every text whose path ends so.
    pub fn ending(&self, suffix: &'static str) -> impl Iterator<Item = (&str, &str)> {
        self.texts().filter(move |(path, _)| path.ends_with(suffix))
    }

    /// Returns the Rust sources that are ours to read: no test data.
    pub fn rust(&self) -> impl Iterator<Item = (&str, &str)> {
        self.ending(".rs").filter(|(path, _)| !is_data(path))
    }

    /// Returns one text.
    pub fn text(&self, path: &str) -> Option<&str> {
        self.texts.get(path).map(String::as_str)
    }

    /// Whether a file or a folder of that path exists; the root is the empty path.
    pub fn has(&self, path: &str) -> bool {
        let folder = format!("{path}/");
        path.is_empty()
            || self.paths.contains(path)
            || self.paths.range(folder.clone()..).next().is_some_and(|p| p.starts_with(&folder))
    }

    /// Returns the texts that name this machine and so must not stand in the tree.
    pub fn private(&self) -> &[String] {
        &self.private
    }
}

/// Whether a path holds test data, which may be broken on purpose.
pub fn is_data(path: &str) -> bool {
    path.starts_with("corpus/") || path.contains("/corpus/")
}

/// Gathers this machine's own names: the home folder, the checkout, hosts in cargo's settings.
fn private_texts(project: &Project) -> Vec<String> {
    let folders = [project.home.as_deref(), Some(project.root.as_path())];
    let folders = folders.into_iter().flatten().map(|path| format!("{}/", path.display()));
    // A short home, such as the superuser's, would be found in the middle of many innocent paths.
    let mut texts: Vec<String> = folders.filter(|folder| folder.len() > 8).collect();
    for name in ["config.toml", "config"] {
        let settings = project.cargo_home.as_ref().map(|home| home.join(name));
        if let Some(text) = settings.and_then(|file| std::fs::read_to_string(file).ok()) {
            texts.extend(hosts(&text));
        }
    }
    texts
}

/// Returns the hosts of all addresses in a text, but for those that every reader may see.
fn hosts(text: &str) -> Vec<String> {
    let public = ["github.com"];
    let after = text.split("://").skip(1);
    let hosts = after.map(|rest| {
        let end = rest.find(['/', '"', '\'', ' ', '\n']).unwrap_or(rest.len());
        rest[..end].rsplit('@').next().unwrap_or_default().to_owned()
    });
    hosts.filter(|host| host.contains('.') && !public.contains(&host.as_str())).collect()
}

#[cfg(test)]
impl Tree {
    /// Builds a tree from paths and texts.
    pub fn of(files: &[(&str, &str)]) -> Tree {
        let texts: BTreeMap<String, String> =
            files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect();
        Tree { paths: texts.keys().cloned().collect(), texts, private: Vec::new() }
    }

    /// Adds a text that names this machine.
    pub fn with_private(mut self, text: &str) -> Tree {
        self.private.push(text.to_owned());
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_there_when_a_file_below_them_is() {
        let tree = Tree::of(&[("docs/a/b.md", ""), ("docs-old/c.md", "")]);
        assert!(tree.has("docs/a") && tree.has("docs/a/b.md") && tree.has(""));
        assert!(!tree.has("docs/a/b") && !tree.has("doc"));
    }

    #[test]
    fn test_data_is_not_source() {
        let tree = Tree::of(&[("crates/a/src/lib.rs", ""), ("corpus/x/bad.rs", "")]);
        assert_eq!(tree.rust().map(|(path, _)| path).collect::<Vec<_>>(), ["crates/a/src/lib.rs"]);
    }

    #[test]
    fn hosts_of_mirrors_are_found_and_public_ones_left() {
        let text = "registry = \"sparse+https://user@mirror.example.net/index/\"\n\
                    other = \"https://github.com/x\"";
        assert_eq!(hosts(text), ["mirror.example.net"]);
    }
}
