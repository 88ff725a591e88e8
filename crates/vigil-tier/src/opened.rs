//! One object, found and opened: its plain bytes by range, or as a stream.

use std::io::{self, Read};

use vigil_base::{Hasher, Vcid};

use crate::envelope::{Envelope, HEADER_LEN, SEGMENT_LEN, STORED_LEN};
use crate::objects::ObjectError;
use crate::tier::{Place, Tier, flaw_of};

/// Bytes that a stream asks for at once.
const STREAM_LEN: usize = 8 << 20;
const _: () = assert!(STREAM_LEN.is_multiple_of(SEGMENT_LEN));

/// An object that is there, and whose header, if it is encrypted, is sound.
pub(crate) struct Opened {
    tier: Tier,
    pub place: Place,
    pub plain_len: u64,
    envelope: Option<Envelope>,
}

impl Tier {
    /// Opens the object at `place`, if it is there.
    pub(crate) fn open_at(&self, place: Place) -> Result<Option<Opened>, ObjectError> {
        let objects = &self.inner.objects;
        let Some(found) = objects.len(&place.object)? else { return Ok(None) };
        let envelope = match place.sealed {
            None => None,
            Some(name) => {
                let object = || place.object.clone();
                let key = self.key().ok_or_else(|| ObjectError::NeedsKey { object: object() })?;
                if found < HEADER_LEN as u64 {
                    let wanted = crate::envelope::stored_len(0);
                    return Err(ObjectError::Length { object: object(), found, wanted });
                }
                let header = objects.range(&place.object, 0, HEADER_LEN)?;
                let envelope = Envelope::open(key, name, &header);
                let envelope = envelope.map_err(|flaw| flaw_of(flaw, &place.object))?;
                let wanted = envelope.stored_len();
                if found != wanted {
                    return Err(ObjectError::Length { object: object(), found, wanted });
                }
                Some(envelope)
            }
        };
        let plain_len = envelope.as_ref().map_or(found, Envelope::plain_len);
        Ok(Some(Opened { tier: self.clone(), place, plain_len, envelope }))
    }

    /// Opens the object with the bytes that hash to `vcid`, encrypted or not.
    pub(crate) fn open_content(&self, vcid: Vcid) -> Result<Opened, ObjectError> {
        let places = self.content_places(vcid);
        let object = places[0].object.clone();
        for place in places {
            if let Some(opened) = self.open_at(place)? {
                return Ok(opened);
            }
        }
        Err(ObjectError::Absent { object })
    }
}

impl Opened {
    /// Returns the `len` plain bytes from `start` on, which must be there.
    pub fn range(&self, start: u64, len: usize) -> Result<Vec<u8>, ObjectError> {
        let (objects, object) = (&self.tier.inner.objects, &self.place.object);
        let Some(envelope) = &self.envelope else { return objects.range(object, start, len) };
        if len == 0 && self.plain_len > 0 {
            return Ok(Vec::new());
        }
        let first = start / SEGMENT_LEN as u64;
        let end = (start + len as u64).div_ceil(SEGMENT_LEN as u64).max(first + 1);
        let from = Envelope::segment_at(first);
        let to = Envelope::segment_at(end).min(envelope.stored_len());
        let stored = objects.range(object, from, (to - from) as usize)?;
        let mut plain = Vec::with_capacity(stored.len());
        for (number, segment) in (first..).zip(stored.chunks(STORED_LEN)) {
            let decrypted = envelope.decrypt(number, segment, &mut plain);
            decrypted.map_err(|flaw| flaw_of(flaw, object))?;
        }
        let skip = (start - first * SEGMENT_LEN as u64) as usize;
        plain.drain(..skip);
        plain.truncate(len);
        Ok(plain)
    }

    /// Reads it from its start to its end; the end is an error if the bytes do not hash to `vcid`.
    pub fn stream<'a>(&'a self, vcid: Vcid, progress: &'a dyn Fn(u64)) -> Stream<'a> {
        let buffer = Vec::new();
        Stream { opened: self, vcid, progress, hasher: Some(Hasher::new()), at: 0, buffer, used: 0 }
    }

    /// Reads all of it, and returns whether it hashes to `vcid`.
    pub fn hashes_to(&self, vcid: Vcid, progress: &dyn Fn(u64)) -> Result<bool, ObjectError> {
        let mut stream = self.stream(vcid, progress);
        while stream.refill()? {}
        Ok(stream.hasher.take().is_some_and(|hasher| hasher.finish() == vcid))
    }
}

/// An object's plain bytes, one after another.
pub(crate) struct Stream<'a> {
    opened: &'a Opened,
    vcid: Vcid,
    progress: &'a dyn Fn(u64),
    hasher: Option<Hasher>,
    at: u64,
    buffer: Vec<u8>,
    used: usize,
}

impl Stream<'_> {
    /// Fetches the next bytes; returns whether there were any.
    fn refill(&mut self) -> Result<bool, ObjectError> {
        let len = (self.opened.plain_len - self.at).min(STREAM_LEN as u64);
        if len == 0 && (self.at > 0 || self.opened.plain_len > 0) {
            return Ok(false);
        }
        // An empty object is fetched too: if it is encrypted, its tag is checked.
        self.buffer = self.opened.range(self.at, len as usize)?;
        self.used = 0;
        self.at += len;
        if let Some(hasher) = &mut self.hasher {
            hasher.update(&self.buffer);
        }
        (self.progress)(len);
        Ok(len > 0)
    }
}

impl Read for Stream<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.used == self.buffer.len() && !self.refill().map_err(io::Error::other)? {
            let wrong = self.hasher.take().is_some_and(|hasher| hasher.finish() != self.vcid);
            if wrong {
                let object = self.opened.place.object.clone();
                return Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    ObjectError::Hash { object },
                ));
            }
            return Ok(0);
        }
        let len = into.len().min(self.buffer.len() - self.used);
        into[..len].copy_from_slice(&self.buffer[self.used..self.used + len]);
        self.used += len;
        Ok(len)
    }
}
