//! Parsing and the binary form.

use vigil_dhall::{Limits, decode, encode};

use super::{cases, parse_file, read, root, run, same, sibling};

#[test]
fn parser_success() {
    let Some(root) = root() else { return };
    let all = cases(&root, "parser/success", "A.dhall");
    run("parser/success", &all, &[], |name, path| {
        let actual = encode(&parse_file(path)?);
        let expected = read(&sibling(&root, name, "B.dhallb"));
        if actual == expected { Ok(()) } else { Err(format!("{actual:02x?} not {expected:02x?}")) }
    });
}

#[test]
fn parser_failure() {
    let Some(root) = root() else { return };
    let all = cases(&root, "parser/failure", ".dhall");
    run("parser/failure", &all, &[], |_, path| match parse_file(path) {
        Ok(_) => Err("parses".to_owned()),
        Err(_) => Ok(()),
    });
}

#[test]
fn binary_decode_success() {
    let Some(root) = root() else { return };
    let all = cases(&root, "binary-decode/success", "A.dhallb");
    run("binary-decode/success", &all, &[], |name, path| {
        let actual = decode(&read(path), &Limits::default()).map_err(|error| error.to_string())?;
        same(&actual, &parse_file(&sibling(&root, name, "B.dhall"))?)
    });
}

#[test]
fn binary_decode_failure() {
    let Some(root) = root() else { return };
    let all = cases(&root, "binary-decode/failure", ".dhallb");
    run("binary-decode/failure", &all, &[], |_, path| {
        match decode(&read(path), &Limits::default()) {
            Ok(_) => Err("decodes".to_owned()),
            Err(_) => Ok(()),
        }
    });
}
