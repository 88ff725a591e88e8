//! `vigil dhall repl`: a conversation, line by line.
//!
//! What was bound before stands around every new expression; imports are loaded once.

use std::io::Write as _;

use vigil_dhall::{
    Binding, CheckError, Checked, Expr, ExprKind, Label, Limits, ParseError, Report, Root,
    Session as Imports, Source, Span, Style, parse, print,
};

use super::{limits, open, settings};
use crate::args::DhallBounds;
use crate::dhall::{EditedLine, LineEditor};
use crate::failure::CommandError;
use crate::output::Output;
use crate::run::Session;
use crate::talk::Talk;

const PROMPT: &str = "⊢ ";
const MORE: &str = "  ";

const HELP: &str = "\
EXPRESSION             evaluates it; an unfinished one goes on in the next line, an empty line ends it
x = EXPRESSION         or :let x = EXPRESSION: keeps a value; x : TYPE = EXPRESSION gives its type, too
:type EXPRESSION       its type
:hash EXPRESSION       its semantic hash
:resolve EXPRESSION    the expression with its imports resolved
:show                  what is kept
:clear                 forgets what is kept, and loads imports anew
:help                  this
:quit                  ends";

/// What a line asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ask {
    Evaluate,
    Type,
    Hash,
    Resolve,
    Let,
}

pub(super) fn repl(bounds: &DhallBounds, session: &mut Session<'_>) -> Result<(), CommandError> {
    let limits = limits(bounds);
    let Session { environment, out, talk, .. } = session;
    let warn = |line: &str| talk.warn("warning", line);
    let settings = settings(bounds, environment.folder.clone(), &limits);
    let importer = environment.dhall.importer(&settings, &warn);
    let failed = |source| {
        let path = "standard input".into();
        CommandError::File { action: "read", path, source }
    };
    let mut editor = environment.dhall.editor().map_err(failed)?;
    let fresh = || open(bounds, &limits, &*importer);
    let mut talking =
        Conversation { imports: fresh(), limits: &limits, bindings: Vec::new(), out, talk };
    loop {
        let Some(entry) = next_entry(&mut *editor, &limits).map_err(failed)? else { break };
        editor.remember(&entry);
        match entry.trim() {
            ":quit" | ":q" | ":exit" => break,
            ":clear" => {
                talking.bindings.clear();
                talking.imports = fresh();
            }
            entry => talking.answer(entry)?,
        }
        talking.out.flush().map_err(CommandError::Output)?;
    }
    if let Err(error) = editor.finish() {
        talk.warn("warning", format_args!("the history could not be kept: {error}"));
    }
    Ok(())
}

/// Reads lines until they are an entry, or there are no more.
fn next_entry(editor: &mut dyn LineEditor, limits: &Limits) -> std::io::Result<Option<String>> {
    let mut entry = String::new();
    loop {
        let prompt = if entry.is_empty() { PROMPT } else { MORE };
        match editor.line(prompt)? {
            EditedLine::End if entry.trim().is_empty() => return Ok(None),
            EditedLine::End => return Ok(Some(entry)),
            EditedLine::Interrupted => entry.clear(),
            EditedLine::Text(line) if line.trim().is_empty() => {
                if !entry.is_empty() {
                    return Ok(Some(entry));
                }
            }
            EditedLine::Text(line) => {
                if !entry.is_empty() {
                    entry.push('\n');
                }
                entry.push_str(&line);
                if !is_unfinished(&entry, limits) {
                    return Ok(Some(entry));
                }
            }
        }
    }
}

/// Whether a text stops where more could follow.
fn is_unfinished(entry: &str, limits: &Limits) -> bool {
    let Some((_, text)) = split(entry) else { return false };
    let text = match binding(text) {
        Some((_, _, value)) => value,
        None => text,
    };
    match parse(text, limits) {
        Err(ParseError::Unexpected { offset, .. }) => offset >= text.trim_end().len(),
        // A text in double quotes must end in its line.
        Err(ParseError::Unclosed { close, .. }) => close != "\"",
        _ => false,
    }
}

/// Splits an entry into what it asks for and the text; returns nothing for other commands.
fn split(entry: &str) -> Option<(Ask, &str)> {
    let entry = entry.trim_start();
    if !entry.starts_with(':') {
        let ask = if binding(entry).is_some() { Ask::Let } else { Ask::Evaluate };
        return Some((ask, entry));
    }
    let (word, rest) = entry.split_once(char::is_whitespace).unwrap_or((entry, ""));
    let ask = match word {
        ":type" | ":t" => Ask::Type,
        ":hash" => Ask::Hash,
        ":resolve" => Ask::Resolve,
        ":let" => Ask::Let,
        _ => return None,
    };
    Some((ask, rest.trim_start()))
}

/// Splits `x : T = e` into its parts, the type perhaps empty.
fn binding(text: &str) -> Option<(&str, &str, &str)> {
    let is_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '/');
    let (label, rest) = if let Some(quoted) = text.strip_prefix('`') {
        quoted.split_once('`')?
    } else {
        text.split_at(text.find(|c| !is_word(c)).unwrap_or(text.len()))
    };
    if label.is_empty() {
        return None;
    }
    let rest = rest.trim_start();
    let (ty, value) = match rest.strip_prefix(':') {
        Some(rest) => equals(rest)?,
        None => ("", rest.strip_prefix('=').filter(|rest| !rest.starts_with(['=', '?']))?),
    };
    Some((label, ty, value))
}

/// Splits at the first `=` outside of brackets that stands for itself.
fn equals(text: &str) -> Option<(&str, &str)> {
    let bytes = text.as_bytes();
    let mut depth = 0_usize;
    for (at, byte) in bytes.iter().enumerate() {
        match byte {
            b'(' | b'[' | b'{' | b'<' => depth += 1,
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            b'>' if at == 0 || bytes[at - 1] != b'-' => depth = depth.saturating_sub(1),
            b'=' if depth == 0 => return Some((&text[..at], &text[at + 1..])),
            _ => {}
        }
    }
    None
}

/// What is known so far, and where answers go.
struct Conversation<'c, 'o, 't, 'i> {
    imports: Imports<'i>,
    limits: &'c Limits,
    bindings: Vec<Binding>,
    out: &'c mut Output<'o>,
    talk: &'c Talk<'t>,
}

impl Conversation<'_, '_, '_, '_> {
    /// Answers an entry. What is wrong with it is said, and ends nothing.
    fn answer(&mut self, entry: &str) -> Result<(), CommandError> {
        match entry {
            ":help" | ":h" | ":?" => return self.out.line(HELP),
            ":show" => return self.show(),
            _ => {}
        }
        let Some((ask, text)) = split(entry) else {
            self.talk
                .warn("error", format_args!("there is no command `{entry}`; :help lists them"));
            return Ok(());
        };
        let answer = match ask {
            Ask::Let => self.keep(text),
            Ask::Evaluate => self.check(text).and_then(|(checked, source)| {
                self.limited(&source, checked.normalize()).map(|expr| shown(&expr))
            }),
            Ask::Type => self.check(text).and_then(|(checked, source)| {
                self.limited(&source, checked.type_expr()).map(|expr| shown(&expr))
            }),
            Ask::Hash => self.check(text).and_then(|(checked, source)| {
                self.limited(&source, checked.hash()).map(|hash| hash.to_string())
            }),
            Ask::Resolve => self.resolve(text),
        };
        match answer {
            Ok(line) => self.out.line(line),
            Err(report) => {
                self.out.flush().map_err(CommandError::Output)?;
                self.talk.report(&report);
                Ok(())
            }
        }
    }

    fn show(&mut self) -> Result<(), CommandError> {
        for binding in &self.bindings {
            let value = print(&binding.value, Style::one_line());
            self.out.line(format_args!("{} = {value}", binding.label))?;
        }
        Ok(())
    }

    fn parse(&self, text: &str) -> Result<(Expr, Source), Box<Report>> {
        let source = Source { name: "input".into(), text: text.into() };
        match parse(text, self.limits) {
            Ok(parsed) => Ok((parsed.expr, source)),
            Err(error) => Err(Box::new(Report::parse(&error, &source))),
        }
    }

    /// Checks an expression in the scope of what is kept.
    fn check_expr(&mut self, expr: Expr, source: &Source) -> Result<Checked, Box<Report>> {
        let whole = around(&self.bindings, expr);
        let root = Root::anonymous().with_source(source.clone());
        let resolved = self.imports.resolve(&whole, &root);
        let resolved = resolved.map_err(|error| Box::new(Report::import(&error)))?;
        resolved.check().map_err(|error| Box::new(Report::check(&error, source)))
    }

    fn check(&mut self, text: &str) -> Result<(Checked, Source), Box<Report>> {
        let (expr, source) = self.parse(text)?;
        Ok((self.check_expr(expr, &source)?, source))
    }

    fn resolve(&mut self, text: &str) -> Result<String, Box<Report>> {
        let (expr, source) = self.parse(text)?;
        let root = Root::anonymous().with_source(source.clone());
        let resolved = self.imports.resolve(&expr, &root);
        let resolved = resolved.map_err(|error| Box::new(Report::import(&error)))?;
        self.limited(&source, resolved.expr()).map(|expr| shown(&expr))
    }

    /// Keeps a binding, if it has a type, and returns what is said about it.
    fn keep(&mut self, text: &str) -> Result<String, Box<Report>> {
        let Some((label, ty, value)) = binding(text) else {
            // The parser knows best what is missing.
            self.parse(&format!("let {text} in {{=}}"))?;
            let source = Source { name: "input".into(), text: text.into() };
            let what = ParseError::Invalid { offset: 0, what: "expected `name = expression`" };
            return Err(Box::new(Report::parse(&what, &source)));
        };
        let (value, source) = self.parse(value)?;
        let annotation = match ty.trim() {
            "" => None,
            ty => Some(self.parse(ty)?.0),
        };
        let whole = match annotation.clone() {
            Some(ty) => Expr::at(value.span(), ExprKind::Annotation(value.clone(), ty)),
            None => value.clone(),
        };
        let checked = self.check_expr(whole, &source)?;
        let ty = self.limited(&source, checked.type_expr())?;
        let ty = print(&ty, Style::one_line());
        let name = Label::new(label);
        self.bindings.push(Binding { span: Span::NONE, label: name.clone(), annotation, value });
        Ok(format!("{name} : {ty}"))
    }

    fn limited<T>(
        &self,
        source: &Source,
        result: Result<T, vigil_dhall::LimitError>,
    ) -> Result<T, Box<Report>> {
        result.map_err(|error| Box::new(Report::check(&CheckError::Limit(error), source)))
    }
}

/// Puts bindings around an expression.
fn around(bindings: &[Binding], expr: Expr) -> Expr {
    if bindings.is_empty() {
        return expr;
    }
    // The body of a `Let` is none itself.
    let (inner, body) = match expr.kind() {
        ExprKind::Let(inner, body) => (inner.as_slice(), body.clone()),
        _ => (&[][..], expr.clone()),
    };
    let all = bindings.iter().chain(inner).cloned().collect();
    Expr::at(expr.span(), ExprKind::Let(all, body))
}

fn shown(expr: &Expr) -> String {
    print(expr, Style::default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bindings_are_told_from_expressions() {
        assert_eq!(binding("x = 1"), Some(("x", "", " 1")));
        assert_eq!(binding("`a b`=1"), Some(("a b", "", "1")));
        assert_eq!(binding("x : { a : Text } = v"), Some(("x", " { a : Text } ", " v")));
        assert_eq!(binding("f : Natural -> Bool = g"), Some(("f", " Natural -> Bool ", " g")));
        for text in ["x == 1", "x", "x.y", "{ x = 1 }", "let x = 1 in x", "x : Natural", "1"] {
            assert_eq!(binding(text), None, "{text}");
        }
    }

    #[test]
    fn unfinished_entries_go_on() {
        let limits = Limits::default();
        for text in [
            "{ a = 1,",
            "let x = 1",
            "\\(x : Bool) ->",
            ":type {",
            "x = [ 1,",
            "''\ntext",
            "1 {- why",
        ] {
            assert!(is_unfinished(text, &limits), "{text}");
        }
        for text in ["1", "{ a = 1 }", ")", "{ a == 1", ":help", "x = 1", ":quit", "\"text"] {
            assert!(!is_unfinished(text, &limits), "{text}");
        }
    }
}
