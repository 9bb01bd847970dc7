//! One command over several keys: as many requests, a window of them in flight at a time, one reply. The window is
//! narrower where the answers are large.
//!
//! A key that is not available fails the whole command; after the first failure no further request starts. A
//! write that failed after another one was applied is unknown as a whole, never "not applied".

use super::failure::Failure;
use crate::limits::{CONNECTION_REPLY_BYTES, GATHER_BYTES, GATHER_WINDOW};
use bytes::Bytes;
use clockwise_core::{
    request::{Basis, Level, Op, Outcome, Rejected, Request},
    version::Value,
};
use clockwise_wire::command::Keys;

/// Keys of a command, one by one.
pub(crate) type KeysIter = <Keys as IntoIterator>::IntoIter;

/// What is made of the answers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Wanted {
    /// The value of each key (`MGET`).
    Values,
    /// That all is written (`MSET`).
    Done,
    /// How many keys there were (`EXISTS`, `DEL`).
    Present,
    /// The sum of counts (`DBSIZE`).
    Sum,
}

/// What is asked of the keys. Requests are made one by one when they start: a command may name a million keys.
#[derive(Debug)]
pub(crate) struct Requests {
    pub(crate) keys: KeysLeft,
    pub(crate) level: Level,
    pub(crate) timeout_ms: u64,
}

/// Keys whose requests have not started.
#[derive(Debug)]
pub(crate) enum KeysLeft {
    /// To be read.
    Get(KeysIter),
    /// To be deleted.
    Delete(KeysIter),
    /// To be set.
    Set(std::vec::IntoIter<(Bytes, Bytes)>),
    /// None: whoever made the gathering started everything.
    Nothing,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Gather {
    wanted: Wanted,
    requests: Requests,
    next: u32,
    running: usize,
    /// What those that run are expected to bring.
    running_bytes: usize,
    values: Vec<Option<Bytes>>,
    value_bytes: usize,
    count: u64,
    wrote: bool,
    failure: Option<Failure>,
}

impl KeysLeft {
    fn len(&self) -> usize {
        match self {
            KeysLeft::Get(keys) | KeysLeft::Delete(keys) => keys.len(),
            KeysLeft::Set(pairs) => pairs.len(),
            KeysLeft::Nothing => 0,
        }
    }
}

impl Requests {
    fn next(&mut self) -> Option<Request> {
        let (key, op) = match &mut self.keys {
            KeysLeft::Get(keys) => (keys.next()?, Op::Get),
            KeysLeft::Delete(keys) => (keys.next()?, Op::Delete { basis: Basis::Plain }),
            KeysLeft::Set(pairs) => {
                let (key, value) = pairs.next()?;
                (key, Op::Set { basis: Basis::Plain, value, expires_ms: None })
            }
            KeysLeft::Nothing => return None,
        };
        Some(Request { key, op, level: self.level, timeout_ms: self.timeout_ms })
    }
}

impl Gather {
    pub(crate) fn new(wanted: Wanted, requests: Requests) -> Gather {
        let values = if wanted == Wanted::Values { vec![None; requests.keys.len()] } else { Vec::new() };
        Gather {
            wanted,
            requests,
            next: 0,
            running: 0,
            running_bytes: 0,
            values,
            value_bytes: 0,
            count: 0,
            wrote: false,
            failure: None,
        }
    }

    /// For answers to requests that the caller has started: `parts` of them.
    pub(crate) fn of_started(wanted: Wanted, parts: usize) -> Gather {
        let requests = Requests { keys: KeysLeft::Nothing, level: Level::DEFAULT, timeout_ms: 0 };
        Gather { running: parts, ..Gather::new(wanted, requests) }
    }

    /// The next request to start, with its number; `None` if the window is full, nothing is left, or it failed.
    pub(crate) fn start_next(&mut self) -> Option<(u32, Request)> {
        let is_full = self.running >= GATHER_WINDOW || self.running_bytes >= CONNECTION_REPLY_BYTES;
        if self.failure.is_some() || is_full {
            return None;
        }
        let request = self.requests.next()?;
        let part = self.next;
        self.next += 1;
        self.running += 1;
        Some((part, request))
    }

    /// Notes what the request that started last is expected to bring.
    pub(crate) fn charge(&mut self, bytes: usize) {
        self.running_bytes += bytes;
    }

    /// Takes the answer to one request.
    pub(crate) fn answer(&mut self, part: u32, outcome: Outcome, wall_ms: u64) {
        // Who brought how much is not kept: each takes an equal share of it along.
        self.running_bytes -= self.running_bytes.checked_div(self.running).unwrap_or(0);
        self.running = self.running.saturating_sub(1);
        if let Some(failure) = Failure::of(&outcome) {
            let unknown = matches!(failure, Failure::Unknown { .. });
            if self.failure.is_none() || unknown {
                self.failure = Some(failure);
            }
            return;
        }
        match outcome {
            Outcome::Read(read) => match read.record.plain(wall_ms) {
                Some(version) if self.wanted == Wanted::Values => self.keep(part, &version.value),
                found => self.count += u64::from(found.is_some()),
            },
            Outcome::Written(written) => {
                self.wrote = true;
                self.count += u64::from(written.existed);
            }
            Outcome::Counted(keys) => self.count += keys,
            Outcome::Explained(_) | Outcome::Rejected(_) | Outcome::Unknown { .. } => {}
        }
    }

    fn keep(&mut self, part: u32, value: &Value) {
        let Value::Bytes(value) = value else { return };
        self.value_bytes += value.len();
        if self.value_bytes > GATHER_BYTES {
            self.failure = Some(Failure::Rejected(Rejected::Overloaded));
            self.values = Vec::new();
            self.value_bytes = 0;
        } else if let Some(place) = self.values.get_mut(part as usize) {
            *place = Some(value.clone());
        }
    }

    /// Whether nothing runs and nothing more will start.
    pub(crate) fn is_finished(&self) -> bool {
        self.running == 0 && (self.failure.is_some() || self.requests.keys.len() == 0)
    }

    /// What is made of the answers.
    pub(crate) fn wanted(&self) -> Wanted {
        self.wanted
    }

    /// Why the command as a whole failed.
    pub(crate) fn failure(&self) -> Option<Failure> {
        let failure = self.failure?;
        Some(if self.wrote { failure.in_part() } else { failure })
    }

    /// Bytes of the values.
    pub(crate) fn value_bytes(&self) -> usize {
        self.value_bytes
    }

    /// Requests that have started.
    pub(crate) fn started(&self) -> usize {
        self.next as usize
    }

    /// The values, in the order of the keys.
    pub(crate) fn values(&self) -> &[Option<Bytes>] {
        &self.values
    }

    /// Keys that were there, or the sum of counts.
    pub(crate) fn count(&self) -> u64 {
        self.count
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clockwise_core::{
        hlc::Hlc,
        request::{Receipt, WriteAnswer},
        version::Token,
    };

    fn deletes(count: usize) -> Gather {
        let keys: Keys = (0..count).map(|number| Bytes::from(number.to_string())).collect();
        let keys = KeysLeft::Delete(keys.into_iter());
        Gather::new(Wanted::Present, Requests { keys, level: Level::DEFAULT, timeout_ms: 1 })
    }

    fn written(existed: bool) -> Outcome {
        let receipt = Receipt::default();
        Outcome::Written(WriteAnswer { token: Token::EMPTY, time: Hlc::ZERO, existed, receipt })
    }

    #[test]
    fn a_window_of_requests_runs_at_a_time() {
        let mut gather = deletes(GATHER_WINDOW + 2);
        let mut parts: Vec<u32> = std::iter::from_fn(|| gather.start_next()).map(|(part, _)| part).collect();
        assert_eq!(parts.len(), GATHER_WINDOW);
        while let Some(part) = parts.pop() {
            assert!(!gather.is_finished());
            gather.answer(part, written(part % 2 == 0), 0);
            parts.extend(gather.start_next().map(|(part, _)| part));
        }
        assert!(gather.is_finished());
        assert_eq!(gather.count(), GATHER_WINDOW as u64 / 2 + 1);
        assert_eq!(gather.failure(), None);
    }

    #[test]
    fn fewer_run_at_a_time_where_answers_are_large() {
        let mut gather = deletes(GATHER_WINDOW);
        let start = |gather: &mut Gather| {
            let started = gather.start_next().map(|(part, _)| part);
            gather.charge(if started.is_some() { CONNECTION_REPLY_BYTES / 4 } else { 0 });
            started
        };
        let mut parts: Vec<u32> = std::iter::from_fn(|| start(&mut gather)).collect();
        assert_eq!(parts.len(), 4);
        while let Some(part) = parts.pop() {
            gather.answer(part, written(true), 0);
            parts.extend(start(&mut gather));
        }
        assert!(gather.is_finished());
        assert_eq!((gather.count(), gather.running_bytes), (GATHER_WINDOW as u64, 0));
    }

    #[test]
    fn a_failure_after_a_write_was_applied_is_unknown() {
        let rejected = Rejected::NoQuorum { required: 2, alive: 1 };
        let mut gather = deletes(3);
        for _ in 0..3 {
            gather.start_next().unwrap();
        }
        gather.answer(0, Outcome::Rejected(rejected), 0);
        assert_eq!(gather.failure(), Some(Failure::Rejected(rejected)));
        gather.answer(1, written(true), 0);
        assert_eq!(gather.failure(), Some(Failure::Unknown { required: 2, acked: 0 }));
        assert!(!gather.is_finished());
        gather.answer(2, Outcome::Unknown { required: 2, acked: 1 }, 0);
        assert_eq!(gather.failure(), Some(Failure::Unknown { required: 2, acked: 1 }));
        assert!(gather.is_finished());
    }

    #[test]
    fn nothing_starts_after_a_failure() {
        let mut gather = deletes(2);
        gather.start_next().unwrap();
        gather.answer(0, Outcome::Rejected(Rejected::Overloaded), 0);
        assert!(gather.start_next().is_none() && gather.is_finished());
        assert_eq!(gather.failure(), Some(Failure::Rejected(Rejected::Overloaded)));
    }
}
