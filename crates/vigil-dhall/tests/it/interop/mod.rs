//! Outside programs that know the language.

mod dhall;
