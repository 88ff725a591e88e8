//! The resolver's promises, one by one, over a host in memory.

use std::sync::Arc;

use expect_test::expect;
use vigil_base::Vcid;
use vigil_kernel::engine::EngineOptions;
use vigil_kernel::{
    Agreed, Blobs, Body, Identifier, Kernel, Label, MediaType, Memory, OfMachines, Owner, Produced,
    Reason, Representation, Request, TracePolicy, Verb, parse_pipeline, render_provenance,
};

use crate::toys::{
    Allows, World, boxes, first, host, id, operand, plain, ran, secret, space, text, toy, upper,
};

#[test]
fn a_pipeline_is_made_once_and_cut_off_early() {
    let (space, runs) = space(vec![boxes(), first(), upper()]);
    let world = World::new(space);
    world.memory.set_root("a", Some(b"pear"));
    world.check("box:a | first | upper", expect!["P"]);
    ran(&runs, &[1, 1, 1]);
    world.check("box:a | first | upper", expect!["P"]);
    ran(&runs, &[0, 0, 0]);
    // The first letter stays, so what is above it is not made again.
    world.memory.set_root("a", Some(b"plum"));
    world.kernel.root_changed("a");
    world.check("box:a | first | upper", expect!["P"]);
    ran(&runs, &[1, 1, 0]);
    world.memory.set_root("a", Some(b"quince"));
    world.kernel.root_changed("a");
    world.check("box:a | first | upper", expect!["Q"]);
    ran(&runs, &[1, 1, 1]);
}

#[test]
fn the_next_process_starts_warm() {
    let (first_space, runs) = space(vec![boxes(), first(), upper()]);
    let world = World::new(first_space);
    world.memory.set_root("a", Some(b"pear"));
    world.check("box:a | first | upper", expect!["P"]);
    ran(&runs, &[1, 1, 1]);
    let again = |memory| {
        let (space, runs) = space(vec![boxes(), first(), upper()]);
        (World::again(memory, space), runs)
    };
    let (next, runs) = again(&world.memory);
    next.check("box:a | first | upper", expect!["P"]);
    ran(&runs, &[0, 0, 0]);
    // Changed in between: the traces are compared with what is there now, and cut off as well.
    world.memory.set_root("a", Some(b"plum"));
    let (next, runs) = again(&world.memory);
    next.check("box:a | first | upper", expect!["P"]);
    ran(&runs, &[1, 1, 0]);
    // Back to an earlier state: its traces are still there.
    world.memory.set_root("a", Some(b"pear"));
    let (next, runs) = again(&world.memory);
    next.check("box:a | first | upper", expect!["P"]);
    ran(&runs, &[0, 0, 0]);
}

#[test]
fn a_new_version_is_never_taken_for_the_old_one() {
    let (old_space, _) = space(vec![text(), upper()]);
    let world = World::new(old_space);
    world.check("text:a | upper", expect!["A"]);
    let mut changed = upper();
    changed.version = Vcid::of(b"another dependency");
    let (new_space, runs) = space(vec![text(), changed]);
    world.kernel.set_scope("s", new_space);
    world.check("text:a | upper", expect!["A"]);
    ran(&runs, &[0, 1]);
    let request = Request::source(parse_pipeline("text:a | upper").unwrap());
    expect!["the endpoint's version was sha256:aee610558292023758a4229ddcf75f167c9904313a83cf795232ed7f7e2131c9, and is sha256:3c9ad09cef47c1251cae9476bbf71449b237da9c84ccd136c8232a8b3f819512"]
        .assert_eq(&world.kernel.why("s", &request)[0].story.why);
}

#[test]
fn damaged_and_lying_traces_are_dropped() {
    type Damage = fn(&mut Vec<u8>);
    let damages: [(&str, Damage); 3] = [
        ("cut short", |bytes| bytes.truncate(bytes.len() / 2)),
        ("empty", Vec::clear),
        ("one bit", |bytes| bytes[40] ^= 1),
    ];
    for (what, damage) in damages {
        let (old_space, _) = space(vec![text(), upper()]);
        let world = World::new(old_space);
        world.check("text:a | upper", expect!["A"]);
        world.memory.edit_traces(damage);
        let (new_space, runs) = space(vec![text(), upper()]);
        let next = World::again(&world.memory, new_space);
        next.check("text:a | upper", expect!["A"]);
        ran(&runs, &[1, 1]);
        assert_eq!(next.kernel.traces_dropped(), 2, "{what}");
    }
    // Whole, but the bytes are gone.
    let (old_space, _) = space(vec![text(), upper()]);
    let world = World::new(old_space);
    let found = world.ask("text:a | upper").unwrap();
    world.memory.remove_blob(found.vcid);
    let (new_space, runs) = space(vec![text(), upper()]);
    World::again(&world.memory, new_space).check("text:a | upper", expect!["A"]);
    ran(&runs, &[0, 1]);
}

#[test]
fn a_trace_that_hides_a_secret_is_dropped() {
    let (old_space, _) = space(vec![secret(), upper()]);
    // Of another machine, which is believed here: one that says it is this one's is not taken in.
    let world = World::on(&Arc::default(), OfMachines(Vec::new()), "there");
    world.kernel.set_scope("s", old_space);
    let pipeline = "secret:a | upper";
    let honest = world.ask(pipeline).unwrap();
    assert!(honest.label.secrecy.contains("payroll"), "labels are joined");
    let request = Request::source(parse_pipeline(pipeline).unwrap());
    // The same trace without the label, as somebody might hand it in.
    let mut tried = 0;
    for record in world.kernel.export_traces("s", &request).unwrap() {
        let mut trace = vigil_kernel::Trace::decode(&record).unwrap();
        if trace.endpoint == "upper" {
            tried += 1;
            trace.output.label = Label::default();
            let (new_space, runs) = space(vec![secret(), upper()]);
            let next = World::on(&Arc::default(), OfMachines(vec!["there".to_owned()]), "here");
            next.kernel.set_scope("s", new_space);
            next.memory.put(b"A").unwrap();
            next.kernel.import_trace(&trace.encode()).unwrap();
            assert_eq!(next.ask(pipeline).unwrap().label, honest.label);
            ran(&runs, &[1, 1]);
            assert_eq!(next.kernel.traces_dropped(), 1);
        }
    }
    assert_eq!(tried, 1);
}

#[test]
fn traces_travel_where_the_policy_lets_them() {
    let world_of = |memory: &Arc<Memory>,
                    policy: Box<dyn Fn() -> Arc<dyn TracePolicy>>,
                    machine| {
        struct Shared(Arc<dyn TracePolicy>);
        impl TracePolicy for Shared {
            fn accepts(&self, trace: &vigil_kernel::Trace, all: &[vigil_kernel::Trace]) -> bool {
                self.0.accepts(trace, all)
            }
        }
        let (space, runs) = space(vec![text(), upper()]);
        let world = World::on(memory, Shared(policy()), machine);
        world.kernel.set_scope("s", space);
        (world, runs)
    };
    let mine = || Box::new(|| Arc::new(OfMachines(vec!["x".to_owned()])) as Arc<dyn TracePolicy>);
    let request = Request::source(parse_pipeline("text:a | upper").unwrap());
    let mut records = Vec::new();
    for machine in ["a", "b", "a"] {
        let (there, _) = world_of(&Arc::default(), mine(), machine);
        there.check("text:a | upper", expect!["A"]);
        records.push(there.kernel.export_traces("s", &request).unwrap());
        assert_eq!(records.last().unwrap().len(), 2);
    }
    let try_with = |policy: fn() -> Arc<dyn TracePolicy>, sets: &[usize], want: &[usize]| {
        let (here, runs) = world_of(&Arc::default(), Box::new(policy), "here");
        here.memory.put(b"A").unwrap();
        here.memory.put(b"a").unwrap();
        for record in sets.iter().flat_map(|set| &records[*set]) {
            here.kernel.import_trace(record).unwrap();
        }
        here.check("text:a | upper", expect!["A"]);
        ran(&runs, want);
    };
    try_with(|| Arc::new(OfMachines(vec!["a".to_owned()])), &[0], &[0, 0]);
    try_with(|| Arc::new(OfMachines(vec!["b".to_owned()])), &[0], &[1, 1]);
    try_with(|| Arc::new(Agreed(2)), &[0], &[1, 1]);
    try_with(|| Arc::new(Agreed(2)), &[0, 2], &[1, 1]);
    try_with(|| Arc::new(Agreed(2)), &[0, 1], &[0, 0]);
}

#[test]
fn what_the_world_refused_is_not_kept() {
    let (first_space, runs) = space(vec![boxes(), upper()]);
    let world = World::new(first_space);
    world.memory.set_root("a", Some(b"pear"));
    world.memory.set_fault(Some("the disk does not answer"));
    world.check(
        "box:a | upper",
        expect![[r#"
            World: the disk does not answer
              in box:a
              in box:a | upper"#]],
    );
    assert_eq!(world.memory.traces().len(), 0);
    world.memory.set_fault(None);
    world.kernel.begin_run();
    world.check("box:a | upper", expect!["PEAR"]);
    ran(&runs, &[2, 2]);
    // A refusal that follows from the request alone is kept for as long as its inputs are.
    world.check(
        "box:b | upper",
        expect![[r#"
            Absent: box:b is empty
              in box:b
              in box:b | upper"#]],
    );
    world.kernel.begin_run();
    assert!(world.ask("box:b | upper").is_err());
    ran(&runs, &[1, 1]);
}

#[test]
fn a_cache_never_leaks_what_its_first_caller_was_allowed() {
    let fetch = || {
        let mut fetch = toy("fetch", "far:{name:word}", |call, context| {
            context.note("fetched once");
            let mut produced = plain(&call.parts["name"]);
            produced.label.secrecy.insert("far".to_owned());
            Box::pin(async { Ok(produced) })
        });
        fetch.needs = ["network:far".to_owned()].into();
        fetch
    };
    let (first_space, runs) = space(vec![fetch(), upper()]);
    let world = World::new(first_space);
    let request = || Request::source(parse_pipeline("far:a | upper").unwrap());
    let ask = |world: &World, authority: Allows| world.show(world.ask_as(authority, request()));
    let denied = expect![
        "Denied: far:a needs `network:far`, which is not granted: the bundle has no such capability"
    ];
    denied.assert_eq(&ask(&world, Allows(&[], &["far"])));
    ran(&runs, &[0, 1]);
    assert_eq!(world.memory.traces().len(), 0, "a denial is kept nowhere");
    // The first who may.
    assert_eq!(ask(&world, Allows(&["network:far"], &["far"])), "A");
    ran(&runs, &[1, 1]);
    // On a hit as on a miss, in this process and from traces in the next.
    let (new_space, runs) = space(vec![fetch(), upper()]);
    let next = World::again(&world.memory, new_space);
    for world in [&world, &next] {
        expect![
            "Denied: active:upper+of@far:a needs `network:far`, which is not granted: the bundle has no such capability"
        ]
        .assert_eq(&ask(world, Allows(&[], &["far"])));
        expect![
            "Denied: active:upper+of@far:a is labelled `far`, which the caller is not cleared for"
        ]
        .assert_eq(&ask(world, Allows(&["network:far"], &[])));
        assert_eq!(ask(world, Allows(&["network:far"], &["far"])), "A");
    }
    ran(&runs, &[0, 0]);
}

/// What was dropped to save memory and is read again may find another world before anybody is told of it:
/// what was made of the earlier one is then made anew, and not only when it changes once more.
#[test]
fn a_root_that_was_dropped_and_has_changed_unnoticed_is_noticed() {
    let other = toy("other", "other:{name:word}", |call, context| {
        Box::pin(async move {
            let state = context.root(&call.parts["name"]).await?.unwrap_or_default();
            Ok(plain(&state.len().to_string()))
        })
    });
    let (space, _) = space(vec![boxes(), other]);
    let memory: Arc<Memory> = Arc::default();
    let host = host(&memory, OfMachines(vec!["here".to_owned()]), "here");
    // Room for answers, and not for the state of the root.
    let options = EngineOptions { memory_bytes_max: 8_000, ..EngineOptions::default() };
    let world = World { memory, kernel: Kernel::new(host, options) };
    world.kernel.set_scope("s", space);
    let long = |c: &str| c.repeat(10_000);
    world.memory.set_root("a", Some(long("x").as_bytes()));
    assert_eq!(world.show(world.ask("box:a")), long("x"));
    assert!(world.kernel.engine().statistics().evicted > 0, "the state went");
    // It changes; somebody else reads it before the news arrives.
    world.memory.set_root("a", Some(long("y").as_bytes()));
    world.check("other:a", expect!["10000"]);
    world.kernel.root_changed("a");
    assert_eq!(world.show(world.ask("box:a")), long("y"));
}

/// So many answers below one that not all are shown; all are exported, and all roots are known.
#[test]
fn nothing_is_left_out_silently_however_much_there_is() {
    const COUNT: usize = 10_500;
    let many = toy("many", "many:{x:rest}", |_, context| {
        Box::pin(async move {
            let uris: Vec<_> = (0..COUNT).map(|at| id(&format!("box:b{at}"))).collect();
            let found = context.source_all(&uris).await;
            Ok(plain(&found.iter().filter(|found| found.is_ok()).count().to_string()))
        })
    });
    let (space, _) = space(vec![boxes(), many]);
    let world = World::new(space);
    (0..COUNT).for_each(|at| world.memory.set_root(&format!("b{at}"), Some(b"x")));
    assert_eq!(world.show(world.ask("many:")), COUNT.to_string());
    let request = Request::source(id("many:"));
    let tree = world.kernel.why("s", &request);
    assert_eq!(tree.len(), 10_000);
    assert!(tree.iter().flat_map(|item| &item.below).all(|below| *below < tree.len()));
    assert_eq!((tree[0].below.len(), tree[0].hidden), (9_999, COUNT - 9_999));
    let text = render_provenance(&tree);
    assert!(text.contains("and 501 that are not shown"));
    assert_eq!(world.kernel.roots_below("s", &request).len(), COUNT);
    assert_eq!(world.kernel.export_traces("s", &request).unwrap().len(), COUNT + 1);
    // Of what failed, the roots are known all the same.
    world.memory.set_fault(Some("no disk"));
    world.kernel.root_changed("b7");
    let failing = Request::source(id("box:b7"));
    assert!(world.ask("box:b7").is_err());
    assert_eq!(world.kernel.roots_below("s", &failing), ["b7".to_owned()].into());
}

#[test]
fn liars_are_named() {
    let json = || MediaType::new("application/json").unwrap();
    let mut declared =
        toy("declared", "declared:{x:rest}", |_, _| Box::pin(async { Ok(plain("x")) }));
    declared.gives = vec![json()];
    let shaped = toy("shaped", "shaped:{x:rest}", |_, _| {
        Box::pin(async {
            Ok(Produced::bytes(MediaType::new("application/json").unwrap(), b"no".to_vec()))
        })
    });
    let claimed = toy("claimed", "claimed:{x:rest}", |_, _| {
        Box::pin(async {
            Ok(Produced { body: Body::Claimed(Vcid::of(b"a"), b"b".to_vec()), ..plain("") })
        })
    });
    let absent = toy("absent", "absent:{x:rest}", |_, _| {
        Box::pin(async { Ok(Produced { body: Body::Kept(Vcid::of(b"nowhere")), ..plain("") }) })
    });
    let panics = toy("panics", "panics:{x:rest}", |_, _| panic!("no way"));
    let (space, _) = space(vec![declared, shaped, claimed, absent, panics]);
    let world = World::new(space);
    world.check(
        "declared:",
        expect![[r#"
        Broken: the endpoint declared says that it gives application/json, and gave text/plain
          in declared:"#]],
    );
    world.check("shaped:", expect![[r#"
        Broken: the endpoint shaped says that its bytes are application/json, and they are not: it does not begin with a bracket
          in shaped:"#]]);
    world.check("claimed:", expect![[r#"
        Broken: the endpoint claimed says that its bytes are sha256:ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb, and they are sha256:3e23e8160039594a33894f6564e1b1348bbd7a0088d42c4acb73eeaed59c009d
          in claimed:"#]]);
    world.check("absent:", expect![[r#"
        Broken: the endpoint absent says that sha256:20aeff0494e828d188c704e1f488a589b15ae01d11f6cb129f62129caa6cc543 is kept, and it is not
          in absent:"#]]);
    world.check(
        "panics:",
        expect![[r#"
        Broken: the endpoint panics panicked: no way
          in panics:"#]],
    );
    assert_eq!(world.memory.traces().len(), 0, "nothing of that is kept");
}

#[test]
fn exists_and_meta_are_answered_for_every_endpoint() {
    let (space, _) = space(vec![boxes()]);
    let world = World::new(space);
    world.memory.set_root("a", Some(b"pear"));
    let ask = |verb, uri| world.ask_as(Owner, Request { verb, ..Request::source(id(uri)) });
    assert_eq!(world.show(ask(Verb::Exists, "box:a")), "true");
    assert_eq!(world.show(ask(Verb::Exists, "box:b")), "false");
    assert_eq!(world.show(ask(Verb::Exists, "nix:a")), "false");
    world.memory.set_fault(Some("no disk"));
    assert_eq!(ask(Verb::Exists, "box:c").unwrap_err().reason, Reason::World);
    world.memory.set_fault(None);
    let meta = ask(Verb::Meta, "box:a").unwrap();
    let record = world.memory.get(meta.vcid).unwrap().unwrap();
    assert_eq!(Representation::decode(&record), Ok(world.ask("box:a").unwrap()));
    expect![[r#"
        Misuse: box takes nothing in
          in box:a"#]]
    .assert_eq(&world.show(ask(Verb::Sink, "box:a")));
}

#[test]
fn a_request_that_needs_itself_is_refused_with_the_way() {
    let around = toy("around", "around:{x:digits}", |call, context| {
        Box::pin(async move {
            let x: u32 = call.parts["x"].parse().unwrap();
            context.source(&Identifier::new(&format!("around:{}", (x + 1) % 3)).unwrap()).await?;
            Ok(plain(""))
        })
    });
    let (space, _) = space(vec![around]);
    let world = World::new(space);
    let refusal = world.ask("around:1").unwrap_err();
    assert_eq!(refusal.reason, Reason::Cycle);
    assert_eq!(
        refusal.message,
        "it needs itself: around:0 needs around:1 needs around:2 needs around:0"
    );
    assert_eq!(world.memory.traces().len(), 0);
}

/// Adding an endpoint touches one place and no caller: this function is the whole of it.
#[test]
fn rot13_is_added_in_one_place() {
    let rot13 = toy("rot13", "active:rot13{arguments:call}", |call, context| {
        Box::pin(async move {
            let turn = |c: char| match c {
                'a'..='m' | 'A'..='M' => char::from(c as u8 + 13),
                'n'..='z' | 'N'..='Z' => char::from(c as u8 - 13),
                c => c,
            };
            Ok(plain(&operand(call, context).await?.chars().map(turn).collect::<String>()))
        })
    });
    let (space, _) = space(vec![text(), upper(), rot13]);
    World::new(space).check("text:uryyb | rot13 | upper", expect!["HELLO"]);
}

#[test]
fn a_chain_of_a_hundred_thousand_resources_needs_no_stack() {
    let link = toy("link", "link:{x:digits}", |call, context| {
        Box::pin(async move {
            let x: u32 = call.parts["x"].parse().unwrap();
            if x == 0 {
                let state = context.root("a").await?;
                return Ok(plain(&state.map_or(0, |state| state.len()).to_string()));
            }
            let below = context.source(&id(&format!("link:{}", x - 1))).await?;
            Ok(plain(&String::from_utf8_lossy(&context.read(below.vcid)?)))
        })
    });
    let (space, runs) = space(vec![link]);
    let world = World::new(space);
    // A small stack shows recursion that a large one would hide.
    let run = move || {
        world.check("link:100000", expect!["0"]);
        ran(&runs, &[100_001]);
        world.memory.set_root("a", Some(b""));
        world.kernel.root_changed("a");
        world.check("link:100000", expect!["0"]);
        ran(&runs, &[1]);
        world.memory.set_root("a", Some(b"1"));
        world.memory.set_fault(Some("no disk"));
        world.kernel.root_changed("a");
        assert_eq!(world.ask("link:5000").unwrap_err().reason, Reason::World);
        assert_eq!(world.kernel.why("s", &Request::source(id("link:5000"))).len(), 5001);
    };
    std::thread::Builder::new().stack_size(256 << 10).spawn(run).unwrap().join().unwrap();
}
