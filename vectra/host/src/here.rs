//! All Tasks on one thread of this process: a machine with one processor, for tests and debuggers.
//!
//! Each Task's window of addresses is shown while the Task runs, as on a processor. Linux hands over
//! every call and fault as a signal (Syscall User Dispatch and faults), and ends turns by a timer. It
//! is no boundary: hostile code could write anywhere in the process.
//!
//! Invariant: the window shows the mappings of one Task, and of none while the machine is off.
#![expect(unsafe_code, reason = "the window is mapped and unmapped behind Rust's back")]

use std::collections::{BTreeMap, HashMap};
use std::io::Error;
use std::os::fd::RawFd;
use std::sync::Mutex;
use std::time::Duration;

use vectra_abi::{Access, PAGE_BYTES, WINDOW_END, WINDOW_START};
use vectra_core::{Answer, Config, Frame, Machine, Outcome, Page, Platform};

use crate::home::{Home, Spaces, protection};
use crate::outside::Outside;
use crate::pool::Pool;
use crate::signals::{self, Cause, Registers, Runner};
use crate::supervise::fault;
use crate::{RunError, Start};

/// A Task that is not running, and what its window shows.
struct Context {
    registers: Registers,
    pages: BTreeMap<u32, (Frame, Access)>,
}

/// The Tasks' contexts, of which the window shows one.
struct Window {
    contexts: HashMap<Frame, Context>,
    /// Whose mappings the window shows.
    shown: Option<Frame>,
    /// The thread's own registers from before the first Task.
    thread: Option<Registers>,
}

/// The machine on its thread.
struct Here<'a> {
    machine: Machine<Home<'a, Window>>,
    running: Option<Frame>,
    /// Processor time of the thread when it was last charged.
    charged: Duration,
    result: Option<Result<u64, RunError>>,
}

/// There is one window in a process.
static WINDOW: Mutex<()> = Mutex::new(());

/// Runs a machine on this thread until it switches itself off; returns its exit code. One machine runs
/// at a time: others wait.
pub fn run_here(start: Start<'_>) -> Result<u64, RunError> {
    // Whoever panicked while it held the window has given it back.
    let _window = WINDOW.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let Start { archive, frames, first, console, typing, limit, .. } = start;
    let outside = Outside::new(console, typing, limit);
    let window = Window { contexts: HashMap::new(), shown: None, thread: None };
    let home = Home::new(frames, Pool::new(frames)?, outside, window);
    let _reserved = Reserved::new()?;
    let mut machine = Machine::new(home);
    let config = Config { frames, archive, first };
    // The first Task gets its registers when the thread's own are known.
    let task = machine.boot(&config).map_err(RunError::Boot)?;
    let serial = Outside::find_serial(&machine, task);
    machine.platform.outside.set_serial(serial);
    let mut here = Here { machine, running: None, charged: Duration::ZERO, result: None };
    signals::run(&mut here)?;
    here.result.unwrap_or(Err(RunError::Idle))
}

/// The window, taken from whatever else the process might map.
struct Reserved;

impl Reserved {
    fn new() -> Result<Self, Error> {
        show_nothing(libc::MAP_FIXED_NOREPLACE)?;
        Ok(Self)
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        // WHY: the window has no owner in Rust.
        // SAFETY: nothing of Rust's lies there; unmapping what was mapped cannot fail.
        unsafe {
            libc::munmap(WINDOW_START as *mut libc::c_void, (WINDOW_END - WINDOW_START) as usize);
        }
    }
}

/// Makes the window show nothing.
fn show_nothing(flag: libc::c_int) -> Result<(), Error> {
    let flags = flag | libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
    map(WINDOW_START, WINDOW_END - WINDOW_START, libc::PROT_NONE, flags, -1, 0)
}

fn map(
    address: u64,
    length: u64,
    protection: libc::c_int,
    flags: libc::c_int,
    file: RawFd,
    offset: u64,
) -> Result<(), Error> {
    assert!(address >= WINDOW_START && address + length <= WINDOW_END, "outside the window");
    // WHY: std does not map.
    // SAFETY: inside the window, where nothing of Rust's lies.
    let at = unsafe {
        libc::mmap(address as *mut _, length as usize, protection, flags, file, offset as i64)
    };
    if at as u64 == address { Ok(()) } else { Err(Error::last_os_error()) }
}

impl Window {
    fn context(&mut self, task: Frame) -> Result<&mut Context, Error> {
        self.contexts.get_mut(&task).ok_or_else(|| Error::other("a Task has no context"))
    }

    /// Makes the window that of a Task.
    fn show_task(&mut self, pool: &Pool, task: Frame) -> Result<(), Error> {
        if self.shown == Some(task) {
            return Ok(());
        }
        show_nothing(libc::MAP_FIXED)?;
        self.shown = Some(task);
        let mut runs: Vec<(u32, u32, Frame, Access)> = Vec::new();
        for (&page, &(frame, access)) in self.contexts.get(&task).iter().flat_map(|c| &c.pages) {
            match runs.last_mut() {
                Some((start, count, first, same))
                    if *start + *count == page
                        && first.plus(*count) == frame
                        && *same == access =>
                {
                    *count += 1;
                }
                _ => runs.push((page, 1, frame, access)),
            }
        }
        let mut runs = runs.into_iter();
        runs.try_for_each(|(page, count, first, access)| show(pool, page, (first, count), access))
    }
}

/// Shows pages of the Task whose window is shown.
fn show(pool: &Pool, page: u32, (first, count): (Frame, u32), access: Access) -> Result<(), Error> {
    let flags = libc::MAP_SHARED | libc::MAP_FIXED;
    let (address, length) = (u64::from(page) * PAGE_BYTES, u64::from(count) * PAGE_BYTES);
    map(address, length, protection(access), flags, pool.descriptor(), Pool::offset(first))
}

impl Here<'_> {
    /// Does what the Task left its code for.
    fn handle(&mut self, task: Frame, cause: Cause, registers: &Registers) {
        let stays = match cause {
            Cause::Call => {
                let (number, words) = registers.call();
                match self.machine.call(task, number, words) {
                    Outcome::Answered(answer) => {
                        self.machine.platform.answer(task, answer);
                        true
                    }
                    Outcome::Suspended | Outcome::Gone => false,
                }
            }
            Cause::Fault(signal, detail, address) => {
                let stop = fault(signal, detail, address, registers.program_counter());
                self.machine.fault(task, stop);
                false
            }
            Cause::Turn | Cause::Begin => true,
        };
        self.machine.tick();
        let ends = matches!(cause, Cause::Turn) || !stays;
        let has_time = !ends || self.charge(task);
        if stays {
            let over = !has_time
                || match cause {
                    Cause::Turn => self.machine.is_turn_over(task),
                    _ => self.machine.is_outranked(task),
                };
            if over {
                self.machine.preempt(task);
                self.running = None;
            }
        } else {
            self.running = None;
        }
    }

    /// Charges a Task's Budget with what the thread has used; returns whether it may go on.
    fn charge(&mut self, task: Frame) -> bool {
        let now = thread_time();
        let spent = now.saturating_sub(std::mem::replace(&mut self.charged, now));
        self.machine.charge(task, spent.as_nanos() as u64)
    }

    /// Chooses who runs, waiting until there is somebody; nobody does once the machine is off.
    fn choose(&mut self) -> Option<Frame> {
        loop {
            let outside = &mut self.machine.platform.outside;
            if let Some(error) = outside.broken() {
                self.result = Some(Err(RunError::Linux(error)));
                return None;
            }
            if let Some(code) = outside.off {
                self.result = Some(Ok(code));
                return None;
            }
            if outside.is_late() {
                self.result = Some(Err(RunError::Late));
                return None;
            }
            if let Some(irq) = outside.look_for_typing() {
                self.machine.interrupt(irq);
            }
            if let Some(task) = self.running {
                return Some(task);
            }
            self.machine.settle();
            self.machine.tick();
            if let Some(task) = self.machine.pick() {
                (self.running, self.charged) = (Some(task), thread_time());
                continue;
            }
            if !self.rest() {
                self.result = Some(Err(RunError::Idle));
                return None;
            }
        }
    }

    /// Sleeps until something can have changed; returns false if nothing ever will.
    fn rest(&mut self) -> bool {
        const TURN_NS: u64 = 1_000_000;
        let outside = &self.machine.platform.outside;
        let deadline = self.machine.next_deadline_ns();
        let until = deadline.map(|deadline| deadline.saturating_sub(outside.now_ns()));
        // A Task that is ready and not picked has spent its Budget, which comes back.
        let states = self.machine.tasks().map(|task| self.machine.task(task).state);
        let ready = states.into_iter().any(|state| state == vectra_abi::TaskState::Ready);
        let soon = ready.then_some(TURN_NS);
        match until.into_iter().chain(outside.typing_ns()).chain(soon).min() {
            Some(time) => {
                let time = time.min(outside.left_ns().unwrap_or(u64::MAX));
                std::thread::sleep(Duration::from_nanos(time));
            }
            None => return false,
        }
        true
    }
}

impl Runner for Here<'_> {
    fn left(&mut self, cause: Cause, registers: Registers) -> Option<Registers> {
        match (self.running, cause) {
            (None, Cause::Begin) => {
                let window = &mut self.machine.platform.spaces;
                for context in window.contexts.values_mut() {
                    context.registers.take_segments(&registers);
                }
                window.thread = Some(registers);
            }
            (None, _) => return None,
            (Some(task), _) => {
                let kept = registers.clone();
                self.machine.platform.with(|window, _| {
                    window.context(task)?.registers = kept;
                    Ok(())
                });
                self.handle(task, cause, &registers);
            }
        }
        let Some(task) = self.choose() else {
            self.running = None;
            return self.machine.platform.spaces.thread.clone();
        };
        self.machine.platform.with(|window, pool| window.show_task(pool, task));
        let context = self.machine.platform.spaces.contexts.get(&task);
        context.map(|context| context.registers.clone())
    }
}

/// Returns the processor time of this thread.
fn thread_time() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // WHY: std has no clock of processor time.
    // SAFETY: the result is written and lives here; this clock is always there.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

impl Spaces for Window {
    fn create(&mut self, _pool: &mut Pool, task: Frame) -> Result<(), Error> {
        let registers = Registers::empty();
        self.contexts.insert(task, Context { registers, pages: BTreeMap::new() });
        Ok(())
    }

    fn destroy(&mut self, task: Frame) -> Result<(), Error> {
        self.contexts.remove(&task);
        if self.shown == Some(task) {
            self.shown = None;
        }
        Ok(())
    }

    fn map(
        &mut self,
        pool: &mut Pool,
        task: Frame,
        page: Page,
        (first, count): (Frame, u32),
        access: Access,
    ) -> Result<(), Error> {
        let pages = (0..count).map(|at| (page.0 + at, (first.plus(at), access)));
        self.context(task)?.pages.extend(pages);
        if self.shown == Some(task) {
            show(pool, page.0, (first, count), access)?;
        }
        Ok(())
    }

    fn unmap(
        &mut self,
        _pool: &mut Pool,
        task: Frame,
        page: Page,
        count: u32,
    ) -> Result<(), Error> {
        let context = self.context(task)?;
        (page.0..page.0 + count).for_each(|page| {
            context.pages.remove(&page);
        });
        if self.shown != Some(task) {
            return Ok(());
        }
        let flags = libc::MAP_FIXED | libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
        let (at, length) = (u64::from(page.0) * PAGE_BYTES, u64::from(count) * PAGE_BYTES);
        map(at, length, libc::PROT_NONE, flags, -1, 0)
    }

    fn enter(&mut self, task: Frame, entry: u64, stack: u64) -> Result<(), Error> {
        let thread = self.thread.clone();
        let context = self.context(task)?;
        context.registers.enter(entry, stack);
        if let Some(thread) = thread {
            context.registers.take_segments(&thread);
        }
        Ok(())
    }

    fn jump(&mut self, task: Frame, program_counter: u64) -> Result<(), Error> {
        self.context(task)?.registers.jump(program_counter);
        Ok(())
    }

    fn answer(&mut self, task: Frame, answer: Answer) -> Result<(), Error> {
        self.context(task)?.registers.answer(answer);
        Ok(())
    }

    /// No other Task runs beside the one that calls.
    fn stop(&mut self, _task: Frame) -> Result<(), Error> {
        Ok(())
    }
}
