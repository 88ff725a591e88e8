//! `vigil pkg`: packages, made, judged and installed.

mod gate;
mod installed;
mod make;
mod show;

use std::error::Error;
use std::fs::File;
use std::io::{BufReader, Write};
use std::path::Path;

use vigil_base::{Blame, Blamed};
use vigil_pkg::{VpkgError, read_dossier};
use vigil_trust::package::Dossier;

use super::Session;
use crate::args::PkgCommand;
use crate::failure::CommandError;

pub(super) fn perform(command: &PkgCommand, session: &mut Session<'_>) -> Result<(), CommandError> {
    match command {
        PkgCommand::Build(args) => make::build(args, session),
        PkgCommand::Inspect { file, manifest, format } => {
            show::inspect(file, manifest.as_deref(), format.json, session)
        }
        PkgCommand::Attest(args) => make::attest(args, session),
        PkgCommand::Publish(args) => make::publish(args, session),
        PkgCommand::Verify(args) => gate::verify(args, session),
        PkgCommand::Install(args) => installed::install(args, session),
        PkgCommand::Uninstall { packages, place } => installed::uninstall(packages, place, session),
        PkgCommand::List { generations: true, place, format } => {
            show::generations(place, format.json, session)
        }
        PkgCommand::List { place, format, .. } => show::list(place, format.json, session),
        PkgCommand::Rollback { to, place } => installed::roll_back(*to, place, session),
        PkgCommand::Policy => session
            .out
            .write_all(vigil_trust::gate::DEFAULT_POLICY.as_bytes())
            .map_err(CommandError::Output),
    }
}

/// Wraps what went wrong, with its own blame.
fn failed<E: Blamed + Send + Sync + 'static>(
    action: impl Into<String>,
) -> impl FnOnce(E) -> CommandError {
    let action = action.into();
    |error| CommandError::Pkg { action, blame: error.blame(), source: Box::new(error) }
}

/// Wraps what went wrong, to be blamed on whoever gave it.
fn refused<E: Error + Send + Sync + 'static>(
    action: impl Into<String>,
) -> impl FnOnce(E) -> CommandError {
    let action = action.into();
    |error| CommandError::Pkg { action, blame: Blame::Caller, source: Box::new(error) }
}

/// Something that only needs words.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Because(String);

fn because(action: impl Into<String>, why: impl Into<String>) -> CommandError {
    refused(action)(Because(why.into()))
}

fn open(path: &Path) -> Result<BufReader<File>, CommandError> {
    let failed = |source| CommandError::File { action: "read", path: path.into(), source };
    File::open(path).map(BufReader::new).map_err(failed)
}

/// Reads what a package says; its payload comes next.
fn read(path: &Path, session: &Session<'_>) -> Result<(Dossier, BufReader<File>), CommandError> {
    let mut file = open(path)?;
    let dossier =
        read_dossier(&mut file).map_err(failed(format!("read {}", session.shown(path))))?;
    Ok((dossier, file))
}

/// Writes a file as a whole, however large: a crash leaves the old one or the new one.
fn replace(
    path: &Path,
    session: &Session<'_>,
    fill: impl FnOnce(&mut dyn Write) -> Result<(), VpkgError>,
) -> Result<(), CommandError> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let new = path.with_file_name(name);
    let broken = |action| move |source| CommandError::File { action, path: path.into(), source };
    let file = File::create(&new).map_err(broken("write"))?;
    let mut out = std::io::BufWriter::new(file);
    let written = fill(&mut out).map_err(failed(format!("write {}", session.shown(path))));
    if written.is_err() {
        // What failed says more than that its half cannot be removed.
        let _ = std::fs::remove_file(&new);
    }
    written?;
    let file = out.into_inner().map_err(|error| broken("write")(error.into_error()))?;
    file.sync_all().map_err(broken("write"))?;
    std::fs::rename(&new, path).map_err(broken("replace"))?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = File::open(folder.unwrap_or(Path::new(".")));
    folder.and_then(|folder| folder.sync_all()).map_err(broken("sync the folder of"))
}
