//! What a node may use: threads, patience, memory; and what it looks at before it believes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use vigil_base::world::{Clock, Moment};
use vigil_kernel::engine::at_work;
use vigil_kernel::{How, Reason, Refusal, parse_pipeline};
use vigil_node::{Asked, Described, Description, Files, Node, NodeOptions, SCOPE, misuse};
use vigil_store::{FolderDisk, Options, Store, World};

use crate::support::Place;
use crate::{Sevens, request};

/// A clock that goes.
struct Going(Instant);

impl Clock for Going {
    fn now(&self) -> Moment {
        Moment(i64::try_from(self.0.elapsed().as_nanos()).expect("tests are short"))
    }
}

/// Opens a node that knows these calls, too.
fn open(place: &Place, options: NodeOptions, calls: &[Description]) -> Node {
    let disk = Arc::new(FolderDisk::new(place.path().join("store")));
    let clock = Arc::new(Going(Instant::now()));
    let world = World { disk, clock, randomness: Arc::new(Sevens) };
    let store = Store::open(world, Options::default()).expect("the test is right");
    let files = Files { folder: place.files(), skips: Vec::new(), threads: 1 };
    let options = NodeOptions { files: Some(files), ..options };
    let node = Node::open(store, options).expect("the test is right");
    let mut space = Node::space(Arc::downgrade(node.host())).expect("the test is right");
    for call in calls {
        let call = Described::new(call, Arc::downgrade(node.host()));
        space = space.with(Arc::new(call)).expect("the test is right");
    }
    node.kernel().set_scope(SCOPE, space);
    node
}

const fn call(
    name: &'static str,
    gives: &'static [&'static str],
    serve: for<'a> fn(Asked<'a>) -> vigil_kernel::Serving<'a>,
) -> Description {
    let (help, pattern, parameters) = ("a call of a test", None, &[]);
    Description { name, help, pattern, parameters, gives, only_looks_up: false, serve }
}

/// Returns once two are there, or after ten seconds.
fn meet() -> Result<(), Refusal> {
    static THERE: AtomicUsize = AtomicUsize::new(0);
    THERE.fetch_add(1, Ordering::SeqCst);
    let since = Instant::now();
    while THERE.load(Ordering::SeqCst) < 2 {
        if since.elapsed() > Duration::from_secs(10) {
            return Err(misuse("nobody else came"));
        }
        std::thread::yield_now();
    }
    Ok(())
}

const MEET: Description = call("meet", &["text/plain"], |asked| {
    Box::pin(async move {
        asked.given().await?;
        meet()?;
        asked.keep("text/plain", &mut &b"met"[..], "the text")
    })
});

const BOTH: Description = call("both", &["text/plain"], |asked| {
    Box::pin(async move {
        let uris = ["data:,1 | meet", "data:,2 | meet"];
        let uris = uris.map(|uri| parse_pipeline(uri).expect("the test is right"));
        for found in asked.context.source_all(&uris).await {
            found?;
        }
        asked.keep("text/plain", &mut &b"both"[..], "the text")
    })
});

#[test]
fn two_threads_make_two_answers_at_once() {
    let place = Place::new();
    let options = NodeOptions { threads: 2, ..NodeOptions::default() };
    let node = open(&place, options, &[MEET, BOTH]);
    assert_eq!(place.show(&node, "data:,x | both"), "text/plain: both");
}

static IS_OVER: AtomicBool = AtomicBool::new(false);

const HANG: Description = call("hang", &[], |_| {
    Box::pin(async move {
        while !IS_OVER.load(Ordering::SeqCst) {
            std::thread::yield_now();
        }
        Err(misuse("it is over"))
    })
});

/// Takes longer than the patience, and says that it is at work.
const PLOD: Description = call("plod", &["text/plain"], |asked| {
    Box::pin(async move {
        let since = Instant::now();
        while since.elapsed() < Duration::from_millis(1500) {
            at_work();
            std::thread::yield_now();
        }
        asked.keep("text/plain", &mut &b"done"[..], "the text")
    })
});

#[test]
fn who_holds_a_thread_is_named_and_the_others_go_on() {
    let place = Place::new();
    let patience = Duration::from_millis(500);
    let options = NodeOptions { threads: 1, patience, ..NodeOptions::default() };
    let node = open(&place, options, &[HANG, PLOD]);
    let refusal = node.resolve(request("data:,x | hang | head")).expect_err("it hangs");
    assert_eq!(refusal.reason, Reason::Broken);
    assert!(refusal.message.contains("data:,x | hang held a thread"), "{refusal}");
    assert_eq!(place.show(&node, "data:,x | head"), "text/plain: x");
    assert_eq!(place.show(&node, "data:,x | plod"), "text/plain: done");
    IS_OVER.store(true, Ordering::SeqCst);
}

#[test]
fn what_is_dropped_from_memory_is_found_again() {
    let place = Place::new();
    let options = NodeOptions { memory_bytes_max: 20_000, ..NodeOptions::default() };
    let node = open(&place, options, &[]);
    let ask = |number: u32| {
        let shown = place.show(&node, &format!("data:,a{number}%0Ab | head 1"));
        assert_eq!(shown, format!("text/plain: a{number}\n"));
    };
    (0..200).for_each(ask);
    assert!(node.kernel().engine().statistics().evicted > 0);
    assert!(node.kernel().engine().footprint().value_bytes < 60_000);
    (0..200).for_each(ask);
}

const LIE: Description = call("lie", &["application/gzip"], |asked| {
    Box::pin(async move {
        asked.given().await?;
        asked.keep("application/gzip", &mut &b"no gzip"[..], "the text")
    })
});

#[test]
fn bytes_that_are_not_what_their_endpoint_says_are_found_out() {
    let place = Place::new();
    let node = open(&place, NodeOptions::default(), &[LIE]);
    let refusal = node.resolve(request("data:,x | lie")).expect_err("it lies");
    assert_eq!(refusal.reason, Reason::Broken);
    let want = "the endpoint lie says that its bytes are application/gzip, and they are not";
    assert!(refusal.message.contains(want), "{refusal}");
    // Who names bytes as a tree that are none is wrong, and nobody has lied.
    let vcid = place.set_name("text", vigil_base::EntryKind::File, b"text");
    let refusal = node.resolve(request(&format!("ca://{vcid}/"))).expect_err("it is no tree");
    assert_eq!(refusal.reason, Reason::Misuse, "{refusal}");
}

#[test]
fn what_is_to_be_fresh_is_made_anew_and_kept() {
    let place = Place::new();
    place.write("a", "one\ntwo\n");
    let how = |is_fresh: bool| {
        let options = NodeOptions { is_fresh, ..NodeOptions::default() };
        let node = open(&place, options, &[]);
        assert_eq!(place.show(&node, "file:a | head 1"), "text/plain: one\n");
        let list = node.why(&request("file:a | head 1")).expect("the test is right");
        (list[0].story.how, list[0].story.why.clone())
    };
    how(false);
    assert_eq!(how(false).0, How::Kept);
    assert_eq!(how(true), (How::Made, "it was to be made anew".to_owned()));
    assert_eq!(how(false).0, How::Kept);
}
