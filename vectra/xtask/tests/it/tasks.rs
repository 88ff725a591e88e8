//! The first Tasks, in every home: what the declared tree says when it runs.

use vectra_image::Qemu;
use vectra_xtask::Ran;

use crate::bench::{boot, everywhere, machine};

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
        let topology = |line: &str| line.starts_with("[topod] ") && line.ends_with("ends of Rings");
        assert!(ran.console.lines().any(topology), "{home}: {}", ran.console);
        let crashes = ran.console.matches("crasher faulted").count();
        assert_eq!(crashes, 3, "{home}: it is built again twice\n{}", ran.console);
        assert_eq!(ran.code, Some(0), "{home}");
    }
}

#[test]
fn vctl_lists_every_task() {
    for (home, ran) in everywhere("initd", "") {
        let tasks: Vec<_> =
            ran.console.lines().filter_map(|line| line.strip_prefix("[vctl] task ")).collect();
        let is_listed = |name: &str| {
            tasks
                .iter()
                .any(|line| line.starts_with(&format!("{name} ")) && line.contains("secrecy"))
        };
        for name in ["initd", "logd", "echod", "netd", "vctl"] {
            assert!(is_listed(name), "{home}: {name} is not in {tasks:?}");
        }
        // Whoever has seen personal data is above vctl, which must not even learn that he is there.
        assert!(tasks.iter().all(|line| line.ends_with("secrecy 0x0")), "{home}: {tasks:?}");
    }
}

#[test]
fn vctl_shows_a_tasks_whole_authority_by_name() {
    for (home, ran) in everywhere("initd", "") {
        let at = ran.console.lines().position(|line| line.starts_with("[vctl] task echod"));
        let slots: Vec<_> = ran
            .console
            .lines()
            .filter(|line| line.starts_with("[vctl]"))
            .skip_while(|line| !line.starts_with("[vctl] task echod"))
            .skip(1)
            .take_while(|line| line.starts_with("[vctl]   "))
            .filter_map(|line| line.split_whitespace().nth(2))
            .filter(|name| !name.starts_with("elf"))
            .collect();
        assert!(at.is_some(), "{home}: {}", ran.console);
        let want = [&["self", "stack", "ask"][..], &["self", "stack", "ask", "answer.0"]];
        assert!(want.contains(&&slots[..]), "{home}: echod has {slots:?}");
    }
}

#[test]
fn vctl_draws_the_tree_of_memory() {
    for (home, ran) in everywhere("initd", "") {
        let lines: Vec<_> =
            ran.console.lines().filter_map(|line| line.strip_prefix("[vctl] memory ")).collect();
        let numbers = |line: &str| -> Vec<u64> {
            let words = line.split_once(':').map_or("", |(_, words)| words).split(' ');
            words.filter_map(|word| word.parse().ok()).collect()
        };
        let root = lines.first().unwrap_or_else(|| panic!("{home}: {}", ran.console));
        assert!(root.starts_with("memory of initd:"), "{home}: {lines:?}");
        let parts: Vec<_> = lines.iter().filter(|line| line.starts_with("  part.")).collect();
        assert_eq!(parts.len(), 9, "{home}: one for each child in {lines:?}");
        for part in &parts {
            let [pages, used, objects] = numbers(part)[..] else { panic!("{home}: {part}") };
            // The personal notes Task is not seen, so its part looks unused from below.
            assert!(pages == 120 && used <= pages, "{home}: {part}");
            assert_eq!(used == 0, objects == 0, "{home}: {part}");
        }
        let hog = lines.iter().find(|line| line.starts_with("  memory of hog: 50 pages"));
        let echo = lines.iter().find(|line| line.starts_with("  memory of echo: 10 pages"));
        assert!(hog.is_some() && echo.is_some(), "{home}: {lines:?}");
        let all = numbers(root);
        let below: u64 = lines[1..].iter().map(|line| numbers(line)[0] + 1).sum();
        assert!(all[1] >= below && all[1] <= all[0], "{home}: {all:?} {below}");
    }
}

#[test]
fn vctl_says_why_a_call_was_refused() {
    for (home, ran) in everywhere("initd", "") {
        let want = "[vctl] why: machine_power was refused: `machine` is a Machine without control";
        assert!(ran.console.lines().any(|line| line == want), "{home}: {}", ran.console);
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

fn count(ran: &Ran, name: &str) -> u64 {
    let line = ran.console.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|rest| rest.trim().parse().ok())
        .unwrap_or_else(|| panic!("`{name}` is not said\n{}", ran.console))
}

#[test]
fn a_budget_holds_to_the_tick() {
    // Only a machine that counts instructions can show it without looking at a clock: there, a
    // tenth of the time is a tenth of the work.
    let counted = Qemu { processors: 1, counted: true, ..machine("budgets") };
    let Some(ran) = boot(&counted, "") else { return };
    let (all, tenth) = (count(&ran, "all:"), count(&ran, "a tenth:"));
    assert!(all > 1000, "{}", ran.console);
    assert!(tenth * 8 < all && tenth * 14 > all, "{}", ran.console);
    assert_eq!(count(&ran, "revoked:"), 0, "{}", ran.console);
}

#[test]
fn a_budget_holds_in_every_home() {
    for (home, ran) in everywhere("budgets", "") {
        let part = |name: &str| count(&ran, name);
        // The bounds are loose, since other programs run beside the one that has all the time. An
        // emulated processor may get next to nothing of it: there only counted instructions tell.
        let is_held = home == "bare" || part("a fiftieth:") * 3 < part("all:");
        assert!(is_held, "{home}: {}", ran.console);
        assert!(part("a tenth:") > 0, "{home}: {}", ran.console);
        assert_eq!(count(&ran, "revoked:"), 0, "{home}: {}", ran.console);
        assert_eq!(ran.code, Some(0), "{home}");
    }
}

#[test]
fn memory_beyond_the_first_gib_is_used() {
    // The second machine's largest run of memory lies above the devices, from the fourth GiB on.
    for (memory_mib, pages_min) in [(3072, 480_000), (6144, 1_000_000)] {
        let words = "first=roomy".to_owned();
        let Some(ran) = boot(&Qemu { memory_mib, words, ..machine("roomy") }, "") else { return };
        let words: Vec<u64> =
            ran.console.split([' ', '\n']).filter_map(|word| word.parse().ok()).collect();
        let [pages, tried, right] = words[..] else { panic!("{}", ran.console) };
        assert!(pages > pages_min && tried >= 7 && right == tried, "{}", ran.console);
        assert_eq!(ran.code, Some(0), "{}", ran.console);
    }
}
