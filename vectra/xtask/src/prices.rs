use vectra_image::{Image, Qemu};

use crate::home::{HomeError, run_bare};

/// Why there is no price list.
#[derive(Debug)]
pub enum PriceError {
    /// The machine could not be run.
    Home(HomeError),
    /// The prices Task failed; these are its words.
    Task(String),
}

impl std::fmt::Display for PriceError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Home(error) => error.fmt(f),
            Self::Task(words) => write!(f, "the prices Task failed; it said:\n{words}"),
        }
    }
}

impl std::error::Error for PriceError {}

/// Returns the page of prices: one processor, instructions counted, so every run gives the same.
pub fn prices(image: &Image) -> Result<String, PriceError> {
    let machine = Qemu {
        kernel: image.kernel.clone(),
        archive: image.archive.clone(),
        processors: 1,
        memory_mib: 128,
        counted: true,
        words: "frames=4096 first=prices".into(),
    };
    let ran = run_bare(&machine, "").map_err(PriceError::Home)?;
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
