//! When a list has been read whole: pages in, the next question out.
//!
//! GeoReport v2 limits a list to 90 days or 1000 requests, *whichever is smallest* (GET Service Requests,
//! Response Volume), and has no pages. Servers have their own: Chicago's counts `page` from 1 and lists 50
//! unless `page_size` says otherwise, others count from 0, FixMyStreet's lists a configured number of the
//! newest and knows neither. So nothing is assumed:
//!
//! ```text
//! walk: no page ----> page=1 -----> page=2 -----> ... -----> empty --+
//!          |            |             |                              |
//!          |            |             +-- nothing that the first     +--> walk again; nothing
//!          |            |                 list had not: ask for           changed: whole
//!          |            |                 everything (no code, no
//!          |            |                 date); longer than the
//!          |            |                 first list: whole
//!          |            +-- the first list again, where pages count from 1
//!          +-- empty: whole, as no limit is nought
//! ```
//!
//! A second walk over one page ends with its first list. A longer list from the same server proves that its
//! limit did not cut the shorter one.
//!
//! Promises: *whole* only if an entry that was there all the time was seen, whatever the server's limit,
//! order and way of counting, and also when one entry comes or goes between two questions.
//! Never: asks for more than [`PAGES_MAX`] pages in one walk, or walks more than twice.

use super::page::Page;
use std::{collections::BTreeSet, mem};

/// Pages in one walk: the 1000 requests of the standard on pages of 50, and the empty one behind them.
pub(super) const PAGES_MAX: usize = 21;

/// A list to ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Want {
    /// The envelope's service code and time, without a page.
    First,
    /// The same with `page`.
    Page(usize),
    /// Whatever the server lists unasked.
    Everything,
}

/// What a page led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Another list.
    Ask(Want),
    /// All there is was seen.
    Whole,
    /// That cannot be known, and why.
    Unsure(&'static str),
}

/// What one walk saw.
#[derive(Debug, Default, PartialEq, Eq)]
struct Walk {
    ids: BTreeSet<String>,
    /// How many pages had something new.
    pages: usize,
}

/// The state of one search.
#[derive(Debug)]
pub(super) struct Search {
    want: Want,
    walk: Walk,
    earlier: Option<Walk>,
    /// Entries in the first list of this walk.
    first_len: usize,
    /// Some entry has a description.
    described: bool,
}

impl Search {
    /// A search and its first question.
    pub(super) fn begin() -> (Self, Want) {
        let want = Want::First;
        let search = Self { want, walk: Walk::default(), earlier: None, first_len: 0, described: false };
        (search, want)
    }

    /// Takes the list that was asked for, in which our entry was not.
    pub(super) fn handle(&mut self, page: Page) -> Next {
        let len = page.ids.len();
        self.described |= page.described;
        let known = self.walk.ids.len();
        if self.want != Want::Everything {
            self.walk.ids.extend(page.ids);
        }
        let news = self.walk.ids.len() > known;
        self.walk.pages += usize::from(news);
        match self.want {
            Want::First => {
                self.first_len = len;
                let single = |walk: &Walk| walk.pages < 2 && *walk == self.walk;
                if len == 0 || self.earlier.as_ref().is_some_and(single) {
                    self.walked()
                } else {
                    self.ask(Want::Page(1))
                }
            }
            Want::Page(_) if len == 0 => self.walked(),
            Want::Page(n) if news || n == 1 => {
                if n < PAGES_MAX {
                    self.ask(Want::Page(n + 1))
                } else {
                    Next::Unsure("the list has too many pages")
                }
            }
            Want::Page(_) if self.walk.pages == 1 => self.ask(Want::Everything),
            Want::Page(_) => self.walked(),
            Want::Everything if len > self.first_len => self.whole(),
            Want::Everything => Next::Unsure("the list may be cut short"),
        }
    }

    fn ask(&mut self, want: Want) -> Next {
        self.want = want;
        Next::Ask(want)
    }

    /// One walk is over: an empty one proves itself, any other must come out the same again.
    fn walked(&mut self) -> Next {
        match &self.earlier {
            Some(earlier) if *earlier == self.walk => self.whole(),
            Some(_) => Next::Unsure("the list changed while it was read"),
            None if self.walk.ids.is_empty() => Next::Whole,
            None => {
                self.earlier = Some(mem::take(&mut self.walk));
                self.ask(Want::First)
            }
        }
    }

    /// A server that shows no descriptions shows no mark either.
    fn whole(&self) -> Next {
        if self.described { Next::Whole } else { Next::Unsure("the list has no descriptions") }
    }
}

#[cfg(test)]
mod nothing_is_doubled;
