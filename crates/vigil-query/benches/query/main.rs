//! Measures queries over the arenas beside plain DataFusion on a folder and beside DuckDB, on the same
//! files in the same run.
//!
//! Run it as `cargo xtask bench query`. Rounds take turns; medians count. It stands here and not in
//! `benches/`, so that no other benchmark has to link DataFusion.

mod answers;
mod data;
mod host;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Parser;
use datafusion::prelude::{ParquetReadOptions, SessionConfig, SessionContext};
use vigil_kernel::{Owner, Request, parse_pipeline};
use vigil_query::{Engine, Format, Query, Settings, Source, write};

use data::Tables;
use host::Shelf;

/// Measures TPC-H over the arenas beside plain DataFusion and DuckDB
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// The scale of TPC-H: 1 is a gigabyte of text
    #[arg(long, value_name = "N", default_value_t = 1.0)]
    scale: f64,

    /// How often each query is asked
    #[arg(long, value_name = "N", default_value_t = 3)]
    rounds: usize,

    /// DuckDB's program; without it, only DataFusion stands beside
    #[arg(long, value_name = "PATH")]
    duckdb: Option<PathBuf>,

    /// A small scale and one round, to see whether everything works; the figures mean little
    #[arg(long)]
    quick: bool,

    /// What cargo says to every benchmark
    #[arg(long, hide = true)]
    bench: bool,
}

type Failure = Box<dyn std::error::Error>;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(3)
        }
    }
}

fn run() -> Result<(), Failure> {
    let mut arguments = Arguments::parse();
    if arguments.quick {
        (arguments.scale, arguments.rounds) = (0.01, 1);
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/bench/query");
    let folder = root.join(format!("tpch-{}", arguments.scale));
    data::generate(&folder, arguments.scale)?;
    let shelf = Shelf::open(&root.join("store"))?;
    let tables = data::store(&shelf, &folder)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    println!(
        "TPC-H scale {}, {threads} threads, medians of {}\n",
        arguments.scale, arguments.rounds
    );
    tpch(&arguments, &runtime, &shelf, &folder, &tables)?;
    if let Some(program) = &arguments.duckdb {
        agree(program, &runtime, &shelf, &folder, &tables)?;
    }
    doubles(&arguments, &runtime, &shelf, &folder, &tables)?;
    short(&runtime, &shelf, &tables)?;
    convert(&shelf, &folder)
}

fn median(mut times: Vec<Duration>) -> f64 {
    times.sort();
    times[times.len() / 2].as_secs_f64()
}

fn timed<T>(work: impl FnOnce() -> Result<T, Failure>) -> Result<Duration, Failure> {
    let since = Instant::now();
    std::hint::black_box(work()?);
    Ok(since.elapsed())
}

/// Runs a query over the arenas, up to the bytes of its result.
fn ours(
    runtime: &tokio::runtime::Runtime,
    engine: &Arc<Engine>,
    tables: &Tables,
    sql: &str,
) -> Result<(), Failure> {
    let mut query = Query { sql: sql.to_owned(), ..Query::default() };
    for name in engine.references(sql)? {
        let source: &Source = tables.get(&name).ok_or("the query names no table of TPC-H")?;
        query.tables.insert(name, source.clone());
    }
    let table = runtime.block_on(engine.run(query))?;
    std::hint::black_box(write(Format::Arrow, &table.schema, &table.batches)?);
    Ok(())
}

/// Makes plain DataFusion with the same tables as files of a folder.
fn plain(
    runtime: &tokio::runtime::Runtime,
    folder: &Path,
    tables: &Tables,
) -> Result<SessionContext, Failure> {
    let context = SessionContext::new_with_config(SessionConfig::new());
    for name in tables.keys() {
        let path = folder.join(format!("{name}.parquet"));
        let path = path.to_str().ok_or("the path is not text")?;
        runtime.block_on(context.register_parquet(
            name.as_str(),
            path,
            ParquetReadOptions::default(),
        ))?;
    }
    Ok(context)
}

fn theirs(
    runtime: &tokio::runtime::Runtime,
    context: &SessionContext,
    sql: &str,
) -> Result<(), Failure> {
    let batches = runtime.block_on(async { context.sql(sql).await?.collect().await })?;
    std::hint::black_box(batches);
    Ok(())
}

/// Asks DuckDB, and returns the time that it says it took.
fn duckdb(program: &Path, folder: &Path, tables: &Tables, sql: &str) -> Result<Duration, Failure> {
    let mut script = String::new();
    for name in tables.keys() {
        let path = folder.join(format!("{name}.parquet"));
        script += &format!("create view {name} as select * from '{}';\n", path.display());
    }
    script += &format!(".timer on\n{sql};\n");
    let mut child = Command::new(program)
        .args(["-csv"])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()?;
    std::io::Write::write_all(&mut child.stdin.take().ok_or("no input")?, script.as_bytes())?;
    let output = child.wait_with_output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let real = text.rsplit_once("real ").and_then(|(_, rest)| rest.split_whitespace().next());
    let seconds: f64 = real.ok_or("DuckDB told no time")?.parse()?;
    Ok(Duration::from_secs_f64(seconds))
}

fn tpch(
    arguments: &Arguments,
    runtime: &tokio::runtime::Runtime,
    shelf: &Shelf,
    folder: &Path,
    tables: &Tables,
) -> Result<(), Failure> {
    let engine = Arc::new(Engine::new(shelf.store.clone(), Settings::default()));
    let context = plain(runtime, folder, tables)?;
    let queries = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../corpus/query/tpch");
    println!("query   arenas s   DataFusion s   ratio   DuckDB s   ratio");
    let mut sums = [0.0; 3];
    for number in 1..=22 {
        let sql = std::fs::read_to_string(queries.join(format!("q{number:02}.sql")))?;
        let mut times: [Vec<Duration>; 3] = Default::default();
        // Once before, so that both have the files mapped and proven or in the page cache.
        ours(runtime, &engine, tables, &sql)?;
        theirs(runtime, &context, &sql)?;
        for round in 0..arguments.rounds {
            for step in 0..2 {
                match (round + step) % 2 {
                    0 => times[0].push(timed(|| ours(runtime, &engine, tables, &sql))?),
                    _ => times[1].push(timed(|| theirs(runtime, &context, &sql))?),
                }
            }
            if let Some(program) = &arguments.duckdb {
                times[2].push(duckdb(program, folder, tables, &sql)?);
            }
        }
        let [a, b, c] = times.map(|times| if times.is_empty() { f64::NAN } else { median(times) });
        println!(
            "q{number:02}   {a:>9.3}   {b:>12.3}   {:>5.2}   {c:>8.3}   {:>5.2}",
            a / b,
            a / c
        );
        for (sum, time) in sums.iter_mut().zip([a, b, c]) {
            *sum += time;
        }
    }
    let [a, b, c] = sums;
    println!("all   {a:>9.3}   {b:>12.3}   {:>5.2}   {c:>8.3}   {:>5.2}\n", a / b, a / c);
    Ok(())
}

/// Compares the answers to all queries with DuckDB's.
fn agree(
    program: &Path,
    runtime: &tokio::runtime::Runtime,
    shelf: &Shelf,
    folder: &Path,
    tables: &Tables,
) -> Result<(), Failure> {
    let engine = Arc::new(Engine::new(shelf.store.clone(), Settings::default()));
    let queries = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../corpus/query/tpch");
    for number in 1..=22 {
        let sql = std::fs::read_to_string(queries.join(format!("q{number:02}.sql")))?;
        let sql = answers::with_casts(&sql);
        let mut query = Query { sql: sql.clone(), ..Query::default() };
        for name in engine.references(&sql)? {
            let source = tables.get(&name).ok_or("the query names no table of TPC-H")?;
            query.tables.insert(name, source.clone());
        }
        let table = runtime.block_on(engine.run(query))?;
        let ours = String::from_utf8(write(Format::Csv, &table.schema, &table.batches)?)?;
        let names = tables.keys().map(String::as_str);
        let theirs = answers::of_duckdb(program, folder, names, &sql)?;
        answers::compare(&format!("q{number}"), &ours, &theirs)?;
    }
    println!("all 22 answers agree with DuckDB's within 1e-9\n");
    Ok(())
}

/// What exact sums of doubles cost.
fn doubles(
    arguments: &Arguments,
    runtime: &tokio::runtime::Runtime,
    shelf: &Shelf,
    folder: &Path,
    tables: &Tables,
) -> Result<(), Failure> {
    let engine = Arc::new(Engine::new(shelf.store.clone(), Settings::default()));
    let context = plain(runtime, folder, tables)?;
    let queries = [
        ("sum, avg", "select sum(x), avg(y) from d"),
        ("sum by 6 groups", "select k, sum(x), avg(y) from d group by k"),
        ("sum by many groups", "select o, sum(x), avg(y) from d group by o"),
        ("stddev, corr", "select stddev(x), corr(x, y) from d"),
    ];
    let source = "with d as (select l_orderkey as o, l_returnflag || l_linestatus as k, \
                  cast(l_extendedprice as double) * 1.1 as x, cast(l_quantity as double) / 3 as y \
                  from lineitem) ";
    println!("on DOUBLE columns        exact s   DataFusion s   ratio");
    for (name, sql) in queries {
        let sql = format!("{source}{sql}");
        let mut times: [Vec<Duration>; 2] = Default::default();
        for _ in 0..arguments.rounds {
            times[0].push(timed(|| ours(runtime, &engine, tables, &sql))?);
            times[1].push(timed(|| theirs(runtime, &context, &sql))?);
        }
        let [a, b] = times.map(median);
        println!("{name:<22} {a:>9.3}   {b:>12.3}   {:>5.2}", a / b);
    }
    println!();
    Ok(())
}

/// What a query costs beside its work: planning, resolving, and finding what was answered.
fn short(runtime: &tokio::runtime::Runtime, shelf: &Shelf, tables: &Tables) -> Result<(), Failure> {
    const ROUNDS: usize = 101;
    let nation = tables.get("nation").ok_or("there is no table of nations")?.found.vcid;
    let region = SessionContext::new();
    let kernel = shelf.kernel()?;
    let ask = |sql: &str| -> Result<(), Failure> {
        let request = Request::source(parse_pipeline(&format!("ca://{nation} | sql \"{sql}\""))?);
        let answer = kernel.resolve(Arc::new(Owner), host::SCOPE, request);
        kernel.engine().block_on(answer).map_err(|refusal| refusal.to_string())?;
        Ok(())
    };
    ask("select 0 as x")?;
    let mut times: [Vec<Duration>; 4] = Default::default();
    for round in 1..=ROUNDS {
        times[0].push(timed(|| ask(&format!("select {round} as x")))?);
        times[1].push(timed(|| theirs(runtime, &region, &format!("select {round} as x")))?);
        times[2].push(timed(|| {
            ask(&format!("select n_name from input where n_nationkey = {round} % 25"))
        })?);
        times[3].push(timed(|| ask(&format!("select {round} as x")))?);
    }
    let [one, plain, row, hit] = times.map(median);
    println!("one row, resolved           {:>8.3} ms", one * 1e3);
    println!("one row, plain DataFusion   {:>8.3} ms", plain * 1e3);
    println!("  overhead                  {:>8.3} ms", (one - plain) * 1e3);
    println!("one row of a Parquet file   {:>8.3} ms", row * 1e3);
    println!("the same again              {:>8.3} ms\n", hit * 1e3);
    Ok(())
}

/// How quickly CSV becomes Parquet, on one thread.
fn convert(shelf: &Shelf, folder: &Path) -> Result<(), Failure> {
    let (bytes, source) = data::csv(shelf, folder)?;
    let settings = Settings { threads: 1, ..Settings::default() };
    let engine = Arc::new(Engine::new(shelf.store.clone(), settings));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut written = 0;
    let time = timed(|| {
        let table = runtime.block_on(engine.read(source.clone()))?;
        written = write(Format::Parquet, &table.schema, &table.batches)?.len();
        Ok(())
    })?
    .as_secs_f64();
    let rate = bytes as f64 / time / 1e6;
    println!("CSV to Parquet: {bytes} bytes to {written} in {time:.2} s, {rate:.0} MB/s per core");
    Ok(())
}
