//! Power is lost, or the process dies, at every step of every change: one generation counts, all of it.

use std::path::{Path, PathBuf};

use vigil_base::world::Moment;
use vigil_base::{EntryKind, Tree};
use vigil_pkg::{FolderPlace, Place, Profile, ProfileError};
use vigil_trust::package::Manifest;

use crate::place::{Dying, Left, MemoryPlace, follow};
use crate::scene::{Scene, installed};

const LEFT: [Left; 6] =
    [Left::Everything, Left::Nothing, Left::Some(1), Left::Some(2), Left::Some(3), Left::Some(4)];

/// What somebody wants to be installed.
fn change(place: &dyn Place, scene: &Scene, packages: &[&Manifest]) -> Result<(), ProfileError> {
    let packages = packages.iter().map(|manifest| installed(manifest)).collect();
    Profile::new(place).change(&scene.store, Moment(9), |_| Ok(Some(packages))).map(|_| ())
}

/// Checks that what counts is whole, and returns the versions.
fn look(place: &dyn Place, scene: &Scene, at: &str) -> Option<Vec<String>> {
    let current =
        Profile::new(place).current().unwrap_or_else(|error| panic!("{at}: {error:?}"))?;
    for package in &current.packages {
        let manifest = &package.manifest;
        let root = PathBuf::from("trees").join(manifest.payload().root.to_hex());
        let mut left = vec![(manifest.payload().root, root)];
        while let Some((vcid, folder)) = left.pop() {
            let tree = Tree::decode(&scene.store.read(vcid).expect("stored")).expect("a tree");
            assert_eq!(
                place.list(&folder).expect("listed").len(),
                tree.entries().len(),
                "{at}: {folder:?}"
            );
            for entry in tree.entries() {
                let path = folder.join(entry.name.for_people());
                if entry.kind == EntryKind::Tree {
                    left.push((entry.vcid, path));
                    continue;
                }
                let found = match entry.kind {
                    EntryKind::Symlink => place.read_link(&path),
                    _ => place.read(&path, u64::MAX),
                };
                let wanted = scene.store.read(entry.vcid).expect("stored");
                assert_eq!(found.expect("read"), Some(wanted), "{at}: {path:?}");
            }
        }
        for entry in manifest.entry_points() {
            let link = PathBuf::from(format!("generations/{}/bin", current.number))
                .join(entry.name.for_people());
            let target = place
                .read_link(&link)
                .expect("read")
                .unwrap_or_else(|| panic!("{at}: no {link:?}"));
            let program = follow(&link, &target);
            assert!(place.read(&program, u64::MAX).expect("read").is_some(), "{at}: {program:?}");
        }
    }
    Some(current.packages.iter().map(|it| it.manifest.name().version().to_owned()).collect())
}

struct Before {
    scene: Scene,
    one: Manifest,
    two: Manifest,
    more: Manifest,
}

fn before() -> Before {
    let scene = Scene::new();
    let manifest = |package: &str, text: &str, program: &str| {
        scene.manifest(package, scene.program(text), &[(program, "bin/run")])
    };
    let one = manifest("x.y/tool@1", "one", "tool");
    let two = manifest("x.y/tool@2", "two", "tool");
    let more = manifest("x.y/more@3", "more", "more");
    Before { scene, one, two, more }
}

/// Lets a change die after each number of steps, in each way, and checks what is left.
fn at_every_step(
    before: &Before,
    start: &[&Manifest],
    wanted: Option<&[&str]>,
    act: &dyn Fn(&dyn Place) -> Result<(), ProfileError>,
) {
    let versions = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    for steps in 0.. {
        let place = MemoryPlace::new();
        if !start.is_empty() {
            change(&place, &before.scene, start).expect("the place is well");
        }
        let old = look(&place, &before.scene, "before");
        let place = Dying::after(place, steps);
        let done = act(&place);
        for left in LEFT {
            let at = format!("after {steps} steps, left {left:?}");
            let after = place.place.after(left);
            let found = look(&after, &before.scene, &at);
            let new = wanted.map(versions);
            assert!(found == old || found == new, "{at}: {found:?}");
            assert!(done.is_err() || found == new, "{at}: acknowledged, and {found:?}");
            // Whoever comes next is not in its way.
            act(&after).unwrap_or_else(|error| panic!("{at}: {error:?}"));
            assert_eq!(look(&after, &before.scene, &at), new, "{at}, again");
            let leftovers = ["trees", "generations"]
                .map(|folder| after.list(Path::new(folder)).expect("listed"));
            assert!(
                leftovers.iter().flatten().all(|name| !name.ends_with(".new")),
                "{at}: {leftovers:?}"
            );
        }
        if done.is_ok() {
            assert!(steps > 3, "it has few steps");
            return;
        }
    }
}

#[test]
fn a_first_installation() {
    let before = before();
    at_every_step(&before, &[], Some(&["1"]), &|place| {
        change(place, &before.scene, &[&before.one])
    });
}

#[test]
fn an_upgrade_with_another_package() {
    let before = before();
    at_every_step(&before, &[&before.one], Some(&["3", "2"]), &|place| {
        change(place, &before.scene, &[&before.two, &before.more])
    });
}

#[test]
fn an_uninstallation() {
    let before = before();
    at_every_step(&before, &[&before.one, &before.more], Some(&["3"]), &|place| {
        change(place, &before.scene, &[&before.more])
    });
}

#[test]
fn a_rollback() {
    let before = before();
    for steps in 0.. {
        let place = MemoryPlace::new();
        change(&place, &before.scene, &[&before.one]).expect("well");
        change(&place, &before.scene, &[&before.two]).expect("well");
        let place = Dying::after(place, steps);
        let done = Profile::new(&place).roll_back(None);
        for left in LEFT {
            let at = format!("after {steps} steps, left {left:?}");
            let found = look(&place.place.after(left), &before.scene, &at).expect("something");
            assert!(found == ["1"] || done.is_err() && found == ["2"], "{at}: {found:?}");
        }
        if done.is_ok() {
            return;
        }
    }
}

#[test]
fn a_process_that_dies_on_a_real_file_system() {
    let before = before();
    let folder = before.scene.folder.path().join("installed");
    for steps in 0.. {
        if folder.exists() {
            std::fs::remove_dir_all(&folder).expect("gone");
        }
        let place = FolderPlace::new(&folder);
        change(&place, &before.scene, &[&before.one]).expect("well");
        let dying = Dying::after(place.clone(), steps);
        let done = change(&dying, &before.scene, &[&before.two, &before.more]);
        let at = format!("after {steps} steps");
        let found = look(&place, &before.scene, &at).expect("something");
        let is_new = found == ["3", "2"];
        assert!(is_new || done.is_err() && found == ["1"], "{at}: {found:?}");
        // What people run is one of the two, never nothing.
        let ran = std::process::Command::new(folder.join("current/bin/tool")).output();
        let said = String::from_utf8(ran.expect("it runs").stdout).expect("text");
        assert_eq!(said, if is_new { "two\n" } else { "one\n" }, "{at}");
        change(&place, &before.scene, &[&before.two]).expect("well");
        assert_eq!(look(&place, &before.scene, &at).expect("something"), ["2"]);
        if done.is_ok() {
            return;
        }
    }
}
