//! TLS for webhooks, by rustls: whom a webhook may be posted to over `https://`.
//!
//! Trusted is whom this machine trusts: its own store of certificates, or the file and folder that `SSL_CERT_FILE` and
//! `SSL_CERT_DIR` name in its place. There is no way to trust nobody in particular, and none to look away.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{self, ClientConfig, RootCertStore};
use tokio_rustls::{TlsConnector, rustls::crypto::ring};

/// Why nobody is trusted.
#[derive(Debug, thiserror::Error)]
pub enum NoTrust {
    /// There are no certificates.
    #[error(
        "no certificate is trusted on this machine ({0}); install its ca-certificates, or name a file with SSL_CERT_FILE"
    )]
    Nobody(String),
    /// The library has none of the ciphers that it was built with.
    #[error("there is no TLS: {0}")]
    Library(#[from] rustls::Error),
}

/// The certificates once they were read. They are kept: reading them takes some milliseconds, and a session is resumed with whom
/// it was held by what lies beside them.
static TRUSTED: Mutex<Option<Arc<ClientConfig>>> = Mutex::new(None);

/// Whom this machine trusts, where the files were read before.
pub fn read_before() -> Option<Arc<ClientConfig>> {
    // Whoever holds it is about to read them.
    TRUSTED.try_lock().ok()?.clone()
}

/// Whom this machine trusts. Reads files the first time, and again for as long as there is nothing in them.
///
/// # Errors
/// [`NoTrust`].
pub fn trusted() -> Result<Arc<ClientConfig>, NoTrust> {
    let mut kept = TRUSTED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(config) = kept.as_ref() {
        return Ok(Arc::clone(config));
    }
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    let (good, bad) = roots.add_parsable_certificates(found.certs);
    if good == 0 {
        let first = found.errors.first().map(ToString::to_string);
        return Err(NoTrust::Nobody(
            first.unwrap_or_else(|| format!("{bad} were found, none of them readable")),
        ));
    }
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::clone(kept.insert(Arc::new(config))))
}

/// Whether a certificate can be for this host at all.
pub fn is_name(host: &str) -> bool {
    ServerName::try_from(host).is_ok()
}

/// Speaks TLS over a connection with whoever shows a certificate for `host`.
///
/// # Errors
/// What was wrong with the answer or the certificate.
pub async fn with(
    config: Arc<ClientConfig>,
    host: &str,
    stream: TcpStream,
) -> io::Result<TlsStream<TcpStream>> {
    let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
    TlsConnector::from(config).connect(name, stream).await
}
