//! Programs in the language of jq, run by `jaq` within bounds.
//!
//! jaq itself runs whatever it is given, for ever if need be. So a program here may only select: it
//! defines nothing, calls nothing that repeats without end, and reaches nothing outside. Each part of
//! it, and of the library below it, first counts a step, and what it builds or compares is measured; where
//! there are too many, its thread unwinds.
//!
//! Invariant: the result follows from the program and the text alone, and so does that a bound was met.

use std::any::Any;

use jaq_core::load::lex::StrPart;
use jaq_core::load::parse::{BinaryOp, Def, Pattern, Term};
use jaq_core::load::{Arena, File, Lexer, Loader, Parser, span};
use jaq_core::path::{Part, Path};
use jaq_core::{Ctx, Vars, unwrap_valr};
use vigil_kernel::shorten;

use super::json::Output;
use super::tolls::{
    BUILT, Bounds, DEPTH_MAX, Data, GLANCE, MEASURE, Overrun, STEP, begin, natives,
};
use crate::description::Complaint;

/// Most steps that anybody may ask for.
pub const STEPS_MAX: u64 = 2_000_000_000;

/// Longest program, in bytes: nesting is bounded by it.
const PROGRAM_BYTES_MAX: usize = 4096;

/// The stack for a program that is as deep as it is long, and for values as deep as can be paid for.
const STACK_BYTES: usize = 256 << 20;

/// What a program may call.
const FUNCTIONS: &[&str] = &[
    "add",
    "all",
    "any",
    "arrays",
    "ascii_downcase",
    "ascii_upcase",
    "booleans",
    "bsearch",
    "ceil",
    "contains",
    "del",
    "empty",
    "endswith",
    "error",
    "first",
    "flatten",
    "floor",
    "from_entries",
    "getpath",
    "group_by",
    "has",
    "in",
    "index",
    "indices",
    "inside",
    "isempty",
    "iterables",
    "join",
    "keys",
    "keys_unsorted",
    "last",
    "length",
    "limit",
    "ltrimstr",
    "map",
    "map_values",
    "max",
    "max_by",
    "min",
    "min_by",
    "not",
    "nth",
    "null",
    "nulls",
    "numbers",
    "objects",
    "path",
    "paths",
    "pick",
    "reverse",
    "rindex",
    "round",
    "rtrimstr",
    "scalars",
    "select",
    "setpath",
    "skip",
    "sort",
    "sort_by",
    "split",
    "startswith",
    "strings",
    "to_entries",
    "tojson",
    "tonumber",
    "tostring",
    "transpose",
    "trim",
    "true",
    "false",
    "type",
    "unique",
    "unique_by",
    "utf8bytelength",
    "values",
    "walk",
    "with_entries",
];

/// Definitions of jaq's library that rest on natives that are not linked here.
const OWN: &[&str] = &["tonumber", "toboolean", "totype"];

/// Definitions of `jaq_std` that need nothing but what is linked here.
const STANDARD: &[&str] = &[
    "null",
    "isboolean",
    "isnumber",
    "isstring",
    "isarray",
    "isobject",
    "type",
    "values",
    "nulls",
    "booleans",
    "numbers",
    "strings",
    "arrays",
    "objects",
    "iterables",
    "scalars",
    "add",
    "min_by",
    "max_by",
    "min",
    "max",
    "unique_by",
    "unique",
    "pick",
    "keys",
    "flatten",
    "@text",
];

/// Functions that look at no more than what they are given itself, or leave that to their arguments.
const GLANCING: &[&str] = &[
    "all",
    "any",
    "arrays",
    "booleans",
    "empty",
    "error",
    "false",
    "first",
    "getpath",
    "has",
    "isempty",
    "iterables",
    "keys_unsorted",
    "last",
    "length",
    "limit",
    "map",
    "map_values",
    "not",
    "nth",
    "null",
    "nulls",
    "numbers",
    "objects",
    "path",
    "scalars",
    "select",
    "skip",
    "strings",
    "to_entries",
    "true",
    "type",
    "values",
    "with_entries",
];

fn call(name: &'static str) -> Term<&'static str> {
    Term::Call(name, Vec::new())
}

fn pipe<'s>(left: Term<&'s str>, right: Term<&'s str>) -> Term<&'s str> {
    Term::BinOp(Box::new(left), BinaryOp::Pipe(None), Box::new(right))
}

/// Rewrites terms so that each counts its steps, and checks what may be called.
struct Rewriter {
    /// Whether it is the user's program, or jaq's own library.
    is_program: bool,
}

type Rewritten<'s> = Result<Term<&'s str>, Complaint>;

impl Rewriter {
    fn boxed<'s>(&self, term: Term<&'s str>) -> Result<Box<Term<&'s str>>, Complaint> {
        Ok(Box::new(self.term(term)?))
    }

    fn all<'s>(&self, terms: Vec<Term<&'s str>>) -> Result<Vec<Term<&'s str>>, Complaint> {
        terms.into_iter().map(|term| self.term(term)).collect()
    }

    fn optional<'s>(
        &self,
        term: Option<Box<Term<&'s str>>>,
    ) -> Result<Option<Box<Term<&'s str>>>, Complaint> {
        term.map(|term| self.boxed(*term)).transpose()
    }

    /// Rewrites a term; what it does comes after one step.
    fn term<'s>(&self, term: Term<&'s str>) -> Rewritten<'s> {
        let stepped = |term| Ok(pipe(call(STEP), term));
        let measured = |term| Ok(pipe(pipe(call(STEP), term), call(BUILT)));
        match term {
            Term::Id | Term::Num(_) | Term::Var(_) | Term::Break(_) => stepped(term),
            Term::Recurse => Ok(pipe(pipe(call(STEP), term), call(STEP))),
            Term::Str(format, parts) => measured(self.string(format, parts)?),
            Term::Arr(inside) => measured(Term::Arr(self.optional(inside)?)),
            Term::Obj(members) => measured(self.object(members)?),
            Term::Neg(inside) => stepped(Term::Neg(self.boxed(*inside)?)),
            Term::BinOp(left, op, right) => self.operation(left, op, right),
            Term::Label(name, inside) => stepped(Term::Label(name, self.boxed(*inside)?)),
            Term::Fold(name, source, pattern, arguments) => stepped(Term::Fold(
                name,
                self.boxed(*source)?,
                self.pattern(pattern)?,
                self.all(arguments)?,
            )),
            Term::TryCatch(inside, caught) => {
                stepped(Term::TryCatch(self.boxed(*inside)?, self.optional(caught)?))
            }
            Term::IfThenElse(branches, otherwise) => {
                let branch = |(condition, then)| Ok((self.term(condition)?, self.term(then)?));
                let branches =
                    branches.into_iter().map(branch).collect::<Result<_, Complaint>>()?;
                stepped(Term::IfThenElse(branches, self.optional(otherwise)?))
            }
            Term::Def(..) if self.is_program => {
                Err("a program here defines nothing (`def`); it only selects".into())
            }
            Term::Def(definitions, inside) => {
                let definitions = definitions.into_iter().map(|def| self.definition(def));
                let definitions = definitions.collect::<Result<_, _>>()?;
                Ok(Term::Def(definitions, self.boxed(*inside)?))
            }
            Term::Call(name, arguments) => {
                if self.is_program && !FUNCTIONS.contains(&name) {
                    let functions = FUNCTIONS.join(" ");
                    return Err(Complaint::with_hint(
                        format!("`{name}` may not be called here"),
                        format!("there are {functions}"),
                    ));
                }
                let toll = if GLANCING.contains(&name) { GLANCE } else { MEASURE };
                let called = Term::Call(name, self.all(arguments)?);
                // The library's own loops are calls at the end of a definition, and have to stay so.
                Ok(match self.is_program {
                    true => pipe(pipe(call(toll), called), call(STEP)),
                    false => pipe(call(STEP), called),
                })
            }
            Term::Path(start, path) => self.path(*start, path),
        }
    }

    fn string<'s>(
        &self,
        format: Option<&'s str>,
        parts: Vec<StrPart<&'s str, Term<&'s str>>>,
    ) -> Rewritten<'s> {
        if self.is_program && format.is_some() {
            return Err("texts with a format (`@…`) are not for selection".into());
        }
        let part = |part| match part {
            StrPart::Term(term) => Ok(StrPart::Term(self.term(term)?)),
            part => Ok::<_, Complaint>(part),
        };
        Ok(Term::Str(format, parts.into_iter().map(part).collect::<Result<_, _>>()?))
    }

    fn object<'s>(&self, members: Vec<(Term<&'s str>, Option<Term<&'s str>>)>) -> Rewritten<'s> {
        let member = |(key, value): (_, Option<_>)| {
            // A member without a value is named by its key, which has to stay as it is.
            let Some(value) = value else { return Ok((key, None)) };
            Ok::<_, Complaint>((self.term(key)?, Some(self.term(value)?)))
        };
        Ok(Term::Obj(members.into_iter().map(member).collect::<Result<_, _>>()?))
    }

    fn path<'s>(&self, start: Term<&'s str>, Path(parts): Path<Term<&'s str>>) -> Rewritten<'s> {
        let part = |(part, optional)| {
            let part = match part {
                Part::Index(index) => Part::Index(self.term(index)?),
                Part::Range(from, to) => Part::Range(
                    from.map(|from| self.term(from)).transpose()?,
                    to.map(|to| self.term(to)).transpose()?,
                ),
            };
            Ok::<_, Complaint>((part, optional))
        };
        let parts = parts.into_iter().map(part).collect::<Result<_, _>>()?;
        let path = Term::Path(self.boxed(start)?, Path(parts));
        // It may give very many.
        Ok(pipe(pipe(call(STEP), path), call(STEP)))
    }

    fn operation<'s>(
        &self,
        left: Box<Term<&'s str>>,
        op: BinaryOp<&'s str>,
        right: Box<Term<&'s str>>,
    ) -> Rewritten<'s> {
        if self.is_program && matches!(op, BinaryOp::Math(jaq_core::ops::Math::Mul)) {
            // A text times a number is that text so often: memory before it can be measured.
            return Err("`*` may not be used here".into());
        }
        let builds = matches!(op, BinaryOp::Math(_) | BinaryOp::UpdateMath(_));
        let op = match op {
            BinaryOp::Pipe(Some(pattern)) => BinaryOp::Pipe(Some(self.pattern(pattern)?)),
            BinaryOp::UpdateMath(jaq_core::ops::Math::Mul) => {
                return Err("`*=` may not be used here".into());
            }
            op => op,
        };
        let compares = matches!(op, BinaryOp::Cmp(_));
        let side = |term: Box<Term<&'s str>>| {
            let term = self.term(*term)?;
            Ok::<_, Complaint>(Box::new(if compares { pipe(term, call(MEASURE)) } else { term }))
        };
        let term = Term::BinOp(side(left)?, op, side(right)?);
        let term = pipe(call(STEP), term);
        Ok(if builds { pipe(term, call(BUILT)) } else { term })
    }

    fn pattern<'s>(&self, pattern: Pattern<&'s str>) -> Result<Pattern<&'s str>, Complaint> {
        Ok(match pattern {
            Pattern::Var(name) => Pattern::Var(name),
            Pattern::Arr(parts) => {
                let parts = parts.into_iter().map(|part| self.pattern(part));
                Pattern::Arr(parts.collect::<Result<_, _>>()?)
            }
            Pattern::Obj(members) => {
                let member =
                    |(key, part)| Ok::<_, Complaint>((self.term(key)?, self.pattern(part)?));
                Pattern::Obj(members.into_iter().map(member).collect::<Result<_, _>>()?)
            }
        })
    }

    fn definition<'s>(&self, def: Def<&'s str>) -> Result<Def<&'s str>, Complaint> {
        Ok(Def { name: def.name, args: def.args, body: self.term(def.body)? })
    }
}

/// Reads a program, and says where it is wrong.
fn parse(program: &str) -> Result<Term<&str>, String> {
    let at = |part: &str| program[..span(program, part).start].chars().count() + 1;
    let tokens = Lexer::new(program).lex().map_err(|errors| match errors.first() {
        Some((expected, found)) => {
            format!("it needs a {} at character {}", expected.as_str(), at(found))
        }
        None => "it cannot be read".to_owned(),
    })?;
    Parser::new(&tokens).parse(|parser| parser.term()).map_err(|errors| match errors.first() {
        Some((expected, Some(found))) => {
            format!("it needs a {} at character {}", expected.as_str(), at(found.0))
        }
        Some((expected, None)) => format!("it needs a {} at its end", expected.as_str()),
        None => "it cannot be read".to_owned(),
    })
}

/// Runs a program on each document of a text that has been found to be JSON, and returns the results
/// and how many there are.
pub fn run(
    program: &str,
    text: &[u8],
    is_raw: bool,
    bounds: Bounds,
) -> Result<(Output, u64), Complaint> {
    if program.len() > PROGRAM_BYTES_MAX {
        let len = program.len();
        return Err(format!("the program has {len} bytes, and may have {PROGRAM_BYTES_MAX}").into());
    }
    let work = move || {
        begin(bounds);
        run_here(program, text, is_raw)
    };
    let joined = std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(STACK_BYTES);
        thread.spawn_scoped(scope, work).map(|thread| thread.join())
    });
    match joined {
        Err(error) => Err(format!("no thread could be started for it: {error}").into()),
        Ok(Ok(result)) => result.map_err(|why: Complaint| Complaint {
            what: format!("the program `{}`: {}", shorten(program), why.what),
            ..why
        }),
        Ok(Err(unwound)) => Err(overrun(unwound, program, bounds)),
    }
}

/// Says which bound was met; any other panic goes on.
fn overrun(unwound: Box<dyn Any + Send>, program: &str, bounds: Bounds) -> Complaint {
    let program = shorten(program);
    match unwound.downcast::<Overrun>() {
        Ok(overrun) if overrun.0 == "steps" => {
            let what = format!("the program `{program}` takes more than {} steps", bounds.steps);
            Complaint::with_hint(what, "`steps=N` allows more")
        }
        Ok(overrun) if overrun.0 == "bytes" => {
            format!("the program `{program}` builds more than {} bytes in all", bounds.bytes).into()
        }
        Ok(_) => format!("the program `{program}` nests deeper than {DEPTH_MAX}").into(),
        Err(panic) => std::panic::resume_unwind(panic),
    }
}

fn run_here(program: &str, text: &[u8], is_raw: bool) -> Result<(Output, u64), Complaint> {
    let body = Rewriter { is_program: true }.term(parse(program)?)?;
    let standard = jaq_std::defs().filter(|def| STANDARD.contains(&def.name));
    let json = jaq_json::defs().filter(|def| !OWN.contains(&def.name));
    let library = Rewriter { is_program: false };
    let library = jaq_core::defs().chain(standard).chain(json).map(|def| library.definition(def));
    let mut definitions = library.collect::<Result<Vec<Def<&str>>, Complaint>>()?;
    definitions.push(Def { name: "vigil_program", args: Vec::new(), body });
    let funs = jaq_core::funs().chain(jaq_std::base_funs()).chain(jaq_json::funs());
    let arena = Arena::default();
    let modules = Loader::new(definitions)
        .load(&arena, File { code: "vigil_program", path: () })
        .map_err(|_| "it cannot be loaded".to_owned())?;
    let filter = jaq_core::Compiler::default()
        .with_funs(funs.chain(natives()))
        .compile(modules)
        .map_err(|errors| {
            let first = errors.iter().flat_map(|(_, inside)| inside).next();
            let named = first.map(|(name, kind)| format!("there is no {} `{name}`", kind.as_str()));
            named.unwrap_or_else(|| "it cannot be compiled".to_owned())
        })?;
    let mut out = Output::new();
    let mut count = 0;
    for document in jaq_json::read::parse_many(text) {
        let document = document.map_err(|error| error.to_string())?;
        let context = Ctx::<Data>::new(&filter.lut, Vars::new([]));
        for result in filter.id.run((context, document)).map(unwrap_valr) {
            out.line(&result.map_err(|error| error.to_string())?, is_raw)?;
            count += 1;
        }
    }
    Ok((out, count))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_program_builds_is_bounded_whatever_its_steps() {
        let list = format!("[{}]", vec!["1"; 40].join(","));
        let bounds = Bounds { steps: u64::MAX, bytes: 1 << 20 };
        for program in [
            "reduce .[] as $x (\"x\"; . + .)",
            "reduce .[] as $x (0; [., .])",
            "reduce .[] as $x ({}; {a: ., b: .})",
        ] {
            let Err(why) = run(program, list.as_bytes(), false, bounds) else {
                panic!("{program} ends");
            };
            assert!(why.what.contains("builds more than 1048576 bytes in all"), "{program}: {why}");
        }
        let small = Bounds { bytes: 10_000, ..bounds };
        assert!(run("map(. + 1)", list.as_bytes(), false, small).is_ok());
    }
}
