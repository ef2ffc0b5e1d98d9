//! Who may connect: TLS 1.3, and only with a certificate of the units' CA.
//!
//! Promises: a unit's name is the one common name of its verified certificate.
//! Never: serves a connection without one.

use crate::config::{Config, ConfigError};
use rustls::{
    RootCertStore, ServerConfig, ServerConnection,
    crypto::aws_lc_rs,
    server::{WebPkiClientVerifier, danger::ClientCertVerifier},
    version::TLS13,
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use std::{path::Path, sync::Arc};
use tokio_rustls::TlsAcceptor;
use x509_parser::certificate::X509Certificate;

/// Knows the units by `tls.client_ca`.
pub(crate) fn units(config: &Config) -> Result<Arc<dyn ClientCertVerifier>, ConfigError> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let mut roots = RootCertStore::empty();
    for certificate in certificates(config, "tls.client_ca", &config.client_ca)? {
        roots.add(certificate).map_err(|e| wrong(config, "tls.client_ca", &config.client_ca, e))?;
    }
    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
        .build()
        .map_err(|e| wrong(config, "tls.client_ca", &config.client_ca, e))
}

/// Reads the gateway's own two files of `[tls]`.
pub(crate) fn acceptor(
    config: &Config,
    units: Arc<dyn ClientCertVerifier>,
) -> Result<TlsAcceptor, ConfigError> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let chain = certificates(config, "tls.certificate", &config.certificate)?;
    let path = &config.certificate_key;
    let key = PrivateKeyDer::from_pem_file(path).map_err(|e| wrong(config, "tls.key", path, e))?;
    let mut server = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13])
        .map_err(|e| config.error("tls", e))?
        .with_client_cert_verifier(units)
        .with_single_cert(chain, key)
        .map_err(|e| wrong(config, "tls.key", path, e))?;
    server.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(server)))
}

/// The certificates in a PEM file, at least one.
pub(crate) fn certificates(
    config: &Config,
    place: &str,
    path: &Path,
) -> Result<Vec<CertificateDer<'static>>, ConfigError> {
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let list = read.map_err(|e| wrong(config, place, path, e))?;
    if list.is_empty() { Err(wrong(config, place, path, "holds no certificate")) } else { Ok(list) }
}

fn wrong(config: &Config, place: &str, path: &Path, reason: impl std::fmt::Display) -> ConfigError {
    config.error(place, format!("{}: {reason}", path.display()))
}

/// The unit's name, from the client's certificate.
pub(crate) fn unit_name(connection: &ServerConnection) -> Option<String> {
    let leaf = connection.peer_certificates()?.first()?;
    let (_, certificate) = x509_parser::parse_x509_certificate(leaf).ok()?;
    name_in(&certificate)
}

/// The one common name of a verified certificate: 1 to 64 of `A-Z a-z 0-9 . _ -`.
pub(crate) fn name_in(certificate: &X509Certificate<'_>) -> Option<String> {
    let mut names = certificate.subject().iter_common_name();
    let name = names.next()?.as_str().ok()?;
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    let fits = names.next().is_none() && (1..=64).contains(&name.len()) && name.bytes().all(plain);
    fits.then(|| name.to_owned())
}
