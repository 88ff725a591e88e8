//! Who speaks: from the key that signed, over a chain of grants, to a person whom the policy knows.

use alloc::string::{String, ToString as _};
use alloc::vec::Vec;
use core::error::Error;

use vigil_base::Vcid;
use vigil_base::world::Moment;

use super::judge::Gate;
use crate::keys::KeyBytes;
use crate::puddle::{
    Ask, Authority, Link, MachineState, PuddleEvent, Refusal, View, check_statements,
};

/// The subsystem of grants that are about packages.
const SUBSYSTEM: &str = "pkg";
/// May sign claims.
pub(super) const PUBLISH: &str = "publish";
/// May sign what came out of a rebuild.
pub(super) const REBUILD: &str = "rebuild";

/// Somebody for whom a key speaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Speaker {
    /// Their place in the policy.
    pub person: usize,
    /// The key at the head of the chain.
    key: KeyBytes,
    /// Whose puddle it is, if there is a chain.
    puddle: Option<Vcid>,
    links: Vec<Link>,
}

/// What a key did.
#[derive(Clone, Copy)]
pub(super) struct Deed<'a> {
    /// The key.
    pub author: KeyBytes,
    /// The grants that it shows.
    pub chain: &'a [Vec<u8>],
    /// What it did.
    pub verb: &'static str,
    /// To which package.
    pub package: &'a str,
    /// When it was done, as far as is proven.
    pub at: Moment,
}

/// Joins the messages of an error and its sources.
pub(super) fn told(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        text += ": ";
        text += &inner.to_string();
        source = inner.source();
    }
    text
}

impl Gate<'_> {
    /// Finds out for whom a key spoke.
    pub(super) fn speaker(&mut self, deed: &Deed<'_>) -> Result<Speaker, String> {
        let Deed { author, chain, verb, package, at } = *deed;
        if chain.is_empty() {
            let person = self.policy.find(&author).ok_or_else(|| stranger(&author, true))?;
            return Ok(Speaker { person, key: author, puddle: None, links: Vec::new() });
        }
        let mut statements = Vec::with_capacity(chain.len());
        for (link, bytes) in chain.iter().enumerate() {
            let decoded = self.memo.statement(bytes);
            let failed = |error| alloc::format!("link {} of the chain: {}", link + 1, told(&error));
            statements.push(decoded.map_err(failed)?);
        }
        let first = &statements[0];
        let key = first.author();
        let person = self.policy.find(&key).ok_or_else(|| stranger(&key, false))?;
        let event = PuddleEvent::decode(first).map_err(|error| told(&error))?;
        let puddle = event.puddle.ok_or("the chain begins with no grant")?;
        let ask = Ask { subsystem: SUBSYSTEM, verb, resource: package };
        let chain = statements.iter().map(|statement| &**statement);
        let links = check_statements(&key, &puddle, chain, &ask, at);
        let links = links.map_err(|error| told(&error))?;
        match links.last() {
            Some(last) if last.to == author => {
                Ok(Speaker { person, key, puddle: Some(puddle), links })
            }
            _ => Err("the chain of grants is another machine's".to_string()),
        }
    }

    /// Returns why somebody speaks no more, if they do not.
    pub(super) fn taken_back(&self, speaker: &Speaker, views: &[View]) -> Option<String> {
        if self.policy.is_revoked(&speaker.key.0) {
            return Some(alloc::format!("the policy revokes the key {}", speaker.key));
        }
        for link in &speaker.links {
            if self.policy.is_revoked(&link.to.0) {
                return Some(alloc::format!("the policy revokes the machine {}", link.to));
            }
            if self.policy.is_revoked(link.id.as_bytes()) {
                return Some(alloc::format!("the policy revokes the grant {}", link.id));
            }
        }
        let about = |view: &&View| match speaker.puddle {
            Some(puddle) => view.id == puddle,
            None => view.persons.contains(&speaker.key),
        };
        views.iter().filter(about).find_map(|view| taken_back_by(speaker, view))
    }

    /// Returns since when nothing was heard of a speaker's puddle that its lease would not allow.
    pub(super) fn stale_since(&self, speaker: &Speaker, views: &[View]) -> Option<Moment> {
        let view = views.iter().find(|view| Some(view.id) == speaker.puddle)?;
        view.lease.end(view.signed_at()).filter(|end| self.now >= *end)
    }
}

fn stranger(key: &KeyBytes, is_alone: bool) -> String {
    let why = if is_alone { ", and it shows no grant of a person" } else { "" };
    alloc::format!("{key} is no key of a person who is known here{why}")
}

fn taken_back_by(speaker: &Speaker, view: &View) -> Option<String> {
    let holds = |link: &Link| view.grants.contains_key(&link.id);
    match &view.authority {
        Authority::Contested(_) => return Some("the puddle of the signer is contested".into()),
        // What the key of before had granted, and its rotation had seen, holds still.
        Authority::Person(key) if *key != speaker.key => {
            let is_kept = !speaker.links.is_empty() && speaker.links.iter().all(holds);
            if !is_kept {
                return Some(alloc::format!("{} was rotated away", speaker.key));
            }
        }
        Authority::Person(_) => {}
    }
    for link in &speaker.links {
        match view.refused.get(&link.id) {
            // It came before what it hangs on; the chain itself has been checked.
            None | Some(Refusal::Waiting) => {}
            Some(refusal) => return Some(alloc::format!("the grant {}: {refusal}", link.id)),
        }
        match view.machines.get(&link.to).map(|machine| &machine.state) {
            Some(MachineState::Revoked { reason, .. }) => {
                return Some(alloc::format!("the machine {} was revoked: {reason}", link.to));
            }
            Some(MachineState::Frozen { .. }) => {
                let why = "has said two things at one position, and is frozen";
                return Some(alloc::format!("the machine {} {why}", link.to));
            }
            Some(MachineState::Active) | None => {}
        }
    }
    None
}
