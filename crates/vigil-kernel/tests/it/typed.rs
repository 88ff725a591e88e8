//! Typed keys and resources in one graph.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use expect_test::expect;
use vigil_base::Vcid;
use vigil_kernel::engine::{Cx, Key};
use vigil_kernel::{
    Call, Context, Endpoint, Grammar, Reason, Refusal, Request, Resources, Serving, Space,
};

use crate::toys::{Allows, World, boxes, id, plain, secret, toy, upper};

/// How long what a resource gives is: a key that reads a resource.
#[derive(Clone)]
struct Length {
    uri: String,
    resources: Resources,
    runs: Arc<AtomicUsize>,
}

impl PartialEq for Length {
    fn eq(&self, other: &Self) -> bool {
        self.uri == other.uri
    }
}

impl Eq for Length {}

impl std::hash::Hash for Length {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.uri.hash(state);
    }
}

impl std::fmt::Debug for Length {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the length of {}", self.uri)
    }
}

impl Key for Length {
    type Value = Result<usize, Refusal>;

    async fn compute(&self, cx: &Cx) -> Self::Value {
        self.runs.fetch_add(1, Ordering::Relaxed);
        Ok(self.resources.bytes(cx, &id(&self.uri)).await?.len())
    }

    fn same(before: &Self::Value, after: &Self::Value) -> bool {
        before == after
    }
}

/// Twice that: a key that reads a key.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Twice(Length);

impl Key for Twice {
    type Value = Result<usize, Refusal>;

    async fn compute(&self, cx: &Cx) -> Self::Value {
        match cx.get(&self.0).await {
            Ok(length) => Ok(2 * length?),
            Err(failure) => Err(Refusal::new(Reason::Broken, failure.to_string())),
        }
    }

    fn same(before: &Self::Value, after: &Self::Value) -> bool {
        before == after
    }
}

/// `twice:URI`: a resource that reads a key.
struct TwiceOf {
    grammar: Grammar,
    length: Length,
    runs: Arc<AtomicUsize>,
}

impl Endpoint for TwiceOf {
    fn name(&self) -> &str {
        "twice"
    }

    fn help(&self) -> &str {
        "says how long something is, twice over"
    }

    fn grammar(&self) -> &Grammar {
        &self.grammar
    }

    fn version(&self) -> Vcid {
        Vcid::of(b"twice")
    }

    fn serve<'a>(&'a self, call: &'a Call, context: &'a Context<'a>) -> Serving<'a> {
        self.runs.fetch_add(1, Ordering::Relaxed);
        Box::pin(async move {
            let uri = call.parts["uri"].clone();
            let twice = context.get(&Twice(Length { uri, ..self.length.clone() })).await??;
            Ok(plain(&twice.to_string()))
        })
    }
}

struct Mixed {
    world: World,
    length: Length,
    /// Of the key, of the endpoint that reads it, of the one above that.
    runs: [Arc<AtomicUsize>; 3],
}

impl Mixed {
    fn new() -> Self {
        Self::on(&Arc::default())
    }

    fn on(memory: &Arc<vigil_kernel::Memory>) -> Self {
        let world = World::again(memory, Space::new("none"));
        let runs: Arc<AtomicUsize> = Arc::default();
        let resources = world.kernel.resources("s");
        let length = Length { uri: String::new(), resources, runs: runs.clone() };
        let grammar = Grammar::new("twice:{uri:rest}").expect("the test is right");
        let twice = TwiceOf { grammar, length: length.clone(), runs: Arc::default() };
        let upper = upper();
        // Its label hangs on what is in the box, and the text does not.
        let moody = toy("moody", "moody:{name:word}", |call, context| {
            Box::pin(async move {
                let state = context.root(&call.parts["name"]).await?.unwrap_or_default();
                let mut produced = plain("same");
                if state.starts_with(b"secret") {
                    produced.label.secrecy.insert("payroll".to_owned());
                }
                Ok(produced)
            })
        });
        let runs = [runs, twice.runs.clone(), upper.runs.clone()];
        let space =
            [boxes(), secret(), moody, upper].into_iter().fold(Space::new("s"), |space, toy| {
                space.with(Arc::new(toy)).expect("the test is right")
            });
        world.kernel.set_scope("s", space.with(Arc::new(twice)).expect("the test is right"));
        Self { world, length, runs }
    }

    fn set(&self, name: &str, state: &str) {
        self.world.memory.set_root(name, Some(state.as_bytes()));
        self.world.kernel.root_changed(name);
    }

    #[track_caller]
    fn ran(&self, want: [usize; 3]) {
        let got = self.runs.each_ref().map(|runs| runs.swap(0, Ordering::Relaxed));
        assert_eq!(got, want, "how often the key, its reader and the one above ran");
    }
}

#[test]
fn a_resource_may_read_a_key_that_reads_a_resource() {
    let mixed = Mixed::new();
    mixed.set("a", "pear");
    let pipeline = "twice:box:a | upper";
    mixed.world.check(pipeline, expect!["8"]);
    mixed.ran([1, 1, 1]);
    mixed.world.check(pipeline, expect!["8"]);
    mixed.ran([0, 0, 0]);
    // Another text of the same length: cut off at the key, between two resources.
    mixed.set("a", "plum");
    mixed.world.check(pipeline, expect!["8"]);
    mixed.ran([1, 0, 0]);
    mixed.set("a", "quince");
    mixed.world.check(pipeline, expect!["12"]);
    mixed.ran([1, 1, 1]);
    // The key by itself, of the same graph.
    let length = Length { uri: "box:a".to_owned(), ..mixed.length.clone() };
    let engine = mixed.world.kernel.engine();
    assert_eq!(engine.block_on(mixed.world.kernel.get(&length)).unwrap().unwrap(), 6);
    mixed.ran([0, 0, 0]);
    let roots = mixed.world.kernel.roots_below("s", &Request::source(id("twice:box:a")));
    assert_eq!(roots, ["a".to_owned()].into());
    // What failed for the world's sake below the key is tried again above it too.
    mixed.world.memory.set_fault(Some("no disk"));
    mixed.set("a", "fig");
    assert_eq!(mixed.world.ask(pipeline).unwrap_err().reason, Reason::World);
    mixed.world.memory.set_fault(None);
    mixed.world.kernel.begin_run();
    mixed.world.check(pipeline, expect!["6"]);
    // The next process: a key has no name there, so its reader runs; what is above that is kept.
    let next = Mixed::on(&mixed.world.memory);
    next.world.check(pipeline, expect!["6"]);
    next.ran([1, 1, 0]);
}

#[test]
fn what_a_key_has_read_is_as_secret_behind_it() {
    let mixed = Mixed::new();
    let ask = |uri: &str, tags| mixed.world.ask_as(Allows(&[], tags), Request::source(id(uri)));
    for _ in 0..2 {
        assert_eq!(ask("twice:secret:ada", &[]).unwrap_err().reason, Reason::Denied);
        assert_eq!(mixed.world.show(ask("twice:secret:ada", &["payroll"])), "6");
    }
    // The label changes, and the value of the key does not.
    mixed.set("a", "open");
    assert_eq!(mixed.world.show(ask("twice:moody:a", &[])), "8");
    mixed.set("a", "secret");
    assert_eq!(ask("twice:moody:a", &[]).unwrap_err().reason, Reason::Denied);
    mixed.set("a", "open again");
    assert_eq!(mixed.world.show(ask("twice:moody:a", &[])), "8");
}
