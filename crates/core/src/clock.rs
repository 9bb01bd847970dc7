//! The hybrid logical clock of one shard: never goes back, never runs past its durable reservation, and does not
//! follow a timestamp that is too far ahead.

use crate::{
    hlc::{Hlc, Now},
    limits::{CLOCK_SKEW_MS, HLC_MARGIN_MS, HLC_RESERVE_MS},
};

/// The clock.
#[derive(Debug)]
pub(crate) struct Clock {
    last: Hlc,
    reserved: Hlc,
    asked: Hlc,
}

impl Clock {
    /// Starts above `floor`; may run to `reserved`.
    pub(crate) fn new(floor: Hlc, reserved: Hlc) -> Clock {
        Clock { last: floor, reserved, asked: reserved }
    }

    /// The time to write on a message; is not used up.
    pub(crate) fn read(&self, now: Now) -> Hlc {
        self.last.max(Hlc::from_wall_ms(now.wall_ms))
    }

    /// A time above every one that this clock gave out; `None` if it is not reserved yet.
    pub(crate) fn mint(&mut self, now: Now) -> Option<Hlc> {
        let time = self.last.next().max(Hlc::from_wall_ms(now.wall_ms));
        if time > self.reserved {
            return None;
        }
        self.last = time;
        Some(time)
    }

    /// Follows a peer's time. False: it is too far ahead and was not adopted.
    pub(crate) fn observe(&mut self, time: Hlc, now: Now) -> bool {
        if time <= self.last {
            return true;
        }
        if time > Hlc::from_wall_ms(now.wall_ms.saturating_add(CLOCK_SKEW_MS)) {
            return false;
        }
        self.last = time;
        true
    }

    /// The reservation to ask for, when half of the present one is used up; each is asked for once. It follows the
    /// wall clock. A clock that is ahead gets but a margin, or else every restart, which begins above the
    /// reservation, would push it further.
    pub(crate) fn wants(&mut self, now: Now) -> Option<Hlc> {
        let (wall_ms, last_ms) = (now.wall_ms, self.last.wall_ms());
        let enough = (wall_ms + HLC_RESERVE_MS / 2).max(last_ms + HLC_MARGIN_MS / 2);
        if Hlc::from_wall_ms(enough) <= self.asked {
            return None;
        }
        self.asked = Hlc::from_wall_ms((wall_ms + HLC_RESERVE_MS).max(last_ms + HLC_MARGIN_MS));
        Some(self.asked)
    }

    /// How far it may be promised that nothing older will be minted or taken: the promise outlives a restart, which finds
    /// the reservation.
    pub(crate) fn promisable(&self, now: Now) -> Hlc {
        self.read(now).min(promisable(self.reserved))
    }

    /// A reservation is durable.
    pub(crate) fn reserve(&mut self, reserved: Hlc) {
        self.reserved = self.reserved.max(reserved);
        self.asked = self.asked.max(reserved);
    }
}

/// The latest promise that can have been made under a reservation: about the wall clock when it was asked for.
pub(crate) fn promisable(reserved: Hlc) -> Hlc {
    Hlc::from_wall_ms(reserved.wall_ms().saturating_sub(HLC_RESERVE_MS))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(wall_ms: u64) -> Now {
        Now { mono_ms: 0, wall_ms }
    }

    #[test]
    fn goes_on_when_the_wall_clock_steps_back() {
        let mut clock = Clock::new(Hlc::ZERO, Hlc::from_wall_ms(1_000_000));
        let first = clock.mint(at(1_000)).unwrap();
        let second = clock.mint(at(500)).unwrap();
        assert!(second > first);
    }

    #[test]
    fn does_not_follow_a_time_beyond_the_bound() {
        let mut clock = Clock::new(Hlc::ZERO, Hlc::from_wall_ms(1_000_000));
        assert!(clock.observe(Hlc::from_wall_ms(1_000 + CLOCK_SKEW_MS), at(1_000)));
        assert!(!clock.observe(Hlc::from_wall_ms(1_001 + CLOCK_SKEW_MS), at(1_000)));
        assert!(clock.mint(at(1_000)).unwrap() > Hlc::from_wall_ms(1_000 + CLOCK_SKEW_MS));
    }

    #[test]
    fn stays_below_its_reservation_and_asks_in_time() {
        let mut clock = Clock::new(Hlc::ZERO, Hlc::from_wall_ms(100));
        assert_eq!(clock.mint(at(101)), None);
        let wanted = clock.wants(at(101)).unwrap();
        assert_eq!(clock.wants(at(101)), None, "asked for once");
        clock.reserve(wanted);
        assert!(clock.mint(at(101)).is_some());
    }
}
