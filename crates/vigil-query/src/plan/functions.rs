//! Functions whose last bit would depend on the machine: the C library's sine is not everybody's.
//!
//! They are computed by `libm`, which is Rust alone, always in double precision. Beside them stand functions of
//! the bits of numbers, which plans are given so that neither their order nor what is no number shows.

use std::hash::{Hash, Hasher};
use std::sync::{Arc, LazyLock};

use datafusion::arrow::array::{Array as _, ArrayRef, AsArray as _, Float64Array};
use datafusion::arrow::datatypes::{
    ArrowPrimitiveType, DataType, Float16Type, Float32Type, Float64Type, Int64Type,
};
use datafusion::common::{Result, exec_err};
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, TypeSignature,
    Volatility,
};

/// A number of 16 bits.
type Half = <Float16Type as ArrowPrimitiveType>::Native;

type Unary = fn(f64) -> f64;
type Binary = fn(f64, f64) -> f64;

/// Functions of one number.
const UNARY: &[(&str, Unary)] = &[
    ("acos", libm::acos),
    ("acosh", libm::acosh),
    ("asin", libm::asin),
    ("asinh", libm::asinh),
    ("atan", libm::atan),
    ("atanh", libm::atanh),
    ("cbrt", libm::cbrt),
    ("cos", libm::cos),
    ("cosh", libm::cosh),
    ("cot", |x| 1.0 / libm::tan(x)),
    ("exp", libm::exp),
    ("ln", libm::log),
    ("log10", libm::log10),
    ("log2", libm::log2),
    ("sin", libm::sin),
    ("sinh", libm::sinh),
    ("tan", libm::tan),
    ("tanh", libm::tanh),
];

/// Functions of two numbers, and what they are also called.
const BINARY: &[(&str, &[&str], Binary)] =
    &[("atan2", &[], libm::atan2), ("power", &["pow"], libm::pow), ("log", &[], log)];

/// The logarithm of the second to the base of the first.
fn log(base: f64, value: f64) -> f64 {
    match base {
        2.0 => libm::log2(value),
        10.0 => libm::log10(value),
        _ => libm::log(value) / libm::log(base),
    }
}

/// How a function computes.
#[derive(Clone, Copy, Debug)]
enum Code {
    Unary(Unary),
    Binary(Binary),
    /// Looks at the bits of a column's values.
    Bitwise(fn(ArrayRef) -> ArrayRef),
}

/// A function that is computed here. It is told apart by its name: each has one code.
#[derive(Debug)]
struct Function {
    name: &'static str,
    aliases: Vec<String>,
    signature: Signature,
    /// The type that it gives; that of its column if there is none.
    gives: Option<DataType>,
    code: Code,
}

impl Function {
    /// A function of the bits of one column.
    fn bitwise(
        name: &'static str,
        takes: &[DataType],
        gives: Option<DataType>,
        code: fn(ArrayRef) -> ArrayRef,
    ) -> Arc<ScalarUDF> {
        let signature = Signature::uniform(1, takes.to_vec(), Volatility::Immutable);
        let function =
            Self { name, aliases: Vec::new(), signature, gives, code: Code::Bitwise(code) };
        Arc::new(ScalarUDF::from(function))
    }
}

impl PartialEq for Function {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Function {}

impl Hash for Function {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

/// Returns all functions that take the place of DataFusion's.
pub fn functions() -> Vec<ScalarUDF> {
    let doubles = |count: usize| TypeSignature::Uniform(count, vec![DataType::Float64]);
    let unary = UNARY.iter().map(|(name, code)| Function {
        name,
        aliases: Vec::new(),
        signature: Signature::new(doubles(1), Volatility::Immutable),
        gives: Some(DataType::Float64),
        code: Code::Unary(*code),
    });
    let binary = BINARY.iter().map(|(name, aliases, code)| {
        // A logarithm without a base is to that of ten.
        let counts = if *name == "log" { vec![doubles(1), doubles(2)] } else { vec![doubles(2)] };
        Function {
            name,
            aliases: aliases.iter().map(|&alias| alias.to_owned()).collect(),
            signature: Signature::one_of(counts, Volatility::Immutable),
            gives: Some(DataType::Float64),
            code: Code::Binary(*code),
        }
    });
    let own = unary.chain(binary).map(ScalarUDF::from);
    own.collect()
}

impl ScalarUDFImpl for Function {
    fn name(&self) -> &str {
        self.name
    }

    fn aliases(&self) -> &[String] {
        &self.aliases
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        Ok(self.gives.as_ref().unwrap_or(&types[0]).clone())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let is_scalar = args.args.iter().all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
        let columns = ColumnarValue::values_to_arrays(&args.args)?;
        let doubles = |index: usize| columns[index].as_primitive::<Float64Type>();
        let result: Float64Array = match (self.code, columns.as_slice()) {
            (Code::Unary(code), [_]) => doubles(0).unary(|value| with_one_nan(code(value))),
            (Code::Binary(code), [_]) => doubles(0).unary(|value| with_one_nan(code(10.0, value))),
            (Code::Binary(code), [_, _]) => {
                let pairs = doubles(0).iter().zip(doubles(1));
                pairs.map(|(a, b)| Some(with_one_nan(code(a?, b?)))).collect()
            }
            (Code::Bitwise(code), [column]) => return finish(code(column.clone()), is_scalar),
            _ => return exec_err!("`{}` does not take {} numbers", self.name, columns.len()),
        };
        finish(Arc::new(result), is_scalar)
    }
}

fn with_one_nan(value: f64) -> f64 {
    if value.is_nan() { f64::NAN } else { value }
}

/// Makes one pattern of bits of all that are no numbers, and keeps both zeros; gives back what has none.
pub fn column_with_one_nan(column: ArrayRef) -> ArrayRef {
    match column.data_type() {
        DataType::Float16 => replaced::<Float16Type>(column, Half::NAN),
        DataType::Float32 => replaced::<Float32Type>(column, f32::NAN),
        DataType::Float64 => replaced::<Float64Type>(column, f64::NAN),
        _ => column,
    }
}

fn replaced<T: ArrowPrimitiveType<Native: PartialEq>>(
    column: ArrayRef,
    nan: T::Native,
) -> ArrayRef {
    #[expect(clippy::eq_op, reason = "what is no number is not equal to itself")]
    let is_nan = |value: T::Native| value != value;
    let values = column.as_primitive::<T>();
    // To look at all of them without stopping is quicker.
    if !values.values().iter().fold(false, |found, value| found | is_nan(*value)) {
        return column;
    }
    Arc::new(values.unary::<_, T>(|value| if is_nan(value) { nan } else { value }))
}

fn finish(result: ArrayRef, is_scalar: bool) -> Result<ColumnarValue> {
    if is_scalar && result.len() == 1 {
        let value = datafusion::common::ScalarValue::try_from_array(&result, 0)?;
        return Ok(ColumnarValue::Scalar(value));
    }
    Ok(ColumnarValue::Array(result))
}

/// Returns the function that gives a double's place among all doubles, as a whole number: -0 comes before
/// +0, and what is no number comes last (IEEE 754-2019 §5.10, with one such value).
pub fn place_of_double() -> Arc<ScalarUDF> {
    static PLACE: LazyLock<Arc<ScalarUDF>> = LazyLock::new(|| {
        let place = |column: ArrayRef| -> ArrayRef {
            Arc::new(column.as_primitive::<Float64Type>().unary::<_, Int64Type>(place))
        };
        Function::bitwise(PLACE_OF_DOUBLE, &[DataType::Float64], Some(DataType::Int64), place)
    });
    PLACE.clone()
}

/// Returns the function that gives the double at a place, with one zero: what [`place_of_double`] tells the
/// place of.
pub fn double_at() -> Arc<ScalarUDF> {
    static AT: LazyLock<Arc<ScalarUDF>> = LazyLock::new(|| {
        let at = |column: ArrayRef| -> ArrayRef {
            Arc::new(column.as_primitive::<Int64Type>().unary::<_, Float64Type>(at_place))
        };
        Function::bitwise(DOUBLE_AT, &[DataType::Int64], Some(DataType::Float64), at)
    });
    AT.clone()
}

/// Returns the function that makes one pattern of bits of all that are no numbers, and keeps both zeros.
pub fn one_nan() -> Arc<ScalarUDF> {
    static ONE: LazyLock<Arc<ScalarUDF>> = LazyLock::new(|| {
        let kinds = [DataType::Float64, DataType::Float32, DataType::Float16];
        Function::bitwise(ONE_NAN, &kinds, None, column_with_one_nan)
    });
    ONE.clone()
}

const PLACE_OF_DOUBLE: &str = "place_of_double";
const DOUBLE_AT: &str = "double_at";
const ONE_NAN: &str = "one_nan";

/// Says whether a function is one of those here, whose results have one pattern of what is no number.
pub fn is_own(name: &str) -> bool {
    [PLACE_OF_DOUBLE, DOUBLE_AT, ONE_NAN].contains(&name)
        || UNARY.iter().any(|(own, _)| *own == name)
        || BINARY.iter().any(|(own, ..)| *own == name)
}

fn place(value: f64) -> i64 {
    let bits = if value.is_nan() { f64::NAN.abs().to_bits() } else { value.to_bits() } as i64;
    bits ^ (bits >> 63 & i64::MAX)
}

/// The place is its own inverse on the bits.
fn at_place(place: i64) -> f64 {
    f64::from_bits((place ^ (place >> 63 & i64::MAX)) as u64) + 0.0
}
