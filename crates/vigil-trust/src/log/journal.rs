//! The journal of a log: what makes a batch durable with one sync, before its tiles are.
//!
//! `state/journal` begins with a checkpoint whose tiles are durable, and goes on with batches: the
//! entries, and the checkpoint that was signed over them. Drawn in `docs/format/log.md`.
//!
//! Invariants:
//! - a frame counts only if its checksum continues that of the frame before;
//! - a journal is replaced as a whole or appended to, never changed.

use alloc::string::ToString as _;
use alloc::vec::Vec;

use sha2::{Digest as _, Sha256};
use vigil_base::cbor::{DecodeError, Decoder, Encoder};
use vigil_base::world::{Disk, DiskError, DiskFault, DiskFile, OpenMode, replace_file};

use super::checkpoint::{CheckpointError, SignedCheckpoint};
use super::files::read_at;

/// The folder of what readers need not see.
pub(crate) const STATE: &str = "state";
pub(crate) const JOURNAL: &str = "state/journal";

const HEAD_TAG: &str = "vigil.log-journal/1";
const BATCH_TAG: &str = "vigil.log-batch/1";

/// Longest payload of a frame, in bytes.
const FRAME_BYTES_MAX: u32 = 128 << 20;

const LEN_LEN: usize = size_of::<u32>();
const SUM_LEN: usize = 32;
const SUM_AT: usize = LEN_LEN;
const PAYLOAD_AT: usize = SUM_AT + SUM_LEN;

/// Where a journal's next frame goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tail {
    /// Which journal it is: each that replaces another has the next number.
    pub generation: u64,
    /// The offset.
    pub offset: u64,
    /// The checksum of the last frame.
    sum: [u8; SUM_LEN],
}

/// A batch as it stands in the journal.
pub(crate) struct Batch {
    /// The entries, encoded as in a bundle.
    pub entries: Vec<u8>,
    /// What was signed when they were in.
    pub checkpoint: SignedCheckpoint,
}

/// Why a journal cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JournalError {
    /// The disk failed.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// There is no journal.
    #[error("there is no {JOURNAL} here")]
    Absent,
    /// It does not begin as a journal does.
    #[error("the beginning of {JOURNAL} is damaged")]
    Head,
    /// A frame is damaged that others follow.
    #[error(
        "{JOURNAL} is damaged at byte {offset}, before batches that are in the log; nothing was cut"
    )]
    Damaged {
        /// Where the frame begins.
        offset: u64,
    },
    /// A frame whose checksum holds says something else than it may.
    #[error("a frame of {JOURNAL} is not one of ours")]
    Frame(#[from] DecodeError),
    /// A checkpoint in it is none.
    #[error("a checkpoint in {JOURNAL} is not one")]
    Checkpoint(#[from] CheckpointError),
}

fn sum_of(before: &[u8; SUM_LEN], payload: &[u8]) -> [u8; SUM_LEN] {
    Sha256::new().chain_update(before).chain_update(payload).finalize().into()
}

/// Puts a frame together.
fn frame(before: &[u8; SUM_LEN], payload: &[u8]) -> (Vec<u8>, [u8; SUM_LEN]) {
    let sum = sum_of(before, payload);
    let len = u32::try_from(payload.len()).ok().filter(|len| *len <= FRAME_BYTES_MAX);
    let len = len.expect("the log bounds its batches");
    let mut bytes = Vec::with_capacity(PAYLOAD_AT + payload.len());
    bytes.extend_from_slice(&len.to_le_bytes());
    bytes.extend_from_slice(&sum);
    bytes.extend_from_slice(payload);
    (bytes, sum)
}

/// A frame's payload and its checksum.
type Frame = (Vec<u8>, [u8; SUM_LEN]);

/// Reads the frame at an offset; `None` if no whole one is there.
fn read_frame(
    file: &dyn DiskFile,
    offset: u64,
    before: &[u8; SUM_LEN],
) -> Result<Option<Frame>, DiskError> {
    let head = read_at(file, offset, PAYLOAD_AT)?;
    let Some((len, sum)) = head.split_first_chunk::<LEN_LEN>() else { return Ok(None) };
    let len = u32::from_le_bytes(*len);
    let rest = file.len()?.saturating_sub(offset + PAYLOAD_AT as u64);
    // Never more than what is there is asked for, whatever the length says.
    if sum.len() != SUM_LEN || len > FRAME_BYTES_MAX || u64::from(len) > rest {
        return Ok(None);
    }
    let payload = read_at(file, offset + PAYLOAD_AT as u64, len as usize)?;
    let wanted = sum_of(before, &payload);
    Ok((sum == wanted && payload.len() == len as usize).then_some((payload, wanted)))
}

fn head_payload(generation: u64, base: &SignedCheckpoint) -> Vec<u8> {
    let mut encoder = Encoder::record(HEAD_TAG, 3);
    encoder.unsigned(generation);
    encoder.text(&base.to_string());
    encoder.finish()
}

fn batch_payload(entries: &[u8], checkpoint: &str) -> Vec<u8> {
    let mut encoder = Encoder::record(BATCH_TAG, 3);
    encoder.text(checkpoint);
    encoder.bytes(entries);
    encoder.finish()
}

/// Puts a new journal in the place of the old one, durably.
pub(crate) fn replace(
    disk: &dyn Disk,
    generation: u64,
    base: &SignedCheckpoint,
) -> Result<Tail, DiskError> {
    let (bytes, sum) = frame(&[0; SUM_LEN], &head_payload(generation, base));
    replace_file(disk, JOURNAL, &bytes)?;
    Ok(Tail { generation, offset: bytes.len() as u64, sum })
}

/// An open journal.
pub(crate) struct Journal {
    file: alloc::boxed::Box<dyn DiskFile>,
    /// What the journal begins with.
    pub base: SignedCheckpoint,
    /// Just after the base.
    pub start: Tail,
}

impl Journal {
    /// Opens the journal and reads its beginning.
    pub fn open(disk: &dyn Disk) -> Result<Self, JournalError> {
        let file = match disk.open(JOURNAL, OpenMode::Write) {
            Err(error) if error.fault == DiskFault::Absent => return Err(JournalError::Absent),
            opened => opened?,
        };
        let first = read_frame(&*file, 0, &[0; SUM_LEN])?;
        let (payload, sum) = first.ok_or(JournalError::Head)?;
        let mut decoder = Decoder::record(&payload, HEAD_TAG, 3)?;
        let generation = decoder.unsigned()?;
        let base = SignedCheckpoint::parse(decoder.text()?.as_bytes())?;
        decoder.finish()?;
        let offset = (PAYLOAD_AT + payload.len()) as u64;
        Ok(Self { file, base, start: Tail { generation, offset, sum } })
    }

    /// Reads the batch at `tail`, which goes on to the next; `None` at the end.
    pub fn next(&self, tail: &mut Tail) -> Result<Option<Batch>, JournalError> {
        let Some((payload, sum)) = read_frame(&*self.file, tail.offset, &tail.sum)? else {
            return Ok(None);
        };
        let mut decoder = Decoder::record(&payload, BATCH_TAG, 3)?;
        let checkpoint = SignedCheckpoint::parse(decoder.text()?.as_bytes())?;
        let entries = decoder.bytes()?.to_vec();
        decoder.finish()?;
        tail.offset += (PAYLOAD_AT + payload.len()) as u64;
        tail.sum = sum;
        Ok(Some(Batch { entries, checkpoint }))
    }

    /// Makes durable what others wrote here, and cuts what a crash left after the last whole frame. A frame
    /// that another follows was acknowledged: it is damaged, and not what a crash left.
    pub fn settle(&self, tail: &Tail) -> Result<(), JournalError> {
        if self.file.len()? != tail.offset {
            if self.is_followed(tail)? {
                return Err(JournalError::Damaged { offset: tail.offset });
            }
            self.file.set_len(tail.offset)?;
        }
        Ok(self.file.sync()?)
    }

    /// Says whether a whole frame follows the one at `tail`, by the sum that stands there or the one that
    /// its payload has.
    fn is_followed(&self, tail: &Tail) -> Result<bool, DiskError> {
        let head = read_at(&*self.file, tail.offset, PAYLOAD_AT)?;
        let Some((len, sum)) = head.split_first_chunk::<LEN_LEN>() else { return Ok(false) };
        let Ok(stands) = <[u8; SUM_LEN]>::try_from(sum) else { return Ok(false) };
        let len = u32::from_le_bytes(*len);
        let start = tail.offset + PAYLOAD_AT as u64;
        let next = start + u64::from(len);
        if len > FRAME_BYTES_MAX || next >= self.file.len()? {
            return Ok(false);
        }
        let payload = read_at(&*self.file, start, len as usize)?;
        for before in [stands, sum_of(&tail.sum, &payload)] {
            if read_frame(&*self.file, next, &before)?.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Appends a batch and makes it durable.
    pub fn append(
        &self,
        tail: &mut Tail,
        entries: &[u8],
        checkpoint: &str,
    ) -> Result<(), DiskError> {
        let (bytes, sum) = frame(&tail.sum, &batch_payload(entries, checkpoint));
        let written = self.file.write_at(tail.offset, &bytes).and_then(|()| self.file.sync());
        if let Err(error) = written {
            // Whether the frame is there nobody knows; it was not acknowledged, so it goes. If even
            // that fails, whoever opens the journal next decides by the checksum.
            let cut = self.file.set_len(tail.offset).and_then(|()| self.file.sync());
            return cut.and(Err(error));
        }
        tail.offset += bytes.len() as u64;
        tail.sum = sum;
        Ok(())
    }
}

/// Joins entries as a bundle does, to be read back by [`split_entries`].
pub(crate) fn split_entries(bytes: &[u8]) -> impl Iterator<Item = Option<&[u8]>> {
    let mut rest = bytes;
    core::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let next = rest
            .split_first_chunk::<2>()
            .and_then(|(len, after)| after.split_at_checked(usize::from(u16::from_be_bytes(*len))));
        rest = next.map_or(&[], |(_, after)| after);
        Some(next.map(|(entry, _)| entry))
    })
}
