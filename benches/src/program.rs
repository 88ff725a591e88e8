//! The program under measurement, built when a benchmark starts.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::bench::say;

/// Why the program is not there.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// The benchmark stands somewhere else than cargo puts it.
    #[error("this program stands in no target folder")]
    NoTarget,
    /// Cargo could not be started.
    #[error("could not start cargo")]
    Cargo(#[from] io::Error),
    /// The sources do not build.
    #[error("vigil does not build")]
    Failed,
}

/// What of the program is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parts {
    /// The program as people get it.
    All,
    /// The program without SQL, which is built in a fraction of the time.
    WithoutSql,
}

/// Builds the program in its release profile and returns where it is.
///
/// # Errors
/// Returns why it could not be built.
pub fn build_vigil(release: &Path, parts: Parts) -> Result<PathBuf, BuildError> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().ok_or(BuildError::NoTarget)?;
    let target = release.parent().ok_or(BuildError::NoTarget)?;
    say("building vigil");
    let mut cargo = Command::new("cargo");
    cargo.args(["build", "--release", "--package", "vigil", "--target-dir"]).arg(target);
    if parts == Parts::WithoutSql {
        cargo.arg("--no-default-features");
    }
    if !cargo.current_dir(root).status()?.success() {
        return Err(BuildError::Failed);
    }
    Ok(release.join("vigil"))
}
