//! What every cell has in common: a door in front of the device, a point at which to strike, one way to judge.
//!
//! ```text
//! driver -> Door -> device            the door refuses, delays, plugs in, as a cell wants it
//! driver -> Tap -> device             the tap strikes once, when the driver gets to the phase
//! ```

use super::Phase;
use hal::{DeviceError, Event, Health};
use std::{
    collections::BTreeSet,
    sync::{
        Arc, Condvar, Mutex,
        mpsc::{Receiver, RecvTimeoutError},
    },
    time::{Duration, Instant},
};

/// A device that was mended serves again within this.
pub(super) const RECOVERY_LIMIT: Duration = Duration::from_secs(3);

/// What a busy machine may add to any limit.
pub(super) const SLACK: Duration = Duration::from_secs(1);

/// How long whoever may open a node is found out after it was plugged in.
pub(super) const DENIED_FOR: Duration = Duration::from_secs(2);

/// Does something to the device, once.
pub(super) type Strike = Box<dyn FnOnce() + Send>;

/// How what was begun ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// Nothing was begun.
    Nothing,
    Well,
    /// Nobody knows.
    Unknown,
    NotReady,
    Interrupted,
    TimedOut,
    Gone,
    Torn,
    Mute,
    Unreadable,
    Garbled,
    /// What a hand did was taken back.
    Cancelled,
}

/// What becomes of a device that was pulled out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum After {
    /// It stays out until it is mended.
    Out,
    /// It is in again before the driver looks for it.
    Back,
    /// The same, but for two seconds this user may not open it.
    Denied,
    /// The same, but somebody else has it until it is mended.
    Owned,
}

#[derive(Default)]
struct Lock {
    after: Option<After>,
    denied_until: Option<Instant>,
    owned: bool,
}

/// Between a driver and the opening of its device.
#[derive(Clone, Default)]
pub(super) struct Door(Arc<Mutex<Lock>>);

impl Door {
    pub(super) fn set(&self, after: After) {
        self.0.lock().unwrap().after = Some(after);
    }

    /// Whoever else had it lets it go.
    pub(super) fn release(&self) {
        let mut lock = self.0.lock().unwrap();
        (lock.after, lock.owned) = (None, false);
    }

    /// Waits until this user may open the device, when it was plugged in already.
    pub(super) fn wait_allowed(&self) {
        let until = self.0.lock().unwrap().denied_until;
        if let Some(left) = until.and_then(|until| until.checked_duration_since(Instant::now())) {
            std::thread::park_timeout(left);
        }
    }

    /// What opening meets, once the device was pulled out; `plug` puts the plug in again.
    pub(super) fn pass(&self, plugged: bool, plug: impl Fn()) -> Result<(), DeviceError> {
        let mut lock = self.0.lock().unwrap();
        if !plugged {
            match lock.after.take() {
                None => {}
                Some(After::Out) => lock.after = Some(After::Out),
                Some(After::Back) => plug(),
                Some(After::Denied) => {
                    plug();
                    lock.denied_until = Some(Instant::now() + DENIED_FOR);
                }
                Some(After::Owned) => {
                    plug();
                    lock.owned = true;
                }
            }
        }
        if lock.denied_until.is_some_and(|until| Instant::now() < until) {
            return Err(DeviceError::Denied("/dev/simulated".to_owned()));
        }
        if lock.owned { Err(DeviceError::Busy) } else { Ok(()) }
    }
}

/// Where the driver passes by on its way to the device.
#[derive(Clone, Default)]
pub(super) struct Tap(Arc<(Mutex<Tapped>, Condvar)>);

#[derive(Default)]
struct Tapped {
    armed: Option<(Phase, Strike)>,
    struck: bool,
}

impl Tap {
    pub(super) fn arm(&self, phase: Phase, strike: Strike) {
        self.0.0.lock().unwrap().armed = Some((phase, strike));
    }

    /// The driver is in `phase` now; whether something struck.
    pub(super) fn at(&self, phase: Phase) -> bool {
        let mut tapped = self.0.0.lock().unwrap();
        let Some((_, strike)) = tapped.armed.take_if(|(wanted, _)| *wanted == phase) else { return false };
        drop(tapped);
        strike();
        self.0.0.lock().unwrap().struck = true;
        self.0.1.notify_all();
        true
    }

    /// Waits until it struck.
    pub(super) fn wait_struck(&self, what: &str) {
        let (tapped, changed) = &*self.0;
        let held =
            changed.wait_timeout_while(tapped.lock().unwrap(), RECOVERY_LIMIT, |tapped| !tapped.struck);
        assert!(held.unwrap().0.struck, "{what} was never got to");
    }
}

/// A kept device, its events, and the hand.
pub(super) trait Rig {
    /// Starts the driver.
    fn open(&mut self);
    fn tap(&self) -> Tap;
    fn events(&mut self) -> &mut Heard;
    /// Begins what ends with one completion.
    fn begin(&mut self);
    /// Whether this event completes what was begun, and how.
    fn completes(&self, event: &Event) -> Option<End>;
    /// Drops the handle.
    fn close(&mut self);
    /// Something new, from beginning to end; whether it went well.
    fn serves(&mut self) -> bool;
}

/// What was heard so far.
pub(super) struct Heard {
    pub(super) from: Receiver<Event>,
    pub(super) health: Option<Health>,
    /// Every health but *ready* and *opening*.
    pub(super) bad: BTreeSet<String>,
}

impl Heard {
    pub(super) fn new(from: Receiver<Event>) -> Self {
        Self { from, health: None, bad: BTreeSet::new() }
    }

    /// The next event, or `None` after `limit` or when the driver ended.
    pub(super) fn next(&mut self, limit: Duration) -> Result<Event, RecvTimeoutError> {
        let event = self.from.recv_timeout(limit)?;
        if let Event::Health { health, .. } = &event {
            self.health = Some(health.clone());
            if !matches!(health, Health::Ready | Health::Opening) {
                self.bad.insert(format!("{health:?}"));
            }
        }
        Ok(event)
    }

    pub(super) fn until_health(&mut self, wanted: impl Fn(&Health) -> bool, limit: Duration, what: &str) {
        let begun = Instant::now();
        while !self.health.as_ref().is_some_and(&wanted) {
            let left = limit.saturating_sub(begun.elapsed());
            let heard = self.next(left);
            assert!(heard.is_ok(), "not {what} after {limit:?}: {:?}", self.health);
        }
    }

    pub(super) fn until_ready(&mut self) {
        self.until_health(|health| *health == Health::Ready, RECOVERY_LIMIT + SLACK, "ready");
    }
}

/// One fault in one phase.
pub(super) struct Plan {
    pub(super) strike: Strike,
    /// Done once the fault was noticed, or at once where nothing is to be noticed.
    pub(super) mend: Strike,
    /// Mended before what was begun ends.
    pub(super) early: bool,
    /// The health says something while it is broken.
    pub(super) noticed: bool,
    /// How what was begun must end.
    pub(super) end: End,
    /// It may also have gone well: the answer was in the line when it broke.
    pub(super) or_well: bool,
    /// The completion comes within.
    pub(super) limit: Duration,
}

impl Plan {
    /// Nothing is noticed, and it is mended once what was begun has ended so.
    pub(super) fn new(strike: Strike, mend: Strike, end: End, limit: Duration) -> Self {
        Self { strike, mend, early: false, noticed: false, end, or_well: false, limit }
    }

    /// Pulled out, which is noticed, and what becomes of it then.
    pub(super) fn pulled(
        door: &Door,
        after: After,
        unplug: impl FnOnce() + Send + 'static,
        plug: impl FnOnce() + Send + 'static,
        end: End,
        limit: Duration,
    ) -> Self {
        let (out, door) = (door.clone(), door.clone());
        let strike = Box::new(move || {
            out.set(after);
            unplug();
        });
        let mend = Box::new(move || {
            door.wait_allowed();
            door.release();
            plug();
        });
        Self { noticed: true, ..Self::new(strike, mend, end, limit) }
    }
}

/// Nothing to do.
pub(super) fn nothing() -> Strike {
    Box::new(|| {})
}

/// Carries out `plan` in `phase`: strikes, hears the one completion, mends, and lets the device serve again.
pub(super) fn drive(rig: &mut dyn Rig, phase: Phase, plan: Plan) {
    let Plan { strike, mend, early, noticed, end, or_well, limit } = plan;
    let (tap, mut mend) = (rig.tap(), Some(mend));
    if phase == Phase::Opening {
        tap.arm(phase, strike);
        rig.open();
        tap.wait_struck("opening");
    } else {
        rig.open();
        rig.events().until_ready();
        if phase == Phase::Idle {
            strike();
        } else {
            tap.arm(phase, strike);
            rig.begin();
        }
    }
    match phase {
        Phase::Idle | Phase::Opening => {
            if noticed {
                let bad = |health: &Health| !matches!(health, Health::Ready);
                rig.events().until_health(bad, RECOVERY_LIMIT + SLACK, "noticed");
            }
        }
        Phase::MidWrite | Phase::Awaiting => {
            if early {
                tap.wait_struck("the phase");
                if noticed {
                    let bad = |health: &Health| !matches!(health, Health::Ready);
                    rig.events().until_health(bad, RECOVERY_LIMIT + SLACK, "noticed");
                }
                mend.take().into_iter().for_each(|mend| mend());
            }
            let ended = completion(rig, limit);
            assert!(ended == end || or_well && ended == End::Well, "completion {ended:?}, wanted {end:?}");
            tap.wait_struck("the phase");
        }
        Phase::Closing => closed(rig, end, limit),
    }
    mend.into_iter().for_each(|mend| mend());
    if phase == Phase::Closing {
        rig.open();
    }
    recovers(rig);
}

/// The completion of what was begun, by its deadline.
fn completion(rig: &mut dyn Rig, limit: Duration) -> End {
    let begun = Instant::now();
    loop {
        let left = (limit + SLACK).saturating_sub(begun.elapsed());
        let event = rig.events().next(left);
        let event = event.unwrap_or_else(|error| panic!("no completion within {limit:?}: {error}"));
        if let Some(end) = rig.completes(&event) {
            return end;
        }
    }
}

/// Drops the handle in the middle of everything: the thread ends, after one completion of what was begun.
fn closed(rig: &mut dyn Rig, end: End, limit: Duration) {
    let begun = Instant::now();
    rig.close();
    assert!(begun.elapsed() < limit + SLACK, "dropping took {:?}", begun.elapsed());
    let mut ends = Vec::new();
    loop {
        let left = (limit + SLACK).saturating_sub(begun.elapsed());
        match rig.events().next(left) {
            Ok(event) => ends.extend(rig.completes(&event)),
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => panic!("the driver's thread did not end within {limit:?}"),
        }
    }
    let wanted: &[End] = if end == End::Nothing { &[] } else { &[end] };
    assert_eq!(ends, wanted, "completions of what was under way");
}

/// Serves again within [`RECOVERY_LIMIT`], and nothing is completed that was not begun.
fn recovers(rig: &mut dyn Rig) {
    let begun = Instant::now();
    while !rig.serves() {
        assert!(
            begun.elapsed() < RECOVERY_LIMIT + SLACK,
            "not serving {RECOVERY_LIMIT:?} after it was mended"
        );
        match rig.events().next(Duration::from_millis(50)) {
            Ok(event) => assert_eq!(rig.completes(&event), None, "a second completion"),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => panic!("the driver's thread ended"),
        }
    }
    assert!(begun.elapsed() < RECOVERY_LIMIT + SLACK, "serving only after {:?}", begun.elapsed());
    while let Ok(event) = rig.events().next(Duration::ZERO) {
        assert_eq!(rig.completes(&event), None, "a second completion");
    }
}
