//! Who may use the bucket, and where it is: options first, then the environment, then profile files.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use vigil_base::world::Randomness;
use vigil_base::{Blame, Blamed};

use crate::profile::{ProfileFile, Section};
use crate::secret::{PassphraseCost, Secret};

/// How to open a tier.
pub struct TierOptions<'a> {
    /// Looks a variable of the environment up. Libraries read none themselves.
    pub environment: &'a dyn Fn(&str) -> Option<String>,
    /// Makes salts.
    pub randomness: Arc<dyn Randomness>,
    /// Whose keys to use.
    pub access: Access,
    /// The profile to use, before `AWS_PROFILE`.
    pub profile: Option<String>,
    /// The server, such as `http://127.0.0.1:9000`, before `AWS_ENDPOINT_URL_S3`.
    pub endpoint: Option<String>,
    /// The region, before `AWS_REGION`.
    pub region: Option<String>,
    /// What encrypts everything that is pushed, and decrypts it again; `None` for plain objects.
    pub secret: Option<Secret>,
    /// What a passphrase costs to try, when a tier is first written with one.
    pub passphrase_cost: PassphraseCost,
    /// How often a request that may pass is tried again.
    pub retries: usize,
    /// How long a request and its retries may take.
    pub retry_for: Duration,
    /// How long a connection may be silent.
    pub silence_max: Duration,
}

impl<'a> TierOptions<'a> {
    /// Uses `environment` and the profile files that it names, and encrypts nothing.
    pub fn new(
        environment: &'a dyn Fn(&str) -> Option<String>,
        randomness: Arc<dyn Randomness>,
    ) -> Self {
        Self {
            environment,
            randomness,
            access: Access::FromEnvironment,
            profile: None,
            endpoint: None,
            region: None,
            secret: None,
            passphrase_cost: PassphraseCost::default(),
            retries: 6,
            retry_for: Duration::from_secs(60),
            // A part of 8 MiB passes in it over a link of 70 KB/s.
            silence_max: Duration::from_secs(120),
        }
    }
}

/// Whose keys to use.
#[derive(Clone, Default)]
pub enum Access {
    /// Those of the environment, or of the profile files.
    #[default]
    FromEnvironment,
    /// These.
    Keys {
        /// The access key's id.
        id: String,
        /// The secret key.
        secret: String,
        /// The session token of temporary keys.
        token: Option<String>,
    },
    /// None: requests are not signed, as public buckets allow.
    Anonymous,
}

/// Why nobody's keys, or no server, could be found.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SettingsError {
    /// There are no keys.
    #[error(
        "there are no keys for the bucket: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give profile `{profile}` an aws_access_key_id in ~/.aws/credentials"
    )]
    NoKeys {
        /// The profile that was looked at.
        profile: String,
    },
    /// An id without a secret, or the other way round.
    #[error("{place} has one of the access key's id and its secret, and not the other")]
    HalfAKey {
        /// Where they were looked for.
        place: String,
    },
    /// The profile gets its keys from another program or service.
    #[error(
        "profile `{profile}` gets its keys by `{by}`, which is not supported; `aws configure export-credentials --format env` prints keys that are"
    )]
    Indirect {
        /// The profile.
        profile: String,
        /// The setting that says so.
        by: String,
    },
    /// The profile is in neither file.
    #[error("there is no profile `{profile}` in {credentials} or {config}")]
    NoProfile {
        /// The profile.
        profile: String,
        /// The file of the keys.
        credentials: String,
        /// The other file.
        config: String,
    },
    /// A profile file could not be read.
    #[error("could not read {path}: {reason}")]
    Unreadable {
        /// The file.
        path: String,
        /// What the system said.
        reason: String,
    },
    /// There is no region.
    #[error("there is no region: set AWS_REGION, or `region` in ~/.aws/config")]
    NoRegion,
    /// The server's URL is not one.
    #[error("`{endpoint}` is no server: write `https://host` or `http://host:port`")]
    Endpoint {
        /// What stands in its place.
        endpoint: String,
    },
    /// The certificates cannot be used.
    #[error("the certificates in {place} cannot be used: {reason}")]
    Certificates {
        /// Where they were looked for.
        place: String,
        /// What is wrong.
        reason: String,
    },
    /// The client cannot be made.
    #[error("the HTTP client cannot be set up: {reason}")]
    Client {
        /// What is wrong.
        reason: String,
    },
}

impl Blamed for SettingsError {
    fn blame(&self) -> Blame {
        match self {
            Self::Unreadable { .. } | Self::Certificates { .. } => Blame::World,
            Self::Client { .. } => Blame::Us,
            _ => Blame::Caller,
        }
    }
}

/// Access key id, secret, session token.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Keys {
    pub id: String,
    pub secret: String,
    pub token: Option<String>,
}

/// What has been found out.
pub(crate) struct Resolved {
    /// `None` for requests that are not signed.
    pub keys: Option<Keys>,
    pub region: String,
    pub endpoint: Option<String>,
    pub ca_bundle: Option<PathBuf>,
    pub proxy: Option<Proxy>,
}

/// A proxy, and the hosts that are reached without it.
pub(crate) struct Proxy {
    pub url: String,
    pub except: Option<String>,
}

/// The profile, as far as there is one.
struct Profile {
    name: String,
    credentials: Section,
    config: Section,
    service: Section,
}

impl Resolved {
    pub fn new(options: &TierOptions<'_>) -> Result<Self, SettingsError> {
        let var = |name: &str| (options.environment)(name).filter(|value| !value.is_empty());
        let profile = Profile::load(options)?;
        let endpoint = options.endpoint.clone().or_else(|| {
            let is_ignored = var("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS")
                .is_some_and(|value| value.eq_ignore_ascii_case("true"));
            let configured = || {
                let service = profile.service.get("s3.endpoint_url");
                service.or_else(|| profile.config.get("endpoint_url")).cloned()
            };
            let found = var("AWS_ENDPOINT_URL_S3").or_else(|| var("AWS_ENDPOINT_URL"));
            found.or_else(configured).filter(|_| !is_ignored)
        });
        if let Some(endpoint) = &endpoint {
            check_endpoint(endpoint)?;
        }
        let region = options.region.clone();
        let region = region.or_else(|| var("AWS_REGION")).or_else(|| var("AWS_DEFAULT_REGION"));
        let region = region.or_else(|| profile.config.get("region").cloned());
        // Servers other than Amazon's take any region, and this one is what they all expect.
        let region = region.or_else(|| endpoint.as_ref().map(|_| "us-east-1".into()));
        let is_plain = endpoint.as_deref().is_some_and(|url| url.starts_with("http://"));
        Ok(Self {
            keys: keys(options, &profile)?,
            region: region.ok_or(SettingsError::NoRegion)?,
            endpoint,
            ca_bundle: var("AWS_CA_BUNDLE")
                .or_else(|| profile.config.get("ca_bundle").cloned())
                .map(PathBuf::from),
            // As curl: the upper-case name of the plain one can be set by a web request.
            proxy: if is_plain { None } else { var("HTTPS_PROXY") }
                .or_else(|| var(if is_plain { "http_proxy" } else { "https_proxy" }))
                .map(|url| Proxy { url, except: var("no_proxy").or_else(|| var("NO_PROXY")) }),
        })
    }
}

fn check_endpoint(endpoint: &str) -> Result<(), SettingsError> {
    let url = url::Url::parse(endpoint).ok();
    let is_fine = url.is_some_and(|url| {
        matches!(url.scheme(), "http" | "https") && url.has_host() && url.query().is_none()
    });
    if is_fine { Ok(()) } else { Err(SettingsError::Endpoint { endpoint: endpoint.into() }) }
}

fn keys(options: &TierOptions<'_>, profile: &Profile) -> Result<Option<Keys>, SettingsError> {
    let var = |name: &str| (options.environment)(name).filter(|value| !value.is_empty());
    match &options.access {
        Access::Anonymous => return Ok(None),
        Access::Keys { id, secret, token } => {
            let (id, secret, token) = (id.clone(), secret.clone(), token.clone());
            return Ok(Some(Keys { id, secret, token }));
        }
        Access::FromEnvironment => {}
    }
    // A profile that was asked for by name goes before keys that happen to be set.
    if options.profile.is_none() {
        let (id, secret) = (var("AWS_ACCESS_KEY_ID"), var("AWS_SECRET_ACCESS_KEY"));
        if let Some((id, secret)) = both(id, secret, "the environment")? {
            return Ok(Some(Keys { id, secret, token: var("AWS_SESSION_TOKEN") }));
        }
    }
    for (section, file) in [(&profile.credentials, "credentials"), (&profile.config, "config")] {
        let get = |key: &str| section.get(key).filter(|value| !value.is_empty()).cloned();
        let (id, secret) = (get("aws_access_key_id"), get("aws_secret_access_key"));
        let place = format!("profile `{}` in ~/.aws/{file}", profile.name);
        if let Some((id, secret)) = both(id, secret, &place)? {
            return Ok(Some(Keys { id, secret, token: get("aws_session_token") }));
        }
    }
    let indirect = ["credential_process", "sso_session", "sso_start_url", "role_arn"];
    for key in indirect {
        if profile.config.contains_key(key) || profile.credentials.contains_key(key) {
            let (profile, by) = (profile.name.clone(), key.into());
            return Err(SettingsError::Indirect { profile, by });
        }
    }
    Err(SettingsError::NoKeys { profile: profile.name.clone() })
}

fn both(
    id: Option<String>,
    secret: Option<String>,
    place: &str,
) -> Result<Option<(String, String)>, SettingsError> {
    match (id, secret) {
        (Some(id), Some(secret)) => Ok(Some((id, secret))),
        (None, None) => Ok(None),
        _ => Err(SettingsError::HalfAKey { place: place.into() }),
    }
}

impl Profile {
    fn load(options: &TierOptions<'_>) -> Result<Self, SettingsError> {
        let var = |name: &str| (options.environment)(name).filter(|value| !value.is_empty());
        let asked = options.profile.clone().or_else(|| var("AWS_PROFILE"));
        let asked = asked.or_else(|| var("AWS_DEFAULT_PROFILE"));
        let name = asked.clone().unwrap_or_else(|| "default".into());
        let home = var("HOME").map(PathBuf::from);
        let path = |variable: &str, file: &str| {
            let in_home = || home.as_ref().map(|home| home.join(".aws").join(file));
            var(variable).map(PathBuf::from).or_else(in_home)
        };
        let credentials_path = path("AWS_SHARED_CREDENTIALS_FILE", "credentials");
        let config_path = path("AWS_CONFIG_FILE", "config");
        let (credentials, config) = (read(credentials_path.as_ref())?, read(config_path.as_ref())?);
        let in_credentials = credentials.section(&name);
        let in_config = match name.as_str() {
            "default" => config.section("default").or_else(|| config.section("profile default")),
            name => config.section(&format!("profile {name}")),
        };
        if asked.is_some() && in_credentials.is_none() && in_config.is_none() {
            let shown = |path: Option<PathBuf>| {
                path.map_or_else(|| "no file".into(), |path| path.display().to_string())
            };
            let (credentials, config) = (shown(credentials_path), shown(config_path));
            return Err(SettingsError::NoProfile { profile: name, credentials, config });
        }
        let config_section = in_config.cloned().unwrap_or_default();
        let service = config_section.get("services");
        let service = service.and_then(|name| config.section(&format!("services {name}")));
        Ok(Self {
            service: service.cloned().unwrap_or_default(),
            credentials: in_credentials.cloned().unwrap_or_default(),
            config: config_section,
            name,
        })
    }
}

/// Reads a profile file; one that is absent is empty.
fn read(path: Option<&PathBuf>) -> Result<ProfileFile, SettingsError> {
    let Some(path) = path else { return Ok(ProfileFile::default()) };
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(ProfileFile::parse(&text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(ProfileFile::default()),
        Err(error) => Err(SettingsError::Unreadable {
            path: path.display().to_string(),
            reason: error.to_string(),
        }),
    }
}

#[cfg(test)]
mod tests;
