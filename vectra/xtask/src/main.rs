//! `cargo run -p vectra-xtask -- boot`: builds everything and boots it on this terminal.

use std::process::ExitCode;

use vectra_xtask::{
    Hosted, Image, Qemu, hosted_program, image, initd_archive, prices, qemu_is_missing,
};

const HELP: &str = "usage: vectra-xtask build | boot [TASK] | hosted [TASK] | prices

build   build kernel, Tasks and boot archive
boot    boot under QEMU, with the serial line on this terminal
hosted  run the same Task files on Linux, under the supervisor
prices  print what operations cost, in instructions

TASK is the file that becomes the first Task; `initd` unless it is said.";

/// Pages of the pool: 16 MiB.
const FRAMES: u32 = 4096;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match words[..] {
        ["build"] => with_image("initd", |_, archive| {
            println!("{}", archive.display());
            Ok(ExitCode::SUCCESS)
        }),
        ["hosted"] => hosted("initd"),
        ["hosted", task] => hosted(task),
        ["prices"] => show_prices(),
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

fn with_image(first: &str, run: impl FnOnce(Image, std::path::PathBuf) -> Done) -> Done {
    let image = image()?;
    let archive = initd_archive(&image, &format!("{first}.archive"), first)?;
    run(image, archive)
}

fn boot(first: &str) -> Done {
    if let Some(hint) = qemu_is_missing() {
        return Err(hint.into());
    }
    with_image(first, |image, archive| {
        let words = format!("frames={FRAMES}");
        let kernel = image.kernel;
        let qemu = Qemu { kernel, archive, processors: 2, counted: false, words };
        let status = qemu.command().status()?;
        Ok(ExitCode::from(status.code().map_or(3, |code| (code >> 1) as u8)))
    })
}

fn hosted(first: &str) -> Done {
    with_image(first, |_, archive| {
        let machine = Hosted { program: hosted_program()?, archive, frames: FRAMES };
        let status = machine.command().status()?;
        Ok(ExitCode::from(status.code().map_or(3, |code| code as u8)))
    })
}

fn show_prices() -> Done {
    if let Some(hint) = qemu_is_missing() {
        return Err(hint.into());
    }
    print!("{}", prices(&image()?)?);
    Ok(ExitCode::SUCCESS)
}
