//! A search against model servers: every way of paging, every limit, and one change at any moment.

use super::*;
use proptest::prelude::*;

/// How a server takes `page`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Paging {
    /// The first page is 1, and none follows the last.
    FromOne,
    /// The first page is 0.
    FromZero,
    /// The first page is 1, and the last is shown again instead of one that is not there.
    Clamped,
    /// Not at all: the first list is all there is to see.
    Ignored,
}

/// An entry; ours is called `ours`, and `elsewhere` is for another service code.
#[derive(Clone, Debug)]
struct Server {
    oldest_first: Vec<String>,
    elsewhere: usize,
    limit: usize,
    newest_first: bool,
    paging: Paging,
}

/// What comes or goes before the question with this number.
#[derive(Clone, Copy, Debug)]
enum Change {
    Nothing,
    Comes { before: usize },
    Goes { before: usize, nth: usize },
}

#[derive(Debug, PartialEq, Eq)]
enum End {
    Found,
    Whole,
    Unsure(&'static str),
}

impl Server {
    fn list(&self, want: Want) -> Vec<String> {
        let mut all = self.oldest_first.clone();
        if want == Want::Everything {
            all.extend((0..self.elsewhere).map(|n| format!("elsewhere {n}")));
        }
        if self.newest_first {
            all.reverse();
        }
        let last = all.len().saturating_sub(1) / self.limit;
        let page = match (want, self.paging) {
            (Want::First | Want::Everything, _) | (Want::Page(_), Paging::Ignored) => 0,
            (Want::Page(n), Paging::FromZero) => n,
            (Want::Page(n), Paging::FromOne) => n - 1,
            (Want::Page(n), Paging::Clamped) => (n - 1).min(last),
        };
        all.into_iter().skip(page * self.limit).take(self.limit).collect()
    }

    /// How a search ends, and after how many questions.
    fn search(mut self, change: Change) -> (End, usize) {
        let (mut search, mut want) = Search::begin();
        for question in 0.. {
            match change {
                Change::Comes { before } if before == question => self.oldest_first.push("late".to_owned()),
                Change::Goes { before, nth } if before == question && nth < self.oldest_first.len() => {
                    if self.oldest_first[nth] != "ours" {
                        self.oldest_first.remove(nth);
                    }
                }
                Change::Nothing | Change::Comes { .. } | Change::Goes { .. } => {}
            }
            let ids = self.list(want);
            if ids.iter().any(|id| id == "ours") {
                return (End::Found, question + 1);
            }
            want = match search.handle(Page { ids, described: true }) {
                Next::Ask(next) => next,
                Next::Whole => return (End::Whole, question + 1),
                Next::Unsure(why) => return (End::Unsure(why), question + 1),
            };
        }
        unreachable!()
    }
}

fn server(others: usize, limit: usize, paging: Paging) -> Server {
    let oldest_first = (0..others).map(|n| n.to_string()).collect();
    Server { oldest_first, elsewhere: 0, limit, newest_first: false, paging }
}

#[test]
fn an_empty_list_is_whole_at_once() {
    for paging in [Paging::FromOne, Paging::FromZero, Paging::Clamped, Paging::Ignored] {
        assert_eq!(server(0, 50, paging).search(Change::Nothing), (End::Whole, 1));
    }
}

#[test]
fn one_page_is_whole_when_the_next_is_empty_and_it_is_still_the_same() {
    assert_eq!(server(3, 50, Paging::FromOne).search(Change::Nothing), (End::Whole, 4));
    assert_eq!(server(3, 50, Paging::FromZero).search(Change::Nothing), (End::Whole, 3));
}

#[test]
fn several_pages_are_read_twice() {
    assert_eq!(server(5, 2, Paging::FromOne).search(Change::Nothing), (End::Whole, 10));
    assert_eq!(server(5, 2, Paging::FromZero).search(Change::Nothing), (End::Whole, 8));
    assert_eq!(server(5, 2, Paging::Clamped).search(Change::Nothing), (End::Whole, 10));
    let late = Change::Comes { before: 6 };
    let changed = End::Unsure("the list changed while it was read");
    assert_eq!(server(5, 2, Paging::FromOne).search(late).0, changed);
}

#[test]
fn without_pages_only_a_longer_list_proves_that_this_one_is_whole() {
    let mut ignoring = server(3, 20, Paging::Ignored);
    let cut = End::Unsure("the list may be cut short");
    assert_eq!(ignoring.clone().search(Change::Nothing), (cut, 4));
    ignoring.elsewhere = 1;
    assert_eq!(ignoring.clone().search(Change::Nothing), (End::Whole, 4));
    ignoring.limit = 3;
    let cut = End::Unsure("the list may be cut short");
    assert_eq!(ignoring.search(Change::Nothing), (cut, 4));
}

#[test]
fn a_walk_ends() {
    let fits = PAGES_MAX - 1;
    assert_eq!(server(fits, 1, Paging::FromOne).search(Change::Nothing), (End::Whole, 2 * (PAGES_MAX + 1)));
    let long = server(PAGES_MAX, 1, Paging::FromOne).search(Change::Nothing);
    assert_eq!(long, (End::Unsure("the list has too many pages"), PAGES_MAX + 1));
}

#[test]
fn a_list_without_descriptions_proves_nothing() {
    let (mut search, _) = Search::begin();
    let page = |n: usize| Page { ids: (0..n).map(|n| n.to_string()).collect(), described: false };
    let ends = [1, 1, 0, 1].map(|n| search.handle(page(n)));
    assert_eq!(ends.last(), Some(&Next::Unsure("the list has no descriptions")));
}

fn servers() -> impl Strategy<Value = Server> {
    let paging =
        prop::sample::select(vec![Paging::FromOne, Paging::FromZero, Paging::Clamped, Paging::Ignored]);
    (0_usize..12, 0_usize..4, 1_usize..8, any::<bool>(), paging).prop_map(
        |(others, elsewhere, limit, newest_first, paging)| Server {
            elsewhere,
            newest_first,
            ..server(others, limit, paging)
        },
    )
}

fn changes() -> impl Strategy<Value = Change> {
    prop_oneof![
        Just(Change::Nothing),
        (0_usize..30).prop_map(|before| Change::Comes { before }),
        (0_usize..30, 0_usize..12).prop_map(|(before, nth)| Change::Goes { before, nth }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_096))]

    #[test]
    fn what_is_there_is_never_missed(server in servers(), place in 0_usize..13, change in changes()) {
        let mut server = server;
        server.oldest_first.insert(place.min(server.oldest_first.len()), "ours".to_owned());
        let (end, _) = server.search(change);
        prop_assert_ne!(end, End::Whole);
    }

    #[test]
    fn what_is_not_there_is_known_not_to_be_where_pages_are(server in servers(), from_one: bool) {
        let paging = if from_one { Paging::FromOne } else { Paging::FromZero };
        let server = Server { paging, ..server };
        prop_assert_eq!(server.search(Change::Nothing).0, End::Whole);
    }
}
