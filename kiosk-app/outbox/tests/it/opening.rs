//! An outbox that cannot open says why, in one line that names the path.

use crate::fixture::{Home, envelope, small};
use kiosk_outbox::{OpenError, Options, Outbox};
use std::{fs, path::Path};

fn refused(path: &Path) -> OpenError {
    let options = Options { limits: small(), ..Options::default() };
    let error = Outbox::open(path, options).err().expect("must not open");
    let line = error.to_string();
    assert!(line.starts_with('/') && !line.contains('\n'), "{line}");
    error
}

#[test]
fn the_parent_is_missing() {
    let home = Home::new();
    assert!(matches!(refused(&home.path().join("deeper")), OpenError::NoParent { .. }));
}

#[test]
fn a_file_is_in_the_way() {
    let home = Home::new();
    fs::write(home.path(), b"").unwrap();
    assert!(matches!(refused(&home.path()), OpenError::NotAFolder { .. }));
    let home = Home::new();
    fs::create_dir(home.path()).unwrap();
    fs::write(home.path().join("journal"), b"").unwrap();
    assert!(matches!(refused(&home.path()), OpenError::NotAFolder { path } if path.ends_with("journal")));
}

/// Permission bits do not stop root: a folder the kernel itself refuses to write does.
#[test]
fn it_is_not_writable() {
    assert!(matches!(refused(Path::new("/sys/kiosk-outbox")), OpenError::NotWritable { .. }));
    let home = Home::new();
    fs::create_dir_all(home.path().join("lock")).unwrap();
    assert!(matches!(refused(&home.path()), OpenError::NotWritable { .. }));
}

#[test]
fn a_newer_version_wrote_it() {
    for folder in ["journal/v2", "state/v7"] {
        let home = Home::new();
        fs::create_dir_all(home.path().join(folder)).unwrap();
        assert!(matches!(refused(&home.path()), OpenError::Newer { path } if path.ends_with(folder)));
        assert!(!home.path().join("journal/v1").exists());
    }
}

#[test]
fn somebody_else_has_it_open() {
    let home = Home::new();
    let (outbox, _) = home.open();
    assert!(matches!(refused(&home.path()), OpenError::InUse { .. }));
    outbox.close();
    home.open();
}

#[test]
fn a_closed_outbox_answers_nobody_and_blocks_nobody() {
    let home = Home::new();
    let (outbox, _) = home.open();
    outbox.clone().close();
    assert!(outbox.enqueue(envelope(1, 50)).is_err());
    let (tell, told) = std::sync::mpsc::channel();
    outbox.enqueue_with(envelope(1, 50), move |result| tell.send(result.is_err()).unwrap());
    assert_eq!(told.recv(), Ok(true));
    assert_eq!(outbox.stats(), kiosk_outbox::Stats::default());
    outbox.close();
}
