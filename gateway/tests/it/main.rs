//! The gateway from outside: real TLS, real services on loopback, real kills.
//!
//! The gateway is this package's binary in a process of its own; the units here speak TLS, HTTP and
//! RFC 9458 without the uplink's code.
//!
//! The same tests run on either database: on `SQLite`, or, where `KIOSK_TEST_POSTGRES` names a server, on it.
//! Those of several gateways on one database are behind feature `fleet-tests`, since they need the server.

#[cfg(test)]
mod acceptance;
#[cfg(test)]
mod bench;
#[cfg(test)]
mod configuration;
#[cfg(test)]
mod council;
#[cfg(test)]
mod database;
#[cfg(test)]
mod doors;
#[cfg(test)]
mod nobody_reads_it;
#[cfg(test)]
mod nothing_is_doubled;
#[cfg(test)]
#[expect(dead_code, reason = "the demo uses more of it")]
#[path = "../../../kiosk-app/src/demo/open311.rs"]
mod open311;
