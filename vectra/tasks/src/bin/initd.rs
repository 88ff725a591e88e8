//! The first Task: builds the declared tree, supervises it, and switches off when all is done.
//!
//! Every child gets what its declaration names and nothing else.
#![no_std]
#![no_main]

use vectra_tasks::children::{OWN_AT, archive, give, put, start};
use vectra_tasks::log::log_from;
use vectra_tasks::rt::abi::{Access, Kind, Name, Rights, SELF, Status, TaskState};
use vectra_tasks::rt::{
    Child, LoadError, LogRing, Pages, Refused, Slot, call, find, free_name, load, words,
};
use vectra_tasks::{note, say, task};

task!(main);

/// What happens when a child ends.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Restart {
    /// It serves until all who use it have ended.
    Service,
    /// It ends by itself, once.
    Once,
    /// It is built again, so often.
    Times(u32),
}

/// One way to get a capability.
#[derive(Clone, Copy)]
enum Grant {
    /// A copy of a slot of this Task's, with these rights.
    Copy(&'static str, Rights, &'static str),
    /// The pushing end of a named Ring.
    Send(&'static str, &'static str),
    /// The popping end of a named Ring.
    Receive(&'static str, &'static str),
    /// A Reticle of its own.
    Memory(u64),
}

/// A child, declared.
struct Declared {
    file: &'static str,
    restart: Restart,
    grants: &'static [Grant],
}

const WRITE: Rights = Rights::WRITE;
const PERSON: u64 = 1;

/// Rings by name. Both ends are given away, so that this Task can neither listen nor talk.
const RINGS: [&str; 8] =
    ["log.initd", "log.vctl", "log.echo", "log.hog", "log.topod", "log.netd", "ask", "net"];

const TREE: &[Declared] = &[
    Declared {
        file: "logd",
        restart: Restart::Service,
        grants: &[
            Grant::Copy("console", WRITE, "console"),
            Grant::Receive("log.initd", "initd"),
            Grant::Receive("log.vctl", "vctl"),
            Grant::Receive("log.echo", "echo"),
            Grant::Receive("log.hog", "hog"),
            Grant::Receive("log.topod", "topod"),
            Grant::Receive("log.netd", "netd"),
        ],
    },
    Declared {
        file: "topod",
        restart: Restart::Once,
        grants: &[
            Grant::Copy("machine", Rights::INSPECT, "machine"),
            Grant::Send("log.topod", "log"),
        ],
    },
    Declared { file: "echod", restart: Restart::Service, grants: &[Grant::Receive("ask", "ask")] },
    Declared {
        file: "echo",
        restart: Restart::Once,
        grants: &[Grant::Memory(10), Grant::Send("ask", "ask"), Grant::Send("log.echo", "log")],
    },
    Declared {
        file: "hog",
        restart: Restart::Once,
        grants: &[Grant::Memory(50), Grant::Send("log.hog", "log")],
    },
    Declared {
        file: "crasher",
        restart: Restart::Times(2),
        grants: &[Grant::Copy("never", Rights::NONE, "do.null")],
    },
    Declared {
        file: "netd",
        restart: Restart::Service,
        grants: &[Grant::Receive("net", "net"), Grant::Send("log.netd", "log")],
    },
    Declared {
        file: "notes",
        restart: Restart::Once,
        grants: &[
            Grant::Send("net", "net"),
            Grant::Copy("personal", Rights::READ.or(Rights::WRITE), "personal"),
        ],
    },
    Declared {
        file: "vctl",
        restart: Restart::Once,
        grants: &[
            Grant::Copy("machine", Rights::INSPECT, "machine"),
            Grant::Send("log.vctl", "log"),
        ],
    },
];

/// A child that lives.
#[derive(Clone, Copy)]
struct Live {
    part: Slot,
    task: Slot,
    restarts: u32,
    over: bool,
}

const PART_PAGES: u64 = 120;

fn main() -> u64 {
    match run() {
        Ok(()) => 0,
        Err(error) => {
            say!("initd: {error}");
            if let Ok(machine) = find("machine") {
                // If even that is refused, the exit code below is all there is.
                let _ = call::machine_power(machine.0, 1);
            }
            1
        }
    }
}

fn run() -> Result<(), LoadError> {
    for name in ["irq1", "irq8", "tag2", "tag3", "tag4", "tag5", "tag6", "tag7"] {
        call::cap_delete(find(name)?.0)?;
    }
    let memory = find("memory")?;
    for name in RINGS {
        make(memory, Kind::Ring, 1, name, 0)?;
    }
    make(memory, Kind::Memory, 1, "personal", PERSON)?;
    let [low, high] = Name::new("never").words();
    call::signal_mint(1 << 63, low, high)?;
    let mut scratch = Pages::new(memory, OWN_AT);
    let mut children = [None; TREE.len()];
    for (at, declared) in TREE.iter().enumerate() {
        let [low, high] = free_name("part").words();
        let part = Slot(call::reticle_split(memory.0, PART_PAGES, low, high)?[0]);
        children[at] = Some(raise(at, declared, part, &mut scratch, 0)?);
    }
    let mut log = log_from("log.initd");
    note!(log, "{} children", TREE.len());
    supervise(&mut children, &mut scratch, &mut log)?;
    reveal(memory, &mut log)?;
    note!(log, "all is done");
    if let (Some(log), Some(logd)) = (&mut log, children[0]) {
        log.flush()?;
        // What it has popped it has written when it waits again.
        while call::task_status(logd.task.0)?[0] != TaskState::Waiting as u64 {
            let soon = call::clock_now()?[0] + 1_000_000;
            // Time passing is what this waits for, so it ends by a refusal.
            let _ = call::signal_wait(1 << 61, soon);
        }
    }
    call::machine_power(find("machine")?.0, 0)?;
    Ok(())
}

fn make(memory: Slot, kind: Kind, count: u64, name: &str, tags: u64) -> Result<Slot, Refused> {
    let [low, high] = Name::new(name).words();
    Ok(Slot(call::reticle_retype(memory.0, kind as u64, count, low, high, tags)?[0]))
}

/// Builds and starts a child. Its end sets the bit of its place in the tree.
fn raise(
    at: usize,
    declared: &Declared,
    part: Slot,
    scratch: &mut Pages,
    restarts: u32,
) -> Result<Live, LoadError> {
    // Without an archive, or a file in it, the bytes are none, which loading then says.
    let file = archive().and_then(|archive| archive.find(declared.file)).unwrap_or(&[]);
    let child = load(part, scratch, declared.file, file)?;
    for &grant in declared.grants {
        hand(&child, grant)?;
    }
    let [low, high] = free_name("watch").words();
    let watch = call::signal_mint(1 << at, low, high)?[0];
    call::task_watch(child.slot.0, watch)?;
    call::cap_delete(watch)?;
    start(&child, 4)?;
    Ok(Live { part, task: child.slot, restarts, over: false })
}

fn hand(child: &Child, grant: Grant) -> Result<(), Refused> {
    match grant {
        Grant::Copy(from, rights, name) => put(child, find(from)?, rights, name),
        Grant::Send(ring, name) => end(child, ring, Rights::SEND, name),
        Grant::Receive(ring, name) => end(child, ring, Rights::RECEIVE, name),
        Grant::Memory(pages) => {
            let [low, high] = free_name("own").words();
            let part = Slot(call::reticle_split(find("memory")?.0, pages, low, high)?[0]);
            give(child, part, "memory")
        }
    }
}

/// Copies one end, and drops the Ring when both are given away.
fn end(child: &Child, ring: &str, right: Rights, name: &str) -> Result<(), Refused> {
    let slot = find(ring)?;
    put(child, slot, right, name)?;
    if slot.rights()?.and(Rights::SEND.or(Rights::RECEIVE)) == Rights::NONE {
        call::cap_delete(slot.0)?;
    }
    Ok(())
}

/// Waits for ends until only services are left.
fn supervise(
    children: &mut [Option<Live>; TREE.len()],
    scratch: &mut Pages,
    log: &mut Option<LogRing>,
) -> Result<(), LoadError> {
    while TREE.iter().zip(&*children).any(|(declared, live)| {
        declared.restart != Restart::Service && live.is_some_and(|live| !live.over)
    }) {
        let bits = call::signal_wait((1 << TREE.len()) - 1, 0)?[0];
        for at in (0..TREE.len()).filter(|at| bits & 1 << at != 0) {
            if let Some(live) = children[at].filter(|live| !live.over) {
                children[at] = Some(ended(at, live, scratch, log)?);
            }
        }
    }
    Ok(())
}

fn ended(
    at: usize,
    live: Live,
    scratch: &mut Pages,
    log: &mut Option<LogRing>,
) -> Result<Live, LoadError> {
    let declared = &TREE[at];
    let [state, code, address, _] = call::task_status(live.task.0)?;
    if state == TaskState::Faulted as u64 {
        note!(*log, "{} faulted, code {code}, address {address:#x}", declared.file);
    } else {
        note!(*log, "{} ended with {code}", declared.file);
    }
    match declared.restart {
        Restart::Times(times) if live.restarts < times => {
            call::reticle_reset(live.part.0)?;
            // That took its Task away, which was told as well.
            call::signal_poll(1 << at)?;
            note!(*log, "{} is built again", declared.file);
            raise(at, declared, live.part, scratch, live.restarts + 1)
        }
        _ => Ok(Live { over: true, ..live }),
    }
}

/// Declassifies what the notes Task wrote about itself: only who holds the tag's capability can.
fn reveal(memory: Slot, log: &mut Option<LogRing>) -> Result<(), Refused> {
    let (personal, tag) = (find("personal")?, find("tag0")?);
    let seen = make(memory, Kind::Memory, 1, "revealed", 0)?;
    let address = OWN_AT + 0x10_0000;
    if let Err(refused) = call::memory_map(SELF, personal.0, address, Access::Read as u64) {
        note!(*log, "{refused}");
    }
    call::label_copy(personal.0, seen.0, tag.0, 1)?;
    call::memory_map(SELF, seen.0, address, Access::Read as u64)?;
    let page = words(address, 1);
    let read = |at: usize| page[at].load(core::sync::atomic::Ordering::Relaxed);
    note!(
        *log,
        "declassified: notes sent {}, its raise cut {}; before it `personal` was refused ({}), after it `net` ({})",
        read(0),
        read(1),
        named(read(3)),
        named(read(2))
    );
    Ok(())
}

/// Names a status.
fn named(status: u64) -> &'static str {
    match Status::from_word(status) {
        Some(Status::Ok) => "granted",
        Some(Status::Flow) => "a label forbids it",
        Some(Status::EmptySlot) => "the capability was taken away",
        _ => "?",
    }
}
