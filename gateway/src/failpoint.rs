//! Steps at which a test aborts the process, as a power cut would: `KIOSK_GATEWAY_ABORT_AT=called`.
//!
//! Never: does anything in a build without feature `failpoints`.

/// A step of one envelope's way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// On stable storage; the kiosk has no reply yet.
    Stored,
    /// The marker is written; the service is not called yet.
    Calling,
    /// The service replied; nothing of it is written yet.
    Called,
}

/// Aborts here when the environment says so.
#[cfg(feature = "failpoints")]
pub(crate) fn reach(step: Step) {
    let name = match step {
        Step::Stored => "stored",
        Step::Calling => "calling",
        Step::Called => "called",
    };
    if std::env::var("KIOSK_GATEWAY_ABORT_AT").is_ok_and(|at| at == name) {
        std::process::abort();
    }
}

/// Nothing: this build has no fail points.
#[cfg(not(feature = "failpoints"))]
pub(crate) fn reach(_: Step) {}
