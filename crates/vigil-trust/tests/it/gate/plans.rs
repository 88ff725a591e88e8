//! Closures of packages: order, what is missing, circles.

use vigil_trust::gate::{PlanError, plan};
use vigil_trust::package::Manifest;

use super::world::{manifest, package};

#[track_caller]
fn check(
    wanted: &[&str],
    offered: &[Manifest],
    installed: &[Manifest],
    want: Result<&[&str], &str>,
) {
    let wanted: Vec<_> = wanted.iter().map(|name| package(name)).collect();
    let offered: Vec<_> = offered.iter().collect();
    let installed: Vec<_> = installed.iter().collect();
    let planned = plan(&wanted, &offered, &installed);
    let planned =
        planned.map(|plan| plan.iter().map(|it| it.name().to_string()).collect::<Vec<_>>());
    match (planned, want) {
        (Ok(found), Ok(want)) => assert_eq!(found, want),
        (Err(error), Err(want)) => assert_eq!(error.to_string(), want),
        (found, want) => panic!("{found:?} instead of {want:?}"),
    }
}

fn a(version: &str, needs: &[(&str, &str)]) -> Manifest {
    manifest(&format!("x.y/a@{version}"), &[], needs)
}

fn b(version: &str, needs: &[(&str, &str)]) -> Manifest {
    manifest(&format!("x.y/b@{version}"), &[], needs)
}

#[test]
fn what_is_needed_comes_first() {
    let c = manifest("x.y/c@3", &[], &[]);
    let all = [a("1", &[("x.y/b", "1"), ("x.y/c", "2")]), b("1", &[("x.y/c", "3")]), c];
    check(&["x.y/a"], &all, &[], Ok(&["att://x.y/c@3", "att://x.y/b@1", "att://x.y/a@1"]));
    check(&["x.y/b", "x.y/a"], &all, &[], Ok(&["att://x.y/c@3", "att://x.y/b@1", "att://x.y/a@1"]));
    check(&["x.y/c"], &all, &[], Ok(&["att://x.y/c@3"]));
    check(&[], &all, &[], Ok(&[]));
}

#[test]
fn the_newest_that_is_offered_is_taken_and_else_what_is_installed() {
    let offered = [b("1", &[]), b("1.10", &[]), b("1.9", &[])];
    check(&["x.y/b"], &offered, &[b("2", &[])], Ok(&["att://x.y/b@1.10"]));
    check(
        &["x.y/a"],
        &[a("1", &[("x.y/b", "2")])],
        &[b("2", &[])],
        Ok(&["att://x.y/b@2", "att://x.y/a@1"]),
    );
}

#[test]
fn what_is_missing_or_too_old_is_named() {
    let needs = a("1", &[("x.y/b", "2")]);
    check(
        &["x.y/a"],
        &[],
        &[],
        Err("x.y/a is neither installed nor among the packages that were given"),
    );
    check(
        &["x.y/a"],
        std::slice::from_ref(&needs),
        &[],
        Err(
            "x.y/a needs x.y/b 2 or later, which is neither installed nor among the packages that were given",
        ),
    );
    check(
        &["x.y/a"],
        &[needs],
        &[b("1.9", &[])],
        Err("x.y/a needs x.y/b 2 or later, and there is 1.9"),
    );
    let twice = [b("1", &[]), b("1", &[("x.y/c", "1")])];
    check(&["x.y/b"], &twice, &[], Err("two different packages are x.y/b 1"));
}

#[test]
fn circles_are_refused_with_the_way_round() {
    let circle = [
        a("1", &[("x.y/b", "1")]),
        b("1", &[("x.y/c", "1")]),
        manifest("x.y/c@1", &[], &[("x.y/b", "1")]),
    ];
    check(&["x.y/a"], &circle, &[], Err("packages need each other: x.y/b needs x.y/c needs x.y/b"));
    // Also where a half of it is installed.
    check(
        &["x.y/b"],
        &circle[1..2],
        &circle[2..],
        Err("packages need each other: x.y/b needs x.y/c needs x.y/b"),
    );
}

#[test]
fn a_long_way_down_is_walked_without_recursion() {
    let long: Vec<Manifest> = (0..5000)
        .map(|number| {
            let next = format!("x.y/p{}", number + 1);
            let needs = [(next.as_str(), "1")];
            let needs = if number == 4999 { &[][..] } else { &needs[..] };
            manifest(&format!("x.y/p{number}@1"), &[], needs)
        })
        .collect();
    let all: Vec<&Manifest> = long.iter().collect();
    let planned = plan(&[package("x.y/p0")], &all, &[]).expect("a plan");
    assert_eq!(planned.len(), 5000);
    assert_eq!(planned[0].name().name(), "p4999");
    let too_many = vec![&long[0]; 10_001];
    assert_eq!(plan(&[], &too_many, &[]), Err(PlanError::Many));
}
