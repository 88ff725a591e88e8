//! The stock `aws` client reads what is pushed, and what it uploads is pulled.

use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use vigil_base::Vcid;
use vigil_tier::PushOptions;

use crate::server::{BUCKET, KEY_ID, SECRET_KEY, Server};
use crate::world::{Site, noise_bytes};

/// Returns the program. Without it the test says that it was skipped, and fails where nothing may
/// be. The test, and not the library, looks at the environment here.
fn program() -> Option<OsString> {
    let program = std::env::var_os("VIGIL_INTEROP_AWS").unwrap_or_else(|| "aws".into());
    let version = Command::new(&program).arg("--version").stdout(Stdio::null()).status();
    if version.is_ok_and(|status| status.success()) {
        return Some(program);
    }
    let is_ci = std::env::var_os("CI").is_some_and(|value| value == "true");
    assert!(!is_ci, "`aws` is not installed: apt-get install awscli");
    eprintln!("skipped: aws is not installed (apt-get install awscli)");
    None
}

fn run(program: &OsStr, server: &Server, home: &Path, arguments: &[&str]) -> Output {
    let output = Command::new(program)
        .args(["--endpoint-url", &server.endpoint(), "--region", "us-east-1"])
        .args(arguments)
        .env("HOME", home)
        .env("AWS_ACCESS_KEY_ID", KEY_ID)
        .env("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env_remove("AWS_PROFILE")
        .env_remove("AWS_SESSION_TOKEN")
        .output()
        .expect("aws starts");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "aws {arguments:?}: {said}");
    output
}

#[test]
fn objects_hash_to_their_keys_for_others_too() {
    let Some(program) = program() else { return };
    let server = Server::start();
    let tier = server.tier();
    let site = Site::with(60, &[5000, 9_000_000]);
    let mut objects = Vec::new();
    for number in &site.arenas {
        let pushed = tier.push_arena(&site.store, *number, &PushOptions::default());
        objects.push(pushed.expect("a push").object);
    }
    let (small, large) = (site.blobs[0].0, site.blobs[1].0);
    let pushed = tier.push_blob(&site.store, small, &PushOptions::default()).expect("a push");
    objects.push(pushed.object);

    let home = tempfile::tempdir().expect("a folder");
    let aws = |arguments: &[&str]| run(&program, &server, home.path(), arguments);
    let file = home.path().join("object");
    let path = file.to_str().expect("text");
    for object in &objects {
        let key = format!("vigil/site/{object}");
        aws(&["s3api", "get-object", "--bucket", BUCKET, "--key", &key, path]);
        let bytes = std::fs::read(&file).expect("a file");
        assert_eq!(format!("cas/{}", Vcid::of(&bytes).to_hex()), *object);
    }
    let listed = format!("s3://{BUCKET}/vigil/site/");
    let listed = aws(&["s3", "ls", "--recursive", &listed]).stdout;
    let listed = String::from_utf8(listed).expect("text");
    assert!(objects.iter().all(|object| listed.contains(object)), "{listed}");

    // The other way: whatever hashes to its key is a blob of the tier, whoever put it there.
    let bytes = noise_bytes(61, 3_000_000);
    let vcid = Vcid::of(&bytes);
    std::fs::write(&file, &bytes).expect("a file");
    let url = format!("s3://{BUCKET}/vigil/site/cas/{}", vcid.to_hex());
    aws(&["s3", "cp", "--no-progress", path, &url]);
    let fresh = Site::empty(62);
    tier.pull_blob(&fresh.store, vcid, &|_| {}).expect("a pull");
    assert!(fresh.store.read(vcid).expect("it was pulled") == bytes);
    let wrong = format!("s3://{BUCKET}/vigil/site/cas/{}", large.to_hex());
    aws(&["s3", "cp", "--no-progress", path, &wrong]);
    let error = tier.pull_blob(&fresh.store, large, &|_| {}).expect_err("it is something else");
    assert!(error.to_string().contains("do not hash to its name"), "{error}");
}
