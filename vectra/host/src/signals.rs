//! Leaving a Task and going back to it, inside one thread: Linux saves all registers when a signal is
//! handled, and restores whatever the handler leaves there.
//!
//! It knows no Task. Whoever runs them gets [`Registers`] and says which to go on with.
//!
//! Invariant: when there is something to do, the thread was in Task code or has just asked, so nothing
//! of Rust's was interrupted and the handler may do what it likes. A turn that ends elsewhere, before
//! the first Task or after the last, changes nothing.
#![expect(unsafe_code, reason = "signal handlers are how Linux hands over registers")]

use std::io::Error;
use std::sync::atomic::{AtomicI32, AtomicPtr, Ordering};

use vectra_abi::WINDOW_END;
use vectra_core::Answer;

/// Legacy floating point and vector registers, as FXSAVE lays them out.
const LEGACY_BYTES: usize = 512;
/// In them, the wide registers.
const WIDE: std::ops::Range<usize> = 160..416;
/// Where Linux says that more follows, and what it says (`asm/sigcontext.h`).
const MAGIC_AT: usize = 464;
const MAGIC: u32 = 0x4650_5853;
/// The two parts that lie in the legacy bytes, among the bits that say what is not in its first state.
const LEGACY_PARTS: u64 = 3;

const GENERAL: usize = 23;

/// The signals that bring a Task out of its code: calls, faults, and the end of a turn.
const TURN: libc::c_int = libc::SIGVTALRM;
const SIGNALS: [libc::c_int; 7] =
    [libc::SIGSYS, libc::SIGSEGV, libc::SIGBUS, libc::SIGILL, libc::SIGFPE, libc::SIGTRAP, TURN];
const STACK_BYTES: usize = 512 * 1024;
const TURN_NS: libc::c_long = 1_000_000;

const PR_SET_SYSCALL_USER_DISPATCH: libc::c_int = 59;
const AUDIT_ARCH_X86_64: u32 = 0xc000_003e;

/// All registers of a Task, or of the thread itself.
#[derive(Clone)]
pub struct Registers {
    general: [i64; GENERAL],
    vectors: [u8; LEGACY_BYTES],
}

/// Why a Task left its code.
#[derive(Clone, Copy, Debug)]
pub enum Cause {
    /// The thread asked to begin.
    Begin,
    /// A call.
    Call,
    /// A fault: signal, detail, address.
    Fault(i32, i32, u64),
    /// Its turn is over.
    Turn,
}

/// Whoever decides how to go on. It gets the registers that were left, and returns those to go to.
pub trait Runner {
    /// Handles one cause; without an answer the thread goes on as it was.
    fn left(&mut self, cause: Cause, registers: Registers) -> Option<Registers>;
}

/// The runner and its thread, while there is one.
static RUNNER: AtomicPtr<&'static mut dyn Runner> = AtomicPtr::new(std::ptr::null_mut());
static THREAD: AtomicI32 = AtomicI32::new(0);

impl Registers {
    /// Returns registers with nothing in them.
    pub fn empty() -> Self {
        let mut empty = Self { general: [0; GENERAL], vectors: [0; LEGACY_BYTES] };
        empty.vectors[..2].copy_from_slice(&0x37fu16.to_le_bytes());
        empty.vectors[24..28].copy_from_slice(&0x1f80u32.to_le_bytes());
        empty.set(libc::REG_EFL, 0x202);
        empty
    }

    /// Begins at an entry, with a stack.
    pub fn enter(&mut self, entry: u64, stack: u64) {
        *self = Self::empty();
        self.set(libc::REG_RIP, entry);
        self.set(libc::REG_RSP, stack);
    }

    /// Uses the segments of other registers.
    pub fn take_segments(&mut self, like: &Self) {
        let segments = libc::REG_CSGSFS as usize;
        self.general[segments] = like.general[segments];
    }

    fn get(&self, register: libc::c_int) -> u64 {
        self.general[register as usize] as u64
    }

    fn set(&mut self, register: libc::c_int, value: u64) {
        self.general[register as usize] = value as i64;
    }

    /// Returns number and words of a call.
    pub fn call(&self) -> (u64, [u64; 6]) {
        use libc::{REG_R8, REG_R9, REG_R10, REG_RDI, REG_RDX, REG_RSI};
        let words = [REG_RDI, REG_RSI, REG_RDX, REG_R10, REG_R8, REG_R9];
        (self.get(libc::REG_RAX), words.map(|register| self.get(register)))
    }

    /// Puts an answer where a Task looks for it; the wide registers are clear afterwards.
    pub fn answer(&mut self, answer: Answer) {
        self.set(libc::REG_RAX, answer.status);
        let places = [libc::REG_RDI, libc::REG_RSI, libc::REG_RDX, libc::REG_R10];
        for (place, word) in places.into_iter().zip(answer.words) {
            self.set(place, word);
        }
        self.vectors[WIDE].fill(0);
    }

    /// Returns the instruction to go on at.
    pub fn program_counter(&self) -> u64 {
        self.get(libc::REG_RIP)
    }

    /// Goes on at another instruction.
    pub fn jump(&mut self, program_counter: u64) {
        self.set(libc::REG_RIP, program_counter);
    }
}

/// Copies registers out of what Linux saved.
///
/// # Safety
/// `context` is the third argument of a signal handler that has not returned.
unsafe fn take(context: &libc::ucontext_t) -> Registers {
    let mut registers =
        Registers { general: context.uc_mcontext.gregs, vectors: [0; LEGACY_BYTES] };
    let from = context.uc_mcontext.fpregs.cast::<u8>();
    // WHY: Linux hands over a pointer.
    // SAFETY: it is to at least these bytes on the handler's stack.
    unsafe { from.copy_to_nonoverlapping(registers.vectors.as_mut_ptr(), LEGACY_BYTES) };
    registers
}

/// Puts registers where Linux will restore them from.
///
/// # Safety
/// As for [`take`].
unsafe fn put(context: &mut libc::ucontext_t, registers: &Registers) {
    context.uc_mcontext.gregs = registers.general;
    let to = context.uc_mcontext.fpregs.cast::<u8>();
    // What Linux wrote about the rest of its area belongs to the area, not to the registers.
    // WHY: Linux hands over a pointer.
    // SAFETY: as in `take`; the header of the extended area follows where the magic says so.
    unsafe {
        registers.vectors.as_ptr().copy_to_nonoverlapping(to, MAGIC_AT);
        if to.add(MAGIC_AT).cast::<u32>().read_unaligned() == MAGIC {
            // No Task is built for wider registers than these: the rest goes to its first state.
            to.add(LEGACY_BYTES).cast::<u64>().write_unaligned(LEGACY_PARTS);
        }
    }
}

extern "C" fn handler(
    signal: libc::c_int,
    information: *mut libc::siginfo_t,
    context: *mut libc::c_void,
) {
    let runner = RUNNER.load(Ordering::Acquire);
    // WHY: a handler gets pointers, and finds its runner in a static.
    // SAFETY: Linux hands over valid pointers. Only the thread that runs Tasks handles them, only
    // while it is in Task code or has just asked to begin: so no other reference to the runner is in
    // use, and it outlives the run. Any other thread that faults is left to what it deserves.
    unsafe {
        if runner.is_null() || libc::gettid() != THREAD.load(Ordering::Relaxed) {
            libc::signal(signal, libc::SIG_DFL);
            return;
        }
        let (information, context) = (&*information, &mut *context.cast::<libc::ucontext_t>());
        let cause = cause(signal, information);
        if let Some(next) = (*runner).left(cause, take(context)) {
            put(context, &next);
        }
    }
}

/// Reads why the handler runs.
///
/// # Safety
/// `information` is a signal handler's second argument.
unsafe fn cause(signal: libc::c_int, information: &libc::siginfo_t) -> Cause {
    // WHY: the fields of a signal are in a union.
    // SAFETY: calls and faults carry what is read of them: after three numbers and padding an
    // address, and for calls the number and the architecture.
    unsafe {
        let arch = std::ptr::from_ref(information).cast::<u32>().add(7).read();
        match signal {
            TURN => Cause::Turn,
            libc::SIGSYS if information.si_code == libc::SI_TKILL => Cause::Begin,
            libc::SIGSYS if arch == AUDIT_ARCH_X86_64 => Cause::Call,
            // The old way of 32-bit programs, which the bare machine does not let through either.
            libc::SIGSYS => Cause::Fault(libc::SIGSEGV, libc::SI_KERNEL, 0),
            _ => Cause::Fault(signal, information.si_code, information.si_addr() as u64),
        }
    }
}

fn checked(result: libc::c_int) -> Result<libc::c_int, Error> {
    if result < 0 { Err(Error::last_os_error()) } else { Ok(result) }
}

/// What was so before, to be so again.
struct Before {
    actions: Vec<(libc::c_int, libc::sigaction)>,
    stack: Option<libc::stack_t>,
    timer: Option<libc::timer_t>,
}

/// Runs Tasks on this thread: the runner is asked to begin, and decides from then on, until it goes
/// back to the registers that it was given then.
pub fn run(runner: &mut dyn Runner) -> Result<(), Error> {
    let mut stack = vec![0u8; STACK_BYTES];
    let mut before = Before { actions: Vec::new(), stack: None, timer: None };
    // WHY: the handler outlives no borrow that the compiler could see.
    // SAFETY: the pointer is taken away below, before the runner's borrow ends.
    let mut runner: &'static mut dyn Runner = unsafe { std::mem::transmute(runner) };
    // WHY: std knows neither handlers nor timers.
    // SAFETY: all structures are filled and live here; `before` undoes everything in any case.
    unsafe {
        let new =
            libc::stack_t { ss_sp: stack.as_mut_ptr().cast(), ss_flags: 0, ss_size: STACK_BYTES };
        let mut old = std::mem::zeroed();
        checked(libc::sigaltstack(&raw const new, &raw mut old))?;
        before.stack = Some(old);
        THREAD.store(libc::gettid(), Ordering::Relaxed);
        RUNNER.store(&raw mut runner, Ordering::Release);
        before.install()?;
        before.dispatch()?;
        before.start_turns()?;
        // The handler comes back to here when the runner is done.
        checked(libc::raise(libc::SIGSYS))?;
    }
    drop(before);
    Ok(())
}

impl Before {
    fn install(&mut self) -> Result<(), Error> {
        // WHY: as in `run`.
        // SAFETY: as in `run`.
        unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = handler as *const () as usize;
            action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
            for signal in SIGNALS {
                libc::sigaddset(&raw mut action.sa_mask, signal);
            }
            for signal in SIGNALS {
                let mut old = std::mem::zeroed();
                checked(libc::sigaction(signal, &raw const action, &raw mut old))?;
                self.actions.push((signal, old));
            }
        }
        Ok(())
    }

    /// Has Linux send a signal for every call that comes from the window.
    fn dispatch(&self) -> Result<(), Error> {
        static ALWAYS: u8 = 1;
        let rest = WINDOW_END as libc::c_ulong;
        let length: libc::c_ulong = (1 << 47) - rest;
        // WHY: std does not know it.
        // SAFETY: the selector is a static byte. Code above the window, which is all but Tasks', is
        // let through; below the window there is none.
        checked(unsafe {
            libc::prctl(
                PR_SET_SYSCALL_USER_DISPATCH,
                1 as libc::c_ulong,
                rest,
                length,
                &raw const ALWAYS,
            )
        })?;
        Ok(())
    }

    fn start_turns(&mut self) -> Result<(), Error> {
        // WHY: as in `run`.
        // SAFETY: as in `run`; the signal goes to this thread only.
        unsafe {
            let mut event: libc::sigevent = std::mem::zeroed();
            event.sigev_notify = libc::SIGEV_THREAD_ID;
            event.sigev_signo = TURN;
            event.sigev_notify_thread_id = libc::gettid();
            let mut timer = std::mem::zeroed();
            checked(libc::timer_create(libc::CLOCK_MONOTONIC, &raw mut event, &raw mut timer))?;
            self.timer = Some(timer);
            let every = libc::timespec { tv_sec: 0, tv_nsec: TURN_NS };
            let spec = libc::itimerspec { it_interval: every, it_value: every };
            checked(libc::timer_settime(timer, 0, &raw const spec, std::ptr::null_mut()))?;
        }
        Ok(())
    }
}

impl Drop for Before {
    fn drop(&mut self) {
        // WHY: as in `run`.
        // SAFETY: each undoes what was done, with what Linux gave for it; it cannot refuse that.
        unsafe {
            if let Some(timer) = self.timer {
                libc::timer_delete(timer);
            }
            libc::prctl(PR_SET_SYSCALL_USER_DISPATCH, 0 as libc::c_ulong, 0, 0, 0);
            for (signal, action) in &self.actions {
                // A turn may have ended just now; nobody is left to care.
                libc::sigaction(*signal, &raw const *action, std::ptr::null_mut());
            }
            RUNNER.store(std::ptr::null_mut(), Ordering::Release);
            if let Some(stack) = self.stack {
                libc::sigaltstack(&raw const stack, std::ptr::null_mut());
            }
        }
    }
}
