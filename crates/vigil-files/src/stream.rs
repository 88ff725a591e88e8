//! Writing blobs and trees to a stream.

use std::io::{self, Write};
use std::ops::{ControlFlow, Range};

use vigil_base::{Blame, Blamed, EntryKind, TreePath, Vcid};
use vigil_store::{Blob, Depth, ItemBytes, ReadError, Store};

use crate::trees::{ResolveError, Resolved, walk};

/// Why something could not be written to a stream.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// The bytes could not be read from the store.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The tree could not be walked.
    #[error("could not walk the tree")]
    Walk(#[from] ResolveError),
    /// The stream does not take them.
    #[error("could not write")]
    Out(#[source] io::Error),
}

impl Blamed for WriteError {
    fn blame(&self) -> Blame {
        match self {
            Self::Read(source) => source.blame(),
            Self::Walk(source) => source.blame(),
            Self::Out(_) => Blame::World,
        }
    }
}

/// Pieces that are read ahead of the one that is being written.
const PIECES_AHEAD: usize = 16;

/// Writes a blob, or a range of it, piece by piece; each is proven before it is written. Returns how
/// many bytes were written.
pub fn write_blob(
    store: &Store,
    vcid: Vcid,
    range: Option<Range<u64>>,
    out: &mut dyn Write,
    progress: &dyn Fn(u64, u64),
) -> Result<u64, WriteError> {
    let blob = store.find(vcid)?;
    let len = blob.len();
    let range = range.unwrap_or(0..len);
    if range.start > range.end || range.end > len {
        let (start, end) = (range.start, range.end);
        return Err(ReadError::Range { vcid, len, start, end }.into());
    }
    let total = range.end - range.start;
    let (mut written, mut at) = (0, 0);
    let wanted: Vec<usize> = (0..blob.piece_count())
        .filter(|&index| {
            let (start, end) = blob.piece_range(index);
            end > range.start && start < range.end
        })
        .collect();
    let read = |index: usize| store.piece(&blob, wanted[index], Depth::Full);
    in_order(wanted.len(), 2, &read, &mut |piece| {
        let (start, end) = blob.piece_range(wanted[at]);
        at += 1;
        let from = range.start.max(start) - start;
        let to = range.end.min(end) - start;
        out.write_all(&piece?[from as usize..to as usize]).map_err(WriteError::Out)?;
        written += to - from;
        progress(written, total);
        Ok::<_, WriteError>(())
    })?;
    out.flush().map_err(WriteError::Out)?;
    Ok(written)
}

/// Computes `work(0..count)` on `threads` threads and hands the results on in order, never more than
/// a few ahead: thread t of n does every n-th, and the taker goes round.
fn in_order<T: Send, E>(
    count: usize,
    threads: usize,
    work: &(dyn Fn(usize) -> T + Sync),
    take: &mut dyn FnMut(T) -> Result<(), E>,
) -> Result<(), E> {
    let threads = threads.clamp(1, count.max(1));
    if count <= 1 {
        return (0..count).try_for_each(|index| take(work(index)));
    }
    std::thread::scope(|scope| {
        let queues: Vec<_> = (0..threads)
            .map(|thread| {
                let (send, receive) = crossbeam_channel::bounded(PIECES_AHEAD / threads + 1);
                // A taker that fails drops the other end, and that ends the thread.
                scope.spawn(move || {
                    (thread..count).step_by(threads).all(|index| send.send(work(index)).is_ok())
                });
                receive
            })
            .collect();
        for index in 0..count {
            match queues[index % threads].recv() {
                Ok(value) => take(value)?,
                // The thread has panicked; leaving the scope passes that on.
                Err(_) => break,
            }
        }
        Ok(())
    })
}

/// One entry on its way into a tar stream.
struct Part {
    path: TreePath,
    kind: EntryKind,
    /// `None` for a folder.
    blob: Option<Blob>,
}

/// Entries whose bytes are read at once: what one frame of small files holds, about.
const TAR_STEP: usize = 64;

/// Entries that are listed before their bytes are read: enough that starting threads does not show,
/// few enough that a tree of any size fits in memory.
const TAR_PARTS: usize = 8192;

/// Bytes of a step that are read ahead; longer files are streamed.
const TAR_WHOLE_MAX: u64 = 1 << 20;

/// Writes a tree as a tar stream (POSIX ustar with GNU long names): entries in the order of their
/// paths, modes 644 and 755, no times and no owners, so that one tree gives one stream. Returns how
/// many bytes of files were written.
pub fn write_tar(
    store: &Store,
    from: &Resolved,
    out: &mut dyn Write,
    threads: usize,
    progress: &dyn Fn(u64),
) -> Result<u64, WriteError> {
    let mut taring =
        Taring { store, threads, builder: tar::Builder::new(out), written: 0, progress };
    let mut parts = Vec::new();
    let mut trouble = None;
    walk(store, from.vcid, true, &mut |path, entry| {
        let blob = match entry.kind {
            EntryKind::Tree => Ok(None),
            _ => store.find(entry.vcid).map(Some),
        };
        let done = blob.map_err(WriteError::from).and_then(|blob| {
            parts.push(Part { path: path.clone(), kind: entry.kind, blob });
            if parts.len() == TAR_PARTS { taring.append_all(&mut parts) } else { Ok(()) }
        });
        match done {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                trouble = Some(error);
                ControlFlow::Break(())
            }
        }
    })?;
    if let Some(error) = trouble {
        return Err(error);
    }
    taring.append_all(&mut parts)?;
    taring.builder.finish().map_err(WriteError::Out)?;
    taring.builder.get_mut().flush().map_err(WriteError::Out)?;
    Ok(taring.written)
}

/// A tar stream that is being written.
struct Taring<'a> {
    store: &'a Store,
    threads: usize,
    builder: tar::Builder<&'a mut dyn Write>,
    written: u64,
    progress: &'a dyn Fn(u64),
}

impl Taring<'_> {
    /// Appends `parts` in order, reading ahead on several threads.
    fn append_all(&mut self, parts: &mut Vec<Part>) -> Result<(), WriteError> {
        let store = self.store;
        let steps: Vec<&[Part]> = parts.chunks(TAR_STEP).collect();
        let read = |step: usize| {
            let whole = |part: &Part| match &part.blob {
                Some(blob) if blob.len() <= TAR_WHOLE_MAX => {
                    let pieces = (0..blob.piece_count()).map(|i| store.piece(blob, i, Depth::Full));
                    Some(pieces.collect::<Result<Vec<ItemBytes>, ReadError>>()).transpose()
                }
                _ => Ok(None),
            };
            steps[step].iter().map(whole).collect::<Result<Vec<_>, ReadError>>()
        };
        let mut at = 0;
        in_order(steps.len(), self.threads, &read, &mut |pieces| {
            for (part, pieces) in steps[at].iter().zip(pieces?) {
                self.written += append(&mut self.builder, store, part, pieces)?;
                (self.progress)(self.written);
            }
            at += 1;
            Ok::<_, WriteError>(())
        })?;
        parts.clear();
        Ok(())
    }
}

fn append(
    builder: &mut tar::Builder<&mut dyn Write>,
    store: &Store,
    part: &Part,
    pieces: Option<Vec<ItemBytes>>,
) -> Result<u64, WriteError> {
    use std::os::unix::ffi::OsStrExt as _;
    let Part { path, kind, blob } = part;
    let mut name: Vec<u8> = Vec::new();
    for (index, step) in path.names().iter().enumerate() {
        name.extend((index > 0).then_some(b'/'));
        name.extend(step.as_bytes());
    }
    let mut header = tar::Header::new_gnu();
    header.set_mtime(0);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mode(match kind {
        EntryKind::File => 0o644,
        EntryKind::Symlink => 0o777,
        EntryKind::Executable | EntryKind::Tree => 0o755,
    });
    let path = std::path::Path::new(std::ffi::OsStr::from_bytes(&name));
    let Some(blob) = blob else {
        header.set_entry_type(tar::EntryType::Directory);
        header.set_size(0);
        builder.append_data(&mut header, path, io::empty()).map_err(WriteError::Out)?;
        return Ok(0);
    };
    if *kind == EntryKind::Symlink {
        let target = store.read(blob.vcid())?;
        header.set_entry_type(tar::EntryType::Symlink);
        header.set_size(0);
        let target = std::path::Path::new(std::ffi::OsStr::from_bytes(&target));
        builder.append_link(&mut header, path, target).map_err(WriteError::Out)?;
        return Ok(0);
    }
    header.set_entry_type(tar::EntryType::Regular);
    header.set_size(blob.len());
    let mut reader = BlobReader { store, blob, pieces, index: 0, rest: None, failure: None };
    let result = builder.append_data(&mut header, path, &mut reader);
    match reader.failure {
        Some(error) => Err(error.into()),
        None => result.map(|()| blob.len()).map_err(WriteError::Out),
    }
}

/// A blob's pieces as a stream, those read ahead first.
struct BlobReader<'a> {
    store: &'a Store,
    blob: &'a Blob,
    pieces: Option<Vec<ItemBytes>>,
    index: usize,
    rest: Option<ItemBytes>,
    failure: Option<ReadError>,
}

impl io::Read for BlobReader<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        loop {
            if let Some(rest) = self.rest.take().filter(|rest| !rest.is_empty()) {
                let count = rest.len().min(into.len());
                into[..count].copy_from_slice(&rest[..count]);
                self.rest = Some(rest.slice(count..rest.len()));
                return Ok(count);
            }
            if self.index == self.blob.piece_count() {
                return Ok(0);
            }
            let piece = match &self.pieces {
                Some(pieces) => Ok(pieces[self.index].clone()),
                None => self.store.piece(self.blob, self.index, Depth::Full),
            };
            self.index += 1;
            match piece {
                Ok(piece) => self.rest = Some(piece),
                Err(error) => {
                    let text = error.to_string();
                    self.failure = Some(error);
                    return Err(io::Error::other(text));
                }
            }
        }
    }
}
