//! `vigil dhall repl` on a terminal: lines are edited, and remembered for the next time.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

use crate::bench::Bench;

/// Nobody waits longer for a program that has stopped to answer.
const PATIENCE: Duration = Duration::from_secs(20);

/// A conversation on a terminal of its own.
struct Typist {
    child: Child,
    keyboard: File,
    screen: Receiver<Vec<u8>>,
    /// What was shown since the last text that was waited for.
    shown: String,
}

impl Typist {
    fn start(bench: &Bench) -> Self {
        let person = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
        grantpt(&person).expect("ours");
        unlockpt(&person).expect("ours");
        let name = ptsname(&person, Vec::new()).expect("a name");
        let name = name.to_str().expect("plain letters").to_owned();
        let program = OpenOptions::new().read(true).write(true).open(name).expect("its other end");
        let end = || Stdio::from(program.try_clone().expect("another handle"));
        let mut command = bench.vigil(&["dhall", "repl"]);
        command.env("TERM", "xterm").stdin(end()).stdout(end()).stderr(end());
        let child = command.spawn().expect("the program starts");
        let keyboard = File::from(person);
        let mut eyes = keyboard.try_clone().expect("another handle");
        let (sender, screen) = channel();
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            // Reading from a terminal whose other end is closed is an error, and the end.
            while let Ok(count @ 1..) = eyes.read(&mut bytes) {
                if sender.send(bytes[..count].to_vec()).is_err() {
                    break;
                }
            }
        });
        Self { child, keyboard, screen, shown: String::new() }
    }

    /// Waits until a text is shown.
    fn sees(&mut self, text: &str) {
        loop {
            if let Some(at) = self.shown.find(text) {
                self.shown.drain(..at + text.len());
                return;
            }
            match self.screen.recv_timeout(PATIENCE) {
                Ok(bytes) => self.shown.push_str(&String::from_utf8_lossy(&bytes)),
                Err(_) => {
                    self.child.kill().expect("it is ours");
                    panic!("{text:?} was not shown, but {:?}", self.shown);
                }
            }
        }
    }

    fn types(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).expect("it reads");
    }

    fn ends(mut self) {
        while self.screen.recv_timeout(PATIENCE).is_ok() {}
        assert!(self.child.wait().expect("its end").success());
    }
}

#[test]
fn lines_are_edited_and_remembered() {
    let bench = Bench::new();
    let mut typist = Typist::start(&bench);
    // Two letters too many, taken back; then the end of the input.
    typist.sees("⊢ ");
    typist.types("20 + 2xx\x7f\x7f\r");
    typist.sees("\n22");
    typist.sees("⊢ ");
    typist.types("\x04");
    typist.ends();
    let history = bench.join(".local/state/vigil/dhall-history");
    assert_eq!(std::fs::read_to_string(&history).expect("a history"), "20 + 2\n");
    // Arrow up finds it again.
    let mut typist = Typist::start(&bench);
    typist.sees("⊢ ");
    typist.types("\x1b[A0\r");
    typist.sees("\n40");
    typist.sees("⊢ ");
    typist.types(":quit\r");
    typist.ends();
    let kept = std::fs::read_to_string(&history).expect("a history");
    assert_eq!(kept, "20 + 2\n20 + 20\n:quit\n");
}
