//! The engine: runs one query over tables that are bound, within its limits.
//!
//! Invariants:
//! - what it gives follows from the SQL and the bytes of the tables: threads, sizes of batches and limits
//!   decide whether there is an answer, never which;
//! - it writes nowhere but into the folder for spilling, whose files are gone when the query is.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::common::{DataFusionError, TableReference};
use datafusion::datasource::ViewTable;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::{FairSpillPool, MemoryPool, MemoryReservation};
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::execution::{FunctionRegistry as _, SessionState, SessionStateBuilder};
use datafusion::logical_expr::{LogicalPlan, ScalarUDF};
use datafusion::physical_optimizer::optimizer::PhysicalOptimizer;
use datafusion::physical_plan::execute_stream;
use datafusion::prelude::{SessionConfig, SessionContext};
use datafusion::sql::parser::Statement;
use futures_util::{FutureExt as _, StreamExt as _};
use tokio::sync::watch;
use vigil_store::Store;

use crate::budget::{Budget, Growing, Over};
use crate::canonical::{self, Canonical};
use crate::error::QueryError;
use crate::exact;
use crate::plan::{self, Allowed};
use crate::source::{self, Format, Objects, Opened, Source};
use crate::summary;
use crate::write::write_to;

/// How long work that was stopped may take to clear away what it has spilled.
const PATIENCE: Duration = Duration::from_secs(2);

/// Stack of each thread: enough for an expression of as many levels as a query may have words, most of
/// which is never touched.
const STACK_BYTES: usize = 64 << 20;

/// What a query may use. None of it shows in a result.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Most bytes of memory for one query.
    pub memory_bytes_max: usize,
    /// Most bytes on disk for one query.
    pub spill_bytes_max: u64,
    /// Where they go; nowhere if there is no such place.
    pub spill_folder: Option<PathBuf>,
    /// How long a query may take.
    pub time_max: Option<Duration>,
    /// How many threads work.
    pub threads: usize,
    /// Rows that are worked on at once.
    pub batch_rows: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            memory_bytes_max: 4 << 30,
            spill_bytes_max: 16 << 30,
            spill_folder: None,
            time_max: None,
            threads: std::thread::available_parallelism().map_or(1, usize::from),
            batch_rows: 8192,
        }
    }
}

/// What a query is made of.
#[derive(Clone, Debug, Default)]
pub struct Query {
    /// Its text.
    pub sql: String,
    /// Its tables by name.
    pub tables: BTreeMap<String, Source>,
    /// Its views by name, each after those that it stands on.
    pub views: Vec<(String, String)>,
    /// What it may ask of the world.
    pub allowed: Allowed,
}

/// What a query gives.
#[derive(Clone, Debug)]
pub struct Table {
    /// Its columns.
    pub schema: SchemaRef,
    /// Its rows, in canonical batches.
    pub batches: Vec<RecordBatch>,
    /// The files that were opened.
    pub opened: Vec<Opened>,
    /// Whether it says something about this run, so that it must not be kept.
    pub is_passing: bool,
    /// Counts for as long as the rows are held.
    held: Arc<MemoryReservation>,
}

/// Runs queries.
pub struct Engine {
    store: Store,
    settings: Settings,
    ready: OnceLock<Result<Ready, QueryError>>,
    stop: Stop,
}

/// Stops queries.
#[derive(Clone, Debug)]
pub struct Stop(Arc<watch::Sender<bool>>);

impl Stop {
    /// Stops what runs, and what is asked until [`Stop::clear`].
    pub fn set(&self) {
        self.0.send_replace(true);
    }

    /// Lets queries run again.
    pub fn clear(&self) {
        self.0.send_replace(false);
    }

    async fn asked(&self) {
        // The sender lives as long as the engine that waits.
        let _ = self.0.subscribe().wait_for(|is_set| *is_set).await;
    }
}

/// What the first query makes: most runs of the program have none.
struct Ready {
    runtime: Option<tokio::runtime::Runtime>,
    template: SessionState,
    /// Functions that ask the world: a query is given those that it may call.
    passing: Vec<Arc<ScalarUDF>>,
}

impl Drop for Ready {
    fn drop(&mut self) {
        // Whoever still spills must clear that away; but threads that are in the middle of something must not
        // hold up the end of the program for long, nor can one of them wait for itself.
        if let Some(runtime) = self.runtime.take() {
            match tokio::runtime::Handle::try_current() {
                Ok(_) => runtime.shutdown_background(),
                Err(_) => runtime.shutdown_timeout(PATIENCE),
            }
        }
    }
}

impl Ready {
    fn new(settings: &Settings) -> Result<Self, QueryError> {
        let world = |error: std::io::Error| QueryError::world(&error);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            // One more, for whoever watches the time.
            .worker_threads(settings.threads.max(1) + 1)
            .thread_stack_size(STACK_BYTES)
            .enable_time()
            .build()
            .map_err(world)?;
        let (template, passing) = template(settings).map_err(|error| QueryError::world(&error))?;
        Ok(Self { runtime: Some(runtime), template, passing })
    }
}

impl Engine {
    /// Makes an engine over a store; its threads start with the first query.
    pub fn new(store: Store, settings: Settings) -> Self {
        let stop = Stop(Arc::new(watch::Sender::new(false)));
        Self { store, settings, ready: OnceLock::new(), stop }
    }

    fn ready(&self) -> Result<&Ready, QueryError> {
        self.ready.get_or_init(|| Ready::new(&self.settings)).as_ref().map_err(Clone::clone)
    }

    /// Returns what stops the query that runs.
    pub fn stop(&self) -> Stop {
        self.stop.clone()
    }

    /// Fails once queries have been stopped: whoever gathers the inputs of one asks it.
    pub fn check_stop(&self) -> Result<(), QueryError> {
        if *self.stop.0.borrow() { Err(QueryError::Stopped) } else { Ok(()) }
    }

    /// Returns the names of the tables that a text refers to, in their order.
    pub fn references(&self, sql: &str) -> Result<Vec<String>, QueryError> {
        let failed = |error: DataFusionError| QueryError::of(&error, sql, None);
        plan::check_size(std::iter::once(sql)).map_err(failed)?;
        let template = &self.ready()?.template;
        let inner = summary::subject(sql);
        let statement = parse(template, inner.as_deref().unwrap_or(sql)).map_err(failed)?;
        let found = template.resolve_table_references(&statement).map_err(failed)?;
        let mut names: Vec<String> = Vec::new();
        for reference in found {
            let name = match &reference {
                TableReference::Bare { table } => table.to_string(),
                other => other.to_string(),
            };
            let is_function = template.table_functions().contains_key(&name);
            if !is_function && !names.contains(&name) {
                names.push(name);
            }
        }
        Ok(names)
    }

    /// Runs a query on the engine's threads. Dropping the future stops it.
    pub async fn run(self: &Arc<Self>, query: Query) -> Result<Table, QueryError> {
        let engine = self.clone();
        self.limited(|over| async move { engine.execute(&query, over).await }).await
    }

    /// Reads a whole table, its rows in the order in which they lie.
    pub async fn read(self: &Arc<Self>, source: Source) -> Result<Table, QueryError> {
        let engine = self.clone();
        self.limited(|over| async move { engine.read_table(&source, over).await }).await
    }

    /// Writes a result in a format.
    pub async fn write(
        self: &Arc<Self>,
        table: Table,
        format: Format,
    ) -> Result<Vec<u8>, QueryError> {
        let work = |over| async move {
            let failed = |error: DataFusionError| QueryError::of(&error, "", None);
            let mut bytes = Growing::beside(&table.held, over);
            write_to(&mut bytes, format, &table.schema, &table.batches)
                .map_err(|error| failed(DataFusionError::ArrowError(Box::new(error), None)))?;
            Ok(bytes.into_bytes())
        };
        self.limited(work).await
    }

    /// Returns the names and types of a table's columns, as lines.
    pub async fn schema(self: &Arc<Self>, source: Source) -> Result<String, QueryError> {
        let engine = self.clone();
        let work = |over| async move {
            let early = |error: DataFusionError| QueryError::of(&error, "", None);
            let (context, objects) = engine.context(1, Allowed::default(), over).map_err(early)?;
            let bound = guarded(&objects, source::bind(&context, &objects, 0, &source)).await?;
            let arrow = |error| early(DataFusionError::ArrowError(Box::new(error), None));
            let schema = canonical::plain_schema(&bound.schema()).map_err(arrow)?;
            Ok(source::file_schema(&schema))
        };
        self.limited(work).await
    }

    async fn read_table(&self, source: &Source, over: Over) -> Result<Table, QueryError> {
        let early = |error: DataFusionError| QueryError::of(&error, "", None);
        // One partition keeps the order.
        let (context, objects) = self.context(1, Allowed::default(), over).map_err(early)?;
        let read = async {
            let bound = source::bind(&context, &objects, 0, source).await?;
            let failed = |error: DataFusionError| QueryError::of(&error, "", Some(&objects));
            let plan = context.read_table(bound).map_err(failed)?.into_unoptimized_plan();
            let plan = context.state().optimize(&plan).map_err(failed)?;
            self.finish(&context, plan, &objects, false).await.map_err(failed)
        };
        guarded(&objects, read).await
    }

    /// Runs work on the engine's threads, for as long as it may take.
    async fn limited<T: Send + 'static, F>(
        self: &Arc<Self>,
        work: impl FnOnce(Over) -> F,
    ) -> Result<T, QueryError>
    where
        F: Future<Output = Result<T, QueryError>> + Send + 'static,
    {
        let Some(runtime) = &self.ready()?.runtime else { return Err(QueryError::Stopped) };
        let engine = self.clone();
        let over = Over::default();
        let work = runtime.spawn(work(over.clone()));
        let stopper = StopOnDrop(work.abort_handle(), over.clone());
        // A task of its own: the work may be long without looking up.
        let guard = runtime.spawn(async move {
            let limit = engine.settings.time_max;
            let late = async {
                match limit {
                    Some(limit) => tokio::time::sleep(limit).await,
                    None => std::future::pending().await,
                }
            };
            let mut work = work;
            let why = tokio::select! {
                result = &mut work => {
                    return result.unwrap_or_else(|error| Err(broken_off(&error)));
                }
                () = late => QueryError::Late { limit: limit.unwrap_or_default() },
                () = engine.stop.asked() => QueryError::Stopped,
            };
            over.set();
            work.abort();
            // Its answer, if there is one after all, comes too late.
            let _ = tokio::time::timeout(PATIENCE, work).await;
            Err(why)
        });
        let result = guard.await;
        drop(stopper);
        result.unwrap_or_else(|error| Err(broken_off(&error)))
    }

    /// Makes what one query runs in.
    fn context(
        &self,
        threads: usize,
        allowed: Allowed,
        over: Over,
    ) -> datafusion::common::Result<(SessionContext, Arc<Objects>)> {
        let Ready { template, passing, .. } = self.ready()?;
        let mode = match &self.settings.spill_folder {
            Some(folder) => DiskManagerMode::Directories(vec![over.spill_below(folder)?]),
            None => DiskManagerMode::Disabled,
        };
        let disk = DiskManagerBuilder::default()
            .with_mode(mode)
            .with_max_temp_directory_size(self.settings.spill_bytes_max);
        let pool: Arc<dyn MemoryPool> =
            Arc::new(FairSpillPool::new(self.settings.memory_bytes_max));
        let runtime = RuntimeEnvBuilder::new()
            .with_memory_pool(pool.clone())
            .with_disk_manager_builder(disk)
            .build_arc()?;
        let objects = Arc::new(Objects::new(self.store.clone(), Budget::new(pool, over), threads));
        let url = ObjectStoreUrl::parse("vigil://store")?;
        runtime.register_object_store(url.as_ref(), objects.clone());
        let catalogs = datafusion::catalog::MemoryCatalogProviderList::new();
        let mut state = SessionStateBuilder::new_from_existing(template.clone())
            .with_runtime_env(runtime)
            .with_catalog_list(Arc::new(catalogs))
            .with_config(template.config().clone().with_target_partitions(threads))
            .build();
        let options = &template.config_options().catalog;
        let catalog = Arc::new(datafusion::catalog::MemoryCatalogProvider::new());
        let schema = Arc::new(datafusion::catalog::MemorySchemaProvider::new());
        use datafusion::catalog::CatalogProvider as _;
        catalog.register_schema(&options.default_schema, schema)?;
        state.catalog_list().register_catalog(options.default_catalog.clone(), catalog);
        for function in passing.iter().filter(|function| allowed.permits(function.name())) {
            state.register_udf(function.clone())?;
        }
        Ok((SessionContext::new_with_state(state), objects))
    }

    async fn execute(&self, query: &Query, over: Over) -> Result<Table, QueryError> {
        let early = |error: DataFusionError| QueryError::of(&error, &query.sql, None);
        let texts = query.views.iter().map(|(_, view)| view.as_str());
        plan::check_size(texts.chain([query.sql.as_str()])).map_err(early)?;
        let threads = self.settings.threads.max(1);
        let (context, objects) = self.context(threads, query.allowed, over).map_err(early)?;
        guarded(&objects, self.answer(query, &context, &objects)).await
    }

    async fn answer(
        &self,
        query: &Query,
        context: &SessionContext,
        objects: &Arc<Objects>,
    ) -> Result<Table, QueryError> {
        self.bind(context, objects, query).await?;
        let failed = |error: DataFusionError| QueryError::of(&error, &query.sql, Some(&**objects));
        let mut sql = query.sql.clone();
        if let Some(subject) = summary::subject(&sql) {
            let subject_plan = planned(context, &subject, query.allowed).await.map_err(failed)?;
            sql = summary::figures(&subject, subject_plan.schema().as_arrow());
        }
        let plan = planned(context, &sql, query.allowed).await.map_err(failed)?;
        let is_passing = query.allowed != Allowed::default()
            || matches!(plan, LogicalPlan::Explain(_) | LogicalPlan::Analyze(_));
        let plan = plan::settle(plan).map_err(failed)?;
        self.finish(context, plan, objects, is_passing).await.map_err(failed)
    }

    /// Runs a plan, and gives its rows their one form.
    async fn finish(
        &self,
        context: &SessionContext,
        plan: LogicalPlan,
        objects: &Objects,
        is_passing: bool,
    ) -> datafusion::common::Result<Table> {
        let state = context.state();
        let physical = state.create_physical_plan(&plan).await?;
        let mut stream = execute_stream(physical, state.task_ctx())?;
        let schema = canonical::plain_schema(&stream.schema())?;
        let mut rows = Canonical::new(schema, objects.budget().reserve("the result"));
        while let Some(batch) = stream.next().await {
            objects.budget().check()?;
            rows.push(&batch?)?;
        }
        let (schema, batches, held) = rows.finish()?;
        Ok(Table { schema, batches, opened: objects.opened(), is_passing, held: held.into() })
    }

    async fn bind(
        &self,
        context: &SessionContext,
        objects: &Arc<Objects>,
        query: &Query,
    ) -> Result<(), QueryError> {
        for (index, (name, source)) in query.tables.iter().enumerate() {
            let bound = source::bind(context, objects, index, source).await?;
            let reference = TableReference::bare(name.as_str());
            context
                .register_table(reference, bound)
                .map_err(|error| QueryError::of(&error, "", None))?;
        }
        for (name, sql) in &query.views {
            let failed = |error: DataFusionError| {
                let QueryError::Statement { text } = QueryError::of(&error, sql, None) else {
                    return QueryError::of(&error, sql, None);
                };
                QueryError::Statement { text: format!("in the view `{name}`: {text}") }
            };
            let plan = planned(context, sql, query.allowed).await.map_err(failed)?;
            let plan = plan::settle(plan).map_err(failed)?;
            let view = Arc::new(ViewTable::new(plan, Some(sql.clone())));
            context.register_table(TableReference::bare(name.as_str()), view).map_err(failed)?;
        }
        Ok(())
    }
}

/// Plans a statement, and refuses what it may not do before anything of it is computed.
async fn planned(
    context: &SessionContext,
    sql: &str,
    allowed: Allowed,
) -> datafusion::common::Result<LogicalPlan> {
    let state = context.state();
    let statement = parse(&state, sql)?;
    plan::check_names(&statement, allowed)?;
    let plan = state.statement_to_plan(statement).await?;
    plan::check(&plan, allowed)?;
    Ok(plan)
}

/// Runs work that reads bytes from anywhere. What the readers assert of them ends the query with an error
/// that names the bytes, and nothing else.
async fn guarded<T>(
    objects: &Objects,
    work: impl Future<Output = Result<T, QueryError>>,
) -> Result<T, QueryError> {
    let panic = match AssertUnwindSafe(work).catch_unwind().await {
        Ok(result) => return result,
        Err(panic) => panic,
    };
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no reason given");
    let what = format!("its reader broke off: {text}");
    Err(match objects.last_read() {
        Some((name, range)) => QueryError::Bytes { name, range, what },
        None => QueryError::Broken { what },
    })
}

/// Says how a task ended that gave nothing.
fn broken_off(error: &tokio::task::JoinError) -> QueryError {
    match error.is_cancelled() {
        true => QueryError::Stopped,
        false => QueryError::Broken { what: error.to_string() },
    }
}

fn parse(state: &SessionState, sql: &str) -> datafusion::common::Result<Statement> {
    state.sql_to_statement(sql, &state.config_options().sql_parser.dialect)
}

/// Stops a task when nobody waits for it any longer.
struct StopOnDrop(tokio::task::AbortHandle, Over);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.1.set();
        self.0.abort();
        self.1.clear_away();
    }
}

/// Makes what all queries have in common: settings and functions.
fn template(
    settings: &Settings,
) -> datafusion::common::Result<(SessionState, Vec<Arc<ScalarUDF>>)> {
    let mut config = SessionConfig::new()
        .with_target_partitions(settings.threads.max(1))
        .with_batch_size(settings.batch_rows.max(1))
        .with_information_schema(false)
        .with_create_default_catalog_and_schema(false);
    let options = config.options_mut();
    options.execution.time_zone = Some("+00:00".to_owned());
    options.execution.listing_table_ignore_subdirectory = false;
    options.sql_parser.collect_spans = true;
    // Before others push projections into scans, and after they have joined filters.
    let mut rules = PhysicalOptimizer::new().rules;
    rules.insert(0, Arc::new(plan::Guards));
    rules.push(Arc::new(plan::Guards));
    rules.push(Arc::new(plan::Compact));
    let mut state = SessionStateBuilder::new()
        .with_config(config)
        .with_default_features()
        .with_physical_optimizer_rules(rules)
        .build();
    let passing = plan::restrict(&mut state)?;
    for function in plan::bounded(&state, settings.memory_bytes_max / 2)? {
        state.register_udf(Arc::new(function))?;
    }
    for function in exact::sums().into_iter().chain(exact::moments()) {
        state.register_udaf(Arc::new(function))?;
    }
    for function in plan::functions() {
        state.register_udf(Arc::new(function))?;
    }
    Ok((state, passing))
}
