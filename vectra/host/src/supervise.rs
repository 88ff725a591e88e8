use std::io::Error;

use vectra_abi::{FaultCode, Kind, TaskState};
use vectra_core::{Body, BootError, Config, Frame, Machine, Outcome, Platform, Stop};

use crate::home::Home;
use crate::process::{self, Event, Process};

/// The serial line's number, as on the bare machine: what is typed arrives there.
const CONSOLE_LINE: usize = 4;

/// How often typing is looked for, while somebody waits for it.
const TYPING_NS: u64 = 5_000_000;

/// Why the machine could not run.
#[derive(Debug)]
pub enum RunError {
    /// The archive or the pool is not one that a machine can start with.
    Boot(BootError),
    /// Linux refused something that the supervisor needs.
    Linux(Error),
    /// No Task can ever run again, and none switched the machine off.
    Idle,
}

impl std::fmt::Display for RunError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Boot(error) => write!(f, "the machine cannot start: {error:?}"),
            Self::Linux(error) => write!(
                f,
                "Linux refused what the supervisor needs\n  because: {error}\n\
                 hint: it traces its Tasks; containers may forbid ptrace"
            ),
            Self::Idle => f.write_str("every Task waits for another, for ever"),
        }
    }
}

impl From<Error> for RunError {
    fn from(error: Error) -> Self {
        Self::Linux(error)
    }
}

/// Runs a machine until it switches itself off, and returns its exit code.
pub fn run(archive: &[u8], frames: u32) -> Result<u64, RunError> {
    process::block_child_signal()?;
    let mut machine = Machine::new(Home::new(frames)?);
    let first =
        machine.boot(&Config { frames, archive, first: "initd" }).map_err(RunError::Boot)?;
    let typing = machine.task(first).slots.iter().find_map(|slot| {
        let irq = slot.kind == Kind::Irq;
        let line = |slot: Frame| match machine.platform_object(slot).body {
            Body::Irq { line, .. } => line as usize,
            _ => usize::MAX,
        };
        (irq && line(slot.object) == CONSOLE_LINE).then_some(slot.object)
    });
    loop {
        machine.tick();
        start_ready(&mut machine);
        if let Some(error) = machine.platform.broken.take() {
            return Err(RunError::Linux(error));
        }
        if let Some(code) = machine.platform.off {
            return Ok(code);
        }
        look_for_typing(&mut machine, typing);
        step(&mut machine)?;
    }
}

/// Lets every Task run that may: Linux has the processors.
fn start_ready(machine: &mut Machine<Home>) {
    while let Some(task) = machine.pick() {
        let pending = machine.platform.processes.get_mut(&task).and_then(|p| p.pending.take());
        match pending {
            Some(event) => happened(machine, task, event),
            None => machine.platform.with(task, Process::resume),
        }
    }
}

fn look_for_typing(machine: &mut Machine<Home>, typing: Option<Frame>) {
    if !machine.platform.lines[CONSOLE_LINE] {
        return;
    }
    while let Some(byte) = process::input() {
        machine.platform.input.push_back(byte);
    }
    if !machine.platform.input.is_empty()
        && let Some(irq) = typing
    {
        machine.interrupt(irq);
    }
}

/// Waits for one thing to happen, and handles it.
fn step(machine: &mut Machine<Home>) -> Result<(), RunError> {
    if let Some((task, event)) = overtaken(machine) {
        happened(machine, task, event);
        return Ok(());
    }
    let now = machine.platform.now_ns();
    let until = machine.next_deadline_ns().map(|deadline| deadline.saturating_sub(now));
    let typing = machine.platform.lines[CONSOLE_LINE].then_some(TYPING_NS);
    let limit = until.into_iter().chain(typing).min();
    if limit.is_none() && !machine.platform.processes.values().any(|process| process.running) {
        let ready = machine.tasks().any(|task| machine.task(task).state == TaskState::Ready);
        return if ready { Ok(()) } else { Err(RunError::Idle) };
    }
    if let Some((id, event)) = process::wait_any(limit)? {
        let found = machine.platform.processes.iter_mut().find(|(_, p)| p.id() == id);
        if let Some((&task, process)) = found {
            process.running = false;
            happened(machine, task, event);
        }
    }
    Ok(())
}

/// Returns what a Task did while its process was being stopped for another reason.
fn overtaken(machine: &mut Machine<Home>) -> Option<(Frame, Event)> {
    let running: Vec<Frame> = machine
        .platform
        .processes
        .iter()
        .filter(|(_, process)| process.pending.is_some())
        .map(|(&task, _)| task)
        .filter(|&task| machine.task(task).state == TaskState::Running)
        .collect();
    let task = *running.first()?;
    let event = machine.platform.processes.get_mut(&task)?.pending.take()?;
    Some((task, event))
}

/// Handles what a running Task did.
fn happened(machine: &mut Machine<Home>, task: Frame, event: Event) {
    let outcome = match event {
        Event::Call => called(machine, task),
        Event::Signal(libc::SIGSTOP) => {
            machine.platform.with(task, |process| {
                process.stopping = false;
                Ok(())
            });
            Ok(true)
        }
        Event::Signal(signal) => faulted(machine, task, signal).map(|()| false),
        Event::Ended => Err(Error::other("a Task's process ended by itself")),
    };
    match outcome {
        Ok(true) => machine.platform.with(task, Process::resume),
        Ok(false) => {}
        Err(error) => {
            machine.platform.broken.get_or_insert(error);
        }
    }
}

/// Lets the core decide a call; returns whether the Task goes on at once.
fn called(machine: &mut Machine<Home>, task: Frame) -> Result<bool, Error> {
    let Some(process) = machine.platform.processes.get(&task) else { return Ok(false) };
    let r = process.registers()?;
    let words = [r.rdi, r.rsi, r.rdx, r.r10, r.r8, r.r9];
    match machine.call(task, r.orig_rax, words) {
        Outcome::Answered(answer) => {
            machine.platform.answer(task, answer);
            Ok(true)
        }
        Outcome::Suspended | Outcome::Gone => Ok(false),
    }
}

/// Translates Linux's signal into a fault that no processor owns.
fn faulted(machine: &mut Machine<Home>, task: Frame, signal: i32) -> Result<(), Error> {
    let Some(process) = machine.platform.processes.get(&task) else { return Ok(()) };
    let program_counter = process.registers()?.rip;
    let (detail, address) = process.signal_detail()?;
    let code = match signal {
        libc::SIGSEGV | libc::SIGBUS if detail == libc::SI_KERNEL => FaultCode::Protection,
        libc::SIGSEGV | libc::SIGBUS => FaultCode::Memory,
        libc::SIGILL => FaultCode::Instruction,
        libc::SIGFPE => FaultCode::Arithmetic,
        libc::SIGTRAP => FaultCode::Breakpoint,
        _ => FaultCode::Protection,
    };
    let address = if code == FaultCode::Memory { address } else { 0 };
    machine.fault(task, Stop { code: code as u64, address, program_counter });
    Ok(())
}
