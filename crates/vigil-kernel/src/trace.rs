//! Traces: the record of how a representation came about. Drawn in `docs/format/kernel.md`.

use std::collections::BTreeSet;

use vigil_base::Vcid;
use vigil_base::cbor::{DecodeError, Decoder, Encoder, Fault};

use crate::representation::{Representation, read_set, write_set};
use crate::request::Request;

/// Something that a computation has read, and what it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Input {
    /// What was read.
    pub what: Read,
    /// The hash of what it gave: of the representation's record, of a refusal, or of a root's state.
    pub gave: Vcid,
    /// Whether it was asked for together with the one before, so that whoever needed one needs both.
    pub with_previous: bool,
}

/// What was read.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Read {
    /// Another resource.
    Resource(Request),
    /// Something outside that changes: a name, a file, the head of a stream.
    Root(String),
}

/// How a representation came about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trace {
    /// What was asked for.
    pub request: Request,
    /// Who answered.
    pub endpoint: String,
    /// Which version of it.
    pub version: Vcid,
    /// What it read, in order.
    pub inputs: Vec<Input>,
    /// What it gave.
    pub output: Representation,
    /// What it, and everything below it, needed of the world, that its caller had to grant.
    pub needs: BTreeSet<String>,
    /// What was noted about the use of each need.
    pub evidence: BTreeSet<String>,
    /// Where it ran.
    pub machine: String,
}

const TAG: &str = "vigil.trace/1";

impl Trace {
    /// Returns the canonical record.
    pub fn encode(&self) -> Vec<u8> {
        let mut encoder = Encoder::record(TAG, 9);
        encoder.bytes(&self.request.encode());
        encoder.text(&self.endpoint);
        encoder.bytes(self.version.as_bytes());
        encoder.array(self.inputs.len());
        for input in &self.inputs {
            encoder.array(3);
            match &input.what {
                Read::Resource(request) => encoder.bytes(&request.encode()),
                Read::Root(root) => encoder.text(root),
            }
            encoder.bytes(input.gave.as_bytes());
            encoder.bool(input.with_previous);
        }
        encoder.bytes(&self.output.encode());
        write_set(&mut encoder, &self.needs);
        write_set(&mut encoder, &self.evidence);
        encoder.text(&self.machine);
        encoder.finish()
    }

    /// Reads a record strictly.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut decoder = Decoder::record(bytes, TAG, 9)?;
        let request = nested(&mut decoder, Request::decode)?;
        let endpoint = decoder.text()?.to_owned();
        let version = Vcid::from_bytes(decoder.byte_array()?);
        let mut inputs = Vec::new();
        for _ in 0..decoder.array()? {
            decoder.array_of(3)?;
            let mut ahead = decoder.clone();
            let what = match ahead.text() {
                Ok(root) => {
                    decoder = ahead;
                    Read::Root(root.to_owned())
                }
                Err(_) => Read::Resource(nested(&mut decoder, Request::decode)?),
            };
            let gave = Vcid::from_bytes(decoder.byte_array()?);
            inputs.push(Input { what, gave, with_previous: decoder.bool()? });
        }
        let output = nested(&mut decoder, Representation::decode)?;
        let needs = read_set(&mut decoder)?;
        let evidence = read_set(&mut decoder)?;
        let machine = decoder.text()?.to_owned();
        decoder.finish()?;
        Ok(Self { request, endpoint, version, inputs, output, needs, evidence, machine })
    }

    /// Returns the inputs in groups of what was asked for together, in order.
    pub fn groups(&self) -> impl Iterator<Item = &[Input]> {
        self.inputs.chunk_by(|_, next| next.with_previous)
    }

    /// Returns the hash of the canonical record.
    pub fn digest(&self) -> Vcid {
        Vcid::of(&self.encode())
    }
}

/// Reads a record that stands in another one as a byte string.
fn nested<T>(
    decoder: &mut Decoder<'_>,
    decode: impl Fn(&[u8]) -> Result<T, DecodeError>,
) -> Result<T, DecodeError> {
    let at = decoder.offset();
    let bytes = decoder.bytes()?;
    decode(bytes).or_else(|_| decoder.fault(at, Fault::Range))
}
