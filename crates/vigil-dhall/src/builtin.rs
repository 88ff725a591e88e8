//! The names that the language reserves: universes and built-in types, values and functions.

/// A universe. Its order is `Type < Kind < Sort` (`standard/function-check.md`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Const {
    /// The universe of the types of terms.
    Type,
    /// The universe of `Type` and of type functions.
    Kind,
    /// The universe of `Kind`; it has no type itself.
    Sort,
}

impl Const {
    /// Returns the name in the language.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Type => "Type",
            Self::Kind => "Kind",
            Self::Sort => "Sort",
        }
    }
}

macro_rules! builtins {
    ($($variant:ident = $name:literal : $type:literal,)*) => {
        /// A built-in type or function.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Builtin {
            $(#[doc = concat!("`", $name, " : ", $type, "`")] $variant,)*
        }

        impl Builtin {
            /// Every built-in, in the order of the standard's list.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// Returns the name in the language.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// Returns the type, written in the language (`standard/type-inference.md`).
            #[must_use]
            pub fn type_source(self) -> &'static str {
                match self { $(Self::$variant => $type,)* }
            }

            /// Returns the built-in with this name.
            #[must_use]
            pub fn from_name(name: &str) -> Option<Self> {
                match name { $($name => Some(Self::$variant),)* _ => None }
            }
        }
    };
}

builtins! {
    NaturalFold = "Natural/fold":
        "Natural -> forall (natural : Type) -> forall (succ : natural -> natural) -> forall (zero : natural) -> natural",
    NaturalBuild = "Natural/build":
        "(forall (natural : Type) -> forall (succ : natural -> natural) -> forall (zero : natural) -> natural) -> Natural",
    NaturalIsZero = "Natural/isZero": "Natural -> Bool",
    NaturalEven = "Natural/even": "Natural -> Bool",
    NaturalOdd = "Natural/odd": "Natural -> Bool",
    NaturalToInteger = "Natural/toInteger": "Natural -> Integer",
    NaturalShow = "Natural/show": "Natural -> Text",
    IntegerToDouble = "Integer/toDouble": "Integer -> Double",
    IntegerShow = "Integer/show": "Integer -> Text",
    IntegerNegate = "Integer/negate": "Integer -> Integer",
    IntegerClamp = "Integer/clamp": "Integer -> Natural",
    NaturalSubtract = "Natural/subtract": "Natural -> Natural -> Natural",
    DoubleShow = "Double/show": "Double -> Text",
    ListBuild = "List/build":
        "forall (a : Type) -> (forall (list : Type) -> forall (cons : a -> list -> list) -> forall (nil : list) -> list) -> List a",
    ListFold = "List/fold":
        "forall (a : Type) -> List a -> forall (list : Type) -> forall (cons : a -> list -> list) -> forall (nil : list) -> list",
    ListLength = "List/length": "forall (a : Type) -> List a -> Natural",
    ListHead = "List/head": "forall (a : Type) -> List a -> Optional a",
    ListLast = "List/last": "forall (a : Type) -> List a -> Optional a",
    ListIndexed = "List/indexed":
        "forall (a : Type) -> List a -> List { index : Natural, value : a }",
    ListReverse = "List/reverse": "forall (a : Type) -> List a -> List a",
    TextShow = "Text/show": "Text -> Text",
    TextReplace = "Text/replace":
        "forall (needle : Text) -> forall (replacement : Text) -> forall (haystack : Text) -> Text",
    DateShow = "Date/show": "Date -> Text",
    TimeShow = "Time/show": "Time -> Text",
    TimeZoneShow = "TimeZone/show": "TimeZone -> Text",
    Bool = "Bool": "Type",
    Optional = "Optional": "Type -> Type",
    None = "None": "forall (A : Type) -> Optional A",
    Natural = "Natural": "Type",
    Integer = "Integer": "Type",
    Double = "Double": "Type",
    Text = "Text": "Type",
    Bytes = "Bytes": "Type",
    Date = "Date": "Type",
    Time = "Time": "Type",
    TimeZone = "TimeZone": "Type",
    List = "List": "Type -> Type",
}

/// Words that are never a label unless quoted (the `keyword` rule of `standard/dhall.abnf`).
pub const KEYWORDS: &[&str] = &[
    "if",
    "then",
    "else",
    "let",
    "in",
    "using",
    "missing",
    "assert",
    "as",
    "Infinity",
    "NaN",
    "merge",
    "Some",
    "toMap",
    "forall",
    "with",
    "showConstructor",
];

/// Returns whether a bare word means something else than a variable of that name.
pub(crate) fn is_reserved(name: &str) -> bool {
    matches!(name, "True" | "False" | "Type" | "Kind" | "Sort")
        || Builtin::from_name(name).is_some()
}
