//! What a jq program pays for each step and for what it builds, and where it ends.
//!
//! Invariant: what is paid follows from the program and the text alone.

use std::cell::Cell;

use jaq_core::{Native, box_iter::box_once, data::JustLut, native};
use jaq_json::Val;

/// Where a program ends that takes too much.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Most steps.
    pub steps: u64,
    /// Most bytes of what it builds.
    pub bytes: u64,
}

/// Deepest value that a program may build.
pub const DEPTH_MAX: usize = 10_000;

/// Most bytes that a program may build in all, whether it keeps them or not. What it builds is counted as
/// if each value took so many bytes of its own, and so many for each element and each member.
pub const BUILT_BYTES_MAX: u64 = 2 << 30;
const VALUE_BYTES: u64 = 32;
const ELEMENT_BYTES: u64 = 24;
const MEMBER_BYTES: u64 = 100;

/// How many bytes of text count as one step.
const BYTES_PER_STEP: usize = 4;

/// What programs run on.
pub type Data = JustLut<Val>;

/// Unwinds a program that takes too much.
pub struct Overrun(pub &'static str);

thread_local! {
    static STEPS_LEFT: Cell<u64> = const { Cell::new(0) };
    static BYTES_LEFT: Cell<u64> = const { Cell::new(0) };
}

/// Gives a thread what its program may take.
pub fn begin(bounds: Bounds) {
    STEPS_LEFT.set(bounds.steps);
    BYTES_LEFT.set(bounds.bytes);
}

/// Takes steps off what is left, or unwinds.
fn pay(steps: u64) {
    STEPS_LEFT.with(|left| match left.get().checked_sub(steps) {
        Some(rest) => left.set(rest),
        None => std::panic::resume_unwind(Box::new(Overrun("steps"))),
    });
}

/// Takes bytes off what may still be built, or unwinds.
fn pay_bytes(bytes: u64) {
    BYTES_LEFT.with(|left| match left.get().checked_sub(bytes) {
        Some(rest) => left.set(rest),
        None => std::panic::resume_unwind(Box::new(Overrun("bytes"))),
    });
}

/// Pays for all that can be reached in a value, since it may be compared or written.
fn pay_for(value: &Val) {
    walk(value, |steps, _| pay(steps));
}

/// Pays for a value that was built.
fn pay_for_built(value: &Val) {
    walk(value, |steps, bytes| {
        pay(steps);
        pay_bytes(VALUE_BYTES + bytes);
    });
}

/// Pays for each value that can be reached: its steps, and the bytes beside those that any value takes.
fn walk(value: &Val, pay: impl Fn(u64, u64)) {
    let mut open = vec![(value, 0)];
    while let Some((value, depth)) = open.pop() {
        if depth > DEPTH_MAX {
            std::panic::resume_unwind(Box::new(Overrun("depth")));
        }
        match value {
            Val::TStr(text) | Val::BStr(text) => {
                pay(1 + (text.len() / BYTES_PER_STEP) as u64, text.len() as u64);
            }
            Val::Arr(list) => {
                pay(1 + list.len() as u64, ELEMENT_BYTES * list.len() as u64);
                open.extend(list.iter().map(|value| (value, depth + 1)));
            }
            Val::Obj(map) => {
                pay(1 + map.len() as u64, MEMBER_BYTES * map.len() as u64);
                let both = map.iter().flat_map(|(key, value)| [key, value]);
                open.extend(both.map(|value| (value, depth + 1)));
            }
            _ => pay(1, 0),
        }
    }
}

/// Pays for looking at a value without looking into what is in it.
fn pay_for_glance(value: &Val) {
    pay(1 + match value {
        Val::TStr(text) | Val::BStr(text) => text.len() / BYTES_PER_STEP,
        Val::Arr(list) => list.len(),
        Val::Obj(map) => map.len(),
        _ => 0,
    } as u64);
}

/// A native that gives what it is given, after it has been paid for.
macro_rules! toll {
    ($pay:expr) => {
        Native::new(|cv| {
            $pay(&cv.1);
            box_once(Ok(cv.1))
        })
        .with_paths(|cv| {
            $pay(&cv.1.0);
            box_once(Ok(cv.1))
        })
        .with_update(|cv, update| {
            $pay(&cv.1);
            update(cv.1)
        })
    };
}

/// Our own natives: tolls, and numbers out of texts.
pub fn natives() -> [native::Fun<Data>; 5] {
    let tonumber = Native::new(|cv: jaq_core::Cv<'_, Data>| {
        let number = match &cv.1 {
            Val::Num(_) => Some(cv.1.clone()),
            Val::TStr(text) => jaq_json::read::parse_single_num(text).map(Val::Num),
            _ => None,
        };
        let wrong = || jaq_core::Error::str(format_args!("{} is no number", cv.1));
        native::bome(number.ok_or_else(wrong))
    });
    [
        (STEP, native::v(0), toll!(|_: &Val| pay(1))),
        (GLANCE, native::v(0), toll!(pay_for_glance)),
        (MEASURE, native::v(0), toll!(pay_for)),
        (BUILT, native::v(0), toll!(pay_for_built)),
        ("tonumber", native::v(0), tonumber),
    ]
}

/// The tolls: one step, the size of a value, all that is in a value, and the same for one that was built.
pub const STEP: &str = "vigil_step";
pub const GLANCE: &str = "vigil_glance";
pub const MEASURE: &str = "vigil_measure";
pub const BUILT: &str = "vigil_built";
