//! What the citizen touches becomes an act for the machine.

use super::engine;
use crate::screen::{Act as Ui, App, Page};
use kiosk_core::{
    kiosk::{Act, Event},
    secret::Secret,
};
use slint::{ComponentHandle, Global, SharedString, platform::WindowEvent};

fn act(act: Act) {
    engine::post(Event::Citizen(act));
}

#[cfg(feature = "demo")]
thread_local! {
    /// What the screen said last about the focus; the demo's world has no ears.
    static SPOKEN: std::cell::RefCell<String> = const { std::cell::RefCell::new(String::new()) };
}

/// The label of the control that last got the focus.
#[cfg(feature = "demo")]
pub(crate) fn spoken() -> String {
    SPOKEN.with(|spoken| spoken.borrow().clone())
}

/// Connects every callback of the screen.
pub(super) fn connect(app: &App) {
    let ui = Ui::get(app);
    ui.on_touched(|| act(Act::Touch));
    ui.on_set_language(|code| act(Act::Language(code.into())));
    ui.on_choose_service(|id| {
        if let Ok(id) = id.parse() {
            act(Act::Service(id));
        }
    });
    ui.on_open_lookup(|| act(Act::OpenLookup));
    ui.on_begin(|| act(Act::Begin));
    ui.on_edit(|part, text| act(Act::Edit { part: part.into(), text: Secret::from(text.as_str()) }));
    ui.on_choose(|value| act(Act::Choose(value.into())));
    ui.on_next(|| act(Act::Next));
    ui.on_back(|| act(Act::Back));
    ui.on_change(|field| act(Act::Change(field.into())));
    ui.on_submit(|| act(Act::Submit));
    ui.on_scan(|| act(Act::Scan));
    ui.on_type_code(|text| act(Act::TypeCode(Secret::from(text.as_str()))));
    ui.on_look_up(|| act(Act::LookUp));
    ui.on_more_time(|| act(Act::MoreTime));
    ui.on_end_session(|| act(Act::EndSession));
    ui.on_keep_going(|| act(Act::KeepGoing));
    ui.on_finish(|| act(Act::Finish));
    #[cfg(feature = "demo")]
    ui.on_speak(|label| SPOKEN.with(|spoken| *spoken.borrow_mut() = label.into()));
    let window = app.as_weak();
    ui.on_toggle_text_size(move || {
        if let Some(app) = window.upgrade() {
            let page = Page::get(&app);
            page.set_large_text(!page.get_large_text());
        }
    });
    let window = app.as_weak();
    ui.on_toggle_contrast(move || {
        if let Some(app) = window.upgrade() {
            let page = Page::get(&app);
            page.set_high_contrast(!page.get_high_contrast());
        }
    });
    let window = app.as_weak();
    ui.on_key(move |text| {
        if let Some(app) = window.upgrade() {
            press(&app, &text);
        }
    });
}

/// Types one key of the on-screen keyboard into whatever has the focus.
fn press(app: &App, text: &SharedString) {
    for event in
        [WindowEvent::KeyPressed { text: text.clone() }, WindowEvent::KeyReleased { text: text.clone() }]
    {
        if let Err(error) = app.window().dispatch_event_with_result(event) {
            tracing::error!("on-screen key: {error}");
        }
    }
}
