//! The kiosk's rules, without IO: what a session is, how a form is walked, what a reply from the
//! gateway means, what may be claimed on screen and paper.
//!
//! Promises: every decision here is a function of its inputs. Time comes in as milliseconds,
//! randomness comes in as bytes, words come in from the service or go out as codes.
//!
//! Never: reads a clock, opens a file or a socket, starts a thread, logs a citizen's answer.

pub mod catalogue;
pub mod claim;
pub mod form;
pub mod health;
pub mod ids;
pub mod journey;
pub mod kiosk;
pub mod policy;
pub mod receipt;
pub mod request;
pub mod secret;
pub mod session;
pub mod view;
pub mod wire;
