//! The boot archive: named files in one run of bytes.
//!
//! Magic, a count, then for each file its name (16 bytes), offset and length (8 bytes each, from
//! the archive's start), then the files. Little-endian.

use vectra_abi::Name;

const MAGIC: [u8; 8] = *b"vectraA1";
const COUNT_AT: usize = MAGIC.len();
const ENTRIES_AT: usize = COUNT_AT + 8;
const ENTRY_LEN: usize = 32;

/// Why bytes are not an archive.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ArchiveError {
    /// It does not begin with the magic bytes.
    Magic,
    /// It is shorter than it says.
    Short,
}

/// An archive whose directory has been checked.
#[derive(Clone, Copy, Debug)]
pub struct Archive<'a> {
    bytes: &'a [u8],
    count: usize,
}

/// One file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Entry<'a> {
    /// Its name.
    pub name: Name,
    /// Its bytes.
    pub bytes: &'a [u8],
}

fn u64_at(bytes: &[u8], at: usize) -> Option<usize> {
    usize::try_from(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?)).ok()
}

impl<'a> Archive<'a> {
    /// Checks the directory; every file lies inside the bytes.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, ArchiveError> {
        if bytes.get(..MAGIC.len()) != Some(&MAGIC[..]) {
            return Err(ArchiveError::Magic);
        }
        let count = u64_at(bytes, COUNT_AT).ok_or(ArchiveError::Short)?;
        let directory = count.checked_mul(ENTRY_LEN).ok_or(ArchiveError::Short)?;
        if directory > bytes.len() {
            return Err(ArchiveError::Short);
        }
        let archive = Self { bytes, count };
        if (0..count).all(|index| archive.entry(index).is_some()) {
            Ok(archive)
        } else {
            Err(ArchiveError::Short)
        }
    }

    fn entry(&self, index: usize) -> Option<Entry<'a>> {
        let at = ENTRIES_AT + index * ENTRY_LEN;
        let name = Name::from_bytes(*self.bytes.get(at..)?.first_chunk()?);
        let (offset, length) = (u64_at(self.bytes, at + 16)?, u64_at(self.bytes, at + 24)?);
        let bytes = self.bytes.get(offset..offset.checked_add(length)?)?;
        Some(Entry { name, bytes })
    }

    /// Returns the files in order.
    pub fn entries(&self) -> impl Iterator<Item = Entry<'a>> + '_ {
        (0..self.count).filter_map(|index| self.entry(index))
    }

    /// Finds a file.
    pub fn find(&self, name: &str) -> Option<&'a [u8]> {
        let name = Name::new(name);
        self.entries().find(|entry| entry.name == name).map(|entry| entry.bytes)
    }

    /// Returns the bytes before the files of an archive of these names and lengths.
    pub fn header(files: &[(&str, usize)], out: &mut dyn FnMut(&[u8])) {
        out(&MAGIC);
        out(&(files.len() as u64).to_le_bytes());
        let mut offset = ENTRIES_AT + files.len() * ENTRY_LEN;
        for (name, length) in files {
            for word in Name::new(name).words() {
                out(&word.to_le_bytes());
            }
            out(&(offset as u64).to_le_bytes());
            out(&(*length as u64).to_le_bytes());
            offset += length;
        }
    }
}
