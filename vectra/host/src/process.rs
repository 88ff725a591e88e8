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
}

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
        let mut process = Self { id, running: true, pending: None, stopping: false };
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
        Ok(process)
    }

    /// Returns Linux's number of the process.
    pub fn id(&self) -> libc::pid_t {
        self.id
    }

    fn wait(&self) -> Result<Event, Error> {
        let mut status = 0;
        // WHY: std waits for ends only, not for stops.
        // SAFETY: `status` is written and lives here.
        let id = unsafe { libc::waitpid(self.id, &raw mut status, libc::__WALL) };
        checked(id.into())?;
        Ok(event(status))
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
        let mut registers = self.registers()?;
        registers.rax = answer.status;
        // Nothing is to be restarted: Linux never saw the call.
        registers.orig_rax = u64::MAX;
        [registers.rdi, registers.rsi, registers.rdx, registers.r10] = answer.words;
        self.set_registers(&registers)
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
        // WHY: std would need a handle that it wants to wait on itself.
        // SAFETY: a process of our own that has not been waited for.
        checked(unsafe { libc::kill(self.id, libc::SIGKILL) }.into())?;
        while self.wait()? != Event::Ended {}
        Ok(())
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

/// Makes the end of a wait something that can be waited for together with time.
pub fn block_child_signal() -> Result<(), Error> {
    let set = child_signal();
    // WHY: std has no signal masks.
    // SAFETY: a set that was filled.
    let result =
        unsafe { libc::sigprocmask(libc::SIG_BLOCK, &raw const set, std::ptr::null_mut()) };
    checked(result.into()).map(|_| ())
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
        let flags = libc::__WALL | if time_ns.is_some() { libc::WNOHANG } else { 0 };
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

/// Reads a byte from standard input, if one is there.
pub fn input() -> Option<u8> {
    let mut poll = libc::pollfd { fd: 0, events: libc::POLLIN, revents: 0 };
    let mut byte = 0u8;
    // WHY: std would wait.
    // SAFETY: one structure and one byte that live here.
    unsafe {
        let ready = libc::poll(&raw mut poll, 1, 0) == 1 && poll.revents & libc::POLLIN != 0;
        (ready && libc::read(0, (&raw mut byte).cast(), 1) == 1).then_some(byte)
    }
}
