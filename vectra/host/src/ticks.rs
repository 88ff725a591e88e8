//! Interrupting this thread's waits every so often.
#![expect(unsafe_code, reason = "std has neither handlers nor timers")]

use std::io::Error;

/// Ticks of one thread.
pub struct Ticks {
    timer: libc::timer_t,
    often: bool,
}

const OFTEN_NS: libc::c_long = 1_000_000;
/// Only to notice what Linux has ended without a word.
const SELDOM_NS: libc::c_long = 100_000_000;

/// Being interrupted is all that is wanted.
extern "C" fn interrupted(_signal: libc::c_int) {}

fn checked(result: libc::c_int) -> Result<(), Error> {
    if result < 0 { Err(Error::last_os_error()) } else { Ok(()) }
}

impl Ticks {
    /// Makes them; they come seldom.
    pub fn new() -> Result<Self, Error> {
        // Nobody else uses this signal, and the handler stays: other threads may have ticks, too.
        let signal = libc::SIGRTMIN() + 4;
        // WHY: std has neither handlers nor timers.
        // SAFETY: all structures are filled and live here; the handler does nothing.
        let timer = unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = interrupted as *const () as usize;
            checked(libc::sigaction(signal, &raw const action, std::ptr::null_mut()))?;
            let mut event: libc::sigevent = std::mem::zeroed();
            event.sigev_notify = libc::SIGEV_THREAD_ID;
            event.sigev_signo = signal;
            event.sigev_notify_thread_id = libc::gettid();
            let mut timer = std::mem::zeroed();
            checked(libc::timer_create(libc::CLOCK_MONOTONIC, &raw mut event, &raw mut timer))?;
            timer
        };
        let ticks = Self { timer, often: false };
        ticks.set(SELDOM_NS)?;
        Ok(ticks)
    }

    fn set(&self, every_ns: libc::c_long) -> Result<(), Error> {
        let every = libc::timespec { tv_sec: 0, tv_nsec: every_ns };
        let spec = libc::itimerspec { it_interval: every, it_value: every };
        // WHY: as above.
        // SAFETY: a timer of our own, a structure that lives here.
        checked(unsafe {
            libc::timer_settime(self.timer, 0, &raw const spec, std::ptr::null_mut())
        })
    }

    /// Has them come often from now on, or seldom.
    pub fn often(&mut self, often: bool) -> Result<(), Error> {
        if self.often == often {
            return Ok(());
        }
        self.often = often;
        self.set(if often { OFTEN_NS } else { SELDOM_NS })
    }
}

impl Drop for Ticks {
    fn drop(&mut self) {
        // WHY: as above.
        // SAFETY: a timer of our own, which nobody uses any more.
        unsafe { libc::timer_delete(self.timer) };
    }
}
