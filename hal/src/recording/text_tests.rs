//! The format: what is printed parses to the same, and a garbled file is refused with its line.

use super::*;
use proptest::prelude::*;

const PAGE: &str = "kiosk-recording 1\n# a note\nclass receipt-printer\nprofile generic-80\n\
                    0 > 1b40 1d61ff\n  1d4902\n3 < 16\n8 > - !timed-out\n9 ? 18\n9 = -\n9 < - !gone\nend 6\n";

fn refused(text: &str) -> (usize, String) {
    parse(text).expect_err(text)
}

#[test]
fn a_recording_reads_as_drawn() {
    let recording = parse(PAGE).unwrap();
    let first = &recording.entries[0];
    assert_eq!(
        (first.line, first.op, first.bytes.as_slice()),
        (5, Op::Write, &[0x1b, 0x40, 0x1d, 0x61, 0xff, 0x1d, 0x49, 0x02][..])
    );
    assert_eq!(recording.entries[2].failed, Some(Why::TimedOut));
    assert_eq!(recording.entries.len(), 6);
    let again = parse(&print(&recording.subject, &recording.entries)).unwrap();
    assert_eq!(print(&again.subject, &again.entries), print(&recording.subject, &recording.entries));
}

#[test]
fn a_garbled_file_is_refused_with_line_and_reason() {
    for (change, line, reason) in [
        (("kiosk-recording 1", "kiosk-recording 2"), 1, "the first line"),
        (("class receipt-printer", "class keypad"), 12, "'keypad' is never recorded"),
        (("class receipt-printer", "class card-reader"), 12, "no test-card"),
        (("profile generic-80", "profil generic-80"), 4, "'profil' is none of"),
        (("profile generic-80", "profile a\nprofile b"), 5, "profile is said twice"),
        (("1b40 ", "1b4 "), 5, "'1b4' is not bytes"),
        (("1b40 ", "1b4g "), 5, "'1b4g' is not bytes"),
        (("3 < 16", "3 << 16"), 7, "the call is none of"),
        (("3 < 16", "3 <"), 7, "no bytes"),
        (("3 < 16", "3 < -"), 7, "no such call on this line"),
        (("3 < 16", "3 * 5003"), 7, "no such call on this line"),
        (("!timed-out", "!late"), 8, "'!late' is no failure"),
        (("!timed-out", "!busy 00"), 8, "something follows a failure"),
        (("9 ? 18", "7 ? 18"), 9, "before the call above"),
        (("9 ? 18", "ms ? 18"), 9, "neither a call nor 'end'"),
        (("end 6", "end 7"), 12, "cut short"),
        (("end 6\n", ""), 11, "no 'end': cut short"),
        (("end 6\n", "end 6\n9 = -\n"), 13, "something follows 'end'"),
    ] {
        let (at, why) = refused(&PAGE.replacen(change.0, change.1, 1));
        assert!(at == line && why.contains(reason), "{change:?}: {at}: {why}");
    }
}

#[test]
fn every_cut_is_noticed() {
    for (at, _) in PAGE.char_indices().filter(|(at, _)| *at + 1 < PAGE.len()) {
        assert!(parse(&PAGE[..at]).is_err(), "{at}");
    }
}

fn any_entry() -> impl Strategy<Value = Entry> {
    let bytes = proptest::collection::vec(any::<u8>(), 1..80);
    (0_u64..9, bytes, any::<bool>(), any::<bool>()).prop_map(|(at_ms, bytes, write, fails)| Entry {
        line: 0,
        at_ms,
        op: if write { Op::Write } else { Op::Read },
        bytes: Zeroizing::new(if fails { Vec::new() } else { bytes }),
        failed: fails.then_some(Why::Gone),
    })
}

proptest! {
    #[test]
    fn what_is_printed_parses_to_the_same(mut entries in proptest::collection::vec(any_entry(), 0..20)) {
        entries.sort_by_key(|entry| entry.at_ms);
        let subject = Subject::Printer { profile: "generic-80".to_owned() };
        let parsed = parse(&print(&subject, &entries)).unwrap();
        prop_assert_eq!(&parsed.subject, &subject);
        let plain = |entries: &[Entry]| -> Vec<_> {
            entries.iter().map(|e| (e.at_ms, e.op, e.bytes.to_vec(), e.failed)).collect()
        };
        prop_assert_eq!(plain(&parsed.entries), plain(&entries));
    }

    #[test]
    fn arbitrary_text_is_refused_without_a_panic(text in "[ -~\n]{0,300}") {
        prop_assert!(parse(&text).is_err());
    }

    #[test]
    fn a_changed_letter_never_panics(at in 0..PAGE.len(), letter in any::<char>()) {
        let mut text: Vec<char> = PAGE.chars().collect();
        text[at] = letter;
        drop(parse(&text.into_iter().collect::<String>()));
    }
}
