//! Touches from hal become Slint's pointer events.
//!
//! Promises: one finger at a time: a second finger changes nothing until the first is up; a cancelled
//! touch presses nothing.

use hal::pointer::{Event, Kind};
use slint::{
    LogicalPosition, Window,
    platform::{PointerEventButton, WindowEvent},
};

/// The only slot that is heard.
const FIRST: u8 = 0;

/// Sends one touch to the window.
pub(super) fn dispatch(window: &Window, event: Event) {
    if event.slot != FIRST {
        return;
    }
    let size = window.size().to_logical(window.scale_factor());
    let position = LogicalPosition::new(event.x * size.width, event.y * size.height);
    let button = PointerEventButton::Left;
    let events = match event.kind {
        Kind::Down => {
            vec![WindowEvent::PointerMoved { position }, WindowEvent::PointerPressed { position, button }]
        }
        Kind::Move => vec![WindowEvent::PointerMoved { position }],
        // Leaving afterwards: a finger does not hover.
        Kind::Up => vec![WindowEvent::PointerReleased { position, button }, WindowEvent::PointerExited],
        Kind::Cancel => vec![WindowEvent::PointerExited],
    };
    for event in events {
        if let Err(error) = window.dispatch_event_with_result(event) {
            tracing::error!("touch: {error}");
        }
    }
}
