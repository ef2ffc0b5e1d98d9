//! After a reply was lost, the council's list decides: whatever way it is paged or cut, a request that is in
//! it somewhere is not made again, and one that is known not to be there is made.

use super::{answered, impatient};
use crate::{
    bench::{Bench, Process, Sealed, id, pothole},
    council::Paging,
};
use kiosk_core::wire::ClaimState;
use std::sync::atomic::Ordering;

/// Requests of other people.
async fn others(bench: &Bench, code: &str, count: usize) {
    let target = format!("http://{}/requests.json", bench.council.address);
    let client = bench.unit("somebody");
    for n in 0..count {
        let body = format!("service_code={code}&address_string=x&description=other+{n}");
        let request = client.post(&target).header("content-type", "application/x-www-form-urlencoded");
        assert_eq!(request.body(body).send().await.unwrap().status(), 201);
    }
}

/// Delivers until the council was asked for a list `count` times.
async fn until_asked(gateway: &Process, bench: &Bench, sealed: &Sealed, count: usize) {
    let unit = bench.unit("unit-1");
    for _ in 0..500 {
        gateway.post(&unit, sealed).await.unwrap();
        if bench.council.door.asked().len() >= count {
            return;
        }
    }
    panic!("not asked in five hundred deliveries");
}

#[tokio::test]
async fn a_request_behind_the_first_page_is_found() {
    for paging in [Paging::FromOne, Paging::FromZero] {
        let bench = impatient().await;
        let body = format!("jurisdiction_id=city&{}", pothole(id(1)));
        let sealed = bench.seal(1, "street", &body);
        let gateway = bench.start(None);
        others(&bench, "pothole", 3).await;
        bench.council.door.lists(Some(2), paging);
        bench.council.door.fail_after.store(1, Ordering::SeqCst);
        answered(&gateway, &bench, &sealed, "SR-000004").await;
        let ledger = bench.ledger();
        assert_eq!((ledger.posts(), ledger.effects().len(), ledger.doubled()), (4, 4, 0), "{paging:?}");
        for asked in bench.council.door.asked() {
            assert!(asked.contains("jurisdiction_id=city&"), "{asked}");
            assert!(asked.contains("service_code=pothole&start_date="), "{asked}");
        }
    }
}

#[tokio::test]
async fn a_list_that_may_be_cut_short_proves_nothing() {
    let bench = impatient().await;
    let sealed = bench.pothole(1, "street");
    let gateway = bench.start(None);
    others(&bench, "pothole", 2).await;
    // Oldest first and never more than two: ours is not to be seen, on whatever page.
    bench.council.door.lists(Some(2), Paging::Ignored);
    bench.council.door.fail_after.store(1, Ordering::SeqCst);
    until_asked(&gateway, &bench, &sealed, 8).await;
    assert_eq!((bench.ledger().posts(), bench.ledger().effects().len()), (3, 3), "asked, not made again");
    let claim = gateway.claim(&bench.unit("unit-1"), sealed.claim()).await.unwrap();
    assert_eq!(claim.state, ClaimState::Sent);
    bench.council.door.lists(None, Paging::FromOne);
    answered(&gateway, &bench, &sealed, "SR-000003").await;
    assert_eq!((bench.ledger().posts(), bench.ledger().doubled()), (3, 0));
}

#[tokio::test]
async fn a_list_without_pages_is_believed_once_a_longer_one_shows_that_it_is_whole() {
    let bench = impatient().await;
    let sealed = bench.pothole(1, "street");
    let gateway = bench.start(None);
    others(&bench, "pothole", 1).await;
    bench.council.door.lists(Some(50), Paging::Ignored);
    bench.council.door.fail_before.store(1, Ordering::SeqCst);
    until_asked(&gateway, &bench, &sealed, 8).await;
    assert_eq!(bench.ledger().effects().len(), 1, "nobody knows yet");
    others(&bench, "street-light", 1).await;
    answered(&gateway, &bench, &sealed, "SR-000003").await;
    assert_eq!((bench.ledger().effects().len(), bench.ledger().doubled()), (3, 0));
}

#[tokio::test]
async fn pages_read_to_their_end_without_it_let_it_be_made() {
    for (paging, others_there) in [(Paging::FromOne, 0), (Paging::FromOne, 5), (Paging::FromZero, 5)] {
        let bench = impatient().await;
        let sealed = bench.pothole(1, "street");
        let gateway = bench.start(None);
        others(&bench, "pothole", others_there).await;
        bench.council.door.lists(Some(2), paging);
        bench.council.door.fail_before.store(1, Ordering::SeqCst);
        answered(&gateway, &bench, &sealed, &format!("SR-{:06}", others_there + 1)).await;
        assert_eq!((bench.ledger().effects().len(), bench.ledger().doubled()), (others_there + 1, 0));
    }
}
