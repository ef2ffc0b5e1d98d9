//! One row and those who want it.

use super::*;

fn key() -> RecordKey {
    RecordKey { unit: "unit-1".to_owned(), id: EnvelopeId::new(1, [1; 10]) }
}

/// A store with one envelope in it, and the folder it is in.
async fn one_envelope() -> (Store, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(&Place::Sqlite(dir.path().join("gateway.db"))).await.unwrap();
    let new = NewRecord {
        key: &key(),
        service: &"street".parse().unwrap(),
        claim: ClaimDigest([1; 32]),
        sha256: [1; 32],
        made_at: 1,
        stored_at: 1,
        receipt: b"receipt",
        sealed: b"sealed",
    };
    assert!(store.insert(&new).await.unwrap());
    assert!(!store.insert(&new).await.unwrap(), "its key is taken");
    (store, dir)
}

#[tokio::test]
async fn a_question_without_an_answer_counts_as_an_attempt() {
    let (store, _dir) = one_envelope().await;
    let due = async || store.due(1, 9).await.unwrap().remove(0);
    let mut record = due().await;
    assert_eq!(record.attempts, 0);
    store.begin_call(&mut record, 1).await.unwrap();
    assert_eq!((record.attempts, due().await.attempts), (1, 1));
    store.put_off(&record, State::Calling, 2, 1).await.unwrap();
    assert_eq!(due().await.attempts, 2);
}

#[tokio::test]
async fn of_two_who_want_a_row_one_has_it() {
    let (store, _dir) = one_envelope().await;
    let due = async || store.due(1, 9).await.unwrap().remove(0);
    let (mut slow, mut quick) = (due().await, due().await);
    store.begin_call(&mut slow, 1).await.unwrap();
    let second = store.begin_call(&mut quick, 1).await;
    assert!(matches!(second, Err(StoreError::TakenOver)), "{second:?}");
    // Past its deadline the first one has not said anything: the other begins again.
    let mut quick = due().await;
    store.begin_call(&mut quick, 1).await.unwrap();
    let late = [
        store.put_off(&slow, State::Stored, 9, 1).await,
        store.settle(&slow, Settlement::Answered { reply: b"late".to_vec(), reference: None }).await,
        store
            .settle(&slow, Settlement::NeedsStaff { reply: None, code: "late", detail: String::new() })
            .await,
    ];
    for said in late {
        assert!(matches!(said, Err(StoreError::TakenOver)), "{said:?}");
    }
    let answer = Settlement::Answered { reply: b"one".to_vec(), reference: Some("R-1".into()) };
    store.settle(&quick, answer).await.unwrap();
    let found = store.find(&quick.key).await.unwrap().unwrap();
    assert_eq!((found.state, found.reply.as_deref()), (State::Answered, Some(&b"one"[..])));
}
