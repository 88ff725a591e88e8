//! Programs whose normal forms explode must not: their time and memory stay near their source.
//!
//! Steps and bytes are counted by the library, so that nothing here depends on the machine.

use vigil_dhall::{Checked, LimitError, Limits, Root, Session, parse_bytes};

use crate::importer::TestImporter;
use crate::shapes;

/// Checks a file and hands it on.
fn checked<R>(
    folder: &std::path::Path,
    file: &str,
    limits: &Limits,
    see: impl FnOnce(&Checked) -> R,
) -> R {
    let bytes = std::fs::read(folder.join(file)).expect("readable");
    let parsed = parse_bytes(&bytes, limits).expect("parses");
    let importer = TestImporter { folder: folder.to_owned(), ..TestImporter::default() };
    let mut session = Session::new(&importer, limits);
    let resolved = session.resolve(&parsed.expr, &Root::anonymous()).expect("resolves");
    see(&resolved.check().expect("has a type"))
}

/// Limits under which each operation must stay: a resolution with the checks of all files that are
/// imported, the check of the file itself, and each normalization.
fn tight(steps: u64, memory_bytes: u64) -> Limits {
    Limits { steps, memory_bytes, ..Limits::default() }
}

#[test]
fn what_is_made_from_large_types_does_not_pay_for_them() {
    // dhall-haskell#1890. The types have 3^12 leaves.
    let folder = tempfile::tempdir().expect("a folder");
    let [package, render] = shapes::kubernetes(folder.path(), 40, 12);
    let limits = tight(20_000, 256 << 10);
    let rendered = checked(folder.path(), &render, &limits, |checked| {
        checked.normalize().expect("within tight limits").to_string()
    });
    assert_eq!(rendered.matches("kind = \"Deployment\"").count(), 40);
    // All of it written out is as large as it is, and says so.
    let error = checked(folder.path(), &package, &limits, |checked| checked.hash());
    assert!(
        matches!(error, Err(LimitError::Memory { .. } | LimitError::Steps { .. })),
        "{error:?}"
    );
}

#[test]
fn customized_services_are_linear() {
    // dhall-haskell#1960.
    let folder = tempfile::tempdir().expect("a folder");
    for (services, steps) in [(10, 10_000), (100, 100_000)] {
        let file = shapes::customized(folder.path(), services);
        checked(folder.path(), &file, &tight(steps, 5 * steps), |checked| {
            let normal = checked.normalize().expect("within tight limits").to_string();
            assert_eq!(normal.matches("image = \"custom\"").count(), services / 2);
            checked.hash().expect("within tight limits");
        });
    }
}

#[test]
fn overlays_one_after_another_do_not_explode() {
    // dhall-haskell#2039. Written out, the function that applies them has 5^60 parts.
    let folder = tempfile::tempdir().expect("a folder");
    let file = shapes::overlays(folder.path(), 60);
    checked(folder.path(), &file, &tight(400_000, 4 << 20), |checked| {
        let normal = checked.normalize().expect("within tight limits").to_string();
        assert_eq!(normal.matches("cpu = 100").count(), 20);
    });
}

#[test]
fn one_leaf_of_a_tree_of_2_to_the_200_is_found() {
    let folder = tempfile::tempdir().expect("a folder");
    let body = format!("x200{}.size", ".left".repeat(200));
    let file = shapes::doubling(folder.path(), "picked.dhall", 200, &body);
    checked(folder.path(), &file, &tight(20_000, 1 << 20), |checked| {
        assert_eq!(checked.normalize().expect("within tight limits").to_string(), "1");
    });
}

#[test]
fn a_hash_is_written_without_holding_what_it_hashes() {
    // 2^16 leaves of some 60 bytes; the value is 17 records.
    let folder = tempfile::tempdir().expect("a folder");
    let file = shapes::doubling(folder.path(), "shared.dhall", 16, "x16");
    checked(folder.path(), &file, &tight(1_000_000, 16 << 20), |checked| {
        checked.hash().expect("within limits");
    });
}

#[test]
fn packages_and_lists_are_linear() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = shapes::package(folder.path(), 60);
    checked(folder.path(), &file, &tight(100_000, 4 << 20), |checked| {
        checked.hash().expect("within tight limits");
    });
    for (targets, steps) in [(100, 4_000), (1_000, 40_000)] {
        let file = shapes::targets(folder.path(), targets);
        checked(folder.path(), &file, &tight(steps, 40 * steps), |checked| {
            checked.hash().expect("within tight limits");
        });
    }
}
