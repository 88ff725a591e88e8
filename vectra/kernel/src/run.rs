//! Entering and leaving: from a trap to the core and back to a Task.

use core::fmt::Write;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use vectra_abi::{Call, Kind};
use vectra_core::{Answer, Body, Config, Frame, Machine, Outcome, Stop};

use crate::Arch;
use crate::home::Home;
use crate::lock::Lock;
use crate::seams::{
    Boot, Console, Context, Fences, Interrupts, Paging, Power, Processors, Timer, Trap, Traps,
};

/// Processors that this kernel has stacks for.
pub const CPUS_MAX: usize = 4;

/// Frames that links between slots can name, with room to spare: 64 GiB.
const FRAMES_MAX: u64 = 1 << 24;

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
    if let Some(what) = word_after(loaded.words, b"attempt=") {
        Arch::attempt(what.as_bytes());
        die(format_args!("{what} was allowed"));
    }
    let wanted = word_after(loaded.words, b"frames=").and_then(|word| word.parse().ok());
    let frames = wanted.unwrap_or(u64::MAX).min(loaded.pages).min(FRAMES_MAX) as u32;
    let mut machine = Machine::new(Home::new(loaded.first, frames));
    let first = word_after(loaded.words, b"first=").unwrap_or("initd");
    let config = Config { frames, archive: loaded.archive, first };
    match machine.boot(&config) {
        Ok(task) => find_lines(&mut machine, task),
        Err(error) => die(format_args!("the first Task cannot be made: {error}")),
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

/// Returns what stands behind a key on the command line.
fn word_after(words: &'static [u8], key: &[u8]) -> Option<&'static str> {
    let word = words.split(|&byte| byte == b' ').find_map(|word| word.strip_prefix(key))?;
    core::str::from_utf8(word).ok()
}

/// Carries out a plain call if there is nothing else to do, and answers it in its frame. If not, nothing
/// has happened, and [`called`] has to be asked. Only what the call itself saved is in the frame.
pub fn called_plain(frame: &mut Registers) -> bool {
    locked(|machine| {
        let cpu = Arch::this();
        let task = machine.platform.current[cpu];
        let is_away = AWAY[cpu].load(Ordering::Relaxed);
        if task == Frame::NONE || is_away || machine.platform.is_stale() || !machine.is_quiet() {
            return false;
        }
        let (number, [word, ..]) = Arch::call(frame);
        let Some(word) = machine.call_plain(task, number, word) else { return false };
        Arch::answer_now(frame, Answer::ok([word, 0, 0, 0]));
        true
    })
}

/// Handles one call. Returns whether the frame is to be left to as a whole: then it may be another
/// Task's. Otherwise this Task goes on, with the answer in its frame.
pub fn called(frame: &mut Registers) -> bool {
    let stayed = locked(|machine| {
        let cpu = Arch::this();
        let task = machine.platform.current[cpu];
        if task == Frame::NONE {
            return false; // It was stopped while this processor waited.
        }
        let (number, words) = Arch::call(frame);
        // A call that suspends is answered in the saved context, so that is filled first.
        if may_suspend(number, words[1]) {
            put_away(machine, task, frame);
        }
        if let Outcome::Answered(answer) = machine.call(task, number, words) {
            Arch::answer_now(frame, answer);
            if !machine.is_outranked(task) {
                flush_if_stale(machine, cpu, task);
                return true;
            }
            put_away(machine, task, frame);
            machine.preempt(task);
        }
        leave(machine, cpu, task);
        false
    });
    if !stayed {
        next(frame);
    }
    !stayed
}

#[inline(never)]
fn put_away(machine: &mut Machine<Home>, task: Frame, frame: &Registers) {
    Arch::save_called(machine.platform.physical(task), frame);
}

/// Makes this processor forget what its Task's call has unmapped.
#[inline]
fn flush_if_stale(machine: &mut Machine<Home>, cpu: usize, task: Frame) {
    // Only this processor sets its own flag, so looking first loses nothing.
    let away = AWAY[cpu].load(Ordering::Relaxed);
    if machine.platform.take_stale() || away {
        AWAY[cpu].store(false, Ordering::Relaxed);
        Arch::activate(machine.platform.physical(task));
    }
}

/// Handles one other entry from a Task, and leaves in `frame` whoever runs next.
pub fn entered(frame: &mut Registers) {
    let trap = Arch::cause(frame);
    Arch::seen(trap);
    let stayed = locked(|machine| {
        let cpu = Arch::this();
        let task = machine.platform.current[cpu];
        if task == Frame::NONE {
            return false; // It was stopped while this processor waited.
        }
        if handle(machine, task, trap, frame) {
            if !must_go(machine, cpu, task, trap) {
                flush_if_stale(machine, cpu, task);
                return true;
            }
            Arch::save(machine.platform.physical(task), frame);
            machine.preempt(task);
        }
        leave(machine, cpu, task);
        false
    });
    if !stayed {
        next(frame);
    }
}

/// The Task leaves the processor: what it used since the last tick counts, too.
#[inline(never)]
fn leave(machine: &mut Machine<Home>, cpu: usize, task: Frame) {
    machine.platform.current[cpu] = Frame::NONE;
    if machine.task(task).budgeted {
        machine.charge(task, spent(cpu));
    }
}

/// Returns how long this processor has run its Task since this was last asked.
fn spent(cpu: usize) -> u64 {
    let now = Arch::now_ns();
    now.saturating_sub(SINCE[cpu].swap(now, Ordering::Relaxed))
}

#[inline]
fn locked<R>(run: impl FnOnce(&mut Machine<Home>) -> R) -> R {
    MACHINE.with(obey_flush, |machine| match machine {
        Some(machine) => run(machine),
        None => die(format_args!("a processor ran before the machine was made")),
    })
}

/// Carries out what the Task entered for; returns whether it goes on at once.
fn handle(machine: &mut Machine<Home>, task: Frame, trap: Trap, frame: &mut Registers) -> bool {
    match trap {
        Trap::Fault { code, address } => {
            let program_counter = Arch::program_counter(frame);
            Arch::save(machine.platform.physical(task), frame);
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

#[inline]
fn may_suspend(number: u64, mask: u64) -> bool {
    number == Call::signal_wait as u64
        || number == Call::task_yield as u64
        || number == Call::ring_bell as u64 && mask != 0
}

/// Says whether the Task has to make way: for one of higher priority, for one of its own at a
/// tick, or because its budget is spent.
fn must_go(machine: &mut Machine<Home>, cpu: usize, task: Frame, trap: Trap) -> bool {
    if trap != Trap::Tick {
        return machine.is_outranked(task);
    }
    !machine.charge(task, spent(cpu)) || machine.is_turn_over(task)
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
