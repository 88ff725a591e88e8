//! Tasks as processes that ask before they do anything.
//!
//! One process, the first, is made out of a file; it hands over the listener, and makes all others by
//! order. What any of them asks of Linux waits there until it is answered here: a Task's call gets the
//! core's answer, an order of ours is let through, and nothing else ever is. Linux copies a call's words
//! once, when it is made, and nobody can change them afterwards.
//!
//! Invariants:
//! - a process is either running, or stands still with a request that Linux holds;
//! - nothing is carried out but the very order that was given.
#![expect(unsafe_code, reason = "std does not know how to listen to another process's calls")]

use std::collections::HashMap;
use std::io::Error;
use std::os::fd::{AsRawFd, OwnedFd};

use vectra_abi::{Access, PAGE_BYTES, WINDOW_END};
use vectra_core::{Answer, Frame, Page};

use crate::first;
use crate::home::Spaces;
use crate::pool::Pool;
use crate::shim::{self, Cause, Command};
use crate::ticks::Ticks;

/// Namespaces of each Task's own. That of networks is the machine's: making one takes longer than
/// all the rest of a process.
const NAMESPACES: i32 = libc::CLONE_NEWUSER
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWNS
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWCGROUP;

const PR_SET_SYSCALL_USER_DISPATCH: u64 = 59;
const NOTIF_RECV: libc::c_ulong = 0xc050_2100;
const NOTIF_SEND: libc::c_ulong = 0xc018_2101;
const CONTINUE: u32 = libc::SECCOMP_USER_NOTIF_FLAG_CONTINUE as u32;

/// How a process goes on.
#[derive(Clone, Copy, Debug)]
enum Next {
    Answer(Answer),
    Restore,
    Jump(u64),
    Enter(u64, u64),
}

/// One process.
#[derive(Debug)]
struct Process {
    id: libc::pid_t,
    /// The page of the pool that it finds as its slot.
    slot: Frame,
    /// Linux's name for what it asks, while it stands still.
    parked: Option<u64>,
    /// What it asks, until somebody takes note.
    unseen: Option<Cause>,
    next: Next,
    /// It is gone and has been waited for: its number may be another's by now.
    ended: bool,
    /// Processor time that has been charged.
    charged_ns: u64,
}

/// All processes of a machine.
pub struct Processes {
    listener: OwnedFd,
    pool: libc::c_int,
    ticks: Ticks,
    all: HashMap<libc::pid_t, Process>,
    tasks: HashMap<Frame, libc::pid_t>,
    first: libc::pid_t,
    /// What has spoken and was not known.
    born: Option<Process>,
    /// Killed, and perhaps not gone yet.
    dying: Vec<libc::pid_t>,
    slots: Vec<Frame>,
    namespaces: i32,
}

fn checked(result: libc::c_long) -> Result<libc::c_long, Error> {
    if result < 0 { Err(Error::last_os_error()) } else { Ok(result) }
}

impl Process {
    fn new(id: libc::pid_t, slot: Frame) -> Self {
        Self {
            id,
            slot,
            parked: None,
            unseen: None,
            next: Next::Restore,
            ended: false,
            charged_ns: 0,
        }
    }

    /// Takes note of a request.
    fn asks(&mut self, request: u64, cause: Cause) {
        (self.parked, self.unseen) = (Some(request), Some(cause));
        self.next = match cause {
            Cause::Call(..) => Next::Answer(Answer::ok([0; 4])),
            _ => Next::Restore,
        };
    }

    /// Looks whether it is gone; waits for that if it has to be.
    fn look(&mut self, flags: libc::c_int) {
        self.ended = self.ended || is_gone(self.id, flags);
    }

    /// Ends it, and waits for that.
    fn end(&mut self) -> Result<(), Error> {
        if !self.ended {
            self.signal(libc::SIGKILL)?;
            self.look(0);
        }
        Ok(())
    }

    fn signal(&self, signal: i32) -> Result<(), Error> {
        // WHY: std can only kill, and only what it started.
        // SAFETY: a signal to a process of our own that has not been waited for.
        checked(unsafe { libc::kill(self.id, signal) }.into()).map(|_| ())
    }
}

/// Says whether a process of ours has ended; then its number is free.
fn is_gone(id: libc::pid_t, flags: libc::c_int) -> bool {
    // WHY: std waits for what it started only.
    // SAFETY: no status is asked for.
    unsafe { libc::waitpid(id, std::ptr::null_mut(), libc::__WALL | flags) == id }
}

/// Returns the processor time that a process has used, while Linux knows it.
fn processor_time(id: libc::pid_t) -> Option<libc::timespec> {
    let mut clock = 0;
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // WHY: std knows no other process's clock.
    // SAFETY: both results are written and live here; the process has not been waited for.
    let known = unsafe {
        libc::clock_getcpuclockid(id, &raw mut clock) == 0
            && libc::clock_gettime(clock, &raw mut time) == 0
    };
    known.then_some(time)
}

impl Processes {
    /// Starts the first process. `note` is told what Linux does not give.
    pub fn new(pool: &mut Pool, slots: &[Frame], note: &dyn Fn(&str)) -> Result<Self, Error> {
        let mut slots = slots.to_vec();
        let Some(slot) = slots.pop() else { return Err(Error::other("a machine has slots")) };
        let (id, listener, namespaces) = first::start(pool, slot, note)?;
        let mut processes = Self {
            listener,
            pool: pool.descriptor(),
            ticks: Ticks::new()?,
            all: HashMap::from([(id, Process::new(id, slot))]),
            tasks: HashMap::new(),
            first: id,
            born: None,
            dying: Vec::new(),
            slots,
            namespaces: if namespaces { NAMESPACES } else { 0 },
        };
        processes.furnish_first(pool)?;
        if namespaces {
            processes.try_namespaces(pool, note)?;
        }
        Ok(processes)
    }

    /// Has the first process become what every Task's process begins as.
    fn furnish_first(&mut self, pool: &mut Pool) -> Result<(), Error> {
        let first = self.first;
        self.until_parked(first)?;
        self.process(first)?.unseen = None;
        let anonymous = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED;
        let (read_write, descriptor) = (libc::PROT_READ | libc::PROT_WRITE, self.pool as u64);
        let (from, length) = (shim::STACK_AT, shim::STACK_BYTES);
        let mut orders = vec![
            (libc::SYS_munmap, [0, shim::AT, 0, 0, 0, 0]),
            (libc::SYS_munmap, [shim::END, USER_END - shim::END, 0, 0, 0, 0]),
            (libc::SYS_mmap, [from, length, read_write as u64, anonymous as u64, u64::MAX, 0]),
            (libc::SYS_sigaltstack, [shim::STACK, 0, 0, 0, 0, 0]),
            (libc::SYS_close_range, [0, descriptor - 1, 0, 0, 0, 0]),
            (libc::SYS_close_range, [descriptor + 1, u64::from(u32::MAX), 0, 0, 0, 0]),
        ];
        for signal in shim::SIGNALS {
            orders.push((libc::SYS_rt_sigaction, [signal as u64, shim::ACTION, 0, 8, 0, 0]));
        }
        for (number, words) in orders {
            self.carry_out(pool, first, number, words)?;
        }
        Ok(())
    }

    /// Finds out whether Linux gives namespaces, by making one process that is not needed.
    fn try_namespaces(&mut self, pool: &mut Pool, note: &dyn Fn(&str)) -> Result<(), Error> {
        match self.bear(pool) {
            Ok(id) => self.bury(id),
            Err(error) => {
                note(&format!(
                    "Linux gives Tasks no namespaces of their own ({error}); a filter alone keeps \
                     them from it"
                ));
                self.namespaces = 0;
                Ok(())
            }
        }
    }

    fn process(&mut self, id: libc::pid_t) -> Result<&mut Process, Error> {
        self.all.get_mut(&id).ok_or_else(|| Error::other("a process is not known"))
    }

    fn of(&mut self, task: Frame) -> Result<&mut Process, Error> {
        let id = self.tasks.get(&task).copied();
        self.process(id.ok_or_else(|| Error::other("a Task has no process"))?)
    }

    /// Waits for one request, or for the next tick. Ticks come seldom unless somebody waits for one:
    /// then they only show who has ended without a word.
    pub fn receive(&mut self, awaited: bool) -> Result<(), Error> {
        if awaited {
            self.ticks.often(true)?;
        }
        // WHY: std does not listen to calls.
        // SAFETY: all zeros is a value of the structure, and what Linux asks for; it fills it.
        let (result, request) = unsafe {
            let mut request: libc::seccomp_notif = std::mem::zeroed();
            (libc::ioctl(self.listener.as_raw_fd(), NOTIF_RECV, &raw mut request), request)
        };
        if let Err(error) = checked(result.into()) {
            // Who asked may be gone by now; a tick interrupts.
            return match error.raw_os_error() {
                Some(libc::ENOENT | libc::EINTR) => {
                    let running = self.all.values_mut().filter(|process| process.parked.is_none());
                    running.for_each(|process| process.look(libc::WNOHANG));
                    // Setting a timer takes longer than a tick: nobody does it at every call.
                    self.ticks.often(awaited)
                }
                _ => Err(error),
            };
        }
        let (id, cause) = (request.pid as libc::pid_t, shim::cause(&request.data));
        match self.all.get_mut(&id) {
            // It has jumped into the middle of our page: nobody knows where it would go on.
            Some(process) if cause == Cause::Astray => return process.end(),
            Some(process) => process.asks(request.id, cause),
            None => {
                let first = self.process(self.first)?.slot;
                let born = self.born.insert(Process::new(id, first));
                born.asks(request.id, cause);
            }
        }
        Ok(())
    }

    /// Answers what a process asks: it runs.
    fn send(&mut self, id: libc::pid_t, value: i64, flags: u32) -> Result<(), Error> {
        let listener = self.listener.as_raw_fd();
        let process = self.process(id)?;
        let Some(request) = process.parked.take() else {
            return Ok(());
        };
        let mut answer = libc::seccomp_notif_resp { id: request, val: value, error: 0, flags };
        // WHY: std does not listen to calls.
        // SAFETY: a structure that lives here.
        let result = unsafe { libc::ioctl(listener, NOTIF_SEND, &raw mut answer) };
        match checked(result.into()) {
            Ok(_) => Ok(()),
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => {
                // It was killed, by whom ever; it is gone soon.
                process.look(0);
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    fn until_parked(&mut self, id: libc::pid_t) -> Result<(), Error> {
        loop {
            let process = self.process(id)?;
            if process.parked.is_some() || process.ended {
                return Ok(());
            }
            self.receive(true)?;
        }
    }

    /// Has a process that stands still carry out one Linux call, and nothing else. A process that does
    /// something else is not in our page, and ends.
    fn carry_out(
        &mut self,
        pool: &mut Pool,
        id: libc::pid_t,
        number: libc::c_long,
        words: [u64; 6],
    ) -> Result<u64, Error> {
        let number = number as u64;
        let process = self.process(id)?;
        let before = (process.unseen.take(), process.next);
        let (at, bytes) = shim::order(number, words);
        pool.write(process.slot, at, &bytes);
        self.send(id, Command::Order as i64, 0)?;
        let mut is_let = false;
        loop {
            self.until_parked(id)?;
            let process = self.process(id)?;
            match process.unseen.take() {
                // Sent before it stood still, heard only now.
                Some(Cause::Signal(shim::INTERRUPT, ..)) => {
                    self.send(id, Command::Restore as i64, 0)?;
                }
                Some(Cause::Order(asked, with)) if !is_let && (asked, with) == (number, words) => {
                    is_let = true;
                    self.send(id, 0, CONTINUE)?;
                }
                Some(Cause::Done(result)) if is_let => {
                    (process.unseen, process.next) = before;
                    return if result > u64::MAX - 4096 {
                        Err(Error::from_raw_os_error((result as i32).wrapping_neg()))
                    } else {
                        Ok(result)
                    };
                }
                _ => return process.end().map(|()| 0),
            }
        }
    }

    /// Makes a process that stands still, with nothing mapped but its slot.
    fn bear(&mut self, pool: &mut Pool) -> Result<libc::pid_t, Error> {
        self.dying.retain(|&id| !is_gone(id, libc::WNOHANG));
        // It becomes a child of the supervisor, which so can wait for it.
        let flags = (self.namespaces | libc::CLONE_PARENT) as u64;
        self.carry_out(pool, self.first, libc::SYS_clone, [flags, 0, 0, 0, 0, 0])?;
        let mut born = loop {
            match self.born.take() {
                Some(process) => break process,
                None => self.receive(true)?,
            }
        };
        let Some(slot) = self.slots.pop() else { return Err(Error::other("too many Tasks")) };
        let id = born.id;
        born.unseen = None;
        self.all.insert(id, born);
        let at = Pool::offset(slot);
        let flags = (libc::MAP_SHARED | libc::MAP_FIXED) as u64;
        let (read, descriptor) = (libc::PROT_READ as u64, self.pool as u64);
        for (number, words) in [
            (libc::SYS_prctl, [libc::PR_SET_PDEATHSIG as u64, libc::SIGKILL as u64, 0, 0, 0, 0]),
            // What is called from outside of the page becomes a signal.
            (libc::SYS_prctl, [PR_SET_SYSCALL_USER_DISPATCH, 1, shim::AT, PAGE_BYTES, 0, 0]),
            (libc::SYS_mmap, [shim::SLOT_AT, PAGE_BYTES, read, flags, descriptor, at]),
        ] {
            self.carry_out(pool, id, number, words)?;
        }
        self.process(id)?.slot = slot;
        Ok(id)
    }

    /// Ends a process. One that stands still never runs again and need not be waited for.
    fn bury(&mut self, id: libc::pid_t) -> Result<(), Error> {
        let Some(mut process) = self.all.remove(&id) else { return Ok(()) };
        self.slots.push(process.slot);
        if process.ended {
            return Ok(());
        }
        process.signal(libc::SIGKILL)?;
        if process.parked.is_some() {
            self.dying.push(id);
        } else {
            process.look(0);
        }
        Ok(())
    }

    /// Lets a Task's process run.
    pub fn resume(&mut self, pool: &mut Pool, task: Frame) -> Result<(), Error> {
        let process = self.of(task)?;
        let words =
            |words: &[u64]| -> Vec<u8> { words.iter().flat_map(|w| w.to_le_bytes()).collect() };
        let (command, bytes) = match process.next {
            Next::Answer(Answer { status, words: [a, b, c, d] }) => {
                (Command::Answer, words(&[status, a, b, c, d]))
            }
            Next::Restore => (Command::Restore, Vec::new()),
            Next::Jump(to) => (Command::Jump, words(&[to])),
            Next::Enter(entry, stack) => (Command::Enter, words(&[entry, stack])),
        };
        pool.write(process.slot, shim::ANSWER_AT, &bytes);
        let id = process.id;
        self.send(id, command as i64, 0)
    }

    /// Returns what a Task's process has asked and nobody has taken note of.
    pub fn take(&mut self, task: Frame) -> Option<Cause> {
        self.of(task).ok()?.unseen.take()
    }

    /// Says whether a Task's process has something to say: it asks, or is gone.
    pub fn has_news(&self, task: Frame) -> bool {
        let process = self.tasks.get(&task).and_then(|id| self.all.get(id));
        process.is_some_and(|process| process.unseen.is_some() || process.ended)
    }

    /// Returns Linux's numbers of all processes.
    pub fn ids(&self) -> impl Iterator<Item = libc::pid_t> + '_ {
        self.all.values().filter(|process| !process.ended).map(|process| process.id)
    }

    /// Returns the processor time that a Task has used since this was last asked.
    pub fn spent_ns(&mut self, task: Frame) -> Result<u64, Error> {
        let process = self.of(task)?;
        if process.ended {
            return Ok(0);
        }
        let Some(time) = processor_time(process.id) else {
            // It is gone, or is just going: then there is nothing to charge any more.
            process.look(libc::WNOHANG);
            return Ok(0);
        };
        let used = time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64;
        Ok(used.saturating_sub(std::mem::replace(&mut process.charged_ns, used)))
    }

    /// Has a Task's process carry out a Linux call, stopping it for that time if it runs.
    fn order(
        &mut self,
        pool: &mut Pool,
        task: Frame,
        number: libc::c_long,
        words: [u64; 6],
    ) -> Result<(), Error> {
        let process = self.of(task)?;
        let (id, running) = (process.id, process.parked.is_none() && !process.ended);
        self.stop(task)?;
        if self.process(id)?.ended {
            return Ok(());
        }
        self.carry_out(pool, id, number, words)?;
        let process = self.process(id)?;
        if running && process.unseen.is_none() && !process.ended {
            self.resume(pool, task)?;
        }
        Ok(())
    }
}

/// The first address that no process can have.
const USER_END: u64 = 0x7fff_ffff_f000;

impl Spaces for Processes {
    fn create(&mut self, pool: &mut Pool, task: Frame) -> Result<(), Error> {
        let id = self.bear(pool)?;
        self.tasks.insert(task, id);
        Ok(())
    }

    fn destroy(&mut self, task: Frame) -> Result<(), Error> {
        self.tasks.remove(&task).map_or(Ok(()), |id| self.bury(id))
    }

    fn map(
        &mut self,
        pool: &mut Pool,
        task: Frame,
        page: Page,
        (first, count): (Frame, u32),
        access: Access,
    ) -> Result<(), Error> {
        let (address, length) = (u64::from(page.0) * PAGE_BYTES, u64::from(count) * PAGE_BYTES);
        debug_assert!(address + length <= WINDOW_END, "the core maps inside the window");
        let flags = libc::MAP_SHARED | libc::MAP_FIXED;
        let (file, offset) = (self.pool as u64, Pool::offset(first));
        let words =
            [address, length, crate::home::protection(access) as u64, flags as u64, file, offset];
        self.order(pool, task, libc::SYS_mmap, words)
    }

    fn unmap(&mut self, pool: &mut Pool, task: Frame, page: Page, count: u32) -> Result<(), Error> {
        let words = [u64::from(page.0) * PAGE_BYTES, u64::from(count) * PAGE_BYTES, 0, 0, 0, 0];
        self.order(pool, task, libc::SYS_munmap, words)
    }

    fn enter(&mut self, task: Frame, entry: u64, stack: u64) -> Result<(), Error> {
        self.of(task)?.next = Next::Enter(entry, stack);
        Ok(())
    }

    fn jump(&mut self, task: Frame, program_counter: u64) -> Result<(), Error> {
        self.of(task)?.next = Next::Jump(program_counter);
        Ok(())
    }

    fn answer(&mut self, task: Frame, answer: Answer) -> Result<(), Error> {
        self.of(task)?.next = Next::Answer(answer);
        Ok(())
    }

    /// Stops the process, if it runs. What it asks instead of being interrupted stays unseen.
    fn stop(&mut self, task: Frame) -> Result<(), Error> {
        let process = self.of(task)?;
        let id = process.id;
        if process.parked.is_some() || process.ended {
            return Ok(());
        }
        process.signal(shim::INTERRUPT)?;
        self.until_parked(id)?;
        let process = self.process(id)?;
        if let Some(Cause::Signal(shim::INTERRUPT, ..)) = process.unseen {
            process.unseen = None;
        }
        Ok(())
    }
}

impl Drop for Processes {
    fn drop(&mut self) {
        // The machine is over; Linux ends what is still there together with this thread.
        for process in self.all.values_mut().filter(|process| !process.ended) {
            let _ = process.signal(libc::SIGKILL);
        }
        for id in self.all.values().filter(|p| !p.ended).map(|p| p.id).chain(self.dying.drain(..)) {
            is_gone(id, 0);
        }
    }
}
