//! Normalization, hashing and type inference.

use vigil_dhall::alpha_normalize;

use super::imports::World;
use super::{cases, parse_file, read, root, run, same, sibling};

/// Cases that import the Prelude, which the folder of vectors does not have.
const PRELUDE: &str = "imports the Prelude, which is not among the vectors";

/// Returns the cases that fail for want of the Prelude, unless it stands beside the suite.
fn without_prelude<'k>(
    root: &std::path::Path,
    known: &'k [(&'k str, &'k str)],
) -> &'k [(&'k str, &'k str)] {
    if root.with_file_name("Prelude").is_dir() { &[] } else { known }
}

#[test]
fn normalization() {
    let Some(root) = root() else { return };
    let all = cases(&root, "normalization/success", "A.dhall");
    let world = World::new(&root);
    let known = [
        ("normalization/success/remoteSystems", PRELUDE),
        ("normalization/success/simplifications/issue661", PRELUDE),
    ];
    run("normalization/success", &all, without_prelude(&root, &known), |name, path| {
        let actual = world.plain(path)?.normalize_unchecked().map_err(|error| error.to_string())?;
        let expected = world.plain(&sibling(&root, name, "B.dhall"))?;
        same(&actual, &expected.expr().map_err(|error| error.to_string())?)
    });
}

#[test]
fn alpha_normalization() {
    let Some(root) = root() else { return };
    let all = cases(&root, "alpha-normalization/success", "A.dhall");
    run("alpha-normalization/success", &all, &[], |name, path| {
        let expected = parse_file(&sibling(&root, name, "B.dhall"))?;
        same(&alpha_normalize(&parse_file(path)?), &alpha_normalize(&expected))
    });
}

#[test]
fn semantic_hash() {
    let Some(root) = root() else { return };
    let all = cases(&root, "semantic-hash/success", "A.dhall");
    let world = World::new(&root);
    let known = [("semantic-hash/success/remoteSystems", PRELUDE)];
    run("semantic-hash/success", &all, without_prelude(&root, &known), |name, path| {
        let checked = world.plain(path)?.check().map_err(|error| error.to_string())?;
        let actual = checked.hash().map_err(|error| error.to_string())?.to_string();
        let expected = String::from_utf8(read(&sibling(&root, name, "B.hash"))).expect("text");
        if actual == expected.trim() { Ok(()) } else { Err(format!("{actual} not {expected}")) }
    });
}

#[test]
fn type_inference_success() {
    let Some(root) = root() else { return };
    let all = cases(&root, "type-inference/success", "A.dhall");
    let world = World::new(&root);
    run("type-inference/success", &all, &[], |name, path| {
        let checked = world.uncached(path)?.check().map_err(|error| error.to_string())?;
        let actual = checked.type_expr().map_err(|error| error.to_string())?;
        same(&actual, &parse_file(&sibling(&root, name, "B.dhall"))?)
    });
}

#[test]
fn type_inference_failure() {
    let Some(root) = root() else { return };
    let all = cases(&root, "type-inference/failure", ".dhall");
    let world = World::new(&root);
    run("type-inference/failure", &all, &[], |_, path| match world.uncached(path)?.check() {
        Ok(_) => Err("has a type".to_owned()),
        Err(_) => Ok(()),
    });
}
