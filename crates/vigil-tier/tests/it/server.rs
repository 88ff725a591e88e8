//! A real S3 server (`s3s-fs`) on a loopback port, in a thread of the test, whose plug can be pulled.

use std::future::Future;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use hyper::body::Incoming;
use hyper::service::Service;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use tokio::sync::oneshot;

pub const KEY_ID: &str = "AKIDVIGILTEST";
pub const SECRET_KEY: &str = "not/a+secret";
pub const BUCKET: &str = "plant7";

/// How many requests are still to be answered, and how.
#[derive(Default)]
struct Plug {
    /// Requests to answer with 503.
    busy: AtomicI64,
    /// Requests until connections break, while `is_counting`.
    left: AtomicI64,
    is_counting: std::sync::atomic::AtomicBool,
    /// Requests that came in.
    seen: AtomicI64,
}

impl Plug {
    fn is_pulled(&self) -> bool {
        self.is_counting.load(Ordering::SeqCst) && self.left.load(Ordering::SeqCst) <= 0
    }
}

pub struct Server {
    /// The folder with the server's files; an object is the file `bucket/key` in it.
    pub folder: tempfile::TempDir,
    pub address: SocketAddr,
    plug: Arc<Plug>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Server {
    pub fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::create_dir(folder.path().join(BUCKET)).expect("a bucket");
        let files = s3s_fs::FileSystem::new(folder.path()).expect("a file system");
        let mut builder = S3ServiceBuilder::new(files);
        builder.set_auth(SimpleAuth::from_single(KEY_ID, SECRET_KEY));
        let service = builder.build();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        listener.set_nonblocking(true).expect("a socket");
        let plug = Arc::<Plug>::default();
        let plugged = Plugged { service, plug: plug.clone() };
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let serve = serve(listener, plugged);
            runtime.expect("a runtime").block_on(async {
                // Whichever ends first: the server has no end of its own.
                tokio::select! { () = serve => (), _ = stopped => () }
            });
        });
        Self { folder, address, plug, stop: Some(stop), thread: Some(thread) }
    }

    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Answers the next `count` requests with 503.
    pub fn be_busy(&self, count: i64) {
        self.plug.busy.store(count, Ordering::SeqCst);
    }

    /// Breaks every connection after `count` more requests.
    pub fn pull_plug_after(&self, count: i64) {
        self.plug.left.store(count, Ordering::SeqCst);
        self.plug.is_counting.store(true, Ordering::SeqCst);
    }

    pub fn plug_in(&self) {
        self.plug.is_counting.store(false, Ordering::SeqCst);
    }

    /// Returns how many requests came in so far.
    pub fn seen(&self) -> i64 {
        self.plug.seen.load(Ordering::SeqCst)
    }

    pub fn object(&self, key: &str) -> PathBuf {
        self.folder.path().join(BUCKET).join(key)
    }

    /// Lists the names of the objects in a folder.
    pub fn objects(&self, folder: &str) -> Vec<String> {
        let Ok(entries) = std::fs::read_dir(self.object(folder)) else { return Vec::new() };
        let names = entries.map(|entry| entry.expect("an entry").file_name());
        let mut names: Vec<_> = names.map(|name| name.into_string().expect("text")).collect();
        names.sort();
        names
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            thread.join().expect("the server's thread does not panic");
        }
    }
}

async fn serve(listener: std::net::TcpListener, service: Plugged) {
    let listener = tokio::net::TcpListener::from_std(listener).expect("a socket");
    loop {
        let (socket, _) = listener.accept().await.expect("a connection");
        if service.plug.is_pulled() {
            continue;
        }
        let service = service.clone();
        tokio::spawn(async move {
            let server = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
            // A connection that breaks is what some of the tests are about.
            let _ = server.serve_connection(TokioIo::new(socket), service).await;
        });
    }
}

#[derive(Clone)]
struct Plugged {
    service: S3Service,
    plug: Arc<Plug>,
}

type Answer = Result<Response<s3s::Body>, Box<dyn std::error::Error + Send + Sync>>;

impl Service<Request<Incoming>> for Plugged {
    type Response = Response<s3s::Body>;
    type Error = Box<dyn std::error::Error + Send + Sync>;
    type Future = Pin<Box<dyn Future<Output = Answer> + Send>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let plug = self.plug.clone();
        plug.seen.fetch_add(1, Ordering::SeqCst);
        let is_pulled = plug.is_pulled();
        plug.left.fetch_sub(1, Ordering::SeqCst);
        let is_busy = plug.busy.fetch_sub(1, Ordering::SeqCst) > 0;
        let answer = Service::call(&self.service, request);
        Box::pin(async move {
            if is_pulled {
                return Err("the plug was pulled".into());
            }
            if is_busy {
                let busy = Response::builder().status(503).body(s3s::Body::empty());
                return Ok(busy.expect("a response"));
            }
            Ok(answer.await?)
        })
    }
}
