//! One Task as one traced process.
#![expect(unsafe_code, reason = "tracing is a system call that std does not know")]

use std::fs::File;
use std::io::Error;
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use vectra_core::Answer;

use crate::stub;

/// Registers as Linux hands them over.
pub type Registers = libc::user_regs_struct;

/// What a traced process did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// It made a call.
    Call,
    /// It was stopped by a signal.
    Signal(i32),
    /// It is gone.
    Ended,
}

/// A Task's process.
#[derive(Debug)]
pub struct Process {
    id: libc::pid_t,
    /// It runs, so its registers cannot be touched.
    pub running: bool,
    /// What it did while the supervisor was stopping it.
    pub pending: Option<Event>,
    /// A stop that was asked for and has not been seen.
    pub stopping: bool,
    /// It is gone and has been waited for: its number may be another's by now.
    ended: bool,
    /// Processor time that has been charged.
    charged_ns: u64,
}

const PTRACE_GET_SYSCALL_INFO: libc::c_uint = 0x420e;
const AUDIT_ARCH_X86_64: u32 = 0xc000_003e;
const OPTIONS: i32 = libc::PTRACE_O_EXITKILL | libc::PTRACE_O_TRACESYSGOOD;

/// The first address that no process can have.
const USER_END: u64 = 0x7fff_ffff_f000;

fn checked(result: libc::c_long) -> Result<libc::c_long, Error> {
    if result < 0 { Err(Error::last_os_error()) } else { Ok(result) }
}

/// Makes a request of a stopped process; `data` is a number or the address of a structure.
fn trace(request: libc::c_uint, id: libc::pid_t, data: *mut libc::c_void) -> Result<(), Error> {
    // WHY: std cannot trace.
    // SAFETY: callers pass structures of the kind that the request reads or writes, which live
    // until it returns; Linux checks the rest.
    let result = unsafe { libc::ptrace(request, id, std::ptr::null_mut::<libc::c_void>(), data) };
    checked(result).map(|_| ())
}

fn number(value: i32) -> *mut libc::c_void {
    value as usize as *mut libc::c_void
}

impl Process {
    /// Starts the stub and empties it: afterwards it has one page and the pool's descriptor.
    pub fn new(program: &File, pool: RawFd) -> Result<Self, Error> {
        let path = format!("/proc/self/fd/{}", program.as_raw_fd());
        let mut command = Command::new(path);
        command.env_clear().stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        // WHY: a process can only ask for itself to be traced before it is another program.
        // SAFETY: two plain system calls, no allocation, between fork and exec.
        unsafe {
            command.pre_exec(|| {
                let none = std::ptr::null_mut::<libc::c_void>();
                checked(libc::ptrace(libc::PTRACE_TRACEME, 0, none, none))?;
                checked(libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0).into())?;
                Ok(())
            });
        }
        let id = command.spawn()?.id() as libc::pid_t;
        let mut process =
            Self { id, running: true, pending: None, stopping: false, ended: false, charged_ns: 0 };
        if process.wait()? != Event::Signal(libc::SIGTRAP) {
            return Err(Error::other("a Task's process did not start"));
        }
        process.running = false;
        trace(libc::PTRACE_SETOPTIONS, id, number(OPTIONS))?;
        let pool = pool as u64;
        for (start, end) in [(0, stub::AT), (stub::AT + 4096, USER_END)] {
            process.carry_out(libc::SYS_munmap, [start, end - start, 0, 0, 0, 0])?;
        }
        for (first, last) in [(0, pool - 1), (pool + 1, u64::from(u32::MAX))] {
            process.carry_out(libc::SYS_close_range, [first, last, 0, 0, 0, 0])?;
        }
        let filter = u64::from(libc::SECCOMP_SET_MODE_FILTER);
        process.carry_out(libc::SYS_seccomp, [filter, 0, stub::FILTER_AT, 0, 0, 0])?;
        Ok(process)
    }

    /// Returns Linux's number of the process.
    pub fn id(&self) -> libc::pid_t {
        self.id
    }

    fn wait(&mut self) -> Result<Event, Error> {
        let mut status = 0;
        loop {
            // WHY: std waits for ends only, not for stops.
            // SAFETY: `status` is written and lives here.
            let id = unsafe { libc::waitpid(self.id, &raw mut status, libc::__WALL) };
            match checked(id.into()) {
                Ok(_) => break,
                // A tick interrupts other waits than those that it is meant for.
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.ended = event(status) == Event::Ended;
        Ok(event(status))
    }

    /// Takes note of what a wait for any process has seen this one do.
    pub fn seen(&mut self, event: Event) {
        self.running = false;
        self.ended = event == Event::Ended;
    }

    /// Returns the processor time that the process has used since this was last asked.
    pub fn spent_ns(&mut self) -> Result<u64, Error> {
        let mut clock = 0;
        let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // WHY: std knows no other process's clock.
        // SAFETY: both results are written and live here; the process has not been waited for.
        unsafe {
            let error = libc::clock_getcpuclockid(self.id, &raw mut clock);
            if error != 0 {
                return Err(Error::from_raw_os_error(error));
            }
            checked(libc::clock_gettime(clock, &raw mut time).into())?;
        }
        let used = time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64;
        Ok(used.saturating_sub(std::mem::replace(&mut self.charged_ns, used)))
    }

    /// Says whether the call at which the process stopped was made the one way that there is. The
    /// old way for 32-bit programs, an interrupt, is a fault on the bare machine.
    pub fn called_properly(&self, registers: &Registers) -> Result<bool, Error> {
        // `syscall` leaves these two behind, so usually there is nothing to ask.
        if registers.rcx == registers.rip && registers.r11 == registers.eflags {
            return Ok(true);
        }
        let mut about = [0u8; 88];
        let length = about.len() as *mut libc::c_void;
        // WHY: std cannot trace.
        // SAFETY: Linux writes at most as many bytes as it is told, and they live here.
        let result =
            unsafe { libc::ptrace(PTRACE_GET_SYSCALL_INFO, self.id, length, about.as_mut_ptr()) };
        checked(result)?;
        Ok(about[4..8] == AUDIT_ARCH_X86_64.to_le_bytes())
    }

    /// Returns the registers of a stopped process.
    pub fn registers(&self) -> Result<Registers, Error> {
        // WHY: the structure is Linux's, all numbers.
        // SAFETY: all zeros is a value of it; the request fills it.
        let mut registers: Registers = unsafe { std::mem::zeroed() };
        trace(libc::PTRACE_GETREGS, self.id, (&raw mut registers).cast())?;
        Ok(registers)
    }

    /// Sets the registers of a stopped process.
    pub fn set_registers(&self, registers: &Registers) -> Result<(), Error> {
        trace(libc::PTRACE_SETREGS, self.id, std::ptr::from_ref(registers).cast_mut().cast())
    }

    /// Returns code and address of the signal that stopped the process.
    pub fn signal_detail(&self) -> Result<(i32, u64), Error> {
        // WHY: the structure is Linux's.
        // SAFETY: all zeros is a value of it; the request fills it; the address is read only for
        // signals that have one.
        unsafe {
            let mut info: libc::siginfo_t = std::mem::zeroed();
            trace(libc::PTRACE_GETSIGINFO, self.id, (&raw mut info).cast())?;
            Ok((info.si_code, info.si_addr() as u64))
        }
    }

    /// Puts an answer into the registers of a process that has called.
    pub fn answer(&self, answer: Answer) -> Result<(), Error> {
        self.answer_with(&mut self.registers()?, answer)
    }

    /// The same, if its registers are at hand.
    pub fn answer_with(&self, registers: &mut Registers, answer: Answer) -> Result<(), Error> {
        registers.rax = answer.status;
        // Nothing is to be restarted: Linux never saw the call.
        registers.orig_rax = u64::MAX;
        [registers.rdi, registers.rsi, registers.rdx, registers.r10] = answer.words;
        self.set_registers(registers)
    }

    /// Lets the process run until it calls, faults or is stopped.
    pub fn resume(&mut self) -> Result<(), Error> {
        trace(libc::PTRACE_SYSEMU, self.id, number(0))?;
        self.running = true;
        Ok(())
    }

    /// Stops the process. What it did instead stays pending.
    pub fn stop(&mut self) -> Result<(), Error> {
        if !self.running {
            return Ok(());
        }
        // WHY: std can only kill.
        // SAFETY: a signal to a process of our own that has not been waited for.
        checked(unsafe { libc::kill(self.id, libc::SIGSTOP) }.into())?;
        let event = self.wait()?;
        self.running = false;
        if event != Event::Signal(libc::SIGSTOP) {
            self.pending = Some(event);
            self.stopping = event != Event::Ended;
        }
        Ok(())
    }

    /// Lets a stopped process carry out one Linux call, and nothing else.
    pub fn carry_out(&mut self, call: libc::c_long, words: [u64; 6]) -> Result<u64, Error> {
        let before = self.registers()?;
        let mut registers = before;
        (registers.rip, registers.rax, registers.orig_rax) =
            (stub::SYSCALL_AT, call as u64, u64::MAX);
        [registers.rdi, registers.rsi, registers.rdx, registers.r10, registers.r8, registers.r9] =
            words;
        self.set_registers(&registers)?;
        loop {
            trace(libc::PTRACE_CONT, self.id, number(0))?;
            match self.wait()? {
                Event::Signal(libc::SIGTRAP) => break,
                // The stop that was asked for and overtaken by another event.
                Event::Signal(libc::SIGSTOP) if self.stopping => self.stopping = false,
                other => return Err(Error::other(format!("a Task's process did {other:?}"))),
            }
        }
        let result = self.registers()?.rax;
        self.set_registers(&before)?;
        if result > u64::MAX - 4096 {
            return Err(Error::from_raw_os_error((result as i32).wrapping_neg()));
        }
        Ok(result)
    }

    /// Ends the process for good.
    pub fn kill(&mut self) -> Result<(), Error> {
        if self.ended {
            return Ok(());
        }
        // WHY: std would need a handle that it wants to wait on itself.
        // SAFETY: a process of our own that has not been waited for.
        checked(unsafe { libc::kill(self.id, libc::SIGKILL) }.into())?;
        while self.wait()? != Event::Ended {}
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // The machine is over; Linux ends what is still there together with the tracer.
        let _ = self.kill();
    }
}

fn event(status: i32) -> Event {
    if !libc::WIFSTOPPED(status) {
        Event::Ended
    } else if libc::WSTOPSIG(status) == libc::SIGTRAP | 0x80 {
        Event::Call
    } else {
        Event::Signal(libc::WSTOPSIG(status))
    }
}

/// Interrupts this thread's waits every so often, while it is asked to.
pub struct Ticks {
    timer: libc::timer_t,
    running: bool,
}

/// How often.
const TICK_NS: libc::c_long = 1_000_000;

/// Being interrupted is all that is wanted.
extern "C" fn interrupted(_signal: libc::c_int) {}

impl Ticks {
    /// Makes them; they do not run yet.
    pub fn new() -> Result<Self, Error> {
        // Nobody else uses this signal, and the handler stays: other threads may have ticks, too.
        let signal = libc::SIGRTMIN() + 4;
        // WHY: std has neither handlers nor timers.
        // SAFETY: all structures are filled and live here; the handler does nothing.
        unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = interrupted as *const () as usize;
            checked(libc::sigaction(signal, &raw const action, std::ptr::null_mut()).into())?;
            let mut event: libc::sigevent = std::mem::zeroed();
            event.sigev_notify = libc::SIGEV_THREAD_ID;
            event.sigev_signo = signal;
            event.sigev_notify_thread_id = libc::gettid();
            let mut timer = std::mem::zeroed();
            let result = libc::timer_create(libc::CLOCK_MONOTONIC, &raw mut event, &raw mut timer);
            checked(result.into())?;
            Ok(Self { timer, running: false })
        }
    }

    fn run(&mut self, running: bool) -> Result<(), Error> {
        if self.running == running {
            return Ok(());
        }
        self.running = running;
        let every = libc::timespec { tv_sec: 0, tv_nsec: if running { TICK_NS } else { 0 } };
        let spec = libc::itimerspec { it_interval: every, it_value: every };
        // WHY: as above.
        // SAFETY: a timer of our own, a structure that lives here.
        let result =
            unsafe { libc::timer_settime(self.timer, 0, &raw const spec, std::ptr::null_mut()) };
        checked(result.into()).map(|_| ())
    }

    /// Waits until a process of this thread has done something, or, if it may be interrupted, until
    /// the next tick. Returns who and what, if anybody.
    pub fn wait(&mut self, interruptible: bool) -> Result<Option<(libc::pid_t, Event)>, Error> {
        self.run(interruptible)?;
        let mut status = 0;
        // Other threads' children are not ours to wait for.
        let flags = libc::__WALL | libc::__WNOTHREAD;
        // WHY: std waits for one process only.
        // SAFETY: `status` is written and lives here.
        let id = unsafe { libc::waitpid(-1, &raw mut status, flags) };
        match checked(id.into()) {
            Ok(_) => Ok(Some((id, event(status)))),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => Ok(None),
            // Nobody is there to wait for: then it is time that is waited for.
            Err(error) if error.raw_os_error() == Some(libc::ECHILD) && interruptible => {
                std::thread::sleep(std::time::Duration::from_nanos(TICK_NS as u64));
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }
}

impl Drop for Ticks {
    fn drop(&mut self) {
        // WHY: as above.
        // SAFETY: a timer of our own, which nobody uses any more.
        unsafe { libc::timer_delete(self.timer) };
    }
}
