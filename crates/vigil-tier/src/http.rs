//! The HTTP client: which certificates it believes, how long it waits, which proxy it takes.
//!
//! The client is made here and not by the object-store crate, so that the TLS code is one that needs
//! nothing but a C compiler, and so that neither reads the environment.

use std::sync::Arc;
use std::time::Duration;

use object_store::ClientOptions;
use object_store::client::{HttpClient, HttpConnector};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};

use crate::settings::{Resolved, SettingsError};

/// Hands the client out that was made with the tier's own settings.
#[derive(Debug)]
pub(crate) struct Connector(reqwest::Client);

impl HttpConnector for Connector {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(self.0.clone()))
    }
}

impl Connector {
    pub fn new(resolved: &Resolved, silence_max: Duration) -> Result<Self, SettingsError> {
        let failed = |reason: String| SettingsError::Client { reason };
        let roots = roots(resolved)?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| failed(error.to_string()))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let mut builder = reqwest::Client::builder()
            .no_proxy()
            .tls_backend_preconfigured(tls)
            // Parts go over several connections, which large objects profit from.
            .http1_only()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(Duration::from_secs(20))
            .read_timeout(silence_max)
            .user_agent(concat!("vigil/", env!("CARGO_PKG_VERSION")));
        if let Some(proxy) = &resolved.proxy {
            let except = proxy.except.as_deref().and_then(reqwest::NoProxy::from_string);
            let proxy = reqwest::Proxy::all(&proxy.url).map_err(|error| failed(chain(&error)))?;
            builder = builder.proxy(proxy.no_proxy(except));
        }
        builder.build().map(Self).map_err(|error| failed(chain(&error)))
    }
}

/// Returns the certificates to believe: the system's, or those of the file that was named.
fn roots(resolved: &Resolved) -> Result<RootCertStore, SettingsError> {
    let mut roots = RootCertStore::empty();
    if resolved.endpoint.as_deref().is_some_and(|url| url.starts_with("http://")) {
        return Ok(roots);
    }
    let Some(path) = &resolved.ca_bundle else {
        let found = rustls_native_certs::load_native_certs();
        roots.add_parsable_certificates(found.certs);
        if roots.is_empty() {
            let reasons: Vec<String> = found.errors.iter().map(ToString::to_string).collect();
            return Err(SettingsError::Certificates {
                place: "the system's store".into(),
                reason: if reasons.is_empty() {
                    "there are none".into()
                } else {
                    reasons.join("; ")
                },
            });
        }
        return Ok(roots);
    };
    let failed =
        |reason: String| SettingsError::Certificates { place: path.display().to_string(), reason };
    let certificates = CertificateDer::pem_file_iter(path).map_err(|e| failed(e.to_string()))?;
    for certificate in certificates {
        let certificate = certificate.map_err(|error| failed(error.to_string()))?;
        roots.add(certificate).map_err(|error| failed(error.to_string()))?;
    }
    if roots.is_empty() { Err(failed("there are none in it".into())) } else { Ok(roots) }
}

/// Joins an error and its sources into one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
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
