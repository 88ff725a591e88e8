//! The server: one thread for connections, others for files.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};
use hyper::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, HeaderValue};
use hyper::service::Service;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::{Notify, Semaphore};
use vigil_base::{Blame, Blamed};

use crate::log::{Answer, LogFolder};

/// Connections that are open at once; others wait.
const CONNECTIONS_MAX: usize = 256;
/// How long the head of a request may take to arrive.
const HEAD_TIME: Duration = Duration::from_secs(10);
/// How long a connection may last, idle or not.
const CONNECTION_TIME: Duration = Duration::from_secs(300);
/// Longest head of a request, in bytes.
const HEAD_BYTES_MAX: usize = 8 << 10;
/// How long open connections may go on after the last answer that was asked for.
const FAREWELL_TIME: Duration = Duration::from_secs(1);
/// How long to wait when the system has no room for another connection.
const CROWDED_PAUSE: Duration = Duration::from_millis(50);

/// How to serve.
#[derive(Clone, Copy, Debug)]
pub struct ServeOptions {
    /// Where to listen; port 0 takes any that is free.
    pub listen: SocketAddr,
    /// Stop after so many answers; `None` to go on for ever.
    pub answers: Option<u64>,
}

/// Why nothing can be served.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// The address cannot be listened on.
    #[error("could not listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The system gave no means to wait for connections.
    #[error("could not wait for connections")]
    Wait(#[source] io::Error),
}

impl Blamed for ServeError {
    fn blame(&self) -> Blame {
        Blame::World
    }
}

/// Serves a log. `ready` is told where, before the first connection is taken.
///
/// # Errors
/// Fails if the address cannot be listened on; what goes wrong with a connection costs only that.
pub fn serve(
    folder: LogFolder,
    options: ServeOptions,
    ready: &mut dyn FnMut(SocketAddr),
) -> Result<(), ServeError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(ServeError::Wait)?;
    let address = options.listen;
    runtime.block_on(async {
        let listener = TcpListener::bind(address)
            .await
            .map_err(|source| ServeError::Listen { address, source })?;
        ready(listener.local_addr().map_err(ServeError::Wait)?);
        accept(listener, Reader::new(folder, options.answers)).await;
        Ok(())
    })
}

async fn accept(listener: TcpListener, reader: Reader) {
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let done = reader.done.clone();
    loop {
        let Ok(permit) = room.clone().acquire_owned().await else { return };
        let mut ended = pin!(done.notified());
        let next = poll_fn(|context| match ended.as_mut().poll(context) {
            Poll::Ready(()) => Poll::Ready(None),
            Poll::Pending => listener.poll_accept(context).map(Some),
        });
        let stream = match next.await {
            None => break,
            Some(Ok((stream, _))) => stream,
            Some(Err(_)) => {
                tokio::time::sleep(CROWDED_PAUSE).await;
                continue;
            }
        };
        let reader = reader.clone();
        tokio::spawn(async move {
            let mut server = hyper::server::conn::http1::Builder::new();
            server.timer(TokioTimer::new()).header_read_timeout(HEAD_TIME);
            server.max_buf_size(HEAD_BYTES_MAX);
            let connection = server.serve_connection(TokioIo::new(stream), reader);
            // A connection that breaks is the other side's loss, and one that lasts too long as well.
            let _ = tokio::time::timeout(CONNECTION_TIME, connection).await;
            drop(permit);
        });
    }
    // Those that are being answered get the rest of their answers.
    let all = u32::try_from(CONNECTIONS_MAX).unwrap_or(u32::MAX);
    let _ = tokio::time::timeout(FAREWELL_TIME, room.acquire_many(all)).await;
}

/// Answers requests, and counts them.
#[derive(Clone)]
struct Reader {
    folder: LogFolder,
    left: Option<Arc<AtomicU64>>,
    done: Arc<Notify>,
}

impl Reader {
    fn new(folder: LogFolder, answers: Option<u64>) -> Self {
        let left = answers.map(|answers| Arc::new(AtomicU64::new(answers)));
        let done = Arc::new(Notify::new());
        if answers == Some(0) {
            done.notify_one();
        }
        Self { folder, left, done }
    }

    fn count(&self) {
        let Some(left) = &self.left else { return };
        if left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1)) == Ok(1) {
            self.done.notify_one();
        }
    }
}

impl Service<Request<Incoming>> for Reader {
    type Response = Response<Whole>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let this = self.clone();
        Box::pin(async move {
            let is_head = request.method() == Method::HEAD;
            let answer = if is_head || request.method() == Method::GET {
                let (folder, path) = (this.folder.clone(), request.uri().path().to_owned());
                let read = tokio::task::spawn_blocking(move || folder.answer(&path)).await;
                // Whoever panicked has said so; the others go on.
                read.unwrap_or_else(|_| Answer::broken())
            } else {
                Answer::not_allowed()
            };
            this.count();
            Ok(response(answer, is_head))
        })
    }
}

fn response(answer: Answer, is_head: bool) -> Response<Whole> {
    let len = answer.body.len();
    let body = if is_head { Vec::new() } else { answer.body };
    let mut response = Response::new(Whole(Some(Bytes::from(body))));
    *response.status_mut() =
        StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(answer.media_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static(answer.cache));
    headers.insert(CONTENT_LENGTH, HeaderValue::from(len));
    response
}

/// A body that is there at once.
struct Whole(Option<Bytes>);

impl Body for Whole {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let bytes = self.0.take().filter(|bytes| !bytes.is_empty());
        Poll::Ready(bytes.map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.as_ref().is_none_or(Bytes::is_empty)
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.0.as_ref().map_or(0, |bytes| bytes.len() as u64))
    }
}
