use vectra_abi::{FaultCode, TaskState};
use vectra_core::{Config, Frame, Machine, Outcome, Stop};

use crate::home::{Home, Spaces};
use crate::outside::Outside;
use crate::pool::Pool;
use crate::process::Processes;
use crate::shim::{self, Cause};
use crate::spread::Spread;
use crate::{RunError, Start};

/// Frames that a Task costs at least: there are never more Tasks than there is memory for.
const TASK_FRAMES: u32 = 16;
/// The first process, and the one that is made to try.
const SPARE_SLOTS: u32 = 2;

/// A turn, while others wait for a processor, and how often Budgets are charged: as on the bare
/// machine.
const TICK_NS: u64 = 1_000_000;

/// One machine and its processors.
struct Supervisor<'a> {
    machine: Machine<Home<'a, Processes>>,
    /// So many Tasks run at once.
    processors: usize,
    /// When the last turn ended.
    turned_ns: u64,
    spread: Spread,
}

/// Runs a machine whose Tasks are processes until it switches itself off; returns its exit code.
pub fn run(start: Start<'_>) -> Result<u64, RunError> {
    let Start { archive, frames, first, console, typing, processors, limit, note } = start;
    let spread = Spread::new()?;
    // Behind the machine's own frames lies a slot for each process.
    let slots: Vec<Frame> =
        (0..frames / TASK_FRAMES + SPARE_SLOTS).map(|at| Frame(frames + at)).collect();
    let mut pool = Pool::new(frames + slots.len() as u32)?;
    let processes = Processes::new(&mut pool, &slots, note)?;
    let outside = Outside::new(console, typing, limit);
    let mut machine = Machine::new(Home::new(frames, pool, outside, processes));
    let task = machine.boot(&Config { frames, archive, first }).map_err(RunError::Boot)?;
    let serial = Outside::find_serial(&machine, task);
    machine.platform.outside.set_serial(serial);
    let mut supervisor =
        Supervisor { machine, processors: processors.max(1), turned_ns: 0, spread };
    loop {
        supervisor.machine.tick();
        supervisor.turn();
        supervisor.schedule();
        let outside = &mut supervisor.machine.platform.outside;
        if let Some(error) = outside.broken() {
            return Err(RunError::Linux(error));
        }
        if let Some(code) = outside.off {
            return Ok(code);
        }
        if outside.is_late() {
            return Err(RunError::Late);
        }
        if let Some(irq) = outside.look_for_typing() {
            supervisor.machine.interrupt(irq);
        }
        supervisor.step()?;
    }
}

impl Supervisor<'_> {
    fn running(&self) -> impl Iterator<Item = Frame> + '_ {
        let machine = &self.machine;
        machine.tasks().filter(|&task| machine.task(task).state == TaskState::Running)
    }

    /// Lets the Tasks of highest priority run, as many as there are processors.
    fn schedule(&mut self) {
        loop {
            if self.running().count() < self.processors {
                match self.machine.pick() {
                    Some(task) => self.begin(task),
                    None => return,
                }
                continue;
            }
            let least = self.running().min_by_key(|&task| self.machine.task(task).priority);
            match least {
                Some(task) if self.machine.is_outranked(task) => self.take_off(task),
                _ => return,
            }
        }
    }

    fn begin(&mut self, task: Frame) {
        if self.machine.platform.spaces.has_news(task) {
            self.happened(task);
        } else {
            self.resume(task);
        }
    }

    fn resume(&mut self, task: Frame) {
        self.machine.platform.with(|processes, pool| processes.resume(pool, task));
    }

    /// Takes a running Task off its processor; it is ready and comes last among its equals.
    fn take_off(&mut self, task: Frame) {
        self.machine.platform.with(|processes, _| processes.stop(task));
        self.charge(task);
        self.machine.preempt(task);
    }

    /// Charges what a Task has used; returns whether it may go on.
    fn charge(&mut self, task: Frame) -> bool {
        if !self.machine.task(task).budgeted {
            return true;
        }
        let mut spent = 0;
        self.machine.platform.with(|processes, _| {
            spent = processes.spent_ns(task)?;
            Ok(())
        });
        self.machine.charge(task, spent)
    }

    /// Ends a turn: Budgets are charged, and equals come to run.
    fn turn(&mut self) {
        let now = self.machine.platform.outside.now_ns();
        if now - self.turned_ns < TICK_NS {
            return;
        }
        self.turned_ns = now;
        let running: Vec<Frame> = self.running().collect();
        let spread = &mut self.spread;
        self.machine.platform.with(|processes, _| spread.turn(running.len(), processes.ids()));
        let full = running.len() >= self.processors;
        for task in running {
            if !self.charge(task) || full && self.machine.is_turn_over(task) {
                self.take_off(task);
            }
        }
    }

    /// Says whether a turn has to end in time: somebody waits for a processor, or is charged.
    fn needs_turns(&mut self) -> bool {
        let counts = |task: Frame| {
            let task = self.machine.task(task);
            let runs = task.state == TaskState::Running;
            task.state == TaskState::Ready || task.budgeted && runs
        };
        self.spread.is_wrong(self.running().count()) || self.machine.tasks().any(counts)
    }

    /// Waits for one thing to happen, and handles it.
    fn step(&mut self) -> Result<(), RunError> {
        if let Some(task) = self.news() {
            self.happened(task);
            return Ok(());
        }
        let awaited = self.machine.next_deadline_ns().is_some()
            || self.machine.platform.outside.is_typing_awaited()
            || self.needs_turns();
        if !awaited && self.running().next().is_none() {
            return Err(RunError::Idle);
        }
        let limited = self.machine.platform.outside.is_limited();
        self.machine.platform.spaces.receive(awaited || limited)?;
        if let Some(task) = self.news() {
            self.happened(task);
        }
        Ok(())
    }

    /// Returns a running Task whose process has stopped running.
    fn news(&self) -> Option<Frame> {
        self.running().find(|&task| self.machine.platform.spaces.has_news(task))
    }

    /// Handles what a running Task did.
    fn happened(&mut self, task: Frame) {
        let goes_on = match self.machine.platform.spaces.take(task) {
            Some(Cause::Call(number, words)) => self.called(task, number, words),
            // An interruption that came too late.
            Some(Cause::Signal(shim::INTERRUPT, ..)) => true,
            Some(Cause::Signal(signal, detail, address, program_counter)) => {
                // The old way of 32-bit programs is a fault on the bare machine. The interrupt
                // instruction is two bytes long; Linux has stepped over it.
                let length = if signal == libc::SIGSYS { 2 } else { 0 };
                let stop = fault(signal, detail, address, program_counter.wrapping_sub(length));
                self.machine.fault(task, stop);
                false
            }
            // It has jumped into what is not its own; or it is gone, as it may be then.
            Some(Cause::Order(..) | Cause::Done(_) | Cause::Astray) | None => {
                self.machine.fault(task, fault(libc::SIGSYS, 0, 0, shim::AT));
                false
            }
        };
        if goes_on {
            self.resume(task);
        }
    }

    /// Lets the core decide a call; returns whether the Task goes on at once.
    fn called(&mut self, task: Frame, number: u64, words: [u64; 6]) -> bool {
        match self.machine.call(task, number, words) {
            Outcome::Answered(answer) => {
                self.machine.platform.with(|processes, _| processes.answer(task, answer));
                true
            }
            Outcome::Suspended => {
                self.charge(task);
                false
            }
            Outcome::Gone => false,
        }
    }
}

/// Says what a signal means: why, and where.
pub fn fault(signal: i32, detail: i32, address: u64, program_counter: u64) -> Stop {
    let code = match signal {
        libc::SIGSEGV | libc::SIGBUS if detail == libc::SI_KERNEL => FaultCode::Protection,
        libc::SIGSEGV | libc::SIGBUS => FaultCode::Memory,
        libc::SIGILL => FaultCode::Instruction,
        libc::SIGFPE => FaultCode::Arithmetic,
        libc::SIGTRAP => FaultCode::Breakpoint,
        _ => FaultCode::Protection,
    };
    let address = if code == FaultCode::Memory { address } else { 0 };
    Stop { code: code as u64, address, program_counter }
}
