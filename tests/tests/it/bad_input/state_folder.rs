//! A state folder that cannot be used: the agent and `kiosk outbox` say why in one line, exit 2, and leave
//! every byte, owner and time in it as it was.
//!
//! Permission bits do not stop root, so that as root the binary runs without the two capabilities that see to
//! that, by `setpriv`. To give a folder to another user takes root.

use super::says;
use crate::place::Place;
use kiosk_tests::{Run, binary, run};
use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// A user who is nobody here.
const STRANGER: u32 = 65_533;

const QUESTIONS: [&[&str]; 4] = [&["status", "--json"], &["list"], &["list", "--losses"], &["verify"]];

/// What a look can see change: mode, owner, time, content.
type Tree = BTreeMap<PathBuf, (u32, u32, (i64, i64), Option<Vec<u8>>)>;

/// A unit whose agent does not run.
struct Unit {
    place: Place,
    config: String,
    state: PathBuf,
}

impl Unit {
    /// One that never ran.
    fn new() -> Self {
        let place = Place::new();
        let (config, state) = (place.unit("unit-a", false), place.state("unit-a"));
        Self { place, config, state }
    }

    /// One with an envelope that waits.
    fn with_one() -> Self {
        let unit = Self::new();
        unit.place.save("unit-a", &[unit.place.envelope(1, 100)]);
        unit
    }

    fn agent(&self) -> Run {
        kiosk(&["agent", "--config", &self.config])
    }

    fn ask(&self, task: &[&str]) -> Run {
        kiosk(&[&["outbox"], task, &["--config", self.config.as_str()]].concat())
    }

    /// The agent is refused, touches nothing, and opens no door.
    fn refuses_the_agent(&self, parts: &[&str]) {
        let before = tree(&self.state);
        refused(&self.agent(), parts);
        assert_eq!(tree(&self.state), before, "something was touched");
        assert!(!self.place.path("unit-a.sock").exists());
    }

    /// Everything `kiosk outbox` reads for is refused too, and touches nothing.
    fn refuses_every_question(&self, parts: &[&str]) {
        let (before, stick) = (tree(&self.state), self.place.folder("stick"));
        let export: &[&str] = &["export", "--to", stick.to_str().unwrap()];
        QUESTIONS.iter().chain([&export]).for_each(|task| refused(&self.ask(task), parts));
        assert_eq!(fs::read_dir(&stick).unwrap().count(), 0);
        assert_eq!(tree(&self.state), before, "something was touched");
    }

    /// It is answered where nothing has to be written.
    fn answers_every_question(&self) {
        let before = tree(&self.state);
        for task in QUESTIONS {
            let run = self.ask(task);
            assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""), "{task:?}");
        }
        assert_eq!(tree(&self.state), before, "something was touched");
    }

    /// A stick with the receipt for what waits here, by way of a unit with a link.
    fn delivered_by_another(&self) -> PathBuf {
        let stick = self.place.folder("usb");
        let link = self.place.unit("unit-b", true);
        assert_eq!(self.ask(&["export", "--to", stick.to_str().unwrap()]).code, Some(0));
        assert_eq!(
            run("kiosk", &["outbox", "deliver", stick.to_str().unwrap(), "--config", &link]).code,
            Some(0)
        );
        stick
    }

    /// Such a stick is read, and then nothing can be settled here: said with the tally, and nothing is touched.
    fn cannot_settle(&self, stick: &Path, parts: &[&str]) {
        let before = (tree(&self.state), tree(stick));
        let run = self.ask(&["deliver", stick.to_str().unwrap()]);
        assert_eq!((run.code, run.stderr.as_str()), (Some(1), ""), "{}", run.stdout);
        let (first, last) = run.stdout.trim_end().split_once('\n').unwrap();
        says(first, parts);
        assert!(first.starts_with("not finished: ") && last.ends_with("settled 0, unsettled 0"), "{last}");
        assert_eq!((tree(&self.state), tree(stick)), before, "something was touched");
    }

    /// Such a stick is refused here, settles nothing, and stays as it is.
    fn refuses_receipts(&self, stick: &Path, parts: &[&str]) {
        let before = (tree(&self.state), tree(stick));
        refused(&self.ask(&["deliver", stick.to_str().unwrap()]), parts);
        assert_eq!((tree(&self.state), tree(stick)), before, "something was touched");
    }
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// `kiosk ...`, stopped by permission bits whoever runs this test.
fn kiosk(args: &[&str]) -> Run {
    let mut command = if is_root() {
        let mut bounded = Command::new("setpriv");
        bounded.args(["--bounding-set=-dac_override,-dac_read_search", "--"]).arg(binary("kiosk"));
        bounded
    } else {
        Command::new(binary("kiosk"))
    };
    command.args(args).stdin(Stdio::null()).output().expect("it does not start").into()
}

fn refused(run: &Run, parts: &[&str]) {
    assert_eq!((run.code, run.stdout.as_str()), (Some(2), ""), "{}", run.stderr);
    assert_eq!(run.stderr.lines().count(), 1, "{}", run.stderr);
    says(&run.stderr, parts);
}

/// Everything at and below `path`; nothing where nothing is.
fn tree(path: &Path) -> Tree {
    let mut found = Tree::new();
    let Ok(meta) = fs::symlink_metadata(path) else { return found };
    if meta.is_dir() {
        let entries = fs::read_dir(path).unwrap_or_else(|why| panic!("{}: {why}", path.display()));
        entries.for_each(|entry| found.extend(tree(&entry.unwrap().path())));
    }
    let content = meta.is_file().then(|| fs::read(path).unwrap());
    found.insert(path.to_owned(), (meta.mode(), meta.uid(), (meta.mtime(), meta.mtime_nsec()), content));
    found
}

fn forbid(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn its_parent_is_missing() {
    let unit = Unit::new();
    let text = fs::read_to_string(&unit.config).unwrap().replace("unit-a-state", "no/unit-a-state");
    fs::write(&unit.config, text).unwrap();
    unit.refuses_the_agent(&["unit-a.toml", "no/unit-a-state", "the folder it should be in does not exist"]);
    unit.refuses_every_question(&["unit-a.toml", "no/unit-a-state", "holds no outbox"]);
    assert!(!unit.place.path("no").exists());
}

#[test]
fn it_is_missing_and_only_the_agent_makes_it() {
    let unit = Unit::new();
    unit.refuses_every_question(&["unit-a.toml", "unit-a-state", "holds no outbox"]);
    assert!(!unit.state.exists());
    unit.place.agent(&unit.config).stop();
    unit.answers_every_question();
}

#[test]
fn it_is_read_only() {
    let unit = Unit::new();
    fs::create_dir(&unit.state).unwrap();
    forbid(&unit.state, 0o555);
    unit.refuses_the_agent(&["unit-a.toml", "unit-a-state/lock", "cannot be written", "denied"]);
}

#[test]
fn a_read_only_part_can_still_be_asked_about() {
    let unit = Unit::with_one();
    let stick = unit.delivered_by_another();
    for part in ["lock", "journal/v1/0000000000000001.seg"] {
        let part = unit.state.join(part);
        forbid(&part, 0o444);
        let line = ["unit-a.toml", "unit-a-state/", "cannot be written", "denied"];
        unit.refuses_the_agent(&line);
        unit.answers_every_question();
        unit.cannot_settle(&stick, &line);
        forbid(&part, 0o644);
    }
    let run = unit.ask(&["deliver", stick.to_str().unwrap()]);
    assert!(run.last_line().ends_with("settled 1, unsettled 0"), "{}{}", run.stdout, run.stderr);
}

#[test]
fn it_is_another_users() {
    let unit = Unit::with_one();
    let before = tree(&unit.state);
    // Who is not root cannot give a folder away; one that nobody may enter is as good.
    let (mode, stranger, us) = if is_root() { (0o700, Some(STRANGER), Some(0)) } else { (0o000, None, None) };
    chown(&unit.state, stranger, stranger).unwrap();
    forbid(&unit.state, mode);
    let (agent, asked) = (unit.agent(), QUESTIONS.map(|task| unit.ask(task)));
    chown(&unit.state, us, us).unwrap();
    forbid(&unit.state, before[&unit.state].0 & 0o7777);
    refused(&agent, &["unit-a.toml", "unit-a-state", "cannot be written", "denied"]);
    asked.iter().for_each(|run| refused(run, &["unit-a.toml", "unit-a-state", "cannot be read", "denied"]));
    assert_eq!(tree(&unit.state), before, "something was touched");
}

#[test]
fn receipts_are_not_settled_in_another_users() {
    let unit = Unit::with_one();
    let stick = unit.delivered_by_another();
    if !is_root() {
        println!("to give a folder away takes root: the refusal is tested beside its code");
        return;
    }
    // As with sudo: nothing stops this process, and a file it made would lock the agent out.
    let deliver = || run("kiosk", &["outbox", "deliver", stick.to_str().unwrap(), "--config", &unit.config]);
    chown(&unit.state, Some(STRANGER), Some(STRANGER)).unwrap();
    let before = (tree(&unit.state), tree(&stick));
    refused(
        &deliver(),
        &["unit-a-state", "belongs to user 65533", "run this as that user", "nothing was settled"],
    );
    assert_eq!((tree(&unit.state), tree(&stick)), before, "something was touched");
    chown(&unit.state, Some(0), Some(0)).unwrap();
    let run = deliver();
    assert!(run.last_line().ends_with("settled 1, unsettled 0"), "{}{}", run.stdout, run.stderr);
}

#[test]
fn a_file_is_where_a_folder_should_be() {
    let unit = Unit::new();
    fs::write(&unit.state, "a file").unwrap();
    let line = ["unit-a.toml", "unit-a-state", "is not a folder"];
    unit.refuses_the_agent(&line);
    unit.refuses_every_question(&line);
    for folder in ["journal", "journal/v1", "state", "files", "quarantine"] {
        fs::remove_file(&unit.state).or_else(|_| fs::remove_dir_all(&unit.state)).unwrap();
        fs::create_dir_all(unit.state.join(folder).parent().unwrap()).unwrap();
        fs::write(unit.state.join(folder), "a file").unwrap();
        unit.refuses_the_agent(&["unit-a.toml", &format!("unit-a-state/{folder}"), "is not a folder"]);
    }
}

#[test]
fn a_newer_version_wrote_it() {
    let unit = Unit::with_one();
    let stick = unit.delivered_by_another();
    for folder in ["journal/v2", "state/v7"] {
        let newer = unit.state.join(folder);
        fs::create_dir(&newer).unwrap();
        let named = format!("unit-a-state/{folder}");
        let line = ["unit-a.toml", named.as_str(), "was written by a newer version"];
        unit.refuses_the_agent(&line);
        unit.refuses_every_question(&line);
        unit.refuses_receipts(&stick, &line);
        fs::remove_dir(newer).unwrap();
    }
}
