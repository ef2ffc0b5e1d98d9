//! The drawer beside the kiosk's window: causes what the outside world causes.
//!
//! Never: part of a unit's build (feature `demo`).

use crate::screen::Drawer;
use anyhow::{Context, Result};
use hal::{
    printer::{Cover, Paper},
    sim::{
        World,
        world::{CardKind, SheetKind},
    },
};
use slint::{ComponentHandle, PhysicalPosition};
use std::{cell::RefCell, io::Write, os::unix::net::UnixStream, path::Path, rc::Rc};

/// The number on the card that the drawer inserts.
const CARD: &str = "21234000045678";

/// Where the drawer opens: right of the kiosk's window, which a desktop puts at the left when asked so.
const BESIDE: PhysicalPosition = PhysicalPosition { x: 580, y: 0 };

/// Opens the drawer; it closes when dropped.
///
/// # Errors
/// When there is no window or nobody switches the link.
pub fn open(world_socket: &Path, world: World) -> Result<Drawer> {
    let drawer = Drawer::new().context("opening the drawer")?;
    let stream = UnixStream::connect(world_socket).context("the demo's world")?;
    let stream = Rc::new(RefCell::new(stream));
    let weak = drawer.as_weak();
    let at = world.clone();
    drawer.on_card(move |insert| {
        if insert {
            at.insert_card(CardKind::Library { number: CARD.into() });
        } else {
            at.pull_card();
        }
        let _ = weak.upgrade().map(|drawer| drawer.set_card_in(insert));
    });
    let (weak, at) = (drawer.as_weak(), world.clone());
    drawer.on_sheet(move |lay| {
        if lay {
            at.place_sheet(SheetKind::Letter);
        } else {
            at.remove_sheet();
        }
        let _ = weak.upgrade().map(|drawer| drawer.set_sheet_on(lay));
    });
    let (weak, at) = (drawer.as_weak(), world.clone());
    drawer.on_paper(move |out| {
        at.printer().set_paper(if out { Paper::Out } else { Paper::Ok });
        let _ = weak.upgrade().map(|drawer| drawer.set_paper_out(out));
    });
    let (weak, at) = (drawer.as_weak(), world);
    drawer.on_cover(move |open| {
        at.printer().set_cover(if open { Cover::Open } else { Cover::Closed });
        let _ = weak.upgrade().map(|drawer| drawer.set_cover_open(open));
    });
    let weak = drawer.as_weak();
    drawer.on_link(move |cut| {
        let said = writeln!(stream.borrow_mut(), "link {}", if cut { "down" } else { "up" });
        match (said, weak.upgrade()) {
            (Ok(()), Some(drawer)) => drawer.set_link_cut(cut),
            (said, _) => tracing::warn!("the link's switch: {said:?}"),
        }
    });
    drawer.show()?;
    drawer.window().set_position(BESIDE);
    Ok(drawer)
}
