//! Four writers and four readers at once, while both are killed.

use std::process::Stdio;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use vigil_base::Vcid;

use crate::bench::{Bench, noise};
use crate::kill::run_for;

const WRITERS: u64 = 4;
const READERS: usize = 4;
const ROUNDS: u64 = 6;

/// What was acknowledged: a URI of bytes, and the bytes' own hash.
type Acknowledged = Mutex<Vec<(String, Vcid)>>;

fn write_some(bench: &Bench, writer: u64, acknowledged: &Acknowledged) {
    for round in 0..ROUNDS {
        let folder = format!("writer-{writer}");
        // Half of what each writes is what all write in this round.
        let shared = noise(round, 400_000);
        let own = noise(1000 + writer * 100 + round, 400_000);
        bench.write(format!("{folder}/shared"), &shared);
        bench.write(format!("{folder}/own"), &own);
        let mut command = bench.vigil(&["add", &folder, "--name", &folder]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = command.spawn().expect("the program");
        // Every third run is killed, each at another moment.
        let span = match (writer + round) % 3 {
            0 => Duration::from_millis(10 + 15 * round),
            _ => Duration::from_secs(100),
        };
        let ran = run_for(child, span);
        if !ran.out.ends_with('\n') {
            assert!(ran.code.is_none(), "an add failed: {}", ran.talk);
            continue;
        }
        let uri = ran.out.trim_end();
        let mut list = acknowledged.lock().unwrap_or_else(PoisonError::into_inner);
        list.push((format!("{uri}shared"), Vcid::of(&shared)));
        list.push((format!("{uri}own"), Vcid::of(&own)));
    }
}

fn read_some(bench: &Bench, reader: usize, acknowledged: &Acknowledged, writing: &AtomicUsize) {
    let mut turn = reader;
    loop {
        let is_last = writing.load(Ordering::SeqCst) == 0;
        let pick = {
            let list = acknowledged.lock().unwrap_or_else(PoisonError::into_inner);
            (!list.is_empty()).then(|| list[turn % list.len()].clone())
        };
        if let Some((uri, vcid)) = pick {
            read_one(bench, turn, &uri, vcid);
        }
        turn += 7;
        if is_last {
            return;
        }
    }
}

/// Reads a file whole, or is killed on the way: then what came is the front of it.
fn read_one(bench: &Bench, turn: usize, uri: &str, vcid: Vcid) {
    if turn.is_multiple_of(4) {
        let mut command = bench.vigil(&["cat", uri]);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        run_for(command.spawn().expect("the program"), Duration::from_millis(turn as u64 % 9));
        return;
    }
    let cat = bench.vigil(&["cat", uri]).output().expect("the program");
    assert!(cat.status.success(), "{uri}: {}", String::from_utf8_lossy(&cat.stderr));
    assert_eq!(Vcid::of(&cat.stdout), vcid, "{uri}");
}

#[test]
fn writers_and_readers_do_not_disturb_each_other_even_when_killed() {
    let bench = Bench::new();
    let acknowledged = Acknowledged::default();
    let writing = AtomicUsize::new(WRITERS as usize);
    std::thread::scope(|scope| {
        for writer in 0..WRITERS {
            let (bench, acknowledged, writing) = (&bench, &acknowledged, &writing);
            scope.spawn(move || {
                // Counted down even if an assertion fails, so that the readers end.
                let _done = Done(writing);
                write_some(bench, writer, acknowledged);
            });
        }
        for reader in 0..READERS {
            let (bench, acknowledged, writing) = (&bench, &acknowledged, &writing);
            scope.spawn(move || read_some(bench, reader, acknowledged, writing));
        }
    });
    bench.fine("verify");
    let list = acknowledged.into_inner().unwrap_or_else(PoisonError::into_inner);
    assert!(list.len() >= 2 * WRITERS as usize, "only {} were acknowledged", list.len());
    for (uri, vcid) in &list {
        let cat = bench.vigil(&["cat", uri]).output().expect("the program");
        assert_eq!(Vcid::of(&cat.stdout), *vcid, "{uri}");
    }
    // All names are whole, and nobody's lock is left behind.
    bench.fine("gc --keep-last 1");
    for writer in 0..WRITERS {
        bench.fine(&format!("get @writer-{writer} -o back-{writer}"));
    }
}

struct Done<'a>(&'a AtomicUsize);

impl Drop for Done<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}
