//! The next citizen finds nothing: not on the screen, not in memory, not on disk.

use super::{KEPT, demo};

/// The whole story; the demo itself looks for the first citizen's answers when their session is over.
#[test]
fn a_session_ends_and_leaves_nothing() {
    let (out, run) = demo(&[]);
    assert_eq!((run.last_line(), run.code), (KEPT, Some(0)), "{}{}", run.stdout, run.stderr);
    let stage = out.path().join("stage");
    for file in ["receipt.bin", "receipt.png", "receipt.pdf", "transcript.jsonl"] {
        assert!(stage.join(file).metadata().is_ok_and(|file| file.len() > 0), "{file}");
    }
    let pictures = std::fs::read_dir(stage.join("screens")).unwrap().count();
    assert!(pictures >= 30, "{pictures} pictures");
}
