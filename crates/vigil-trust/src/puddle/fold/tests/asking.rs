//! Asking whether a machine may do something, and what is answered.

use super::*;
use crate::puddle::{Clocks, TimeHere};

const ASK: Ask<'_> = Ask { subsystem: "files", verb: "read", resource: "logs/x" };

const FRESH: Freshness = Freshness::Fresh { until: None };

fn when(now: i64) -> When {
    When { now: Moment(now), freshness: FRESH }
}

fn machine(seed: u8) -> KeyBytes {
    key(seed).public().bytes()
}

#[test]
fn what_is_stale_or_contested_allows_nothing() {
    let mut history = History::new();
    history.add(1);
    let grant = history.grant(PERSON, 1, None, scope(&["read"], "", None));
    let lease = Lease::seconds(1).expect("a second");
    let clocks = |nanoseconds| Clocks { wall: Moment(nanoseconds), steady: None };
    let mut time = TimeHere::begin(&clocks(0));
    time.hear(Moment(0), &clocks(0));
    let may = |history: &History, now| {
        let freshness = lease.judge(&time, Moment(0), &clocks(now));
        let when = When { now: Moment(now), freshness };
        let view = history.view();
        view.authorise(&machine(1), &grant, &ASK, &when).map(|chain| chain.len())
    };
    assert_eq!(may(&history, 1), Ok(1));
    let since = Moment(1_000_000_000);
    assert_eq!(may(&history, since.0), Err(Denial::Stale { since }));
    history.rotate_after(PERSON, &[grant], PERSON + 1);
    assert_eq!(may(&history, 1), Ok(1));
    history.rotate_after(PERSON, &[grant], PERSON + 2);
    assert!(history.view().grants.contains_key(&grant), "it was before both");
    assert_eq!(may(&history, 1), Err(Denial::Contested));
    assert_eq!(history.view().may(&machine(1), &ASK, &when(1)), Err(Denial::Contested));
}

#[test]
fn a_doubt_about_the_time_denies_whatever_depends_on_it() {
    let mut history = History::new();
    history.add(1);
    let plain = history.grant(PERSON, 1, None, scope(&["read"], "", None));
    let ends = history.grant(PERSON, 1, None, scope(&["read"], "", Some(9)));
    let signed = Moment(7);
    let when = When { freshness: Freshness::Doubtful { signed }, ..when(1) };
    let mut view = history.view();
    let may = |view: &View, grant| view.authorise(&machine(1), grant, &ASK, &when).map(|_| ());
    assert_eq!(view.lease, Lease::Never);
    assert_eq!(may(&view, &plain), Ok(()));
    assert_eq!(may(&view, &ends), Err(Denial::Doubtful { signed }));
    view.lease = Lease::seconds(5).expect("seconds");
    assert_eq!(may(&view, &plain), Err(Denial::Doubtful { signed }));
}

#[test]
fn the_answer_is_a_chain_or_the_rule_that_came_closest() {
    let mut history = History::new();
    (1..=3).for_each(|machine| _ = history.add(machine));
    let root = history.grant(PERSON, 1, None, scope(&["list", "read"], "logs", Some(100)));
    let link = history.grant(1, 2, Some(root), scope(&["read"], "logs", Some(50)));
    let view = history.view();
    let may = |seed, ask: &Ask<'_>, now| {
        let chain = view.may(&machine(seed), ask, &when(now));
        chain.map(|chain| chain.iter().map(|(id, _)| *id).collect::<Vec<_>>())
    };
    assert_eq!(may(2, &ASK, 5), Ok(Vec::from([root, link])));
    assert_eq!(may(2, &ASK, 50), Err(Denial::Expired { link: 2 }));
    assert_eq!(may(2, &ASK, 100), Err(Denial::Expired { link: 1 }));
    let denied = |ask: &Ask<'_>| may(2, ask, 5).expect_err("it is not granted");
    let misfit = |misfit| Denial::NotAllowed { misfit };
    assert_eq!(denied(&Ask { subsystem: "names", ..ASK }), misfit(Misfit::Subsystem));
    assert_eq!(denied(&Ask { verb: "list", ..ASK }), misfit(Misfit::Verb));
    for resource in ["keys", "logs2", "logs/../keys", "logs//x", "/logs", ""] {
        assert_eq!(denied(&Ask { resource, ..ASK }), misfit(Misfit::Prefix), "{resource}");
    }
    assert_eq!(may(3, &ASK, 5), Err(Denial::NoGrant));
    assert_eq!(may(4, &ASK, 5), Err(Denial::Idle(Idle::Unknown)));
    let words = [(2, 5), (2, 50), (3, 5), (4, 5)]
        .map(|(seed, now)| may(seed, &ASK, now).map_or_else(|denial| denial.word(), |_| "allowed"));
    assert_eq!(words, ["allowed", "expired", "no-grant", "unknown"]);
    // Of several the shortest chain answers, and of two alike the one that holds longest.
    let direct = history.grant(PERSON, 2, None, scope(&["read"], "", Some(20)));
    let longer = history.grant(PERSON, 2, None, scope(&["read"], "logs/x", Some(30)));
    let view = history.view();
    let found = view.may(&machine(2), &ASK, &when(5)).expect("it is granted");
    assert_eq!(found.iter().map(|(id, _)| *id).collect::<Vec<_>>(), [longer]);
    assert!(view.grants.contains_key(&direct));
    history.push(PERSON, revoke(2, &[]));
    let view = history.view();
    assert_eq!(view.may(&machine(2), &ASK, &when(5)), Err(Denial::Idle(Idle::Revoked)));
    assert_eq!(view.authorise(&machine(2), &longer, &ASK, &when(5)), Err(Denial::NoGrant));
    assert_eq!(view.authorise(&machine(2), &root, &ASK, &when(5)), Err(Denial::NotHolder));
}

#[test]
fn the_person_renews_and_nobody_else() {
    let mut history = History::new();
    history.add(1);
    let (before, machines) = (history.view().signed_at(), history.view().machines);
    let by_machine = history.push(1, Event::Renew);
    assert_eq!(history.view().refused[&by_machine], Refusal::NotAuthor);
    assert_eq!(history.view().signed_at(), before);
    let renewal = history.push(PERSON, Event::Renew);
    let view = history.view();
    assert!(view.signed.contains_key(&renewal) && view.signed_at() > before);
    assert_eq!(view.heads, BTreeSet::from([renewal]));
    assert_eq!(view.machines, machines);
    // A key that was rotated away renews nothing.
    history.rotate_after(PERSON, &[renewal], PERSON + 1);
    let late = history.push_after(PERSON, &[renewal], Event::Renew);
    let view = history.view();
    assert_eq!(view.refused[&late], Refusal::RotatedKey);
    assert!(!view.signed.contains_key(&late));
}
