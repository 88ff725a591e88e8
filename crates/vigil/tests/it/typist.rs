//! A person at a pseudo-terminal: keys are typed where a prompt stands, and what is shown is waited for.
//!
//! Every wait has an end, and whatever ends a test ends the program, too.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::process::{Child, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt};

use crate::bench::{Bench, wait_until_busy};

/// Nobody waits longer for a program that has stopped to answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// What is shown when the terminal has begun to hand over every key: until then it takes some for
/// itself.
const READY: &str = "\x1b[?2004h";

/// How errors begin where there is colour.
pub const ERROR: &str = "\x1b[1;31merror:\x1b[0m ";

pub const UP: &str = "\x1b[A";
pub const DOWN: &str = "\x1b[B";
pub const LEFT: &str = "\x1b[D";
pub const HOME: &str = "\x01";
pub const END: &str = "\x05";
/// In an empty line, the end of the input.
pub const DELETE: &str = "\x04";
pub const BACKSPACE: &str = "\x7f";
pub const KILL_WORD: &str = "\x17";
pub const INTERRUPT: &str = "\x03";
pub const NO_MORE: &str = DELETE;
pub const ENTER: &str = "\r";
/// Completes a word.
pub const TAB: &str = "\t";

/// A conversation on a terminal of its own.
pub struct Typist {
    child: Child,
    keyboard: File,
    screen: Receiver<Vec<u8>>,
    /// What was shown since the last text that was waited for.
    shown: Vec<u8>,
    /// What stands before an entry, and before what goes on with one.
    prompts: [&'static str; 2],
}

impl Typist {
    /// Starts the program with some words; `prompts` are what it shows where an entry begins or goes on.
    pub fn start(bench: &Bench, words: &[&str], prompts: [&'static str; 2]) -> Self {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let person = openpt(flags).expect("a terminal");
        grantpt(&person).expect("ours");
        unlockpt(&person).expect("ours");
        let program = ioctl_tiocgptpeer(&person, flags).expect("its other end");
        let end = || Stdio::from(program.try_clone().expect("another handle"));
        let mut command = bench.vigil(words);
        command.env("TERM", "xterm").stdin(end()).stdout(end()).stderr(end());
        let child = command.spawn().expect("the program starts");
        let keyboard = File::from(person);
        let mut eyes = keyboard.try_clone().expect("another handle");
        let (sender, screen) = channel();
        // Ends when the program has: reading from a terminal whose other end is closed is an error.
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(count @ 1..) = eyes.read(&mut bytes) {
                if sender.send(bytes[..count].to_vec()).is_err() {
                    break;
                }
            }
        });
        Self { child, keyboard, screen, shown: Vec::new(), prompts }
    }

    /// Waits until a text is shown.
    #[track_caller]
    pub fn sees(&mut self, text: &str) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let mut windows = self.shown.windows(text.len());
            if let Some(at) = windows.position(|window| window == text.as_bytes()) {
                self.shown.drain(..at + text.len());
                return;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            match self.screen.recv_timeout(left) {
                Ok(bytes) => self.shown.extend(bytes),
                Err(why) => panic!("{text:?} was not shown ({why}), but {:?}", self.screenful()),
            }
        }
    }

    pub fn screenful(&self) -> String {
        String::from_utf8_lossy(&self.shown).into_owned()
    }

    /// Waits until an entry may begin, and types.
    #[track_caller]
    pub fn enters(&mut self, keys: &[&str]) {
        self.types_at(self.prompts[0], keys);
    }

    /// Waits until an entry may go on, and types.
    #[track_caller]
    pub fn continues(&mut self, keys: &[&str]) {
        self.types_at(self.prompts[1], keys);
    }

    /// Interrupts the program while it works, with what the terminal would make of the key: it is not the
    /// program's own.
    pub fn interrupts_work(&self) {
        wait_until_busy(&self.child);
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::INT).expect("it runs");
    }

    #[track_caller]
    fn types_at(&mut self, prompt: &str, keys: &[&str]) {
        self.sees(READY);
        self.sees(prompt);
        self.keyboard.write_all(keys.concat().as_bytes()).expect("it reads");
    }

    /// Waits for the end.
    #[track_caller]
    pub fn ends(&mut self) -> ExitStatus {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.screen.recv_timeout(left) {
                Ok(_) => {}
                // It has closed its end of the terminal, which it does by ending.
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => panic!("it goes on after {:?}", self.screenful()),
            }
        }
        self.child.wait().expect("its end")
    }
}

impl Drop for Typist {
    fn drop(&mut self) {
        // It may have ended, and nobody else waits for it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
