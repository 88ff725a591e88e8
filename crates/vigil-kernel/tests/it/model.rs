//! The engine against a model: random graphs, edits, cancellations and failures.
//!
//! After every step each answer equals what computing everything from scratch gives, and without
//! cancellations and failures each computation runs exactly when the model says that it must: its
//! inputs, looked at in the order in which they were read, have changed since it last ran.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use vigil_kernel::engine::{Cx, Engine, EngineOptions, Key, Step};

use crate::seeds::{Polled, Random, Runs, drive, for_seeds, pause};

/// What a computation does, in order.
#[derive(Clone, Debug)]
enum Act {
    /// Reads one.
    Read(u32),
    /// Reads several at once.
    ReadAll(Vec<u32>),
    /// Reads one of two, by what was read so far.
    Choose(u32, u32),
    /// Lets others run.
    Yield,
    /// Panics if what was read so far is a multiple of this.
    Panic(u64),
    /// Fails while the world does.
    World,
}

/// One graph: inputs below `inputs`, computations above.
#[derive(Debug)]
struct Plan {
    inputs: u32,
    /// Values are taken modulo this, so that many changes are cut off.
    modulus: u64,
    acts: Vec<Vec<Act>>,
}

impl Plan {
    fn random(random: &mut Random, breaks: bool) -> Self {
        let inputs = 1 + random.below(6) as u32;
        let count = inputs + 1 + random.below(24) as u32;
        let mut acts: Vec<Vec<Act>> = vec![Vec::new(); inputs as usize];
        for node in inputs..count {
            let mut list = Vec::new();
            for _ in 0..random.below(5) {
                let below = |random: &mut Random| {
                    // Now and then something above, or itself: a cycle, for some values.
                    let end = if breaks && random.one_in(12) { count } else { node };
                    random.below(end as usize) as u32
                };
                list.push(match random.below(if breaks { 16 } else { 10 }) {
                    0..=3 => Act::Read(below(random)),
                    4 | 5 => {
                        let count = random.below(6);
                        Act::ReadAll(
                            (0..count).map(|_| random.below(node as usize) as u32).collect(),
                        )
                    }
                    6..=8 => Act::Choose(below(random), below(random)),
                    9..=12 => Act::Yield,
                    13 => Act::Panic(2 + random.below(7) as u64),
                    _ => Act::World,
                });
            }
            acts.push(list);
        }
        Self { inputs, modulus: 2 + random.below(5) as u64, acts }
    }

    fn len(&self) -> u32 {
        self.acts.len() as u32
    }
}

type Value = Result<u64, String>;

const WORLD: &str = "world: no link";

/// What all nodes of a test share.
struct Shared {
    plan: Plan,
    begun: Mutex<Vec<u32>>,
    runs: Runs,
    has_fault: AtomicBool,
}

/// A node of the plan. The plan is data of the test and not of the key, which stays small.
#[derive(Clone)]
struct Node {
    number: u32,
    shared: Arc<Shared>,
}

impl PartialEq for Node {
    fn eq(&self, other: &Self) -> bool {
        self.number == other.number
    }
}

impl Eq for Node {}

impl std::hash::Hash for Node {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.number.hash(state);
    }
}

impl std::fmt::Debug for Node {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "n{:02}", self.number)
    }
}

impl Node {
    fn other(&self, number: u32) -> Self {
        Self { number, shared: self.shared.clone() }
    }
}

/// Joins what was read to what was read before.
fn join(sum: u64, value: u64) -> u64 {
    sum.wrapping_mul(31).wrapping_add(value + 1)
}

impl Key for Node {
    type Value = Value;

    async fn compute(&self, cx: &Cx) -> Value {
        let Shared { plan, begun, runs, has_fault } = &*self.shared;
        begun.lock().expect("nobody panics with it").push(self.number);
        let run = runs.begin(self.number);
        let mut sum = u64::from(self.number);
        for act in &plan.acts[self.number as usize] {
            let numbers = match act {
                Act::Read(number) => vec![*number],
                Act::ReadAll(numbers) => numbers.clone(),
                Act::Choose(a, b) => vec![if sum.is_multiple_of(2) { *a } else { *b }],
                Act::Yield => {
                    pause().await;
                    continue;
                }
                Act::Panic(divisor) if sum.is_multiple_of(*divisor) => {
                    panic!("{self:?} does not like {sum}");
                }
                Act::World if has_fault.load(Ordering::Relaxed) => return Err(WORLD.to_owned()),
                Act::Panic(_) | Act::World => continue,
            };
            for answer in cx.get_all(numbers.into_iter().map(|number| self.other(number))).await {
                let value = answer.map_err(|failure| failure.to_string())?;
                sum = join(sum, value?);
            }
        }
        run.end();
        Ok(sum % plan.modulus)
    }

    fn is_transient(value: &Value) -> bool {
        value.as_ref().is_err_and(|text| text == WORLD)
    }

    fn same(before: &Value, after: &Value) -> bool {
        before == after
    }

    fn fingerprint(value: &Value) -> Option<u128> {
        value.as_ref().ok().map(|value| u128::from(*value))
    }
}

/// What the model keeps of a computation.
#[derive(Clone)]
struct Kept {
    value: u64,
    version: u64,
    read: Vec<(u32, u64)>,
}

/// Computes by the same plan, one after another, with plain recursion.
struct Model<'a> {
    plan: &'a Plan,
    inputs: Vec<u64>,
    kept: HashMap<u32, Kept>,
    input_versions: Vec<u64>,
    /// What the engine has read of the inputs: a change that is taken back before anybody reads it
    /// is none.
    input_read: Vec<u64>,
    fresh: BTreeSet<u32>,
    begun: BTreeMap<u32, u32>,
}

impl<'a> Model<'a> {
    fn new(plan: &'a Plan) -> Self {
        let zeros = vec![0; plan.inputs as usize];
        let (inputs, input_versions) = (zeros.clone(), zeros.clone());
        let (kept, fresh, begun) = Default::default();
        Self { plan, inputs, kept, input_versions, input_read: zeros, fresh, begun }
    }

    /// Brings a node up to date as an engine with cut-off must, and returns its version.
    fn bring(&mut self, node: u32) -> (u64, u64) {
        if node < self.plan.inputs {
            let at = node as usize;
            if self.input_read[at] != self.inputs[at] {
                self.input_read[at] = self.inputs[at];
                self.input_versions[at] += 1;
            }
            return (self.inputs[at], self.input_versions[at]);
        }
        if let Some(kept) = self.kept.get(&node).cloned() {
            let up_to_date = self.fresh.contains(&node)
                || kept.read.iter().all(|(below, version)| self.bring(*below).1 == *version);
            if up_to_date {
                self.fresh.insert(node);
                return (kept.value, kept.version);
            }
        }
        *self.begun.entry(node).or_default() += 1;
        let mut read = Vec::new();
        let mut sum = u64::from(node);
        for act in self.plan.acts[node as usize].clone() {
            let numbers = match act {
                Act::Read(number) => vec![number],
                Act::ReadAll(numbers) => numbers,
                Act::Choose(a, b) => vec![if sum.is_multiple_of(2) { a } else { b }],
                Act::Yield | Act::Panic(_) | Act::World => continue,
            };
            let answers: Vec<_> = numbers.iter().map(|number| self.bring(*number)).collect();
            for (number, (value, version)) in numbers.into_iter().zip(answers) {
                read.push((number, version));
                sum = join(sum, value);
            }
        }
        let value = sum % self.plan.modulus;
        let before = self.kept.get(&node);
        let version = match before {
            Some(before) if before.value == value => before.version,
            Some(before) => before.version + 1,
            None => 0,
        };
        self.kept.insert(node, Kept { value, version, read });
        self.fresh.insert(node);
        (value, version)
    }

    fn edit(&mut self, input: u32, value: u64) {
        self.inputs[input as usize] = value;
        self.fresh.clear();
    }
}

/// What computing from scratch gives: a value, or one of these complaints.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Scratch {
    Value(u64),
    Failed(BTreeSet<String>),
}

const CYCLE: &str = "needs itself";

/// Computes a node from scratch.
fn from_scratch(plan: &Plan, inputs: &[u64], node: u32, path: &mut Vec<u32>) -> Scratch {
    if node < plan.inputs {
        return Scratch::Value(inputs[node as usize]);
    }
    if path.contains(&node) {
        return Scratch::Failed([CYCLE.to_owned()].into());
    }
    path.push(node);
    let result = from_scratch_acts(plan, inputs, node, path);
    path.pop();
    result
}

fn from_scratch_acts(plan: &Plan, inputs: &[u64], node: u32, path: &mut Vec<u32>) -> Scratch {
    let mut sum = u64::from(node);
    for act in &plan.acts[node as usize] {
        let numbers = match act {
            Act::Read(number) => vec![*number],
            Act::ReadAll(numbers) => numbers.clone(),
            Act::Choose(a, b) => vec![if sum.is_multiple_of(2) { *a } else { *b }],
            Act::Yield | Act::World => continue,
            Act::Panic(divisor) if sum.is_multiple_of(*divisor) => {
                return Scratch::Failed([format!("n{node:02} panicked")].into());
            }
            Act::Panic(_) => continue,
        };
        let mut failed: Vec<BTreeSet<String>> = Vec::new();
        for number in numbers {
            match from_scratch(plan, inputs, number, path) {
                Scratch::Value(value) => sum = join(sum, value),
                Scratch::Failed(why) => failed.push(why),
            }
        }
        // A cycle among what was asked for together may be found before or after the others fail.
        let any = failed.iter().any(|why| why.contains(CYCLE));
        let counted = if any { failed.len() } else { failed.len().min(1) };
        if counted > 0 {
            return Scratch::Failed(failed[..counted].iter().flatten().cloned().collect());
        }
    }
    Scratch::Value(sum % plan.modulus)
}

/// Compares an answer with the one from scratch.
fn agree(got: &Result<Value, String>, want: &Scratch) -> bool {
    match (got, want) {
        (Ok(Ok(value)), Scratch::Value(want)) => value == want,
        (Ok(Err(text)) | Err(text), Scratch::Failed(why)) => {
            why.iter().any(|why| text.contains(why.as_str()))
        }
        _ => false,
    }
}

struct World {
    random: Random,
    engine: Engine,
    shared: Arc<Shared>,
    inputs: Vec<u64>,
    /// Whether the world failed in this run.
    had_fault: bool,
}

impl World {
    fn new(seed: u64, breaks: bool, memory_bytes_max: usize) -> Self {
        let mut random = Random(seed);
        let plan = Plan::random(&mut random, breaks);
        let options = EngineOptions { memory_bytes_max, ..EngineOptions::default() };
        let engine = Engine::new(options);
        let inputs = vec![0; plan.inputs as usize];
        let (begun, runs, has_fault) = Default::default();
        let shared = Arc::new(Shared { plan, begun, runs, has_fault });
        let world = Self { random, engine, shared, inputs, had_fault: false };
        world.engine.edit(|edit| {
            for input in 0..world.plan().inputs {
                edit.set(&world.node(input), Ok(0));
            }
        });
        world
    }

    fn plan(&self) -> &Plan {
        &self.shared.plan
    }

    fn node(&self, number: u32) -> Node {
        Node { number, shared: self.shared.clone() }
    }

    /// Lets some inputs be what they are without anybody's saying so, some be injected, all at once.
    fn rough_edit(&mut self) {
        let modulus = self.plan().modulus;
        let voided = self.random.below(self.plan().inputs as usize) as u32;
        let is_voided = self.random.one_in(3);
        let edits = if is_voided && self.random.one_in(2) { vec![] } else { self.random_edit() };
        self.engine.edit(|edit| {
            if is_voided {
                edit.invalidate(&self.node(voided));
            }
            for (input, value) in &edits {
                edit.set(&self.node(*input), Ok(*value));
            }
        });
        if is_voided {
            self.inputs[voided as usize] = u64::from(voided) % modulus;
        }
        for (input, value) in edits {
            self.inputs[input as usize] = value;
        }
    }

    fn random_edit(&mut self) -> Vec<(u32, u64)> {
        let modulus = self.plan().modulus;
        let count = 1 + self.random.below(3);
        let inputs = self.plan().inputs as usize;
        (0..count)
            .map(|_| (self.random.below(inputs) as u32, self.random.next() % modulus))
            .collect()
    }

    fn edit(&mut self, edits: &[(u32, u64)]) {
        self.engine.edit(|edit| {
            for (input, value) in edits {
                edit.set(&self.node(*input), Ok(*value));
            }
        });
        for (input, value) in edits {
            self.inputs[*input as usize] = *value;
        }
    }

    fn check_answer(&self, number: u32, got: &Result<Value, String>, when: &str) {
        if self.had_fault && matches!(got, Ok(Err(text)) if text == WORLD) {
            return;
        }
        let want = from_scratch(self.plan(), &self.inputs, number, &mut Vec::new());
        assert!(
            agree(got, &want),
            "{when}: n{number:02} is {got:?}, from scratch {want:?}\n{:#?}\ninputs {:?}",
            self.plan(),
            self.inputs
        );
    }
}

/// Without failures and cancellations: right answers, and not one computation too many or too few.
#[test]
fn computes_exactly_what_cut_off_allows() {
    for_seeds("exact", 3000, |seed| {
        let mut world = World::new(seed, false, usize::MAX);
        let shared = world.shared.clone();
        let mut model = Model::new(&shared.plan);
        for step in 0..12 {
            if step > 0 {
                let edits = world.random_edit();
                world.edit(&edits);
                edits.iter().for_each(|(input, value)| model.edit(*input, *value));
            }
            let asked: Vec<u32> = (0..1 + world.random.below(3))
                .map(|_| world.random.below(world.plan().len() as usize) as u32)
                .collect();
            let keys: Vec<Node> = asked.iter().map(|number| world.node(*number)).collect();
            let demand = world.engine.get_all(keys);
            let engine = world.engine.clone();
            let answers = drive(&engine, &mut world.random, demand);
            for (number, answer) in asked.iter().zip(answers) {
                let want = model.bring(*number).0;
                assert_eq!(answer.unwrap(), Ok(want), "seed {seed}, step {step}, n{number:02}");
            }
            let mut begun: BTreeMap<u32, u32> = BTreeMap::new();
            for number in shared.begun.lock().unwrap().drain(..) {
                *begun.entry(number).or_default() += 1;
            }
            let want = std::mem::take(&mut model.begun);
            assert_eq!(
                begun, want,
                "seed {seed}, step {step}: computations begun\n{:#?}",
                shared.plan
            );
            assert_eq!(world.engine.under_way(), 0, "seed {seed}, step {step}");
        }
    });
}

/// With questions that are given up half way: what came to its end is no more than what must have, also
/// where those questions had been answered. So all that is lost is what was interrupted.
#[test]
fn giving_up_costs_what_was_interrupted_and_no_more() {
    let lost = AtomicU32::new(0);
    for_seeds("given up", 1500, |seed| {
        let mut world = World::new(seed, false, usize::MAX);
        let shared = world.shared.clone();
        let mut model = Model::new(&shared.plan);
        for step in 0..12 {
            if step > 0 {
                let edits = world.random_edit();
                world.edit(&edits);
                edits.iter().for_each(|(input, value)| model.edit(*input, *value));
            }
            let engine = world.engine.clone();
            for _ in 0..1 + world.random.below(3) {
                let number = world.random.below(world.plan().len() as usize) as u32;
                let mut asked = Polled::new(engine.get(&world.node(number)));
                let want = model.bring(number).0;
                let mut answer = asked.poll();
                for _ in 0..world.random.below(20) {
                    if answer.is_none() {
                        engine.step_by(|count| world.random.below(count));
                        answer = asked.poll();
                    }
                }
                if answer.is_none() && world.random.one_in(2) {
                    answer = Some(drive(&engine, &mut world.random, asked.into_future()));
                }
                if let Some(answer) = answer {
                    assert_eq!(answer.unwrap(), Ok(want), "seed {seed}, step {step}");
                }
            }
        }
        let (ended, interrupted) = shared.runs.ended();
        for (number, count) in &ended {
            let least = model.begun.get(number).copied().unwrap_or_default();
            assert!(*count <= least, "seed {seed}: n{number:02} ran {count} times, not {least}");
        }
        lost.fetch_add(interrupted, Ordering::Relaxed);
    });
    assert!(lost.into_inner() > 1000, "many were interrupted");
}

/// With panics, cycles, edits in between, abandoned questions and little memory: right answers still.
#[test]
fn survives_whatever_happens() {
    std::panic::set_hook(Box::new(|info| {
        // Panics of computations are part of the test; others are shown.
        if !info.to_string().contains("does not like") {
            eprintln!("{info}");
        }
    }));
    for_seeds("rough", 6000, |seed| {
        let budget = if seed % 3 == 0 { 64 } else { usize::MAX };
        let mut world = World::new(seed, seed % 2 == 0, budget);
        let engine = world.engine.clone();
        for step in 0..8 {
            let when = format!("seed {seed}, step {step}");
            let mut asked = Vec::new();
            for _ in 0..1 + world.random.below(4) {
                let number = world.random.below(world.plan().len() as usize) as u32;
                asked.push((number, Polled::new(engine.get(&world.node(number)))));
            }
            // Some steps, some questions given up, perhaps an edit while all is under way.
            for _ in 0..world.random.below(30) {
                let index = world.random.below(asked.len());
                if let Some(answer) = asked[index].1.poll() {
                    let answer = answer.map_err(|failure| failure.to_string());
                    let (number, _) = asked.swap_remove(index);
                    world.check_answer(number, &answer, &when);
                    if asked.is_empty() {
                        break;
                    }
                    continue;
                }
                match world.random.below(14) {
                    0 => drop(asked.swap_remove(index)),
                    1 | 2 => world.rough_edit(),
                    3 => engine.begin_run(),
                    4 => {
                        let is_failing = world.random.one_in(2);
                        world.shared.has_fault.store(is_failing, Ordering::Relaxed);
                        world.had_fault |= is_failing;
                    }
                    _ => {
                        engine.step_by(|count| world.random.below(count));
                    }
                }
                if asked.is_empty() {
                    break;
                }
            }
            for (number, polled) in asked {
                let answer = drive(&engine, &mut world.random, polled.into_future());
                let answer = answer.map_err(|failure| failure.to_string());
                world.check_answer(number, &answer, &when);
            }
            // The weather clears, and what failed for its sake is tried again.
            world.shared.has_fault.store(false, Ordering::Relaxed);
            world.had_fault = false;
            engine.begin_run();
            // What waits in a circle, given up by all others, is found when nothing else is ready.
            while engine.step() == Step::Ran {}
            assert_eq!(engine.under_way(), 0, "{when}: nobody waits, so nothing is under way");
            world.rough_edit();
        }
    });
    drop(std::panic::take_hook());
}
