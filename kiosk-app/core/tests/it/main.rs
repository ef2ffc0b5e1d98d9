//! The rules of the kiosk, tried from outside.

mod form;
mod form_check;
mod form_import;
mod form_route;
mod form_samples;
mod form_service;
