//! The pages, found by their accessible labels and touched where they are.
//!
//! One test function: a process has one Slint platform, and it stays on one thread.

use super::{Act, App, Choice, Input, Page, Part, Screen, headless::Headless, words};
use i_slint_backend_testing::{AccessibleRole, ElementHandle, ElementQuery};
use slint::{ComponentHandle, Global, ModelRc, SharedString, VecModel};
use std::{cell::RefCell, rc::Rc};

/// The least size of what a finger has to hit: 20 mm on a 21.5 inch screen.
const TARGET_MIN: f32 = 80.0;

#[test]
fn everybody_can_use_it() {
    let screen = Headless::install(1080, 1920).unwrap();
    let app = App::new().unwrap();
    app.show().unwrap();
    words::offer(&app, ["en", "fr", "cy", "ar"]).unwrap();
    let keys = screen.clone();
    Act::get(&app).on_key(move |text| keys.key(&text));

    typing_on_the_screen_reaches_the_box(&screen, &app);
    controls_are_large_enough_and_have_names(&screen, &app);
    words_follow_the_language(&screen, &app);
    an_idle_screen_draws_nothing(&screen);
    the_loop_wakes_for_work_and_ends(&app);
}

fn touch(screen: &Headless, app: &App, label: &str) {
    let found: Vec<_> = ElementHandle::find_by_accessible_label(app, label).collect();
    let element = found.first().unwrap_or_else(|| panic!("no {label:?} on the screen"));
    let (at, size) = (element.absolute_position(), element.size());
    let (x, y) = (at.x + size.width / 2.0, at.y + size.height / 2.0);
    screen.press(x, y);
    screen.release(x, y);
    screen.settle();
}

fn ask(screen: &Headless, app: &App, input: Input) {
    let page = Page::get(app);
    page.set_screen(Screen::Working);
    screen.settle();
    page.set_input(input);
    page.set_field_title("Where is the problem?".into());
    let ids: &[&str] = match input {
        Input::Date => &["day", "month", "year"],
        Input::Address => &["line1", "line2", "town", "county", "postcode"],
        Input::OneOf | Input::ManyOf | Input::Document => &[],
        Input::Text | Input::Multiline | Input::Number | Input::Email | Input::Telephone | Input::Website => {
            &["value"]
        }
    };
    let part = |id: &&str| Part { id: (*id).into(), value: SharedString::new(), wrong: false };
    page.set_parts(ModelRc::new(ids.iter().map(part).collect::<VecModel<_>>()));
    let choice = |label: &str| Choice { value: label.into(), label: label.into(), ..Choice::default() };
    let choices = if ids.is_empty() { vec![choice("Yes"), choice("No")] } else { Vec::new() };
    page.set_choices(ModelRc::new(VecModel::from(choices)));
    page.set_screen(Screen::Question);
    screen.settle();
}

fn typing_on_the_screen_reaches_the_box(screen: &Headless, app: &App) {
    let edits: Rc<RefCell<Vec<(String, String)>>> = Rc::default();
    let heard = Rc::clone(&edits);
    Act::get(app).on_edit(move |part, text| heard.borrow_mut().push((part.into(), text.into())));
    ask(screen, app, Input::Text);
    for label in ["Capitals", "M", "i", "Space", "l", "Delete", "7"] {
        touch(screen, app, label);
    }
    let texts: Vec<_> = edits.borrow().iter().map(|(_, text)| text.clone()).collect();
    assert_eq!(texts, ["M", "Mi", "Mi ", "Mi l", "Mi ", "Mi 7"]);
    assert!(edits.borrow().iter().all(|(part, _)| part == "value"));

    edits.borrow_mut().clear();
    ask(screen, app, Input::Date);
    for label in ["3", "1", "Next", "2"] {
        touch(screen, app, label);
    }
    let typed: Vec<_> = edits.borrow().iter().map(|(part, text)| format!("{part} {text}")).collect();
    assert_eq!(typed, ["day 3", "day 31", "month 2"]);

    touch(screen, app, "Continue");
    ask(screen, app, Input::Text);
    touch(screen, app, "Done");
    assert_eq!(ElementHandle::find_by_accessible_label(app, "Capitals").count(), 0, "the keyboard is away");
}

fn controls_are_large_enough_and_have_names(screen: &Headless, app: &App) {
    let page = Page::get(app);
    for (width, height) in [(1080_u16, 1920_u16), (1920, 1080)] {
        screen.resize(width.into(), height.into());
        for language in ["en", "fr", "cy", "ar"] {
            words::select(app, language).unwrap();
            for input in [Input::Text, Input::Date, Input::Address, Input::Email, Input::OneOf, Input::ManyOf]
            {
                ask(screen, app, input);
                check_controls(app, (width, height), language);
            }
            for other in [Screen::Language, Screen::Lookup, Screen::Ended, Screen::Outcome] {
                page.set_screen(other);
                screen.settle();
                check_controls(app, (width, height), language);
            }
        }
    }
    words::select(app, "en").unwrap();
    screen.resize(1080, 1920);
}

fn check_controls(app: &App, (width, height): (u16, u16), language: &str) {
    let roles = [
        AccessibleRole::Button,
        AccessibleRole::Checkbox,
        AccessibleRole::RadioButton,
        AccessibleRole::TextInput,
    ];
    let mut controls = 0;
    for role in roles {
        for control in ElementQuery::from_root(app).match_accessible_role(role).find_all() {
            let label = control.accessible_label().unwrap_or_default();
            let (at, size) = (control.absolute_position(), control.size());
            let place = format!("{language} {width}x{height} {label:?} at {at:?}, {size:?}");
            assert!(!label.is_empty(), "no name: {place}");
            assert!(size.width >= TARGET_MIN && size.height >= TARGET_MIN, "too small: {place}");
            assert!(at.x >= 0.0 && at.x + size.width <= f32::from(width) + 0.5, "off the side: {place}");
            assert!(at.y >= 0.0 && at.y + size.height <= f32::from(height) + 0.5, "off the end: {place}");
            controls += 1;
        }
    }
    assert!(controls >= 4, "{language}: only {controls} controls found");
}

fn words_follow_the_language(screen: &Headless, app: &App) {
    ask(screen, app, Input::OneOf);
    assert_eq!(ElementHandle::find_by_accessible_label(app, "Continue").count(), 1);
    words::select(app, "cy").unwrap();
    screen.settle();
    assert_eq!(ElementHandle::find_by_accessible_label(app, "Parhau").count(), 1);
    let end = |app: &App, label| {
        let found: Vec<_> = ElementHandle::find_by_accessible_label(app, label).collect();
        found.first().unwrap_or_else(|| panic!("no {label:?}")).absolute_position().x
    };
    assert!(end(app, "Gorffen y sesiwn") > 540.0);
    words::select(app, "ar").unwrap();
    screen.settle();
    assert!(end(app, "إنهاء الجلسة") < 540.0, "mirrored");
    assert!(words::select(app, "tlh").is_err());
    assert!(Page::get(app).get_rtl(), "an unknown language changes nothing");
    words::select(app, "en").unwrap();
}

fn an_idle_screen_draws_nothing(screen: &Headless) {
    screen.settle();
    while screen.draw() {}
    let frames = screen.frames();
    assert!(!screen.draw());
    assert_eq!(screen.frames(), frames);
    let picture = screen.picture(1920, 1080);
    assert_eq!((picture.width, picture.height, picture.rgb.len()), (1920, 1080, 1920 * 1080 * 3));
    assert_eq!(screen.size(), (1080, 1920), "a picture leaves the screen as it is");
}

fn the_loop_wakes_for_work_and_ends(app: &App) {
    let weak = app.as_weak();
    let other = std::thread::spawn(move || {
        weak.upgrade_in_event_loop(|app| {
            Page::get(&app).set_place("Town Hall".into());
            slint::quit_event_loop().unwrap();
        })
        .unwrap();
    });
    slint::run_event_loop().unwrap();
    other.join().unwrap();
    assert_eq!(Page::get(app).get_place(), "Town Hall");
}
