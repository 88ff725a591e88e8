//! A chain of grants on its own: what a stranger checks who has the Person's key and nothing else.

use alloc::vec::Vec;

use vigil_base::world::Moment;
use vigil_base::{Blame, Blamed, Vcid};

use super::event::{Event, EventError, PuddleEvent};
use super::scope::{Ask, DEPTH_MAX, Scope};
use crate::keys::KeyBytes;
use crate::statement::{Statement, StatementError};

/// One grant of a chain that holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// The grant.
    pub id: Vcid,
    /// Who gives it.
    pub from: KeyBytes,
    /// Who has it.
    pub to: KeyBytes,
    /// What it allows.
    pub scope: Scope,
}

/// Why a chain does not hold. Links count from 1, at the Person.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ChainError {
    /// There is no link.
    #[error("there is no grant in the chain")]
    Empty,
    /// There are too many.
    #[error("the chain has {links} grants, and at most {DEPTH_MAX} hold")]
    TooDeep {
        /// How many.
        links: usize,
    },
    /// A link is no statement that holds.
    #[error("link {link} of the chain does not hold")]
    Statement {
        /// Which.
        link: usize,
        /// Why.
        source: StatementError,
    },
    /// A link is no event.
    #[error("link {link} of the chain is no grant")]
    Event {
        /// Which.
        link: usize,
        /// Why, if it is no event at all.
        source: Option<EventError>,
    },
    /// A link is of another puddle.
    #[error("link {link} of the chain is of another puddle")]
    Puddle {
        /// Which.
        link: usize,
    },
    /// A link's author is not whom the link above gives to, or the first one's is not the Person.
    #[error("link {link} of the chain is not signed by whom the link above gives to")]
    Author {
        /// Which.
        link: usize,
    },
    /// A link does not name the one above.
    #[error("link {link} of the chain does not hang on the one above")]
    Parent {
        /// Which.
        link: usize,
    },
    /// A machine comes twice.
    #[error("link {link} of the chain gives to a machine that comes before")]
    Cycle {
        /// Which.
        link: usize,
    },
    /// A link gives more than the one above.
    #[error("link {link} of the chain gives more than the one above")]
    Widened {
        /// Which.
        link: usize,
    },
    /// A link has expired.
    #[error("link {link} of the chain has expired")]
    Expired {
        /// Which.
        link: usize,
    },
    /// The last link does not allow this.
    #[error("the chain does not allow this")]
    NotAllowed,
}

impl Blamed for ChainError {
    fn blame(&self) -> Blame {
        Blame::Caller
    }
}

/// Checks a chain, the Person's grant first, for something that the last one's holder wants to do now.
/// What was revoked is not in a chain: whoever has the puddle's events asks [`super::View`] instead.
///
/// # Errors
/// Says which link does not hold, and why.
pub fn check_chain<B: AsRef<[u8]>>(
    person: &KeyBytes,
    puddle: &Vcid,
    chain: &[B],
    ask: &Ask<'_>,
    now: Moment,
) -> Result<Vec<Link>, ChainError> {
    if chain.len() > DEPTH_MAX {
        return Err(ChainError::TooDeep { links: chain.len() });
    }
    let mut statements = Vec::with_capacity(chain.len());
    for (at, bytes) in chain.iter().enumerate() {
        let failed = |source| ChainError::Statement { link: at + 1, source };
        statements.push(Statement::decode(bytes.as_ref()).map_err(failed)?);
    }
    check_statements(person, puddle, statements.iter(), ask, now)
}

/// Checks a chain of statements, which hold.
pub(crate) fn check_statements<'a>(
    person: &KeyBytes,
    puddle: &Vcid,
    chain: impl ExactSizeIterator<Item = &'a Statement>,
    ask: &Ask<'_>,
    now: Moment,
) -> Result<Vec<Link>, ChainError> {
    if chain.len() == 0 {
        return Err(ChainError::Empty);
    }
    if chain.len() > DEPTH_MAX {
        return Err(ChainError::TooDeep { links: chain.len() });
    }
    let mut links: Vec<Link> = Vec::with_capacity(chain.len());
    for (at, statement) in chain.enumerate() {
        let link = check_link(statement, at + 1, person, puddle, &links)?;
        if link.scope.is_expired(now) {
            return Err(ChainError::Expired { link: at + 1 });
        }
        links.push(link);
    }
    let is_allowed = links.last().is_some_and(|last| last.scope.allows(ask));
    if is_allowed { Ok(links) } else { Err(ChainError::NotAllowed) }
}

fn check_link(
    statement: &Statement,
    link: usize,
    person: &KeyBytes,
    puddle: &Vcid,
    above: &[Link],
) -> Result<Link, ChainError> {
    let event = PuddleEvent::decode(statement)
        .map_err(|source| ChainError::Event { link, source: Some(source) })?;
    if event.puddle != Some(*puddle) {
        return Err(ChainError::Puddle { link });
    }
    let Event::Grant { to, parent, scope } = event.event else {
        return Err(ChainError::Event { link, source: None });
    };
    let last = above.last();
    if statement.author() != last.map_or(*person, |last| last.to) {
        return Err(ChainError::Author { link });
    }
    if parent != last.map(|last| last.id) {
        return Err(ChainError::Parent { link });
    }
    if above.iter().any(|before| before.to == to) {
        return Err(ChainError::Cycle { link });
    }
    if last.is_some_and(|last| !last.scope.covers(&scope)) {
        return Err(ChainError::Widened { link });
    }
    Ok(Link { id: statement.id(), from: statement.author(), to, scope })
}
