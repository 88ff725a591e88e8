//! How examples begin that need a machine, an agent or a puddle: all are thrown away with the store.
//!
//! These are macros, since `concat!` takes nothing else; the least memory keeps them quick.

/// A Person whose key is sealed here, and one of their machines.
macro_rules! person {
    () => {
        "    $ echo correct horse battery > pass
    $ vigil person new ada --words-file words --passphrase-file pass --memory 64MiB
    $ vigil machine enroll bench --passphrase-file pass --memory 64MiB
"
    };
}

/// A machine whose agent runs.
macro_rules! agent {
    () => {
        "    $ echo correct horse battery > pass
    $ vigil machine enroll bench --passphrase-file pass --memory 64MiB
    $ vigil agent start --passphrase-file pass
"
    };
}

/// A puddle of one machine, whose Person has the words alone.
macro_rules! puddle {
    () => {
        "    $ echo correct horse battery > pass
    $ vigil person new ada --words-file words --words-only
    $ vigil machine enroll bench --passphrase-file pass --memory 64MiB
    $ vigil puddle create home --words-file words --passphrase-file pass
"
    };
}

pub(super) use {agent, person, puddle};
