//! A thread that waits for the network, so that callers can be synchronous.
//!
//! Callers may be on threads of another runtime, where starting one of their own would not be
//! allowed; and uploads go on while the caller reads and encrypts the next part.

use std::future::Future;
use std::io;
use std::sync::mpsc;
use std::thread::JoinHandle;

use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;
use tokio::task;

pub(crate) struct Worker {
    handle: Handle,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Worker {
    pub fn start() -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::Builder::new().name("vigil-tier".into()).spawn(move || {
            // An error says that the other end is gone, which is the sign to stop too.
            let _ = runtime.block_on(stopped);
        })?;
        Ok(Self { handle, stop: Some(stop), thread: Some(thread) })
    }

    /// Runs `future` on the thread, and waits for it.
    pub fn run<T: Send + 'static>(&self, future: impl Future<Output = T> + Send + 'static) -> T {
        let (sender, receiver) = mpsc::sync_channel(1);
        self.handle.spawn(async move {
            // The receiver is the caller, who waits for nothing else.
            let _ = sender.send(future.await);
        });
        receiver.recv().expect("the worker's thread lives as long as the worker, and tasks end")
    }

    /// Starts `future` on the thread.
    pub fn spawn<T: Send + 'static>(
        &self,
        future: impl Future<Output = T> + Send + 'static,
    ) -> task::JoinHandle<T> {
        self.handle.spawn(future)
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // It has nothing to report; what panicked there has been reported by `run`.
            let _ = thread.join();
        }
    }
}
