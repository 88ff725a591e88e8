//! Measures the kernel's engine beside salsa, on the same graphs in the same run.
//!
//! Run it as `cargo xtask bench kernel`. Every shape has a leaf that is changed, a gate above it whose
//! value stays as it was, and nodes that all depend on the gate: each must be found sound again, and
//! none computed. Rounds take turns between the engines; medians count.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use clap::{Parser, Subcommand, ValueEnum};
use rustix::time::{ClockId, clock_gettime};
use salsa::Setter as _;
use salsa::plumbing::AsId as _;
use vigil_base::Vcid;
use vigil_base::world::{Clock, Moment};
use vigil_bench::failed;
use vigil_kernel::engine::{Crew, Cx, Engine, EngineOptions, ImageError, Key, Stored, Threads};
use vigil_kernel::{
    Authority, Call, Context, Endpoint, Grammar, Host, Identifier, Kernel, MediaType, Memory,
    OfMachines, Owner, Produced, Request, Serving, Space,
};

/// Measures finding a million results sound again after one leaf changed, beside salsa
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    part: Option<Part>,

    /// How many nodes each graph has
    #[arg(long, value_name = "N", default_value_t = 1_000_000)]
    nodes: u32,

    /// How often a leaf is changed; the medians count
    #[arg(long, value_name = "N", default_value_t = 11)]
    rounds: usize,

    /// Small graphs and few rounds, to see whether everything works; the figures mean little
    #[arg(long)]
    quick: bool,
}

/// One engine on one shape runs as a process of its own, so that its memory is its own
#[derive(Debug, Subcommand)]
enum Part {
    /// Measure one engine on one shape and print the figures
    Measure { subject: Subject, shape: Shape, nodes: u32, rounds: usize },
    /// Write an image of one shape, load it as the next process would, and print the figures
    Image { shape: Shape, nodes: u32, rounds: usize, file: PathBuf },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Subject {
    /// The kernel's engine on one thread
    Vigil,
    /// The kernel's engine with two threads for the graph
    VigilTwo,
    /// The kernel's engine while something else, that nobody asks for, is out of date
    VigilDirty,
    /// salsa on one thread
    Salsa,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Shape {
    /// Each node reads the gate, and the top reads all of them
    Wide,
    /// Each node reads the one before
    Chain,
    /// Each node reads its parent, four children each, and the top reads those without children
    Tree,
    /// Each node reads three earlier ones, and the top reads those that nobody read
    Random,
}

/// What each node reads: 0 is the leaf, 1 the gate, the last one the top.
fn shape(shape: Shape, nodes: u32) -> Vec<Vec<u32>> {
    let mut reads: Vec<Vec<u32>> = vec![vec![], vec![0]];
    let mut state = 1u64;
    let mut random = move |below: u32| {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((state >> 33) % u64::from(below)) as u32
    };
    for node in 2..nodes - 1 {
        reads.push(match shape {
            Shape::Wide => vec![1],
            Shape::Chain => vec![node - 1],
            Shape::Tree => vec![((node - 2).saturating_sub(1) / 4 + 2).min(node - 1).max(1)],
            Shape::Random => {
                let mut three: Vec<u32> = (0..3).map(|_| 1 + random(node - 1)).collect();
                three.sort_unstable();
                three.dedup();
                three
            }
        });
    }
    if shape == Shape::Tree {
        reads[2] = vec![1];
    }
    let mut is_read = vec![false; nodes as usize];
    reads.iter().flatten().for_each(|below| is_read[*below as usize] = true);
    reads.push((1..nodes - 1).filter(|node| !is_read[*node as usize]).collect());
    reads
}

static READS: OnceLock<Vec<Vec<u32>>> = OnceLock::new();

fn reads(node: u32) -> &'static [u32] {
    &READS.get().expect("the shape is made first")[node as usize]
}

/// The same arithmetic for both engines.
fn combine(node: u32, values: impl Iterator<Item = u64>) -> u64 {
    match node {
        1 => values.sum::<u64>() / 1_000_000,
        _ => values.fold(u64::from(node), |sum, value| sum.wrapping_mul(31).wrapping_add(value)),
    }
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct Node(u32);

impl Key for Node {
    type Value = u64;

    async fn compute(&self, cx: &Cx) -> u64 {
        let below = cx.get_all(reads(self.0).iter().map(|below| Node(*below))).await;
        combine(self.0, below.into_iter().map(|value| value.expect("nothing here fails")))
    }

    fn same(before: &u64, after: &u64) -> bool {
        before == after
    }
}

fn word<const N: usize>(from: &mut &[u8]) -> Option<[u8; N]> {
    let (word, rest) = from.split_first_chunk()?;
    *from = rest;
    Some(*word)
}

impl Stored for Node {
    fn write_key(&self, out: &mut Vec<u8>) {
        out.extend(self.0.to_le_bytes());
    }

    fn read_key(from: &mut &[u8]) -> Option<Self> {
        word(from).map(|bytes| Self(u32::from_le_bytes(bytes)))
    }

    fn write_value(value: &u64, out: &mut Vec<u8>) {
        out.extend(value.to_le_bytes());
    }

    fn read_value(from: &mut &[u8]) -> Option<u64> {
        word(from).map(u64::from_le_bytes)
    }
}

#[salsa::input]
struct Cell {
    value: u64,
}

static CELLS: OnceLock<Vec<Cell>> = OnceLock::new();

#[salsa::tracked]
fn cell_value(db: &dyn salsa::Database, cell: Cell) -> u64 {
    let node = cell.as_id().index();
    if node == 0 {
        return *cell.value(db);
    }
    let cells = CELLS.get().expect("the cells are made first");
    combine(node, reads(node).iter().map(|below| *cell_value(db, cells[*below as usize])))
}

/// What was measured of one engine on one shape.
#[derive(Clone, Copy, Debug, Default)]
struct Figures {
    cold_ns: f64,
    wall_ns: f64,
    cpu_ns: f64,
    resident_bytes: f64,
    graph_bytes: f64,
    hot_ns: f64,
}

fn cpu_ns() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 * 1e9 + time.tv_nsec as f64
}

fn resident_bytes() -> f64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: f64 = text.split(' ').nth(1).and_then(|pages| pages.parse().ok()).unwrap_or(0.0);
    pages * rustix::param::page_size() as f64
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}

/// Changes the leaf and asks for the top, so many times; both as closures, so that each engine runs
/// through the same code.
fn measure(
    nodes: u32,
    rounds: usize,
    mut change: impl FnMut(u64),
    mut ask: impl FnMut() -> u64,
) -> Figures {
    let per_node = |ns: f64| ns / f64::from(nodes);
    let before = resident_bytes();
    let start = Instant::now();
    let first = ask();
    let cold_ns = per_node(start.elapsed().as_nanos() as f64);
    let resident_bytes = (resident_bytes() - before) / f64::from(nodes);
    let (mut walls, mut cpus) = (Vec::new(), Vec::new());
    for round in 0..rounds {
        let (start, cpu) = (Instant::now(), cpu_ns());
        change(round as u64 + 1);
        assert_eq!(ask(), first, "the gate keeps the change from everything above");
        walls.push(per_node(start.elapsed().as_nanos() as f64));
        cpus.push(per_node(cpu_ns() - cpu));
    }
    const HOT: usize = 100_000;
    let start = Instant::now();
    (0..HOT).for_each(|_| assert_eq!(ask(), first));
    let hot_ns = start.elapsed().as_nanos() as f64 / HOT as f64;
    let (wall_ns, cpu_ns) = (median(walls), median(cpus));
    Figures { cold_ns, wall_ns, cpu_ns, resident_bytes, graph_bytes: 0.0, hot_ns }
}

fn measure_vigil(nodes: u32, rounds: usize, crew: Arc<dyn Crew>, is_dirty: bool) -> Figures {
    let engine = Engine::new(EngineOptions { crew, ..EngineOptions::default() });
    let get = |node: u32| engine.block_on(engine.get(&Node(node))).expect("nothing here fails");
    engine.edit(|edit| edit.set(&Node(0), 0));
    // Beside the graph: a leaf that changes with the other one, and a node that nobody asks for again.
    engine.edit(|edit| edit.set(&Node(nodes), 0));
    get(nodes + 1);
    let change = |value| {
        engine.edit(|edit| {
            edit.set(&Node(0), value);
            if is_dirty {
                edit.set(&Node(nodes), value);
            }
        });
    };
    let mut figures = measure(nodes, rounds, change, || get(nodes - 1));
    figures.graph_bytes = engine.footprint().graph_bytes as f64 / f64::from(nodes);
    figures
}

fn measure_salsa(nodes: u32, rounds: usize) -> Figures {
    let db = std::cell::RefCell::new(salsa::DatabaseImpl::new());
    let cells: Vec<Cell> = (0..nodes).map(|_| Cell::new(&*db.borrow(), 0)).collect();
    let cells = CELLS.get_or_init(|| cells);
    let change = |value: u64| {
        cells[0].set_value(&mut *db.borrow_mut()).to(value);
    };
    let mut is_cold = true;
    let ask = || {
        let db = db.borrow();
        if std::mem::take(&mut is_cold) {
            // From below, which spares it most of the recursion.
            for cell in cells.iter().step_by(1000) {
                cell_value(&*db, *cell);
            }
        }
        *cell_value(&*db, cells[nodes as usize - 1])
    };
    measure(nodes, rounds, change, ask)
}

/// Stack for salsa, which recurses along dependencies: some kilobytes for each link of a chain.
const STACK_BYTES: usize = 8 << 30;

fn measure_part(subject: Subject, of: Shape, nodes: u32, rounds: usize) -> Figures {
    let mut all = shape(of, nodes);
    all.extend([vec![], vec![nodes]]);
    READS.get_or_init(|| all);
    match subject {
        Subject::Vigil => measure_vigil(nodes, rounds, Arc::new(Threads(1)), false),
        Subject::VigilTwo => measure_vigil(nodes, rounds, Arc::new(Threads(2)), false),
        Subject::VigilDirty => measure_vigil(nodes, rounds, Arc::new(Threads(1)), true),
        Subject::Salsa => {
            let run = move || measure_salsa(nodes, rounds);
            let thread = std::thread::Builder::new().stack_size(STACK_BYTES).spawn(run);
            thread.expect("there is address space").join().expect("salsa does not panic")
        }
    }
}

/// Writes the image of a shape to a file, and measures reading and loading it: the whole file, with its
/// checksum, edges linked both ways, keys hashed, ready to be asked. Milliseconds with one thread and
/// with two, and mebibytes.
fn measure_image(of: Shape, nodes: u32, rounds: usize, file: &Path) -> Result<String, ImageError> {
    READS.get_or_init(|| shape(of, nodes));
    let stamp = Vcid::of(b"bench");
    let top = |engine: &Engine| engine.block_on(engine.get(&Node(nodes - 1)));
    let engine = Engine::default();
    engine.edit(|edit| edit.set(&Node(0), 0));
    let want = top(&engine).expect("nothing here fails");
    let written = std::fs::write(file, engine.image::<Node>(stamp));
    drop(engine);
    let mut times = [Vec::new(), Vec::new()];
    let mut size = 0;
    for round in 0..2 * rounds {
        let crew = Arc::new(Threads(1 + round % 2));
        let engine = Engine::new(EngineOptions { crew, ..EngineOptions::default() });
        let start = Instant::now();
        let image = std::fs::read(file).unwrap_or_default();
        let count = engine.load_image::<Node>(&image, stamp)?;
        times[round % 2].push(start.elapsed().as_nanos() as f64 / 1e6);
        size = image.len();
        assert_eq!((count, written.is_ok()), (nodes as usize, true), "all of it is known");
        engine.edit(|edit| edit.set(&Node(0), round as u64 + 1));
        assert_eq!(top(&engine), Ok(want), "the gate keeps the change from everything above");
        assert_eq!(engine.statistics().computed, 1, "the gate is computed and nothing else");
    }
    let [one, two] = times.map(median);
    Ok(format!("{one} {two} {}", size as f64 / f64::from(1 << 20)))
}

/// Answers `hot:…` with the text behind the colon.
struct Hot {
    grammar: Grammar,
}

impl Endpoint for Hot {
    fn name(&self) -> &str {
        "hot"
    }

    fn help(&self) -> &str {
        "gives the text of its name"
    }

    fn grammar(&self) -> &Grammar {
        &self.grammar
    }

    fn version(&self) -> Vcid {
        Vcid::of(b"hot")
    }

    fn serve<'a>(&'a self, call: &'a Call, _: &'a Context<'a>) -> Serving<'a> {
        let text = call.parts["text"].clone().into_bytes();
        let plain = MediaType::new("text/plain").expect("it is one");
        Box::pin(async move { Ok(Produced::bytes(plain, text)) })
    }
}

struct Still;

impl Clock for Still {
    fn now(&self) -> Moment {
        Moment(0)
    }
}

/// Returns the nanoseconds of resolving a name that was resolved before.
fn measure_hot_resolve() -> Result<f64, Box<dyn Error>> {
    let memory = Arc::new(Memory::default());
    let host = Host {
        blobs: memory.clone(),
        traces: memory.clone(),
        roots: memory,
        clock: Arc::new(Still),
        policy: Arc::new(OfMachines(Vec::new())),
        machine: "bench".to_owned(),
        checks: BTreeMap::new(),
    };
    let kernel = Kernel::new(host, EngineOptions::default());
    let grammar = Grammar::new("hot:{text:rest}")?;
    kernel.set_scope("bench", Space::new("bench").with(Arc::new(Hot { grammar }))?);
    let request = Request::source(Identifier::new("hot:a-name-of-some-length/and/a/path")?);
    let owner: Arc<dyn Authority> = Arc::new(Owner);
    let resolve = || {
        let answer = kernel.resolve(owner.clone(), "bench", request.clone());
        kernel.engine().block_on(answer)
    };
    let first = resolve()?;
    let mut rounds = Vec::new();
    for _ in 0..11 {
        const COUNT: u32 = 100_000;
        let start = Instant::now();
        for _ in 0..COUNT {
            assert_eq!(resolve()?.vcid, first.vcid);
        }
        rounds.push(start.elapsed().as_nanos() as f64 / f64::from(COUNT));
    }
    Ok(median(rounds))
}

impl Figures {
    fn to_line(self) -> String {
        let Self { cold_ns, wall_ns, cpu_ns, resident_bytes, graph_bytes, hot_ns } = self;
        format!("{cold_ns} {wall_ns} {cpu_ns} {resident_bytes} {graph_bytes} {hot_ns}")
    }

    fn from_line(line: &str) -> Option<Self> {
        let mut numbers = line.split_whitespace().map(|number| number.parse::<f64>().ok());
        let mut next = || numbers.next().flatten();
        Some(Self {
            cold_ns: next()?,
            wall_ns: next()?,
            cpu_ns: next()?,
            resident_bytes: next()?,
            graph_bytes: next()?,
            hot_ns: next()?,
        })
    }
}

/// Measures one engine on one shape in a process of its own; `None` if that process failed.
fn measure_apart(subject: Subject, shape: Shape, nodes: u32, rounds: usize) -> Option<Figures> {
    let name = |value: &dyn Fn() -> Option<clap::builder::PossibleValue>| {
        value().map(|value| value.get_name().to_owned())
    };
    let output = Command::new(std::env::current_exe().ok()?)
        .arg("measure")
        .arg(name(&|| subject.to_possible_value())?)
        .arg(name(&|| shape.to_possible_value())?)
        .args([nodes.to_string(), rounds.to_string()])
        .output()
        .ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    Figures::from_line(&text).filter(|_| output.status.success())
}

/// Measures the image of one shape in a process of its own.
fn image_row(shape: Shape, nodes: u32, rounds: usize, file: &Path) -> Option<String> {
    let name = shape.to_possible_value()?.get_name().to_owned();
    let output = Command::new(std::env::current_exe().ok()?)
        .arg("image")
        .args([&name, &nodes.to_string(), &rounds.to_string()])
        .arg(file)
        .output()
        .ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let numbers: Vec<f64> = text.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    let [one, two, size] = numbers[..] else { return None };
    Some(format!("  {name:<34}{one:>9.1} ms one thread{two:>9.1} ms two{size:>9.1} MiB\n"))
}

fn row(name: &str, figures: Option<Figures>, beside: Option<Figures>) -> String {
    let Some(figures) = figures else { return format!("  {name:<34} failed\n") };
    let mut line = format!(
        "  {name:<34}{:>9.1}{:>11.1}{:>11.1}{:>9.0}{:>9.0}{:>9.0}",
        figures.cold_ns,
        figures.wall_ns,
        figures.cpu_ns,
        figures.resident_bytes,
        figures.graph_bytes,
        figures.hot_ns
    );
    if let Some(beside) = beside {
        let _ = write!(line, "{:>10.2} x", beside.cpu_ns / figures.cpu_ns);
    }
    line + "\n"
}

fn run(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let (nodes, rounds) =
        if arguments.quick { (20_000, 3) } else { (arguments.nodes, arguments.rounds) };
    let mut report = format!(
        "{nodes} nodes, one leaf changed, {rounds} rounds; ns and bytes are for each node\n\n  {:<34}{:>9}{:>11}{:>11}{:>9}{:>9}{:>9}{:>12}\n",
        "", "cold", "again wall", "again CPU", "resident", "graph", "hot get", "salsa/this"
    );
    for (shape, title) in [
        (Shape::Wide, "wide"),
        (Shape::Chain, "chain"),
        (Shape::Tree, "tree"),
        (Shape::Random, "random"),
    ] {
        let measure = |subject| measure_apart(subject, shape, nodes, rounds);
        let salsa = measure(Subject::Salsa);
        let _ = writeln!(report, "{title}");
        report += &row("vigil, one thread", measure(Subject::Vigil), salsa);
        report += &row("vigil, two threads", measure(Subject::VigilTwo), salsa);
        report += &row("vigil, something else stays dirty", measure(Subject::VigilDirty), salsa);
        report += &row("salsa, one thread", salsa, None);
    }
    let folder = target_folder()?.join("bench");
    std::fs::create_dir_all(&folder)?;
    let file = folder.join("kernel-image");
    let _ = writeln!(report, "\nloading {nodes} nodes from a file, to the point of being asked");
    for shape in [Shape::Wide, Shape::Chain, Shape::Tree, Shape::Random] {
        let row = image_row(shape, nodes, rounds.min(5), &file);
        report += &row.unwrap_or_else(|| "  failed\n".to_owned());
    }
    std::fs::remove_file(&file)?;
    let files = if arguments.quick { 2_000 } else { 100_000 };
    let work = vigil_bench::work_tree(&folder.join(format!("worktree-{files}")), files, rounds)?;
    let _ = write!(report, "\n{work}");
    let hot = measure_hot_resolve()?;
    let _ = writeln!(report, "\nresolving a hot name, authority and label checked: {hot:.0} ns");
    print!("{report}");
    Ok(())
}

/// Returns the folder of what is built: what is measured is kept beside it.
fn target_folder() -> Result<PathBuf, Box<dyn Error>> {
    let program = std::env::current_exe()?;
    let folder = program.ancestors().nth(2).ok_or("the program lies in no target folder")?;
    Ok(folder.to_owned())
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if let Some(Part::Image { shape, nodes, rounds, file }) = &arguments.part {
        return match measure_image(*shape, *nodes, *rounds, file) {
            Ok(line) => {
                println!("{line}");
                ExitCode::SUCCESS
            }
            Err(error) => failed(&error),
        };
    }
    if let Some(Part::Measure { subject, shape, nodes, rounds }) = arguments.part {
        println!("{}", measure_part(subject, shape, nodes, rounds).to_line());
        return ExitCode::SUCCESS;
    }
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&*error),
    }
}
