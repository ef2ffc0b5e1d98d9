//! The machine driven by whole stories and by random operations.

use super::*;
use crate::{
    claim::ClaimCode,
    form::PartId,
    health::{Condition, Device},
    ids::EnvelopeId,
    view::{CardHint, Printing, Proof, Screen, View},
    wire::{ClaimState, ClockQuality, NotSaved, Settled, Stamp},
};
use proptest::prelude::*;
use std::collections::BTreeMap;

mod brought;

const SERVICE: &str = r#"
id = "report"
minutes = 2
languages = ["en", "fr"]
[words.en]
title = "Report"
summary = "Tell us"
operator = "Council"
[words.fr]
title = "Signaler"
summary = "Dites-nous"
operator = "Mairie"
[card]
kind = "library"
field = "card"
[target]
authority = "example.org"
[answer]
reference = "/id"
[request]
kind = "xgov"
path = "/forms"
"#;

const FORM: &str = r#"{
 "name": "Report", "startPage": "/start", "sections": [], "conditions": [], "lists": [],
 "pages": [
  {"path": "/start", "title": "Start", "controller": "./pages/start.js", "components": [
    {"name": "p", "type": "Para", "content": "<p>Hello</p>", "options": {}}], "next": [{"path": "/what"}]},
  {"path": "/what", "title": "What", "components": [
    {"name": "what", "type": "TextField", "title": "What is it?", "options": {}, "schema": {}}], "next": [{"path": "/card"}]},
  {"path": "/card", "title": "Card", "components": [
    {"name": "card", "type": "TextField", "title": "Card number", "options": {"required": false}, "schema": {}}],
    "next": [{"path": "/summary"}]},
  {"path": "/summary", "title": "Check", "controller": "./pages/summary.js", "components": [], "next": []}
 ]}"#;

/// Counts up: never the same bytes twice.
struct Counting(u8);

impl Entropy for Counting {
    fn fill(&mut self, bytes: &mut [u8]) {
        self.0 = self.0.wrapping_add(1);
        bytes.fill(self.0);
    }
}

struct Story {
    kiosk: Kiosk,
    mono: Millis,
    commands: Vec<Command>,
}

impl Story {
    fn new() -> Self {
        Self::with_form(FORM)
    }

    fn with_form(form: &str) -> Self {
        let forms = ["en", "fr"].map(|l| (l.to_owned(), (format!("form.{l}.json"), form.to_owned())));
        let service = Service::parse("report", SERVICE, &BTreeMap::from(forms)).unwrap();
        let setup = Setup {
            place: "Library".into(),
            languages: vec!["en".into(), "fr".into()],
            claim_url: String::new(),
            limits: Limits::default(),
        };
        let catalogue = Catalogue::new(vec![service]).unwrap();
        let mut story =
            Self { kiosk: Kiosk::new(setup, catalogue, Box::new(Counting(0))), mono: 1, commands: vec![] };
        story.event(Event::AgentConnected(true));
        story.event(Event::Device(Device::Printer, Condition::Ready));
        story
    }

    fn now(&self) -> Now {
        let stamp = Stamp { unix_ms: 1_795_471_500_000, clock: ClockQuality::Synced };
        Now { mono: self.mono, stamp, offset_minutes: 0 }
    }

    fn event(&mut self, event: Event) {
        self.kiosk.handle_event(self.now(), event);
        while let Some(command) = self.kiosk.next_command() {
            self.commands.push(command);
        }
    }

    fn act(&mut self, act: Act) {
        self.event(Event::Citizen(act));
    }

    fn wait(&mut self, ms: Millis) {
        self.mono += ms;
        self.kiosk.handle_timeout(self.now());
        while let Some(command) = self.kiosk.next_command() {
            self.commands.push(command);
        }
    }

    fn view(&self) -> View {
        self.kiosk.view(self.now())
    }

    fn type_text(&mut self, text: &str) {
        self.act(Act::Edit { part: PartId::Value.as_str().into(), text: Secret::from(text) });
    }

    /// From the attract screen to the check page.
    fn fill_in(&mut self) {
        self.act(Act::Touch);
        self.act(Act::Language("en".into()));
        self.act(Act::Service("report".parse().unwrap()));
        self.act(Act::Begin);
        self.type_text("A hole in the road");
        self.act(Act::Next);
        self.act(Act::Next);
        assert_eq!(self.view().screen, Screen::Check);
    }

    /// Submits and returns the envelope's id.
    fn submit(&mut self) -> EnvelopeId {
        self.act(Act::Submit);
        self.last_id().unwrap()
    }

    fn printed(&self) -> usize {
        self.commands.iter().filter(|command| matches!(command, Command::Print(_))).count()
    }
}

mod nothing_is_claimed {
    use super::*;

    #[test]
    fn saved_is_shown_only_after_the_agent_said_so() {
        let mut story = Story::new();
        story.event(Event::Agent(ToShell::Link { up: false }));
        story.fill_in();
        let id = story.submit();
        assert_eq!(story.view().screen, Screen::Working);
        story.event(Event::Agent(ToShell::Saved { id }));
        assert_eq!(story.view().outcome.proof, Proof::SavedHere);
        assert_eq!(story.printed(), 1, "the link is down: nothing to wait for");
        assert_eq!(story.view().outcome.printing, Printing::Printing);
        story.event(Event::Printed(PrintResult::Unproven));
        assert_eq!(story.view().outcome.printing, Printing::Unproven);
    }

    #[test]
    fn news_never_goes_backwards() {
        let mut story = Story::new();
        story.fill_in();
        let id = story.submit();
        story.event(Event::Agent(ToShell::Settled { id, outcome: Settled::Sent }));
        story.event(Event::Agent(ToShell::Saved { id }));
        assert_eq!(story.view().outcome.proof, Proof::Sent);
        story.event(Event::Opened {
            id,
            answer: Some(Answered { status: 201, reference: Some("SR-1".into()) }),
        });
        story.event(Event::Agent(ToShell::Settled { id, outcome: Settled::Sent }));
        assert_eq!(story.view().outcome.proof, Proof::Answered);
        assert_eq!(story.view().outcome.reference, "SR-1");
    }

    #[test]
    fn a_refusal_by_the_service_is_a_matter_for_staff() {
        let mut story = Story::new();
        story.fill_in();
        let id = story.submit();
        story.event(Event::Agent(ToShell::Saved { id }));
        story.event(Event::Opened { id, answer: Some(Answered { status: 400, reference: None }) });
        assert_eq!(story.view().outcome.proof, Proof::NeedsStaff);
        assert_eq!(story.view().outcome.staff_code, "service-refused");
    }

    #[test]
    fn the_receipt_waits_for_an_answer_while_the_link_is_up() {
        let mut story = Story::new();
        story.fill_in();
        let id = story.submit();
        story.event(Event::Agent(ToShell::Saved { id }));
        assert_eq!(story.printed(), 0);
        story.event(Event::Opened { id, answer: Some(Answered { status: 201, reference: None }) });
        story.wait(1);
        assert_eq!(story.printed(), 1);
        story.wait(60_000);
        assert_eq!(
            story.view().outcome.printing,
            Printing::Unproven,
            "a printer that says nothing proves nothing"
        );
        assert_eq!(story.printed(), 1);
    }
}

mod nothing_is_lost {
    use super::*;

    #[test]
    fn silence_is_doubt_and_the_same_envelope_again() {
        let mut story = Story::new();
        story.fill_in();
        let id = story.submit();
        assert!(story.view().in_doubt && story.view().screen == Screen::Working);
        for _ in 0..3 {
            story.wait(15_000);
            assert!(matches!(story.commands.last(), Some(Command::Resend(again)) if *again == id));
        }
        let view = story.view();
        assert_eq!((view.outcome.proof, view.in_doubt), (Proof::Unknown, true));
        assert!(!view.outcome.claim.is_empty(), "if it was saved after all, the code finds it");
        story.act(Act::EndSession);
        assert!(story.view().ending, "somebody who leaves now does not know");
        story.act(Act::KeepGoing);
        story.event(Event::Agent(ToShell::Saved { id }));
        assert_eq!((story.view().outcome.proof, story.view().in_doubt), (Proof::SavedHere, false));
    }

    #[test]
    fn an_answer_made_wrong_from_the_check_page_counts_until_it_is_right() {
        let mut story = Story::new();
        story.fill_in();
        story.act(Act::Change("what".into()));
        story.type_text("");
        story.act(Act::Next);
        assert_eq!(story.view().screen, Screen::Question, "empty is no answer");
        story.act(Act::Back);
        assert_eq!(story.view().rows.len(), 2);
        story.submit();
    }

    #[test]
    fn a_question_that_a_change_opened_is_asked_before_sending() {
        let mut story = Story::with_form(&FORM.replace(
            r#""next": [{"path": "/card"}]}"#,
            r#""next": [{"path": "/card"}, {"path": "/more", "condition": "deep"}]}, {"path": "/more", "title": "More", "components": [
    {"name": "more", "type": "TextField", "title": "How deep?", "options": {}, "schema": {}}], "next": [{"path": "/card"}]}"#,
        ).replace(r#""conditions": []"#, r#""conditions": [{"name": "deep", "displayName": "deep", "value": "what == 'deep'"}]"#));
        story.fill_in();
        story.act(Act::Change("what".into()));
        story.type_text("deep");
        story.act(Act::Next);
        assert_eq!(story.view().question.unwrap().field, "more");
        story.act(Act::Back);
        assert_eq!(story.view().screen, Screen::Check);
        story.act(Act::Submit);
        assert!(story.last_id().is_none(), "one answer is missing");
        assert_eq!(story.view().question.unwrap().field, "more");
        story.type_text("a metre");
        story.act(Act::Next);
        assert_eq!(story.view().rows.len(), 3);
        story.submit();
    }

    #[test]
    fn an_agent_that_comes_back_gets_the_same_envelope() {
        let mut story = Story::new();
        story.fill_in();
        let id = story.submit();
        story.event(Event::AgentConnected(false));
        story.event(Event::AgentConnected(true));
        assert!(matches!(story.commands.last(), Some(Command::Resend(again)) if *again == id));
    }

    #[test]
    fn what_could_not_be_saved_is_still_on_the_screen() {
        let mut story = Story::new();
        story.fill_in();
        let id = story.submit();
        story.event(Event::Agent(ToShell::NotSaved { id, reason: NotSaved::Full }));
        let view = story.view();
        assert_eq!((view.screen, view.not_saved), (Screen::Check, "not-saved-full"));
        assert_eq!(view.rows.len(), 2);
        assert_ne!(story.submit(), id);
    }
}

mod never_a_blank_screen {
    use super::*;

    #[test]
    fn a_kiosk_that_cannot_save_says_why_and_comes_back_by_itself() {
        let mut story = Story::new();
        story.event(Event::AgentConnected(false));
        let view = story.view();
        assert_eq!((view.screen, view.out_of_service), (Screen::OutOfService, "K-101"));
        story.act(Act::Touch);
        assert_eq!(story.view().screen, Screen::OutOfService, "nobody begins what cannot be saved");
        story.event(Event::AgentConnected(true));
        assert_eq!(story.view().screen, Screen::Attract);
    }

    #[test]
    fn a_kiosk_without_services_says_so() {
        let mut story = Story::new();
        let catalogue = Catalogue::new(Vec::new()).unwrap();
        story.kiosk = Kiosk::new(story.kiosk.setup.clone(), catalogue, Box::new(Counting(0)));
        story.event(Event::AgentConnected(true));
        let view = story.view();
        assert_eq!((view.screen, view.out_of_service), (Screen::OutOfService, "K-102"));
    }
}

mod nobody_reads_it {
    use super::*;

    #[test]
    fn the_end_of_a_session_wipes_it() {
        let mut story = Story::new();
        story.fill_in();
        story.act(Act::EndSession);
        assert!(story.view().ending, "something would be lost: ask first");
        story.act(Act::KeepGoing);
        story.act(Act::EndSession);
        story.act(Act::EndSession);
        assert!(story.commands.iter().any(|command| matches!(command, Command::Wipe)));
        assert_eq!(
            story.view(),
            View { screen: Screen::Ended, language: "en".into(), link_up: true, ..View::default() }
        );
        story.act(Act::Touch);
        story.act(Act::Language("en".into()));
        story.act(Act::Service("report".parse().unwrap()));
        story.act(Act::Begin);
        assert_eq!(story.view().question.unwrap().parts[0].value, Secret::default());
    }

    #[test]
    fn somebody_who_walks_away_is_forgotten() {
        let mut story = Story::new();
        story.fill_in();
        story.wait(75_000);
        assert_eq!(story.view().seconds_left, Some(30));
        story.wait(30_000);
        assert_eq!(story.view().screen, Screen::Ended);
        story.wait(8_000);
        assert_eq!(story.view().screen, Screen::Attract);
    }

    #[test]
    fn a_card_fills_only_the_question_that_asked() {
        let mut story = Story::new();
        story.fill_in();
        story.act(Act::Change("what".into()));
        story.event(Event::Card(Card::Number(Secret::from("2000"))));
        assert_eq!(story.view().question.unwrap().parts[0].value, Secret::from("A hole in the road"));
        story.act(Act::Next);
        story.act(Act::Change("card".into()));
        assert!(matches!(story.commands.last(), Some(Command::ArmCardReader(true))));
        story.event(Event::Card(Card::Inserted));
        story.event(Event::Card(Card::Number(Secret::from("2000"))));
        let question = story.view().question.unwrap();
        assert_eq!((question.card, question.parts[0].value.clone()), (CardHint::Read, Secret::from("2000")));
        story.act(Act::Next);
        assert!(matches!(story.commands.last(), Some(Command::ArmCardReader(false))));
    }
}

#[test]
fn a_changed_answer_comes_back_to_the_check_page() {
    let mut story = Story::new();
    story.fill_in();
    story.act(Act::Change("what".into()));
    story.type_text("");
    story.act(Act::Next);
    assert_eq!(story.view().question.unwrap().problem.unwrap().code.as_str(), "required");
    story.type_text("A lamp is out");
    story.act(Act::Language("fr".into()));
    story.act(Act::Next);
    assert_eq!(story.view().screen, Screen::Check);
    assert_eq!(story.view().service.unwrap().title, "Signaler");
}

#[test]
fn a_claim_is_looked_up_without_anything_personal() {
    let mut story = Story::new();
    let code = ClaimCode::draw([7; 8]).unwrap();
    story.act(Act::Touch);
    story.act(Act::Language("en".into()));
    story.act(Act::OpenLookup);
    story.act(Act::TypeCode(Secret::from("7")));
    story.act(Act::LookUp);
    assert_eq!(story.view().code_problem, "length");
    story.act(Act::TypeCode(Secret::new(code.to_string())));
    story.act(Act::LookUp);
    assert_eq!(story.view().screen, Screen::LookingUp);
    let state = ClaimState::Answered { reference: Some("SR-7".into()) };
    let found = Lookup::Known { service: "report".parse().unwrap(), state };
    story.event(Event::Agent(ToShell::Found { claim: code.digest(), found }));
    assert_eq!(story.view().outcome.reference, "SR-7");
}

#[test]
fn without_an_agent_the_kiosk_says_so() {
    let mut story = Story::new();
    story.event(Event::AgentConnected(false));
    let view = story.view();
    assert_eq!((view.screen, view.out_of_service), (Screen::OutOfService, "K-101"));
    story.act(Act::Touch);
    assert_eq!(story.view().screen, Screen::OutOfService);
}

/// Anything a citizen, a device or the agent may do at any moment.
fn any_event() -> impl Strategy<Value = fn(&mut Story)> {
    let events: Vec<fn(&mut Story)> = vec![
        |s| s.act(Act::Touch),
        |s| s.act(Act::Language("en".into())),
        |s| s.act(Act::Service("report".parse().unwrap())),
        |s| s.act(Act::OpenLookup),
        |s| s.act(Act::Next),
        |s| s.act(Act::Next),
        |s| s.act(Act::Back),
        |s| s.type_text("word"),
        |s| s.type_text(""),
        |s| s.act(Act::Change("what".into())),
        |s| s.act(Act::Submit),
        |s| s.act(Act::EndSession),
        |s| s.act(Act::Finish),
        |s| s.act(Act::MoreTime),
        |s| s.act(Act::LookUp),
        |s| s.event(Event::Card(Card::Inserted)),
        |s| s.event(Event::Card(Card::Number(Secret::from("2000")))),
        |s| s.event(Event::Sheet(Sheet::Placed)),
        |s| s.event(Event::Printed(PrintResult::Proven)),
        |s| s.event(Event::AgentConnected(false)),
        |s| s.event(Event::AgentConnected(true)),
        |s| {
            if let Some(id) = s.last_id() {
                s.event(Event::Agent(ToShell::Saved { id }));
            }
        },
        |s| {
            if let Some(id) = s.last_id() {
                s.event(Event::Opened { id, answer: Some(Answered { status: 200, reference: None }) });
            }
        },
        |s| s.wait(5_000),
        |s| s.wait(40_000),
    ];
    prop::sample::select(events)
}

impl Story {
    fn last_id(&self) -> Option<EnvelopeId> {
        self.commands.iter().rev().find_map(|command| {
            if let Command::Submit(submission) = command { Some(submission.id) } else { None }
        })
    }

    fn verify_invariants(&self) {
        let submitted = self.commands.iter().filter(|c| matches!(c, Command::Submit(_))).count();
        assert!(self.printed() <= submitted, "a receipt for each transaction at most");
        let view = self.view();
        if !self.kiosk.in_session() {
            assert!(view.rows.is_empty() && view.question.is_none() && view.outcome.claim.is_empty());
            assert!(matches!(view.screen, Screen::Attract | Screen::Ended | Screen::OutOfService));
        }
        assert!(view.screen != Screen::OutOfService || !view.out_of_service.is_empty());
    }
}

proptest! {
    #[test]
    fn no_order_of_events_breaks_a_promise(events in prop::collection::vec(any_event(), 1..120)) {
        let mut story = Story::new();
        for event in events {
            event(&mut story);
            story.verify_invariants();
        }
    }
}
