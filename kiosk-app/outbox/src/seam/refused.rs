//! An envelope whose refusal is not written yet is not there.

use super::*;
use crate::{
    answer::{Question, question},
    batch::Batch,
    committer::Committer,
    journal::record::Parcel,
    request::{Request, SaveReply},
};

type Reply = Question<Result<crate::Ticket, NotSaved>>;

fn save(committer: &mut Committer, batch: &mut Batch, n: u8) -> Reply {
    let (asked, answer) = question();
    let parcel = Parcel::new(envelope(n)).unwrap();
    committer.take(Request::Save { parcel, reply: SaveReply::Blocked(answer) }, batch);
    asked
}

#[test]
fn no_ticket_is_given_for_what_is_then_withdrawn() {
    let (dir, fake) = (TempDir::new().unwrap(), Fake::default());
    let path = dir.path().join("outbox");
    let (mut committer, lock, _) = crate::open::open(&path, options(), Arc::new(fake.clone())).unwrap();
    let mut batch = Batch::default();
    assert_eq!(save(&mut committer, &mut batch, 9).wait(Duration::ZERO), None);
    committer.commit(batch);

    // Its caller is gone when it is durable, and the withdrawal cannot be written.
    let mut batch = Batch::default();
    assert_eq!(save(&mut committer, &mut batch, 1).wait(Duration::ZERO), None);
    fake.plan(|plan| (plan.good_writes, plan.failing_writes) = (1, 2));
    committer.commit(batch);
    assert_eq!(committer.refused, [envelope(1).id]);

    // The same envelope again: its ticket is for a record behind the withdrawal.
    let mut batch = Batch::default();
    let again = save(&mut committer, &mut batch, 1);
    committer.commit(batch);
    let ticket = again.wait(PATIENCE).unwrap().unwrap();
    let outbox = Outbox::start(committer, lock).unwrap();
    assert!(queued(&outbox).contains(&envelope(1)), "{ticket:?} is for nothing");
    outbox.close();
    std::fs::remove_dir_all(path.join("state")).unwrap();
    let outbox = open(&dir, &Fake::default());
    assert!(queued(&outbox).contains(&envelope(1)), "{ticket:?} is for nothing");
    assert_eq!(outbox.enqueue(envelope(1)), Ok(ticket));
}
