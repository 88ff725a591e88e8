//! The resolver against a model: random graphs of resources, edits, next processes, little memory,
//! collections, and, in rough weather, cancellations, failures of the world and damaged traces.
//!
//! After every step each answer equals what computing everything from scratch gives. In fair weather
//! each endpoint runs exactly when no kept trace of it has the inputs that it would read now.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use vigil_base::Vcid;
use vigil_kernel::engine::EngineOptions;
use vigil_kernel::{
    Call, Context, Endpoint, Grammar, Host, Kernel, Memory, OfMachines, Owner, Produced, Reason,
    Refusal, Request, Serving, Space, Traces,
};

use crate::seeds::{Polled, Random, Runs, drive, for_seeds, pause};
use crate::toys::{Still, id, plain};

/// How many traces the host keeps for each request.
const KEPT_MAX: usize = 8;

/// What an endpoint does, in order.
#[derive(Clone, Debug)]
enum Act {
    Root(usize),
    /// Reads these together.
    Read(Vec<usize>),
    /// Reads one of two, by what was read so far.
    Choose(usize, usize),
    Yield,
}

#[derive(Debug)]
struct Plan {
    roots: usize,
    modulus: u64,
    acts: Vec<Vec<Act>>,
}

impl Plan {
    fn random(random: &mut Random) -> Self {
        let roots = 1 + random.below(4);
        let count = 2 + random.below(12);
        let act =
            |random: &mut Random, node: usize| match random.below(if node == 0 { 2 } else { 6 }) {
                0 => Act::Yield,
                1 => Act::Root(random.below(roots)),
                2 | 3 => {
                    let below = (0..1 + random.below(3)).map(|_| random.below(node));
                    let mut below: Vec<usize> = below.collect();
                    below.sort_unstable();
                    below.dedup();
                    Act::Read(below)
                }
                _ => Act::Choose(random.below(node), random.below(node)),
            };
        let acts = (0..count)
            .map(|node| (0..1 + random.below(4)).map(|_| act(random, node)).collect())
            .collect();
        Self { roots, modulus: 2 + random.below(4) as u64, acts }
    }
}

fn join(sum: u64, value: u64) -> u64 {
    sum.wrapping_mul(31).wrapping_add(value + 1)
}

/// `node:N`: does what the plan says.
struct Nodes {
    plan: Arc<Plan>,
    begun: Arc<Mutex<Vec<usize>>>,
    runs: Arc<Runs>,
    grammar: Grammar,
}

fn uri(node: usize) -> vigil_kernel::Identifier {
    id(&format!("node:{node}"))
}

fn number(bytes: &[u8]) -> u64 {
    String::from_utf8_lossy(bytes).parse().expect("nodes give numbers")
}

impl Endpoint for Nodes {
    fn name(&self) -> &str {
        "node"
    }

    fn help(&self) -> &str {
        "does what the plan says"
    }

    fn grammar(&self) -> &Grammar {
        &self.grammar
    }

    fn version(&self) -> Vcid {
        Vcid::of(b"node")
    }

    fn serve<'a>(&'a self, call: &'a Call, context: &'a Context<'a>) -> Serving<'a> {
        Box::pin(async move {
            let node: usize = call.parts["n"].parse().expect("the test is right");
            self.begun.lock().expect("nobody panics with it").push(node);
            let run = self.runs.begin(node as u32);
            let mut sum = node as u64;
            for act in &self.plan.acts[node] {
                let below = match act {
                    Act::Yield => {
                        pause().await;
                        continue;
                    }
                    Act::Root(root) => {
                        let state = context.root(&format!("r{root}")).await?;
                        sum = join(sum, state.map_or(0, |state| number(&state)));
                        continue;
                    }
                    Act::Read(below) => below.clone(),
                    Act::Choose(a, b) => vec![if sum.is_multiple_of(2) { *a } else { *b }],
                };
                let uris: Vec<_> = below.iter().map(|below| uri(*below)).collect();
                for found in context.source_all(&uris).await {
                    sum = join(sum, number(&context.read(found?.vcid)?));
                }
            }
            // Of its own for each node, so that bytes that are gone are gone for one.
            let value = sum % self.plan.modulus + 100 * node as u64;
            run.end();
            Ok::<Produced, Refusal>(plain(&value.to_string()))
        })
    }
}

/// Which inputs gave what: an endpoint that has read these runs no second time.
type Inputs = Vec<(bool, usize, u64)>;

/// Computes by the same plan, with plain recursion.
struct Model {
    plan: Arc<Plan>,
    roots: Vec<u64>,
    kept: HashMap<usize, Vec<Inputs>>,
    /// What was brought up to date since the last edit.
    fresh: HashMap<usize, u64>,
    begun: BTreeMap<usize, u32>,
}

impl Model {
    fn bring(&mut self, node: usize) -> u64 {
        if let Some(value) = self.fresh.get(&node) {
            return *value;
        }
        let mut sum = node as u64;
        let mut inputs = Inputs::new();
        let plan = self.plan.clone();
        for act in &plan.acts[node] {
            let below = match act {
                Act::Yield => continue,
                Act::Root(root) => {
                    inputs.push((true, *root, self.roots[*root]));
                    sum = join(sum, self.roots[*root]);
                    continue;
                }
                Act::Read(below) => below.clone(),
                Act::Choose(a, b) => vec![if sum.is_multiple_of(2) { *a } else { *b }],
            };
            for below in below {
                let value = self.bring(below);
                inputs.push((false, below, value));
                sum = join(sum, value);
            }
        }
        let value = sum % plan.modulus + 100 * node as u64;
        let kept = self.kept.entry(node).or_default();
        if !kept.contains(&inputs) {
            kept.insert(0, inputs);
            kept.truncate(KEPT_MAX);
            *self.begun.entry(node).or_default() += 1;
        }
        self.fresh.insert(node, value);
        value
    }
}

struct World {
    random: Random,
    memory: Arc<Memory>,
    kernel: Kernel,
    begun: Arc<Mutex<Vec<usize>>>,
    runs: Arc<Runs>,
    budget: usize,
    model: Model,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut random = Random(seed);
        let plan = Arc::new(Plan::random(&mut random));
        let roots = vec![0; plan.roots];
        // Every third has memory for an answer or two.
        let budget = if seed.is_multiple_of(3) { 700 } else { usize::MAX };
        let (memory, begun, runs) = (Arc::<Memory>::default(), Arc::default(), Arc::default());
        (0..plan.roots).for_each(|root| memory.set_root(&format!("r{root}"), Some(b"0")));
        let kernel = process(&memory, &plan, (&begun, &runs), budget);
        let (kept, fresh, counts) = Default::default();
        let model = Model { plan, roots, kept, fresh, begun: counts };
        Self { random, memory, kernel, begun, runs, budget, model }
    }

    /// A process that has only what was kept.
    fn restart(&mut self) {
        self.kernel.let_collect();
        let counts = (&self.begun, &self.runs);
        self.kernel = process(&self.memory, &self.model.plan, counts, self.budget);
    }

    fn edit(&mut self) {
        for _ in 0..1 + self.random.below(2) {
            let root = self.random.below(self.model.plan.roots);
            let value = self.random.next() % self.model.plan.modulus;
            self.model.roots[root] = value;
            let name = format!("r{root}");
            self.memory.set_root(&name, Some(value.to_string().as_bytes()));
            self.kernel.root_changed(&name);
        }
        self.model.fresh.clear();
    }

    fn some_node(&mut self) -> usize {
        self.random.below(self.model.plan.acts.len())
    }

    fn ask(
        &self,
        node: usize,
    ) -> impl Future<Output = Result<vigil_kernel::Representation, Refusal>> + Send + use<> {
        self.kernel.resolve(Arc::new(Owner), "s", Request::source(uri(node)))
    }

    /// Asks to the end and compares.
    fn check(&mut self, node: usize, when: &str) {
        let engine = self.kernel.engine().clone();
        let found = drive(&engine, &mut self.random.clone(), self.ask(node));
        self.random.next();
        let want = self.model.bring(node);
        let found = found.unwrap_or_else(|refusal| panic!("{when}, node:{node}: {refusal}"));
        assert_eq!(found.vcid, Vcid::of(want.to_string().as_bytes()), "{when}, node:{node}");
    }
}

fn process(
    memory: &Arc<Memory>,
    plan: &Arc<Plan>,
    (begun, runs): (&Arc<Mutex<Vec<usize>>>, &Arc<Runs>),
    memory_bytes_max: usize,
) -> Kernel {
    let host = Host {
        blobs: memory.clone(),
        traces: memory.clone(),
        roots: memory.clone(),
        clock: Arc::new(Still),
        policy: Arc::new(OfMachines(vec!["here".to_owned()])),
        machine: "here".to_owned(),
        checks: BTreeMap::new(),
    };
    let kernel = Kernel::new(host, EngineOptions { memory_bytes_max, ..EngineOptions::default() });
    let grammar = Grammar::new("node:{n:digits}").expect("the test is right");
    let nodes = Nodes { plan: plan.clone(), begun: begun.clone(), runs: runs.clone(), grammar };
    kernel.set_scope("s", Space::new("s").with(Arc::new(nodes)).expect("the test is right"));
    kernel
}

#[test]
fn endpoints_run_exactly_when_no_kept_trace_holds() {
    for_seeds("fair weather", 800, |seed| {
        let mut world = World::new(seed);
        for step in 0..12 {
            let when = format!("seed {seed}, step {step}");
            match world.random.below(6) {
                0 => world.restart(),
                1 => world.kernel.begin_run(),
                _ => world.edit(),
            }
            for _ in 0..1 + world.random.below(3) {
                let node = world.some_node();
                world.check(node, &when);
            }
            let mut begun: BTreeMap<usize, u32> = BTreeMap::new();
            for node in world.begun.lock().expect("nobody panics with it").drain(..) {
                *begun.entry(node).or_default() += 1;
            }
            let want = std::mem::take(&mut world.model.begun);
            assert_eq!(begun, want, "{when}: runs\n{:#?}", world.model.plan);
        }
        if world.budget < usize::MAX {
            let held = world.kernel.engine().footprint().value_bytes;
            assert!(held <= world.budget, "seed {seed}: {held} bytes are held");
        }
    });
}

/// With questions that are given up half way, between which processes end and the world changes: no
/// endpoint comes to its end more often than it would have if all had been answered.
#[test]
fn giving_up_costs_what_was_interrupted_and_no_more() {
    let lost = AtomicU32::new(0);
    for_seeds("given up, resolved", 800, |seed| {
        let mut world = World::new(seed);
        for step in 0..12 {
            match world.random.below(6) {
                0 => world.restart(),
                1 => world.kernel.begin_run(),
                _ => world.edit(),
            }
            let engine = world.kernel.engine().clone();
            for _ in 0..1 + world.random.below(3) {
                let node = world.some_node();
                let when = format!("seed {seed}, step {step}");
                let mut asked = Polled::new(world.ask(node));
                world.model.bring(node);
                let mut found = asked.poll();
                for _ in 0..world.random.below(30) {
                    if found.is_none() {
                        engine.step_by(|count| world.random.below(count));
                        found = asked.poll();
                    }
                }
                if found.is_none() && world.random.one_in(2) {
                    let mut random = world.random.clone();
                    found = Some(drive(&engine, &mut random, asked.into_future()));
                    world.random = random;
                }
                if let Some(found) = found {
                    judge(&mut world, node, found, &when);
                }
            }
        }
        let (ended, interrupted) = world.runs.ended();
        for (node, count) in &ended {
            let least = world.model.begun.get(&(*node as usize)).copied().unwrap_or_default();
            assert!(*count <= least, "seed {seed}: node:{node} ran {count} times, not {least}");
        }
        lost.fetch_add(interrupted, Ordering::Relaxed);
    });
    assert!(lost.into_inner() > 100, "many were interrupted");
}

/// Damages the records of traces: cuts, flips, and records that stand under another request, with a
/// name of their own or another one's.
fn damage(memory: &Memory, random: &mut Random) {
    let all = memory.traces();
    if !all.is_empty() && random.one_in(2) {
        let (under, record) = (&all[random.below(all.len())], &all[random.below(all.len())]);
        memory.keep(under.0, &record.1).expect("memory keeps");
    }
    let chosen = random.clone();
    random.next();
    let choices = Mutex::new(chosen);
    memory.edit_traces(|record| {
        let mut random = choices.lock().expect("nobody panics with it");
        match random.below(5) {
            0 => record.truncate(random.below(record.len())),
            1 => {
                let bit = random.below(record.len() * 8);
                record[bit / 8] ^= 1 << (bit % 8);
            }
            2 => *record = all[random.below(all.len())].1.to_vec(),
            _ => {}
        }
    });
}

#[test]
fn rough_weather_never_makes_an_answer_wrong() {
    for_seeds("rough weather", 1500, |seed| {
        let mut world = World::new(seed);
        for step in 0..10 {
            let when = format!("seed {seed}, step {step}");
            match world.random.below(8) {
                0 => world.restart(),
                1 => {
                    world.restart();
                    damage(&world.memory, &mut world.random);
                }
                2 => {
                    world.kernel.let_collect();
                    let mask = world.random.next() as u8;
                    assert!(world.memory.collect(|vcid| vcid.as_bytes()[0] & mask != 0), "{when}");
                }
                _ => world.edit(),
            }
            let engine = world.kernel.engine().clone();
            if world.random.one_in(3) {
                world.memory.set_fault(Some("no disk"));
            }
            let mut asked = Vec::new();
            for _ in 0..1 + world.random.below(3) {
                let node = world.some_node();
                let mut polled = Polled::new(world.ask(node));
                // What is at hand is answered at once, as it is now.
                match polled.poll() {
                    Some(found) => judge(&mut world, node, found, &when),
                    None => asked.push((node, polled)),
                }
            }
            for _ in 0..world.random.below(25) {
                if asked.is_empty() {
                    break;
                }
                let index = world.random.below(asked.len());
                if let Some(found) = asked[index].1.poll() {
                    let (node, _) = asked.swap_remove(index);
                    judge(&mut world, node, found, &when);
                } else if world.random.one_in(8) {
                    drop(asked.swap_remove(index));
                } else if world.random.one_in(8) {
                    world.memory.set_fault(None);
                } else if world.random.one_in(10) {
                    world.edit();
                } else {
                    engine.step_by(|count| world.random.below(count));
                }
            }
            for (node, polled) in asked {
                let mut random = world.random.clone();
                let found = drive(&engine, &mut random, polled.into_future());
                world.random = random;
                judge(&mut world, node, found, &when);
            }
            // The weather clears: what failed for its sake was kept nowhere.
            world.memory.set_fault(None);
            world.kernel.begin_run();
            let node = world.some_node();
            world.check(node, &when);
            assert_eq!(engine.under_way(), 0, "{when}: nobody waits, so nothing is under way");
        }
    });
}

/// An answer is right, or it is refused because the world failed.
fn judge(
    world: &mut World,
    node: usize,
    found: Result<vigil_kernel::Representation, Refusal>,
    when: &str,
) {
    match found {
        Ok(found) => {
            let want = world.model.bring(node);
            let right = Vcid::of(want.to_string().as_bytes());
            assert_eq!(found.vcid, right, "{when}, node:{node}");
        }
        Err(refusal) => {
            assert_eq!(refusal.reason, Reason::World, "{when}, node:{node}: {refusal}");
        }
    }
}
