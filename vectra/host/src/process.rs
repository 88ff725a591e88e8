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
        // WHY: std waits for ends only, not for stops.
        // SAFETY: `status` is written and lives here.
        let id = unsafe { libc::waitpid(self.id, &raw mut status, libc::__WALL) };
        checked(id.into())?;
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

/// While it lives, this thread can wait for the end of a wait together with time.
pub struct ChildSignal(libc::sigset_t);

impl ChildSignal {
    /// Holds the signal back from this thread's handlers.
    pub fn block() -> Result<Self, Error> {
        let set = child_signal();
        // WHY: std has no signal masks.
        // SAFETY: one set that was filled, one that is written; both live here.
        unsafe {
            let mut before = std::mem::zeroed();
            let error = libc::pthread_sigmask(libc::SIG_BLOCK, &raw const set, &raw mut before);
            if error == 0 { Ok(Self(before)) } else { Err(Error::from_raw_os_error(error)) }
        }
    }
}

impl Drop for ChildSignal {
    fn drop(&mut self) {
        // WHY: as above.
        // SAFETY: the set that Linux gave. It cannot refuse what was so before.
        unsafe {
            libc::pthread_sigmask(libc::SIG_SETMASK, &raw const self.0, std::ptr::null_mut());
        }
    }
}

fn child_signal() -> libc::sigset_t {
    // WHY: the structure is Linux's.
    // SAFETY: emptied before it is used.
    unsafe {
        let mut set = std::mem::zeroed();
        libc::sigemptyset(&raw mut set);
        libc::sigaddset(&raw mut set, libc::SIGCHLD);
        set
    }
}

/// Waits until a process has done something, or for a time. Returns who and what, if anybody.
pub fn wait_any(time_ns: Option<u64>) -> Result<Option<(libc::pid_t, Event)>, Error> {
    let mut status = 0;
    let set = child_signal();
    // WHY: std waits for one process only.
    // SAFETY: all pointers are to values that live here.
    unsafe {
        // Other threads' children are not ours to wait for.
        let flags = libc::__WALL | libc::__WNOTHREAD;
        let flags = flags | if time_ns.is_some() { libc::WNOHANG } else { 0 };
        let mut id = libc::waitpid(-1, &raw mut status, flags);
        if id == 0
            && let Some(time) = time_ns
        {
            let limit = libc::timespec {
                tv_sec: (time / 1_000_000_000) as libc::time_t,
                tv_nsec: (time % 1_000_000_000) as libc::c_long,
            };
            // Whether it was a signal or the end of time does not matter: the wait below knows.
            libc::sigtimedwait(&raw const set, std::ptr::null_mut(), &raw const limit);
            id = libc::waitpid(-1, &raw mut status, flags);
        }
        checked(id.into())?;
        Ok((id > 0).then(|| (id, event(status))))
    }
}
