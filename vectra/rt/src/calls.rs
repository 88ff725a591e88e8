/// One function per row of the call table, generated from it.
///
/// Each returns the four result words, or why the call was refused.
pub mod call {
    use crate::refusal::{Refused, checked};

    macro_rules! functions {
        ($($number:literal $group:ident $name:ident($($arg:ident),*) -> ($($out:ident),*) $doc:literal;)*) => {
            $(#[doc = $doc]
            pub fn $name($($arg: u64),*) -> Result<[u64; 4], Refused> {
                let mut words = [0; 6];
                for (place, word) in words.iter_mut().zip([$($arg),*] as [u64; functions!(@count $($arg)*)]) {
                    *place = word;
                }
                checked($number, words)
            })*
        };
        (@count) => { 0 };
        (@count $head:ident $($tail:ident)*) => { 1 + functions!(@count $($tail)*) };
    }

    vectra_abi::for_each_call!(functions);
}
