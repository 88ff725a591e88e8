//! Arguments in made-up environments.

use std::sync::Arc;

use vigil_base::world::{Clock, Moment, Randomness, RandomnessError};

use vigil_store::Remote;

use super::*;
use crate::dhall::{DhallDoor, DhallSettings, LineEditor};
use crate::logs::{LogDoor, LogDoorFailure};
use crate::machine::{MachineDoor, MachineFailure, MachineHome, MachineSettings};
use crate::query::NoQueries;
use crate::tiers::{TierDoor, TierFailure, TierLink, TierSettings};

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

/// A world without networks.
impl TierDoor for Still {
    fn open(&self, _: &TierSettings) -> Result<Box<dyn TierLink>, TierFailure> {
        Err(self.remote(&[]).err().expect("there is none"))
    }

    fn remote(&self, _: &[TierSettings]) -> Result<Arc<dyn Remote>, TierFailure> {
        Err((Blame::World, "there is no network".into()))
    }
}

/// A world without files to import, and nobody at the keyboard.
impl DhallDoor for Still {
    fn importer<'a>(
        &self,
        _: &DhallSettings,
        _: &'a dyn Fn(&str),
    ) -> Box<dyn vigil_dhall::Importer + 'a> {
        Box::new(vigil_dhall::NoImports)
    }

    fn editor(&self) -> std::io::Result<Box<dyn LineEditor>> {
        Err(std::io::ErrorKind::Unsupported.into())
    }
}

/// A world without machines.
impl LogDoor for Still {
    fn serve(
        &self,
        _: Arc<dyn vigil_base::world::Disk>,
        _: std::net::SocketAddr,
        _: Option<u64>,
        _: &mut dyn FnMut(std::net::SocketAddr),
    ) -> Result<(), LogDoorFailure> {
        Err((Blame::World, "there is none".into()))
    }
}

impl MachineDoor for Still {
    fn power_on(
        &self,
        _: MachineHome,
        _: &MachineSettings,
        _: &mut dyn std::io::Write,
        _: &dyn Fn(&str),
    ) -> Result<u64, MachineFailure> {
        Err(MachineFailure { blame: Blame::World, source: "there is none".into(), hint: None })
    }
}

impl crate::TrustDoor for Still {
    fn guard(&self) -> std::io::Result<()> {
        Ok(())
    }

    fn ask(&self, _: &str, _: bool, _: &mut Vec<u8>) -> std::io::Result<bool> {
        Ok(false)
    }

    fn steady(&self) -> Option<crate::Steady> {
        None
    }

    fn ticks(&self) -> u64 {
        0
    }

    fn place(&self, _: &Path) -> std::io::Result<Vec<u8>> {
        Ok(Vec::new())
    }
}

fn environment() -> Environment {
    Environment {
        store: None,
        data_home: None,
        runtime: None,
        program: None,
        home: Some("/people/ada".into()),
        folder: PathBuf::new(),
        working_folder: None,
        temporary: "/tmp".into(),
        is_output_terminal: false,
        talk_columns: None,
        wants_colour: false,
        processors: 3,
        clock: Arc::new(Still),
        randomness: Arc::new(Still),
        tiers: Arc::new(Still),
        dhall: Arc::new(Still),
        logs: Arc::new(Still),
        machine: Arc::new(Still),
        trust: Arc::new(Still),
        queries: Arc::new(NoQueries),
    }
}

fn resolve(line: &str, environment: &Environment) -> Result<Request, ResolveArgsError> {
    let argv = line.split(' ').map(Into::into);
    Args::parse(argv).expect("the line is fine").resolve(environment)
}

#[track_caller]
fn check_store(line: &str, change: impl FnOnce(&mut Environment), want: &str) {
    let mut environment = environment();
    change(&mut environment);
    let request = resolve(line, &environment).expect("it resolves");
    assert_eq!(request.store, Path::new(want));
}

#[test]
fn the_store_is_the_nearest_that_was_named() {
    check_store("vigil status", |_| {}, "/people/ada/.local/share/vigil");
    check_store("vigil status", |e| e.data_home = Some("/data".into()), "/data/vigil");
    check_store(
        "vigil status",
        |e| e.data_home = Some("not/absolute".into()),
        "/people/ada/.local/share/vigil",
    );
    check_store("vigil status", |e| e.store = Some("/s".into()), "/s");
    check_store("vigil status", |e| e.store = Some("".into()), "/people/ada/.local/share/vigil");
    check_store("vigil --store t status", |e| e.store = Some("/s".into()), "t");
    check_store("vigil status --store t", |e| e.folder = "/base".into(), "/base/t");
}

#[test]
fn threads_are_as_many_as_processors_unless_told() {
    assert_eq!(resolve("vigil status", &environment()).expect("fine").threads, 3);
    assert_eq!(resolve("vigil --threads 9 status", &environment()).expect("fine").threads, 9);
}

#[test]
fn paths_start_where_the_environment_says() {
    let environment = Environment { folder: "/base".into(), ..environment() };
    let request = resolve("vigil add a /b -", &environment).expect("fine");
    let Command::Add(add) = request.command else { panic!("it is add") };
    assert_eq!(add.paths, ["/base/a", "/b", "-"].map(PathBuf::from));
}

#[track_caller]
fn check_refused(line: &str, change: impl FnOnce(&mut Environment), want: ResolveArgsError) {
    let mut environment = environment();
    change(&mut environment);
    assert_eq!(resolve(line, &environment).expect_err("it is refused"), want);
}

#[test]
fn what_cannot_be_meant_is_refused() {
    check_refused("vigil status", |e| e.home = None, ResolveArgsError::NoDataFolder);
    let two = ResolveArgsError::NameForMany { paths: 2 };
    check_refused("vigil add a b --name c", |_| {}, two);
    let tar = ResolveArgsError::Terminal { what: "a tar stream" };
    check_refused("vigil tar @a", |e| e.is_output_terminal = true, tar);
    let arena = ResolveArgsError::Terminal { what: "an arena" };
    check_refused("vigil arena export 1", |e| e.is_output_terminal = true, arena);
}

#[test]
fn a_program_without_sql_says_so() {
    let environment = environment();
    let (out, talk) = (Written::default(), Written::default());
    let argv = ["vigil", "sql", "select 1"].map(Into::into);
    let (shown, said) = (Box::new(out.clone()), Box::new(talk.clone()));
    assert_eq!(crate::run(argv, &environment, shown, said), 1);
    assert!(talk.text().contains("built without SQL"), "{}", talk.text());
    assert_eq!(out.text(), "");
}

/// Memory that somebody writes to.
#[derive(Clone, Default)]
struct Written(Arc<std::sync::Mutex<Vec<u8>>>);

impl Written {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().expect("nobody panicked")).into_owned()
    }
}

impl std::io::Write for Written {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("nobody panicked").write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
