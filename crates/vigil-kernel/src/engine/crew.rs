//! Hands for work that can be split: how the graph borrows threads without knowing any.

/// Does several pieces of work, perhaps at once, and returns when all are done.
pub trait Crew: Send + Sync {
    /// Returns into how many pieces it is worth splitting work.
    fn width(&self) -> usize;

    /// Does every piece.
    fn run(&self, pieces: &mut [&mut (dyn FnMut() + Send)]);
}

/// Does the pieces one after another on the calling thread.
#[derive(Clone, Copy, Debug, Default)]
pub struct Alone;

impl Crew for Alone {
    fn width(&self) -> usize {
        1
    }

    fn run(&self, pieces: &mut [&mut (dyn FnMut() + Send)]) {
        pieces.iter_mut().for_each(|piece| piece());
    }
}

/// Does each piece on a thread of its own that ends with it.
///
/// Starting a thread takes some 20 µs, so callers split only what takes milliseconds.
#[derive(Clone, Copy, Debug)]
pub struct Threads(pub usize);

impl Crew for Threads {
    fn width(&self) -> usize {
        self.0.max(1)
    }

    fn run(&self, pieces: &mut [&mut (dyn FnMut() + Send)]) {
        let Some((first, rest)) = pieces.split_first_mut() else { return };
        std::thread::scope(|scope| {
            for piece in rest {
                scope.spawn(piece);
            }
            first();
        });
    }
}
