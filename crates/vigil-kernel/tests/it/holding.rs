//! Leases, and what endpoints take in or answer themselves.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use expect_test::expect;
use vigil_base::Vcid;
use vigil_kernel::engine::EngineOptions;
use vigil_kernel::{
    Argument, Authority, Blobs, Call, Context, Endpoint, GIVEN, Given, Grammar, Host, HostFault,
    Kernel, Lease, MediaType, Memory, OfMachines, Owner, Produced, Reason, Refusal, Representation,
    Request, Serving, Space, Verb,
};

use crate::seeds::{Polled, Random, drive, pause};
use crate::toys::{World, boxes, first, host, id, plain, ran, space, text, toy, upper};

#[test]
fn nothing_is_collected_while_a_request_runs_and_what_was_is_made_again() {
    let slow = toy("slow", "slow:{name:word}", |call, context| {
        Box::pin(async move {
            let found = context.source(&id(&format!("box:{}", call.parts["name"]))).await?;
            for _ in 0..10 {
                pause().await;
            }
            Ok(plain(&String::from_utf8_lossy(&context.read(found.vcid)?)))
        })
    });
    let (space, runs) = space(vec![boxes(), slow, upper()]);
    let world = World::new(space);
    world.memory.set_root("a", Some(b"pear"));
    let engine = world.kernel.engine().clone();
    let pipeline = Request::source(vigil_kernel::parse_pipeline("slow:a | upper").unwrap());
    let ask = || world.kernel.resolve(Arc::new(Owner), "s", pipeline.clone());
    for seed in 0..200 {
        let mut random = Random(seed);
        world.kernel.root_changed("a");
        world.memory.set_root("a", Some(format!("pear{seed}").as_bytes()));
        // In the middle of it, wherever that is.
        let mut asked = Polled::new(ask());
        let is_done = asked.poll().is_some();
        for _ in 0..random.below(12) {
            world.kernel.let_collect();
            assert!(is_done || !world.memory.collect(|_| false), "seed {seed}");
            engine.step_by(|count| random.below(count));
        }
        let found = drive(&engine, &mut random, asked.into_future());
        assert_eq!(world.show(found), format!("PEAR{seed}"), "seed {seed}");
        // Between requests: the answers are still in memory, and their bytes are gone.
        world.kernel.let_collect();
        assert!(
            world.memory.collect(|vcid| vcid.as_bytes()[0] >= 128),
            "seed {seed}: nothing runs"
        );
        let found = drive(&engine, &mut random, ask());
        assert_eq!(world.show(found), format!("PEAR{seed}"), "seed {seed}");
    }
    // What is still kept is not made again. The input is, to see whether what was made of it holds;
    // `slow` gave the same bytes, so they are there again.
    runs.iter().for_each(|runs| runs.store(0, Ordering::Relaxed));
    let top = engine.block_on(ask()).unwrap().vcid;
    world.kernel.let_collect();
    assert!(world.memory.collect(|vcid| vcid == top));
    assert_eq!(engine.block_on(ask()).unwrap().vcid, top);
    ran(&runs, &[1, 0, 0]);
}

#[test]
fn a_lease_is_kept_until_it_is_let_go() {
    let (space, _) = space(vec![text(), upper()]);
    let world = World::new(space);
    assert!(world.memory.collect(|_| false), "nothing was asked yet");
    world.check("text:a | upper", expect!["A"]);
    assert!(!world.memory.collect(|_| false), "who asked may still want to read");
    world.kernel.let_collect();
    assert!(world.memory.collect(|_| false));
    world.check("text:a | upper", expect!["A"]);
}

/// Bytes of which those of `x/list` name others, one in a line.
struct Lists(Arc<Memory>);

impl Blobs for Lists {
    fn put(&self, bytes: &[u8]) -> Result<Vcid, HostFault> {
        self.0.put(bytes)
    }

    fn get(&self, vcid: Vcid) -> Result<Option<Arc<[u8]>>, HostFault> {
        self.0.get(vcid)
    }

    fn size(&self, vcid: Vcid) -> Result<Option<u64>, HostFault> {
        self.0.size(vcid)
    }

    fn is_whole(&self, vcid: Vcid, media_type: &MediaType) -> Result<bool, HostFault> {
        let Some(bytes) = self.0.get(vcid)? else { return Ok(false) };
        let listed = String::from_utf8_lossy(&bytes).into_owned();
        for name in listed.lines().filter(|_| media_type.as_str() == "x/list") {
            if self.0.size(name.parse().expect("a list names"))?.is_none() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn lease(&self) -> Result<Lease, HostFault> {
        self.0.lease()
    }
}

/// `halves:NAME`: puts two pieces by itself, and gives the list of them.
struct Halves {
    grammar: Grammar,
    memory: Arc<Memory>,
    served: Arc<AtomicUsize>,
}

impl Endpoint for Halves {
    fn name(&self) -> &str {
        "halves"
    }

    fn help(&self) -> &str {
        "gives a list of two pieces"
    }

    fn grammar(&self) -> &Grammar {
        &self.grammar
    }

    fn version(&self) -> Vcid {
        Vcid::of(b"halves")
    }

    fn serve<'a>(&'a self, call: &'a Call, _: &'a Context<'a>) -> Serving<'a> {
        self.served.fetch_add(1, Ordering::Relaxed);
        Box::pin(async move {
            let put = |half: &str| {
                let text = format!("{half}{}", call.parts["name"]);
                self.memory.put(text.as_bytes()).expect("memory keeps")
            };
            let list = format!("{}\n{}\n", put("l"), put("r"));
            Ok(Produced {
                media_type: MediaType::new("x/list").expect("it is one"),
                ..plain(&list)
            })
        })
    }
}

/// What an answer names can be gone while its own bytes are there: then the answer is made anew, by this
/// process and by the next.
#[test]
fn an_answer_is_kept_only_with_all_that_it_names() {
    let memory: Arc<Memory> = Arc::default();
    let served = Arc::<AtomicUsize>::default();
    let process = || {
        let mine = OfMachines(vec!["here".to_owned()]);
        let host = Host { blobs: Arc::new(Lists(memory.clone())), ..host(&memory, mine, "here") };
        let kernel = Kernel::new(host, EngineOptions::default());
        let grammar = Grammar::new("halves:{name:word}").expect("the test is right");
        let halves = Halves { grammar, memory: memory.clone(), served: served.clone() };
        kernel.set_scope("s", Space::new("s").with(Arc::new(halves)).expect("the test is right"));
        World { memory: memory.clone(), kernel }
    };
    let ask = |world: &World, runs| {
        let list = world.ask("halves:a").unwrap().vcid;
        assert_eq!(served.swap(0, Ordering::Relaxed), runs, "how often it ran");
        assert!(memory.size(Vcid::of(b"la")).unwrap().is_some(), "what it names is there");
        list
    };
    let first = process();
    let list = ask(&first, 1);
    first.kernel.let_collect();
    assert!(memory.collect(|vcid| vcid == list || vcid == Vcid::of(b"ra")));
    ask(&first, 1);
    ask(&process(), 0);
    memory.remove_blob(Vcid::of(b"la"));
    ask(&process(), 1);
    ask(&process(), 0);
}

/// `cell:NAME`: holds what was put in, and says of itself whether it does.
struct Cell {
    grammar: Grammar,
    memory: Arc<Memory>,
    taken: Arc<AtomicUsize>,
    served: Arc<AtomicUsize>,
    lies: bool,
}

impl Endpoint for Cell {
    fn name(&self) -> &str {
        "cell"
    }

    fn help(&self) -> &str {
        "holds what was put in"
    }

    fn grammar(&self) -> &Grammar {
        &self.grammar
    }

    fn version(&self) -> Vcid {
        Vcid::of(b"cell")
    }

    fn verbs(&self) -> &[Verb] {
        &[Verb::Exists, Verb::Meta, Verb::Sink]
    }

    fn needs(&self, call: &Call) -> std::collections::BTreeSet<String> {
        match call.request.verb {
            Verb::Sink => ["cell:write".to_owned()].into(),
            _ => Default::default(),
        }
    }

    fn sink(&self, call: &Call, given: &Given<'_>) -> Result<(), Refusal> {
        self.taken.fetch_add(1, Ordering::Relaxed);
        let bytes = given.bytes()?;
        given.changes(&call.parts["name"]);
        self.memory.set_root(&call.parts["name"], Some(&bytes));
        assert_ne!(&*bytes, b"a bomb");
        match &*bytes {
            b"too much" => Err(Refusal::new(Reason::World, "the disk is full now")),
            _ => Ok(()),
        }
    }

    fn serve<'a>(&'a self, call: &'a Call, context: &'a Context<'a>) -> Serving<'a> {
        self.served.fetch_add(1, Ordering::Relaxed);
        Box::pin(async move {
            let state = context.root(&call.parts["name"]).await?;
            match (call.request.verb, state) {
                (Verb::Exists, _) if self.lies => Ok(plain("perhaps")),
                (Verb::Meta, _) if self.lies => Ok(plain("no record")),
                (Verb::Exists, state) => Ok(plain(if state.is_some() { "true" } else { "false" })),
                (_, None) => Err(Refusal::new(Reason::Absent, "it is empty")),
                (Verb::Meta, Some(state)) => {
                    let representation = Representation {
                        vcid: Vcid::of(&state),
                        media_type: plain("").media_type,
                        size: state.len() as u64,
                        label: Default::default(),
                    };
                    Ok(Produced::bytes(plain("").media_type, representation.encode()))
                }
                (_, Some(state)) => Ok(plain(&String::from_utf8_lossy(&state))),
            }
        })
    }
}

fn cells(lies: bool) -> (World, Arc<AtomicUsize>, Arc<AtomicUsize>) {
    let memory: Arc<Memory> = Arc::default();
    let (taken, served) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
    let grammar = Grammar::new("cell:{name:word}").expect("the test is right");
    let cell = Cell {
        grammar,
        memory: memory.clone(),
        taken: taken.clone(),
        served: served.clone(),
        lies,
    };
    let asks = toy("asks", "asks:{x:rest}", |_, context| {
        Box::pin(async move {
            let given = Argument::Value("x".to_owned());
            context.request(Request::sink(id("cell:a"), given)).await?;
            Ok(plain(""))
        })
    });
    let space = [text(), upper(), first(), asks]
        .into_iter()
        .fold(Space::new("s"), |space, toy| space.with(Arc::new(toy)).expect("the test is right"));
    let world = World::again(&memory, space.with(Arc::new(cell)).expect("the test is right"));
    (world, taken, served)
}

struct Nobody;

impl Authority for Nobody {
    fn grants(&self, _: &str) -> Result<(), String> {
        Err("nothing is".to_owned())
    }

    fn is_cleared(&self, _: &str) -> bool {
        true
    }
}

#[test]
fn what_is_taken_in_is_taken_once_and_seen_by_all_who_read_it() {
    let (world, taken, _) = cells(false);
    let sink = |given| Request::sink(id("cell:a"), given);
    let value = |text: &str| sink(Argument::Value(text.to_owned()));
    world.check(
        "cell:a | upper",
        expect![[r#"
            Absent: it is empty
              in cell:a
              in cell:a | upper"#]],
    );
    assert_eq!(world.show(world.ask_as(Owner, value("one"))), "one");
    world.check("cell:a | upper", expect!["ONE"]);
    // The same again is taken in again: two who put a thing in have put it in twice.
    world.ask_as(Owner, value("one")).unwrap();
    assert_eq!(taken.load(Ordering::Relaxed), 2);
    let by_reference = sink(Argument::Reference(id("active:upper+of@text:two")));
    world.ask_as(Owner, by_reference).unwrap();
    world.check("cell:a", expect!["TWO"]);
    // Who may not, does not; what answers requests does not either; nor what takes nothing.
    expect!["Denied: cell:a needs `cell:write`, which is not granted: nothing is"]
        .assert_eq(&world.show(world.ask_as(Nobody, value("three"))));
    world.check(
        "asks:it",
        expect![[r#"
        Misuse: what answers a request changes nothing outside: only a caller sinks
          in cell:a
          in asks:it"#]],
    );
    expect![[r#"
        Misuse: text takes nothing in
          in text:x"#]]
    .assert_eq(
        &world
            .show(world.ask_as(Owner, Request::sink(id("text:x"), Argument::Value(String::new())))),
    );
    let mut nothing = value("");
    nothing.arguments.remove(GIVEN);
    expect![[r#"
        Misuse: what is cell to take in? give it as the argument `given`
          in cell:a"#]]
    .assert_eq(&world.show(world.ask_as(Owner, nothing)));
    world.check("cell:a", expect!["TWO"]);
    expect![[r#"
        Broken: the endpoint cell panicked while it took something in
          in cell:a"#]]
    .assert_eq(&world.show(world.ask_as(Owner, value("a bomb"))));
    // What was written before it failed is seen.
    world.check("cell:a", expect!["a bomb"]);
    expect![[r#"
        World: the disk is full now
          in cell:a"#]]
    .assert_eq(&world.show(world.ask_as(Owner, value("too much"))));
    world.check("cell:a", expect!["too much"]);
    // What an endpoint was refused for asking the very same is no answer for a caller.
    assert_eq!(world.show(world.ask_as(Owner, value("x"))), "x");
    world.check("cell:a", expect!["x"]);
}

#[test]
fn endpoints_that_can_answer_exists_and_meta_themselves() {
    let (world, _, served) = cells(false);
    let ask = |world: &World, verb| {
        world.ask_as(Owner, Request { verb, ..Request::source(id("cell:a")) })
    };
    assert_eq!(world.show(ask(&world, Verb::Exists)), "false");
    world.memory.set_root("a", Some(b"pear"));
    world.kernel.root_changed("a");
    assert_eq!(world.show(ask(&world, Verb::Exists)), "true");
    assert_eq!(served.load(Ordering::Relaxed), 2, "and was not asked for the bytes");
    ask(&world, Verb::Meta).unwrap();
    assert_eq!(served.load(Ordering::Relaxed), 3);
    let (liar, ..) = cells(true);
    expect![[r#"
        Broken: the endpoint cell answers `exists` itself, and gave not `true` or `false`
          in cell:a"#]]
    .assert_eq(&liar.show(ask(&liar, Verb::Exists)));
    expect![[r#"
        Broken: the endpoint cell answers `meta` itself, and gave not the record of a representation
          in cell:a"#]]
    .assert_eq(&liar.show(ask(&liar, Verb::Meta)));
}
