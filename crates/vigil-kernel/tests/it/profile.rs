//! Profiles: what was made, found and cut off, and the critical path through it.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use expect_test::expect;
use vigil_base::world::{Clock, Moment};
use vigil_kernel::engine::{EngineOptions, Pool};
use vigil_kernel::{
    Host, Identifier, Kernel, Memory, OfMachines, Outcome, Profile, Question, Span, Wait,
};

use crate::toys::{World, boxes, first, id, plain, space, toy, upper};

/// A clock that goes on by one microsecond at each look.
#[derive(Default)]
struct Ticks(AtomicI64);

impl Clock for Ticks {
    fn now(&self) -> Moment {
        Moment(self.0.fetch_add(1000, Ordering::Relaxed))
    }
}

fn outcomes(profile: &Profile) -> String {
    let line = |span: &Span| format!("{} {}\n", span.outcome.as_str(), span.name);
    profile.spans.iter().map(line).collect()
}

fn world(memory: &Arc<Memory>) -> World {
    let host = Host {
        blobs: memory.clone(),
        traces: memory.clone(),
        roots: memory.clone(),
        clock: Arc::new(Ticks::default()),
        policy: Arc::new(OfMachines(vec!["here".to_owned()])),
        machine: "here".to_owned(),
        checks: Default::default(),
    };
    let kernel = Kernel::new(host, EngineOptions::default());
    let (space, _) = space(vec![
        boxes(),
        first(),
        upper(),
        toy("both", "both:{a:word}/{b:word}", |call, context| {
            Box::pin(async move {
                let uris = ["a", "b"].map(|part| id(&format!("box:{}", call.parts[part])));
                let mut text = String::new();
                for found in context.source_all(&uris).await {
                    text += &String::from_utf8_lossy(&context.read(found?.vcid)?);
                }
                Ok(plain(&text))
            })
        }),
    ]);
    kernel.set_scope("s", space);
    World { memory: memory.clone(), kernel }
}

#[test]
fn it_says_what_was_made_found_and_cut_off() {
    let memory: Arc<Memory> = Arc::default();
    memory.set_root("a", Some(b"pear"));
    let profiled = |world: &World| {
        world.kernel.start_profile();
        world.check("box:a | first | upper", expect!["P"]);
        world.kernel.stop_profile()
    };
    let one = world(&memory);
    let made = profiled(&one);
    expect![[r#"
        made box:a
        made active:first+of@box:a
        made active:upper+of@active:first%2Bof%40box:a
    "#]]
    .assert_eq(&outcomes(&made));
    expect![[r#"
        hit active:upper+of@active:first%2Bof%40box:a
    "#]]
    .assert_eq(&outcomes(&profiled(&one)));
    memory.set_root("a", Some(b"plum"));
    one.kernel.root_changed("a");
    let cut_off = profiled(&one);
    expect![[r#"
        made box:a
        made active:first+of@box:a
        cut off active:upper+of@active:first%2Bof%40box:a
    "#]]
    .assert_eq(&outcomes(&cut_off));
    assert_eq!(cut_off.spans[2].waits.len(), 2, "for what was computed below it");
    expect![[r#"
        kept box:a
        kept active:first+of@box:a
        kept active:upper+of@active:first%2Bof%40box:a
    "#]]
    .assert_eq(&outcomes(&profiled(&world(&memory))));
    // What is off records nothing.
    one.kernel.root_changed("a");
    one.check("box:a | first | upper", expect!["P"]);
    assert_eq!(one.kernel.stop_profile(), Profile::default());
}

/// The stretches follow one another and fill the question, whoever ran what.
fn check_path(profile: &Profile) {
    let path = profile.critical_path();
    let times = profile.questions.iter().map(Question::time);
    let (from, to) = times.max_by_key(|(from, to)| to.0 - from.0).expect("something was asked");
    assert_eq!(path.first().map(|stretch| stretch.from), Some(from));
    assert_eq!(path.last().map(|stretch| stretch.to), Some(to));
    for both in path.windows(2) {
        assert_eq!(both[0].to, both[1].from, "{path:#?}");
    }
}

#[test]
fn the_critical_path_leads_through_what_was_waited_for_last() {
    let moment = |micros: i64| Moment(micros * 1000);
    let wait = |on, from, to, thread| Wait { on, from: moment(from), to: moment(to), thread };
    let span = |id, name: &str, (start, end), waits| Span {
        id,
        name: name.to_owned(),
        endpoint: "e".to_owned(),
        outcome: Outcome::Made,
        why: "because of \"it\"".to_owned(),
        start: moment(start),
        end: moment(end),
        thread: 1,
        waits,
    };
    // `top` reads a short and a long one together, and then a last one.
    let profile = Profile {
        spans: vec![
            span(2, "short", (12, 30), vec![]),
            span(3, "long", (12, 58), vec![]),
            span(4, "last", (70, 90), vec![]),
            span(
                1,
                "top",
                (10, 100),
                vec![wait(2, 11, 60, 2), wait(3, 11, 60, 2), wait(4, 65, 95, 1)],
            ),
        ],
        questions: vec![
            Question { waits: vec![wait(1, 0, 104, 1)] },
            Question { waits: vec![wait(7, 200, 210, 1)] },
        ],
    };
    let path: Vec<String> = profile
        .critical_path()
        .iter()
        .map(|at| format!("{:>3} {:>3} [{}]\n", at.from.0 / 1000, at.to.0 / 1000, at.name))
        .collect();
    expect![[r#"
          0  10 []
         10  12 [top]
         12  58 [long]
         58  60 [top]
         60  70 [top]
         70  90 [last]
         90  95 [top]
         95 100 [top]
        100 104 []
    "#]]
    .assert_eq(&path.concat());
    check_path(&profile);
    assert_eq!(
        profile.spans[3].runs(),
        [(1, moment(10), moment(11)), (2, moment(60), moment(65)), (1, moment(95), moment(100)),]
    );
    let small = Profile { spans: vec![profile.spans[0].clone()], questions: vec![] };
    expect![[r#"
        {"displayTimeUnit":"ms","traceEvents":[
        {"ph":"M","pid":1,"tid":0,"cat":"__metadata","name":"thread_name","args":{"name":"critical path"}},
        {"ph":"b","pid":1,"tid":1,"cat":"answer","name":"short","ts":0.000,"id":2,"args":{"endpoint":"e","outcome":"made","why":"because of \"it\""}},
        {"ph":"e","pid":1,"tid":1,"cat":"answer","name":"short","ts":18.000,"id":2,"args":{"endpoint":"e","outcome":"made","why":"because of \"it\""}},
        {"ph":"X","pid":1,"tid":1,"cat":"made","name":"short","ts":0.000,"dur":18.000}
        ]}
    "#]]
    .assert_eq(&small.chrome_trace());
}

#[test]
fn threads_leave_a_path_without_gaps() {
    let memory: Arc<Memory> = Arc::default();
    memory.set_root("a", Some(b"pear"));
    memory.set_root("b", Some(b"plum"));
    let world = world(&memory);
    let pool = Pool::start(world.kernel.engine(), 3).unwrap();
    for round in 0..50 {
        world.kernel.start_profile();
        memory.set_root("a", Some(format!("pear{round}").as_bytes()));
        world.kernel.root_changed("a");
        world.ask("both:a/b | first | upper").unwrap();
        let profile = world.kernel.stop_profile();
        check_path(&profile);
        assert!(profile.spans.iter().any(|span| span.name == "box:a"));
        let text = profile.chrome_trace();
        assert_eq!(text.matches("\"ph\":\"b\"").count(), profile.spans.len());
    }
    drop(pool);
}

#[test]
fn a_cut_off_deep_below_is_found_without_a_stack() {
    let deep = toy("deep", "deep:{x:digits}", |call, context| {
        Box::pin(async move {
            match call.parts["x"].parse::<u32>() {
                Ok(0) => match context.root("a").await? {
                    Some(state) => Ok(plain(&String::from_utf8_lossy(&state)[..1])),
                    None => Ok(plain("")),
                },
                Ok(x) => {
                    let below = Identifier::new(&format!("deep:{}", x - 1)).unwrap();
                    Ok(plain(&String::from_utf8_lossy(&context.bytes(&below).await?)))
                }
                Err(_) => Ok(plain("")),
            }
        })
    });
    let world = world(&Arc::default());
    world.kernel.set_scope("s", space(vec![deep]).0);
    world.memory.set_root("a", Some(b"pear"));
    let run = move || {
        world.check("deep:3000", expect!["p"]);
        world.memory.set_root("a", Some(b"plum"));
        world.kernel.root_changed("a");
        world.kernel.start_profile();
        world.check("deep:3000", expect!["p"]);
        let profile = world.kernel.stop_profile();
        let count = |outcome| profile.spans.iter().filter(|span| span.outcome == outcome).count();
        assert_eq!((count(Outcome::Made), count(Outcome::CutOff)), (1, 3000));
        check_path(&profile);
    };
    std::thread::Builder::new().stack_size(512 << 10).spawn(run).unwrap().join().unwrap();
}
