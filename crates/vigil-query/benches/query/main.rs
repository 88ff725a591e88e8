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
use datafusion::arrow::array::RecordBatch;
use datafusion::prelude::{ParquetReadOptions, SessionConfig, SessionContext};
use vigil_kernel::{Owner, Request, parse_pipeline};
use vigil_query::{Engine, Format, Query, Settings, Table, write};

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

    /// Asks this one of TPC-H's queries and nothing else, as for a profile
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u8).range(1..=22))]
    only: Option<u8>,

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
    let settings = Settings { spill_folder: Some(root.join("spill")), ..Settings::default() };
    let engine = Arc::new(Engine::new(shelf.store.clone(), settings));
    let bench = Bench { arguments, runtime, shelf, folder, tables, engine };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    println!(
        "TPC-H scale {}, {threads} threads, medians of {}\n",
        bench.arguments.scale, bench.arguments.rounds
    );
    bench.tpch()?;
    if bench.arguments.only.is_some() {
        return Ok(());
    }
    if let Some(program) = &bench.arguments.duckdb {
        bench.agree(program)?;
    }
    bench.doubles()?;
    bench.short()?;
    bench.convert()
}

/// What all measurements share.
struct Bench {
    arguments: Arguments,
    runtime: tokio::runtime::Runtime,
    shelf: Shelf,
    folder: PathBuf,
    tables: Tables,
    engine: Arc<Engine>,
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

/// Reads one of TPC-H's queries.
fn tpch_query(number: u8) -> Result<String, Failure> {
    let queries = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../corpus/query/tpch");
    Ok(std::fs::read_to_string(queries.join(format!("q{number:02}.sql")))?)
}

impl Bench {
    /// Runs a query over the arenas.
    fn answer(&self, sql: &str) -> Result<Table, Failure> {
        let mut query = Query { sql: sql.to_owned(), ..Query::default() };
        for name in self.engine.references(sql)? {
            let source = self.tables.get(&name).ok_or("the query names no table of TPC-H")?;
            query.tables.insert(name, source.clone());
        }
        Ok(self.runtime.block_on(self.engine.run(query))?)
    }

    /// The same, up to the bytes of its result.
    fn ours(&self, sql: &str) -> Result<Vec<u8>, Failure> {
        let table = self.answer(sql)?;
        Ok(write(Format::Arrow, &table.schema, &table.batches)?)
    }

    /// Makes plain DataFusion with the same tables as files of a folder.
    fn plain(&self) -> Result<SessionContext, Failure> {
        let context = SessionContext::new_with_config(SessionConfig::new());
        for name in self.tables.keys() {
            let path = self.folder.join(format!("{name}.parquet"));
            let path = path.to_str().ok_or("the path is not text")?;
            let table = context.register_parquet(name, path, ParquetReadOptions::default());
            self.runtime.block_on(table)?;
        }
        Ok(context)
    }

    fn theirs(&self, context: &SessionContext, sql: &str) -> Result<Vec<RecordBatch>, Failure> {
        Ok(self.runtime.block_on(async { context.sql(sql).await?.collect().await })?)
    }

    /// Asks DuckDB, and returns the time that it says it took.
    fn duckdb(&self, program: &Path, sql: &str) -> Result<Duration, Failure> {
        let mut script = String::new();
        for name in self.tables.keys() {
            let path = self.folder.join(format!("{name}.parquet"));
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

    fn tpch(&self) -> Result<(), Failure> {
        let context = self.plain()?;
        println!("query   arenas s   DataFusion s   ratio   DuckDB s   ratio");
        let mut sums = [0.0; 3];
        let numbers = self.arguments.only.map_or(1..=22, |number| number..=number);
        for number in numbers {
            let sql = tpch_query(number)?;
            let mut times: [Vec<Duration>; 3] = Default::default();
            // Once before, so that both have the files mapped and proven or in the page cache.
            self.ours(&sql)?;
            self.theirs(&context, &sql)?;
            for round in 0..self.arguments.rounds {
                for step in 0..2 {
                    match (round + step) % 2 {
                        0 => times[0].push(timed(|| self.ours(&sql))?),
                        _ => times[1].push(timed(|| self.theirs(&context, &sql))?),
                    }
                }
                if let Some(program) = &self.arguments.duckdb {
                    times[2].push(self.duckdb(program, &sql)?);
                }
            }
            let median_or_none =
                |times: Vec<Duration>| if times.is_empty() { f64::NAN } else { median(times) };
            let [a, b, c] = times.map(median_or_none);
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
        println!("all   {a:>9.3}   {b:>12.3}   {:>5.2}   {c:>8.3}   {:>5.2}", a / b, a / c);
        println!("aim   at most 1.05 times DataFusion\n");
        Ok(())
    }

    /// Compares the answers to all queries with DuckDB's.
    fn agree(&self, program: &Path) -> Result<(), Failure> {
        for number in 1..=22 {
            let sql = answers::with_casts(&tpch_query(number)?);
            let table = self.answer(&sql)?;
            let ours = String::from_utf8(write(Format::Csv, &table.schema, &table.batches)?)?;
            let names = self.tables.keys().map(String::as_str);
            let theirs = answers::of_duckdb(program, &self.folder, names, &sql)?;
            answers::compare(&format!("q{number}"), &ours, &theirs)?;
        }
        println!("all 22 answers agree with DuckDB's within 1e-9\n");
        Ok(())
    }

    /// What exact sums of doubles cost.
    fn doubles(&self) -> Result<(), Failure> {
        let context = self.plain()?;
        let queries = [
            ("sum, avg", "select sum(x), avg(y) from d"),
            ("sum by 6 groups", "select k, sum(x), avg(y) from d group by k"),
            ("sum by many groups", "select o, sum(x), avg(y) from d group by o"),
            ("stddev, corr", "select stddev(x), corr(x, y) from d"),
        ];
        let source = "with d as (select l_orderkey as o, l_returnflag || l_linestatus as k, \
                      cast(l_extendedprice as double) * 1.1 as x, \
                      cast(l_quantity as double) / 3 as y from lineitem) ";
        println!("on DOUBLE columns        exact s   DataFusion s   ratio");
        for (name, sql) in queries {
            let sql = format!("{source}{sql}");
            let mut times: [Vec<Duration>; 2] = Default::default();
            for _ in 0..self.arguments.rounds {
                times[0].push(timed(|| self.ours(&sql))?);
                times[1].push(timed(|| self.theirs(&context, &sql))?);
            }
            let [a, b] = times.map(median);
            println!("{name:<22} {a:>9.3}   {b:>12.3}   {:>5.2}", a / b);
        }
        println!();
        Ok(())
    }

    /// What a query costs beside its work: planning, resolving, and finding what was answered.
    fn short(&self) -> Result<(), Failure> {
        const ROUNDS: usize = 101;
        let nation = self.tables.get("nation").ok_or("there is no table of nations")?.found.vcid;
        let empty = SessionContext::new();
        let kernel = self.shelf.kernel()?;
        let ask = |sql: &str| -> Result<(), Failure> {
            let pipeline = parse_pipeline(&format!("ca://{nation} | sql \"{sql}\""))?;
            let answer = kernel.resolve(Arc::new(Owner), host::SCOPE, Request::source(pipeline));
            kernel.engine().block_on(answer).map_err(|refusal| refusal.to_string())?;
            Ok(())
        };
        ask("select 0 as x")?;
        let mut times: [Vec<Duration>; 4] = Default::default();
        for round in 1..=ROUNDS {
            let constant = format!("select {round} as x");
            let row = format!("select n_name from input where n_nationkey = {round} % 25");
            times[0].push(timed(|| ask(&constant))?);
            times[1].push(timed(|| self.theirs(&empty, &constant))?);
            times[2].push(timed(|| ask(&row))?);
            times[3].push(timed(|| ask(&constant))?);
        }
        let [one, plain, row, hit] = times.map(|times| median(times) * 1e3);
        println!("one row, resolved           {one:>8.3} ms");
        println!("one row, plain DataFusion   {plain:>8.3} ms");
        println!("  overhead                  {:>8.3} ms   aim at most 3", one - plain);
        println!("one row of a Parquet file   {row:>8.3} ms");
        println!("the same again              {hit:>8.3} ms   aim at most 1\n");
        Ok(())
    }

    /// How quickly CSV becomes Parquet, on one thread.
    fn convert(&self) -> Result<(), Failure> {
        let (bytes, source) = data::csv(&self.shelf, &self.folder)?;
        let settings = Settings { threads: 1, ..Settings::default() };
        let engine = Arc::new(Engine::new(self.shelf.store.clone(), settings));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let mut written = 0;
        let time = timed(|| {
            let table = runtime.block_on(engine.read(source.clone()))?;
            written = write(Format::Parquet, &table.schema, &table.batches)?.len();
            Ok(())
        })?;
        let rate = bytes as f64 / time.as_secs_f64() / 1e6;
        println!("CSV to Parquet, one thread, {bytes} bytes");
        println!("  ours     {rate:>6.0} MB/s, gives {written} bytes   aim at least 150");
        if let Some(program) = &self.arguments.duckdb {
            let [from, to] = ["lineitem.csv", "lineitem.duckdb"].map(|name| self.folder.join(name));
            let sql = format!(
                "set threads = 1; copy (from '{}') to '{}' (format parquet, codec zstd)",
                from.display(),
                to.display()
            );
            let beside = bytes as f64 / self.duckdb(program, &sql)?.as_secs_f64() / 1e6;
            let written = std::fs::metadata(&to)?.len();
            println!("  DuckDB   {beside:>6.0} MB/s, gives {written} bytes   {:.2}", rate / beside);
        }
        Ok(())
    }
}
