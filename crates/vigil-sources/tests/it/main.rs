//! What the version of endpoints follows from: compared with what cargo knows, and changed piece by piece.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use vigil_sources::Sources;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// What cargo links into a crate, by name and version: those of this tree, and the others.
fn linked(metadata: &Value, name: &str) -> (BTreeSet<String>, BTreeSet<(String, String)>) {
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let list = |value: &Value| value.as_array().expect("a list").clone();
    let packages: BTreeMap<String, Value> =
        list(&metadata["packages"]).into_iter().map(|p| (text(&p["id"]), p)).collect();
    let nodes: BTreeMap<String, Value> =
        list(&metadata["resolve"]["nodes"]).into_iter().map(|n| (text(&n["id"]), n)).collect();
    let own = packages.iter().find(|(_, package)| package["name"] == name).expect("a crate");
    let mut open = vec![own.0.clone()];
    let mut found = BTreeSet::new();
    while let Some(id) = open.pop() {
        if !found.insert(id.clone()) {
            continue;
        }
        for need in list(&nodes[&id]["deps"]) {
            if list(&need["dep_kinds"]).iter().any(|kind| kind["kind"] != "dev") {
                open.push(text(&need["pkg"]));
            }
        }
    }
    let named = |id: &String| (text(&packages[id]["name"]), text(&packages[id]["version"]));
    let (local, foreign): (Vec<&String>, Vec<&String>) =
        found.iter().partition(|id| packages[*id]["source"].is_null());
    (local.into_iter().map(|id| named(id).0).collect(), foreign.into_iter().map(named).collect())
}

#[test]
fn the_lists_have_all_that_cargo_links() {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["metadata", "--format-version", "1", "--locked", "--offline", "--all-features"]);
    let metadata = cargo.current_dir(root()).output().expect("cargo runs");
    let metadata: Value = serde_json::from_slice(&metadata.stdout).expect("JSON");
    for name in ["vigil-node", "vigil-query"] {
        let sources = Sources::of(&root(), name).expect("a list");
        let (local, foreign) = linked(&metadata, name);
        assert_eq!(BTreeSet::from_iter(sources.local.iter().cloned()), local, "{name}");
        assert!(local.len() > 3, "{name} is built on crates of this tree");
        let listed: BTreeSet<(String, String)> = sources.foreign.iter().cloned().collect();
        let missing: Vec<_> = foreign.difference(&listed).collect();
        assert!(missing.is_empty(), "{name}: {missing:?}");
        for local in &local {
            for file in ["Cargo.toml", "src/lib.rs"] {
                let file = format!("crates/{local}/{file}");
                assert!(sources.files.contains_key(&file), "{name}: {file}");
            }
        }
        for file in ["Cargo.toml", "crates/vigil/Cargo.toml", &format!("crates/{name}/build.rs")] {
            assert!(sources.files.contains_key(file), "{name}: {file}");
        }
        assert!(!sources.files.keys().any(|file| file.contains("/tests/")), "{name}");
    }
}

const LOCK: &str = "version = 4

[[package]]
name = \"low\"
version = \"0.1.0\"
dependencies = [
 \"zstd 2.0.0\",
]

[[package]]
name = \"top\"
version = \"0.1.0\"
dependencies = [
 \"low\",
]

[[package]]
name = \"unused\"
version = \"1.0.0\"
source = \"registry\"

[[package]]
name = \"zstd\"
version = \"1.0.0\"
source = \"registry\"

[[package]]
name = \"zstd\"
version = \"2.0.0\"
source = \"registry\"
checksum = \"00\"
";

/// A tree of two crates, the upper one built on the lower one.
struct Tree(tempfile::TempDir);

impl Tree {
    fn new() -> Self {
        let tree = Self(tempfile::tempdir().expect("a folder"));
        tree.write("Cargo.lock", LOCK);
        tree.write("Cargo.toml", "zstd = { version = \"2\", features = [] }\n");
        for name in ["low", "top", "beside"] {
            tree.write(&format!("crates/{name}/Cargo.toml"), name);
            tree.write(&format!("crates/{name}/src/deep/a.rs"), "fn a() {}");
            tree.write(&format!("crates/{name}/tests/it.rs"), "fn b() {}");
        }
        tree
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.0.path().join(path);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, text).expect("a file");
    }

    fn hash(&self) -> String {
        let sources = Sources::of(self.0.path(), "top").expect("a list");
        sources.hash("rustc 1.95.0").expect("a hash")
    }
}

#[track_caller]
fn check(path: &str, text: &str, changes: bool) {
    let tree = Tree::new();
    let before = tree.hash();
    tree.write(path, text);
    assert_eq!(tree.hash() != before, changes, "{path}");
}

#[test]
fn what_the_code_follows_from_changes_the_hash_and_nothing_else_does() {
    assert_eq!(Tree::new().hash(), Tree::new().hash(), "wherever the tree lies");
    check("crates/top/src/deep/a.rs", "fn a() { }", true);
    check("crates/top/build.rs", "fn main() {}", true);
    check("crates/low/src/deep/a.rs", "fn a() { }", true);
    check("crates/low/src/b.rs", "", true);
    check("crates/top/tests/it.rs", "fn c() {}", false);
    check("crates/beside/src/deep/a.rs", "fn a() { }", false);
    // Features that one crate turns on are on for all.
    check("Cargo.toml", "zstd = { version = \"2\", features = [\"legacy\"] }\n", true);
    check("crates/beside/Cargo.toml", "zstd = { features = [\"legacy\"] }\n", true);
    // A dependency that rises, or comes from elsewhere; and one that is not linked.
    check("Cargo.lock", &LOCK.replace("2.0.0", "2.0.1"), true);
    check("Cargo.lock", &LOCK.replace("\"00\"", "\"01\""), true);
    check("Cargo.lock", &LOCK.replace("1.0.0", "1.0.1"), false);
}

#[test]
fn the_compiler_counts() {
    let tree = Tree::new();
    let sources = Sources::of(tree.0.path(), "top").expect("a list");
    assert_ne!(
        sources.hash("rustc 1.95.0").expect("a hash"),
        sources.hash("rustc 1.96.0").expect("a hash")
    );
}

#[test]
fn a_crate_that_is_not_where_it_should_be_is_told() {
    let tree = Tree::new();
    let of = |name: &str| Sources::of(tree.0.path(), name).expect_err("a complaint").to_string();
    assert!(of("nobody").contains("does not know the crate nobody"));
    fs::remove_dir_all(tree.0.path().join("crates/low")).expect("a folder");
    assert!(of("top").contains("the crate low does not lie in crates/low"));
}
