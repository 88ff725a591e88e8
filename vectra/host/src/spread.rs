//! On which processors the Tasks' processes run.
//!
//! A call costs two switches between a Task and its supervisor. On one processor that is a switch; from
//! one processor to another it is waking the other one, several times as long. So while at most one
//! Task runs, everything stays on one processor; when several run for a while, they are let go.
#![expect(unsafe_code, reason = "std does not choose processors")]

use std::io::Error;

/// Turns for which a count of running Tasks has to hold before anything changes.
const TURNS: u32 = 3;

/// Where processes may run.
pub struct Spread {
    all: libc::cpu_set_t,
    one: libc::cpu_set_t,
    gathered: bool,
    turns: u32,
}

fn checked(result: libc::c_int) -> Result<libc::c_int, Error> {
    if result < 0 { Err(Error::last_os_error()) } else { Ok(result) }
}

fn set(id: libc::pid_t, to: &libc::cpu_set_t) -> Result<(), Error> {
    // WHY: std does not choose processors.
    // SAFETY: a set of processors that lives here.
    let result = unsafe { libc::sched_setaffinity(id, size_of_val(to), to) };
    match checked(result) {
        // Who is gone runs nowhere.
        Err(error) if error.raw_os_error() == Some(libc::ESRCH) => Ok(()),
        result => result.map(|_| ()),
    }
}

impl Spread {
    /// Gathers everything on the processor that this thread is on; what it starts stays there, too.
    pub fn new() -> Result<Self, Error> {
        // WHY: as above.
        // SAFETY: all zeros is an empty set, which Linux fills; a processor's number is in range, or
        // is left out.
        let (all, one) = unsafe {
            let mut all: libc::cpu_set_t = std::mem::zeroed();
            checked(libc::sched_getaffinity(0, size_of_val(&all), &raw mut all))?;
            let mut one: libc::cpu_set_t = std::mem::zeroed();
            libc::CPU_SET(checked(libc::sched_getcpu())? as usize, &mut one);
            (all, one)
        };
        set(0, &one)?;
        Ok(Self { all, one, gathered: true, turns: 0 })
    }

    /// Says whether things are not as so many running Tasks want them, so that turns are needed.
    pub fn is_wrong(&self, running: usize) -> bool {
        self.gathered == (running > 1)
    }

    /// Takes note of a turn that ends with so many Tasks running; `ids` are all processes.
    pub fn turn(
        &mut self,
        running: usize,
        ids: impl Iterator<Item = libc::pid_t>,
    ) -> Result<(), Error> {
        self.turns = if self.is_wrong(running) { self.turns + 1 } else { 0 };
        if self.turns < TURNS {
            return Ok(());
        }
        (self.gathered, self.turns) = (!self.gathered, 0);
        let to = if self.gathered { &self.one } else { &self.all };
        std::iter::once(0).chain(ids).try_for_each(|id| set(id, to))
    }
}

impl Drop for Spread {
    fn drop(&mut self) {
        // The thread may run where it could before; if Linux disagrees, where it is is as good.
        let _ = set(0, &self.all);
    }
}
