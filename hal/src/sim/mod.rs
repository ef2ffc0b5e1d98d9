//! Simulated devices that behave like the wire and fault on request.
