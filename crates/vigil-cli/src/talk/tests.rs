//! What a person sees, on a clock and a terminal that the tests own.

use std::sync::atomic::{AtomicI64, Ordering};

use super::*;

#[derive(Default)]
struct HandClock(AtomicI64);

impl Clock for HandClock {
    fn now(&self) -> Moment {
        Moment(self.0.load(Ordering::SeqCst))
    }
}

fn talk<'a>(out: &'a mut Vec<u8>, clock: &Arc<HandClock>, columns: Option<usize>) -> Talk<'a> {
    Talk {
        state: Mutex::new(State { sink: Box::new(out), is_drawn: false }),
        clock: clock.clone(),
        columns,
        has_colour: false,
        is_quiet: false,
    }
}

fn bytes(done: u64) -> Progress {
    Progress { things: None, bytes: done, bytes_total: Some(4 << 20) }
}

/// Calls `show` at moments in milliseconds and returns what the terminal got.
fn drawn(columns: Option<usize>, moments: &[i64]) -> String {
    let clock = Arc::new(HandClock::default());
    let mut out = Vec::new();
    let talk = talk(&mut out, &clock, columns);
    let meter = talk.meter("adding");
    for &at in moments {
        clock.0.store(at * 1_000_000, Ordering::SeqCst);
        meter.show(&bytes(1 << 20));
    }
    drop(meter);
    drop(talk);
    String::from_utf8(out).expect("text")
}

#[test]
fn short_work_shows_nothing() {
    assert_eq!(drawn(Some(80), &[0, 100, 249]), "");
}

#[test]
fn long_work_shows_rate_and_time_left_and_is_erased() {
    let want = "\radding  1.0 MiB of 4.0 MiB  2.0 MiB/s  0:01 left\x1b[K\r\x1b[K";
    assert_eq!(drawn(Some(80), &[500, 550]), want);
}

#[test]
fn lines_fit_the_terminal() {
    assert_eq!(drawn(Some(11), &[500]), "\radding  1.\x1b[K\r\x1b[K");
}

#[test]
fn without_a_terminal_nothing_is_drawn() {
    assert_eq!(drawn(None, &[500, 5000]), "");
}

#[test]
fn a_clock_that_was_set_back_does_not_stop_the_drawing() {
    let shown = drawn(Some(80), &[1000, -100_000, -99_000]);
    assert_eq!(shown.matches("adding").count(), 2, "{shown:?}");
}

#[test]
fn talk_stands_on_its_own_line() {
    let clock = Arc::new(HandClock::default());
    let mut out = Vec::new();
    let talk = talk(&mut out, &clock, Some(80));
    let meter = talk.meter("x");
    clock.0.store(1_000_000_000, Ordering::SeqCst);
    meter.show(&Progress { things: Some((12_000, 20_000, "files")), ..Progress::default() });
    talk.say("hello");
    drop(meter);
    drop(talk);
    let text = String::from_utf8(out).expect("text");
    assert_eq!(text, "\rx  12 000/20 000 files  0 B\x1b[K\r\x1b[Khello\n");
}

#[derive(Debug, thiserror::Error)]
#[error("the lid is stuck")]
struct Stuck(#[source] std::fmt::Error);

#[test]
fn errors_say_what_why_and_what_next() {
    let clock = Arc::new(HandClock::default());
    let mut out = Vec::new();
    talk(&mut out, &clock, None).error(&Stuck(std::fmt::Error), Some("turn it"));
    let text = String::from_utf8(out).expect("text");
    let cause = std::fmt::Error;
    assert_eq!(text, format!("error: the lid is stuck\n  because: {cause}\nhint: turn it\n"));
}

#[test]
fn nothing_that_is_repeated_moves_the_cursor_or_passes_for_a_line_of_ours() {
    let clock = Arc::new(HandClock::default());
    let mut out = Vec::new();
    let talk = talk(&mut out, &clock, None);
    talk.error(&std::io::Error::other("a\x1b[2Jb\nhint: run this\r\u{202e}"), Some("a\x07b"));
    talk.warn("note", "a\nerror: b");
    talk.say("a\x1bb");
    drop(talk);
    let text = String::from_utf8(out).expect("text");
    assert_eq!(
        text,
        "error: a\\u{1b}[2Jb\n    hint: run this\\r\\u{202e}\nhint: a\\u{7}b\n\
         note: a\n    error: b\na\\u{1b}b\n"
    );
}
