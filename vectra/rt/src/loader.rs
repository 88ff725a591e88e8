use core::fmt;
use core::sync::atomic::Ordering;

use vectra_abi::{Access, Kind, Name, PAGE_BYTES, Rights, SELF, WINDOW_END};
use vectra_core::{Elf, ElfError, Segment};

use crate::bundle::{Slot, free_name};
use crate::calls::call;
use crate::memory::words;
use crate::pages::Pages;
use crate::refusal::Refused;

/// Pages of a Task's stack.
const STACK_PAGES: u64 = 8;

/// A Task that is built and not yet started.
#[derive(Clone, Copy, Debug)]
pub struct Child {
    /// The capability to it.
    pub slot: Slot,
    /// Where it begins.
    pub entry: u64,
    /// Its first stack address.
    pub stack: u64,
}

/// Why a Task could not be built.
#[derive(Clone, Copy, Debug)]
pub enum LoadError {
    /// The bytes are no Task.
    File(ElfError),
    /// A call was refused.
    Call(Refused),
}

impl From<Refused> for LoadError {
    fn from(refused: Refused) -> Self {
        Self::Call(refused)
    }
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(error) => write!(f, "the file is no Task: {error:?}"),
            Self::Call(refused) => refused.fmt(f),
        }
    }
}

/// Builds a Task from an ELF file, out of a Reticle. Its segments and stack become slots of its
/// Bundle, and nobody else's. `scratch` gives addresses at which segments are filled.
pub fn load(
    reticle: Slot,
    scratch: &mut Pages,
    name: &str,
    file: &[u8],
) -> Result<Child, LoadError> {
    let elf = Elf::parse(file).map_err(LoadError::File)?;
    let [low, high] = Name::new(name).words();
    let task = call::reticle_retype(reticle.0, Kind::Task as u64, 0, low, high, 0)?[0];
    let window = scratch.reserve(0);
    for (index, segment) in elf.segments().enumerate() {
        add_segment(reticle, task, window, index, &segment)?;
    }
    let stack = WINDOW_END - PAGE_BYTES;
    let address = stack - STACK_PAGES * PAGE_BYTES;
    let memory = make(reticle, STACK_PAGES)?;
    give(task, memory, "stack", address, Access::Write)?;
    Ok(Child { slot: Slot(task), entry: elf.entry(), stack })
}

fn make(reticle: Slot, pages: u64) -> Result<u64, Refused> {
    let [low, high] = free_name("load").words();
    Ok(call::reticle_retype(reticle.0, Kind::Memory as u64, pages, low, high, 0)?[0])
}

fn add_segment(
    reticle: Slot,
    task: u64,
    window: u64,
    index: usize,
    segment: &Segment<'_>,
) -> Result<(), Refused> {
    let memory = make(reticle, segment.pages)?;
    call::memory_map(SELF, memory, window, Access::Write as u64)?;
    fill(window, segment);
    call::memory_unmap(SELF, memory)?;
    const NAMES: [&str; 8] = ["elf0", "elf1", "elf2", "elf3", "elf4", "elf5", "elf6", "elf7"];
    give(task, memory, NAMES[index % NAMES.len()], segment.address, segment.access)
}

/// Copies a segment's bytes into fresh pages, word by word.
fn fill(window: u64, segment: &Segment<'_>) {
    let places = words(window, segment.pages);
    let mut bytes = segment.bytes;
    let mut at = segment.skip;
    if at.is_multiple_of(8) {
        let (whole, rest) = bytes.as_chunks::<8>();
        for (place, word) in places[at / 8..].iter().zip(whole) {
            place.store(u64::from_le_bytes(*word), Ordering::Relaxed);
        }
        (at, bytes) = (at + whole.len() * 8, rest);
    }
    while !bytes.is_empty() {
        let (place, offset) = (&places[at / 8], at % 8);
        let (now, later) = bytes.split_at(bytes.len().min(8 - offset));
        let mut word = place.load(Ordering::Relaxed).to_le_bytes();
        word[offset..offset + now.len()].copy_from_slice(now);
        place.store(u64::from_le_bytes(word), Ordering::Relaxed);
        at += now.len();
        bytes = later;
    }
}

/// Moves memory into the child with the rights of its access, and maps it there.
fn give(task: u64, memory: u64, name: &str, address: u64, access: Access) -> Result<(), Refused> {
    let [low, high] = Name::new(name).words();
    let rights = access.rights().or(Rights::NONE);
    let slot = call::bundle_give(task, memory, u64::from(rights.0), low, high)?[0];
    call::memory_map(task, slot, address, access as u64)?;
    Ok(())
}
