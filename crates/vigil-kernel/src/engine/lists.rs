//! Many short lists of pairs in one block of memory.
//!
//! A graph of a million nodes has two million edge lists, most of them a few items long. One heap
//! block each would cost more than the items, so all lists lie in one `Vec<u32>`, in runs whose
//! capacity is one of a fixed row of sizes; a run that was given up is taken by the next list of its
//! size.
//!
//! Invariants:
//! - a list's items lie together: first all first halves, then all second halves, so that a walk over
//!   the first halves reads four bytes per item;
//! - no two live lists share a word.

/// Where one list lies. The empty list takes no memory.
#[derive(Clone, Copy, Debug, Default)]
pub struct List {
    start: u32,
    /// The size class in the upper six bits, the length in the lower 26.
    class_and_len: u32,
}

/// Most items of one list: what 26 bits can count.
pub const LIST_ITEMS_MAX: usize = (1 << 26) - 1;

const LEN_BITS: u32 = 26;

impl List {
    /// Returns how many items there are.
    pub fn len(self) -> usize {
        (self.class_and_len & ((1 << LEN_BITS) - 1)) as usize
    }

    fn class(self) -> usize {
        (self.class_and_len >> LEN_BITS) as usize
    }

    fn capacity(self) -> usize {
        capacity(self.class())
    }

    fn with_len(self, len: usize) -> Self {
        Self { class_and_len: (self.class() as u32) << LEN_BITS | len as u32, ..self }
    }
}

/// Capacities: 0, 1, 2, 3, 4, 6, 8, 12, 16, …: at most a third of a run lies idle.
fn capacity(class: usize) -> usize {
    match class {
        0..=3 => class,
        _ if class.is_multiple_of(2) => 1 << (class / 2),
        _ => 3 << (class / 2 - 1),
    }
}

/// Returns the smallest class that holds `len` items.
fn class_for(len: usize) -> usize {
    if len <= 3 {
        return len;
    }
    let log = (usize::BITS - (len - 1).leading_zeros()) as usize;
    // 2^(log-1) < len <= 2^log; three quarters of 2^log is the class below.
    if len <= 3 << (log - 2) { 2 * log - 1 } else { 2 * log }
}

/// The block that lists lie in.
#[derive(Debug, Default)]
pub struct Lists {
    words: Vec<u32>,
    /// For each class, the starts of runs that no list uses.
    free: Vec<Vec<u32>>,
}

impl Lists {
    /// Returns the first halves.
    pub fn firsts(&self, list: List) -> &[u32] {
        &self.words[list.start as usize..][..list.len()]
    }

    /// Returns the pair at `index`.
    pub fn pair(&self, list: List, index: usize) -> (u32, u32) {
        let at = list.start as usize + index;
        (self.words[at], self.words[at + list.capacity()])
    }

    /// Replaces the second half of the pair at `index`.
    pub fn set_second(&mut self, list: List, index: usize, second: u32) {
        let at = list.start as usize + index + list.capacity();
        self.words[at] = second;
    }

    /// Returns a list of `len` pairs of zeros that begins at `next`, and moves that behind it; `None`
    /// where there is no room. The block has it once it was grown.
    pub fn lay(next: &mut usize, len: usize) -> Option<List> {
        if len > LIST_ITEMS_MAX {
            return None;
        }
        let class = class_for(len);
        let start = if len == 0 { 0 } else { u32::try_from(*next).ok()? };
        *next += 2 * capacity(class);
        Some(List { start, class_and_len: (class as u32) << LEN_BITS }.with_len(len))
    }

    /// Makes a block of so many zeros, for lists that were laid in it.
    pub fn zeros(words: usize) -> Self {
        Self { words: vec![0; words], free: Vec::new() }
    }

    /// Returns whether no list was ever made in it.
    pub fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    /// Replaces the pair at `index`.
    pub fn set(&mut self, list: List, index: usize, (first, second): (u32, u32)) {
        self.words[list.start as usize + index] = first;
        self.set_second(list, index, second);
    }

    /// Makes a list of `len` pairs of zeros.
    fn allocate(&mut self, class: usize) -> List {
        let words = 2 * capacity(class);
        let class_and_len = (class as u32) << LEN_BITS;
        if words == 0 {
            return List::default();
        }
        if let Some(start) = self.free.get_mut(class).and_then(Vec::pop) {
            return List { start, class_and_len };
        }
        // A full block of 2^32 words is 16 GiB of edges; nothing that large is worth continuing.
        let start = u32::try_from(self.words.len()).expect("a graph has at most 2^32 edge words");
        self.words.resize(self.words.len() + words, 0);
        List { start, class_and_len }
    }

    /// Gives up a list.
    pub fn release(&mut self, list: List) {
        let class = list.class();
        if class == 0 {
            return;
        }
        if self.free.len() <= class {
            self.free.resize_with(class + 1, Vec::new);
        }
        self.free[class].push(list.start);
    }

    /// Makes a list of the pairs.
    pub fn make(&mut self, pairs: impl ExactSizeIterator<Item = (u32, u32)>) -> List {
        assert!(pairs.len() <= LIST_ITEMS_MAX, "a node has at most 2^26 - 1 edges");
        let list = self.allocate(class_for(pairs.len())).with_len(pairs.len());
        for (index, pair) in pairs.enumerate() {
            self.set(list, index, pair);
        }
        list
    }

    /// Moves a list to a run of another class.
    fn refit(&mut self, list: List, class: usize) -> List {
        let to = self.allocate(class).with_len(list.len());
        for index in 0..list.len() {
            let pair = self.pair(list, index);
            self.set(to, index, pair);
        }
        self.release(list);
        to
    }

    /// Adds a pair at the end and returns its index.
    pub fn push(&mut self, list: &mut List, pair: (u32, u32)) -> usize {
        let index = list.len();
        assert!(index < LIST_ITEMS_MAX, "a node has at most 2^26 - 1 edges");
        if index == list.capacity() {
            *list = self.refit(*list, class_for(index + 1));
        }
        *list = list.with_len(index + 1);
        self.set(*list, index, pair);
        index
    }

    /// Removes the pair at `index`; the last one takes its place and is returned.
    pub fn swap_remove(&mut self, list: &mut List, index: usize) -> Option<(u32, u32)> {
        let last = list.len() - 1;
        let moved = (index != last).then(|| self.pair(*list, last));
        if let Some(pair) = moved {
            self.set(*list, index, pair);
        }
        *list = list.with_len(last);
        // Only far below its capacity does a list move, or lists at a boundary would move each time.
        if last <= list.capacity() / 4 {
            *list = self.refit(*list, class_for(last));
        }
        moved
    }

    /// Returns the bytes that the block takes.
    pub fn bytes(&self) -> usize {
        let free: usize = self.free.iter().map(|class| class.capacity() * 4).sum();
        self.words.capacity() * 4 + free
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn classes_rise_and_hold() {
        for len in 0..10_000 {
            let class = class_for(len);
            assert!(capacity(class) >= len, "class {class} does not hold {len}");
            assert!(class == 0 || capacity(class - 1) < len, "{len} fits below class {class}");
        }
    }

    #[derive(Clone, Debug)]
    enum Edit {
        Push(usize, u32),
        Remove(usize, usize),
        Replace(usize, usize),
    }

    fn edit() -> impl Strategy<Value = Edit> {
        prop_oneof![
            (0..8usize, any::<u32>()).prop_map(|(list, value)| Edit::Push(list, value)),
            (0..8usize, any::<usize>()).prop_map(|(list, index)| Edit::Remove(list, index)),
            (0..8usize, 0..40usize).prop_map(|(list, len)| Edit::Replace(list, len)),
        ]
    }

    proptest! {
        /// Eight lists in one block behave like eight vectors.
        #[test]
        fn like_vectors(edits in proptest::collection::vec(edit(), 0..400)) {
            let mut lists = Lists::default();
            let mut handles = [List::default(); 8];
            let mut model: [Vec<(u32, u32)>; 8] = Default::default();
            for edit in edits {
                match edit {
                    Edit::Push(list, value) => {
                        let index = lists.push(&mut handles[list], (value, !value));
                        prop_assert_eq!(index, model[list].len());
                        model[list].push((value, !value));
                    }
                    Edit::Remove(list, index) if !model[list].is_empty() => {
                        let index = index % model[list].len();
                        let moved = lists.swap_remove(&mut handles[list], index);
                        model[list].swap_remove(index);
                        prop_assert_eq!(moved, model[list].get(index).copied());
                    }
                    Edit::Remove(..) => {}
                    Edit::Replace(list, len) => {
                        lists.release(handles[list]);
                        model[list] = (0..len as u32).map(|index| (index, list as u32)).collect();
                        handles[list] = lists.make(model[list].iter().copied());
                    }
                }
                for (handle, want) in handles.iter().zip(&model) {
                    let firsts: Vec<u32> = want.iter().map(|pair| pair.0).collect();
                    prop_assert_eq!(lists.firsts(*handle), firsts);
                    for (index, pair) in want.iter().enumerate() {
                        prop_assert_eq!(lists.pair(*handle, index), *pair);
                    }
                }
            }
        }
    }
}
