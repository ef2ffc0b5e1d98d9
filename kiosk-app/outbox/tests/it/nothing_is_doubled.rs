//! One entry for an id, for ever.

use crate::fixture::{Home, NOW_MS, envelope, queued};
use kiosk_core::wire::NotSaved;
use kiosk_outbox::OutcomeError;
use std::{sync::mpsc, thread};

#[test]
fn the_same_envelope_again_is_the_same_ticket() {
    let home = Home::new();
    let (outbox, _) = home.open();
    let ticket = outbox.enqueue(envelope(1, 50)).unwrap();
    assert_eq!(outbox.enqueue(envelope(1, 50)), Ok(ticket));
    outbox.settle(ticket.id, vec![1]).unwrap();
    assert_eq!(outbox.enqueue(envelope(1, 50)), Ok(ticket));
    assert_eq!(outbox.stats().queued, 0);
    outbox.close();
    let (outbox, _) = home.open();
    assert_eq!(outbox.enqueue(envelope(1, 50)), Ok(ticket));
    assert_eq!(queued(&outbox), []);
}

#[test]
fn the_same_id_with_other_content_is_refused() {
    let home = Home::new();
    let (outbox, _) = home.open();
    outbox.enqueue(envelope(1, 50)).unwrap();
    let mut other = envelope(1, 50);
    other.sealed[0] ^= 1;
    assert_eq!(outbox.enqueue(other), Err(NotSaved::Storage));
    assert_eq!(queued(&outbox), [envelope(1, 50)]);
}

#[test]
fn many_callers_with_one_envelope_make_one_entry() {
    let home = Home::new();
    let (outbox, _) = home.open();
    let (tell, told) = mpsc::channel();
    for _ in 0..20 {
        let tell = tell.clone();
        outbox.enqueue_with(envelope(1, 50), move |result| tell.send(result.unwrap()).unwrap());
    }
    drop(tell);
    let mut tickets: Vec<_> = told.iter().collect();
    assert_eq!(tickets.len(), 20);
    tickets.dedup();
    assert_eq!((tickets.len(), outbox.stats().queued, outbox.stats().records), (1, 1, 1));
}

#[test]
fn what_is_in_hand_is_not_given_out_again() {
    let home = Home::new();
    let (outbox, _) = home.open();
    (0..4).for_each(|n| _ = outbox.enqueue(envelope(n, 50)).unwrap());
    assert_eq!(outbox.claim(3, NOW_MS).len(), 3);
    assert_eq!(outbox.claim(3, NOW_MS)[0].envelope, envelope(3, 50));
    assert_eq!(outbox.next_due(NOW_MS), None);
    outbox.again(envelope(2, 50).id, NOW_MS + 5).unwrap();
    assert_eq!(outbox.next_due(NOW_MS), Some(NOW_MS + 5));
    let again = outbox.claim(3, NOW_MS + 5);
    assert_eq!((again.len(), again[0].attempts), (1, 1));
}

#[test]
fn an_ending_is_believed_once() {
    let home = Home::new();
    let (outbox, _) = home.open();
    let id = outbox.enqueue(envelope(1, 50)).unwrap().id;
    assert_eq!(outbox.settle(envelope(2, 50).id, vec![]), Err(OutcomeError::Unknown));
    outbox.settle(id, vec![1]).unwrap();
    outbox.settle(id, vec![2]).unwrap();
    outbox.dead_letter(id, "late", "").unwrap();
    assert_eq!(outbox.receipt(id), Some(vec![1]));
    assert_eq!(outbox.again(id, 0), Err(OutcomeError::Unknown));
    assert_eq!((outbox.stats().settled, outbox.stats().dead), (1, 0));
}

#[test]
fn thirty_two_callers_share_syncs() {
    let home = Home::new();
    let (outbox, _) =
        home.open_with(kiosk_outbox::Limits { segment_bytes: 1 << 20, ..crate::fixture::small() });
    thread::scope(|scope| {
        for caller in 0..32 {
            let outbox = outbox.clone();
            scope.spawn(move || {
                (0..20).for_each(|n| _ = outbox.enqueue(envelope(caller * 20 + n, 100)).unwrap())
            });
        }
    });
    let stats = outbox.stats();
    assert_eq!((stats.queued, stats.records), (640, 640));
    assert!(stats.syncs < stats.records, "{stats:?}");
}
