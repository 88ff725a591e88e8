use core::fmt;

use vectra_abi::{Kind, Rights, Status, TABLE};

use crate::bundle::slot_name;
use crate::sys::raw;

/// Why a call was refused, in words that name the slot.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Refused {
    /// The call.
    pub number: u64,
    /// What is wrong.
    pub status: Status,
    /// The slot that it is about.
    pub slot: u64,
    /// What the slot holds.
    pub kind: Kind,
    /// Missing rights, bytes, or the offending tag.
    pub missing: u64,
    /// Which argument, from zero.
    pub argument: u64,
}

/// Makes a call and tells results from refusals.
#[inline]
pub(crate) fn checked(number: u64, words: [u64; 6]) -> Result<[u64; 4], Refused> {
    let answer = raw(number, words);
    if answer.status == Status::Ok as u64 {
        Ok(answer.words)
    } else {
        Err(Refused::from_words(number, answer.status, answer.words))
    }
}

impl Refused {
    /// Reads the words of a refusal.
    #[cold]
    fn from_words(number: u64, status: u64, words: [u64; 4]) -> Self {
        Self {
            number,
            status: Status::from_word(status).unwrap_or(Status::NoCall),
            slot: words[0],
            kind: Kind::from_word(words[1]).unwrap_or(Kind::Empty),
            missing: words[2],
            argument: words[3],
        }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let row = TABLE.get(self.number as usize);
        write!(f, "{} was refused: ", row.map_or("call", |row| row.name))?;
        let name = slot_name(self.slot);
        match self.status {
            Status::MissingRight => {
                write!(f, "`{}` is a {:?} without", name.as_str(), self.kind)?;
                let rights = Rights(self.missing as u16);
                for (bit, name) in Rights::NAMES.iter().enumerate() {
                    if rights.has(Rights(1 << bit)) {
                        write!(f, " {name}")?;
                    }
                }
                Ok(())
            }
            Status::NoMemory | Status::NoTables | Status::NoBudget => {
                write!(f, "`{}` ({:?}) lacks {} bytes", name.as_str(), self.kind, self.missing)
            }
            Status::Flow => {
                write!(
                    f,
                    "a label forbids the flow through `{}` ({:?})",
                    name.as_str(),
                    self.kind
                )?;
                if self.missing < 128 { write!(f, ": tag {}", self.missing) } else { Ok(()) }
            }
            Status::WrongKind => write!(f, "`{}` is a {:?}", name.as_str(), self.kind),
            Status::BadArgument => {
                let argument = row.and_then(|row| row.arguments.get(self.argument as usize));
                write!(f, "`{}` is not possible", argument.unwrap_or(&"argument"))
            }
            other => write!(f, "`{}` ({:?}): {other:?}", name.as_str(), self.kind),
        }
    }
}
