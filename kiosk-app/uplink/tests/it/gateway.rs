//! A gateway of a few lines: certificates made on the spot, one scripted reply per connection.

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::{Engine, prelude::BASE64_STANDARD};
use ciborium::Value;
use coset::{CoseSign1Builder, HeaderBuilder, TaggedCborSerializable, iana};
use kiosk_core::{
    claim::ClaimDigest,
    ids::{EnvelopeId, KeyId},
    wire::{ClockQuality, Envelope, Stamp},
};
use kiosk_uplink::{ReceiptVerifier, Uplink, UplinkConfig};
use rcgen::{CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair as RcKey};
use rustls::{
    RootCertStore, ServerConfig, SupportedProtocolVersion,
    crypto::aws_lc_rs::default_provider,
    server::{WebPkiClientVerifier, danger::ClientCertVerifier},
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use sha2::{Digest, Sha256};
use std::{net::SocketAddr, path::Path, sync::Arc, time::Duration};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use tokio_rustls::TlsAcceptor;

/// A certification authority of one test.
pub(crate) struct Authority(CertifiedIssuer<'static, RcKey>);

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "test CA");
        Self(CertifiedIssuer::self_signed(params, RcKey::generate().unwrap()).unwrap())
    }

    /// A certificate and its key.
    pub(crate) fn issue(&self, name: &str, usage: ExtendedKeyUsagePurpose) -> (rcgen::Certificate, RcKey) {
        let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.extended_key_usages = vec![usage];
        let key = RcKey::generate().unwrap();
        (params.signed_by(&key, &self.0).unwrap(), key)
    }

    pub(crate) fn pem(&self) -> String {
        self.0.pem()
    }

    pub(crate) fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        roots.add(self.0.der().clone()).unwrap();
        roots
    }
}

/// The unit's files, and the uplink over them.
pub(crate) struct Unit {
    pub(crate) dir: TempDir,
}

impl Unit {
    /// `trusts` signs the gateway, `issuer` signed the unit.
    pub(crate) fn new(trusts: &Authority, issuer: &Authority) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (certificate, key) = issuer.issue("unit-7", ExtendedKeyUsagePurpose::ClientAuth);
        std::fs::write(dir.path().join("ca.pem"), trusts.pem()).unwrap();
        std::fs::write(dir.path().join("unit.pem"), certificate.pem()).unwrap();
        std::fs::write(dir.path().join("unit.key"), key.serialize_pem()).unwrap();
        Self { dir }
    }

    pub(crate) fn config(&self, address: SocketAddr) -> UplinkConfig {
        let path = |name: &str| Path::join(self.dir.path(), name);
        UplinkConfig {
            gateway: format!("https://localhost:{}/", address.port()).parse().unwrap(),
            ca_pem: path("ca.pem"),
            cert_pem: path("unit.pem"),
            key_pem: path("unit.key"),
            receipts: ReceiptVerifier::new(signer().public_key().as_ref(), b"g").unwrap(),
            connect_timeout: Duration::from_secs(5),
            reply_timeout: Duration::from_secs(10),
        }
    }

    pub(crate) fn uplink(&self, address: SocketAddr) -> Uplink {
        Uplink::new(self.config(address)).unwrap()
    }
}

fn signer() -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(&[3; 32]).unwrap()
}

pub(crate) fn envelope() -> Envelope {
    Envelope {
        id: EnvelopeId::new(1_700_000_000_000, [5; 10]),
        service: "report-street-problem".parse().unwrap(),
        claim: ClaimDigest([1; 32]),
        key: KeyId(1),
        made_at: Stamp { unix_ms: 1_700_000_000_000, clock: ClockQuality::Synced },
        sealed: b"ciphertext".to_vec(),
    }
}

/// The header line of a receipt for [`envelope`].
pub(crate) fn receipt_line() -> String {
    let map = Value::Map(vec![
        (1.into(), Value::Bytes(envelope().id.as_bytes().to_vec())),
        (2.into(), Value::Bytes(Sha256::digest(envelope().sealed).to_vec())),
        (3.into(), 1_u64.into()),
    ]);
    let mut payload = Vec::new();
    ciborium::into_writer(&map, &mut payload).unwrap();
    let protected = HeaderBuilder::new().algorithm(iana::Algorithm::EdDSA).key_id(b"g".to_vec()).build();
    let signed = CoseSign1Builder::new()
        .protected(protected)
        .payload(payload)
        .create_signature(&[], |data| signer().sign(data).as_ref().to_vec())
        .build();
    format!("kiosk-receipt: {}\r\n", BASE64_STANDARD.encode(signed.to_tagged_vec().unwrap()))
}

/// How the scripted gateway shakes hands.
pub(crate) struct Handshake<'a> {
    pub(crate) server: &'a Authority,
    pub(crate) clients: &'a Authority,
    pub(crate) versions: &'a [&'static SupportedProtocolVersion],
}

/// Serves connections one after the other: reads a whole request, writes `reply`, closes. Gives the
/// address and, for each request, what was received.
pub(crate) async fn scripted(
    handshake: Handshake<'_>,
    reply: Vec<u8>,
) -> (SocketAddr, tokio::sync::mpsc::Receiver<Vec<u8>>) {
    let (certificate, key) = handshake.server.issue("gateway", ExtendedKeyUsagePurpose::ServerAuth);
    let provider = Arc::new(default_provider());
    let verifier: Arc<dyn ClientCertVerifier> =
        WebPkiClientVerifier::builder_with_provider(Arc::new(handshake.clients.roots()), provider.clone())
            .build()
            .unwrap();
    let chain: Vec<CertificateDer<'static>> = vec![certificate.der().clone()];
    let config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(handshake.versions)
        .unwrap()
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain, PrivateKeyDer::try_from(key.serialize_der()).unwrap())
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (heard, requests) = tokio::sync::mpsc::channel(8);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let request = read_request(&mut stream).await;
            heard.send(request).await.unwrap();
            stream.write_all(&reply).await.unwrap();
            stream.shutdown().await.unwrap();
        }
    });
    (address, requests)
}

async fn read_request(stream: &mut (impl AsyncReadExt + Unpin)) -> Vec<u8> {
    let mut request = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        let ended = request.windows(4).position(|w| w == b"\r\n\r\n");
        let head = String::from_utf8_lossy(&request).to_ascii_lowercase();
        let length = head.lines().find_map(|l| l.strip_prefix("content-length: ")?.parse::<usize>().ok());
        if ended.is_some_and(|end| request.len() >= end + 4 + length.unwrap_or(0)) {
            return request;
        }
        let read = stream.read(&mut chunk).await.unwrap_or(0);
        if read == 0 {
            return request;
        }
        request.extend_from_slice(&chunk[..read]);
    }
}
