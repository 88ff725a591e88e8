//! Imports from the web: one request at a time, with bounds on time and size.
//!
//! The client is the one that is linked for tiers anyway. It takes the system's certificates and the
//! proxies that the environment names.

use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::redirect::Policy;
use rustls::{ClientConfig, RootCertStore};
use tokio::runtime::{Builder, Runtime};
use vigil_dhall::{FetchError, Fetched};

const CONNECT_TIME_MAX: Duration = Duration::from_secs(20);
/// A server that says nothing for so long says nothing any more.
const SILENCE_MAX: Duration = Duration::from_secs(30);
const REDIRECTS_MAX: usize = 10;

/// Asks web servers.
pub(super) struct Web {
    runtime: Runtime,
    client: reqwest::Client,
}

impl Web {
    /// Makes a client, or says why there is none.
    pub fn new() -> Result<Self, String> {
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| error.to_string())?;
        let mut roots = RootCertStore::empty();
        // Without any, only `http:` works, and `https:` says what is wrong.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .http1_only()
            .redirect(Policy::custom(follow))
            .connect_timeout(CONNECT_TIME_MAX)
            .read_timeout(SILENCE_MAX)
            .user_agent(concat!("vigil/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| chain(&error))?;
        Ok(Self { runtime, client })
    }

    /// Gets what is at an address, or one byte more than may be.
    pub fn get(
        &self,
        url: &str,
        headers: &[(String, String)],
        bytes_max: u64,
    ) -> Result<Fetched, FetchError> {
        let mut sent = HeaderMap::new();
        for (name, value) in headers {
            let invalid = |what| FetchError::Failed(format!("`{name}` {what}"));
            let name = HeaderName::from_bytes(name.as_bytes())
                .map_err(|_| invalid("is no name for a header"))?;
            let value = HeaderValue::from_str(value)
                .map_err(|_| invalid("has a value that no header can have"))?;
            sent.append(name, value);
        }
        self.runtime.block_on(self.ask(url, sent, bytes_max))
    }

    async fn ask(
        &self,
        url: &str,
        headers: HeaderMap,
        bytes_max: u64,
    ) -> Result<Fetched, FetchError> {
        // No answer is like no page: the operator `?` has its use without a network.
        let absent = |error: reqwest::Error| FetchError::Absent(chain(&error.without_url()));
        let mut response = self.client.get(url).headers(headers).send().await.map_err(absent)?;
        let status = response.status();
        if !status.is_success() {
            return Err(FetchError::Absent(format!("the server says {status}")));
        }
        let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        let headers = response.headers().iter();
        let headers = headers.map(|(name, value)| (name.to_string(), text(value))).collect();
        let mut bytes = Vec::new();
        while bytes.len() as u64 <= bytes_max {
            match response.chunk().await.map_err(absent)? {
                Some(chunk) => bytes.extend_from_slice(&chunk),
                None => break,
            }
        }
        Ok(Fetched { bytes, headers })
    }
}

/// Follows a redirect within one origin only: CORS and the headers of an import are about the origin
/// that it names.
fn follow(attempt: reqwest::redirect::Attempt<'_>) -> reqwest::redirect::Action {
    let is_same =
        attempt.previous().first().is_some_and(|first| first.origin() == attempt.url().origin());
    if !is_same {
        let to = attempt.url().clone();
        return attempt.error(format!("it redirects to another server: import {to} itself"));
    }
    if attempt.previous().len() > REDIRECTS_MAX {
        return attempt.error("it redirects too often");
    }
    attempt.follow()
}

/// Joins an error and its sources into one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let next = error.to_string();
        if !text.contains(&next) {
            text = format!("{text}: {next}");
        }
        source = error.source();
    }
    text
}
