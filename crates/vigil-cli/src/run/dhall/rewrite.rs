//! `vigil dhall format`, `lint` and `freeze`: texts written anew, with their comments.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::json;
use vigil_base::world::Randomness;
use vigil_dhall::{
    Anchor, CharacterSet, Freeze, Import, ImportMode, ImportTarget, Limits, Parsed, Report, Style,
    imports, parse, print_parsed,
};

use super::{Text, Workshop, import_failed, limits, place, read, with_imports, write_text, wrong};
use crate::args::{DhallBounds, DhallFreezeArgs, DhallRewriteArgs};
use crate::failure::CommandError;
use crate::human;
use crate::resolve::is_standard;
use crate::run::Session;

pub(super) fn format(
    args: &DhallRewriteArgs,
    session: &mut Session<'_>,
) -> Result<(), CommandError> {
    let done = Done { what: "formatted", command: "format" };
    rewrite(args, &DhallBounds::default(), done, session, |_, _, parsed| Ok(parsed))
}

pub(super) fn lint(args: &DhallRewriteArgs, session: &mut Session<'_>) -> Result<(), CommandError> {
    let done = Done { what: "tidy", command: "lint" };
    rewrite(args, &DhallBounds::default(), done, session, |_, _, parsed| {
        Ok(Parsed { expr: vigil_dhall::lint(&parsed.expr), ..parsed })
    })
}

pub(super) fn freeze(
    args: &DhallFreezeArgs,
    session: &mut Session<'_>,
) -> Result<(), CommandError> {
    let freeze = Freeze { all: args.all, as_cache: args.cache };
    let done = Done { what: "frozen", command: "freeze" };
    rewrite(&args.rewrite, &args.bounds, done, session, |shop, text, parsed| {
        let frozen = shop.imports.freeze(&parsed.expr, &text.root, freeze);
        Ok(Parsed { expr: frozen.map_err(|error| import_failed(&error))?, ..parsed })
    })
}

/// What is said of a text that needs no rewriting, and which command rewrites.
#[derive(Clone, Copy)]
struct Done {
    what: &'static str,
    command: &'static str,
}

fn rewrite(
    args: &DhallRewriteArgs,
    bounds: &DhallBounds,
    done: Done,
    session: &mut Session<'_>,
    change: impl Fn(&mut Workshop<'_, '_, '_>, &Text, Parsed) -> Result<Parsed, CommandError>,
) -> Result<(), CommandError> {
    let randomness = session.environment.randomness.clone();
    let mut untidy = Vec::new();
    let mut written = 0_u64;
    with_imports(bounds, session, |mut shop| {
        let mut one = |Candidate { path, text, parsed }| {
            let old = &text.source.text;
            let parsed = change(&mut shop, &text, parsed)?;
            let new = print_parsed(old, &parsed, style(args, old));
            let is_changed = *new != **old;
            // Standard input has no place to be written to.
            let is_written = args.inplace && !is_standard(&path);
            if is_changed && is_written {
                let failed =
                    |source| CommandError::File { action: "write", path: path.clone(), source };
                replace(&path, new.as_bytes(), &*randomness).map_err(failed)?;
                written += 1;
            }
            if is_changed && args.check {
                untidy.push(path.clone());
            }
            let is_shown = !args.check && !is_written;
            if args.format.json {
                let path = path.to_string_lossy();
                let text = is_shown.then_some(new);
                shop.out.json(&json!({ "path": path, "changed": is_changed, "text": text }))
            } else if is_shown {
                write_text(shop.out, &new)
            } else {
                Ok(())
            }
        };
        let limits = limits(bounds);
        if args.transitive {
            followed(&args.files, &limits)?.into_iter().try_for_each(one)
        } else {
            args.files.iter().try_for_each(|path| one(Candidate::read(path.clone(), &limits)?))
        }
    })?;
    if !untidy.is_empty() {
        let Done { what, command } = done;
        return Err(CommandError::Untidy { what, command, paths: untidy });
    }
    if args.inplace {
        let files = human::count(written, "file", "files");
        session.say(format_args!("{files} changed"))?;
    }
    Ok(())
}

/// A text that is to be rewritten.
struct Candidate {
    path: PathBuf,
    text: Text,
    parsed: Parsed,
}

impl Candidate {
    fn read(path: PathBuf, limits: &Limits) -> Result<Self, CommandError> {
        let text = read(&path, limits)?;
        let parsed = parse(&text.source.text, limits)
            .map_err(|error| wrong(Report::parse(&error, &text.source)))?;
        Ok(Self { path, text, parsed })
    }

    /// Returns the files that this imports by relative paths, and whether each may be absent.
    fn imported(&self, place: &ImportTarget) -> Vec<(PathBuf, bool)> {
        let mut files = Vec::new();
        for found in imports(&self.parsed.expr) {
            let Import { target, mode: ImportMode::Code, .. } = found.import else { continue };
            if let ImportTarget::Local(Anchor::Here | Anchor::Parent, _) = target {
                let path = PathBuf::from(place.chain(target).canonicalize().location());
                let path = path.strip_prefix(".").map(Path::to_path_buf).unwrap_or(path);
                files.push((path, found.may_be_absent));
            }
        }
        files
    }
}

/// Reads files and the files that they import by relative paths: each once, and before what
/// imports it, so that what is wrong in one is told before its importers are touched.
fn followed(files: &[PathBuf], limits: &Limits) -> Result<Vec<Candidate>, CommandError> {
    /// What is left to do, the next step last.
    enum Step {
        Read { path: PathBuf, may_be_absent: bool },
        Take(Box<Candidate>),
    }
    let read = |path: &PathBuf| Step::Read { path: path.clone(), may_be_absent: false };
    let mut steps: Vec<Step> = files.iter().rev().map(read).collect();
    let mut seen = HashSet::new();
    let mut taken = Vec::new();
    while let Some(step) = steps.pop() {
        let (path, may_be_absent) = match step {
            Step::Take(candidate) => {
                taken.push(*candidate);
                continue;
            }
            Step::Read { path, may_be_absent } => (path, may_be_absent),
        };
        // Standard input stands in the working folder, as a file of that name would.
        let place = place(&path)?.canonicalize();
        if !seen.insert(place.location()) || (may_be_absent && !path.exists()) {
            continue;
        }
        let candidate = Candidate::read(path, limits)?;
        let imported = candidate.imported(&place);
        steps.push(Step::Take(Box::new(candidate)));
        let read = |(path, may_be_absent)| Step::Read { path, may_be_absent };
        steps.extend(imported.into_iter().rev().map(read));
    }
    Ok(taken)
}

fn style(args: &DhallRewriteArgs, text: &str) -> Style {
    let mut style = Style::of(text);
    if args.ascii {
        style.characters = CharacterSet::Ascii;
    }
    if args.unicode {
        style.characters = CharacterSet::Unicode;
    }
    style
}

/// Writes a file anew: whoever reads it meanwhile sees the old or the new text, whole.
fn replace(path: &Path, bytes: &[u8], randomness: &dyn Randomness) -> io::Result<()> {
    // A link stays a link.
    let path = fs::canonicalize(path)?;
    let mut random = [0; 8];
    randomness.fill(&mut random).map_err(io::Error::other)?;
    let digits = human::hex(&random);
    let mut name = std::ffi::OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(format!(".{digits}"));
    let temporary: PathBuf = path.with_file_name(name);
    let write = || {
        fs::write(&temporary, bytes)?;
        fs::set_permissions(&temporary, fs::metadata(&path)?.permissions())?;
        fs::File::open(&temporary)?.sync_all()?;
        fs::rename(&temporary, &path)
    };
    let result = write();
    if result.is_err() {
        // It may not even be there.
        let _ = fs::remove_file(&temporary);
    }
    result
}
