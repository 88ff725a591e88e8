//! `vigil dhall repl` on a pseudo-terminal: lines edited, continued, given up and remembered.
//!
//! Every wait has an end, and whatever ends a test ends the program, too.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::process::{Child, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt};

use crate::bench::Bench;

/// Nobody waits longer for a program that has stopped to answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// What is shown when the terminal has begun to hand over every key: until then it takes some for
/// itself.
const READY: &str = "\x1b[?2004h";

/// How errors begin where there is colour.
const ERROR: &str = "\x1b[1;31merror:\x1b[0m ";

const UP: &str = "\x1b[A";
const DOWN: &str = "\x1b[B";
const LEFT: &str = "\x1b[D";
const HOME: &str = "\x01";
const END: &str = "\x05";
/// In an empty line, the end of the input.
const DELETE: &str = "\x04";
const BACKSPACE: &str = "\x7f";
const KILL_WORD: &str = "\x17";
const INTERRUPT: &str = "\x03";
const NO_MORE: &str = DELETE;
const ENTER: &str = "\r";

/// A conversation on a terminal of its own.
struct Typist {
    child: Child,
    keyboard: File,
    screen: Receiver<Vec<u8>>,
    /// What was shown since the last text that was waited for.
    shown: Vec<u8>,
}

impl Typist {
    fn start(bench: &Bench) -> Self {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let person = openpt(flags).expect("a terminal");
        grantpt(&person).expect("ours");
        unlockpt(&person).expect("ours");
        let program = ioctl_tiocgptpeer(&person, flags).expect("its other end");
        let end = || Stdio::from(program.try_clone().expect("another handle"));
        let mut command = bench.vigil(&["dhall", "repl"]);
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
        Self { child, keyboard, screen, shown: Vec::new() }
    }

    /// Waits until a text is shown.
    #[track_caller]
    fn sees(&mut self, text: &str) {
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

    fn screenful(&self) -> String {
        String::from_utf8_lossy(&self.shown).into_owned()
    }

    /// Waits until an entry may begin, and types.
    #[track_caller]
    fn enters(&mut self, keys: &[&str]) {
        self.types_at("⊢ ", keys);
    }

    /// Waits until an entry may go on, and types.
    #[track_caller]
    fn continues(&mut self, keys: &[&str]) {
        self.types_at("  ", keys);
    }

    #[track_caller]
    fn types_at(&mut self, prompt: &str, keys: &[&str]) {
        self.sees(READY);
        self.sees(prompt);
        self.keyboard.write_all(keys.concat().as_bytes()).expect("it reads");
    }

    /// Waits for the end.
    #[track_caller]
    fn ends(&mut self) -> ExitStatus {
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

fn history(bench: &Bench) -> String {
    let path = bench.join(".local/state/vigil/dhall-history");
    std::fs::read_to_string(path).expect("a history")
}

#[test]
fn lines_are_edited_and_remembered() {
    let bench = Bench::new();
    let mut typist = Typist::start(&bench);
    // Two letters too many, taken back.
    typist.enters(&["20 + 2xx", BACKSPACE, BACKSPACE, ENTER]);
    typist.sees("\n22\r\n");
    // Moved about, and a word killed.
    typist.enters(&["0 + 1 junk", KILL_WORD, BACKSPACE, HOME, "3", END, LEFT, DELETE, "2", ENTER]);
    typist.sees("\n32\r\n");
    // What is typed ahead of the answer is not lost.
    typist.enters(&["40 + 2", ENTER, "50 + 2", ENTER]);
    typist.sees("\n42\r\n");
    typist.sees("\n52\r\n");
    typist.enters(&[NO_MORE]);
    assert!(typist.ends().success());
    let entries = "20 + 2\n30 + 2\n40 + 2\n50 + 2\n";
    assert_eq!(history(&bench), entries);
    // The next conversation finds them again, and edits what it finds.
    let mut typist = Typist::start(&bench);
    typist.enters(&[UP, UP, UP, DOWN, "0", ENTER]);
    typist.sees("\n60\r\n");
    // An entry is kept before it is answered, and so outlives the program's death.
    typist.enters(&["6 * 7", ENTER]);
    typist.sees("\n42\r\n");
    drop(typist);
    assert_eq!(history(&bench), format!("{entries}40 + 20\n6 * 7\n"));
}

#[test]
fn an_unfinished_entry_goes_on_and_is_one_entry_of_the_history() {
    let bench = Bench::new();
    let mut typist = Typist::start(&bench);
    typist.enters(&["let x = 20", ENTER]);
    typist.continues(&["in  x +", ENTER]);
    typist.continues(&["1", ENTER]);
    typist.sees("\n21\r\n");
    // An empty line ends an entry, finished or not.
    typist.enters(&["{ a = 1,", ENTER]);
    typist.continues(&[ENTER]);
    typist.sees(ERROR);
    // All of its lines come back at once.
    typist.enters(&[UP, UP, ENTER]);
    typist.sees("\n21\r\n");
    typist.enters(&[":quit", ENTER]);
    assert!(typist.ends().success());
    let entry = "let x = 20\\nin  x +\\n1\n";
    assert_eq!(history(&bench), format!("{entry}{{ a = 1,\n{entry}:quit\n"));
}

#[test]
fn interrupting_gives_up_an_entry_and_the_end_of_input_ends() {
    let bench = Bench::new();
    let mut typist = Typist::start(&bench);
    typist.enters(&["1 + nonsense", INTERRUPT]);
    typist.enters(&["[ 1,", ENTER]);
    typist.continues(&["2", INTERRUPT]);
    // Neither is left over.
    typist.enters(&["7", ENTER]);
    typist.sees("\n7\r\n");
    // In a line with something in it, the key deletes to the right instead.
    typist.enters(&["89", LEFT, DELETE, ENTER]);
    typist.sees("\n8\r\n");
    typist.enters(&["{ a =", ENTER]);
    typist.continues(&[NO_MORE]);
    typist.sees(ERROR);
    typist.enters(&[NO_MORE]);
    assert!(typist.ends().success());
    assert_eq!(history(&bench), "7\n8\n{ a =\n");
}

#[test]
fn commands_answer() {
    let bench = Bench::new();
    bench.write("part.dhall", "{ n = 41 }");
    let typist = &mut Typist::start(&bench);
    let says = |typist: &mut Typist, entry: &str, answer: &str| {
        typist.enters(&[entry, ENTER]);
        typist.sees(answer);
    };
    says(typist, ":help", "\n:quit ");
    says(typist, ":type [ 1 ]", "\nList Natural\r\n");
    says(typist, "x = ./part.dhall", "\nx : { n : Natural }\r\n");
    says(typist, ":let y : Natural = x.n + 1", "\ny : Natural\r\n");
    says(typist, "y", "\n42\r\n");
    says(typist, ":show", "\nx = ./part.dhall\r\ny = x.n + 1\r\n");
    says(typist, ":resolve ./part.dhall", "\n{ n = 41 }\r\n");
    says(
        typist,
        ":hash True",
        "\nsha256:27abdeddfe8503496adeb623466caa47da5f63abd2bc6fa19f6cfcb73ecfed70",
    );
    says(typist, ":frobnicate", "there is no command `:frobnicate`");
    says(typist, "y.a", ERROR);
    typist.enters(&[":clear", ENTER]);
    says(typist, "y", "`y` is not in scope");
    typist.enters(&[":q", ENTER]);
    assert!(typist.ends().success());
}
