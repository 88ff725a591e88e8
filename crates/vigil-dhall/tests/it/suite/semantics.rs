//! Normalization, hashing and type inference.

use vigil_dhall::{Limits, alpha_normalize, resolve_pure};

use super::{cases, parse_file, read, root, run, same, sibling};

fn pure(path: &std::path::Path) -> Result<vigil_dhall::Resolved, String> {
    resolve_pure(&parse_file(path)?, &Limits::default()).map_err(|_| "has imports".to_owned())
}

#[test]
fn normalization() {
    let Some(root) = root() else { return };
    let all = cases(&root, "normalization/success", "A.dhall");
    run("normalization/success", &all, &[], |name, path| {
        let actual = pure(path)?.normalize_unchecked().map_err(|error| error.to_string())?;
        same(&actual, pure(&sibling(&root, name, "B.dhall"))?.expr())
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
    run("semantic-hash/success", &all, &[], |name, path| {
        let checked = pure(path)?.check().map_err(|error| error.to_string())?;
        let actual = checked.hash().map_err(|error| error.to_string())?.to_string();
        let expected = String::from_utf8(read(&sibling(&root, name, "B.hash"))).expect("text");
        if actual == expected.trim() { Ok(()) } else { Err(format!("{actual} not {expected}")) }
    });
}

#[test]
fn type_inference_success() {
    let Some(root) = root() else { return };
    let all = cases(&root, "type-inference/success", "A.dhall");
    run("type-inference/success", &all, &[], |name, path| {
        let checked = pure(path)?.check().map_err(|error| error.to_string())?;
        let actual = checked.type_expr().map_err(|error| error.to_string())?;
        same(&actual, &parse_file(&sibling(&root, name, "B.dhall"))?)
    });
}

#[test]
fn type_inference_failure() {
    let Some(root) = root() else { return };
    let all = cases(&root, "type-inference/failure", ".dhall");
    run("type-inference/failure", &all, &[], |_, path| match pure(path)?.check() {
        Ok(_) => Err("has a type".to_owned()),
        Err(_) => Ok(()),
    });
}
