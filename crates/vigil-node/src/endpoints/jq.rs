//! Programs in the language of jq, run by `jaq` within bounds.
//!
//! jaq itself runs whatever it is given, for ever if need be. So a program here may only select: it
//! defines nothing, calls nothing that repeats without end, and reaches nothing outside. Each part of
//! it, and of the library below it, first counts a step, and what it builds or compares is measured; where
//! there are too many, its thread unwinds.
//!
//! Invariant: the result follows from the program and the text alone, and so does that a bound was met.

use std::any::Any;
use std::cell::Cell;

use jaq_core::load::lex::StrPart;
use jaq_core::load::parse::{BinaryOp, Def, Pattern, Term};
use jaq_core::load::{Arena, File, Lexer, Loader, Parser, span};
use jaq_core::path::{Part, Path};
use jaq_core::{Ctx, Native, Vars, box_iter::box_once, data::JustLut, native, unwrap_valr};
use jaq_json::Val;

use super::json::Output;

/// Most steps that anybody may ask for.
pub const STEPS_MAX: u64 = 2_000_000_000;

/// Longest program, in bytes: nesting is bounded by it.
const PROGRAM_BYTES_MAX: usize = 4096;

/// The stack for a program that is as deep as it is long, and for values as deep as can be paid for.
const STACK_BYTES: usize = 256 << 20;

/// Deepest value that a program may build.
const DEPTH_MAX: usize = 10_000;

/// How many bytes of text count as one step.
const BYTES_PER_STEP: usize = 4;

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

type Data = JustLut<Val>;

/// Unwinds a program that takes too much.
struct Overrun(&'static str);

thread_local! {
    static STEPS_LEFT: Cell<u64> = const { Cell::new(0) };
}

/// Takes steps off what is left, or unwinds.
fn pay(steps: u64) {
    STEPS_LEFT.with(|left| match left.get().checked_sub(steps) {
        Some(rest) => left.set(rest),
        None => std::panic::resume_unwind(Box::new(Overrun("steps"))),
    });
}

/// Pays for a value that was built: all that can be reached in it, since it may be compared or written.
fn pay_for(value: &Val) {
    let mut open = vec![(value, 0)];
    while let Some((value, depth)) = open.pop() {
        if depth > DEPTH_MAX {
            std::panic::resume_unwind(Box::new(Overrun("depth")));
        }
        match value {
            Val::TStr(text) | Val::BStr(text) => pay(1 + (text.len() / BYTES_PER_STEP) as u64),
            Val::Arr(list) => {
                pay(1 + list.len() as u64);
                open.extend(list.iter().map(|value| (value, depth + 1)));
            }
            Val::Obj(map) => {
                pay(1 + map.len() as u64);
                let both = map.iter().flat_map(|(key, value)| [key, value]);
                open.extend(both.map(|value| (value, depth + 1)));
            }
            _ => pay(1),
        }
    }
}

/// Pays for looking at a value without looking into what is in it.
fn pay_for_glance(value: &Val) {
    pay(1 + match value {
        Val::TStr(text) | Val::BStr(text) => text.len() / BYTES_PER_STEP,
        Val::Arr(list) => list.len(),
        Val::Obj(map) => map.len(),
        _ => 0,
    } as u64);
}

/// A native that gives what it is given, after it has been paid for.
macro_rules! toll {
    ($pay:expr) => {
        Native::new(|cv| {
            $pay(&cv.1);
            box_once(Ok(cv.1))
        })
        .with_paths(|cv| {
            $pay(&cv.1.0);
            box_once(Ok(cv.1))
        })
        .with_update(|cv, update| {
            $pay(&cv.1);
            update(cv.1)
        })
    };
}

/// Our own natives: tolls, and numbers out of texts.
fn natives() -> [native::Fun<Data>; 4] {
    let tonumber = Native::new(|cv: jaq_core::Cv<'_, Data>| {
        let number = match &cv.1 {
            Val::Num(_) => Some(cv.1.clone()),
            Val::TStr(text) => jaq_json::read::parse_single_num(text).map(Val::Num),
            _ => None,
        };
        let wrong = || jaq_core::Error::str(format_args!("{} is no number", cv.1));
        native::bome(number.ok_or_else(wrong))
    });
    [
        (STEP, native::v(0), toll!(|_: &Val| pay(1))),
        (GLANCE, native::v(0), toll!(pay_for_glance)),
        (MEASURE, native::v(0), toll!(pay_for)),
        ("tonumber", native::v(0), tonumber),
    ]
}

/// The tolls: one step, the size of a value, all that is in a value.
const STEP: &str = "vigil_step";
const GLANCE: &str = "vigil_glance";
const MEASURE: &str = "vigil_measure";

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

type Rewritten<'s> = Result<Term<&'s str>, String>;

impl Rewriter {
    fn boxed<'s>(&self, term: Term<&'s str>) -> Result<Box<Term<&'s str>>, String> {
        Ok(Box::new(self.term(term)?))
    }

    fn all<'s>(&self, terms: Vec<Term<&'s str>>) -> Result<Vec<Term<&'s str>>, String> {
        terms.into_iter().map(|term| self.term(term)).collect()
    }

    fn optional<'s>(
        &self,
        term: Option<Box<Term<&'s str>>>,
    ) -> Result<Option<Box<Term<&'s str>>>, String> {
        term.map(|term| self.boxed(*term)).transpose()
    }

    /// Rewrites a term; what it does comes after one step.
    fn term<'s>(&self, term: Term<&'s str>) -> Rewritten<'s> {
        let stepped = |term| Ok(pipe(call(STEP), term));
        let measured = |term| Ok(pipe(pipe(call(STEP), term), call(MEASURE)));
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
                let branches = branches.into_iter().map(branch).collect::<Result<_, String>>()?;
                stepped(Term::IfThenElse(branches, self.optional(otherwise)?))
            }
            Term::Def(..) if self.is_program => {
                Err("a program here defines nothing (`def`); it only selects".to_owned())
            }
            Term::Def(definitions, inside) => {
                let definitions = definitions.into_iter().map(|def| self.definition(def));
                let definitions = definitions.collect::<Result<_, _>>()?;
                Ok(Term::Def(definitions, self.boxed(*inside)?))
            }
            Term::Call(name, arguments) => {
                if self.is_program && !FUNCTIONS.contains(&name) {
                    let functions = FUNCTIONS.join(" ");
                    return Err(format!(
                        "`{name}` may not be called here\nhint: there are {functions}"
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
            return Err("texts with a format (`@…`) are not for selection".to_owned());
        }
        let part = |part| match part {
            StrPart::Term(term) => Ok(StrPart::Term(self.term(term)?)),
            part => Ok::<_, String>(part),
        };
        Ok(Term::Str(format, parts.into_iter().map(part).collect::<Result<_, _>>()?))
    }

    fn object<'s>(&self, members: Vec<(Term<&'s str>, Option<Term<&'s str>>)>) -> Rewritten<'s> {
        let member = |(key, value): (_, Option<_>)| {
            // A member without a value is named by its key, which has to stay as it is.
            let Some(value) = value else { return Ok((key, None)) };
            Ok::<_, String>((self.term(key)?, Some(self.term(value)?)))
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
            Ok::<_, String>((part, optional))
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
            return Err("`*` may not be used here".to_owned());
        }
        let builds = matches!(op, BinaryOp::Math(_) | BinaryOp::UpdateMath(_));
        let op = match op {
            BinaryOp::Pipe(Some(pattern)) => BinaryOp::Pipe(Some(self.pattern(pattern)?)),
            BinaryOp::UpdateMath(jaq_core::ops::Math::Mul) => {
                return Err("`*=` may not be used here".to_owned());
            }
            op => op,
        };
        let compares = matches!(op, BinaryOp::Cmp(_));
        let side = |term: Box<Term<&'s str>>| {
            let term = self.term(*term)?;
            Ok::<_, String>(Box::new(if compares { pipe(term, call(MEASURE)) } else { term }))
        };
        let term = Term::BinOp(side(left)?, op, side(right)?);
        let term = pipe(call(STEP), term);
        Ok(if builds { pipe(term, call(MEASURE)) } else { term })
    }

    fn pattern<'s>(&self, pattern: Pattern<&'s str>) -> Result<Pattern<&'s str>, String> {
        Ok(match pattern {
            Pattern::Var(name) => Pattern::Var(name),
            Pattern::Arr(parts) => {
                let parts = parts.into_iter().map(|part| self.pattern(part));
                Pattern::Arr(parts.collect::<Result<_, _>>()?)
            }
            Pattern::Obj(members) => {
                let member = |(key, part)| Ok::<_, String>((self.term(key)?, self.pattern(part)?));
                Pattern::Obj(members.into_iter().map(member).collect::<Result<_, _>>()?)
            }
        })
    }

    fn definition<'s>(&self, def: Def<&'s str>) -> Result<Def<&'s str>, String> {
        Ok(Def { name: def.name, args: def.args, body: self.term(def.body)? })
    }
}

/// Reads a program, and says where it is wrong.
fn parse(program: &str) -> Rewritten<'_> {
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
pub fn run(program: &str, text: &[u8], is_raw: bool, steps: u64) -> Result<(Output, u64), String> {
    if program.len() > PROGRAM_BYTES_MAX {
        let len = program.len();
        return Err(format!("the program has {len} bytes, and may have {PROGRAM_BYTES_MAX}"));
    }
    let work = move || {
        STEPS_LEFT.set(steps);
        run_here(program, text, is_raw)
    };
    let joined = std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(STACK_BYTES);
        thread.spawn_scoped(scope, work).map(|thread| thread.join())
    });
    match joined {
        Err(error) => Err(format!("no thread could be started for it: {error}")),
        Ok(Ok(result)) => result.map_err(|why| format!("the program `{program}`: {why}")),
        Ok(Err(unwound)) => Err(overrun(unwound, program, steps)),
    }
}

/// Says which bound was met; any other panic goes on.
fn overrun(unwound: Box<dyn Any + Send>, program: &str, steps: u64) -> String {
    match unwound.downcast::<Overrun>() {
        Ok(overrun) if overrun.0 == "steps" => {
            format!(
                "the program `{program}` takes more than {steps} steps\nhint: `steps=N` allows more"
            )
        }
        Ok(_) => format!("the program `{program}` nests deeper than {DEPTH_MAX}"),
        Err(panic) => std::panic::resume_unwind(panic),
    }
}

fn run_here(program: &str, text: &[u8], is_raw: bool) -> Result<(Output, u64), String> {
    let body = Rewriter { is_program: true }.term(parse(program)?)?;
    let standard = jaq_std::defs().filter(|def| STANDARD.contains(&def.name));
    let json = jaq_json::defs().filter(|def| !OWN.contains(&def.name));
    let library = Rewriter { is_program: false };
    let library = jaq_core::defs().chain(standard).chain(json).map(|def| library.definition(def));
    let mut definitions = library.collect::<Result<Vec<Def<&str>>, String>>()?;
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
