//! A store in a folder of its own, a kernel over it, and tables to put there.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use datafusion::arrow::datatypes::SchemaRef;
use datafusion::arrow::ipc::writer::FileWriter;
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::parquet::arrow::ArrowWriter;
use vigil_base::world::{Clock, Moment, Randomness, RandomnessError};
use vigil_base::{Entry, EntryKind, EntryName, Tree, Vcid};
use vigil_kernel::engine::EngineOptions;
use vigil_kernel::{
    Blobs, Body, Call, Context, Endpoint, Grammar, Host, HostFault, Kernel, Label, MediaType,
    Memory, OfMachines, Owner, Produced, Reason, Refusal, Representation, Request, Serving, Space,
    parse_pipeline,
};
use vigil_query::{Engine, Query, QueryError, Reading, Settings, Source, Table};
use vigil_store::{FolderDisk, Options, Store, World};

const TREE_TYPE: &str = "application/vnd.vigil.tree";

struct Still;

impl Clock for Still {
    fn now(&self) -> Moment {
        Moment(0)
    }
}

impl Randomness for Still {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), RandomnessError> {
        bytes.fill(7);
        Ok(())
    }
}

/// A folder that is removed at the end.
pub struct Folder(pub PathBuf);

impl Folder {
    pub fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("query-{}-{count}", std::process::id());
        let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
        std::fs::create_dir_all(&path).expect("the test has a folder");
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).expect("the folder is the test's own");
    }
}

/// A store, and the blobs of a kernel over it.
pub struct Shelf {
    pub store: Store,
    pub folder: Folder,
}

/// Keeps a kernel's blobs in a store.
struct Kept(Store);

impl Blobs for Kept {
    fn put(&self, bytes: &[u8]) -> Result<Vcid, HostFault> {
        Ok(put(&self.0, bytes))
    }

    fn get(&self, vcid: Vcid) -> Result<Option<Arc<[u8]>>, HostFault> {
        Ok(self.0.read(vcid).ok().map(Into::into))
    }

    fn size(&self, vcid: Vcid) -> Result<Option<u64>, HostFault> {
        Ok(self.0.find(vcid).ok().map(|blob| blob.len()))
    }
}

fn put(store: &Store, bytes: &[u8]) -> Vcid {
    let writer = store.writer().expect("the store takes it");
    let vcid = writer.put(bytes).expect("the store takes it");
    writer.finish().expect("the store takes it");
    vcid
}

impl Shelf {
    pub fn new() -> Self {
        let folder = Folder::new();
        let disk = Arc::new(FolderDisk::new(folder.0.join("store")));
        let world = World { disk, clock: Arc::new(Still), randomness: Arc::new(Still) };
        let store = Store::open(world, Options::default()).expect("the store opens");
        Self { store, folder }
    }

    /// Stores bytes.
    pub fn put(&self, bytes: &[u8]) -> Vcid {
        put(&self.store, bytes)
    }

    /// Stores a tree; names may have slashes.
    pub fn put_tree(&self, files: &[(&str, Vec<u8>)]) -> Vcid {
        let mut below: BTreeMap<&str, Vec<(&str, Vec<u8>)>> = BTreeMap::new();
        let mut entries = Vec::new();
        let entry = |name: &str, kind, vcid| {
            let name = EntryName::new(name).expect("it is a name");
            Entry { name, kind, vcid }
        };
        for (name, bytes) in files {
            match name.split_once('/') {
                Some((folder, rest)) => {
                    below.entry(folder).or_default().push((rest, bytes.clone()));
                }
                None => entries.push(entry(name, EntryKind::File, self.put(bytes))),
            }
        }
        for (folder, files) in below {
            entries.push(entry(folder, EntryKind::Tree, self.put_tree(&files)));
        }
        self.put(&Tree::new(entries).expect("the names differ").encode())
    }

    /// Returns a table of a blob.
    pub fn table(&self, name: &str, vcid: Vcid) -> Source {
        self.source(name, vcid, "application/octet-stream")
    }

    /// Returns a table of a tree.
    pub fn folder_table(&self, name: &str, vcid: Vcid) -> Source {
        self.source(name, vcid, TREE_TYPE)
    }

    fn source(&self, name: &str, vcid: Vcid, media_type: &str) -> Source {
        let size = self.store.find(vcid).expect("it is there").len();
        let media_type = MediaType::new(media_type).expect("it is one");
        let found = Representation { vcid, media_type, size, label: Label::default() };
        Source { name: name.to_owned(), found, reading: Reading::default() }
    }

    /// Makes an engine.
    pub fn engine(&self, settings: Settings) -> Arc<Engine> {
        Arc::new(Engine::new(self.store.clone(), settings))
    }

    /// Makes a kernel with queries, and `ca://` for what is stored.
    pub fn kernel(&self, settings: Settings) -> Kernel {
        self.kernel_on("here", settings)
    }

    /// As [`Self::kernel`], on another machine; each believes the other.
    pub fn kernel_on(&self, machine: &str, settings: Settings) -> Kernel {
        let memory = Arc::new(Memory::default());
        let host = Host {
            blobs: Arc::new(Kept(self.store.clone())),
            traces: memory.clone(),
            roots: memory,
            clock: Arc::new(Still),
            policy: Arc::new(OfMachines(vec!["here".to_owned(), "there".to_owned()])),
            machine: machine.to_owned(),
            checks: BTreeMap::new(),
        };
        let kernel = Kernel::new(host, EngineOptions::default());
        let queries = vigil_query::space(&self.engine(settings)).expect("they do not overlap");
        let space = Space::new("test")
            .with(Arc::new(Content::new(self.store.clone())))
            .and_then(|space| space.import(Arc::new(queries)))
            .expect("they do not overlap");
        kernel.set_scope("test", space);
        kernel
    }
}

/// Resolves a pipeline.
pub fn resolve(kernel: &Kernel, pipeline: &str) -> Result<Representation, Refusal> {
    resolve_as(kernel, pipeline, None)
}

/// Resolves a pipeline to a media type.
pub fn resolve_as(
    kernel: &Kernel,
    pipeline: &str,
    wanted: Option<&str>,
) -> Result<Representation, Refusal> {
    let mut request = Request::source(parse_pipeline(pipeline).expect("it is a pipeline"));
    if let Some(wanted) = wanted {
        request = request.wanting(MediaType::new(wanted).expect("it is one"));
    }
    kernel.begin_run();
    kernel.engine().block_on(kernel.resolve(Arc::new(Owner), "test", request))
}

/// `ca://sha256:HEX` and `ca://sha256:HEX/PATH`: just enough of the node's own.
struct Content {
    store: Store,
    grammar: Grammar,
}

impl Content {
    fn new(store: Store) -> Self {
        let grammar = Grammar::new("ca://sha256:{content:rest}").expect("it is one");
        Self { store, grammar }
    }

    fn find(&self, text: &str) -> Option<(Vcid, bool)> {
        let (hex, path) = text.split_once('/').map_or((text, None), |(a, b)| (a, Some(b)));
        let mut here = (format!("sha256:{hex}").parse().ok()?, path.is_some());
        for name in path.unwrap_or_default().split('/').filter(|name| !name.is_empty()) {
            let tree = Tree::decode(&self.store.read(here.0).ok()?).ok()?;
            let name = vigil_base::percent_decode(name)?;
            let entry = tree.get(&EntryName::new(name).ok()?)?.clone();
            here = (entry.vcid, entry.kind == EntryKind::Tree);
        }
        Some(here)
    }
}

impl Endpoint for Content {
    fn name(&self) -> &str {
        "content"
    }

    fn help(&self) -> &str {
        "what is stored"
    }

    fn grammar(&self) -> &Grammar {
        &self.grammar
    }

    fn version(&self) -> Vcid {
        Vcid::of(b"content")
    }

    fn serve<'a>(&'a self, call: &'a Call, _: &'a Context<'a>) -> Serving<'a> {
        Box::pin(async move {
            let found = self.find(&call.parts["content"]);
            let (vcid, is_tree) =
                found.ok_or_else(|| Refusal::new(Reason::Absent, "there is no such thing"))?;
            let kind = if is_tree { TREE_TYPE } else { "application/octet-stream" };
            let media_type = MediaType::new(kind).expect("it is one");
            Ok(Produced { body: Body::Kept(vcid), media_type, label: Label::default() })
        })
    }
}

/// Waits for a future without a runtime of its own.
pub fn wait<T>(future: impl Future<Output = T>) -> T {
    struct Thread(std::thread::Thread);
    impl std::task::Wake for Thread {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Arc::new(Thread(std::thread::current())).into();
    let mut context = std::task::Context::from_waker(&waker);
    let mut future = std::pin::pin!(future);
    loop {
        match future.as_mut().poll(&mut context) {
            std::task::Poll::Ready(value) => return value,
            std::task::Poll::Pending => std::thread::park(),
        }
    }
}

/// Runs a query over tables.
pub fn run(
    engine: &Arc<Engine>,
    sql: &str,
    tables: &[(&str, Source)],
) -> Result<Table, QueryError> {
    let tables = tables.iter().map(|(name, source)| ((*name).to_owned(), source.clone())).collect();
    wait(engine.run(Query { sql: sql.to_owned(), tables, ..Query::default() }))
}

/// Renders rows as people see them.
pub fn text(table: &Table) -> String {
    vigil_query::render(&table.schema, &table.batches, usize::MAX).expect("it is a table").text
}

/// Writes batches as Parquet with small row groups.
pub fn parquet(schema: &SchemaRef, batches: &[RecordBatch]) -> Vec<u8> {
    let properties = datafusion::parquet::file::properties::WriterProperties::builder()
        .set_max_row_group_row_count(Some(1000))
        .set_data_page_row_count_limit(100)
        .set_write_batch_size(100)
        .build();
    let mut writer =
        ArrowWriter::try_new(Vec::new(), schema.clone(), Some(properties)).expect("it writes");
    batches.iter().for_each(|batch| writer.write(batch).expect("it writes"));
    writer.into_inner().expect("it writes")
}

/// Writes batches as an Arrow file.
pub fn arrow(schema: &SchemaRef, batches: &[RecordBatch]) -> Vec<u8> {
    let mut writer = FileWriter::try_new(Vec::new(), schema).expect("it writes");
    batches.iter().for_each(|batch| writer.write(batch).expect("it writes"));
    writer.into_inner().expect("it writes")
}
