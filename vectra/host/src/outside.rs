//! What a hosted machine has outside its memory: console, typing, time, the power switch.
#![expect(
    unsafe_code,
    reason = "reading only what is there is a system call that std does not know"
)]

use std::collections::VecDeque;
use std::io::{Error, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::{Duration, Instant};

use vectra_abi::Kind;
use vectra_core::{Body, Frame, Machine, Platform};

/// The serial line's number, as on the bare machine: what is typed arrives there.
const TYPING_LINE: usize = 4;

/// How often typing is looked for, while somebody waits for it.
const TYPING_NS: u64 = 5_000_000;

/// Console, typing, time and power of one machine.
pub struct Outside<'a> {
    console: Box<dyn Write + 'a>,
    typing: Option<OwnedFd>,
    limit_ns: u64,
    typed: VecDeque<u8>,
    lines: [bool; 16],
    /// The Irq object of the serial line, once the machine has booted.
    serial: Option<Frame>,
    start: Instant,
    /// The exit code, once switched off.
    pub off: Option<u64>,
    broken: Option<Error>,
}

impl<'a> Outside<'a> {
    /// Makes a machine's outside; its time starts now.
    pub fn new(
        console: Box<dyn Write + 'a>,
        typing: Option<OwnedFd>,
        limit: Option<Duration>,
    ) -> Self {
        Self {
            console,
            typing,
            limit_ns: limit.map_or(u64::MAX, |limit| limit.as_nanos() as u64),
            typed: VecDeque::new(),
            lines: [false; 16],
            serial: None,
            start: Instant::now(),
            off: None,
            broken: None,
        }
    }

    /// Notes what Linux refused first. The machine cannot go on after it: the core's actions may not
    /// fail.
    pub fn broke(&mut self, error: Error) {
        self.broken.get_or_insert(error);
    }

    /// Returns what Linux refused, if anything.
    pub fn broken(&mut self) -> Option<Error> {
        self.broken.take()
    }

    /// Says whether the machine has had its time.
    pub fn is_late(&self) -> bool {
        self.now_ns() > self.limit_ns
    }

    /// Says whether it has so much time and no more.
    pub fn is_limited(&self) -> bool {
        self.limit_ns != u64::MAX
    }

    /// Returns how long may be waited before that.
    pub fn left_ns(&self) -> Option<u64> {
        (self.limit_ns != u64::MAX).then(|| self.limit_ns.saturating_sub(self.now_ns()) + 1)
    }

    /// Returns the time since start; never zero, which stands for no time.
    pub fn now_ns(&self) -> u64 {
        self.start.elapsed().as_nanos() as u64 + 1
    }

    /// Writes to the console.
    pub fn write(&mut self, bytes: &[u8]) {
        if let Err(error) = self.console.write_all(bytes).and_then(|()| self.console.flush()) {
            self.broke(error);
        }
    }

    /// Returns a byte that was typed.
    pub fn typed(&mut self) -> Option<u8> {
        self.typed.pop_front()
    }

    /// Lets a line interrupt, or not.
    pub fn enable(&mut self, line: u32, enabled: bool) {
        if let Some(place) = self.lines.get_mut(line as usize) {
            *place = enabled;
        }
    }

    /// Finds the serial line among what the first Task was given.
    pub fn find_serial<P: Platform>(machine: &Machine<P>, first: Frame) -> Option<Frame> {
        machine.task(first).slots.iter().find_map(|slot| {
            let is_irq = slot.kind == Kind::Irq;
            let object = is_irq.then(|| machine.platform_object(slot.object))?;
            let serial =
                matches!(object.body, Body::Irq { line, .. } if line as usize == TYPING_LINE);
            serial.then_some(slot.object)
        })
    }

    /// Says which object typing interrupts.
    pub fn set_serial(&mut self, serial: Option<Frame>) {
        self.serial = serial;
    }

    /// Looks for typing; returns the object to interrupt.
    pub fn look_for_typing(&mut self) -> Option<Frame> {
        if !self.lines[TYPING_LINE] {
            return None;
        }
        while let Some(byte) = self.typing.as_ref().and_then(input) {
            self.typed.push_back(byte);
        }
        self.serial.filter(|_| !self.typed.is_empty())
    }

    /// Says whether somebody waits for typing.
    pub fn is_typing_awaited(&self) -> bool {
        self.typing_ns().is_some()
    }

    /// Returns when typing is to be looked for again, if anybody waits for it.
    pub fn typing_ns(&self) -> Option<u64> {
        (self.typing.is_some() && self.lines[TYPING_LINE]).then_some(TYPING_NS)
    }
}

/// Reads a byte, if one is there.
fn input(from: &OwnedFd) -> Option<u8> {
    let fd = from.as_raw_fd();
    let mut poll = libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
    let mut byte = 0u8;
    // WHY: std would wait.
    // SAFETY: one structure and one byte that live here.
    unsafe {
        let ready = libc::poll(&raw mut poll, 1, 0) == 1 && poll.revents & libc::POLLIN != 0;
        (ready && libc::read(fd, (&raw mut byte).cast(), 1) == 1).then_some(byte)
    }
}
