//! The gateway's private keys: one file, mode 0600, made when it is missing.
//!
//! ```toml
//! [receipt]                        # Ed25519 (RFC 8032), signs receipts
//! kid = "g-5f2c7a9e01b34d68"       # printed with the public key; any text
//! seed = "<32 bytes, base64>"
//!
//! [[ohttp]]                        # RFC 9458 key, X25519; the first is the one to publish
//! id = 1
//! seed = "<32 bytes, base64>"      # input of DeriveKeyPair (RFC 9180 section 7.1.3)
//! ```
//!
//! A new key is added in front of the old ones; an old one is removed once no sealed envelope to it can
//! be under way any more.
//!
//! Promises: a key file is complete or absent; one that others may read is refused.
//! Never: prints or logs a seed; overwrites a key file.

use aws_lc_rs::{
    rand,
    signature::{Ed25519KeyPair, KeyPair},
};
use base64::{Engine, prelude::BASE64_STANDARD};
use kiosk_core::ids::KeyId;
use ohttp::{
    KeyConfig, Server, SymmetricSuite,
    hpke::{Aead, Kdf, Kem},
};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::Path,
};
use zeroize::{Zeroize, Zeroizing};

const SUITES: [SymmetricSuite; 2] = [
    SymmetricSuite::new(Kdf::HkdfSha256, Aead::Aes128Gcm),
    SymmetricSuite::new(Kdf::HkdfSha256, Aead::ChaCha20Poly1305),
];

/// Why the key file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// The file system.
    #[error("{path}: {reason}")]
    File {
        /// Which file.
        path: String,
        /// What the system said.
        reason: io::Error,
    },
    /// What is written in it.
    #[error("{path}: {reason}")]
    Content {
        /// Which file.
        path: String,
        /// What is wrong, without the content.
        reason: &'static str,
    },
}

/// What kiosks must know: pinned in the unit and published in the catalogue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKeys {
    /// The receipt key's name.
    pub receipt_kid: String,
    /// The Ed25519 public key, 32 bytes.
    pub receipt_key: Vec<u8>,
    /// `application/ohttp-keys` (RFC 9458 section 3.2), the one to use first.
    pub ohttp: Vec<u8>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    receipt: StoredReceipt,
    ohttp: Vec<StoredOhttp>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredReceipt {
    kid: String,
    seed: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredOhttp {
    id: u8,
    seed: String,
}

impl Drop for Stored {
    fn drop(&mut self) {
        self.receipt.seed.zeroize();
        self.ohttp.iter_mut().for_each(|key| key.seed.zeroize());
    }
}

/// The private keys, ready to use.
pub(crate) struct Keys {
    pub(crate) receipt: Ed25519KeyPair,
    pub(crate) kid: String,
    pub(crate) servers: BTreeMap<KeyId, Server>,
    published: Vec<u8>,
}

impl Keys {
    /// Reads `path`, making it first when it is missing.
    pub(crate) fn open(path: &Path) -> Result<Self, KeysError> {
        let file = |reason| KeysError::File { path: path.display().to_string(), reason };
        let content = |reason| KeysError::Content { path: path.display().to_string(), reason };
        if !path.try_exists().map_err(file)? {
            create(path).map_err(file)?;
        }
        if fs::metadata(path).map_err(file)?.mode() & 0o077 != 0 {
            return Err(content("others may read it; chmod 600"));
        }
        let text = Zeroizing::new(fs::read_to_string(path).map_err(file)?);
        let stored: Stored = toml::from_str(&text).map_err(|_| content("is not a key file"))?;
        let receipt_seed = seed(&stored.receipt.seed).map_err(content)?;
        let receipt = Ed25519KeyPair::from_seed_unchecked(receipt_seed.as_slice())
            .map_err(|_| content("its receipt seed is no Ed25519 seed"))?;
        let mut servers = BTreeMap::new();
        let mut configs = Vec::new();
        for key in &stored.ohttp {
            let ikm = seed(&key.seed).map_err(content)?;
            let config = KeyConfig::derive(key.id, Kem::X25519Sha256, SUITES.to_vec(), ikm.as_slice())
                .map_err(|_| content("an ohttp seed derives no key"))?;
            configs.push(config.clone());
            let server = Server::new(config).map_err(|_| content("an ohttp seed derives no key"))?;
            if servers.insert(KeyId(key.id), server).is_some() {
                return Err(content("an ohttp key id is there twice"));
            }
        }
        if servers.is_empty() {
            return Err(content("holds no ohttp key"));
        }
        let published = KeyConfig::encode_list(&configs).map_err(|_| content("has too many ohttp keys"))?;
        Ok(Self { receipt, kid: stored.receipt.kid.clone(), servers, published })
    }

    /// The public halves.
    pub(crate) fn public(&self) -> PublicKeys {
        PublicKeys {
            receipt_kid: self.kid.clone(),
            receipt_key: self.receipt.public_key().as_ref().to_vec(),
            ohttp: self.published.clone(),
        }
    }
}

fn seed(text: &str) -> Result<Zeroizing<[u8; 32]>, &'static str> {
    let bytes = Zeroizing::new(BASE64_STANDARD.decode(text).map_err(|_| "a seed is not base64")?);
    let seed: [u8; 32] = bytes.as_slice().try_into().map_err(|_| "a seed is not 32 bytes")?;
    Ok(Zeroizing::new(seed))
}

/// Writes fresh keys beside `path`, makes them durable, then gives them their name; a name that is taken
/// meanwhile is left alone.
fn create(path: &Path) -> io::Result<()> {
    let random = || {
        let mut bytes = Zeroizing::new([0; 32]);
        rand::fill(bytes.as_mut_slice()).map_err(|_| io::Error::other("the system gives no random bytes"))?;
        Ok::<_, io::Error>(bytes)
    };
    let kid: String = random()?.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    let stored = Stored {
        receipt: StoredReceipt {
            kid: format!("g-{kid}"),
            seed: BASE64_STANDARD.encode(random()?.as_slice()),
        },
        ohttp: vec![StoredOhttp { id: 1, seed: BASE64_STANDARD.encode(random()?.as_slice()) }],
    };
    let text = Zeroizing::new(toml::to_string(&stored).map_err(io::Error::other)?);
    let draft = path.with_extension(format!("draft-{}", std::process::id()));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    let linked = fs::hard_link(&draft, path);
    fs::remove_file(&draft)?;
    match linked {
        Err(e) if e.kind() != io::ErrorKind::AlreadyExists => return Err(e),
        Ok(()) | Err(_) => {}
    }
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}
