//! How a printer is, from the bits it sends.
//!
//! ```text
//! DLE EOT n   one byte, asked for          GS a   four bytes, sent on each change
//! n=1  b3 offline                          byte 1 b3 offline, b5 cover open
//! n=2  b2 cover open                       byte 2 b2 mechanical, b3 cutter, b5 unrecoverable, b6 hot
//! n=3  b2 mechanical, b3 cutter,           byte 3 b0 b1 near end, b2 b3 end
//!      b5 unrecoverable, b6 recovers       byte 4 reserved
//! n=4  b2 b3 near end, b5 b6 end
//!
//! DLE EOT 20  10h 0Fh and four bytes, on printers with a presenter
//!      1  b0 no paper, b2 near end, b5 receipt in the mouth    3  b0 head hot, b6 jam, b7 no mark
//!      2  b0 head up, b1 cover open                            4  b0 b1 cutter, b2 b3 memory, b7 presenter
//! ```
//! Source: Epson ESC/POS command reference, `DLE EOT` and `GS a`; for `DLE EOT 20` the command tables of
//! Custom's VKP80III, as the public Python driver vkp80iii gives them, and of the KPM210.
//!
//! Promises: what was never told is `Unknown`. Never: waits, asks.

use super::escpos::RealTime;
use crate::{device::Trouble, transport::usb::PortStatus};
use std::collections::BTreeSet;

/// The paper roll.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Paper {
    /// Never told.
    #[default]
    Unknown,
    /// Enough.
    Ok,
    /// Nearly at its end.
    Low,
    /// None.
    Out,
    /// Stuck.
    Jammed,
}

/// The cover over the roll.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Cover {
    /// Closed.
    Closed,
    /// Open: nothing prints.
    Open,
    /// Never told.
    #[default]
    Unknown,
}

/// The cutter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Cutter {
    /// Never told.
    #[default]
    Unknown,
    /// Works.
    Ok,
    /// Stuck.
    Stuck,
}

/// The print head and what else clears by itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Head {
    /// Never told.
    #[default]
    Unknown,
    /// Works.
    Ok,
    /// Too hot; clears by itself.
    Hot,
}

/// A receipt in the mouth of a printer with a presenter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Media {
    /// Never told, or no presenter.
    #[default]
    Unknown,
    /// None.
    NotPresent,
    /// One waits to be taken or pulled back.
    Presented,
    /// One was neither taken nor pulled back in its time: nothing is printed over it.
    Abandoned,
}

/// How a printer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PrinterStatus {
    /// Takes data.
    pub online: bool,
    /// The paper roll.
    pub paper: Paper,
    /// The cover.
    pub cover: Cover,
    /// The cutter.
    pub cutter: Cutter,
    /// The print head.
    pub head: Head,
    /// Only switching off and on helps.
    pub needs_reset: bool,
    /// The presenter.
    pub media: Media,
}

/// A printer nothing is known about: on line, all else unknown.
impl Default for PrinterStatus {
    fn default() -> Self {
        Self {
            online: true,
            paper: Paper::Unknown,
            cover: Cover::Unknown,
            cutter: Cutter::Unknown,
            head: Head::Unknown,
            needs_reset: false,
            media: Media::Unknown,
        }
    }
}

impl PrinterStatus {
    /// What is wrong, as codes. [`Trouble::Offline`] only when nothing else explains it.
    #[must_use]
    pub fn troubles(&self) -> BTreeSet<Trouble> {
        let mut troubles = BTreeSet::new();
        match self.paper {
            Paper::Unknown | Paper::Ok => {}
            Paper::Low => drop(troubles.insert(Trouble::PaperLow)),
            Paper::Out => drop(troubles.insert(Trouble::PaperOut)),
            Paper::Jammed => drop(troubles.insert(Trouble::Jam)),
        }
        if self.cover == Cover::Open {
            troubles.insert(Trouble::CoverOpen);
        }
        if self.cutter == Cutter::Stuck {
            troubles.insert(Trouble::Cutter);
        }
        if self.head == Head::Hot {
            troubles.insert(Trouble::HeadHot);
        }
        if self.media == Media::Abandoned {
            troubles.insert(Trouble::ReceiptLeft);
        }
        if self.needs_reset {
            troubles.insert(Trouble::NeedsReset);
        }
        if !self.online && troubles.iter().all(|trouble| !stops(*trouble)) {
            troubles.insert(Trouble::Offline);
        }
        troubles
    }

    /// The troubles that stop printing: all but low paper.
    #[must_use]
    pub fn stopped_by(&self) -> BTreeSet<Trouble> {
        self.troubles().into_iter().filter(|trouble| stops(*trouble)).collect()
    }

    /// Takes in the answer to `DLE EOT n`.
    pub(crate) fn answer(&mut self, asked: RealTime, byte: u8) {
        match asked {
            RealTime::Printer => self.online = byte & 0x08 == 0,
            RealTime::OfflineCause => self.cover = cover(byte & 0x04 != 0),
            RealTime::ErrorCause => self.errors(byte),
            RealTime::Paper => self.roll(byte & 0x0C != 0, byte & 0x60 != 0),
        }
    }

    /// Takes in a USB port status: only that paper is out is believed, as the other lines are fixed on many
    /// receipt printers.
    pub(crate) fn port(&mut self, port: PortStatus) {
        self.paper = if port.paper_out { Paper::Out } else { Paper::Unknown };
    }

    /// Takes in four bytes of automatic status.
    pub(crate) fn automatic(&mut self, [first, second, third, _]: [u8; 4]) {
        self.online = first & 0x08 == 0;
        self.cover = cover(first & 0x20 != 0);
        self.errors(second);
        self.roll(third & 0x03 != 0, third & 0x0C != 0);
    }

    /// Takes in the four bytes of a full status; what is there stays abandoned until it is gone.
    pub(crate) fn full(&mut self, [paper, user, recoverable, unrecoverable]: [u8; 4]) {
        self.paper = Paper::Unknown;
        self.roll(paper & 0x04 != 0, paper & 0x01 != 0);
        self.media = match (paper & 0x20 != 0, self.media) {
            (false, _) => Media::NotPresent,
            (true, Media::Abandoned) => Media::Abandoned,
            (true, Media::Unknown | Media::NotPresent | Media::Presented) => Media::Presented,
        };
        self.cover = cover(user & 0x03 != 0);
        self.head = if recoverable & 0x01 == 0 { Head::Ok } else { Head::Hot };
        self.cutter = if unrecoverable & 0x03 == 0 { Cutter::Ok } else { Cutter::Stuck };
        self.needs_reset = unrecoverable & 0x0C != 0;
        // A jam on the way or in the presenter, or a black mark that was not found.
        if recoverable & 0xC0 != 0 || unrecoverable & 0x80 != 0 {
            self.paper = Paper::Jammed;
        }
    }

    fn errors(&mut self, byte: u8) {
        self.cutter = if byte & 0x08 == 0 { Cutter::Ok } else { Cutter::Stuck };
        self.head = if byte & 0x40 == 0 { Head::Ok } else { Head::Hot };
        self.needs_reset = byte & 0x20 != 0;
        if byte & 0x04 != 0 {
            self.paper = Paper::Jammed;
        } else if self.paper == Paper::Jammed {
            self.paper = Paper::Unknown;
        }
    }

    fn roll(&mut self, near_end: bool, end: bool) {
        // A jam stays one until the errors say otherwise: the roll is fine all the while.
        if self.paper == Paper::Jammed {
            return;
        }
        self.paper = match (end, near_end) {
            (true, _) => Paper::Out,
            (false, true) => Paper::Low,
            (false, false) => Paper::Ok,
        };
    }
}

fn cover(open: bool) -> Cover {
    if open { Cover::Open } else { Cover::Closed }
}

fn stops(trouble: Trouble) -> bool {
    match trouble {
        Trouble::PaperLow => false,
        Trouble::PaperOut
        | Trouble::CoverOpen
        | Trouble::Cutter
        | Trouble::HeadHot
        | Trouble::Jam
        | Trouble::Offline
        | Trouble::NeedsReset
        | Trouble::ReceiptLeft
        | Trouble::NotTalking => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(asked: RealTime, byte: u8) -> Vec<Trouble> {
        let mut status = PrinterStatus::default();
        status.answer(asked, byte);
        status.troubles().into_iter().collect()
    }

    #[test]
    fn a_jam_is_not_forgotten_when_the_roll_is_asked_for() {
        let mut status = PrinterStatus::default();
        status.answer(RealTime::ErrorCause, 0x16);
        status.answer(RealTime::Paper, 0x12);
        assert_eq!(status.paper, Paper::Jammed);
        status.answer(RealTime::ErrorCause, 0x12);
        status.answer(RealTime::Paper, 0x12);
        assert_eq!(status.paper, Paper::Ok);
        status.automatic([0x14, 0x04, 0, 0x0F]);
        assert_eq!(status.paper, Paper::Jammed);
        status.automatic([0x14, 0, 0x03, 0x0F]);
        assert_eq!(status.paper, Paper::Low);
    }

    #[test]
    fn full_status_bits_are_those_of_the_table() {
        for (bytes, media, troubles) in [
            ([0x00, 0, 0, 0], Media::NotPresent, vec![]),
            ([0x20, 0, 0, 0], Media::Presented, vec![]),
            ([0x21, 0, 0, 0], Media::Presented, vec![Trouble::PaperOut]),
            ([0x04, 0x02, 0, 0], Media::NotPresent, vec![Trouble::PaperLow, Trouble::CoverOpen]),
            ([0, 0, 0x80, 0], Media::NotPresent, vec![Trouble::Jam]),
            ([0, 0, 0x41, 0x01], Media::NotPresent, vec![Trouble::Cutter, Trouble::HeadHot, Trouble::Jam]),
            ([0x20, 0, 0, 0x84], Media::Presented, vec![Trouble::Jam, Trouble::NeedsReset]),
        ] {
            let mut status = PrinterStatus::default();
            status.full(bytes);
            assert_eq!(
                (status.media, status.troubles().into_iter().collect()),
                (media, troubles),
                "{bytes:x?}"
            );
        }
        let mut left = PrinterStatus { media: Media::Abandoned, ..PrinterStatus::default() };
        left.full([0x20, 0, 0, 0]);
        assert!(left.stopped_by().contains(&Trouble::ReceiptLeft));
        left.full([0; 4]);
        assert_eq!(left.media, Media::NotPresent);
    }

    #[test]
    fn real_time_bits_are_those_of_the_manual() {
        assert_eq!(after(RealTime::Printer, 0x16), []);
        assert_eq!(after(RealTime::Printer, 0x1E), [Trouble::Offline]);
        assert_eq!(after(RealTime::OfflineCause, 0x16), [Trouble::CoverOpen]);
        assert_eq!(after(RealTime::ErrorCause, 0x1A), [Trouble::Cutter]);
        assert_eq!(after(RealTime::ErrorCause, 0x16), [Trouble::Jam]);
        assert_eq!(after(RealTime::ErrorCause, 0x32), [Trouble::NeedsReset]);
        assert_eq!(after(RealTime::ErrorCause, 0x52), [Trouble::HeadHot]);
        assert_eq!(after(RealTime::Paper, 0x12), []);
        assert_eq!(after(RealTime::Paper, 0x1E), [Trouble::PaperLow]);
        assert_eq!(after(RealTime::Paper, 0x7E), [Trouble::PaperOut]);
    }

    #[test]
    fn automatic_bits_are_those_of_the_manual() {
        for (quad, troubles) in [
            ([0x14, 0x00, 0x00, 0x0F], vec![]),
            ([0x14, 0x00, 0x03, 0x0F], vec![Trouble::PaperLow]),
            ([0x1C, 0x00, 0x0F, 0x0F], vec![Trouble::PaperOut]),
            ([0x38, 0x00, 0x00, 0x0F], vec![Trouble::CoverOpen]),
            ([0x18, 0x08, 0x00, 0x0F], vec![Trouble::Cutter]),
            ([0x18, 0x04, 0x00, 0x0F], vec![Trouble::Jam]),
            ([0x18, 0x00, 0x00, 0x0F], vec![Trouble::Offline]),
        ] {
            let mut status = PrinterStatus::default();
            status.automatic(quad);
            assert_eq!(status.troubles().into_iter().collect::<Vec<_>>(), troubles, "{quad:02x?}");
        }
    }

    #[test]
    fn low_paper_stops_nothing() {
        let status = PrinterStatus { paper: Paper::Low, ..PrinterStatus::default() };
        assert_eq!(status.troubles().len(), 1);
        assert!(status.stopped_by().is_empty());
    }
}
