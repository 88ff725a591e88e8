//! The tour's chapter on packages: made, vouched for, installed without a network, refused, gone back.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::guide::Guide;
use crate::failure::CommandError;

const PACKAGES: &str = "installed";

fn write(scratch: &Path, name: &str, text: &str, mode: u32) -> Result<(), CommandError> {
    let path = scratch.join(name);
    let make = || {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        std::fs::write(&path, text)?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode))
    };
    make().map_err(|source| CommandError::File { action: "write", path: path.clone(), source })
}

/// Publishes one version of a small package.
fn publish(guide: &mut Guide<'_, '_>, scratch: &Path, version: &str) -> Result<(), CommandError> {
    write(scratch, "hello/bin/hello", &format!("#!/bin/sh\necho hello from {version}\n"), 0o755)?;
    let (name, file) = (format!("example.com/hello@{version}"), format!("hello-{version}.vpkg"));
    let program = "hello=bin/hello";
    guide.vigil(&["pkg", "build", "hello", "--name", &name, "--program", program, "-o", &file])?;
    for who in ["bob", "cy", "dee"] {
        let (store, words) = (format!("{who}.store"), format!("{who}.words"));
        let out = format!("{who}.attestation");
        guide.vigil(&[
            "--store",
            &store,
            "pkg",
            "attest",
            &file,
            "hello",
            "--words-file",
            &words,
            "-o",
            &out,
        ])?;
    }
    let mut publish = vec!["pkg", "publish", &file, "--words-file", "ada.words", "--log", "log"];
    for out in ["bob.attestation", "cy.attestation", "dee.attestation"] {
        publish.extend(["--attestation", out]);
    }
    guide.vigil(&publish)?;
    Ok(())
}

pub(super) fn packages(guide: &mut Guide<'_, '_>, scratch: &Path) -> Result<(), CommandError> {
    guide.chapter("Install software that others vouch for")?;
    guide.text(
        "A package is one file: a tree, who signed it, who rebuilt it to the same bits, and the proof that it\n\
         is in a public log. Four people take part here, each with a store and 24 words of their own.",
    )?;
    let mut policy = String::new();
    for who in ["ada", "bob", "cy", "dee"] {
        let (store, words, file) =
            (format!("{who}.store"), format!("{who}.words"), format!("{who}.json"));
        let make =
            ["--store", &store, "person", "new", who, "--words-file", &words, "--words-only"];
        guide.vigil_into(&make, "made")?;
        guide.vigil_into(&["--store", &store, "person", "show", "--json"], &file)?;
        let key = guide.field(&file, "key")?;
        policy += &format!("person {who} {key}\n");
    }
    guide.vigil_into(&["log", "init", "log", "--origin", "example.com/log"], "log.vkey")?;
    let failed = |path: &str| {
        let path = scratch.join(path);
        |source| CommandError::File { action: "read", path, source }
    };
    let vkey = std::fs::read_to_string(scratch.join("log.vkey")).map_err(failed("log.vkey"))?;
    policy += &format!("log {vkey}quorum none\npublisher example.com/* ada\n");
    write(scratch, "policy", &policy, 0o644)?;
    publish(guide, scratch, "1.0")?;
    guide.text("Whoever installs it holds a policy: whose word counts, how many must have rebuilt it, which logs.")?;
    guide.vigil(&["pkg", "verify", "hello-1.0.vpkg", "--policy", "policy", "--explain"])?;
    let install = ["pkg", "install", "hello-1.0.vpkg", "--policy", "policy", "--into", PACKAGES];
    if guide.without_network(&install)? {
        guide
            .text("That ran where there is no network interface at all: the proof rides along.")?;
    } else {
        guide.vigil(&install)?;
    }
    guide.run_file("installed/current/bin/hello")?;
    guide.text(
        "A newer one, of which a byte is altered on its way, and then as it was published:",
    )?;
    publish(guide, scratch, "2.0")?;
    let file = "hello-2.0.vpkg";
    let mut bytes = std::fs::read(scratch.join(file)).map_err(failed(file))?;
    if let Some(last) = bytes.last_mut() {
        *last ^= 1;
    }
    let altered = scratch.join("altered.vpkg");
    std::fs::write(&altered, bytes).map_err(|source| CommandError::File {
        action: "write",
        path: altered,
        source,
    })?;
    let upgrade = |file| ["pkg", "install", file, "--policy", "policy", "--into", PACKAGES];
    guide.refused(&upgrade("altered.vpkg"))?;
    guide.vigil(&upgrade(file))?;
    guide.run_file("installed/current/bin/hello")?;
    guide.text("The way back is one step, and so was the way here.")?;
    guide.vigil(&["pkg", "rollback", "--into", PACKAGES])?;
    guide.run_file("installed/current/bin/hello")
}
