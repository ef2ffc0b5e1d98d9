//! The TLS settings of the uplink, from three PEM files.
//!
//! Promises: TLS 1.3 only; the pinned CA is the only root; the unit's certificate is always shown.
//! Never: reads the system's certificate store.

use super::{UplinkConfig, UplinkError};
use rustls::{ClientConfig, RootCertStore, crypto::aws_lc_rs, version::TLS13};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem, pem::PemObject};
use std::{path::Path, sync::Arc};

/// Reads the files and builds the configuration.
///
/// # Errors
/// [`UplinkError::File`] for a file, [`UplinkError::Tls`] for the library.
pub(super) fn client_config(config: &UplinkConfig) -> Result<ClientConfig, UplinkError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(&config.ca_pem)? {
        roots.add(certificate).map_err(|e| file(&config.ca_pem, e.to_string()))?;
    }
    let chain = certificates(&config.cert_pem)?;
    let key = PrivateKeyDer::from_pem_file(&config.key_pem).map_err(|e| pem_file(&config.key_pem, e))?;
    let mut tls = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(&[&TLS13])
        .map_err(UplinkError::Tls)?
        .with_root_certificates(roots)
        .with_client_auth_cert(chain, key)
        .map_err(|e| file(&config.key_pem, format!("does not fit {}: {e}", config.cert_pem.display())))?;
    tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(tls)
}

pub(crate) fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, UplinkError> {
    let parsed: Result<Vec<_>, _> =
        CertificateDer::pem_file_iter(path).map_err(|e| pem_file(path, e))?.collect();
    let list = parsed.map_err(|e| pem_file(path, e))?;
    if list.is_empty() { Err(file(path, "holds no certificate".into())) } else { Ok(list) }
}

pub(crate) fn pem_file(path: &Path, error: pem::Error) -> UplinkError {
    #[expect(clippy::wildcard_enum_match_arm, reason = "the library adds variants")]
    let reason = match error {
        pem::Error::Io(e) => e.to_string(),
        pem::Error::NoItemsFound => "holds nothing of the kind expected".to_owned(),
        other => format!("is not PEM: {other}"),
    };
    file(path, reason)
}

pub(crate) fn file(path: &Path, reason: String) -> UplinkError {
    UplinkError::File { path: path.to_owned(), reason }
}
