//! `vigil dhall`: expressions read, evaluated, rewritten and converted.
//!
//! The language is `vigil-dhall`'s; imports come through the door that the program passes.

mod convert;
mod lsp;
mod repl;
mod rewrite;

use std::io::{Read as _, Write as _};
use std::path::{Component, Path};

use serde_json::json;
use vigil_base::Blame;
use vigil_dhall::{
    Anchor, CharacterSet, CheckError, Checked, Expr, ImportPath, ImportTarget, LimitError, Limits,
    Report, Resolved, Root, Session as Imports, Source, Style, difference, parse, print,
};

use super::Session;
use crate::args::{
    DhallBounds, DhallCommand, DhallDiffArgs, DhallHashArgs, DhallNormalizeArgs, DhallPrintArgs,
    DhallSigns,
};
use crate::dhall::DhallSettings;
use crate::failure::CommandError;
use crate::human;
use crate::output::Output;
use crate::resolve::is_standard;
use crate::talk::Talk;

pub(super) fn perform(
    command: &DhallCommand,
    session: &mut Session<'_>,
) -> Result<(), CommandError> {
    match command {
        DhallCommand::Type(args) => infer(args, session),
        DhallCommand::Normalize(args) => normalize(args, session),
        DhallCommand::Hash(args) => hash(args, session),
        DhallCommand::Resolve(args) => resolve(args, session),
        DhallCommand::Diff(args) => diff(args, session),
        DhallCommand::Freeze(args) => rewrite::freeze(args, session),
        DhallCommand::Lint(args) => rewrite::lint(args, session),
        DhallCommand::Format(args) => rewrite::format(args, session),
        DhallCommand::Encode { file } => convert::encode(file, session),
        DhallCommand::Decode { file, signs, format } => {
            convert::decode(file, *signs, *format, session)
        }
        DhallCommand::ToJson(input) => convert::to_json(input, session),
        DhallCommand::ToYaml(input) => convert::to_yaml(input, session),
        DhallCommand::FromJson(args) => convert::from_json(args, session),
        DhallCommand::Repl { bounds } => repl::repl(bounds, session),
        DhallCommand::Lsp { bounds } => lsp::serve(bounds, session),
    }
}

/// What a command works with while imports can be had.
struct Workshop<'w, 'o, 'i> {
    imports: Imports<'i>,
    limits: &'w Limits,
    out: &'w mut Output<'o>,
}

/// Returns the limits that were asked for.
fn limits(bounds: &DhallBounds) -> Limits {
    let default = Limits::default();
    Limits {
        depth: bounds.max_depth.unwrap_or(default.depth),
        steps: bounds.max_steps.unwrap_or(default.steps),
        memory_bytes: bounds.max_memory.unwrap_or(default.memory_bytes),
        imports: bounds.max_imports.unwrap_or(default.imports),
        import_bytes: bounds.max_import_size.unwrap_or(default.import_bytes),
    }
}

/// Does some work for which imports are needed.
fn with_imports<R>(
    bounds: &DhallBounds,
    session: &mut Session<'_>,
    work: impl FnOnce(Workshop<'_, '_, '_>) -> Result<R, CommandError>,
) -> Result<R, CommandError> {
    let limits = limits(bounds);
    let Session { environment, out, talk, .. } = session;
    let talk: &Talk<'_> = talk;
    let warn = |line: &str| talk.warn("warning", line);
    let settings = settings(bounds, environment.folder.clone(), &limits);
    let importer = environment.dhall.importer(&settings, &warn);
    let imports = open(bounds, &limits, &*importer);
    work(Workshop { imports, limits: &limits, out })
}

fn settings(bounds: &DhallBounds, folder: std::path::PathBuf, limits: &Limits) -> DhallSettings {
    DhallSettings {
        folder,
        uses_cache: !bounds.no_cache,
        is_offline: bounds.offline,
        import_bytes_max: limits.import_bytes,
    }
}

fn open<'i>(
    bounds: &DhallBounds,
    limits: &Limits,
    importer: &'i dyn vigil_dhall::Importer,
) -> Imports<'i> {
    let imports = Imports::new(importer, limits);
    if bounds.semi_semantic_cache { imports.with_semi_semantic_cache() } else { imports }
}

/// A text with an expression, and where it stands.
struct Text {
    source: Source,
    root: Root,
}

impl Text {
    fn new(name: String, text: String, root: Root) -> Self {
        let source = Source { name: name.into(), text: text.into() };
        Self { root: root.with_source(source.clone()), source }
    }
}

/// Reads a file, or standard input, of at most so many bytes.
fn read_bytes(path: &Path, bytes_max: u64) -> Result<Vec<u8>, CommandError> {
    let failed = |source| CommandError::File { action: "read", path: path.to_path_buf(), source };
    let mut bytes = Vec::new();
    let room = bytes_max.saturating_add(1);
    if is_standard(path) {
        let failed = |source| {
            let path = "standard input".into();
            CommandError::File { action: "read", path, source }
        };
        std::io::stdin().lock().take(room).read_to_end(&mut bytes).map_err(failed)?;
    } else {
        let file = std::fs::File::open(path).map_err(failed)?;
        file.take(room).read_to_end(&mut bytes).map_err(failed)?;
    }
    if bytes.len() as u64 > bytes_max {
        let reason = format!("it has more than {bytes_max} bytes; raise --max-import-size");
        return Err(failed(std::io::Error::new(std::io::ErrorKind::FileTooLarge, reason)));
    }
    Ok(bytes)
}

/// Reads a text from a file, or from standard input.
fn read(path: &Path, limits: &Limits) -> Result<Text, CommandError> {
    let bytes = read_bytes(path, limits.import_bytes)?;
    let (name, root) = if is_standard(path) {
        ("standard input".to_owned(), Root::anonymous())
    } else {
        (human::path(path), Root::at(place(path)?))
    };
    match String::from_utf8(bytes) {
        Ok(text) => Ok(Text::new(name, text, root)),
        Err(error) => {
            // The text is made readable, so that the place can be shown.
            let text = String::from_utf8_lossy(error.as_bytes()).into_owned();
            let offset = error.utf8_error().valid_up_to();
            let text = Text::new(name, text, root);
            Err(wrong(Report::parse(&vigil_dhall::ParseError::NotUtf8 { offset }, &text.source)))
        }
    }
}

/// Returns a path as imports see it.
fn place(path: &Path) -> Result<ImportTarget, CommandError> {
    let mut anchor = Anchor::Here;
    let mut components = Vec::new();
    for component in path.components() {
        match component {
            Component::RootDir => anchor = Anchor::Absolute,
            Component::Prefix(_) | Component::CurDir => {}
            Component::ParentDir => components.push("..".into()),
            Component::Normal(name) => match name.to_str() {
                Some(name) => components.push(name.into()),
                None => {
                    let reason = "imports only follow paths that are UTF-8";
                    let source = std::io::Error::new(std::io::ErrorKind::InvalidInput, reason);
                    return Err(CommandError::File { action: "use", path: path.into(), source });
                }
            },
        }
    }
    let file = components.pop().unwrap_or_else(|| "".into());
    Ok(ImportTarget::Local(anchor, ImportPath { directory: components, file }))
}

/// The error for what is wrong with an expression.
fn wrong(report: Report) -> CommandError {
    CommandError::Expression { report: Box::new(report), blame: Blame::Caller }
}

/// The error for a limit that an operation on a text ran into.
fn over(source: &Source) -> impl Fn(LimitError) -> CommandError {
    |error| wrong(Report::check(&CheckError::Limit(error), source))
}

impl Workshop<'_, '_, '_> {
    fn parse(&self, text: &Text) -> Result<Expr, CommandError> {
        match parse(&text.source.text, self.limits) {
            Ok(parsed) => Ok(parsed.expr),
            Err(error) => Err(wrong(Report::parse(&error, &text.source))),
        }
    }

    fn resolve(&mut self, text: &Text) -> Result<Resolved, CommandError> {
        let expr = self.parse(text)?;
        self.imports.resolve(&expr, &text.root).map_err(|error| import_failed(&error))
    }

    fn check(&mut self, text: &Text) -> Result<Checked, CommandError> {
        let resolved = self.resolve(text)?;
        resolved.check().map_err(|error| wrong(Report::check(&error, &text.source)))
    }
}

fn import_failed(error: &vigil_dhall::ImportError) -> CommandError {
    let blame = match error.blame() {
        vigil_dhall::Blame::Caller => Blame::Caller,
        vigil_dhall::Blame::World => Blame::World,
    };
    CommandError::Expression { report: Box::new(Report::import(error)), blame }
}

fn style(signs: DhallSigns) -> Style {
    let characters = if signs.ascii { CharacterSet::Ascii } else { CharacterSet::Unicode };
    Style { characters, ..Style::default() }
}

fn infer(args: &DhallPrintArgs, session: &mut Session<'_>) -> Result<(), CommandError> {
    with_imports(&args.input.bounds, session, |mut shop| {
        let text = read(&args.input.file, shop.limits)?;
        let ty = shop.check(&text)?.type_expr().map_err(over(&text.source))?;
        let ty = print(&ty, style(args.signs));
        if args.format.json { shop.out.json(&json!({ "type": ty })) } else { shop.out.line(ty) }
    })
}

fn normalize(args: &DhallNormalizeArgs, session: &mut Session<'_>) -> Result<(), CommandError> {
    let DhallPrintArgs { input, signs, format } = &args.print;
    with_imports(&input.bounds, session, |mut shop| {
        let text = read(&input.file, shop.limits)?;
        let checked = shop.check(&text)?;
        let normal = if args.alpha { checked.alpha_normalize() } else { checked.normalize() };
        let normal = print(&normal.map_err(over(&text.source))?, style(*signs));
        if !format.json {
            return shop.out.line(normal);
        }
        let ty = checked.type_expr().map_err(over(&text.source))?;
        let ty = print(&ty, style(*signs));
        shop.out.json(&json!({ "expression": normal, "type": ty }))
    })
}

fn hash(args: &DhallHashArgs, session: &mut Session<'_>) -> Result<(), CommandError> {
    with_imports(&args.input.bounds, session, |mut shop| {
        let text = read(&args.input.file, shop.limits)?;
        let hash = shop.check(&text)?.hash().map_err(over(&text.source))?.to_string();
        if args.format.json { shop.out.json(&json!({ "hash": hash })) } else { shop.out.line(hash) }
    })
}

fn resolve(args: &DhallPrintArgs, session: &mut Session<'_>) -> Result<(), CommandError> {
    with_imports(&args.input.bounds, session, |mut shop| {
        let text = read(&args.input.file, shop.limits)?;
        let resolved = shop.resolve(&text)?.expr().map_err(over(&text.source))?;
        let resolved = print(&resolved, style(args.signs));
        if args.format.json {
            shop.out.json(&json!({ "expression": resolved }))
        } else {
            shop.out.line(resolved)
        }
    })
}

fn diff(args: &DhallDiffArgs, session: &mut Session<'_>) -> Result<(), CommandError> {
    let found = with_imports(&args.bounds, session, |mut shop| {
        let mut normal = |path: &Path| {
            let text = read(path, shop.limits)?;
            shop.check(&text)?.normalize().map_err(over(&text.source))
        };
        let (left, right) = (normal(&args.left)?, normal(&args.right)?);
        let found = difference(&left, &right, usize::MAX);
        let (left, right) = found.map(|found| (found.left, found.right)).unzip();
        let is_equal = left.is_none();
        if args.format.json {
            let document = json!({ "equal": is_equal, "left": left, "right": right });
            shop.out.json(&document)?;
        } else if let (Some(left), Some(right)) = (left, right) {
            shop.out.line(format_args!("- {left}"))?;
            shop.out.line(format_args!("+ {right}"))?;
        }
        Ok(is_equal)
    })?;
    if found { session.say("no difference") } else { Ok(()) }
}

/// Writes text that ends its last line itself.
fn write_text(out: &mut Output<'_>, text: &str) -> Result<(), CommandError> {
    out.write_all(text.as_bytes()).map_err(CommandError::Output)
}
