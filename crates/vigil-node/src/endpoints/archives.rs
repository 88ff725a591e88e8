//! Archives and trees: tar (POSIX ustar, pax and GNU) and zip (APPNOTE 6.3), both ways.
//!
//! Invariant: an archive is hostile until it has been read: see `unpacked.rs`, and [`Rationed`] for what
//! its headers may take.

use std::cell::Cell;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::ffi::OsStrExt as _;
use std::rc::Rc;

use vigil_base::{EntryKind, Uri, Vcid};
use vigil_files::{Resolved, list, write_blob, write_tar};
use vigil_kernel::{Blobs as _, Parameter, Produced, Refusal};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

use super::packing::MAX;
use super::unpacked::{Bounded, Growing, Unwelcome, bound};
use super::{Conversion, TREE_TYPE};
use crate::blob::{BlobReader, Lost};
use crate::description::{
    Asked, Description, Given, choice, kept_as, misuse, source_refused, world,
};
use crate::host::fault;

/// The media types of archives.
const TAR_TYPE: &str = "application/x-tar";
const ZIP_TYPE: &str = "application/zip";

const LINKS: Parameter = choice(
    "links",
    "what becomes of links that lead out of the archive",
    &["refuse", "drop", "keep"],
);
const SPECIAL: Parameter =
    choice("special", "what becomes of devices, pipes and the like", &["refuse", "drop"]);

/// There and back.
pub const ENDPOINTS: &[Description] = &[
    Description {
        name: "untar",
        help: "the tree that a tar archive holds",
        pattern: None,
        parameters: &[LINKS, SPECIAL, MAX],
        gives: &[TREE_TYPE],
        serve: |asked| Box::pin(untar(asked)),
    },
    Description {
        name: "unzip",
        help: "the tree that a zip archive holds",
        pattern: None,
        parameters: &[LINKS, MAX],
        gives: &[TREE_TYPE],
        serve: |asked| Box::pin(unzip(asked)),
    },
    Description {
        name: "tar",
        help: "a tree as a tar archive; the same tree gives the same archive",
        pattern: None,
        parameters: &[],
        gives: &[TAR_TYPE],
        serve: |asked| Box::pin(tar(asked)),
    },
    Description {
        name: "zip",
        help: "a tree as a zip archive; the same tree gives the same archive",
        pattern: None,
        parameters: &[],
        gives: &[ZIP_TYPE],
        serve: |asked| Box::pin(zip(asked)),
    },
];

/// Between trees and archives.
pub const CONVERTERS: &[Conversion] = &[
    (TREE_TYPE, TAR_TYPE, 10, "tar"),
    (TAR_TYPE, TREE_TYPE, 10, "untar"),
    (TAR_TYPE, super::BYTES_TYPE, 1, "bytes"),
    (TREE_TYPE, ZIP_TYPE, 20, "zip"),
    (ZIP_TYPE, TREE_TYPE, 10, "unzip"),
    (ZIP_TYPE, super::BYTES_TYPE, 1, "bytes"),
];

/// Most bytes that the headers of one tar entry may take: a path of 4 kB, and attributes.
const HEADER_BYTES_MAX: u64 = 4 << 20;

/// Most bytes that the directory of a zip archive may take.
const DIRECTORY_BYTES_MAX: u64 = 256 << 20;

/// A stream that gives no more than a ration until it gets another: libraries hold headers in memory,
/// however long they are said to be.
struct Rationed {
    source: BlobReader,
    left: Rc<Cell<u64>>,
}

impl Read for Rationed {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.source.read(into)?;
        match self.left.get().checked_sub(count as u64) {
            Some(left) => self.left.set(left),
            None => {
                let text = "its headers take more memory than any honest archive's";
                return Err(io::Error::new(io::ErrorKind::InvalidData, text));
            }
        }
        Ok(count)
    }
}

impl Seek for Rationed {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.source.seek(to)
    }
}

/// An archive that is being unpacked.
struct Unpacking<'a> {
    asked: &'a Asked<'a>,
    what: String,
    tree: Growing,
    max: u64,
    left: u64,
}

impl<'a> Unpacking<'a> {
    fn new(asked: &'a Asked<'a>, given: &Given, what: &str) -> Result<Self, Refusal> {
        let max = bound(given)?;
        Ok(Self {
            asked,
            what: format!("{} cannot be unpacked with {what}", given.operand),
            tree: Growing::new(Unwelcome::of(given.text("links"))),
            max,
            left: max,
        })
    }

    fn refuse(&self, why: &str) -> Refusal {
        misuse(format!("{}: {why}", self.what))
    }

    fn refuse_source(&self, error: &io::Error) -> Refusal {
        source_refused(error, &self.what)
    }

    /// Keeps the bytes of an entry.
    fn keep(&mut self, source: &mut dyn Read) -> Result<Vcid, Refusal> {
        let mut source = Bounded::of(source, self.max, self.left);
        let kept = self.asked.host.put_stream(&mut source);
        let (vcid, len) = kept.map_err(|failure| match failure {
            Lost::Store(fault) => world(fault.what),
            Lost::Source(error) => self.refuse_source(&error),
        })?;
        self.left -= len;
        Ok(vcid)
    }

    fn add_link(&mut self, path: &[u8], target: &[u8], replaces: bool) -> Result<(), Refusal> {
        let path = self.tree.path(path).map_err(|why| self.refuse(&why))?;
        if !self.tree.takes_link(&path, target).map_err(|why| self.refuse(&why))? {
            return Ok(());
        }
        let vcid = self.asked.host.put(target).map_err(|fault| world(fault.what))?;
        let added = self.tree.add(&path, EntryKind::Symlink, vcid, replaces);
        added.map_err(|why| self.refuse(&why))
    }

    fn add_file(
        &mut self,
        path: &[u8],
        is_executable: bool,
        source: &mut dyn Read,
        replaces: bool,
    ) -> Result<(), Refusal> {
        let path = self.tree.path(path).map_err(|why| self.refuse(&why))?;
        let vcid = self.keep(source)?;
        let kind = if is_executable { EntryKind::Executable } else { EntryKind::File };
        self.tree.add(&path, kind, vcid, replaces).map_err(|why| self.refuse(&why))
    }

    fn add_folder(&mut self, path: &[u8]) -> Result<(), Refusal> {
        let path = self.tree.path(path).map_err(|why| self.refuse(&why))?;
        self.tree.add_folder(&path).map_err(|why| self.refuse(&why))
    }

    /// Adds what an earlier entry holds under another path.
    fn add_again(&mut self, path: &[u8], target: &[u8]) -> Result<(), Refusal> {
        let target_path = self.tree.path(target).map_err(|why| self.refuse(&why))?;
        let path = self.tree.path(path).map_err(|why| self.refuse(&why))?;
        let Some((kind, vcid)) = self.tree.find(&target_path) else {
            let target = String::from_utf8_lossy(target);
            return Err(
                self.refuse(&format!("a hard link leads to `{target}`, which is not there"))
            );
        };
        self.tree.add(&path, kind, vcid, true).map_err(|why| self.refuse(&why))
    }

    fn finish(self) -> Result<Produced, Refusal> {
        let vcid = self.tree.finish(&self.asked.host).map_err(|fault| world(fault.what))?;
        Ok(kept_as(TREE_TYPE, vcid))
    }
}

async fn untar(asked: Asked<'_>) -> Result<Produced, Refusal> {
    let given = asked.given().await?;
    untar_all(&asked, &given)
}

fn untar_all(asked: &Asked<'_>, given: &Given) -> Result<Produced, Refusal> {
    let mut unpacking = Unpacking::new(asked, given, "tar")?;
    let left = Rc::new(Cell::new(HEADER_BYTES_MAX));
    let source = Rationed { source: asked.open(given)?, left: left.clone() };
    let drops_special = given.text("special") == "drop";
    let mut archive = tar::Archive::new(source);
    let mut entries = archive.entries().map_err(|error| unpacking.refuse_source(&error))?;
    loop {
        left.set(HEADER_BYTES_MAX);
        let Some(entry) = entries.next() else { return unpacking.finish() };
        let mut entry = entry.map_err(|error| unpacking.refuse_source(&error))?;
        // What the entry itself holds is streamed, and bounded by what comes out.
        left.set(u64::MAX);
        let path = entry.path_bytes().into_owned();
        let link = entry.link_name_bytes().map(|link| link.into_owned()).unwrap_or_default();
        let mode = entry.header().mode().map_err(|error| unpacking.refuse_source(&error))?;
        match entry.header().entry_type() {
            tar::EntryType::Directory => unpacking.add_folder(&path)?,
            tar::EntryType::Symlink => unpacking.add_link(&path, &link, true)?,
            tar::EntryType::Link => unpacking.add_again(&path, &link)?,
            // Before POSIX a folder was a file whose name ends with a slash.
            tar::EntryType::Regular if path.ends_with(b"/") => unpacking.add_folder(&path)?,
            tar::EntryType::Regular | tar::EntryType::Continuous | tar::EntryType::GNUSparse => {
                unpacking.add_file(&path, mode & 0o100 != 0, &mut entry, true)?;
            }
            tar::EntryType::XGlobalHeader => {}
            _ if drops_special => {}
            other => {
                let (path, code) = (String::from_utf8_lossy(&path), char::from(other.as_byte()));
                return Err(unpacking.refuse(&format!(
                    "`{path}` is no file, folder or link (its type is `{code}`)\nhint: `special=drop` leaves such entries out"
                )));
            }
        }
        // What was not read would count as headers of the next entry.
        io::copy(&mut entry, &mut io::sink()).map_err(|error| unpacking.refuse_source(&error))?;
    }
}

async fn unzip(asked: Asked<'_>) -> Result<Produced, Refusal> {
    let given = asked.given().await?;
    unzip_all(&asked, &given)
}

fn unzip_all(asked: &Asked<'_>, given: &Given) -> Result<Produced, Refusal> {
    let mut unpacking = Unpacking::new(asked, given, "zip")?;
    let left = Rc::new(Cell::new(DIRECTORY_BYTES_MAX));
    let source = Rationed { source: asked.open(given)?, left: left.clone() };
    let zip_error = |unpacking: &Unpacking<'_>, error: zip::result::ZipError| match error {
        zip::result::ZipError::Io(error) => unpacking.refuse_source(&error),
        error => unpacking.refuse(&error.to_string()),
    };
    let mut archive = ZipArchive::new(source).map_err(|error| zip_error(&unpacking, error))?;
    left.set(u64::MAX);
    // Two readers may see two files where entries share a name or bytes.
    if archive.has_duplicate_names() {
        return Err(unpacking.refuse("two of its entries have one name"));
    }
    if archive.has_overlapping_entries().map_err(|error| zip_error(&unpacking, error))? {
        return Err(unpacking.refuse("its entries lie over one another"));
    }
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index).map_err(|error| zip_error(&unpacking, error))?;
        let path = entry.name_raw().to_vec();
        if entry.is_dir() {
            unpacking.add_folder(&path)?;
        } else if entry.is_symlink() {
            let mut target = Vec::new();
            let mut start =
                (&mut entry).take(vigil_base::limits::SYMLINK_TARGET_BYTES_MAX as u64 + 1);
            start.read_to_end(&mut target).map_err(|error| unpacking.refuse_source(&error))?;
            unpacking.add_link(&path, &target, false)?;
        } else {
            let is_executable = entry.unix_mode().is_some_and(|mode| mode & 0o100 != 0);
            unpacking.add_file(&path, is_executable, &mut entry, false)?;
        }
    }
    unpacking.finish()
}

/// Returns what is piped in as a tree to walk.
fn tree_of(given: &Given) -> Result<Resolved, Refusal> {
    if given.found.media_type.as_str() != TREE_TYPE {
        return Err(misuse(format!(
            "{} is not a tree\nhint: only folders are packed into archives; `gzip` and `zstd` pack files",
            given.operand
        )));
    }
    let vcid = given.found.vcid;
    Ok(Resolved { uri: Uri::tree(vcid), kind: EntryKind::Tree, vcid, metadata: None })
}

/// Runs `write` on a thread of its own, and keeps what it writes.
fn keep_written(
    asked: &Asked<'_>,
    media: &str,
    write: impl FnOnce(&mut dyn Write) -> Result<(), Refusal> + Send,
) -> Result<Produced, Refusal> {
    let (mut source, mut sink) = io::pipe().map_err(|error| world(error.to_string()))?;
    let (written, kept) = std::thread::scope(|scope| {
        let writing = scope.spawn(move || write(&mut sink));
        let kept = asked.keep(media, &mut source, "the archive");
        // The writer stops where nobody reads on.
        drop(source);
        (writing.join(), kept)
    });
    match written {
        Ok(Ok(())) => kept,
        // Where it could not be kept, the writer only says that nobody reads.
        Ok(Err(why)) => Err(kept.err().unwrap_or(why)),
        Err(panic) => std::panic::resume_unwind(panic),
    }
}

async fn tar(asked: Asked<'_>) -> Result<Produced, Refusal> {
    let given = asked.given().await?;
    let tree = tree_of(&given)?;
    let store = asked.host.store().clone();
    keep_written(&asked, TAR_TYPE, move |sink| {
        let written = write_tar(&store, &tree, sink, 1, &|_| {});
        written.map(|_| ()).map_err(|error| world(fault(&error).what))
    })
}

async fn zip(asked: Asked<'_>) -> Result<Produced, Refusal> {
    let given = asked.given().await?;
    let tree = tree_of(&given)?;
    let store = asked.host.store().clone();
    keep_written(&asked, ZIP_TYPE, move |sink| {
        let mut writer = ZipWriter::new_stream(sink);
        let mut trouble = None;
        let mut visit = |listed: vigil_files::Listed| match append(&store, &mut writer, &listed) {
            Ok(()) => std::ops::ControlFlow::Continue(()),
            Err(error) => {
                trouble = Some(error);
                std::ops::ControlFlow::Break(())
            }
        };
        list(&store, tree.vcid, true, &mut visit).map_err(|error| world(fault(&error).what))?;
        match trouble {
            Some(error) => Err(error),
            None => writer.finish().map(|_| ()).map_err(|error| world(error.to_string())),
        }
    })
}

/// Adds an entry to a zip archive.
fn append<W: Write + Seek>(
    store: &vigil_store::Store,
    writer: &mut ZipWriter<W>,
    listed: &vigil_files::Listed,
) -> Result<(), Refusal> {
    let failed = |error: zip::result::ZipError| world(error.to_string());
    let mut path = Vec::new();
    for (index, step) in listed.path.names().iter().enumerate() {
        path.extend((index > 0).then_some(b'/'));
        path.extend(step.as_bytes());
    }
    let shown = std::ffi::OsStr::from_bytes(&path);
    let name = shown.to_str().ok_or_else(|| {
        misuse(format!("the name `{}` is not text, and names in zip archives are", shown.display()))
    })?;
    // 1980-01-01, the first day that the format knows.
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        .last_modified_time(zip::DateTime::default())
        .large_file(listed.size.is_some_and(|size| size >= 1 << 31));
    let mode = |mode: u32| options.unix_permissions(mode);
    match listed.kind {
        EntryKind::Tree => writer.add_directory(name, mode(0o755)).map_err(failed),
        EntryKind::Symlink => {
            let target = store.read(listed.vcid).map_err(|error| world(fault(&error).what))?;
            let target = String::from_utf8(target);
            let target =
                target.map_err(|_| misuse(format!("the target of `{name}` is not text")))?;
            writer.add_symlink(name, target, mode(0o777)).map_err(failed)
        }
        EntryKind::File | EntryKind::Executable => {
            let bits = if listed.kind == EntryKind::Executable { 0o755 } else { 0o644 };
            writer.start_file(name, mode(bits)).map_err(failed)?;
            let written = write_blob(store, listed.vcid, None, writer, &|_, _| {});
            written.map(|_| ()).map_err(|error| world(fault(&error).what))
        }
    }
}
