//! Variance, covariance, correlation and regression from exact sums.
//!
//! Of each pair of values, x, y, x², y² and xy are summed exactly (a product of two doubles is two
//! doubles); the result is computed from the five sums in one fixed way. So it follows from the
//! multiset of pairs, and loses less to cancellation than a running mean does.

use std::collections::BTreeSet;
use std::sync::Arc;

use datafusion::arrow::array::{Array as _, ArrayRef, AsArray as _};
use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Float64Type};
use datafusion::common::{Result, ScalarValue, exec_datafusion_err};
use datafusion::functions_aggregate::{correlation, covariance, regr, stddev, variance};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::{AggregateOrderSensitivity, format_state_name};
use datafusion::logical_expr::{Accumulator, AggregateUDF, AggregateUDFImpl, Signature};

use super::pairs::{Pair, two_product};
use super::total::Total;
use super::wide::WIDE_BYTES;

/// What is read off the sums.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Reading {
    Variance { is_sample: bool },
    Deviation { is_sample: bool },
    Covariance { is_sample: bool },
    Correlation,
    Slope,
    Intercept,
    Count,
    Determination,
    MeanX,
    MeanY,
    SquaresX,
    SquaresY,
    Products,
}

/// Returns all aggregates that are made of moments.
pub fn moments() -> Vec<AggregateUDF> {
    let all = [
        (variance::var_samp_udaf(), Reading::Variance { is_sample: true }),
        (variance::var_pop_udaf(), Reading::Variance { is_sample: false }),
        (stddev::stddev_udaf(), Reading::Deviation { is_sample: true }),
        (stddev::stddev_pop_udaf(), Reading::Deviation { is_sample: false }),
        (covariance::covar_samp_udaf(), Reading::Covariance { is_sample: true }),
        (covariance::covar_pop_udaf(), Reading::Covariance { is_sample: false }),
        (correlation::corr_udaf(), Reading::Correlation),
        (regr::regr_slope_udaf(), Reading::Slope),
        (regr::regr_intercept_udaf(), Reading::Intercept),
        (regr::regr_count_udaf(), Reading::Count),
        (regr::regr_r2_udaf(), Reading::Determination),
        (regr::regr_avgx_udaf(), Reading::MeanX),
        (regr::regr_avgy_udaf(), Reading::MeanY),
        (regr::regr_sxx_udaf(), Reading::SquaresX),
        (regr::regr_syy_udaf(), Reading::SquaresY),
        (regr::regr_sxy_udaf(), Reading::Products),
    ];
    all.map(|(inner, reading)| AggregateUDF::from(Moments { inner, reading })).into()
}

/// An aggregate that is made of moments.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Moments {
    inner: Arc<AggregateUDF>,
    reading: Reading,
}

impl AggregateUDFImpl for Moments {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn aliases(&self) -> &[String] {
        self.inner.aliases()
    }

    fn signature(&self) -> &Signature {
        self.inner.signature()
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        self.inner.return_type(types)
    }

    fn accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        let distinct = args.is_distinct.then(BTreeSet::new);
        let sums = Default::default();
        Ok(Box::new(Running { count: 0, sums, distinct, reading: self.reading }))
    }

    fn state_fields(&self, args: StateFieldsArgs<'_>) -> Result<Vec<FieldRef>> {
        let field = |part: &str| {
            Arc::new(Field::new(format_state_name(args.name, part), DataType::Binary, true))
        };
        Ok(vec![field("sums"), field("distinct")])
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        AggregateOrderSensitivity::Insensitive
    }
}

/// The sums, in the order x, y, x², y², xy.
type Sums = [Total; 5];

#[derive(Debug)]
struct Running {
    count: i64,
    sums: Sums,
    /// The pairs so far as bits, where each counts once.
    distinct: Option<BTreeSet<(u64, u64)>>,
    reading: Reading,
}

impl Running {
    fn each(&mut self, values: &[ArrayRef], is_removed: bool) {
        // Of two arguments the first is y, as in all the standard's functions of two.
        let (ys, xs) = match values {
            [one] => (one, one),
            [first, second, ..] => (first, second),
            [] => return,
        };
        let (xs, ys) = (xs.as_primitive::<Float64Type>(), ys.as_primitive::<Float64Type>());
        for (x, y) in xs.iter().zip(ys) {
            if let (Some(x), Some(y)) = (x, y) {
                self.take(x, y, is_removed);
            }
        }
    }

    fn take(&mut self, mut x: f64, mut y: f64, is_removed: bool) {
        if self.distinct.is_some() {
            // Both zeros are one value, and so is whatever is no number.
            let plain = |value: f64| if value.is_nan() { f64::NAN } else { value + 0.0 };
            (x, y) = (plain(x), plain(y));
        }
        let bits = (x.to_bits(), y.to_bits());
        if self.distinct.as_mut().is_some_and(|seen| !seen.insert(bits)) {
            return;
        }
        self.count += if is_removed { -1 } else { 1 };
        let mut change = |place: usize, value: f64| match is_removed {
            true => self.sums[place].remove(value),
            false => self.sums[place].add(value),
        };
        change(0, x);
        change(1, y);
        for (place, (a, b)) in [(2, (x, x)), (3, (y, y)), (4, (x, y))] {
            let (product, rest) = two_product(a, b);
            change(place, product);
            if product.is_finite() {
                change(place, rest);
            }
        }
    }

    /// Returns Σab - ΣaΣb/n, never below zero for squares. Where a value is not finite, or a product or a
    /// sum leaves the range of doubles, that is no number.
    fn centred(&self, products: usize, a: usize, b: usize) -> f64 {
        let pair = |place: usize| {
            let (high, low) = self.sums[place].pair();
            Pair(high, low)
        };
        let count = Pair(self.count as f64, 0.0);
        let spread = count.times(pair(products)).minus(pair(a).times(pair(b))).value();
        let value = spread / self.count as f64;
        // Not `max`, which takes zero for what is no number.
        if a == b && value < 0.0 { 0.0 } else { value }
    }

    fn read(&self) -> ScalarValue {
        if self.reading == Reading::Count {
            return ScalarValue::UInt64(Some(self.count.unsigned_abs()));
        }
        let n = self.count as f64;
        let (xx, yy, xy) = (self.centred(2, 0, 0), self.centred(3, 1, 1), self.centred(4, 0, 1));
        let (mean_x, mean_y) = (self.sums[0].value() / n, self.sums[1].value() / n);
        let divided = |value: f64, is_sample: bool| match self.count {
            1 if is_sample => None,
            _ => Some(value / if is_sample { n - 1.0 } else { n }),
        };
        let value = match self.reading {
            _ if self.count < 1 => None,
            Reading::Variance { is_sample } => divided(xx, is_sample),
            Reading::Deviation { is_sample } => divided(xx, is_sample).map(f64::sqrt),
            Reading::Covariance { is_sample } => divided(xy, is_sample),
            Reading::Correlation if self.count < 2 || xx == 0.0 || yy == 0.0 => None,
            Reading::Correlation => Some(quotient(xx, yy, xy)),
            Reading::MeanX => Some(mean_x),
            Reading::MeanY => Some(mean_y),
            Reading::SquaresX => Some(xx),
            Reading::SquaresY => Some(yy),
            Reading::Products => Some(xy),
            Reading::Slope | Reading::Intercept | Reading::Determination
                if self.count < 2 || xx == 0.0 =>
            {
                None
            }
            Reading::Slope => Some(xy / xx),
            Reading::Intercept => Some(mean_y - xy / xx * mean_x),
            Reading::Determination if yy == 0.0 => Some(1.0),
            Reading::Determination => Some(xy * xy / (xx * yy)),
            Reading::Count => None,
        };
        ScalarValue::Float64(value.map(one_nan))
    }
}

/// Of what is no number there is one pattern of bits: the sign of a computed one is the machine's choice.
fn one_nan(value: f64) -> f64 {
    if value.is_nan() { f64::NAN } else { value }
}

/// Returns xy / √(xx·yy), between -1 and 1.
fn quotient(xx: f64, yy: f64, xy: f64) -> f64 {
    let product = xx * yy;
    // One root loses less than two, unless the product leaves the range of doubles.
    let root = if product.is_normal() { product.sqrt() } else { xx.sqrt() * yy.sqrt() };
    (xy / root).clamp(-1.0, 1.0)
}

/// A count, and for each sum its two doubles, whether it is wide, and if so that.
fn encode(count: i64, sums: &Sums) -> Vec<u8> {
    let mut bytes = count.to_le_bytes().to_vec();
    for sum in sums {
        let (high, low, wide) = sum.parts();
        bytes.extend(high.to_le_bytes());
        bytes.extend(low.to_le_bytes());
        bytes.push(u8::from(wide.is_some()));
        bytes.extend(wide.iter().flatten());
    }
    bytes
}

fn decode(bytes: &[u8]) -> Option<(i64, Sums)> {
    let (count, mut rest) = bytes.split_first_chunk::<8>()?;
    let mut sums = Sums::default();
    for sum in &mut sums {
        let (high, after) = rest.split_first_chunk::<8>()?;
        let (low, after) = after.split_first_chunk::<8>()?;
        let (is_wide, after) = after.split_first()?;
        let (wide, after) = after.split_at_checked(usize::from(*is_wide) * WIDE_BYTES)?;
        let wide = (*is_wide == 1).then_some(wide);
        *sum = Total::from_parts(f64::from_le_bytes(*high), f64::from_le_bytes(*low), wide)?;
        rest = after;
    }
    Some((i64::from_le_bytes(*count), sums))
}

impl Accumulator for Running {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.each(values, false);
        Ok(())
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        Ok(self.read())
    }

    fn size(&self) -> usize {
        let wide: usize = self.sums.iter().map(Total::heap_bytes).sum();
        size_of::<Self>() + wide + self.distinct.as_ref().map_or(0, |seen| seen.len() * 24)
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let distinct = self.distinct.as_ref().map(|seen| {
            let bits = seen.iter().flat_map(|(x, y)| [*x, *y]);
            bits.flat_map(u64::to_le_bytes).collect()
        });
        Ok(vec![
            ScalarValue::Binary(Some(encode(self.count, &self.sums))),
            ScalarValue::Binary(distinct),
        ])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let [sums, distinct] = states else {
            return Err(exec_datafusion_err!("moments have two columns of state"));
        };
        let (sums, distinct) = (sums.as_binary::<i32>(), distinct.as_binary::<i32>());
        for row in 0..sums.len() {
            if distinct.is_valid(row) {
                let (pairs, _) = distinct.value(row).as_chunks::<16>();
                for pair in pairs {
                    let (x, y) = u128::from_le_bytes(*pair).to_le_halves();
                    self.take(f64::from_bits(x), f64::from_bits(y), false);
                }
                continue;
            }
            let decoded = sums.is_valid(row).then(|| decode(sums.value(row))).flatten();
            let (count, parts) =
                decoded.ok_or_else(|| exec_datafusion_err!("the state of a sum is damaged"))?;
            self.count += count;
            self.sums.iter_mut().zip(&parts).for_each(|(sum, part)| sum.merge(part));
        }
        Ok(())
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.each(values, true);
        Ok(())
    }

    fn supports_retract_batch(&self) -> bool {
        self.distinct.is_none()
    }
}

/// The two halves of 128 bits.
trait Halves {
    fn to_le_halves(self) -> (u64, u64);
}

impl Halves for u128 {
    fn to_le_halves(self) -> (u64, u64) {
        (self as u64, (self >> 64) as u64)
    }
}
