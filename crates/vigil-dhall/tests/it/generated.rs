//! Laws, over well-typed terms that a seeded generator makes.

use crate::laws::laws;
use crate::terms::{from_bytes, generated};

#[test]
fn laws_hold_for_generated_terms() {
    for seed in 1..=250 {
        let (source, ty) = generated(seed);
        if let Err(reason) = laws(&source, &ty) {
            panic!("seed {seed}: {reason}\n{source}");
        }
    }
}

#[test]
fn laws_hold_for_terms_made_from_bytes() {
    for at in 0..=u8::MAX {
        let bytes: Vec<u8> = (0..60_u8).map(|n| n.wrapping_mul(at).wrapping_add(at / 3)).collect();
        let (source, ty) = from_bytes(&bytes[..usize::from(at) % 60]);
        if let Err(reason) = laws(&source, &ty) {
            panic!("{at}: {reason}\n{source}");
        }
    }
}
