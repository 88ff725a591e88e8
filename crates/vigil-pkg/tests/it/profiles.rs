//! Generations: numbered, shared, and gone back to.

use std::path::Path;

use vigil_base::world::Moment;
use vigil_pkg::{FolderPlace, Generation, Place as _, Profile, ProfileError};
use vigil_trust::package::Manifest;

use crate::place::MemoryPlace;
use crate::scene::{Scene, installed};

fn change(
    place: &FolderPlace,
    scene: &Scene,
    packages: &[&Manifest],
) -> Result<Generation, ProfileError> {
    let packages = packages.iter().map(|manifest| installed(manifest)).collect();
    let made = Profile::new(place).change(&scene.store, Moment(9), |_| Ok(Some(packages)));
    made.map(|made| made.expect("something new"))
}

#[test]
fn generations_are_made_one_after_another_and_gone_back_to() {
    let scene = Scene::new();
    let one = scene.manifest("x.y/tool@1", scene.program("one"), &[("tool", "bin/run")]);
    let two = scene.manifest("x.y/tool@2", scene.program("two"), &[("tool", "bin/run")]);
    let place = FolderPlace::new(scene.folder.path().join("installed"));
    let profile = Profile::new(&place);
    assert_eq!(profile.current().expect("well"), None);
    assert!(matches!(profile.roll_back(None), Err(ProfileError::NothingBefore)));
    let first = change(&place, &scene, &[&one]).expect("well");
    let second = change(&place, &scene, &[&two]).expect("well");
    assert_eq!((first.number, first.parent, second.number, second.parent), (1, None, 2, Some(1)));
    assert_eq!(profile.current().expect("well"), Some(second));
    assert_eq!(profile.roll_back(None).expect("well"), first);
    assert_eq!(profile.current().expect("well"), Some(first));
    assert!(matches!(profile.roll_back(None), Err(ProfileError::NothingBefore)));
    assert!(matches!(profile.roll_back(Some(7)), Err(ProfileError::Absent { number: 7 })));
    assert_eq!(profile.roll_back(Some(2)).expect("well").number, 2);
    // What was installed once is neither copied again nor numbered again.
    assert_eq!(profile.roll_back(Some(1)).expect("well").number, 1);
    assert_eq!(change(&place, &scene, &[&two]).expect("well").number, 3);
    assert_eq!(place.list(Path::new("trees")).expect("well").len(), 2);
    assert_eq!(profile.numbers().expect("well"), [1, 2, 3]);
    // Nothing chosen, nothing changed.
    let none = profile.change(&scene.store, Moment(9), |current| {
        assert_eq!(current.map(|current| current.number), Some(3));
        Ok::<_, ProfileError>(None)
    });
    assert_eq!((none.expect("well"), profile.numbers().expect("well").len()), (None, 3));
}

#[test]
fn two_packages_with_one_program_are_refused_and_nothing_is_changed() {
    let scene = Scene::new();
    let one = scene.manifest("x.y/one@1", scene.program("one"), &[("tool", "bin/run")]);
    let two = scene.manifest("x.y/two@1", scene.program("two"), &[("tool", "bin/run")]);
    let place = FolderPlace::new(scene.folder.path().join("installed"));
    change(&place, &scene, &[&one]).expect("well");
    let both = change(&place, &scene, &[&one, &two]);
    assert!(matches!(both, Err(ProfileError::Program { .. })), "{both:?}");
    assert_eq!(Profile::new(&place).numbers().expect("well"), [1]);
}

#[test]
fn modes_are_those_of_the_tree() {
    use std::os::unix::fs::PermissionsExt as _;
    let scene = Scene::new();
    let manifest = scene.manifest("x.y/tool@1", scene.program("one"), &[("tool", "bin/run")]);
    let place = FolderPlace::new(scene.folder.path().join("installed"));
    change(&place, &scene, &[&manifest]).expect("well");
    let tree = place.root().join("trees").join(manifest.payload().root.to_hex());
    let mode =
        |path: &str| std::fs::metadata(tree.join(path)).expect("a file").permissions().mode();
    assert_eq!((mode("bin/run") & 0o777, mode("notes") & 0o777), (0o755, 0o644));
    assert_eq!(std::fs::read_to_string(tree.join("bin/notes")).expect("a link"), "one");
    let memory = MemoryPlace::new();
    let packages = vec![installed(&manifest)];
    let made = Profile::new(&memory)
        .change(&scene.store, Moment(9), |_| Ok::<_, ProfileError>(Some(packages)));
    made.expect("well");
    let path = Path::new("trees").join(manifest.payload().root.to_hex());
    assert_eq!(memory.is_executable(&path.join("bin/run")), Some(true));
    assert_eq!(memory.is_executable(&path.join("notes")), Some(false));
}

#[test]
fn a_damaged_record_is_told_of() {
    let scene = Scene::new();
    let one = scene.manifest("x.y/tool@1", scene.program("one"), &[]);
    let place = FolderPlace::new(scene.folder.path().join("installed"));
    let made = change(&place, &scene, &[&one]).expect("well");
    let bytes = made.encode();
    assert_eq!(Generation::decode(&bytes).as_ref(), Ok(&made));
    assert!((0..bytes.len()).all(|cut| Generation::decode(&bytes[..cut]).is_err()));
    std::fs::write(place.root().join("generations/1/record"), b"no record").expect("written");
    let found = Profile::new(&place).current();
    assert!(matches!(found, Err(ProfileError::Damaged { number: 1, .. })), "{found:?}");
    let current = place.root().join("current");
    std::fs::remove_file(&current).expect("gone");
    std::os::unix::fs::symlink("/etc", &current).expect("a link");
    assert!(matches!(Profile::new(&place).current(), Err(ProfileError::Current)));
}
