//! Once screen or receipt says *saved*, nothing loses it.

use super::{KEPT, demo};

#[test]
fn agent_killed_between_saved_and_delivery() {
    let (_out, run) = demo(&["--scenario", "agent-killed"]);
    assert_eq!((run.last_line(), run.code), (KEPT, Some(0)), "{}{}", run.stdout, run.stderr);
}

#[test]
fn a_refused_submission_is_a_matter_for_staff() {
    let (_out, run) = demo(&["--scenario", "refused"]);
    let last = "demo: saved 1, delivered 0, needs staff 1 (key-unknown)";
    assert_eq!((run.last_line(), run.code), (last, Some(0)), "{}{}", run.stdout, run.stderr);
}
