use crate::build::{BuildError, Image, initd_archive};
use crate::home::{HomeError, Qemu};

/// Why there is no price list.
#[derive(Debug)]
pub enum PriceError {
    /// The image could not be built.
    Build(BuildError),
    /// The machine could not be run.
    Home(HomeError),
    /// The prices Task failed; these are its words.
    Task(String),
}

impl std::fmt::Display for PriceError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Build(error) => error.fmt(f),
            Self::Home(error) => error.fmt(f),
            Self::Task(words) => write!(f, "the prices Task failed; it said:\n{words}"),
        }
    }
}

impl std::error::Error for PriceError {}

/// Returns the page of prices: one processor, instructions counted, so every run gives the same.
pub fn prices(image: &Image) -> Result<String, PriceError> {
    let archive = initd_archive(image, "prices.archive", "prices").map_err(PriceError::Build)?;
    let words = "frames=4096".into();
    let kernel = image.kernel.clone();
    let machine = Qemu { kernel, archive, processors: 1, counted: true, words };
    let ran = machine.run("").map_err(PriceError::Home)?;
    if ran.code != Some(0) {
        return Err(PriceError::Task(ran.console));
    }
    Ok(format!(
        "# Prices\n\nInstructions, counted by QEMU (`-icount shift=0`, one processor) with the pinned \
         toolchain; not time.\nWritten by `cargo run -p vectra-xtask -- prices`; a test compares \
         them.\n\n| operation | instructions |\n|---|---|\n{}",
        ran.console
    ))
}
