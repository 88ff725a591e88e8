//! Files that vanish, appear and change while they are being added.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::bench::{Bench, noise};

/// Sets its flag when it goes, so that the churning ends even if an assertion fails.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

#[test]
fn a_folder_in_motion_is_added_without_harm() {
    let bench = Bench::new();
    for number in 0..200 {
        bench.write(format!("busy/still-{number}"), noise(number, 5000));
    }
    bench.write("busy/log", "start\n");
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut turn: u64 = 0;
            while !is_over.load(Ordering::SeqCst) {
                turn += 1;
                bench.write(format!("busy/come-{}", turn % 50), noise(turn, 20_000));
                bench.write("busy/log", format!("{turn}\n").repeat((turn % 3000) as usize));
                let gone = bench.join(format!("busy/come-{}", (turn + 25) % 50));
                if let Err(error) = std::fs::remove_file(gone) {
                    assert_eq!(error.kind(), std::io::ErrorKind::NotFound);
                }
            }
        });
        let _stop = Stop(&is_over);
        for round in 0..6 {
            bench.fine("add busy --name busy");
            // What was stored is whole and itself, whatever the folder did meanwhile.
            bench.fine(&format!("get @busy -o back-{round}"));
            let again = bench.fine(&format!("add -q back-{round}"));
            let named = bench.fine("name list");
            assert!(named.contains(again.trim()), "{named} is not {again}");
        }
    });
    for number in 0..200 {
        let still = std::fs::read(bench.join(format!("back-5/still-{number}"))).expect("a file");
        assert_eq!(still, noise(number, 5000));
    }
    bench.fine("verify");
}
