//! The engine's promises, one by one.

use std::hash::{Hash, Hasher};
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use expect_test::{Expect, expect};
use vigil_base::world::{Clock, Moment};
use vigil_kernel::engine::{Cx, Demand, Engine, EngineOptions, Failed, Key, Pool, Step, Threads};

use crate::seeds::{Polled, Random, drive, pause};

/// What a key's computation is, by the key's number: set by each test.
type Body =
    dyn Fn(Cell, &Cx) -> std::pin::Pin<Box<dyn Future<Output = Answer> + Send + '_>> + Send + Sync;
type Answer = Result<i64, String>;

/// A key whose computation is data of the test.
#[derive(Clone)]
struct Cell {
    number: u64,
    body: Arc<Body>,
}

impl PartialEq for Cell {
    fn eq(&self, other: &Self) -> bool {
        self.number == other.number
    }
}

impl Eq for Cell {}

impl Hash for Cell {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.number.hash(state);
    }
}

impl std::fmt::Debug for Cell {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "cell {}", self.number)
    }
}

impl Cell {
    fn at(&self, number: u64) -> Self {
        Self { number, body: self.body.clone() }
    }
}

impl Key for Cell {
    type Value = Answer;

    async fn compute(&self, cx: &Cx) -> Answer {
        (self.body)(self.clone(), cx).await
    }

    fn same(before: &Answer, after: &Answer) -> bool {
        before == after
    }

    fn is_transient(value: &Answer) -> bool {
        value.as_ref().is_err_and(|text| text.starts_with("world:"))
    }

    fn weight(_: &Answer) -> usize {
        100
    }
}

/// Makes cells of an async block over the cell and the context.
macro_rules! cells {
    (|$cell:ident, $cx:ident| $body:expr) => {
        Cell { number: 0, body: Arc::new(move |$cell, $cx| Box::pin($body)) }
    };
}

fn flat(answer: Result<Answer, Failed>) -> Answer {
    answer.map_err(|failure| failure.to_string()).flatten()
}

async fn read(cx: &Cx, cell: Cell) -> Answer {
    flat(cx.get(&cell).await)
}

#[track_caller]
fn check(got: &Answer, want: Expect) {
    want.assert_eq(&match got {
        Ok(value) => value.to_string(),
        Err(text) => text.clone(),
    });
}

#[test]
fn a_chain_of_a_hundred_thousand_needs_no_stack() {
    let chain = cells!(|cell, cx| async move {
        match cell.number {
            0 => Ok(0),
            number => read(cx, cell.at(number - 1)).await.map(|below| below + 1),
        }
    });
    let engine = Engine::default();
    let top = chain.at(100_000);
    // A small stack shows recursion that a large one would hide.
    let run = move || {
        assert_eq!(flat(engine.block_on(engine.get(&top))), Ok(100_000));
        engine.edit(|edit| edit.set(&top.at(0), Ok(5)));
        assert_eq!(flat(engine.block_on(engine.get(&top))), Ok(100_005));
        engine.edit(|edit| edit.invalidate(&top.at(50_000)));
        assert_eq!(flat(engine.block_on(engine.get(&top))), Ok(100_005));
        assert_eq!(engine.statistics().computed, 200_002);
        // Given up half way down: a hundred thousand futures are dropped, not one within another.
        let other = top.at(300_000);
        let mut asked = Polled::new(engine.get(&other));
        assert!(asked.poll().is_none());
        (0..150_000).for_each(|_| assert_eq!(engine.step(), Step::Ran));
        assert_eq!(engine.under_way(), 150_001);
        drop(asked);
        assert_eq!(engine.under_way(), 0);
    };
    std::thread::Builder::new().stack_size(256 << 10).spawn(run).unwrap().join().unwrap();
}

#[test]
fn one_computation_serves_all_who_ask() {
    let begun = Arc::new(AtomicUsize::new(0));
    let counter = begun.clone();
    let cell = cells!(|_cell, _cx| {
        counter.fetch_add(1, Ordering::Relaxed);
        async {
            pause().await;
            Ok(7)
        }
    });
    let engine = Engine::default();
    let asked: Vec<_> = (0..100).map(|_| engine.get(&cell)).collect();
    for answer in asked {
        assert_eq!(flat(engine.block_on(answer)), Ok(7));
    }
    assert_eq!(begun.load(Ordering::Relaxed), 1);
}

#[test]
fn a_computation_ends_with_its_last_waiter() {
    let cell = cells!(|cell, cx| async move {
        match cell.number {
            0 => loop {
                pause().await;
            },
            _ => read(cx, cell.at(0)).await,
        }
    });
    let engine = Engine::default();
    let mut one = Polled::new(engine.get(&cell.at(1)));
    let mut two = Polled::new(engine.get(&cell.at(2)));
    assert!(one.poll().is_none() && two.poll().is_none());
    (0..10).for_each(|_| assert_eq!(engine.step(), Step::Ran));
    assert_eq!(engine.under_way(), 3);
    drop(one);
    assert_eq!(engine.under_way(), 2, "the second still waits for what both needed");
    drop(two);
    assert_eq!(engine.under_way(), 0);
    assert_eq!(engine.statistics().cancelled, 3);
}

#[test]
fn a_cycle_is_refused_with_its_path() {
    let cell = cells!(|cell, cx| async move {
        match cell.number {
            0 => read(cx, cell.at(2)).await,
            9 => Ok(1),
            number if flat(cx.get(&cell.at(9)).await) == Ok(1) => {
                read(cx, cell.at((number + 1) % 4)).await
            }
            _ => Ok(3),
        }
    });
    let want = || expect!["it needs itself: cell 0 needs cell 2 needs cell 3 needs cell 0"];
    // The same path whoever asks first and whatever runs first.
    for seed in 0..50 {
        let engine = Engine::default();
        let mut random = Random(seed);
        let first = random.below(4) as u64;
        check(&flat(drive(&engine, &mut random, engine.get(&cell.at(first)))), want());
        check(&flat(drive(&engine, &mut random, engine.get(&cell.at(0)))), want());
        // Edits mend it.
        engine.edit(|edit| edit.set(&cell.at(9), Ok(2)));
        check(&flat(drive(&engine, &mut random, engine.get(&cell.at(first)))), expect!["3"]);
    }
    let itself = cells!(|cell, cx| async move { read(cx, cell).await });
    let engine = Engine::default();
    check(
        &flat(engine.block_on(engine.get(&itself))),
        expect!["it needs itself: cell 0 needs cell 0"],
    );
}

#[test]
fn a_panic_is_contained_and_named() {
    let cell = cells!(|cell, cx| async move {
        match cell.number {
            0 => panic!("out of cheese"),
            _ => read(cx, cell.at(0)).await,
        }
    });
    let engine = Engine::default();
    let answer = flat(engine.block_on(engine.get(&cell.at(1))));
    check(&answer, expect!["cell 0 panicked: out of cheese"]);
}

#[test]
fn what_the_world_refused_is_asked_again_in_the_next_run() {
    let tries = Arc::new(AtomicUsize::new(0));
    let counter = tries.clone();
    let cell = cells!(|cell, cx| {
        let counter = counter.clone();
        async move {
            match cell.number {
                0 if counter.fetch_add(1, Ordering::Relaxed) < 2 => {
                    Err("world: no link".to_owned())
                }
                0 => Ok(4),
                _ => read(cx, cell.at(0)).await,
            }
        }
    });
    let engine = Engine::default();
    let ask = || flat(engine.block_on(engine.get(&cell.at(1))));
    check(&ask(), expect!["world: no link"]);
    check(&ask(), expect!["world: no link"]);
    assert_eq!(tries.load(Ordering::Relaxed), 1, "shared within the run");
    engine.begin_run();
    check(&ask(), expect!["world: no link"]);
    assert_eq!(tries.load(Ordering::Relaxed), 2, "not kept beyond it");
    engine.begin_run();
    check(&ask(), expect!["4"]);
    engine.begin_run();
    check(&ask(), expect!["4"]);
    assert_eq!(tries.load(Ordering::Relaxed), 3, "what the world gave is kept");
}

#[test]
fn evicted_values_are_computed_again() {
    let cell = cells!(|cell, cx| async move {
        match cell.number {
            0 => Ok(1),
            1..=50 => Ok(read(cx, cell.at(0)).await? + cell.number as i64),
            _ => {
                let all = cx.get_all((1..=50).map(|number| cell.at(number))).await;
                all.into_iter().map(flat).sum()
            }
        }
    });
    let options = EngineOptions { memory_bytes_max: 500, ..EngineOptions::default() };
    let engine = Engine::new(options);
    let ask = |number| flat(engine.block_on(engine.get(&cell.at(number))));
    assert_eq!(ask(51), Ok(50 + 51 * 25));
    assert!(engine.footprint().value_bytes <= 500);
    assert!(engine.statistics().evicted >= 40);
    assert_eq!(ask(3), Ok(4));
    engine.edit(|edit| edit.set(&cell.at(0), Ok(2)));
    assert_eq!(ask(51), Ok(100 + 51 * 25));
    assert!(engine.footprint().value_bytes <= 500);
}

#[derive(Default)]
struct Hands(AtomicI64);

impl Clock for Hands {
    fn now(&self) -> Moment {
        Moment(self.0.load(Ordering::Acquire))
    }
}

#[test]
fn who_does_not_yield_is_named_and_its_thread_replaced() {
    let (let_go, held) = mpsc::channel::<()>();
    let (tell, began) = mpsc::channel();
    let held = Mutex::new(held);
    let tell = Mutex::new(tell);
    let cell = cells!(|cell, cx| {
        if cell.number == 1 {
            tell.lock().unwrap().send(()).unwrap();
            // Until the test lets go: no yielding, no way to kill it.
            held.lock().unwrap().recv().unwrap();
        }
        async move {
            match cell.number {
                1 => Ok(1),
                2 => read(cx, cell.at(1)).await,
                _ => Ok(3),
            }
        }
    });
    let clock = Arc::new(Hands::default());
    let patience = Some((Duration::from_millis(40), clock.clone() as Arc<dyn Clock>));
    let engine = Engine::new(EngineOptions { patience, ..EngineOptions::default() });
    let pool = Pool::start(&engine, 1).unwrap();
    // One that asks without helping: the pool's only thread is the one that gets stuck.
    let (send, answers) = mpsc::channel();
    let ask = |number: u64| {
        let answer = engine.get(&cell.at(number));
        let send = send.clone();
        std::thread::spawn(move || send.send(flat(wait(answer))).unwrap());
    };
    ask(2);
    began.recv().unwrap();
    clock.0.store(41_000_000, Ordering::Release);
    let named =
        expect!["cell 1 held a thread for more than 40 ms without yielding, and was given up"];
    check(&answers.recv().unwrap(), named);
    ask(3);
    check(&answers.recv().unwrap(), expect!["3"]);
    // Nobody waits for the one that is stuck, not even who drops the pool.
    drop(pool);
    let_go.send(()).unwrap();
}

/// Endpoints that never yield cost a few threads and not one each; when none is left, who asks is told.
#[test]
fn threads_are_replaced_up_to_a_bound() {
    let (let_go, held) = mpsc::channel::<()>();
    let held = Arc::new(Mutex::new(held));
    let (tell, began) = mpsc::channel();
    let tell = Mutex::new(tell);
    let cell = cells!(|cell, _cx| {
        if cell.number >= 100 {
            tell.lock().unwrap().send(()).unwrap();
            // Until the test lets all of them go.
            let _ = held.lock().unwrap().recv();
        }
        async move { Ok(cell.number as i64) }
    });
    let clock = Arc::new(Hands::default());
    let patience = Some((Duration::from_millis(40), clock.clone() as Arc<dyn Clock>));
    let engine = Engine::new(EngineOptions { patience, ..EngineOptions::default() });
    let pool = Pool::start(&engine, 1).unwrap();
    std::thread::scope(|scope| {
        let (engine, pool, cell) = (&engine, &pool, &cell);
        for number in 100..105 {
            let asked = scope.spawn(move || flat(pool.wait(engine.get(&cell.at(number)))));
            began.recv().unwrap();
            clock.0.fetch_add(41_000_000, Ordering::AcqRel);
            let answer = asked.join().unwrap().unwrap_err();
            assert!(answer.contains("without yielding, and was given up"), "{answer}");
        }
        assert_eq!(pool.threads(), 5, "one, replaced four times");
        check(
            &flat(pool.wait(engine.get(&cell.at(7)))),
            expect!["no thread is left for cell 7: 5 computations hold theirs without yielding"],
        );
        // They come back, and one of them goes on where none was left.
        drop(let_go);
        loop {
            engine.begin_run();
            if flat(pool.wait(engine.get(&cell.at(7)))) == Ok(7) {
                break;
            }
        }
    });
}

/// A demand for very many, and a look at very many that may have changed, keep only so many going.
#[test]
fn only_so_many_computations_are_under_way_at_once() {
    const COUNT: u64 = 5000;
    let going = Arc::new((AtomicUsize::new(0), AtomicUsize::new(0)));
    let counts = going.clone();
    let cell = cells!(|cell, cx| {
        let counts = counts.clone();
        async move {
            match cell.number {
                0 => Ok(1),
                1..=COUNT => {
                    let most = counts.0.fetch_add(1, Ordering::Relaxed) + 1;
                    counts.1.fetch_max(most, Ordering::Relaxed);
                    let below = read(cx, cell.at(0)).await;
                    pause().await;
                    pause().await;
                    counts.0.fetch_sub(1, Ordering::Relaxed);
                    // As before, so that a look goes on through all of them.
                    below.map(|below| below / 10 + cell.number as i64)
                }
                _ => {
                    let all = cx.get_all((1..=COUNT).map(|number| cell.at(number))).await;
                    all.into_iter().map(flat).sum()
                }
            }
        }
    });
    let engine = Engine::default();
    for (seed, most) in [(0, 1024), (1, 65)] {
        engine.edit(|edit| edit.set(&cell.at(0), Ok(seed as i64)));
        // Newest first is what threads do; by seed, the others too.
        let mut random = Random(seed);
        drive(&engine, &mut random, engine.get(&cell.at(COUNT + 1))).unwrap().unwrap();
        let seen = going.1.swap(0, Ordering::Relaxed);
        assert!((most / 2..=most).contains(&seen), "{seen} were under way, at most {most} may be");
    }
}

#[test]
fn as_many_computations_run_as_there_are_threads() {
    let running = Arc::new((AtomicUsize::new(0), AtomicUsize::new(0)));
    let counts = running.clone();
    let cell = cells!(|cell, cx| {
        let counts = counts.clone();
        async move {
            if cell.number == 0 {
                let all = cx.get_all((1..=300).map(|number| cell.at(number))).await;
                return all.into_iter().map(flat).sum();
            }
            let most = counts.0.fetch_add(1, Ordering::AcqRel) + 1;
            counts.1.fetch_max(most, Ordering::AcqRel);
            // Work that does not wait: a thread is held by one of these at a time.
            let sum = (0..20_000u64).fold(cell.number, |sum, at| std::hint::black_box(sum ^ at));
            counts.0.fetch_sub(1, Ordering::AcqRel);
            Ok((sum % 2) as i64)
        }
    });
    let engine = Engine::default();
    let pool = Pool::start(&engine, 3).unwrap();
    flat(pool.wait(engine.get(&cell))).unwrap();
    let most = running.1.load(Ordering::Acquire);
    assert!((1..=3).contains(&most), "{most} ran at once on three threads");
}

/// One edit that changes one input, and gives another, which is being looked at, the value that it had: what
/// reads both is looked at only when the edit is whole.
#[test]
fn an_edit_is_seen_whole_by_what_is_under_way() {
    let cell = cells!(|cell, cx| async move {
        match cell.number {
            0 => Ok(read(cx, cell.at(1)).await? + read(cx, cell.at(2)).await?),
            _ => loop {
                pause().await;
            },
        }
    });
    let engine = Engine::default();
    engine.edit(|edit| {
        edit.set(&cell.at(1), Ok(1));
        edit.set(&cell.at(2), Ok(2));
    });
    assert_eq!(flat(engine.block_on(engine.get(&cell))), Ok(3));
    engine.edit(|edit| edit.invalidate(&cell.at(2)));
    let mut asked = Polled::new(engine.get(&cell));
    assert!(asked.poll().is_none());
    assert_eq!(engine.step(), Step::Ran);
    engine.edit(|edit| {
        edit.set(&cell.at(1), Ok(5));
        edit.set(&cell.at(2), Ok(2));
    });
    assert_eq!(flat(engine.block_on(asked.into_future())), Ok(7));
}

/// Injecting what was computed anyway is no change.
#[test]
fn injecting_what_was_computed_concerns_nobody_above() {
    let cell = cells!(|cell, cx| async move {
        match cell.number {
            0 => Ok(4),
            _ => read(cx, cell.at(0)).await,
        }
    });
    let engine = Engine::default();
    assert_eq!(flat(engine.block_on(engine.get(&cell.at(1)))), Ok(4));
    engine.edit(|edit| edit.set(&cell.at(0), Ok(4)));
    assert_eq!(flat(engine.block_on(engine.get(&cell.at(1)))), Ok(4));
    assert_eq!(engine.statistics().started, 2);
    engine.edit(|edit| edit.set(&cell.at(0), Ok(5)));
    assert_eq!(flat(engine.block_on(engine.get(&cell.at(1)))), Ok(5));
    engine.edit(|edit| edit.invalidate(&cell.at(0)));
    assert_eq!(flat(engine.block_on(engine.get(&cell.at(1)))), Ok(4));
}

/// Waits for a future without running anything.
fn wait<F: Future>(future: F) -> F::Output {
    struct Unpark(std::thread::Thread);
    impl std::task::Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Arc::new(Unpark(std::thread::current())).into();
    let mut context = std::task::Context::from_waker(&waker);
    let mut future = std::pin::pin!(future);
    loop {
        if let std::task::Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return output;
        }
        std::thread::park();
    }
}

/// Four threads compute and four ask and edit: every answer is one of a state that was.
#[test]
fn threads_agree() {
    let cell = cells!(|cell, cx| async move {
        match cell.number {
            0..10 => Ok(0),
            number => {
                let below = (1..=3).map(|step| cell.at((number * step * 7) % number.min(200)));
                let all: Demand<Cell> = cx.get_all(below);
                let sum: Answer = all.await.into_iter().map(flat).sum();
                pause().await;
                sum.map(|sum| sum % 1000 + 1)
            }
        }
    });
    let options = EngineOptions { crew: Arc::new(Threads(2)), ..EngineOptions::default() };
    let engine = Engine::new(options);
    let pool = Pool::start(&engine, 4).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let (engine, cell) = (&engine, &cell);
            scope.spawn(move || {
                let mut random = Random(thread);
                for _ in 0..300 {
                    let number = random.below(400) as u64;
                    if random.one_in(5) {
                        let value = random.below(3) as i64;
                        engine.edit(|edit| edit.set(&cell.at(number % 10), Ok(value)));
                    }
                    let mut asked = Polled::new(engine.get(&cell.at(number)));
                    if random.one_in(4) {
                        asked.poll();
                    } else {
                        flat(engine.block_on(asked.into_future())).unwrap();
                    }
                }
            });
        }
    });
    drop(pool);
    let fresh = Engine::default();
    let inputs: Vec<Answer> =
        (0..10).map(|number| flat(engine.block_on(engine.get(&cell.at(number))))).collect();
    fresh.edit(|edit| {
        inputs
            .iter()
            .enumerate()
            .for_each(|(at, value)| edit.set(&cell.at(at as u64), value.clone()));
    });
    for number in 0..400 {
        let want = flat(fresh.block_on(fresh.get(&cell.at(number))));
        assert_eq!(flat(engine.block_on(engine.get(&cell.at(number)))), want, "cell {number}");
    }
    assert_eq!(engine.under_way(), 0);
}
