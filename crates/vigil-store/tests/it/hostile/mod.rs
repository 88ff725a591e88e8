//! Bytes that are made to look like ours, arenas that are not what they were, and files in the
//! store's folder that are somebody else's. Nothing wrong is ever read, and nothing hangs or panics.

mod cuts;
mod fakes;
mod foreign;
mod index;
mod misplaced;
mod names;

use std::collections::BTreeMap;
use std::sync::Arc;

use vigil_base::Vcid;
use vigil_base::world::{Disk as _, OpenMode};
use vigil_store::format::{ALIGN, ItemId, ItemKind, Located, TRAILER_LEN};
use vigil_store::{Arena, Layout, Store, VerifyOptions, VerifyReport};

use crate::crash::{Ledger, open_on};
use crate::sim::Sim;

/// Writes a file behind everybody's back, durably. Its folder must be there.
fn plant(sim: &Sim, path: &str, bytes: &[u8]) {
    let disk = sim.process();
    let file = disk.open(path, OpenMode::Create).expect("the folder is there");
    file.set_len(0).expect("a file");
    file.write_at(0, bytes).expect("a file");
    file.sync().expect("a file");
    let (folder, _) = path.rsplit_once('/').expect("a folder");
    disk.sync_folder(folder).expect("the folder is there");
}

/// Makes another store. Randomness is counted from every opening on, so one that was made before it
/// is used has other keys.
fn make_elsewhere(blobs: &[Vec<u8>], seals: bool) -> (Sim, Ledger) {
    let sim = Sim::default();
    drop(open_on(sim.process()).expect("a store"));
    crate::flips::make_on(sim, blobs, seals)
}

/// Copies every file below `prefix` from one machine over those of another.
fn graft(from: &Sim, to: &Sim, prefix: &str) {
    to.wipe(prefix);
    for path in from.paths().iter().filter(|path| path.starts_with(prefix)) {
        plant(to, path, &from.content(path).expect("it is listed"));
    }
}

fn arena_paths(sim: &Sim) -> Vec<String> {
    sim.paths().into_iter().filter(|path| path.ends_with(".arena")).collect()
}

fn open_arena(sim: &Sim, path: &str) -> Arena {
    let file = sim.process().open(path, OpenMode::Read).expect("an arena");
    let digits = path.trim_start_matches("arenas/").trim_end_matches(".arena");
    Arena::open(Arc::from(file), digits.parse().expect("a number")).expect("an arena")
}

#[track_caller]
fn verify(store: &Store) -> VerifyReport {
    let options = VerifyOptions { percent: 100, threads: 1, progress: &|_, _| {} };
    store.verify(&options).expect("the disk is whole")
}

/// Where the parts of each blob lie, found by looking at the arenas as any reader of the format may.
struct Atlas {
    arenas: Vec<Arena>,
    items: BTreeMap<(ItemKind, ItemId), Vec<Located>>,
}

impl Atlas {
    fn of(sim: &Sim) -> Self {
        let arenas: Vec<Arena> =
            arena_paths(sim).iter().map(|path| open_arena(sim, path)).collect();
        let mut items: BTreeMap<_, Vec<Located>> = BTreeMap::new();
        for arena in &arenas {
            for located in arena.scan(0).expect("a whole disk").items {
                items.entry((located.kind, located.id)).or_default().push(located);
            }
        }
        Self { arenas, items }
    }

    fn has(&self, kind: ItemKind, id: ItemId, survives: &dyn Fn(&Located) -> bool) -> bool {
        self.items.get(&(kind, id)).is_some_and(|copies| copies.iter().any(survives))
    }

    /// Returns whether a blob can still be put together of the items that survive.
    fn is_whole(&self, vcid: Vcid, survives: &dyn Fn(&Located) -> bool) -> bool {
        let id = ItemId::from(vcid);
        if self.has(ItemKind::Blob, id, survives) {
            return true;
        }
        let layouts = self.items.get(&(ItemKind::Layout, id)).into_iter().flatten();
        layouts.filter(|layout| survives(layout)).any(|located| {
            let arena = self.arenas.iter().find(|arena| arena.number == located.at.arena);
            let bytes = arena.expect("it was scanned").read_item(located).expect("it is whole");
            let layout = Layout::decode(&bytes).expect("a layout");
            layout.chunks().iter().all(|(id, _)| self.has(ItemKind::Chunk, *id, survives))
        })
    }
}

/// Where the record that holds an item ends.
fn record_end(located: &Located) -> u64 {
    u64::from(located.at.trailer) * ALIGN + TRAILER_LEN as u64
}

/// Puts everything again, and looks at what a loss of power leaves: what was acknowledged now is
/// there, whatever the store had believed before.
#[track_caller]
fn check_put_again(sim: &Sim, ledger: &Ledger, at: &str) {
    let store = open_on(sim.process()).unwrap_or_else(|why| panic!("{at}: opens: {why}"));
    let writer = store.writer().unwrap_or_else(|why| panic!("{at}: writer: {why:?}"));
    let mut again = Ledger::default();
    let all: Vec<_> = ledger.tried.values().cloned().collect();
    again.put(&writer, &all).unwrap_or_else(|why| panic!("{at}: put again: {why}"));
    writer.finish().unwrap_or_else(|why| panic!("{at}: commit again: {why:?}"));
    again.acknowledge();
    crate::crash::check_reads(&store, &again, &format!("{at}, put again"));
    let dark = sim.reboot(None);
    let late = open_on(dark.process()).unwrap_or_else(|why| panic!("{at}: late: {why}"));
    crate::crash::check_reads(&late, &again, &format!("{at}, put again, dark again"));
}
