//! A service sees the effect of a transaction once, however often it is sent.

mod carried_by_hand;

use super::{KEPT, demo};

#[test]
fn gateway_killed_between_storing_and_answering() {
    let (_out, run) = demo(&["--scenario", "gateway-killed"]);
    assert_eq!((run.last_line(), run.code), (KEPT, Some(0)), "{}{}", run.stdout, run.stderr);
}
