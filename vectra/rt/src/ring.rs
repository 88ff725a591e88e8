//! Rings: one producer, one consumer, two index pages of which each side can write its own only.
//!
//! Layout, in words: head page {0: messages pushed, 1: producer is parked}, tail page {0: messages
//! popped, 1: consumer is parked}, then slots of eight words {sequence, seven of payload}.
//!
//! Neither side believes the other: an index that cannot be is an error, never an access out of
//! bounds. In an upward Ring there is no tail; the producer overwrites and the consumer counts what
//! it lost.

use core::sync::atomic::{AtomicU64, Ordering};

/// Words of payload in one message.
pub const SLOT_WORDS: usize = 7;

const SLOT: usize = SLOT_WORDS + 1;
const INDEX: usize = 0;
const PARKED: usize = 1;

/// A shared word: the processor's own, or a checker's.
pub trait Word {
    /// Reads it.
    fn load(&self, order: Ordering) -> u64;
    /// Writes it.
    fn store(&self, value: u64, order: Ordering);
    /// Orders what comes before against what comes after.
    fn fence(order: Ordering);
}

impl Word for AtomicU64 {
    fn load(&self, order: Ordering) -> u64 {
        self.load(order)
    }

    fn store(&self, value: u64, order: Ordering) {
        self.store(value, order);
    }

    fn fence(order: Ordering) {
        core::sync::atomic::fence(order);
    }
}

/// Why nothing was pushed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PushError {
    /// The consumer has not popped enough.
    Full,
    /// The consumer's index cannot be: it is not to be trusted any more.
    PeerBroken,
}

/// Why nothing was popped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PopError {
    /// There is nothing.
    Empty,
    /// The producer's index cannot be: it is not to be trusted any more.
    PeerBroken,
}

/// The pushing end.
pub struct Producer<'a, W> {
    head: &'a [W],
    tail: Option<&'a [W]>,
    slots: &'a [W],
    at: u64,
    seen: u64,
}

/// The popping end.
pub struct Consumer<'a, W> {
    head: &'a [W],
    tail: Option<&'a [W]>,
    slots: &'a [W],
    at: u64,
    /// Messages that an upward Ring overwrote before they were popped.
    pub lost: u64,
}

fn capacity<W>(slots: &[W]) -> u64 {
    (slots.len() / SLOT) as u64
}

fn slot<W>(slots: &[W], at: u64) -> &[W] {
    let index = (at % capacity(slots)) as usize * SLOT;
    &slots[index..index + SLOT]
}

impl<'a, W: Word> Producer<'a, W> {
    /// Sees mapped pages as the pushing end. Without a tail the Ring is upward.
    pub fn new(head: &'a [W], tail: Option<&'a [W]>, slots: &'a [W]) -> Self {
        let at = head[INDEX].load(Ordering::Relaxed);
        Self { head, tail, slots, at, seen: at.saturating_sub(capacity(slots)) }
    }

    /// Pushes one message. Returns whether the consumer is parked, so that its bell is to be rung.
    pub fn push(&mut self, message: &[u64; SLOT_WORDS]) -> Result<bool, PushError> {
        match self.tail {
            Some(tail) => self.wait_free_credit(tail)?,
            None => {
                // Odd while it is being written, so that the consumer knows a torn message.
                slot(self.slots, self.at)[0].store(self.at * 2 + 1, Ordering::Relaxed);
                W::fence(Ordering::Release);
            }
        }
        let place = slot(self.slots, self.at);
        for (word, value) in place[1..].iter().zip(message) {
            word.store(*value, Ordering::Relaxed);
        }
        if self.tail.is_none() {
            place[0].store(self.at * 2 + 2, Ordering::Release);
        }
        self.at = self.at.wrapping_add(1);
        self.head[INDEX].store(self.at, Ordering::Release);
        // The one fence: the head is visible before the flag is read, as the consumer's flag is
        // before it reads the head. One of the two sees the other.
        W::fence(Ordering::SeqCst);
        Ok(match self.tail {
            Some(tail) => tail[PARKED].load(Ordering::Relaxed) != 0,
            None => true,
        })
    }

    /// Makes sure that a slot is free.
    fn wait_free_credit(&mut self, tail: &[W]) -> Result<(), PushError> {
        let capacity = capacity(self.slots);
        if self.at.wrapping_sub(self.seen) < capacity {
            return Ok(());
        }
        let popped = tail[INDEX].load(Ordering::Acquire);
        if self.at.wrapping_sub(popped) > capacity {
            return Err(PushError::PeerBroken);
        }
        self.seen = popped;
        if self.at.wrapping_sub(popped) == capacity { Err(PushError::Full) } else { Ok(()) }
    }

    /// Says whether everything that was pushed has been popped. An upward Ring never tells.
    pub fn is_drained(&self) -> bool {
        self.tail.is_some_and(|tail| tail[INDEX].load(Ordering::Acquire) == self.at)
    }

    /// Says that this side will wait for its bell. Returns whether it really must: a slot may have
    /// become free meanwhile.
    pub fn park(&mut self) -> bool {
        self.head[PARKED].store(1, Ordering::Relaxed);
        W::fence(Ordering::SeqCst);
        match self.tail {
            Some(tail) => self.wait_free_credit(tail) == Err(PushError::Full),
            None => false,
        }
    }

    /// Says that this side is awake.
    pub fn unpark(&mut self) {
        self.head[PARKED].store(0, Ordering::Relaxed);
    }
}

impl<'a, W: Word> Consumer<'a, W> {
    /// Sees mapped pages as the popping end. Without a tail the Ring is upward.
    pub fn new(head: &'a [W], tail: Option<&'a [W]>, slots: &'a [W]) -> Self {
        let at = tail.map_or(0, |tail| tail[INDEX].load(Ordering::Relaxed));
        Self { head, tail, slots, at, lost: 0 }
    }

    /// Pops one message. The flag says whether the producer is parked.
    pub fn pop(&mut self) -> Result<([u64; SLOT_WORDS], bool), PopError> {
        match self.tail {
            Some(tail) => self.pop_credit(tail),
            None => self.pop_upward().map(|message| (message, false)),
        }
    }

    fn pop_credit(&mut self, tail: &[W]) -> Result<([u64; SLOT_WORDS], bool), PopError> {
        let pushed = self.head[INDEX].load(Ordering::Acquire);
        let waiting = pushed.wrapping_sub(self.at);
        if waiting == 0 {
            return Err(PopError::Empty);
        }
        if waiting > capacity(self.slots) {
            return Err(PopError::PeerBroken);
        }
        let message = self.read();
        self.at = self.at.wrapping_add(1);
        tail[INDEX].store(self.at, Ordering::Release);
        W::fence(Ordering::SeqCst);
        Ok((message, self.head[PARKED].load(Ordering::Relaxed) != 0))
    }

    fn read(&self) -> [u64; SLOT_WORDS] {
        let place = slot(self.slots, self.at);
        let mut message = [0; SLOT_WORDS];
        for (value, word) in message.iter_mut().zip(&place[1..]) {
            *value = word.load(Ordering::Relaxed);
        }
        message
    }

    /// Tries once round the Ring: a producer that is always faster makes this return `Empty`.
    fn pop_upward(&mut self) -> Result<[u64; SLOT_WORDS], PopError> {
        let capacity = capacity(self.slots);
        for _ in 0..capacity {
            let pushed = self.head[INDEX].load(Ordering::Acquire);
            let waiting = pushed.wrapping_sub(self.at);
            if waiting == 0 {
                return Err(PopError::Empty);
            }
            if waiting > 1 << 63 {
                return Err(PopError::PeerBroken);
            }
            if waiting > capacity {
                self.lost = self.lost.wrapping_add(waiting - capacity);
                self.at = pushed.wrapping_sub(capacity);
            }
            let want = self.at.wrapping_mul(2).wrapping_add(2);
            let place = slot(self.slots, self.at);
            let before = place[0].load(Ordering::Acquire);
            let message = self.read();
            W::fence(Ordering::Acquire);
            let after = place[0].load(Ordering::Relaxed);
            self.at = self.at.wrapping_add(1);
            if before == want && after == want {
                return Ok(message);
            }
            self.lost = self.lost.wrapping_add(1);
        }
        Err(PopError::Empty)
    }

    /// Says that this side will wait for its bell. Returns whether it really must: a message may
    /// have come meanwhile.
    pub fn park(&mut self) -> bool {
        if let Some(tail) = self.tail {
            tail[PARKED].store(1, Ordering::Relaxed);
        }
        W::fence(Ordering::SeqCst);
        self.head[INDEX].load(Ordering::Acquire) == self.at
    }

    /// Says that this side is awake.
    pub fn unpark(&mut self) {
        if let Some(tail) = self.tail {
            tail[PARKED].store(0, Ordering::Relaxed);
        }
    }
}
