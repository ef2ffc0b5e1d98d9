//! The judge's table, row by row.

use super::*;
use crate::receipt::tests::{id, receipt, verifier};
use kiosk_core::{
    claim::ClaimDigest,
    ids::KeyId,
    wire::{ClaimState, ClockQuality, Stamp},
};
use reqwest::header::{HeaderName, HeaderValue};
use std::time::Duration;

fn envelope() -> Envelope {
    Envelope {
        id: id(),
        service: "report-street-problem".parse().unwrap(),
        claim: ClaimDigest([1; 32]),
        key: KeyId(1),
        made_at: Stamp { unix_ms: 1, clock: ClockQuality::Synced },
        sealed: b"sealed".to_vec(),
    }
}

fn whole(status: u16, headers: &[(&'static str, &str)], body: &[u8]) -> Whole {
    let pair =
        |&(n, v): &(&'static str, &str)| (HeaderName::from_static(n), HeaderValue::from_str(v).unwrap());
    Whole { status, headers: headers.iter().map(pair).collect(), body: body.to_vec() }
}

fn judge(status: u16, headers: &[(&'static str, &str)], body: &[u8]) -> Reply {
    whole(status, headers, body).judge_delivery(&envelope(), &verifier())
}

fn problem(code: &str) -> Vec<u8> {
    let problem = Problem {
        kind: format!("{}{code}", Problem::PREFIX),
        title: "No such key.".into(),
        status: 422,
        detail: String::new(),
    };
    serde_json::to_vec(&problem).unwrap()
}

const PROBLEM: (&str, &str) = ("content-type", "application/problem+json");
const ANSWER: (&str, &str) = ("content-type", "message/ohttp-res");

#[test]
fn a_receipt_that_verifies_settles() {
    let signed = receipt(b"sealed");
    let text = BASE64_STANDARD.encode(&signed);
    let proof = ("kiosk-receipt", text.as_str());
    assert_eq!(judge(202, &[proof], b""), Reply::Stored { receipt: signed.clone() });
    for (outcome, needs_staff) in [("answered", false), ("needs-staff", true)] {
        let reply = judge(200, &[proof, ANSWER, ("kiosk-outcome", outcome)], b"reply");
        assert_eq!(
            reply,
            Reply::Answered { receipt: signed.clone(), sealed: b"reply".to_vec(), needs_staff }
        );
    }
}

#[test]
fn busy_says_when() {
    let busy = |value: &str| judge(429, &[("retry-after", value)], b"");
    assert_eq!(busy("7"), Reply::Busy { retry_after_ms: Some(7_000) });
    assert_eq!(busy("99999999999999999999"), Reply::Busy { retry_after_ms: None });
    assert_eq!(busy("9999999999"), Reply::Busy { retry_after_ms: Some(RETRY_AFTER_MS_MAX) });
    assert_eq!(busy("Thu, 01 Jan 1970 00:00:00 GMT"), Reply::Busy { retry_after_ms: Some(0) });
    assert_eq!(judge(408, &[], b""), Reply::Busy { retry_after_ms: None });
    assert_eq!(judge(503, &[PROBLEM], &problem("busy")), Reply::Busy { retry_after_ms: None });
    let dated = whole(503, &[("retry-after", "Sun, 06 Nov 1994 08:49:37 GMT")], b"");
    let before = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777 - 90);
    assert_eq!(dated.retry_after_ms(before), Some(90_000));
    assert_eq!(judge(500, &[PROBLEM], &problem("busy")), Reply::Failed { status: 500 });
}

#[test]
fn claims_are_read() {
    let json = ("content-type", "application/json; charset=utf-8");
    let body = br#"{"service":"a","stored_at":5,"state":"answered","reference":"SR-1"}"#;
    let found = whole(200, &[json], body).judge_claim().unwrap().unwrap();
    assert_eq!(found.state, ClaimState::Answered { reference: Some("SR-1".into()) });
    assert_eq!(whole(404, &[PROBLEM], &problem("claim-unknown")).judge_claim(), Ok(None));
    for odd in [whole(200, &[json], b"{}"), whole(404, &[], b""), whole(200, &[PROBLEM], body)] {
        assert!(matches!(odd.judge_claim(), Err(Reply::NotOurs { .. })));
    }
    assert_eq!(whole(500, &[], b"").judge_claim(), Err(Reply::Failed { status: 500 }));
}

/// What is no word of our gateway.
mod nothing_is_claimed {
    use super::*;

    #[test]
    fn a_2xx_without_proof_is_not_ours() {
        let other = BASE64_STANDARD.encode(receipt(b"other bytes"));
        let good = BASE64_STANDARD.encode(receipt(b"sealed"));
        let replies = [
            judge(200, &[("content-type", "text/html")], b"<h1>Welcome to our wireless network</h1>"),
            judge(202, &[], b""),
            judge(202, &[("kiosk-receipt", "***")], b""),
            judge(202, &[("kiosk-receipt", &other)], b""),
            judge(200, &[("kiosk-receipt", &good), ANSWER], b"reply"),
            judge(200, &[("kiosk-receipt", &good), ("kiosk-outcome", "answered")], b"reply"),
            judge(204, &[("kiosk-receipt", &good)], b""),
            judge(302, &[("location", "https://portal.example/")], b""),
        ];
        for reply in replies {
            assert!(matches!(reply, Reply::NotOurs { .. }), "{reply:?}");
        }
    }

    #[test]
    fn only_our_own_problem_refuses() {
        let refused = Reply::Refused { code: "key-unknown".into(), detail: "No such key.".into() };
        assert_eq!(judge(422, &[PROBLEM], &problem("key-unknown")), refused);
        let foreign = problem("key-unknown").iter().map(|b| b.to_ascii_uppercase()).collect::<Vec<_>>();
        for reply in [
            judge(404, &[("content-type", "text/html")], b"not here"),
            judge(422, &[("content-type", "application/json")], &problem("key-unknown")),
            judge(403, &[PROBLEM], &foreign),
        ] {
            assert!(matches!(reply, Reply::NotOurs { .. }), "{reply:?}");
        }
    }
}
