//! What callers may have: labels of refusals, needs, and what traces from elsewhere may claim.

use std::sync::Arc;

use expect_test::expect;
use vigil_base::Vcid;
use vigil_kernel::{
    Blobs, ImportError, Label, MediaType, Memory, OfMachines, Produced, Reason, Refusal,
    Representation, Request, Space, Trace, Verb, parse_pipeline,
};

use crate::toys::{
    Allows, Toy, World, boxes, operand, plain, ran, secret, space, text, toy, upper,
};

/// `… | number`: a whole number, or a refusal that says what there is instead.
fn number() -> Toy {
    toy("number", "active:number{arguments:call}", |call, context| {
        Box::pin(async move {
            let text = operand(call, context).await?;
            if text == "bomb" {
                panic!("{text} is dangerous");
            }
            match text.parse::<u32>() {
                Ok(_) => Ok(plain(&text)),
                Err(_) => Err(Refusal::new(Reason::Misuse, format!("`{text}` is no number"))),
            }
        })
    })
}

/// `… | known`: there is nothing under what it is given.
fn known() -> Toy {
    toy("known", "active:known{arguments:call}", |call, context| {
        Box::pin(async move {
            let text = operand(call, context).await?;
            Err(Refusal::new(Reason::Absent, format!("nothing is called {text}")))
        })
    })
}

const CLEARED: Allows = Allows(&[], &["payroll"]);
const UNCLEARED: Allows = Allows(&[], &[]);

fn source(pipeline: &str) -> Request {
    Request::source(parse_pipeline(pipeline).expect("the test is right"))
}

#[test]
fn a_refusal_that_tells_of_a_secret_is_as_secret() {
    let make = || space(vec![secret(), number(), known(), upper()]);
    let (first, runs) = make();
    let world = World::new(first);
    let said = |world: &World, who, request: Request| world.show(world.ask_as(who, request));
    let denied = "is labelled `payroll`, which the caller is not cleared for".to_owned();
    for pipeline in [
        "secret:ada | number",
        "secret:bomb | number",
        "secret:ada | known",
        // Above it as well, and whoever asks first.
        "secret:eve | number | upper",
    ] {
        for _ in 0..2 {
            let text = said(&world, UNCLEARED, source(pipeline));
            assert!(text.starts_with("Denied: active:") && text.ends_with(&denied), "{text}");
            let text = said(&world, CLEARED, source(pipeline));
            assert!(!text.contains("Denied"), "{text}");
        }
    }
    ran(&runs, &[3, 3, 1, 1]);
    assert_eq!(
        said(&world, CLEARED, source("secret:ada | number")),
        "Misuse: `ada` is no number\n  in secret:ada | number"
    );
    // Whether there is something may be the secret.
    let exists = Request { verb: Verb::Exists, ..source("secret:ada | known") };
    assert_eq!(said(&world, CLEARED, exists.clone()), "false");
    assert!(said(&world, UNCLEARED, exists.clone()).ends_with(&denied));
    // From a trace, in the next process, the same; and what is told of how it came about.
    let (again, _) = make();
    let next = World::again(&world.memory, again);
    assert!(said(&next, UNCLEARED, exists.clone()).ends_with(&denied));
    assert_eq!(said(&next, CLEARED, exists), "false");
    let gave =
        |who: &Allows| next.kernel.why_for(who, "s", &source("secret:ada | known"))[0].gave.clone();
    assert!(gave(&UNCLEARED).unwrap_err().ends_with(&denied));
    assert_eq!(gave(&CLEARED).unwrap_err(), "nothing is called ada");
}

#[test]
fn the_label_of_a_refusal_is_part_of_what_it_gave() {
    let refusal = Refusal::new(Reason::Absent, "no");
    let secret = Label { secrecy: ["payroll".to_owned()].into(), ..Label::default() };
    assert_ne!(refusal.digest(&secret), refusal.digest(&Label::default()));
}

#[test]
fn what_an_endpoint_says_of_itself_is_on_all_that_it_gives() {
    let make = |secrecy: &[&str]| {
        let mut vault = toy("vault", "vault:{name:word}", |call, _| {
            let name = call.parts["name"].clone();
            Box::pin(async move {
                match name.as_str() {
                    "none" => Err(Refusal::new(Reason::Absent, "there are 7 others")),
                    name => Ok(plain(name)),
                }
            })
        });
        vault.secrecy = secrecy.iter().map(|tag| (*tag).to_owned()).collect();
        space(vec![vault])
    };
    let world = World::new(make(&["vault"]).0);
    for uri in ["vault:a", "vault:none"] {
        let refusal = world.ask_as(UNCLEARED, source(uri)).unwrap_err();
        assert_eq!(refusal.reason, Reason::Denied, "{refusal}");
    }
    assert_eq!(world.show(world.ask_as(Allows(&[], &["vault"]), source("vault:a"))), "a");
    // A kept run of when it did not say so is not believed.
    let world = World::new(make(&[]).0);
    world.ask_as(UNCLEARED, source("vault:a")).unwrap();
    let (again, runs) = make(&["vault"]);
    let next = World::again(&world.memory, again);
    assert_eq!(next.ask_as(UNCLEARED, source("vault:a")).unwrap_err().reason, Reason::Denied);
    ran(&runs, &[1]);
}

#[test]
fn what_describes_a_secret_is_as_secret() {
    let mut described = toy("described", "described:{name:word}", |call, _| {
        Box::pin(async move {
            let mut produced = plain(&call.parts["name"]);
            produced.label.secrecy.insert("payroll".to_owned());
            if call.request.verb == Verb::Source {
                return Ok(produced);
            }
            let representation = Representation {
                vcid: Vcid::of(call.parts["name"].as_bytes()),
                media_type: produced.media_type,
                size: call.parts["name"].len() as u64,
                label: produced.label,
            };
            // Itself without a label.
            Ok(Produced::bytes(plain("").media_type, representation.encode()))
        })
    });
    described.verbs = vec![Verb::Meta];
    let (space, _) = space(vec![described]);
    let world = World::new(space);
    let request = || Request { verb: Verb::Meta, ..source("described:ada") };
    assert_eq!(world.ask_as(UNCLEARED, request()).unwrap_err().reason, Reason::Denied);
    let record = world.ask_as(CLEARED, request()).unwrap().vcid;
    let record = world.memory.get(record).unwrap().unwrap();
    assert_eq!(Representation::decode(&record).unwrap().vcid, Vcid::of(b"ada"));
}

#[test]
fn nobody_passes_a_trace_off_as_this_machines_own() {
    let (first, _) = space(vec![text(), upper()]);
    let world = World::new(first);
    world.check("text:a | upper", expect!["A"]);
    let own = world.kernel.export_traces("s", &source("text:a | upper")).unwrap();
    assert_eq!(own.len(), 2);
    // What is kept already may come back.
    own.iter().for_each(|record| drop(world.kernel.import_trace(record).unwrap()));
    // One that reads nothing, gives what it likes, and says that we made it.
    let mut forged = Trace::decode(&own[0]).unwrap();
    forged.inputs.clear();
    forged.output.vcid = world.memory.put(b"forged").unwrap();
    forged.output.size = 6;
    let refused = world.kernel.import_trace(&forged.encode()).unwrap_err();
    assert!(matches!(refused, ImportError::NotOurs { .. }), "{refused}");
    let (again, _) = space(vec![text(), upper()]);
    World::again(&world.memory, again).check("text:a | upper", expect!["A"]);
}

/// A machine that is believed is believed as an endpoint is: not beyond what it was given.
#[test]
fn a_trace_of_a_machine_that_is_believed_is_looked_at_all_the_same() {
    let vouched = || {
        toy("vouched", "vouched:{name:word}", |call, _| {
            let mut produced = plain(&call.parts["name"]);
            produced.label.integrity.insert("reviewed".to_owned());
            Box::pin(async { Ok(produced) })
        })
    };
    let make = || {
        let mut upper = upper();
        upper.gives =
            vec![plain("").media_type, MediaType::new("application/json").expect("it is one")];
        space(vec![vouched(), text(), upper])
    };
    let there = World::on(&Arc::default(), OfMachines(Vec::new()), "there");
    there.kernel.set_scope("s", make().0);
    there.check("text:a | upper", expect!["A"]);
    let honest = there.kernel.export_traces("s", &source("text:a | upper")).unwrap();
    let mut honest = honest.iter().map(|record| Trace::decode(record).unwrap());
    let honest = honest.find(|trace| trace.endpoint == "upper").unwrap();
    let check = |what: &str, lie: fn(&mut Trace, &Memory), runs_want: usize| {
        let (space, runs) = make();
        let here = World::on(&Arc::default(), OfMachines(vec!["there".to_owned()]), "here");
        here.kernel.set_scope("s", space);
        here.memory.put(b"A").unwrap();
        let mut trace = honest.clone();
        lie(&mut trace, &here.memory);
        here.kernel.import_trace(&trace.encode()).unwrap();
        let found = here.ask("text:a | upper").unwrap();
        assert_eq!(found.label, Label::default(), "{what}");
        assert_eq!(found.media_type, plain("").media_type, "{what}");
        ran(&runs, &[0, 1, runs_want]);
        assert_eq!(here.kernel.traces_dropped(), runs_want as u64, "{what}");
    };
    check("honest", |_, _| {}, 0);
    check(
        "an integrity that the input has not",
        |trace, _| {
            trace.output.label.integrity.insert("reviewed".to_owned());
        },
        1,
    );
    check(
        "a media type that the endpoint does not give",
        |trace, _| trace.output.media_type = MediaType::new("x/y").unwrap(),
        1,
    );
    check(
        "bytes that are not of their media type",
        |trace, _| trace.output.media_type = MediaType::new("application/json").unwrap(),
        1,
    );
}

/// Needs that an endpoint owns are no business of its caller: when it runs, when its answer is at hand,
/// and when it comes from a trace.
#[test]
fn what_an_endpoint_owns_by_its_installation_nobody_else_must_grant() {
    let make = |owned: &[&str]| {
        let mut far = toy("far", "far:{name:word}", |call, _| {
            Box::pin(async move { Ok(plain(&call.parts["name"])) })
        });
        far.needs = ["secret:key".to_owned(), "network:far".to_owned()].into();
        let runs = [far.runs.clone()];
        let owned = owned.iter().map(|need| (*need).to_owned()).collect();
        let space = Space::new("s").install(Arc::new(far), owned).expect("the test is right");
        (space.with(Arc::new(upper())).expect("the test is right"), runs)
    };
    let both = Allows(&["secret:key", "network:far"], &[]);
    let network = Allows(&["network:far"], &[]);
    let nobody = Allows(&[], &[]);
    let ask = |world: &World, who| world.show(world.ask_as(who, source("far:a | upper")));
    let (owning, runs) = make(&["secret:key"]);
    let world = World::new(owning);
    assert!(ask(&world, nobody).contains("`network:far`, which is not granted"), "on a miss");
    ran(&runs, &[0]);
    assert_eq!(ask(&world, network), "A", "on a miss");
    ran(&runs, &[1]);
    assert_eq!(ask(&world, network), "A", "on a hit");
    assert!(ask(&world, nobody).contains("`network:far`, which is not granted"), "on a hit");
    let traces = world.kernel.export_traces("s", &source("far:a")).unwrap();
    let trace = Trace::decode(&traces[0]).unwrap();
    assert_eq!(trace.needs, ["network:far".to_owned()].into());
    assert_eq!(trace.evidence, ["far owns secret:key".to_owned()].into());
    // The next process, from traces.
    let (owning, runs) = make(&["secret:key"]);
    let next = World::again(&world.memory, owning);
    assert_eq!(ask(&next, network), "A");
    assert!(ask(&next, nobody).contains("`network:far`, which is not granted"));
    ran(&runs, &[0]);
    // Where it does not own it, the same trace demands it of the caller, and so does a run.
    let (poor, runs) = make(&[]);
    let third = World::again(&world.memory, poor);
    assert!(ask(&third, network).contains("`secret:key`, which is not granted"));
    assert_eq!(ask(&third, both), "A");
    ran(&runs, &[0]);
    assert_eq!(third.kernel.traces_dropped(), 0, "it told no lie");
    // And in one process, when the installation changes.
    world.kernel.set_scope("s", make(&[]).0);
    assert!(ask(&world, network).contains("`secret:key`, which is not granted"));
    world.kernel.set_scope("s", make(&["secret:key", "network:far"]).0);
    assert_eq!(ask(&world, nobody), "A");
}

/// What tells of this moment is shared in the run and kept nowhere, and so is all that is made of it.
#[test]
fn what_asks_not_to_be_kept_is_made_anew_in_each_run() {
    let make = || {
        let draft = toy("draft", "draft:{name:word}", |call, context| {
            context.keep_nothing();
            Box::pin(async move { Ok(plain(&call.parts["name"])) })
        });
        space(vec![draft, upper(), text()])
    };
    let (first, runs) = make();
    let world = World::new(first);
    for _ in 0..2 {
        world.check("draft:a | upper", expect!["A"]);
    }
    ran(&runs, &[1, 1, 0]);
    let kept = world.memory.traces().len();
    world.kernel.begin_run();
    world.check("draft:a | upper", expect!["A"]);
    // It came out as before, so what is above it holds: from its trace, which says what it was made of.
    ran(&runs, &[1, 0, 0]);
    assert_eq!(kept, 1, "of what was made of it, and not of itself");
    let (second, runs) = make();
    World::again(&world.memory, second).check("draft:a | upper", expect!["A"]);
    assert_eq!(runs[0].load(std::sync::atomic::Ordering::Relaxed), 1);
}

/// An endpoint of the same version may run on something else: the one that was set last answers.
#[test]
fn the_endpoint_that_was_set_last_answers() {
    let memory: Arc<Memory> = Arc::default();
    let (first, first_runs) = space(vec![boxes(), upper()]);
    let world = World::again(&memory, first);
    memory.set_root("a", Some(b"pear"));
    world.check("box:a | upper", expect!["PEAR"]);
    ran(&first_runs, &[1, 1]);
    let (second, second_runs) = space(vec![boxes(), upper()]);
    world.kernel.set_scope("s", second);
    memory.set_root("a", Some(b"plum"));
    world.kernel.root_changed("a");
    world.check("box:a | upper", expect!["PLUM"]);
    ran(&first_runs, &[0, 0]);
    ran(&second_runs, &[1, 1]);
}
