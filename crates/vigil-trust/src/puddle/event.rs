//! The events of a puddle, as bodies of statements. Drawn in `docs/format/trust.md`.

use alloc::string::String;
use alloc::vec::Vec;

use vigil_base::cbor::{DecodeError, Decoder, Encoder, Fault};
use vigil_base::world::Moment;
use vigil_base::{Blame, Blamed, Name, Vcid};

use super::freshness::Lease;
use super::scope::Scope;
use crate::feed::{Feed, Incarnation, SignedHeader};
use crate::keys::{KeyBytes, Kind, SecretKey, Signature};
use crate::list::decode_rising;
use crate::statement::{Statement, StatementError};

const GENESIS: &str = "vigil.puddle-genesis/1";
const ADD: &str = "vigil.puddle-add/1";
const REVOKE: &str = "vigil.puddle-revoke/1";
const GRANT: &str = "vigil.puddle-grant/1";
const ROTATE: &str = "vigil.puddle-rotate/1";
const RENEW: &str = "vigil.puddle-renew/1";
const JOIN: &str = "vigil.puddle-join/1";

/// What the successor of a Person's key signs, so that nobody is made one against their will.
const CONSENT: Kind = Kind::new("vigil.puddle-consent/1");

/// Most events that one event names as seen. A fold has few heads; more is hostile.
pub const AFTER_MAX: usize = 64;
/// Longest reason, in bytes.
pub const REASON_BYTES_MAX: usize = 256;
/// Most lives of a machine that an event names.
pub(crate) const MARKS_MAX: usize = 1024;

/// What is revoked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Target {
    /// A machine's key, for ever.
    Machine(KeyBytes),
    /// A grant, and all that was granted under it.
    Grant(Vcid),
}

/// How far a feed counts: up to a batch, by whose id all batches before it are fixed as well. A position
/// alone would let whoever has the machine's key sign other batches below it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FeedMark {
    /// Which life of the machine.
    pub incarnation: Incarnation,
    /// The first position that does not count; at least 1, since a life of which nothing counts has no mark.
    pub next: u64,
    /// The id of the last batch that counts.
    pub last: Vcid,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The puddle begins. Its author is the Person.
    Genesis {
        /// What it is called.
        name: Name,
        /// How long a machine may rely on what it last heard.
        lease: Lease,
        /// So that two puddles of one Person differ.
        nonce: [u8; 16],
    },
    /// A machine joins, or comes back after its forked feeds were forgiven.
    Add {
        /// The machine's own request, as it signed it.
        request: JoinRequest,
        /// Forked incarnations that are forgiven: they count no more, and freeze nothing.
        pardons: Vec<Incarnation>,
    },
    /// A machine or a grant is taken away.
    Revoke {
        /// Which.
        target: Target,
        /// How far each life of the machine counts; one that is not named counts for nothing.
        kept: Vec<FeedMark>,
        /// Why, for people.
        reason: String,
    },
    /// A machine may do something.
    Grant {
        /// The machine's key.
        to: KeyBytes,
        /// The grant under which the author gives this; none if the author is the Person.
        parent: Option<Vcid>,
        /// What it may do.
        scope: Scope,
    },
    /// The Person has another key from now on.
    Rotate {
        /// The key.
        successor: KeyBytes,
        /// The successor's signature over the puddle, the key before and the events seen.
        consent: Signature,
    },
    /// The Person is still there: leases begin anew for whoever hears it.
    Renew,
}

/// An event, with where it belongs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PuddleEvent {
    /// The puddle; none for its genesis, whose id is the puddle's.
    pub puddle: Option<Vcid>,
    /// The newest events that the author had seen, rising.
    pub after: Vec<Vcid>,
    /// What happened.
    pub event: Event,
}

/// Why a statement is not an event of a puddle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EventError {
    /// The body is not such a record.
    #[error("the statement is not a well-formed event of a puddle")]
    Decode(#[from] DecodeError),
    /// The request of the machine does not hold.
    #[error("the machine did not ask to join")]
    Request(#[from] StatementError),
}

impl Blamed for EventError {
    fn blame(&self) -> Blame {
        Blame::Caller
    }
}

/// A machine's signed wish to join: proof that its key is held by somebody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinRequest {
    statement: Statement,
    name: Name,
}

impl JoinRequest {
    /// Asks.
    pub fn sign(key: &SecretKey, at: Moment, name: &Name) -> Self {
        let mut encoder = Encoder::record(JOIN, 2);
        encoder.text(name.as_str());
        Self { statement: Statement::sign(key, at, encoder.finish()), name: name.clone() }
    }

    /// Returns the machine's key.
    pub fn machine(&self) -> KeyBytes {
        self.statement.author()
    }

    /// Returns what the machine is called.
    pub fn name(&self) -> &Name {
        &self.name
    }

    /// Returns the bytes.
    pub fn encode(&self) -> Vec<u8> {
        self.statement.encode()
    }

    /// Reads bytes and checks the machine's signature.
    ///
    /// # Errors
    /// Fails for whatever is no request that a machine signed.
    pub fn decode(bytes: &[u8]) -> Result<Self, StatementError> {
        let statement = Statement::decode(bytes)?;
        let mut decoder = Decoder::record(statement.body(), JOIN, 2)?;
        let at = decoder.offset();
        let name = decoder.text()?;
        let Ok(name) = Name::new(name) else { return Ok(decoder.fault(at, Fault::Range)?) };
        decoder.finish()?;
        Ok(Self { statement, name })
    }
}

/// What a successor signs. The events that the rotation had seen are in it: they are what the key before
/// still counts for, and whoever has that key could copy the consent into a rotation that had seen more.
fn consent_bytes(puddle: &Vcid, before: &KeyBytes, after: &[Vcid]) -> Vec<u8> {
    let mut encoder = Encoder::record(CONSENT.as_str(), 4);
    encoder.bytes(puddle.as_bytes());
    encoder.bytes(&before.0);
    encoder.array(after.len());
    after.iter().for_each(|id| encoder.bytes(id.as_bytes()));
    encoder.finish()
}

impl FeedMark {
    /// Marks the last batch of a feed of which all entries lie below a position; none if there is none.
    pub fn below(feed: &Feed, position: u64) -> Option<Self> {
        let is_below = |header: &&SignedHeader| header.header().end() <= position;
        let last = feed.headers().iter().take_while(is_below).last()?;
        let (incarnation, next) = (feed.id().incarnation, last.header().end());
        Some(Self { incarnation, next, last: last.id() })
    }
}

impl Event {
    /// Makes the event by which a Person's key gives way to another, which consents to this rotation
    /// alone: `after` is the rising list of events that it has seen.
    pub fn rotate(puddle: &Vcid, before: &KeyBytes, after: &[Vcid], successor: &SecretKey) -> Self {
        let consent = successor.sign(CONSENT, &consent_bytes(puddle, before, after));
        Self::Rotate { successor: successor.public().bytes(), consent }
    }

    /// Says whether the successor of a rotation consented.
    pub(super) fn is_consented(
        puddle: &Vcid,
        before: &KeyBytes,
        after: &[Vcid],
        successor: &KeyBytes,
        consent: &Signature,
    ) -> bool {
        let bytes = consent_bytes(puddle, before, after);
        successor.check().is_ok_and(|key| key.verify(CONSENT, &bytes, consent).is_ok())
    }

    fn tag(&self) -> &'static str {
        match self {
            Self::Genesis { .. } => GENESIS,
            Self::Add { .. } => ADD,
            Self::Revoke { .. } => REVOKE,
            Self::Grant { .. } => GRANT,
            Self::Rotate { .. } => ROTATE,
            Self::Renew => RENEW,
        }
    }

    /// Returns the word that people read.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Genesis { .. } => "create",
            Self::Add { .. } => "add",
            Self::Revoke { .. } => "revoke",
            Self::Grant { .. } => "grant",
            Self::Rotate { .. } => "rotate",
            Self::Renew => "renew",
        }
    }
}

impl PuddleEvent {
    /// Signs the event.
    ///
    /// # Panics
    /// Panics if it names more than [`AFTER_MAX`] events as seen: nobody could read it.
    pub fn sign(&self, key: &SecretKey, at: Moment) -> Statement {
        assert!(self.after.len() <= AFTER_MAX, "an event names at most {AFTER_MAX} as seen");
        Statement::sign(key, at, self.encode())
    }

    /// Says whether a statement's tag is one of an event.
    pub fn is_tagged(statement: &Statement) -> bool {
        [GENESIS, ADD, REVOKE, GRANT, ROTATE, RENEW].contains(&statement.tag())
    }

    fn items(&self) -> usize {
        match &self.event {
            Event::Genesis { .. } => 4,
            Event::Add { .. } | Event::Rotate { .. } => 5,
            Event::Revoke { .. } => 7,
            Event::Grant { .. } => 5 + Scope::ITEMS,
            Event::Renew => 3,
        }
    }

    /// Returns the record.
    pub fn encode(&self) -> Vec<u8> {
        let mut encoder = Encoder::record(self.event.tag(), self.items());
        if let Some(puddle) = &self.puddle {
            encoder.bytes(puddle.as_bytes());
            encoder.array(self.after.len());
            self.after.iter().for_each(|id| encoder.bytes(id.as_bytes()));
        }
        match &self.event {
            Event::Genesis { name, lease, nonce } => {
                encoder.text(name.as_str());
                lease.encode_into(&mut encoder);
                encoder.bytes(nonce);
            }
            Event::Add { request, pardons } => {
                encoder.bytes(&request.encode());
                encoder.array(pardons.len());
                pardons.iter().for_each(|incarnation| encoder.bytes(&incarnation.0));
            }
            Event::Revoke { target, kept, reason } => {
                match target {
                    Target::Machine(key) => {
                        encoder.text("machine");
                        encoder.bytes(&key.0);
                    }
                    Target::Grant(id) => {
                        encoder.text("grant");
                        encoder.bytes(id.as_bytes());
                    }
                }
                encoder.array(kept.len());
                for mark in kept {
                    encoder.array(3);
                    encoder.bytes(&mark.incarnation.0);
                    encoder.unsigned(mark.next);
                    encoder.bytes(mark.last.as_bytes());
                }
                encoder.text(reason);
            }
            Event::Grant { to, parent, scope } => {
                encoder.bytes(&to.0);
                match parent {
                    Some(parent) => encoder.bytes(parent.as_bytes()),
                    None => encoder.null(),
                }
                scope.encode_into(&mut encoder);
            }
            Event::Rotate { successor, consent } => {
                encoder.bytes(&successor.0);
                encoder.bytes(&consent.0);
            }
            Event::Renew => {}
        }
        encoder.finish()
    }

    /// Reads the body of a statement.
    ///
    /// # Errors
    /// Fails for other records, and for an addition of a machine that did not ask.
    pub fn decode(statement: &Statement) -> Result<Self, EventError> {
        let (body, tag) = (statement.body(), statement.tag());
        if tag == GENESIS {
            return Ok(decode_genesis(body)?);
        }
        let items = match tag {
            ADD | ROTATE => 5,
            REVOKE => 7,
            RENEW => 3,
            _ => 5 + Scope::ITEMS,
        };
        let expected = [ADD, REVOKE, GRANT, ROTATE, RENEW].into_iter().find(|known| *known == tag);
        let mut decoder = Decoder::record(body, expected.unwrap_or(GENESIS), items)?;
        let puddle = Some(Vcid::from_bytes(decoder.byte_array()?));
        let after =
            decode_rising(&mut decoder, AFTER_MAX, |d| d.byte_array().map(Vcid::from_bytes))?;
        let event = match tag {
            ADD => decode_add(&mut decoder)?,
            REVOKE => decode_revoke(&mut decoder)?,
            RENEW => Event::Renew,
            GRANT => Event::Grant {
                to: KeyBytes(decoder.byte_array()?),
                parent: if decoder.null() {
                    None
                } else {
                    Some(Vcid::from_bytes(decoder.byte_array()?))
                },
                scope: Scope::decode_from(&mut decoder)?,
            },
            _ => Event::Rotate {
                successor: KeyBytes(decoder.byte_array()?),
                consent: Signature(decoder.byte_array()?),
            },
        };
        decoder.finish()?;
        Ok(Self { puddle, after, event })
    }
}

fn decode_genesis(body: &[u8]) -> Result<PuddleEvent, DecodeError> {
    let mut decoder = Decoder::record(body, GENESIS, 4)?;
    let at = decoder.offset();
    let name = decoder.text()?;
    let Ok(name) = Name::new(name) else { return decoder.fault(at, Fault::Range) };
    let lease = Lease::decode_from(&mut decoder)?;
    let nonce = decoder.byte_array()?;
    decoder.finish()?;
    Ok(PuddleEvent {
        puddle: None,
        after: Vec::new(),
        event: Event::Genesis { name, lease, nonce },
    })
}

fn decode_add(decoder: &mut Decoder<'_>) -> Result<Event, EventError> {
    let request = JoinRequest::decode(decoder.bytes()?)?;
    let pardons = decode_rising(decoder, MARKS_MAX, |d| d.byte_array().map(Incarnation))?;
    Ok(Event::Add { request, pardons })
}

fn decode_revoke(decoder: &mut Decoder<'_>) -> Result<Event, DecodeError> {
    let at = decoder.offset();
    let target = match decoder.text()? {
        "machine" => Target::Machine(KeyBytes(decoder.byte_array()?)),
        "grant" => Target::Grant(Vcid::from_bytes(decoder.byte_array()?)),
        _ => return decoder.fault(at, Fault::Range),
    };
    let kept = decode_rising(decoder, MARKS_MAX, |d| {
        d.array_of(3)?;
        let incarnation = Incarnation(d.byte_array()?);
        let at = d.offset();
        let next = d.unsigned()?;
        if next == 0 {
            return d.fault(at, Fault::Range);
        }
        Ok(FeedMark { incarnation, next, last: Vcid::from_bytes(d.byte_array()?) })
    })?;
    let at = decoder.offset();
    let reason = decoder.text()?;
    // It is printed as it is, so it may not steer a terminal.
    if reason.len() > REASON_BYTES_MAX || reason.chars().any(char::is_control) {
        return decoder.fault(at, Fault::Range);
    }
    Ok(Event::Revoke { target, kept, reason: reason.into() })
}
