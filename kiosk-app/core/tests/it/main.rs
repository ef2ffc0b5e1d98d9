//! The rules of the kiosk, tried from outside.
//!
//! `cfg(test)` on each module tells clippy that its helpers are test code too.

#[cfg(test)]
mod form;
#[cfg(test)]
mod form_check;
#[cfg(test)]
mod form_import;
#[cfg(test)]
mod form_route;
#[cfg(test)]
mod form_samples;
#[cfg(test)]
mod form_service;
