//! Well-typed terms, made from a number or from bytes.
//!
//! Every choice is a draw; whatever is drawn, the term has the type that was meant.

/// A type that the generator knows how to fill.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Ty {
    Bool,
    Natural,
    Integer,
    Double,
    Text,
    List(Box<Ty>),
    Optional(Box<Ty>),
    Record(Vec<(&'static str, Ty)>),
    Union,
    Function(Box<Ty>, Box<Ty>),
}

impl Ty {
    pub(crate) fn source(&self) -> String {
        match self {
            Self::Bool => "Bool".into(),
            Self::Natural => "Natural".into(),
            Self::Integer => "Integer".into(),
            Self::Double => "Double".into(),
            Self::Text => "Text".into(),
            Self::List(item) => format!("(List {})", item.source()),
            Self::Optional(item) => format!("(Optional {})", item.source()),
            Self::Union => "< A | B : Natural | C : Text >".into(),
            Self::Function(from, to) => format!("({} -> {})", from.source(), to.source()),
            Self::Record(fields) => {
                let fields: Vec<String> =
                    fields.iter().map(|(name, ty)| format!("{name} : {}", ty.source())).collect();
                format!("{{ {} }}", fields.join(", "))
            }
        }
    }
}

/// Where choices come from.
enum Draws<'d> {
    /// A number that is stirred.
    Number(u64),
    /// Bytes, one for each choice; after the last one, the first choice is always taken.
    Bytes(&'d [u8]),
}

struct Generator<'d> {
    draws: Draws<'d>,
    /// Variables in scope; a later one of the same name hides the earlier.
    scope: Vec<(&'static str, Ty)>,
}

impl Generator<'_> {
    fn below(&mut self, bound: usize) -> usize {
        match &mut self.draws {
            Draws::Number(state) => {
                *state ^= *state << 13;
                *state ^= *state >> 7;
                *state ^= *state << 17;
                (*state >> 16) as usize % bound
            }
            Draws::Bytes(bytes) => {
                let Some((first, rest)) = bytes.split_first() else { return 0 };
                *bytes = rest;
                usize::from(*first) % bound
            }
        }
    }

    fn ty(&mut self, depth: usize) -> Ty {
        match self.below(if depth == 0 { 6 } else { 10 }) {
            0 => Ty::Bool,
            1 => Ty::Natural,
            2 => Ty::Integer,
            3 => Ty::Double,
            4 => Ty::Text,
            5 => Ty::Union,
            6 => Ty::List(Box::new(self.ty(depth - 1))),
            7 => Ty::Optional(Box::new(self.ty(depth - 1))),
            8 => Ty::Record(vec![("a", self.ty(depth - 1)), ("b", self.ty(depth - 1))]),
            _ => Ty::Function(Box::new(self.ty(depth - 1)), Box::new(self.ty(depth - 1))),
        }
    }

    /// Returns a term of this type, in the scope.
    fn term(&mut self, ty: &Ty, depth: usize) -> String {
        let known: Vec<(usize, &'static str)> = self
            .scope
            .iter()
            .enumerate()
            .filter(|(_, (_, known))| known == ty)
            .map(|(at, (name, _))| (at, *name))
            .collect();
        if !known.is_empty() && self.below(3) == 0 {
            let (at, name) = known[self.below(known.len())];
            let hidden = self.scope[at + 1..].iter().filter(|(other, _)| *other == name).count();
            return if hidden == 0 { name.into() } else { format!("{name}@{hidden}") };
        }
        if depth == 0 {
            return self.leaf(ty);
        }
        let depth = depth - 1;
        match self.below(8) {
            0 => {
                let test = self.term(&Ty::Bool, depth);
                let (yes, no) = (self.term(ty, depth), self.term(ty, depth));
                format!("(if {test} then {yes} else {no})")
            }
            1 => self.binding(ty, depth),
            2 => {
                let from = self.ty(1);
                let function = Ty::Function(Box::new(from.clone()), Box::new(ty.clone()));
                format!("({} {})", self.term(&function, depth), self.term(&from, depth))
            }
            3 => {
                let other = self.ty(1);
                let record = Ty::Record(vec![("a", ty.clone()), ("b", other)]);
                format!("({}).a", self.term(&record, depth))
            }
            4 => format!(
                "(merge {{ A = {}, B = \\(n : Natural) -> {}, C = \\(t : Text) -> {} }} {})",
                self.term(ty, depth),
                self.under("n", Ty::Natural, ty, depth),
                self.under("t", Ty::Text, ty, depth),
                self.term(&Ty::Union, depth)
            ),
            5 => {
                let item = self.ty(0);
                let list = self.term(&Ty::List(Box::new(item.clone())), depth);
                self.scope.push(("x", item.clone()));
                let step = self.under("y", ty.clone(), ty, depth);
                self.scope.pop();
                let zero = self.term(ty, depth);
                let (i, t) = (item.source(), ty.source());
                format!("(List/fold {i} {list} {t} (\\(x : {i}) -> \\(y : {t}) -> {step}) {zero})")
            }
            _ => self.composed(ty, depth),
        }
    }

    fn under(&mut self, name: &'static str, bound: Ty, ty: &Ty, depth: usize) -> String {
        self.scope.push((name, bound));
        let body = self.term(ty, depth);
        self.scope.pop();
        body
    }

    fn binding(&mut self, ty: &Ty, depth: usize) -> String {
        let name = ["x", "y", "_"][self.below(3)];
        let bound = self.ty(1);
        let value = self.term(&bound, depth);
        let body = self.under(name, bound.clone(), ty, depth);
        format!("(let {name} : {} = {value} in {body})", bound.source())
    }

    fn leaf(&mut self, ty: &Ty) -> String {
        match ty {
            Ty::Bool => ["True", "False"][self.below(2)].into(),
            Ty::Natural => self.below(5).to_string(),
            Ty::Integer => ["+0", "-3", "+7"][self.below(3)].into(),
            Ty::Double => ["0.5", "-0.0", "1.0e100", "NaN"][self.below(4)].into(),
            Ty::Text => ["\"\"", "\"a$b\\n\"", "''\n  x\n   y''"][self.below(3)].into(),
            Ty::Union => format!("{}.A", ty.source()),
            Ty::List(_) => format!("([] : {})", ty.source()),
            Ty::Optional(item) => format!("(None {})", item.source()),
            Ty::Record(fields) => self.record(fields, 0),
            Ty::Function(from, to) => {
                let body = self.under("x", Ty::clone(from), to, 0);
                format!("(\\(x : {}) -> {body})", from.source())
            }
        }
    }

    fn record(&mut self, fields: &[(&'static str, Ty)], depth: usize) -> String {
        let fields: Vec<String> =
            fields.iter().map(|(name, ty)| format!("{name} = {}", self.term(ty, depth))).collect();
        format!("{{ {} }}", fields.join(", "))
    }

    /// A term whose head is of the type's own making.
    fn composed(&mut self, ty: &Ty, depth: usize) -> String {
        let both = |this: &mut Self, sign: &str| {
            format!("({} {sign} {})", this.term(ty, depth), this.term(ty, depth))
        };
        match ty {
            Ty::Bool => match self.below(5) {
                0 => both(self, "&&"),
                1 => both(self, "||"),
                2 => both(self, "=="),
                3 => both(self, "!="),
                _ => format!("(Natural/even {})", self.term(&Ty::Natural, depth)),
            },
            Ty::Natural => match self.below(4) {
                0 => both(self, "+"),
                1 => both(self, "*"),
                2 => format!("(Integer/clamp {})", self.term(&Ty::Integer, depth)),
                _ => {
                    format!("(Natural/subtract {} {})", self.term(ty, depth), self.term(ty, depth))
                }
            },
            Ty::Integer => match self.below(2) {
                0 => format!("(Integer/negate {})", self.term(ty, depth)),
                _ => format!("(Natural/toInteger {})", self.term(&Ty::Natural, depth)),
            },
            Ty::Double => format!("(Integer/toDouble {})", self.term(&Ty::Integer, depth)),
            Ty::Text => match self.below(4) {
                0 => both(self, "++"),
                1 => format!("\"<${{{}}}>\"", self.term(ty, depth)),
                2 => format!("(Text/show {})", self.term(ty, depth)),
                _ => format!("(Double/show {})", self.term(&Ty::Double, depth)),
            },
            Ty::Union => format!("({}.B {})", ty.source(), self.term(&Ty::Natural, depth)),
            Ty::List(item) => match self.below(3) {
                0 => both(self, "#"),
                1 => format!("(List/reverse {} {})", item.source(), self.term(ty, depth)),
                _ => format!("[ {}, {} ]", self.term(item, depth), self.term(item, depth)),
            },
            Ty::Optional(item) => match self.below(2) {
                0 => format!("(Some {})", self.term(item, depth)),
                _ => {
                    let list = self.term(&Ty::List(item.clone()), depth);
                    format!("(List/head {} {list})", item.source())
                }
            },
            Ty::Record(fields) => match self.below(3) {
                0 => both(self, "//"),
                1 => format!(
                    "({} with a = {})",
                    self.record(fields, depth),
                    self.term(&fields[0].1, depth)
                ),
                _ => self.record(fields, depth),
            },
            Ty::Function(from, to) => {
                let name = ["x", "y", "_"][self.below(3)];
                let body = self.under(name, Ty::clone(from), to, depth);
                format!("(\\({name} : {}) -> {body})", from.source())
            }
        }
    }
}

/// Returns a term that follows from a number, and its type.
pub(crate) fn generated(seed: u64) -> (String, Ty) {
    made(Draws::Number(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1))
}

/// Returns a term that follows from bytes, and its type.
pub(crate) fn from_bytes(bytes: &[u8]) -> (String, Ty) {
    made(Draws::Bytes(bytes))
}

fn made(draws: Draws<'_>) -> (String, Ty) {
    let mut generator = Generator { draws, scope: Vec::new() };
    let ty = generator.ty(2);
    (generator.term(&ty, 5), ty)
}
