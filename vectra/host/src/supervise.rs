use std::io::Error;

use vectra_abi::{FaultCode, TaskState};
use vectra_core::{Config, Frame, Machine, Outcome, Stop};

use crate::home::Home;
use crate::outside::Outside;
use crate::process::{Event, Process, Ticks};
use crate::spread::Spread;
use crate::{RunError, Start};

/// A turn, while others wait for a processor, and how often Budgets are charged: as on the bare
/// machine.
const TICK_NS: u64 = 1_000_000;

/// One machine and its processors.
struct Supervisor<'a> {
    machine: Machine<Home<'a>>,
    /// So many Tasks run at once.
    processors: usize,
    /// When the last turn ended.
    turned_ns: u64,
    ticks: Ticks,
    spread: Spread,
}

/// Runs a machine whose Tasks are processes until it switches itself off; returns its exit code.
pub fn run(start: Start<'_>) -> Result<u64, RunError> {
    let Start { archive, frames, first, console, typing, processors, limit } = start;
    let spread = Spread::new()?;
    let outside = Outside::new(console, typing, limit);
    let mut machine = Machine::new(Home::new(frames, outside)?);
    let task = machine.boot(&Config { frames, archive, first }).map_err(RunError::Boot)?;
    let serial = Outside::find_serial(&machine, task);
    machine.platform.outside.set_serial(serial);
    let mut supervisor = Supervisor {
        machine,
        processors: processors.max(1),
        turned_ns: 0,
        ticks: Ticks::new()?,
        spread,
    };
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
        let home = &mut self.machine.platform;
        let pending = home.processes.get_mut(&task).and_then(|process| process.pending.take());
        match pending {
            Some(event) => self.happened(task, event),
            None => self.machine.platform.with(task, Process::resume),
        }
    }

    /// Takes a running Task off its processor; it is ready and comes last among its equals.
    fn take_off(&mut self, task: Frame) {
        self.machine.platform.with(task, Process::stop);
        self.charge(task);
        self.machine.preempt(task);
    }

    /// Charges what a Task has used; returns whether it may go on.
    fn charge(&mut self, task: Frame) -> bool {
        if !self.machine.task(task).budgeted {
            return true;
        }
        let mut spent = 0;
        self.machine.platform.with(task, |process| {
            spent = process.spent_ns()?;
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
        let ids = self.machine.platform.processes.values().map(Process::id);
        if let Err(error) = self.spread.turn(running.len(), ids) {
            self.machine.platform.outside.broke(error);
        }
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
        if let Some((task, event)) = self.overtaken() {
            self.happened(task, event);
            return Ok(());
        }
        let awaited = self.machine.next_deadline_ns().is_some()
            || self.machine.platform.outside.is_typing_awaited()
            || self.needs_turns();
        if !awaited && self.running().next().is_none() {
            return Err(RunError::Idle);
        }
        let limited = self.machine.platform.outside.is_limited();
        if let Some((id, event)) = self.ticks.wait(awaited || limited)? {
            let mut processes = self.machine.platform.processes.iter_mut();
            if let Some((&task, process)) = processes.find(|(_, process)| process.id() == id) {
                process.seen(event);
                self.happened(task, event);
            }
        }
        Ok(())
    }

    /// Returns what a Task did while its process was being stopped for another reason.
    fn overtaken(&mut self) -> Option<(Frame, Event)> {
        let home = &self.machine.platform;
        let task = self.running().find(|task| {
            home.processes.get(task).is_some_and(|process| process.pending.is_some())
        })?;
        let event = self.machine.platform.processes.get_mut(&task)?.pending.take()?;
        Some((task, event))
    }

    /// Handles what a running Task did.
    fn happened(&mut self, task: Frame, event: Event) {
        let outcome = match event {
            Event::Call => self.called(task),
            Event::Signal(libc::SIGSTOP) => {
                self.machine.platform.with(task, |process| {
                    process.stopping = false;
                    Ok(())
                });
                Ok(true)
            }
            Event::Signal(signal) => self.faulted(task, signal).map(|()| false),
            Event::Ended => Err(Error::other("a Task's process ended by itself")),
        };
        match outcome {
            Ok(true) => self.machine.platform.with(task, Process::resume),
            Ok(false) => {}
            Err(error) => self.machine.platform.outside.broke(error),
        }
    }

    /// Lets the core decide a call; returns whether the Task goes on at once.
    fn called(&mut self, task: Frame) -> Result<bool, Error> {
        let Some(process) = self.machine.platform.processes.get(&task) else { return Ok(false) };
        let mut r = process.registers()?;
        if !process.called_properly(&r)? {
            // The interrupt instruction is two bytes long; Linux has stepped over it.
            let program_counter = r.rip - 2;
            let stop = Stop { code: FaultCode::Protection as u64, address: 0, program_counter };
            self.machine.fault(task, stop);
            return Ok(false);
        }
        let words = [r.rdi, r.rsi, r.rdx, r.r10, r.r8, r.r9];
        match self.machine.call(task, r.orig_rax, words) {
            Outcome::Answered(answer) => {
                let process = self.machine.platform.processes.get(&task);
                process.map_or(Ok(()), |process| process.answer_with(&mut r, answer))?;
                Ok(true)
            }
            Outcome::Suspended => {
                self.charge(task);
                Ok(false)
            }
            Outcome::Gone => Ok(false),
        }
    }

    /// Translates Linux's signal into a fault that no processor owns.
    fn faulted(&mut self, task: Frame, signal: i32) -> Result<(), Error> {
        let Some(process) = self.machine.platform.processes.get(&task) else { return Ok(()) };
        let program_counter = process.registers()?.rip;
        let (detail, address) = process.signal_detail()?;
        self.machine.fault(task, fault(signal, detail, address, program_counter));
        Ok(())
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
