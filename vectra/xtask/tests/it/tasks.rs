//! The first Tasks, in both homes: what the declared tree says when it runs.

use crate::bench::{bare_counted, everywhere};

/// Lines that every home says, in whatever order its Tasks come to run.
const SAID: &[&str] = &[
    "[initd] 9 children",
    "[echo] 1000 answers",
    "[hog] took 42 pages, then reticle_retype was refused: `memory` (Reticle) lacks 24576 bytes",
    "[initd] crasher faulted, code 1, address 0x8",
    "[initd] crasher is built again",
    "[netd] off the machine goes message 3: 0xbef1",
    "[netd] the sender was cut off after 3",
    "[vctl] why: machine_power was refused: `machine` is a Machine without control",
    "[initd] memory_map was refused: a label forbids the flow through `personal` (Memory): tag 0",
    "[initd] declassified: notes sent 3, its raise cut 1; before it `personal` was refused \
     (a label forbids it), after it `net` (the capability was taken away)",
    "[initd] all is done",
];

#[test]
fn the_declared_tree_runs() {
    for (home, ran) in everywhere("initd", "") {
        for said in SAID {
            assert!(ran.console.lines().any(|l| l == *said), "{home}: `{said}`\n{}", ran.console);
        }
        let crashes = ran.console.matches("crasher faulted").count();
        assert_eq!(crashes, 3, "{home}: it is built again twice\n{}", ran.console);
        assert_eq!(ran.code, Some(0), "{home}");
    }
}

#[test]
fn a_task_shows_its_whole_authority() {
    for (home, ran) in everywhere("initd", "") {
        let lines = || ran.console.lines();
        let at = lines().position(|line| line.starts_with("[vctl] task echod"));
        let slots: Vec<_> = lines()
            .filter(|line| line.starts_with("[vctl]"))
            .skip_while(|line| !line.starts_with("[vctl] task echod"))
            .skip(1)
            .take_while(|line| !line.starts_with("[vctl] task"))
            .filter_map(|line| line.split_whitespace().nth(2))
            .filter(|name| !name.starts_with("elf"))
            .collect();
        assert!(at.is_some(), "{home}: {}", ran.console);
        let want = [&["self", "stack", "ask"][..], &["self", "stack", "ask", "answer"]];
        assert!(want.contains(&&slots[..]), "{home}: echod has {slots:?}");
    }
}

#[test]
fn what_is_typed_arrives_by_interrupt() {
    for (home, ran) in everywhere("typist", "abc!") {
        let typed: String = ran.console.lines().filter_map(|l| l.strip_prefix("typed ")).collect();
        assert_eq!(typed, "abc", "{home}: {}", ran.console);
        assert_eq!(ran.code, Some(0), "{home}");
    }
}

#[test]
fn a_budget_holds() {
    // Only a machine that counts instructions can show it without looking at a clock: there, a
    // tenth of the time is a tenth of the work, give or take a tick in each period.
    let Some(ran) = bare_counted("budgets") else { return };
    let count = |name: &str| -> u64 {
        let line = ran.console.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|rest| rest.trim().parse().ok())
            .unwrap_or_else(|| panic!("`{name}` is not said\n{}", ran.console))
    };
    let (all, tenth) = (count("all:"), count("a tenth:"));
    assert!(all > 1000, "{}", ran.console);
    assert!(tenth * 5 < all && tenth * 20 > all, "{}", ran.console);
    assert_eq!(count("revoked:"), 0, "{}", ran.console);
}
