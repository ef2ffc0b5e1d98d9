//! Bad files and settings: one line that names the file and the reason.

use crate::gateway::{Authority, Unit};
use kiosk_uplink::{Uplink, UplinkConfig};
use rcgen::ExtendedKeyUsagePurpose;
use std::fs;

fn refused(change: impl FnOnce(&Authority, &mut UplinkConfig)) -> String {
    let ca = Authority::new();
    let unit = Unit::new(&ca, &ca);
    let mut config = unit.config(([127, 0, 0, 1], 1).into());
    change(&ca, &mut config);
    let line = Uplink::new(config).unwrap_err().to_string();
    assert!(!line.contains('\n'), "{line}");
    line
}

#[test]
fn the_line_names_the_file() {
    let missing = refused(|_, c| fs::remove_file(&c.ca_pem).unwrap());
    assert!(missing.contains("ca.pem: No such file"), "{missing}");
    let empty = refused(|_, c| fs::write(&c.cert_pem, "").unwrap());
    assert!(empty.ends_with("unit.pem: holds no certificate"), "{empty}");
    let garbage = refused(|_, c| fs::write(&c.key_pem, "garbage").unwrap());
    assert!(garbage.ends_with("unit.key: holds nothing of the kind expected"), "{garbage}");
    let torn = refused(|_, c| fs::write(&c.cert_pem, "-----BEGIN CERTIFICATE-----\nAAAA\n").unwrap());
    assert!(torn.contains("unit.pem: is not PEM"), "{torn}");
    let other = refused(|ca, c| {
        let (_, key) = ca.issue("other", ExtendedKeyUsagePurpose::ClientAuth);
        fs::write(&c.key_pem, key.serialize_pem()).unwrap();
    });
    assert!(other.contains("unit.key: does not fit") && other.contains("unit.pem"), "{other}");
}

#[test]
fn the_line_names_the_address() {
    let plain = refused(|_, c| c.gateway = "http://gateway.example/".parse().unwrap());
    assert_eq!(plain, "gateway http://gateway.example/: must begin with https://");
    let deep = refused(|_, c| c.gateway = "https://gateway.example/kiosk".parse().unwrap());
    assert_eq!(deep, "gateway https://gateway.example/kiosk: must be scheme, host and port only");
}
