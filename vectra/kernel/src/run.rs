//! Entering and leaving: from a trap to the core and back to a Task.

use core::fmt::Write;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use vectra_abi::{Call, Kind};
use vectra_core::{Body, Config, Frame, Machine, Outcome, Stop};

use crate::Arch;
use crate::home::Home;
use crate::lock::Lock;
use crate::seams::{
    Boot, Console, Context, Fences, Interrupts, Paging, Power, Processors, Timer, Trap, Traps,
};

/// Processors that this kernel has stacks for.
pub const CPUS_MAX: usize = 4;

/// Registers of an entered Task.
pub type Registers = <Arch as Context>::Frame;

static MACHINE: Lock<Option<Machine<Home>>> = Lock::new(None);

/// Flush requests ever made, and how many each processor has obeyed.
static FLUSHES: AtomicU64 = AtomicU64::new(0);
static FLUSHED: [AtomicU64; CPUS_MAX] = [const { AtomicU64::new(0) }; CPUS_MAX];
/// Set while a processor has left its Task's address space to obey.
static AWAY: [AtomicBool; CPUS_MAX] = [const { AtomicBool::new(false) }; CPUS_MAX];
static ONLINE: [AtomicBool; CPUS_MAX] = [const { AtomicBool::new(false) }; CPUS_MAX];

/// When each processor last gave its Task the processor.
static SINCE: [AtomicU64; CPUS_MAX] = [const { AtomicU64::new(0) }; CPUS_MAX];

/// Obeys a flush request, if there is one. Called wherever a processor waits.
pub fn obey_flush() {
    let (wanted, cpu) = (FLUSHES.load(Ordering::SeqCst), Arch::this());
    if FLUSHED[cpu].load(Ordering::Relaxed) != wanted {
        Arch::flush_to_kernel();
        AWAY[cpu].store(true, Ordering::Relaxed);
        FLUSHED[cpu].store(wanted, Ordering::SeqCst);
    }
    Arch::relax();
}

/// Makes every other processor forget translations. They need no lock to obey, so this returns.
pub fn flush_others() {
    let wanted = FLUSHES.fetch_add(1, Ordering::SeqCst) + 1;
    let this = Arch::this();
    FLUSHED[this].store(wanted, Ordering::SeqCst);
    let others = || (0..CPUS_MAX).filter(move |&cpu| cpu != this);
    let online = |cpu: &usize| ONLINE[*cpu].load(Ordering::SeqCst);
    others().filter(online).for_each(Arch::nudge);
    for cpu in others().filter(online) {
        while FLUSHED[cpu].load(Ordering::SeqCst) < wanted {
            Arch::relax();
        }
    }
}

/// Writes first and last words.
pub struct Words;

impl Write for Words {
    fn write_str(&mut self, text: &str) -> core::fmt::Result {
        text.bytes().for_each(Arch::put);
        Ok(())
    }
}

/// The first processor starts the machine.
pub fn first(information: u64, frame: &mut Registers) {
    <Arch as Console>::prepare();
    prepare_processor(0);
    let Some(loaded) = Arch::loaded(information) else {
        die(format_args!("the loader left no memory or no archive"));
    };
    let wanted = number_after(loaded.words, b"frames=").unwrap_or(loaded.pages);
    let frames = wanted.min(loaded.pages).min(1 << 22) as u32;
    let mut machine = Machine::new(Home::new(loaded.first, frames));
    let config = Config { frames, archive: loaded.archive, first: "initd" };
    match machine.boot(&config) {
        Ok(task) => find_lines(&mut machine, task),
        Err(error) => die(format_args!("the first Task cannot be made: {error:?}")),
    }
    MACHINE.with(obey_flush, |place| *place = Some(machine));
    Arch::start_others();
    next(frame);
}

/// Every other processor joins when it is ready.
pub fn other(cpu: usize, frame: &mut Registers) {
    prepare_processor(cpu);
    next(frame);
}

fn prepare_processor(cpu: usize) {
    <Arch as Traps>::prepare(cpu);
    <Arch as Interrupts>::prepare(cpu);
    FLUSHED[cpu].store(FLUSHES.load(Ordering::SeqCst), Ordering::SeqCst);
    ONLINE[cpu].store(true, Ordering::SeqCst);
    <Arch as Timer>::start(cpu);
}

fn find_lines(machine: &mut Machine<Home>, task: Frame) {
    for slot in machine.task(task).slots {
        if slot.kind != Kind::Irq {
            continue;
        }
        let Body::Irq { line, .. } = machine.platform_object(slot.object).body else { continue };
        if let Some(place) = machine.platform.lines.get_mut(line as usize) {
            *place = slot.object;
        }
    }
}

/// Reads a number behind a word of the command line.
fn number_after(words: &[u8], key: &[u8]) -> Option<u64> {
    let word = words.split(|&byte| byte == b' ').find_map(|word| word.strip_prefix(key))?;
    core::str::from_utf8(word).ok()?.parse().ok()
}

/// Handles one entry from a Task, and leaves in `frame` whoever runs next. Returns whether vector
/// registers are to be cleared rather than restored.
pub fn entered(frame: &mut Registers) -> bool {
    let trap = Arch::cause(frame);
    Arch::seen(trap);
    let stayed = locked(|machine| {
        let cpu = Arch::this();
        let task = machine.platform.current[cpu];
        if task == Frame::NONE {
            return None; // It was stopped while this processor waited.
        }
        let stays = handle(machine, task, trap, frame);
        let away = AWAY[cpu].swap(false, Ordering::Relaxed);
        let flush = machine.platform.take_stale() || away;
        if stays && !outranked(machine, cpu, task, trap) {
            if flush {
                Arch::activate(machine.platform.physical(task));
            }
            return Some(matches!(trap, Trap::Call { .. }));
        }
        if stays {
            let physical = machine.platform.physical(task);
            Arch::save(physical, frame, matches!(trap, Trap::Call { .. }));
            machine.preempt(task);
        }
        machine.platform.current[cpu] = Frame::NONE;
        None
    });
    stayed.unwrap_or_else(|| {
        next(frame);
        false
    })
}

fn locked<R>(run: impl FnOnce(&mut Machine<Home>) -> R) -> R {
    MACHINE.with(obey_flush, |machine| match machine {
        Some(machine) => run(machine),
        None => die(format_args!("a processor ran before the machine was made")),
    })
}

/// Carries out what the Task entered for; returns whether it goes on at once.
fn handle(machine: &mut Machine<Home>, task: Frame, trap: Trap, frame: &mut Registers) -> bool {
    let physical = machine.platform.physical(task);
    match trap {
        Trap::Call { number, words } => {
            // A call that suspends is answered in the saved context, so that is filled first.
            if may_suspend(number) {
                Arch::save(physical, frame, true);
            }
            match machine.call(task, number, words) {
                Outcome::Answered(answer) => {
                    Arch::answer_now(frame, answer);
                    true
                }
                Outcome::Suspended | Outcome::Gone => false,
            }
        }
        Trap::Fault { code, address } => {
            let program_counter = Arch::program_counter(frame);
            Arch::save(physical, frame, false);
            machine.fault(task, Stop { code: code as u64, address, program_counter });
            false
        }
        Trap::Tick => {
            machine.tick();
            true
        }
        Trap::Line(line) => {
            let irq = machine.platform.lines.get(line as usize).copied();
            if let Some(irq) = irq.filter(|&irq| irq != Frame::NONE) {
                machine.interrupt(irq);
            }
            true
        }
        Trap::Nudge | Trap::Spurious => true,
    }
}

fn may_suspend(number: u64) -> bool {
    matches!(Call::from_word(number), Some(Call::signal_wait | Call::task_yield))
}

/// Says whether the Task has to make way: for one of higher priority, for one of its own at a
/// tick, or because its budget is spent.
fn outranked(machine: &mut Machine<Home>, cpu: usize, task: Frame, trap: Trap) -> bool {
    if matches!(trap, Trap::Tick) {
        let now = Arch::now_ns();
        let spent = now.saturating_sub(SINCE[cpu].swap(now, Ordering::Relaxed));
        if !machine.charge(task, spent) {
            return true;
        }
    }
    let own = machine.task(task).priority;
    match machine.ready_priority() {
        Some(other) if matches!(trap, Trap::Tick) => other >= own,
        Some(other) => other > own,
        None => false,
    }
}

/// Puts the next Task into `frame`; sleeps until there is one.
fn next(frame: &mut Registers) {
    let cpu = Arch::this();
    loop {
        let found = locked(|machine| {
            machine.settle();
            machine.tick();
            let picked = machine.pick();
            machine.platform.idle[cpu] = picked.is_none();
            if let Some(task) = picked {
                machine.platform.current[cpu] = task;
                let physical = machine.platform.physical(task);
                Arch::activate(physical);
                AWAY[cpu].store(false, Ordering::Relaxed);
                Arch::load(physical, frame);
                SINCE[cpu].store(Arch::now_ns(), Ordering::Relaxed);
            } else {
                Arch::flush_to_kernel();
            }
            picked.is_some()
        });
        if found {
            return;
        }
        Arch::idle();
        obey_flush();
    }
}

/// An interrupt woke an idle processor.
pub fn woken(trap: Trap) {
    Arch::seen(trap);
    if let Trap::Line(line) = trap {
        locked(|machine| {
            let irq = machine.platform.lines.get(line as usize).copied();
            if let Some(irq) = irq.filter(|&irq| irq != Frame::NONE) {
                machine.interrupt(irq);
            }
        });
    }
    obey_flush();
}

/// Says last words and switches off: only for what cannot be, or a machine that cannot start.
pub fn die(words: core::fmt::Arguments<'_>) -> ! {
    // A console that refuses bytes would be one more thing that cannot be said.
    let _ = writeln!(Words, "KPANIC processor {}: {words}", Arch::this());
    Arch::off(255)
}

#[panic_handler]
fn panicked(info: &core::panic::PanicInfo<'_>) -> ! {
    die(format_args!("{info}"))
}
