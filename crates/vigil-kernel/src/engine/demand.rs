//! Demands: the futures by which a value is waited for.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use super::Shared;
use super::core::{Core, Ticket, Waiter};
use super::failure::Failed;
use super::graph::Seen;
use super::job::Job;
use super::key::Key;

/// How many keys of one demand are under way at once. When half of them have come, more are asked
/// for, so that a demand for a million keys does not hold a million computations.
const WINDOW: usize = 1024;

/// Wakes a future when enough of what it waits for has come.
#[derive(Default)]
pub struct Gate {
    /// How many must still come.
    left: AtomicUsize,
    waker: Mutex<Option<Waker>>,
}

impl Gate {
    fn arm(&self, left: usize, waker: &Waker) {
        self.left.store(left, Ordering::Relaxed);
        *self.waker.lock().unwrap_or_else(PoisonError::into_inner) = Some(waker.clone());
    }

    /// Notes that one has come. Called under the engine's lock, which orders the count.
    pub fn open_one(&self) -> Option<Waker> {
        let left = self.left.load(Ordering::Relaxed).saturating_sub(1);
        self.left.store(left, Ordering::Relaxed);
        let mut waker = self.waker.lock().unwrap_or_else(PoisonError::into_inner);
        if left == 0 { waker.take() } else { None }
    }
}

/// Who asks.
#[derive(Clone)]
pub struct Asker {
    pub shared: Arc<Shared>,
    /// The computation that asks; `None` from outside.
    pub job: Option<Arc<Job>>,
}

/// A value, and what is recorded about having read it.
type Answer<K> = (Result<<K as Key>::Value, Failed>, Seen);

/// The values of some keys, asked for together. Made by [`super::Cx`] and [`super::Engine`].
pub struct Demand<K: Key> {
    asker: Asker,
    keys: Vec<K>,
    answers: Vec<Option<Answer<K>>>,
    /// The first key that was not asked for yet.
    next: usize,
    waiting: Vec<(usize, Ticket)>,
    gate: Option<Arc<Gate>>,
}

/// Nothing in it is pinned in place.
impl<K: Key> Unpin for Demand<K> {}

impl<K: Key> Demand<K> {
    pub(super) fn new(asker: Asker, keys: Vec<K>) -> Self {
        let answers = keys.iter().map(|_| None).collect();
        Self { asker, keys, answers, next: 0, waiting: Vec::new(), gate: None }
    }

    /// Asks for one key; returns where to wait if it is not at hand.
    fn ask(&mut self, core: &mut Core, index: usize) -> Option<Ticket> {
        let (node, slot) = core.intern(&self.keys[index]);
        if core.pursue(node, &self.asker.shared) {
            let answer = core.take_up::<K>(node, slot);
            let version = core.graph.version(node);
            self.answers[index] = Some((answer, Seen { node, version, with_previous: index > 0 }));
            return None;
        }
        let gate = self.gate.get_or_insert_with(Arc::default).clone();
        let owner = self.asker.job.clone();
        Some(core.wait_for(node, Waiter::Future { gate, owner }))
    }

    /// Takes what has come and asks for more, until something must be waited for; returns whether all
    /// is there. Asking for one key may bring another along, so it looks again.
    fn advance(&mut self, core: &mut Core) -> bool {
        while !self.advance_once(core) {
            if self.waiting.iter().all(|(_, ticket)| core.is_waiting(*ticket)) {
                return false;
            }
        }
        true
    }

    fn advance_once(&mut self, core: &mut Core) -> bool {
        let waiting = std::mem::take(&mut self.waiting);
        for (index, ticket) in waiting {
            if core.is_waiting(ticket) {
                self.waiting.push((index, ticket));
                continue;
            }
            let again = self.ask(core, index);
            // Only now: what nobody is about to take may be dropped.
            core.unpin(ticket.node);
            self.waiting.extend(again.map(|ticket| (index, ticket)));
        }
        while self.next < self.keys.len() && self.waiting.len() < WINDOW {
            let index = self.next;
            self.next += 1;
            if let Some(ticket) = self.ask(core, index) {
                self.waiting.push((index, ticket));
            }
        }
        self.waiting.is_empty()
    }
}

impl<K: Key> Future for Demand<K> {
    type Output = Vec<Result<K::Value, Failed>>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let shared = this.asker.shared.clone();
        let mut core = shared.lock();
        if !this.advance(&mut core) {
            let more = this.next < this.keys.len();
            let left = this.waiting.len() - if more { WINDOW / 2 } else { 0 };
            this.gate.get_or_insert_with(Arc::default).arm(left, context.waker());
            return Poll::Pending;
        }
        drop(core);
        let answers = std::mem::take(&mut this.answers);
        let answers = answers.into_iter().map(|answer| answer.expect("nothing is waited for"));
        let (values, seen): (Vec<_>, Vec<_>) = answers.unzip();
        if let Some(job) = &this.asker.job {
            job.see(seen);
        }
        Poll::Ready(values)
    }
}

impl<K: Key> Drop for Demand<K> {
    fn drop(&mut self) {
        if self.waiting.is_empty() {
            return;
        }
        let shared = self.asker.shared.clone();
        let mut core = shared.lock();
        let mut left = Vec::new();
        for (_, ticket) in self.waiting.drain(..) {
            match core.is_waiting(ticket) {
                true => left.push(ticket),
                false => core.unpin(ticket.node),
            }
        }
        core.leave(left);
    }
}
