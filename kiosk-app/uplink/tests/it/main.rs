//! The uplink against gateways that misbehave: real TLS on loopback, replies written byte by byte.

#[cfg(test)]
mod delivery;
#[cfg(test)]
mod files;
#[cfg(test)]
mod gateway;
#[cfg(test)]
mod nobody_reads_it;
#[cfg(test)]
mod nothing_is_claimed;
