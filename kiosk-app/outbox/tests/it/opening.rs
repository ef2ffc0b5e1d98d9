//! An outbox that cannot open says why, in one line that names the path.

use crate::fixture::{Home, envelope, small};
use kiosk_outbox::{OpenError, Options, Outbox};
use rustix::fs::{Gid, Uid};
use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    thread,
    time::SystemTime,
};

fn refused(path: &Path) -> OpenError {
    let options = Options { limits: small(), ..Options::default() };
    let error = Outbox::open(path, options).err().expect("must not open");
    let line = error.to_string();
    assert!(line.starts_with('/') && !line.contains('\n'), "{line}");
    error
}

/// A user who owns nothing here, on every Linux.
const NOBODY: u32 = 65_534;

/// [`refused`] as a user whom permission bits stop, and nothing was touched.
fn refused_untouched(home: &Home) -> OpenError {
    let before = tree(&home.path());
    let path = home.path();
    let error = thread::spawn(move || {
        if rustix::process::geteuid().is_root() {
            // Of this thread only.
            let nobody = Some(Uid::from_raw(NOBODY));
            rustix::thread::set_thread_res_uid(nobody, nobody, nobody).unwrap();
        }
        refused(&path)
    });
    let error = error.join().unwrap();
    assert_eq!(tree(&home.path()), before, "something was touched");
    error
}

/// Every file below, with its content, and every folder; with the times they were changed.
fn tree(path: &Path) -> BTreeMap<PathBuf, (SystemTime, Option<Vec<u8>>)> {
    let mut found = BTreeMap::new();
    let meta = fs::metadata(path).unwrap();
    if meta.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            found.extend(tree(&entry.unwrap().path()));
        }
    }
    let content = meta.is_file().then(|| fs::read(path).unwrap());
    found.insert(path.to_owned(), (meta.modified().unwrap(), content));
    found
}

/// A closed outbox with one envelope, for everybody to use.
fn closed() -> Home {
    let home = Home::new();
    let (outbox, _) = home.open();
    outbox.enqueue(envelope(1, 50)).unwrap();
    outbox.close();
    open_to_all(home.path().parent().unwrap());
    home
}

fn open_to_all(path: &Path) {
    let all = if path.is_dir() { 0o777 } else { 0o666 };
    fs::set_permissions(path, fs::Permissions::from_mode(all)).unwrap();
    if path.is_dir() {
        fs::read_dir(path).unwrap().for_each(|entry| open_to_all(&entry.unwrap().path()));
    }
}

fn forbid(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_read_only_folder_is_left_alone() {
    let home = Home::new();
    fs::create_dir(home.path()).unwrap();
    open_to_all(home.path().parent().unwrap());
    forbid(&home.path(), 0o555);
    assert!(
        matches!(refused_untouched(&home), OpenError::NotWritable { path, .. } if path.ends_with("lock"))
    );
}

#[test]
fn one_that_others_may_use_opens() {
    let home = closed();
    let (outbox, opened) = home.open();
    assert_eq!(opened.queued, 1);
    outbox.close();
}

#[test]
fn a_read_only_part_is_left_alone() {
    for (part, mode) in [("lock", 0o444), ("journal", 0o555), ("journal/v1/0000000000000001.seg", 0o444)] {
        let home = closed();
        let part = home.path().join(part);
        // Only where something has to be made in it does a read-only folder stop anything.
        if part.ends_with("journal") {
            fs::rename(part.join("v1"), home.path().join("moved")).unwrap();
        }
        forbid(&part, mode);
        assert!(
            matches!(refused_untouched(&home), OpenError::NotWritable { path, .. } if part.starts_with(&path))
        );
    }
}

#[test]
fn another_owner_is_left_alone() {
    let home = closed();
    let owned_by_us = fs::metadata(home.path()).unwrap().uid();
    if rustix::process::geteuid().is_root() {
        let other = (Some(Uid::from_raw(NOBODY - 1)), Some(Gid::from_raw(NOBODY - 1)));
        rustix::fs::chown(home.path(), other.0, other.1).unwrap();
        assert_ne!(fs::metadata(home.path()).unwrap().uid(), owned_by_us);
        forbid(&home.path(), 0o700);
    } else {
        // Who is not root cannot give a folder away; one that nobody may enter is as good.
        forbid(&home.path(), 0o000);
    }
    let path = home.path();
    let refusal =
        if rustix::process::geteuid().is_root() { refused_untouched(&home) } else { refused(&path) };
    forbid(&path, 0o700);
    assert!(matches!(refusal, OpenError::NotWritable { path: named, .. } if named.starts_with(&path)));
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
    for folder in ["journal", "journal/v1", "state", "quarantine"] {
        let home = Home::new();
        fs::create_dir_all(home.path().join(folder).parent().unwrap()).unwrap();
        fs::write(home.path().join(folder), b"").unwrap();
        let before = tree(&home.path());
        assert!(matches!(refused(&home.path()), OpenError::NotAFolder { path } if path.ends_with(folder)));
        assert_eq!(tree(&home.path()), before);
    }
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
        let before = tree(&home.path());
        assert!(matches!(refused(&home.path()), OpenError::Newer { path } if path.ends_with(folder)));
        assert_eq!(tree(&home.path()), before);
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
