//! Documents that know two layouts, and the choice between them.

use std::cell::OnceCell;
use std::rc::Rc;

use super::Style;
use super::expression::Printer;
use crate::core::shared::Shared;
use crate::expr::Expr;

/// A piece of output.
#[derive(Clone)]
pub(super) enum Doc {
    Nil,
    /// Text without line ends.
    Text(Rc<str>),
    /// Text that every document has.
    Sign(&'static str),
    /// The end of a line, and the indentation of the next one.
    Line,
    /// The end of a line, and nothing else: what follows stands where it stood.
    RawLine,
    Cat(Shared<(Doc, Doc)>),
    /// Indents by so many columns more.
    Nest(usize, Shared<Doc>),
    /// Indents to where the document begins.
    Align(Shared<Doc>),
    /// The first on one line if it fits, otherwise the second.
    Choice(Shared<(Doc, Doc)>),
    /// An expression of which nobody has made a document yet.
    Later(Shared<Later>),
}

/// An expression whose document is made when its turn comes, and gone when it has passed: however
/// large a result is, its document is never there as a whole.
pub(super) struct Later {
    expr: Expr,
    least: u8,
    style: Style,
    doc: OnceCell<Doc>,
}

impl Later {
    fn doc(&self) -> &Doc {
        self.doc.get_or_init(|| Printer::new(self.style, None, &[]).now(&self.expr, self.least))
    }
}

impl Doc {
    pub(super) fn text(text: &str) -> Self {
        Self::Text(Rc::from(text))
    }

    /// The document of `expr` where something of `least` is needed.
    pub(super) fn later(expr: &Expr, least: u8, style: Style) -> Self {
        let (expr, doc) = (expr.clone(), OnceCell::new());
        Self::Later(Shared::new(Later { expr, least, style, doc }))
    }

    /// Returns the text of what is nothing but text.
    fn words(&self) -> &str {
        match self {
            Self::Text(text) => text,
            Self::Sign(sign) => sign,
            _ => "",
        }
    }

    pub(super) fn then(self, next: Self) -> Self {
        match (&self, &next) {
            (Self::Nil, _) => next,
            (_, Self::Nil) => self,
            _ => Self::Cat(Shared::new((self, next))),
        }
    }

    pub(super) fn and(self, text: &str) -> Self {
        self.then(Self::text(text))
    }

    pub(super) fn sign(self, sign: &'static str) -> Self {
        self.then(Self::Sign(sign))
    }

    pub(super) fn line(self) -> Self {
        self.then(Self::Line)
    }

    pub(super) fn nest(self, columns: usize) -> Self {
        Self::Nest(columns, Shared::new(self))
    }

    pub(super) fn align(self) -> Self {
        Self::Align(Shared::new(self))
    }

    pub(super) fn choice(short: Self, long: Self) -> Self {
        Self::Choice(Shared::new((short, long)))
    }
}

/// The most columns that a line is indented by. What nests deeper is hard to read either way, and
/// must not make an output that grows with the square of the input.
const INDENT_MAX: usize = 240;

/// Where a document is being laid out.
#[derive(Clone)]
struct Task {
    indent: usize,
    /// Whether everything must stay on the line.
    flat: bool,
    doc: Doc,
}

/// Lays the beginning of a document out on one line, as far as so many characters at least.
pub(super) fn layout_beginning(doc: Doc, characters: usize) -> String {
    let mut out = String::new();
    let mut left = characters;
    let mut tasks = vec![doc];
    while let Some(doc) = tasks.pop() {
        match &doc {
            Doc::Nil => {}
            Doc::Text(_) | Doc::Sign(_) => {
                let text = doc.words();
                out.push_str(text);
                match left.checked_sub(text.chars().count()) {
                    Some(rest) => left = rest,
                    None => break,
                }
            }
            Doc::Line | Doc::RawLine => out.push('\n'),
            Doc::Cat(pair) => {
                tasks.push(pair.1.clone());
                tasks.push(pair.0.clone());
            }
            Doc::Nest(_, inner) | Doc::Align(inner) => tasks.push(Doc::clone(inner)),
            Doc::Choice(pair) => tasks.push(pair.0.clone()),
            Doc::Later(later) => tasks.push(later.doc().clone()),
        }
    }
    out
}

/// Lays a document out in so many columns, where that is possible.
pub(super) fn layout(doc: Doc, width: usize) -> String {
    let mut out = String::new();
    let mut column = 0;
    let mut waiting = 0;
    let mut tasks = vec![Task { indent: 0, flat: false, doc }];
    while let Some(Task { indent, flat, doc }) = tasks.pop() {
        let push = |tasks: &mut Vec<Task>, indent, flat, doc: &Doc| {
            tasks.push(Task { indent, flat, doc: doc.clone() });
        };
        match &doc {
            Doc::Nil => {}
            Doc::Text(_) | Doc::Sign(_) if doc.words().is_empty() => {}
            Doc::Text(_) | Doc::Sign(_) => {
                let text = doc.words();
                // Indentation waits for something to indent: empty lines stay empty.
                out.extend(std::iter::repeat_n(' ', std::mem::take(&mut waiting)));
                out.push_str(text);
                column += text.chars().count();
            }
            Doc::Line => {
                out.push('\n');
                waiting = indent;
                column = indent;
            }
            Doc::RawLine => {
                out.push('\n');
                waiting = 0;
                column = 0;
            }
            Doc::Cat(pair) => {
                push(&mut tasks, indent, flat, &pair.1);
                push(&mut tasks, indent, flat, &pair.0);
            }
            Doc::Nest(columns, inner) => {
                push(&mut tasks, (indent + columns).min(INDENT_MAX), flat, inner);
            }
            Doc::Align(inner) => push(&mut tasks, column.min(INDENT_MAX), flat, inner),
            Doc::Later(later) => push(&mut tasks, indent, flat, later.doc()),
            Doc::Choice(pair) => {
                let short = Task { indent, flat: true, doc: pair.0.clone() };
                if flat || fits(width.saturating_sub(column), &short, &tasks) {
                    tasks.push(short);
                } else {
                    push(&mut tasks, indent, false, &pair.1);
                }
            }
        }
    }
    out
}

/// Whether a task fits on the line, along with what follows up to the next line end.
fn fits(width: usize, task: &Task, after: &[Task]) -> bool {
    let mut left = width;
    let mut pending = vec![task.clone()];
    let mut after = after.iter().rev();
    loop {
        let Some(Task { indent, flat, doc }) = pending.pop() else {
            match after.next() {
                Some(task) => pending.push(task.clone()),
                None => return true,
            }
            continue;
        };
        let again = |doc: &Doc| Task { indent, flat, doc: doc.clone() };
        match &doc {
            Doc::Nil => {}
            Doc::Text(_) | Doc::Sign(_) => match left.checked_sub(doc.words().chars().count()) {
                Some(rest) => left = rest,
                None => return false,
            },
            // Inside of the task a line end means that it does not fit; after it, all is well.
            Doc::Line | Doc::RawLine => return !flat,
            Doc::Cat(pair) => {
                pending.push(again(&pair.1));
                pending.push(again(&pair.0));
            }
            Doc::Nest(_, inner) | Doc::Align(inner) => pending.push(again(inner)),
            Doc::Choice(pair) => pending.push(again(if flat { &pair.0 } else { &pair.1 })),
            Doc::Later(later) => pending.push(again(later.doc())),
        }
    }
}
