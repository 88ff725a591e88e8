//! Import resolution.

use std::path::Path;
use std::sync::Arc;

use vigil_dhall::{
    Anchor, Expr, ExprKind, ImportPath, ImportTarget, Limits, Resolved, Root, Session,
};

use super::{cases, parse_file, root, run, same, sibling};
use crate::importer::TestImporter;
use crate::server;

/// Everything that the suite wants around it.
pub(crate) struct World {
    root: std::path::PathBuf,
    importer: TestImporter,
    // The suite is reached as `./dhall-lang/tests`, as its instructions say.
    _folder: tempfile::TempDir,
}

impl World {
    pub(crate) fn new(root: &Path) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let parent = root.parent().expect("the suite has a folder around it");
        std::os::unix::fs::symlink(parent, folder.path().join("dhall-lang")).expect("a link");
        let importer = TestImporter {
            folder: folder.path().to_owned(),
            home: root.join("import/home"),
            environment: [("DHALL_TEST_VAR".to_owned(), "6 * 7".to_owned())].into(),
            cache: Some(root.join("import/cache/dhall")),
            web: Some(server::start(root.to_owned())),
        };
        Self { root: root.to_owned(), importer, _folder: folder }
    }

    /// Resolves a case as if the suite lay in `./dhall-lang/tests`.
    pub(crate) fn resolve(&self, importer: &TestImporter, path: &Path) -> Result<Resolved, String> {
        let relative = path.strip_prefix(&self.root).expect("below the root");
        let mut directory: Vec<Arc<str>> = vec!["dhall-lang".into(), "tests".into()];
        directory.extend(relative.iter().map(|part| Arc::from(part.to_string_lossy())));
        let file = directory.pop().expect("a file");
        let target = ImportTarget::Local(Anchor::Here, ImportPath { directory, file });
        Session::new(importer, &Limits::default())
            .resolve(&parse_file(path)?, &Root::at(target))
            .map_err(|error| error.to_string())
    }

    pub(crate) fn plain(&self, path: &Path) -> Result<Resolved, String> {
        self.resolve(&self.importer, path)
    }

    /// Resolves a case without the cache, whose normal forms have lost the names of variables.
    pub(crate) fn uncached(&self, path: &Path) -> Result<Resolved, String> {
        self.resolve(&TestImporter { cache: None, ..self.importer.clone() }, path)
    }

    /// Returns the importer with the variables that stand beside a case.
    fn with_environment(&self, name: &str) -> Result<TestImporter, String> {
        let mut importer = self.importer.clone();
        let file = sibling(&self.root, name, "ENV.dhall");
        if file.exists() {
            let checked = self.plain(&file)?.check().map_err(|error| error.to_string())?;
            let normal = checked.normalize().map_err(|error| error.to_string())?;
            importer.environment.extend(variables(&normal));
        }
        Ok(importer)
    }
}

fn variables(map: &Expr) -> Vec<(String, String)> {
    let text = |expr: &Expr| match expr.kind() {
        ExprKind::Text(chunks, last) if chunks.is_empty() => last.to_string(),
        other => panic!("not a text: {other:?}"),
    };
    let ExprKind::List(items) = map.kind() else { panic!("not a map") };
    items
        .iter()
        .map(|item| match item.kind() {
            ExprKind::Record(fields) => (text(&fields[0].1), text(&fields[1].1)),
            other => panic!("not an entry: {other:?}"),
        })
        .collect()
}

#[test]
fn import_success() {
    let Some(root) = root() else { return };
    let world = World::new(&root);
    let all = cases(&root, "import/success", "A.dhall");
    run("import/success", &all, &[], |name, path| {
        let importer = world.with_environment(name)?;
        let actual = world.resolve(&importer, path)?.expr().map_err(|error| error.to_string())?;
        let expected = world.plain(&sibling(&root, name, "B.dhall"))?;
        same(&actual, &expected.expr().map_err(|error| error.to_string())?)
    });
}

#[test]
fn import_failure() {
    let Some(root) = root() else { return };
    let world = World::new(&root);
    let mut all = cases(&root, "import/failure", ".dhall");
    all.retain(|(name, _)| !name.ends_with("ENV"));
    run("import/failure", &all, &[], |name, path| {
        match world.resolve(&world.with_environment(name)?, path) {
            Ok(_) => Err("resolves".to_owned()),
            Err(_) => Ok(()),
        }
    });
}
