//! Panics are bugs of ours, and say so.

use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind, set_hook};

/// Runs `work`; a panic in it, on any thread that it waits for, becomes the exit code of a bug.
pub(crate) fn guarded(work: impl FnOnce() -> u8) -> u8 {
    set_hook(Box::new(|info| eprint!("{}", report(info))));
    catch_unwind(AssertUnwindSafe(work)).unwrap_or(vigil_cli::BUG)
}

/// Returns what a person is told: what, where, and what next.
fn report(info: &PanicHookInfo<'_>) -> String {
    let what = info.payload_as_str().unwrap_or("something that is not text");
    let place = info.location().map(|at| format!("  because: it happened at {at}\n"));
    format!(
        "error: vigil stopped on a broken assumption: {what}\n{}hint: {}\n",
        place.unwrap_or_default(),
        vigil_cli::REPORT
    )
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    /// One test, since the hook belongs to the whole process.
    #[test]
    fn a_panic_says_that_it_is_a_bug_and_ends_with_its_code() {
        assert_eq!(guarded(|| 3), 3);
        static SAID: Mutex<String> = Mutex::new(String::new());
        let guarded_code = guarded(|| {
            set_hook(Box::new(|info| *SAID.lock().expect("no panic holds it") = report(info)));
            let thread = std::thread::spawn(|| panic!("two is not {}", 3));
            match thread.join() {
                Ok(()) => 0,
                Err(panic) => std::panic::resume_unwind(panic),
            }
        });
        assert_eq!(guarded_code, 70);
        let said = SAID.lock().expect("no panic holds it").clone();
        let want =
            "error: vigil stopped on a broken assumption: two is not 3\n  because: it happened at ";
        assert!(said.starts_with(want), "{said}");
        assert!(
            said.contains("src/panic.rs") && said.contains("\nhint: this is a bug in vigil"),
            "{said}"
        );
    }
}
