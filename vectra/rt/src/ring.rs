//! Rings: one producer, one consumer, two index pages of which each side can write its own only.
//!
//! Layout, in words: head page {0: messages pushed, 1: producer is parked}, tail page {0: messages
//! popped, 1: consumer is parked}, then slots of eight words {sequence, seven of payload}.
//!
//! What is done for every message is inlined everywhere: called, it would cost half as much again.
//!
//! Neither side believes the other: an index that cannot be is an error, never an access out of
//! bounds. In an upward Ring there is no tail; the producer overwrites and the consumer counts what
//! it lost.

use core::sync::atomic::{AtomicU64, Ordering};

/// Words of payload in one message.
pub const SLOT_WORDS: usize = 7;

/// Words of one slot: a sequence number and the payload.
pub const SLOT: usize = SLOT_WORDS + 1;

const INDEX: usize = 0;
const PARKED: usize = 1;

/// A shared word: the processor's own, or a checker's.
pub trait Word: Sized {
    /// Reads it.
    fn load(&self, order: Ordering) -> u64;
    /// Writes it.
    fn store(&self, value: u64, order: Ordering);
    /// Orders what comes before against what comes after.
    fn fence(order: Ordering);

    /// Writes it before anything that [`Word::look`] reads afterwards: whoever announces something
    /// and then looks whether the other side has announced sees the other, or is seen by it.
    fn announce(&self, value: u64) {
        self.store(value, Ordering::Release);
        Self::fence(Ordering::SeqCst);
    }

    /// Reads what another side announces.
    fn look(&self) -> u64 {
        self.load(Ordering::Acquire)
    }

    /// Reads a slot's payload. Others may write it meanwhile: then any words may come out.
    #[inline]
    fn read(slot: &[Self; SLOT], message: &mut [u64; SLOT_WORDS]) {
        for (value, word) in message.iter_mut().zip(&slot[1..]) {
            *value = word.load(Ordering::Relaxed);
        }
    }

    /// Writes a slot's payload.
    #[inline]
    fn write(slot: &[Self; SLOT], message: &[u64; SLOT_WORDS]) {
        for (word, value) in slot[1..].iter().zip(message) {
            word.store(*value, Ordering::Relaxed);
        }
    }
}

impl Word for AtomicU64 {
    #[inline]
    fn load(&self, order: Ordering) -> u64 {
        self.load(order)
    }

    #[inline]
    fn store(&self, value: u64, order: Ordering) {
        self.store(value, order);
    }

    #[inline]
    fn fence(order: Ordering) {
        core::sync::atomic::fence(order);
    }

    // All announcements and looks have one order; on x86_64 that is one exchange and a plain load,
    // which is less than a fence.
    #[inline]
    fn announce(&self, value: u64) {
        self.store(value, Ordering::SeqCst);
    }

    #[inline]
    fn look(&self) -> u64 {
        self.load(Ordering::SeqCst)
    }

    #[cfg(target_arch = "x86_64")]
    #[inline]
    fn read(slot: &[Self; SLOT], message: &mut [u64; SLOT_WORDS]) {
        crate::memory::read_payload(slot, message);
    }

    #[cfg(target_arch = "x86_64")]
    #[inline]
    fn write(slot: &[Self; SLOT], message: &[u64; SLOT_WORDS]) {
        crate::memory::write_payload(slot, message);
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
///
/// [`Producer::push`] is [`Producer::fill`] and [`Producer::publish`]; who has several messages fills
/// them all and publishes once.
pub struct Producer<'a, W> {
    head: &'a [W; 2],
    tail: Option<&'a [W; 2]>,
    slots: &'a [[W; SLOT]],
    /// Messages filled.
    at: u64,
    /// Messages that may be filled before the tail has to be read again.
    limit: u64,
}

/// The popping end.
///
/// [`Consumer::pop`] is [`Consumer::take`] and [`Consumer::release`]; who wants several messages takes
/// them all and releases once.
pub struct Consumer<'a, W> {
    head: &'a [W; 2],
    tail: Option<&'a [W; 2]>,
    slots: &'a [[W; SLOT]],
    /// Messages taken.
    at: u64,
    /// Messages released.
    released: u64,
    /// Messages that may be taken before the head has to be read again.
    seen: u64,
    /// So many are given back together.
    quarter: u64,
    /// Messages that an upward Ring overwrote before they were popped.
    pub lost: u64,
}

/// Sees the start of a page as its two words, and the data pages as slots.
///
/// Panics unless the slots are a power of two and the page holds two words.
fn parts<'a, W>(
    head: &'a [W],
    tail: Option<&'a [W]>,
    slots: &'a [W],
) -> (&'a [W; 2], Option<&'a [W; 2]>, &'a [[W; SLOT]]) {
    let words = |page: &'a [W]| match page.first_chunk() {
        Some(words) => words,
        None => panic!("an index page has two words"),
    };
    let (slots, _) = slots.as_chunks();
    assert!(slots.len().is_power_of_two(), "slots are a power of two");
    (words(head), tail.map(words), slots)
}

impl<'a, W: Word> Producer<'a, W> {
    /// Sees mapped pages as the pushing end. Without a tail the Ring is upward.
    ///
    /// Panics unless the slots are a power of two and the pages hold two words.
    pub fn new(head: &'a [W], tail: Option<&'a [W]>, slots: &'a [W]) -> Self {
        let (head, tail, slots) = parts(head, tail, slots);
        let at = head[INDEX].load(Ordering::Relaxed);
        // Nothing is known of the tail yet, so it is read before the first message.
        Self { head, tail, slots, at, limit: at }
    }

    #[inline]
    fn capacity(&self) -> u64 {
        self.slots.len() as u64
    }

    #[inline(always)]
    fn slot(&self) -> &'a [W; SLOT] {
        &self.slots[self.at as usize & (self.slots.len() - 1)]
    }

    /// Pushes one message. Returns whether the consumer is parked, so that its bell is to be rung.
    #[inline(always)]
    pub fn push(&mut self, message: &[u64; SLOT_WORDS]) -> Result<bool, PushError> {
        self.fill(message)?;
        Ok(self.publish())
    }

    /// Writes one message, which the consumer cannot see before it is published.
    #[inline(always)]
    pub fn fill(&mut self, message: &[u64; SLOT_WORDS]) -> Result<(), PushError> {
        let Some(tail) = self.tail else {
            self.fill_upward(message);
            return Ok(());
        };
        if self.at == self.limit {
            self.find_room(tail)?;
        }
        W::write(self.slot(), message);
        self.at = self.at.wrapping_add(1);
        Ok(())
    }

    fn fill_upward(&mut self, message: &[u64; SLOT_WORDS]) {
        let place = self.slot();
        // Odd while it is being written, so that the consumer knows a torn message.
        place[0].store(self.at.wrapping_mul(2).wrapping_add(1), Ordering::Relaxed);
        W::fence(Ordering::Release);
        W::write(place, message);
        place[0].store(self.at.wrapping_mul(2).wrapping_add(2), Ordering::Release);
        self.at = self.at.wrapping_add(1);
    }

    /// Shows the consumer all that was filled. Returns whether its bell is to be rung.
    #[inline(always)]
    pub fn publish(&mut self) -> bool {
        // The head is announced before the flag is read, as the consumer's flag is before it reads
        // the head. One of the two sees the other.
        self.head[INDEX].announce(self.at);
        self.tail.is_none_or(|tail| tail[PARKED].look() != 0)
    }

    /// Reads the tail: how far may be filled.
    #[cold]
    fn find_room(&mut self, tail: &[W; 2]) -> Result<(), PushError> {
        let popped = tail[INDEX].look();
        let waiting = self.at.wrapping_sub(popped);
        if waiting > self.capacity() {
            return Err(PushError::PeerBroken);
        }
        self.limit = popped.wrapping_add(self.capacity());
        if waiting == self.capacity() { Err(PushError::Full) } else { Ok(()) }
    }

    /// Says whether everything that was pushed has been popped. An upward Ring never tells.
    pub fn is_drained(&self) -> bool {
        self.tail.is_some_and(|tail| tail[INDEX].load(Ordering::Acquire) == self.at)
    }

    /// Says that this side will wait for its bell. Returns whether it really must: a slot may have
    /// become free meanwhile.
    pub fn park(&mut self) -> bool {
        self.head[PARKED].announce(1);
        match self.tail {
            Some(tail) => self.at == self.limit && self.find_room(tail) == Err(PushError::Full),
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
    ///
    /// Panics unless the slots are a power of two and the pages hold two words.
    pub fn new(head: &'a [W], tail: Option<&'a [W]>, slots: &'a [W]) -> Self {
        let (head, tail, slots) = parts(head, tail, slots);
        let at = tail.map_or(0, |tail| tail[INDEX].load(Ordering::Relaxed));
        let quarter = (slots.len() as u64 / 4).max(1);
        Self { head, tail, slots, at, released: at, seen: at, quarter, lost: 0 }
    }

    #[inline(always)]
    fn slot(&self) -> &'a [W; SLOT] {
        &self.slots[self.at as usize & (self.slots.len() - 1)]
    }

    /// Pops one message. The flag says whether the producer is parked and has slots again, so that
    /// its bell is to be rung.
    #[inline]
    pub fn pop(&mut self) -> Result<([u64; SLOT_WORDS], bool), PopError> {
        let mut message = [0; SLOT_WORDS];
        let parked = self.pop_into(&mut message)?;
        Ok((message, parked))
    }

    /// Pops one message to where it is wanted, which saves moving it. Returns whether the producer's
    /// bell is to be rung. Slots are given back together: by the quarter of the Ring, and all of them
    /// when it is found empty.
    #[inline(always)]
    pub fn pop_into(&mut self, message: &mut [u64; SLOT_WORDS]) -> Result<bool, PopError> {
        self.take(message)?;
        Ok(self.at.wrapping_sub(self.released) >= self.quarter && self.release())
    }

    /// Reads the next message, whose slot the producer does not get back before it is released, or
    /// the Ring found empty.
    #[inline(always)]
    pub fn take(&mut self, message: &mut [u64; SLOT_WORDS]) -> Result<(), PopError> {
        if self.tail.is_none() {
            return self.take_upward(message);
        }
        if self.at == self.seen {
            self.find_messages()?;
        }
        W::read(self.slot(), message);
        self.at = self.at.wrapping_add(1);
        Ok(())
    }

    /// Gives the producer back all slots that were read. Returns whether it is parked.
    #[inline(always)]
    pub fn release(&mut self) -> bool {
        let Some(tail) = self.tail else { return false };
        self.released = self.at;
        tail[INDEX].announce(self.at);
        self.head[PARKED].look() != 0
    }

    /// Reads the head: how far may be read.
    #[inline(always)]
    fn find_messages(&mut self) -> Result<(), PopError> {
        let pushed = self.head[INDEX].look();
        let ahead = pushed.wrapping_sub(self.at);
        if ahead == 0 {
            self.release_rest();
            return Err(PopError::Empty);
        }
        // What is held and what is ahead together are what the producer may have filled.
        let held = self.at.wrapping_sub(self.released);
        if ahead > (self.slots.len() as u64).wrapping_sub(held) {
            return Err(PopError::PeerBroken);
        }
        self.seen = pushed;
        Ok(())
    }

    /// Gives back what is less than a quarter. Nobody has to be rung: a producer that sleeps has found
    /// the Ring full, and since then a quarter of it has been given back, with a bell.
    fn release_rest(&mut self) {
        if self.released != self.at {
            self.release();
        }
    }

    /// Tries once round the Ring: a producer that is always faster makes this return `Empty`.
    fn take_upward(&mut self, message: &mut [u64; SLOT_WORDS]) -> Result<(), PopError> {
        let capacity = self.slots.len() as u64;
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
            let place = self.slot();
            let before = place[0].load(Ordering::Acquire);
            W::read(place, message);
            W::fence(Ordering::Acquire);
            let after = place[0].load(Ordering::Relaxed);
            self.at = self.at.wrapping_add(1);
            if before == want && after == want {
                return Ok(());
            }
            self.lost = self.lost.wrapping_add(1);
        }
        Err(PopError::Empty)
    }

    /// Says that this side will wait for its bell. Returns whether it really must: a message may
    /// have come meanwhile.
    pub fn park(&mut self) -> bool {
        self.release_rest();
        match self.tail {
            Some(tail) => tail[PARKED].announce(1),
            None => W::fence(Ordering::SeqCst),
        }
        self.head[INDEX].look() == self.at
    }

    /// Says that this side is awake.
    pub fn unpark(&mut self) {
        if let Some(tail) = self.tail {
            tail[PARKED].store(0, Ordering::Relaxed);
        }
    }
}
