//! Which keys, region and server are taken, given an environment and two files.

use std::collections::HashMap;
use std::sync::Arc;

use vigil_base::world::{Randomness, RandomnessError};

use super::{Resolved, SettingsError, TierOptions};

struct NoRandomness;

impl Randomness for NoRandomness {
    fn fill(&self, _: &mut [u8]) -> Result<(), RandomnessError> {
        Err(RandomnessError { reason: "these tests need none".into() })
    }
}

const CREDENTIALS: &str = "\
[default]
aws_access_key_id = D
aws_secret_access_key = d
[plant7]
aws_access_key_id = P
aws_secret_access_key = p
aws_session_token = t
[half]
aws_access_key_id = H
";

const CONFIG: &str = "\
[default]
region = eu-central-1
[profile plant7]
region = auto
endpoint_url = https://plant7.example
[profile rustfs]
services = local
aws_access_key_id = R
aws_secret_access_key = r
endpoint_url = https://not.this.example
[profile single]
sso_session = office
region = eu-west-1
[services local]
s3 =
  endpoint_url = http://127.0.0.1:9000
";

/// Shows what is resolved as `id/secret/token region endpoint`, or the error.
fn resolve(variables: &[(&str, &str)], profile: Option<&str>) -> Result<String, SettingsError> {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::create_dir(folder.path().join(".aws")).expect("a folder");
    std::fs::write(folder.path().join(".aws/credentials"), CREDENTIALS).expect("a file");
    std::fs::write(folder.path().join(".aws/config"), CONFIG).expect("a file");
    let home = folder.path().to_str().expect("text").to_owned();
    let mut variables: HashMap<&str, &str> = variables.iter().copied().collect();
    variables.entry("HOME").or_insert(&home);
    let environment = |name: &str| variables.get(name).map(|value| (*value).to_owned());
    let mut options = TierOptions::new(&environment, Arc::new(NoRandomness));
    options.profile = profile.map(Into::into);
    let resolved = Resolved::new(&options)?;
    let keys = resolved.keys.expect("keys were asked for");
    let token = keys.token.unwrap_or_default();
    let endpoint = resolved.endpoint.unwrap_or_default();
    Ok(format!("{}/{}/{token} {} {endpoint}", keys.id, keys.secret, resolved.region))
}

#[track_caller]
fn check(variables: &[(&str, &str)], profile: Option<&str>, want: &str) {
    match resolve(variables, profile) {
        Ok(found) => assert_eq!(found.trim_end(), want),
        Err(error) => assert!(error.to_string().contains(want), "{error}"),
    }
}

#[test]
fn the_environment_goes_before_the_files() {
    let keys = [("AWS_ACCESS_KEY_ID", "E"), ("AWS_SECRET_ACCESS_KEY", "e")];
    check(&keys, None, "E/e/ eu-central-1");
    check(&[], None, "D/d/ eu-central-1");
    let with_token = [keys[0], keys[1], ("AWS_SESSION_TOKEN", "s"), ("AWS_REGION", "us-west-2")];
    check(&with_token, None, "E/e/s us-west-2");
    check(&[("AWS_DEFAULT_REGION", "ap-east-1")], None, "D/d/ ap-east-1");
    check(&[keys[0]], None, "the environment has one of");
    // A profile that is asked for by name goes before both.
    check(&keys, Some("plant7"), "P/p/t auto https://plant7.example");
}

#[test]
fn profiles_come_from_both_files() {
    check(&[("AWS_PROFILE", "plant7")], None, "P/p/t auto https://plant7.example");
    check(&[("AWS_PROFILE", "rustfs")], None, "R/r/ us-east-1 http://127.0.0.1:9000");
    check(&[("AWS_PROFILE", "half")], None, "has one of");
    check(&[("AWS_PROFILE", "single")], None, "gets its keys by `sso_session`");
    check(&[("AWS_PROFILE", "absent")], None, "there is no profile `absent`");
    check(&[("HOME", "/nonexistent")], None, "there are no keys");
}

#[test]
fn servers_come_from_the_most_particular_place() {
    let both = [("AWS_ENDPOINT_URL_S3", "http://s3"), ("AWS_ENDPOINT_URL", "http://all")];
    check(&both, None, "D/d/ eu-central-1 http://s3");
    check(&both[1..], None, "D/d/ eu-central-1 http://all");
    check(&[("AWS_ENDPOINT_URL", "127.0.0.1:9000")], None, "is no server");
    let ignored = [("AWS_PROFILE", "plant7"), ("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true")];
    check(&ignored, None, "P/p/t auto");
    let no_region =
        [("HOME", "/nonexistent"), ("AWS_ACCESS_KEY_ID", "E"), ("AWS_SECRET_ACCESS_KEY", "e")];
    check(&no_region, None, "there is no region");
}
