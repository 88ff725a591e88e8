//! The exact sum against whole numbers of any size.

use num_bigint::BigInt;
use proptest::prelude::*;

use vigil_query::Total;

/// The exact sum in units of 2^-1074, by arithmetic that has nothing in common with ours.
fn model(values: &[f64]) -> BigInt {
    let unit = |value: f64| {
        let bits = value.abs().to_bits();
        let (exponent, mantissa) = ((bits >> 52) as u32, bits & ((1 << 52) - 1));
        let whole = if exponent == 0 { mantissa } else { mantissa | 1 << 52 };
        let size = BigInt::from(whole) << exponent.saturating_sub(1);
        if value.is_sign_negative() { -size } else { size }
    };
    values.iter().map(|value| unit(*value)).sum()
}

/// Rounds half to even, by comparing with both neighbours.
fn is_nearest(exact: &BigInt, found: f64) -> bool {
    let distance = |value: f64| (exact - model(&[value])).magnitude().clone();
    let near = distance(found);
    let (below, above) = (distance(found.next_down()), distance(found.next_up()));
    let is_even = found.to_bits() & 1 == 0;
    near < below && near < above || is_even && near <= below && near <= above
}

fn total(values: &[f64]) -> Total {
    let mut total = Total::default();
    values.iter().for_each(|value| total.add(*value));
    total
}

fn finite() -> impl Strategy<Value = f64> {
    prop_oneof![
        any::<i32>().prop_map(|cents| f64::from(cents) / 100.0),
        any::<u64>()
            .prop_map(|bits| f64::from_bits(bits & !(0x7ff << 52) | ((bits >> 52) % 2000) << 52)),
        (any::<i16>()).prop_map(|n| f64::from(n) * f64::MIN_POSITIVE / 1e10),
    ]
}

proptest! {
    #[test]
    fn is_the_exact_sum_rounded_once(values in prop::collection::vec(finite(), 0..60)) {
        prop_assert!(is_nearest(&model(&values), total(&values).value()));
    }

    #[test]
    fn shows_neither_order_nor_grouping(
        values in prop::collection::vec(prop_oneof![9 => finite(), 1 => any::<f64>()], 0..40),
        cut in 0_usize..40,
        turn in 0_usize..40,
    ) {
        let plain = total(&values);
        let mut turned = values.clone();
        turned.rotate_left(turn.min(values.len()));
        turned.reverse();
        let (left, right) = turned.split_at(cut.min(values.len()));
        let mut merged = total(right);
        let (high, low, wide) = total(left).parts();
        merged.merge(&Total::from_parts(high, low, wide.as_ref().map(|b| &b[..])).unwrap());
        prop_assert_eq!(plain.pair().0.to_bits(), merged.pair().0.to_bits());
        prop_assert_eq!(plain.pair().1.to_bits(), merged.pair().1.to_bits());
    }

    #[test]
    fn gives_back_what_is_removed(
        values in prop::collection::vec(any::<f64>(), 0..20),
        extra in prop::collection::vec(any::<f64>(), 0..20),
    ) {
        let mut all = total(&values);
        extra.iter().for_each(|value| all.add(*value));
        extra.iter().for_each(|value| all.remove(*value));
        prop_assert_eq!(all.value().to_bits(), total(&values).value().to_bits());
    }
}

#[test]
fn knows_what_is_no_number() {
    assert_eq!(total(&[1.0, f64::INFINITY]).value(), f64::INFINITY);
    assert_eq!(total(&[f64::NEG_INFINITY, f64::MAX]).value(), f64::NEG_INFINITY);
    assert!(total(&[f64::NEG_INFINITY, f64::INFINITY]).value().is_nan());
    assert!(total(&[f64::NAN, 1.0]).value().is_nan());
    assert_eq!(total(&[f64::MAX, f64::MAX]).value(), f64::INFINITY);
    assert_eq!(total(&[f64::MAX, f64::MAX, -f64::MAX]).value(), f64::MAX);
    assert_eq!(total(&[-0.0, -0.0]).value().to_bits(), 0);
    assert_eq!(total(&[1e16, 1.0, -1e16]).value(), 1.0);
    assert_eq!(total(&[1e300, 1.0, 1e-300, -1e300, -1.0]).value(), 1e-300);
}
