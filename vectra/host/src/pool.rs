//! The machine's memory: one memfd, mapped whole into the supervisor.
#![expect(unsafe_code, reason = "shared memory has no owner in Rust")]

use std::fs::File;
use std::io::{Error, Write};
use std::os::fd::{AsRawFd, FromRawFd, RawFd};

use vectra_abi::PAGE_BYTES;
use vectra_core::Frame;

/// Pages that Tasks map pieces of.
pub struct Pool {
    file: File,
    base: *mut u8,
    frames: u32,
}

/// Makes an anonymous file that lives as long as somebody has it open.
fn memory_file(name: &std::ffi::CStr, flags: libc::c_uint) -> Result<File, Error> {
    // WHY: std has no anonymous files.
    // SAFETY: the name is a C string; the result is checked and owned from here on.
    unsafe {
        let fd = libc::memfd_create(name.as_ptr(), flags);
        if fd < 0 { Err(Error::last_os_error()) } else { Ok(File::from_raw_fd(fd)) }
    }
}

/// Makes a file that can be executed and holds these bytes.
pub fn program(bytes: &[u8]) -> Result<File, Error> {
    let mut file = memory_file(c"vectra-task", libc::MFD_CLOEXEC)?;
    file.write_all(bytes)?;
    Ok(file)
}

impl Pool {
    /// Makes a pool. Its size is sealed, so that no page of it can ever be missing.
    pub fn new(frames: u32) -> Result<Self, Error> {
        let file = memory_file(c"vectra-pool", libc::MFD_ALLOW_SEALING)?;
        let length = u64::from(frames) * PAGE_BYTES;
        file.set_len(length)?;
        let seals = libc::F_SEAL_SHRINK | libc::F_SEAL_GROW | libc::F_SEAL_SEAL;
        // WHY: std neither seals nor maps.
        // SAFETY: a new mapping at an address that Linux chooses; both results are checked.
        let base = unsafe {
            if libc::fcntl(file.as_raw_fd(), libc::F_ADD_SEALS, seals) < 0 {
                return Err(Error::last_os_error());
            }
            libc::mmap(
                std::ptr::null_mut(),
                length as usize,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED,
                file.as_raw_fd(),
                0,
            )
        };
        if base == libc::MAP_FAILED {
            return Err(Error::last_os_error());
        }
        Ok(Self { file, base: base.cast(), frames })
    }

    /// Returns the descriptor, which Tasks have under the same number.
    pub fn descriptor(&self) -> RawFd {
        self.file.as_raw_fd()
    }

    /// Returns where a frame lies in the file.
    pub fn offset(frame: Frame) -> u64 {
        u64::from(frame.0) * PAGE_BYTES
    }

    fn page(&self, frame: Frame) -> *mut u8 {
        assert!(frame.0 < self.frames, "a frame outside the pool");
        self.base.wrapping_add(Self::offset(frame) as usize)
    }

    /// Clears a page.
    pub fn zero(&mut self, frame: Frame) {
        // WHY: Tasks may have the page mapped, so no reference to it may exist.
        // SAFETY: a whole page inside the mapping, by `page`.
        unsafe { self.page(frame).write_bytes(0, PAGE_BYTES as usize) }
    }

    /// Copies a page.
    pub fn copy(&mut self, from: Frame, to: Frame) {
        // WHY: as above.
        // SAFETY: two whole pages inside the mapping.
        unsafe { self.page(from).copy_to(self.page(to), PAGE_BYTES as usize) }
    }

    /// Writes inside a page.
    pub fn write(&mut self, frame: Frame, offset: usize, bytes: &[u8]) {
        assert!(offset + bytes.len() <= PAGE_BYTES as usize);
        // WHY: as above.
        // SAFETY: inside one page, by the line above.
        unsafe { self.page(frame).add(offset).copy_from(bytes.as_ptr(), bytes.len()) }
    }
}
