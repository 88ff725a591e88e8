//! Functions that make much of little, or descend into their arguments: what they would make is reckoned
//! before it is made.

use std::sync::Arc;

use datafusion::arrow::array::{Array as _, ArrayRef, AsArray as _};
use datafusion::arrow::compute::cast;
use datafusion::arrow::compute::kernels::length::length;
use datafusion::arrow::datatypes::{
    DataType, FieldRef, Int64Type, IntervalMonthDayNanoType, TimeUnit,
};
use datafusion::common::{DataFusionError, Result, ScalarValue, plan_err};
use datafusion::execution::FunctionRegistry;
use datafusion::logical_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
};

use crate::source::check_type;

/// How much a function makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Yield {
    /// The first argument, so many times as the second says.
    Times,
    /// As many characters as the second argument says.
    Characters,
    /// As many values as the second argument says.
    Values,
    /// The third argument in place of each of the second in the first.
    Replaced,
    /// What lies between the first and the second argument, by the third.
    Steps,
    /// As much as it is given; but its second argument is the name of a type.
    Typed,
}

const BOUNDED: &[(&str, Yield)] = &[
    ("array_repeat", Yield::Times),
    ("array_resize", Yield::Values),
    ("arrow_cast", Yield::Typed),
    ("arrow_try_cast", Yield::Typed),
    ("generate_series", Yield::Steps),
    ("lpad", Yield::Characters),
    ("range", Yield::Steps),
    ("repeat", Yield::Times),
    ("replace", Yield::Replaced),
    ("rpad", Yield::Characters),
];

/// Returns what takes the place of such functions; none of them makes more than so many bytes at once.
pub fn bounded(registry: &dyn FunctionRegistry, bytes_max: usize) -> Result<Vec<ScalarUDF>> {
    let each = BOUNDED.iter().map(|(name, yields)| {
        let inner = registry.udf(name)?;
        Ok(ScalarUDF::from(Bounded { inner, yields: *yields, bytes_max }))
    });
    each.collect()
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Bounded {
    inner: Arc<ScalarUDF>,
    yields: Yield,
    bytes_max: usize,
}

impl ScalarUDFImpl for Bounded {
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

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        if let (Yield::Typed, [_, Some(name)]) = (self.yields, args.scalar_arguments) {
            check(name)?;
        }
        self.inner.return_field_from_args(args)
    }

    fn simplify(&self, args: Vec<Expr>, info: &SimplifyContext) -> Result<ExprSimplifyResult> {
        if let (Yield::Typed, [_, Expr::Literal(name, _)]) = (self.yields, args.as_slice()) {
            check(name)?;
        }
        self.inner.simplify(args, info)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let bytes = yielded(self.yields, &args)?;
        if bytes > self.bytes_max as f64 {
            return Err(DataFusionError::ResourcesExhausted(format!(
                "`{}` would make {bytes:.0} bytes at once, and may make {}",
                self.inner.name(),
                self.bytes_max
            )));
        }
        self.inner.invoke_with_args(args)
    }
}

fn check(name: &ScalarValue) -> Result<()> {
    match check_type(name.try_as_str().flatten().unwrap_or_default()) {
        Ok(()) => Ok(()),
        Err(what) => plan_err!("{what}"),
    }
}

/// Reckons about how many bytes a call makes. Doubles do: what does not fit them is too much.
fn yielded(yields: Yield, args: &ScalarFunctionArgs) -> Result<f64> {
    if yields == Yield::Typed {
        return Ok(0.0);
    }
    // A constant result is made once, whatever the number of rows.
    let is_constant = args.args.iter().all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
    let rows = if is_constant { 1 } else { args.number_rows };
    let columns = args.args.iter().map(|arg| arg.to_array(rows));
    let columns = columns.collect::<Result<Vec<ArrayRef>>>()?;
    let total = |values: &dyn Fn(usize) -> f64| (0..rows).map(|row| values(row).max(0.0)).sum();
    let Some(second) = columns.get(1) else {
        return match yields {
            // From zero to the only argument.
            Yield::Steps => {
                let count = numbers(&columns[0])?;
                Ok(total(&|row| 8.0 * count(row)))
            }
            _ => Ok(0.0),
        };
    };
    match yields {
        Yield::Times => {
            let each = columns[0].to_data().get_slice_memory_size()? as f64 / rows.max(1) as f64;
            let is_text = columns[0].data_type().is_string();
            let (lens, times) =
                (if is_text { Some(lens(&columns[0])?) } else { None }, numbers(second)?);
            Ok(total(&|row| times(row) * lens.as_ref().map_or(each.max(8.0), |lens| lens(row))))
        }
        Yield::Characters => {
            let count = numbers(second)?;
            Ok(total(&|row| 4.0 * count(row)))
        }
        Yield::Values => {
            let count = numbers(second)?;
            Ok(total(&|row| 16.0 * count(row)))
        }
        Yield::Replaced => {
            let (text, old, new) = (lens(&columns[0])?, lens(second)?, lens(&columns[2])?);
            Ok(total(&|row| text(row) + (text(row) + 1.0) / old(row).max(1.0) * new(row)))
        }
        Yield::Steps => {
            let (start, end) = (numbers(&columns[0])?, numbers(second)?);
            let step = match columns.get(2) {
                Some(step) => steps(step, columns[0].data_type())?,
                None => Box::new(|_| 1.0),
            };
            // A step of zero, or none, is refused or gives nothing.
            let count = |row| match step(row) {
                0.0 => 0.0,
                step => ((end(row) - start(row)) / step).abs(),
            };
            Ok(total(&|row| 8.0 * count(row)))
        }
        Yield::Typed => Ok(0.0),
    }
}

type Reading = Box<dyn Fn(usize) -> f64>;

/// Reads whole numbers, and times as such; nulls are zero.
fn numbers(column: &ArrayRef) -> Result<Reading> {
    // Days have half the width of other times.
    let column = match column.data_type() {
        DataType::Date32 => cast(column, &DataType::Int32)?,
        _ => column.clone(),
    };
    let whole = cast(&column, &DataType::Int64)?;
    Ok(Box::new(move |row| {
        let whole = whole.as_primitive::<Int64Type>();
        if whole.is_valid(row) { whole.value(row) as f64 } else { 0.0 }
    }))
}

/// Reads lengths of texts in bytes; nulls are zero.
fn lens(column: &ArrayRef) -> Result<Reading> {
    numbers(&length(column)?)
}

/// Reads steps between values of a type.
fn steps(column: &ArrayRef, of: &DataType) -> Result<Reading> {
    let DataType::Interval(_) = column.data_type() else { return numbers(column) };
    const DAY_NANOS: f64 = 86_400e9;
    let unit_nanos = match of {
        DataType::Timestamp(TimeUnit::Second, _) => 1e9,
        DataType::Timestamp(TimeUnit::Millisecond, _) => 1e6,
        DataType::Timestamp(TimeUnit::Microsecond, _) => 1e3,
        DataType::Timestamp(TimeUnit::Nanosecond, _) => 1.0,
        _ => DAY_NANOS,
    };
    let column = column.clone();
    Ok(Box::new(move |row| {
        let Some(intervals) = column.as_primitive_opt::<IntervalMonthDayNanoType>() else {
            return 1.0;
        };
        if intervals.is_null(row) {
            return 0.0;
        }
        let step = intervals.value(row);
        // The shortest month; more steps than there are do no harm.
        let days = 28.0 * f64::from(step.months) + f64::from(step.days);
        (days * DAY_NANOS + step.nanoseconds as f64) / unit_nanos
    }))
}
