/// One function per row of the call table, generated from it.
///
/// Each returns the four result words, or why the call was refused.
pub mod call {
    use crate::refusal::{Refused, checked};

    macro_rules! functions {
        ($($number:literal $group:ident $name:ident($($arg:ident),*) -> ($($out:ident),*) $doc:literal;)*) => {
            $(#[doc = $doc]
            #[inline]
            pub fn $name($($arg: u64),*) -> Result<[u64; 4], Refused> {
                const COUNT: usize = functions!(@count $($arg)*);
                let mut words = [0; 6];
                let given: [u64; COUNT] = [$($arg),*];
                words[..COUNT].copy_from_slice(&given);
                checked($number, words)
            })*
        };
        (@count) => { 0 };
        (@count $head:ident $($tail:ident)*) => { 1 + functions!(@count $($tail)*) };
    }

    vectra_abi::for_each_call!(functions);
}
