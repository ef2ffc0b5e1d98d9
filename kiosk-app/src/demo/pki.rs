//! The demo's own certificate authority, made at first start and kept.
//!
//! Promises: keys are readable by their owner only; nothing here is trusted by anything but the demo.
//! Never: part of a unit's build.

use anyhow::{Context, Result};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose,
};
use std::{
    fs,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

/// Where the demo's certificates and keys are, all PEM.
#[derive(Clone, Debug)]
pub(crate) struct Pki {
    /// The authority's certificate.
    pub ca: PathBuf,
    /// The gateway's certificate and key.
    pub gateway: (PathBuf, PathBuf),
    /// The unit's certificate and key.
    pub unit: (PathBuf, PathBuf),
}

impl Pki {
    /// Finds the demo's certificates in `folder`, or makes them.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub(crate) fn find_or_make(folder: &Path) -> Result<Self> {
        let pair = |name: &str| (folder.join(format!("{name}.pem")), folder.join(format!("{name}.key")));
        let pki = Self { ca: folder.join("ca.pem"), gateway: pair("gateway"), unit: pair("unit") };
        let all = [&pki.ca, &pki.gateway.0, &pki.gateway.1, &pki.unit.0, &pki.unit.1];
        if !all.iter().all(|path| path.exists()) {
            fs::create_dir_all(folder)?;
            pki.make().with_context(|| format!("making certificates in {}", folder.display()))?;
        }
        Ok(pki)
    }

    fn make(&self) -> Result<()> {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.distinguished_name.push(DnType::CommonName, "Kiosk demo authority");
        let ca = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
        fs::write(&self.ca, ca.pem())?;
        let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        issue(&ca, names, "localhost", ExtendedKeyUsagePurpose::ServerAuth, &self.gateway)?;
        issue(&ca, Vec::new(), "demo-unit-1", ExtendedKeyUsagePurpose::ClientAuth, &self.unit)
    }
}

fn issue(
    ca: &CertifiedIssuer<'_, KeyPair>,
    names: Vec<String>,
    common_name: &str,
    purpose: ExtendedKeyUsagePurpose,
    (certificate, key): &(PathBuf, PathBuf),
) -> Result<()> {
    let mut params = CertificateParams::new(names)?;
    params.distinguished_name.push(DnType::CommonName, common_name);
    params.extended_key_usages = vec![purpose];
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    let own = KeyPair::generate()?;
    fs::write(certificate, params.signed_by(&own, ca)?.pem())?;
    let mut options = fs::OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(key)?;
    std::io::Write::write_all(&mut file, own.serialize_pem().as_bytes())?;
    Ok(())
}
