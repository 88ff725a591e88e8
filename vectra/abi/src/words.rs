//! Numbers with names. Each `numbered!` enum parses from a word and refuses what it does not know.

macro_rules! numbered {
    ($(#[$meta:meta])* $name:ident { $($(#[doc = $doc:literal])+ $variant:ident = $value:literal,)* }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum $name { $($(#[doc = $doc])+ $variant = $value,)* }

        impl $name {
            /// Every value, in order.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// Reads a word; an unknown one is `None`.
            pub const fn from_word(word: u64) -> Option<Self> {
                match word { $($value => Some(Self::$variant),)* _ => None }
            }

            /// Returns the one-line explanation.
            pub const fn doc(self) -> &'static str {
                match self { $(Self::$variant => concat!($($doc),+),)* }
            }
        }
    };
}

numbered! {
    /// How a call ended.
    Status {
        /// It was performed.
        Ok = 0,
        /// Bounded work was done and some is left; the same call continues it.
        Again = 1,
        /// No call has this number.
        NoCall = 2,
        /// The slot is outside the Bundle or empty.
        EmptySlot = 3,
        /// The slot holds another kind of object.
        WrongKind = 4,
        /// The capability lacks rights; `missing` is their mask.
        MissingRight = 5,
        /// The Reticle lacks memory; `missing` is the bytes.
        NoMemory = 6,
        /// The Bundle has no free slot.
        NoSlot = 7,
        /// An argument is outside what the call allows.
        BadArgument = 8,
        /// The object is in use in a way that excludes this.
        Busy = 9,
        /// A label forbids the flow; `missing` is the lowest offending tag, or 255 if it is not the caller's to know.
        Flow = 10,
        /// The Task is not in a state for this.
        WrongState = 11,
        /// The addresses are taken.
        Overlap = 12,
        /// The deadline came before any signal.
        Timeout = 13,
        /// Another slot of the Bundle has this name.
        NameTaken = 14,
        /// The Task's translation tables are used up; `missing` is the bytes.
        NoTables = 15,
        /// The label capability's byte budget is used up; `missing` is the bytes.
        NoBudget = 16,
    }
}

numbered! {
    /// What a capability refers to.
    Kind {
        /// Nothing.
        Empty = 0,
        /// Untyped memory, the only allocator.
        Reticle = 1,
        /// Pages that can be mapped.
        Memory = 2,
        /// A Task.
        Task = 3,
        /// A Ring with credits in both directions.
        Ring = 4,
        /// The right to set bits in one Task's mask.
        Signal = 5,
        /// The right to add or drop one secrecy tag.
        Label = 6,
        /// A share of processor time.
        Budget = 7,
        /// An interrupt line.
        Irq = 8,
        /// The console.
        Console = 9,
        /// The machine: power, inspection.
        Machine = 10,
        /// A lossy Ring that lets nothing flow back; only a word for `reticle_retype`.
        UpRing = 11,
    }
}

numbered! {
    /// What a Task is doing.
    TaskState {
        /// Being built.
        Embryo = 0,
        /// Able to run.
        Ready = 1,
        /// On a processor.
        Running = 2,
        /// Waiting for signals.
        Waiting = 3,
        /// Stopped by a fault; its supervisor may resume it.
        Faulted = 4,
        /// Ended by itself or by its supervisor.
        Halted = 5,
    }
}

numbered! {
    /// Why a Task faulted, in words that no processor owns.
    FaultCode {
        /// None.
        None = 0,
        /// An address that is not mapped for this access.
        Memory = 1,
        /// An instruction that does not exist or is not for Tasks.
        Instruction = 2,
        /// Arithmetic without a result.
        Arithmetic = 3,
        /// A breakpoint.
        Breakpoint = 4,
        /// Any other protection of the processor.
        Protection = 5,
    }
}

numbered! {
    /// An end of a Ring.
    Side {
        /// Pushes.
        Producer = 0,
        /// Pops.
        Consumer = 1,
    }
}

/// What a capability allows: a mask.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub struct Rights(pub u16);

impl Rights {
    /// No right.
    pub const NONE: Self = Self(0);
    /// Read pages, read the console.
    pub const READ: Self = Self(1);
    /// Write pages, write the console.
    pub const WRITE: Self = Self(2);
    /// Execute pages.
    pub const EXEC: Self = Self(4);
    /// Copy this capability to a slot or a Task.
    pub const COPY: Self = Self(8);
    /// Build, start, halt, resume; set a budget; bind an interrupt; switch power.
    pub const CONTROL: Self = Self(16);
    /// Look at state and Bundles.
    pub const INSPECT: Self = Self(32);
    /// Push to a Ring. It moves when copied.
    pub const SEND: Self = Self(64);
    /// Pop from a Ring. It moves when copied.
    pub const RECEIVE: Self = Self(128);
    /// Take memory from a Reticle.
    pub const ALLOCATE: Self = Self(256);
    /// Destroy all that was derived.
    pub const REVOKE: Self = Self(512);
    /// Set the bits of a Signal.
    pub const RAISE: Self = Self(1024);
    /// Add the tag.
    pub const PLUS: Self = Self(2048);
    /// Drop the tag: declassify.
    pub const MINUS: Self = Self(4096);

    /// Names, lowest bit first.
    pub const NAMES: [&'static str; 13] = [
        "read", "write", "exec", "copy", "control", "inspect", "send", "receive", "allocate",
        "revoke", "raise", "plus", "minus",
    ];

    /// Returns the rights in either.
    pub const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Returns the rights in both.
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Returns the rights of `self` that `other` lacks.
    pub const fn minus(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Says whether every right of `other` is here.
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

/// How pages are mapped: read, and at most one of write and execute.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Access {
    /// Read only.
    Read = 1,
    /// Read and write.
    Write = 3,
    /// Read and execute.
    Execute = 5,
}

impl Access {
    /// Reads a word; writable and executable together is `None`.
    pub const fn from_word(word: u64) -> Option<Self> {
        match word {
            1 => Some(Self::Read),
            3 => Some(Self::Write),
            5 => Some(Self::Execute),
            _ => None,
        }
    }

    /// Returns the rights that a Memory capability needs for this.
    pub const fn rights(self) -> Rights {
        Rights(self as u16)
    }
}
