//! The way to the gateway: sealing on the shell's side, delivery on the agent's side.
//!
//! | module | who calls it | what it needs |
//! |---|---|---|
//! | [`seal`] | the shell, which has no network | the service's public key |
//! | [`client`] | the agent, which has no plaintext | the gateway's address, CA and receipt key; the unit's certificate |
//! | [`receipt`] | [`client`], and whoever audits | the gateway's receipt key |
//! | [`unit_key`], [`manifest`] | a technician's export | the unit's certificate and key |
//!
//! Promises: nothing is reported as stored without a receipt of the pinned gateway over this very
//! envelope. Every wait has a limit.
//!
//! Never: retries by itself (the delivery policy is `kiosk_core::policy`), follows a redirect, uses a
//! proxy or the system's certificate store, logs.

pub mod client;
pub mod manifest;
pub mod receipt;
pub mod seal;
pub mod unit_key;

pub use client::{Uplink, UplinkConfig, UplinkError};
pub use manifest::{Listed, Manifest, ManifestError};
pub use receipt::{ReceiptError, ReceiptVerifier, StoredAt};
pub use seal::{HttpReply, HttpRequest, ReplyOpener, SealError, ServiceKey, seal};
pub use unit_key::{UnitKey, origin_header};
