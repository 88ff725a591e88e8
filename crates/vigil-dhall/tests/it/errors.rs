//! Reports of typical mistakes, compared with `corpus/dhall/errors`.

use std::path::{Path, PathBuf};

use vigil_dhall::{
    Anchor, ImportPath, ImportTarget, Limits, Report, Root, Session, Source, parse_bytes,
};

use crate::importer::TestImporter;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../corpus/dhall/errors")
}

/// Returns the report that a file earns, or nothing if it has no error.
fn report(name: &str) -> Option<Report> {
    let text = std::fs::read_to_string(folder().join(name)).expect("the corpus is readable");
    let source = Source { name: name.into(), text: text.as_str().into() };
    let limits = Limits::default();
    let parsed = match parse_bytes(text.as_bytes(), &limits) {
        Ok(parsed) => parsed,
        Err(error) => return Some(Report::parse(&error, &source)),
    };
    let importer = TestImporter { folder: folder(), ..TestImporter::default() };
    let path = ImportPath { directory: Vec::new(), file: name.into() };
    let root = Root::at(ImportTarget::Local(Anchor::Here, path)).with_source(source.clone());
    let mut session = Session::new(&importer, &limits);
    let resolved = match session.resolve(&parsed.expr, &root) {
        Ok(resolved) => resolved,
        Err(error) => return Some(Report::import(&error)),
    };
    resolved.check().err().map(|error| Report::check(&error, &source))
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a test program resolves its own environment")]
fn errors_read_as_they_should() {
    let update = std::env::var("UPDATE_EXPECT").is_ok();
    let mut names: Vec<String> = std::fs::read_dir(folder())
        .expect("the corpus is readable")
        .map(|entry| entry.expect("readable").file_name().to_string_lossy().into_owned())
        .filter(|name| name.ends_with(".dhall"))
        .collect();
    names.sort();
    assert!(names.len() >= 30, "the corpus has shrunk");
    let mut wrong = Vec::new();
    for name in &names {
        let Some(report) = report(name) else {
            wrong.push(format!("{name} has no error"));
            continue;
        };
        let actual = report.render(false);
        assert!(actual.lines().count() <= 12, "{name} takes too many lines:\n{actual}");
        assert!(actual.lines().all(|line| line.chars().count() <= 100), "{name}:\n{actual}");
        assert!(report.render(true).contains("\x1b["), "{name} has no colour where asked for");
        let file = folder().join(name.replace(".dhall", ".txt"));
        if update {
            std::fs::write(&file, &actual).expect("the corpus is writable");
        }
        let expected = std::fs::read_to_string(&file).unwrap_or_default();
        if actual != expected {
            wrong.push(format!("{name}: got\n{actual}\nnot\n{expected}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
