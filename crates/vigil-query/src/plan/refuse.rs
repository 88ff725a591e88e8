//! What a query may not do: change something, or ask the world what time it is.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use datafusion::common::tree_node::{TreeNode as _, TreeNodeRecursion};
use datafusion::common::{DataFusionError, Result, plan_err};
use datafusion::logical_expr::{Expr, LogicalPlan, Volatility};
use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::{self, visit_expressions};
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Token, Tokenizer};

use super::known;

/// What a query may ask of the world.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Allowed {
    /// The time.
    pub clock: bool,
    /// Random numbers.
    pub randomness: bool,
}

impl Allowed {
    /// Returns the words for it.
    pub fn needs(self) -> BTreeSet<String> {
        let words = [(self.clock, "clock"), (self.randomness, "randomness")];
        words.iter().filter(|(is, _)| *is).map(|(_, word)| (*word).to_owned()).collect()
    }

    /// Says whether a function may be called that asks the world.
    pub fn permits(self, name: &str) -> bool {
        match known::word_for(name) {
            Some("clock") => self.clock,
            Some(_) => self.randomness,
            None => false,
        }
    }

    fn check(self, name: &str) -> Result<()> {
        known::check_name(name)?;
        match known::word_for(name) {
            Some(word) if !self.permits(name) => plan_err!(
                "`{name}` says something else each time, so its result could not be kept; ask for it with \
                 `--allow {word}`"
            ),
            _ => Ok(()),
        }
    }
}

/// Most words and signs of all texts of a query that may nest what stands beside them. Each may be a level
/// of an expression, and some of what handles expressions goes down one call for each.
const SIGNS_MAX: usize = 4000;

/// Most bytes of all texts of a query.
const TEXT_BYTES_MAX: usize = 1 << 20;

/// Refuses texts that are so long, or may be nested so deep, that handling them would exhaust the stack.
pub fn check_size<'a>(texts: impl Iterator<Item = &'a str>) -> Result<()> {
    let (mut bytes, mut signs) = (0, 0);
    for text in texts {
        bytes += text.len();
        if bytes > TEXT_BYTES_MAX {
            return plan_err!(
                "a query has no more than {TEXT_BYTES_MAX} bytes, its views included"
            );
        }
        // What is no SQL is refused by the parser, which says where.
        let Ok(tokens) = Tokenizer::new(&GenericDialect, text).tokenize() else { continue };
        signs += tokens.iter().filter(|token| may_nest(token)).count();
    }
    if signs > SIGNS_MAX {
        return plan_err!(
            "a query has no more than {SIGNS_MAX} operators and key words, its views included, and this one \
             has {signs}; lists are shorter as `IN (…)`, or as a table to join with"
        );
    }
    Ok(())
}

fn may_nest(token: &Token) -> bool {
    match token {
        Token::Word(word) => word.keyword != Keyword::NoKeyword && word.quote_style.is_none(),
        Token::Whitespace(_)
        | Token::Number(..)
        | Token::Comma
        // The parser has a limit of its own on what stands in parentheses.
        | Token::LParen
        | Token::RParen
        | Token::SingleQuotedString(_)
        | Token::EOF => false,
        _ => true,
    }
}

/// Checks the functions that a statement names, before anything of it is computed: planning folds what is
/// constant.
pub fn check_names(statement: &Statement, allowed: Allowed) -> Result<()> {
    let statement = match statement {
        Statement::Statement(statement) => statement,
        Statement::Explain(explain) => return check_names(&explain.statement, allowed),
        other => return plan_err!("a query only reads; `{other}` does not"),
    };
    let broken: ControlFlow<DataFusionError> = visit_expressions(&**statement, |expr| {
        let ast::Expr::Function(function) = expr else { return ControlFlow::Continue(()) };
        let last = function.name.0.last().and_then(ast::ObjectNamePart::as_ident);
        let name = last.map(|ident| ident.value.to_ascii_lowercase()).unwrap_or_default();
        match allowed.check(&name) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => ControlFlow::Break(error),
        }
    });
    match broken {
        ControlFlow::Break(error) => Err(error),
        ControlFlow::Continue(()) => Ok(()),
    }
}

/// Checks that a statement only reads, and asks nothing of the world that is not allowed.
pub fn check(plan: &LogicalPlan, allowed: Allowed) -> Result<()> {
    plan.apply_with_subqueries(|plan| {
        match plan {
            LogicalPlan::Ddl(_)
            | LogicalPlan::Dml(_)
            | LogicalPlan::Copy(_)
            | LogicalPlan::Statement(_) => {
                return plan_err!("a query only reads; `{}` does not", plan.display());
            }
            _ => {}
        }
        plan.apply_expressions(|expr| {
            expr.apply(|expr| {
                match expr {
                    Expr::ScalarFunction(call)
                        if call.func.signature().volatility != Volatility::Immutable =>
                    {
                        allowed.check(call.func.name())?;
                    }
                    Expr::ScalarVariable(..) => {
                        return plan_err!("there are no variables here");
                    }
                    _ => {}
                }
                Ok(TreeNodeRecursion::Continue)
            })
        })
    })
    .map(|_| ())
}
