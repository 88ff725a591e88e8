//! `cargo run -p vectra-xtask -- boot`: builds everything and boots it on this terminal.

use std::os::fd::AsFd;
use std::process::ExitCode;
use std::time::Instant;

use vectra_host::{Start, run, run_here};
use vectra_image::{Image, QEMU_MISSING, Qemu, Tools, build, has_qemu};
use vectra_xtask::{prices, root, run_bare};

const HELP: &str =
    "usage: vectra-xtask build | boot [TASK] | hosted [TASK] | here [TASK] | prices | boots

build   build kernel, Tasks and boot archive
boot    boot under QEMU, with the serial line on this terminal
hosted  run the same Task files on Linux, each as a process
here    run them all in this process, for a debugger
prices  print what operations cost, in instructions
boots   print how long QEMU takes to boot a Task that only looks at its memory, in picoseconds

TASK is the file that becomes the first Task; `initd` unless it is said.";

/// Pages of the pool: 16 MiB.
const FRAMES: u32 = 4096;

/// How often it is booted to see how long that takes.
const BOOTS: u32 = 9;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match words[..] {
        ["build"] => image().map(|image| {
            println!("{}\n{}", image.kernel.display(), image.archive.display());
            ExitCode::SUCCESS
        }),
        ["hosted"] => hosted("initd", false),
        ["hosted", task] => hosted(task, false),
        ["here"] => hosted("initd", true),
        ["here", task] => hosted(task, true),
        ["prices"] => show_prices(),
        ["boots"] => show_boots(),
        ["boot"] => boot("initd"),
        ["boot", task] => boot(task),
        _ => {
            eprintln!("{HELP}");
            return ExitCode::from(2);
        }
    };
    done.unwrap_or_else(|error| {
        eprintln!("error: {error}");
        ExitCode::from(3)
    })
}

type Done = Result<ExitCode, Box<dyn std::error::Error>>;

fn image() -> Result<Image, Box<dyn std::error::Error>> {
    Ok(build(&root(), &Tools::from_environment())?)
}

fn boot(first: &str) -> Done {
    if !has_qemu() {
        return Err(QEMU_MISSING.into());
    }
    let status = machine(first)?.command().status()?;
    Ok(ExitCode::from(status.code().map_or(3, |code| (code >> 1) as u8)))
}

fn machine(first: &str) -> Result<Qemu, Box<dyn std::error::Error>> {
    let Image { kernel, archive } = image()?;
    let words = format!("frames={FRAMES} first={first}");
    Ok(Qemu { kernel, archive, processors: 2, memory_mib: 128, counted: false, words })
}

fn hosted(first: &str, here: bool) -> Done {
    let archive = std::fs::read(image()?.archive)?;
    let start = Start {
        archive: &archive,
        frames: FRAMES,
        first,
        console: Box::new(std::io::stdout()),
        typing: Some(std::io::stdin().as_fd().try_clone_to_owned()?),
        processors: std::thread::available_parallelism().map_or(1, usize::from),
        limit: None,
        note: &|words| eprintln!("note: {words}"),
    };
    let code = if here { run_here(start) } else { run(start) }?;
    Ok(ExitCode::from(code as u8))
}

fn show_prices() -> Done {
    if !has_qemu() {
        return Err(QEMU_MISSING.into());
    }
    print!("{}", prices(&image()?)?);
    Ok(ExitCode::SUCCESS)
}

fn show_boots() -> Done {
    if !has_qemu() {
        return Err(QEMU_MISSING.into());
    }
    let machine = machine("roomy")?;
    for _ in 0..BOOTS {
        let from = Instant::now();
        let ran = run_bare(&machine, "")?;
        if ran.code != Some(0) {
            return Err(format!("the machine ended with {:?}: {}", ran.code, ran.console).into());
        }
        println!("QEMU started, a Task run, and all over: {}", from.elapsed().as_nanos() * 1000);
    }
    Ok(ExitCode::SUCCESS)
}
