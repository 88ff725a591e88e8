//! Task files: the part of ELF that a Task may use, checked before anything is believed.
//!
//! A static 64-bit executable of at most [`SEGMENTS_MAX`] loadable segments, each page-aligned in
//! memory, none both writable and executable, all inside the Task's window.

use vectra_abi::{Access, PAGE_BYTES, WINDOW_END, WINDOW_START};

/// Loadable segments of one file. Every one takes a slot of the Bundle.
pub const SEGMENTS_MAX: usize = 8;

const HEADER_LEN: usize = 64;
const PROGRAM_LEN: usize = 56;
const MACHINE_X86_64: u16 = 62;

/// Why bytes are not a Task.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ElfError {
    /// Shorter than its headers say.
    Short,
    /// Not a static 64-bit little-endian executable.
    Form,
    /// More segments than a Task may have.
    TooMany,
    /// A segment is writable and executable.
    WriteExecute,
    /// A segment lies outside the window, is not page-aligned or overlaps another.
    Place,
}

/// A file whose headers have been checked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Elf<'a> {
    bytes: &'a [u8],
    entry: u64,
    segments: [(u64, u64, u64, u64, Access); SEGMENTS_MAX],
    count: usize,
}

/// One run of pages to load.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Segment<'a> {
    /// The first address; page-aligned.
    pub address: u64,
    /// Pages in memory.
    pub pages: u64,
    /// Where in the first page the bytes go.
    pub skip: usize,
    /// The bytes; what follows them is zero.
    pub bytes: &'a [u8],
    /// How it is mapped.
    pub access: Access,
}

fn u16_at(bytes: &[u8], at: usize) -> Result<u16, ElfError> {
    let word = bytes.get(at..at + 2).ok_or(ElfError::Short)?;
    Ok(u16::from_le_bytes([word[0], word[1]]))
}

fn u64_at(bytes: &[u8], at: usize) -> Result<u64, ElfError> {
    let bytes = bytes.get(at..).ok_or(ElfError::Short)?;
    Ok(u64::from_le_bytes(*bytes.first_chunk().ok_or(ElfError::Short)?))
}

impl<'a> Elf<'a> {
    /// Checks the headers.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, ElfError> {
        let header = bytes.get(..HEADER_LEN).ok_or(ElfError::Short)?;
        // Magic, 64-bit, little-endian, version 1; executable; this machine.
        let form = header[..7] == [0x7f, b'E', b'L', b'F', 2, 1, 1]
            && u16_at(header, 16)? == 2
            && u16_at(header, 18)? == MACHINE_X86_64
            && usize::from(u16_at(header, 54)?) == PROGRAM_LEN;
        if !form {
            return Err(ElfError::Form);
        }
        let programs = usize::try_from(u64_at(header, 32)?).map_err(|_| ElfError::Short)?;
        let mut elf = Elf {
            bytes,
            entry: u64_at(header, 24)?,
            segments: [(0, 0, 0, 0, Access::Read); SEGMENTS_MAX],
            count: 0,
        };
        for index in 0..usize::from(u16_at(header, 56)?) {
            let at = programs.checked_add(index * PROGRAM_LEN).ok_or(ElfError::Short)?;
            elf.add(bytes.get(at..).ok_or(ElfError::Short)?)?;
        }
        if !(WINDOW_START..WINDOW_END).contains(&elf.entry) {
            return Err(ElfError::Place);
        }
        Ok(elf)
    }

    fn add(&mut self, program: &[u8]) -> Result<(), ElfError> {
        let kind = u16_at(program, 0)?;
        let flags = u16_at(program, 4)?;
        let [offset, address, size, memory] =
            [u64_at(program, 8)?, u64_at(program, 16)?, u64_at(program, 32)?, u64_at(program, 40)?];
        if kind == 3 {
            return Err(ElfError::Form); // Wants an interpreter.
        }
        if kind != 1 || memory == 0 {
            return Ok(());
        }
        let access = match flags & 3 {
            3 => return Err(ElfError::WriteExecute),
            2 => Access::Write,
            1 => Access::Execute,
            _ => Access::Read,
        };
        let end = address.checked_add(memory).filter(|&end| end <= WINDOW_END);
        let end = end.filter(|_| address >= WINDOW_START).ok_or(ElfError::Place)?;
        let file_end = offset.checked_add(size).ok_or(ElfError::Short)?;
        if size > memory || file_end > self.bytes.len() as u64 {
            return Err(ElfError::Short);
        }
        let first = address / PAGE_BYTES;
        let overlaps = self.segments[..self.count].iter().any(|&(other, _, _, length, _)| {
            let other_end = (other + length).div_ceil(PAGE_BYTES);
            other / PAGE_BYTES < end.div_ceil(PAGE_BYTES) && first < other_end
        });
        if overlaps {
            return Err(ElfError::Place);
        }
        let place = self.segments.get_mut(self.count).ok_or(ElfError::TooMany)?;
        *place = (address, offset, size, memory, access);
        self.count += 1;
        Ok(())
    }

    /// Returns where the Task begins.
    pub fn entry(&self) -> u64 {
        self.entry
    }

    /// Returns what to load.
    pub fn segments(&self) -> impl Iterator<Item = Segment<'a>> + '_ {
        self.segments[..self.count].iter().map(|&(address, offset, size, memory, access)| Segment {
            address: address - address % PAGE_BYTES,
            pages: (address % PAGE_BYTES + memory).div_ceil(PAGE_BYTES),
            skip: (address % PAGE_BYTES) as usize,
            bytes: &self.bytes[offset as usize..(offset + size) as usize],
            access,
        })
    }
}
