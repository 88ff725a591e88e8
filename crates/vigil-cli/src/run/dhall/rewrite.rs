//! `vigil dhall format`, `lint` and `freeze`: texts written anew, with their comments.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::json;
use vigil_base::world::Randomness;
use vigil_dhall::{CharacterSet, Freeze, Parsed, Report, Style, parse, print_parsed};

use super::{Text, Workshop, import_failed, read, with_imports, write_text, wrong};
use crate::args::{DhallBounds, DhallFreezeArgs, DhallRewriteArgs};
use crate::failure::CommandError;
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
        for path in &args.files {
            let text = read(path, shop.limits)?;
            let old = &text.source.text;
            let parsed = parse(old, shop.limits)
                .map_err(|error| wrong(Report::parse(&error, &text.source)))?;
            let parsed = change(&mut shop, &text, parsed)?;
            let new = print_parsed(old, &parsed, style(args, old));
            let is_changed = *new != **old;
            // Standard input has no place to be written to.
            let is_written = args.inplace && !is_standard(path);
            if is_changed && is_written {
                let failed =
                    |source| CommandError::File { action: "write", path: path.clone(), source };
                replace(path, new.as_bytes(), &*randomness).map_err(failed)?;
                written += 1;
            }
            if is_changed && args.check {
                untidy.push(path.clone());
            }
            let is_shown = !args.check && !is_written;
            if args.format.json {
                let path = path.to_string_lossy();
                let text = is_shown.then_some(new);
                shop.out.json(&json!({ "path": path, "changed": is_changed, "text": text }))?;
            } else if is_shown {
                write_text(shop.out, &new)?;
            }
        }
        Ok(())
    })?;
    if !untidy.is_empty() {
        let Done { what, command } = done;
        return Err(CommandError::Untidy { what, command, paths: untidy });
    }
    if args.inplace {
        let files = crate::human::count(written, "file", "files");
        session.say(format_args!("{files} changed"))?;
    }
    Ok(())
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
    let digits: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
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
