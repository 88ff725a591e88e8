//! Random choices that follow from a seed, and an executor that is driven by them.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

use vigil_kernel::engine::{Engine, Step};

/// SplitMix64 (Steele, Lea, Flood 2014): small, and good enough to choose test cases.
#[derive(Clone)]
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    pub fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    pub fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }
}

#[derive(Default)]
pub struct Bell(AtomicBool);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Release);
    }
}

/// Polls a future once if it was woken since, and returns its output if it is done.
pub struct Polled<F: Future> {
    future: std::pin::Pin<Box<F>>,
    bell: Arc<Bell>,
}

impl<F: Future> Polled<F> {
    pub fn new(future: F) -> Self {
        Self { future: Box::pin(future), bell: Arc::new(Bell(AtomicBool::new(true))) }
    }

    pub fn poll(&mut self) -> Option<F::Output> {
        if !self.bell.0.swap(false, Ordering::AcqRel) {
            return None;
        }
        let waker = Waker::from(self.bell.clone());
        match self.future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => Some(output),
            Poll::Pending => None,
        }
    }

    /// Gives the future, which must be polled again whether it was woken or not.
    pub fn into_future(self) -> std::pin::Pin<Box<F>> {
        self.future
    }
}

/// Runs a future to its end, choosing each next step by the seed.
#[track_caller]
pub fn drive<F: Future>(engine: &Engine, random: &mut Random, future: F) -> F::Output {
    let mut polled = pin!(Polled::new(future));
    loop {
        if let Some(output) = polled.poll() {
            return output;
        }
        let step = engine.step_by(|count| random.below(count));
        let was_woken = polled.bell.0.load(Ordering::Acquire);
        assert!(step != Step::Idle || was_woken, "nothing is ready, and the answer is not there");
    }
}

/// Yields once: another computation may run before this one goes on.
pub async fn pause() {
    let mut was_polled = false;
    std::future::poll_fn(|context| {
        if was_polled {
            return Poll::Ready(());
        }
        was_polled = true;
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// Runs `case` for many seeds. Each is printed before it runs, so that one that hangs is known too.
pub fn for_seeds(name: &str, count: u64, case: impl Fn(u64)) {
    for seed in 0..count {
        println!("{name}: seed {seed} of {count}");
        case(seed);
    }
}

/// Counts how often each thing was begun and, of those, how often it came to its end.
#[derive(Debug, Default)]
pub struct Runs(Mutex<BTreeMap<u32, (u32, u32)>>);

/// A run that was begun; given up if it is dropped before it is said to have ended.
pub struct Run<'a>(&'a Runs, u32);

impl Runs {
    pub fn begin(&self, number: u32) -> Run<'_> {
        self.0.lock().expect("nobody panics with it").entry(number).or_default().0 += 1;
        Run(self, number)
    }

    /// Returns how often each came to its end, and how many were given up.
    pub fn ended(&self) -> (BTreeMap<u32, u32>, u32) {
        let all = self.0.lock().expect("nobody panics with it");
        let ended = all.iter().map(|(number, (_, ended))| (*number, *ended));
        let given_up = all.values().map(|(begun, ended)| begun - ended).sum();
        (ended.filter(|(_, ended)| *ended > 0).collect(), given_up)
    }
}

impl Run<'_> {
    pub fn end(self) {
        self.0.0.lock().expect("nobody panics with it").entry(self.1).or_default().1 += 1;
    }
}
