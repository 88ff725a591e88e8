//! Starting the first process: the only one that is made from a file, and that hands over a listener.
#![expect(unsafe_code, reason = "std neither isolates what it starts nor receives descriptors")]

use std::io::Error;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use vectra_core::Frame;

use crate::pool::{self, Pool};
use crate::shim;

/// What a file of our own identity says.
struct Identity {
    path: &'static std::ffi::CStr,
    words: String,
}

fn checked(result: libc::c_int) -> Result<libc::c_int, Error> {
    if result < 0 { Err(Error::last_os_error()) } else { Ok(result) }
}

/// Starts it, in namespaces if Linux gives any. Returns its number, the listener for what it and all
/// that it makes ask for, and whether there are namespaces; `note` is told if not.
pub fn start(
    pool: &Pool,
    slot: Frame,
    note: &dyn Fn(&str),
) -> Result<(libc::pid_t, OwnedFd, bool), Error> {
    match attempt(pool, slot, true) {
        Ok((id, listener)) => Ok((id, listener, true)),
        Err(error) if is_refusal(&error) => {
            let (id, listener) = attempt(pool, slot, false)?;
            note(&format!(
                "Linux gives Tasks no namespaces of their own ({error}); a filter alone keeps them \
                 from it"
            ));
            Ok((id, listener, false))
        }
        Err(error) => Err(error),
    }
}

/// Says whether Linux, or whoever set it up, does not want namespaces to be made.
fn is_refusal(error: &Error) -> bool {
    let refusals =
        [libc::EPERM, libc::EACCES, libc::ENOSPC, libc::EUSERS, libc::EINVAL, libc::ENOSYS];
    error.raw_os_error().is_some_and(|number| refusals.contains(&number))
}

fn attempt(pool: &Pool, slot: Frame, namespaces: bool) -> Result<(libc::pid_t, OwnedFd), Error> {
    let (ours, theirs) = UnixStream::pair()?;
    let (kept, socket) = (pool.descriptor(), theirs.as_raw_fd());
    let variables = shim::Variables { pool: kept, slot: Pool::offset(slot), socket };
    let program = pool::program(&shim::file(variables))?;
    let mut command = Command::new(format!("/proc/self/fd/{}", program.as_raw_fd()));
    command.env_clear().stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let identity = identity();
    // WHY: only a process itself can give up what it must not have.
    // SAFETY: plain system calls on what was made before, no allocation, between fork and exec.
    unsafe {
        command.pre_exec(move || {
            if namespaces {
                isolate(&identity)?;
            }
            // Keys typed for the machine are not signals for its Tasks.
            checked(libc::setsid())?;
            checked(libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL, 0, 0, 0))?;
            checked(libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))?;
            for descriptor in [kept, socket] {
                checked(libc::fcntl(descriptor, libc::F_SETFD, 0))?;
            }
            Ok(())
        });
    }
    let mut child = command.spawn()?;
    drop(theirs);
    match listener(&ours)? {
        Some(listener) => Ok((child.id() as libc::pid_t, listener)),
        // It could not prepare itself, and ends with the reason.
        None => Err(Error::from_raw_os_error(child.wait()?.code().unwrap_or(libc::EIO))),
    }
}

/// Returns the files that keep our own numbers valid inside a namespace of users. Without valid ones
/// no process could make further namespaces.
fn identity() -> [Identity; 3] {
    // WHY: std does not say who runs it.
    // SAFETY: these cannot fail.
    let (user, group) = unsafe { (libc::geteuid(), libc::getegid()) };
    [
        Identity { path: c"/proc/self/setgroups", words: "deny".into() },
        Identity { path: c"/proc/self/uid_map", words: format!("{user} {user} 1") },
        Identity { path: c"/proc/self/gid_map", words: format!("{group} {group} 1") },
    ]
}

/// Gives this process a namespace of users and an empty one of networks.
fn isolate(identity: &[Identity]) -> Result<(), Error> {
    // WHY: std does not know namespaces, and may allocate when it opens a file.
    // SAFETY: system calls on C strings and bytes that live here; every result is checked.
    unsafe {
        checked(libc::unshare(libc::CLONE_NEWUSER | libc::CLONE_NEWNET))?;
        for Identity { path, words } in identity {
            let file = checked(libc::open(path.as_ptr(), libc::O_WRONLY | libc::O_CLOEXEC))?;
            let written = libc::write(file, words.as_ptr().cast(), words.len());
            let written = if written < 0 { Err(Error::last_os_error()) } else { Ok(()) };
            libc::close(file);
            written?;
        }
    }
    Ok(())
}

/// Receives the listener; none comes if the process ends before.
fn listener(socket: &UnixStream) -> Result<Option<OwnedFd>, Error> {
    const RIGHTS: i32 = libc::SCM_RIGHTS;
    let (mut byte, mut control) = (0u8, [0u64; 4]);
    // WHY: std receives no descriptors.
    // SAFETY: the structures are filled and live here. Linux puts at most one descriptor into so much
    // room: a header of 16 bytes, which names it, then its number, which is ours from then on.
    unsafe {
        let mut part = libc::iovec { iov_base: (&raw mut byte).cast(), iov_len: 1 };
        let mut message: libc::msghdr = std::mem::zeroed();
        (message.msg_iov, message.msg_iovlen) = (&raw mut part, 1);
        (message.msg_control, message.msg_controllen) = (control.as_mut_ptr().cast(), 24);
        let flags = libc::MSG_CMSG_CLOEXEC;
        let length = libc::recvmsg(socket.as_raw_fd(), &raw mut message, flags);
        if length < 0 {
            return Err(Error::last_os_error());
        }
        let is_rights = (control[1] >> 32) as i32 == RIGHTS && message.msg_controllen >= 20;
        Ok((length == 1 && is_rights).then(|| OwnedFd::from_raw_fd(control[2] as i32)))
    }
}
