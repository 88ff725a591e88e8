//! The first Tasks, in both homes.

use crate::bench::everywhere;

#[test]
fn the_first_task_runs_and_switches_off() {
    for (home, ran) in everywhere("initd", "") {
        assert_eq!(ran.code, Some(0), "{home}: {}", ran.console);
    }
}
