//! Tests of the algebra: a small server that writes and receives by hand, and what the files below do with it.

mod canaries;
mod clocks;
mod codec;
mod dots;
mod forgetting;
mod golden;
mod minting;
mod scenes;
mod tokens;
mod traces;

use super::{
    DotSet, Intent, Mint, MintError, MintInput, Payload, Record, SlotLines, Token, Value, mint, print_clock,
};
use crate::{
    canary::Canary,
    hlc::Hlc,
    ids::{Actor, Dot, Epoch, MemberNumber},
};
use bytes::Bytes;
use std::{string::String, vec, vec::Vec};

/// Server `member` in its first life.
fn actor(member: u32) -> Actor {
    Actor { member: MemberNumber(member), incarnation: 1 }
}

fn dot(member: u32, counter: u64) -> Dot {
    Dot { actor: actor(member), counter }
}

/// A set from `(member, lo, hi)`.
fn dots(ranges: &[(u32, u64, u64)]) -> DotSet {
    let mut set = DotSet::EMPTY;
    for &(member, lo, hi) in ranges {
        set.add_range(actor(member), lo, hi);
    }
    set
}

/// One replica of one key.
#[derive(Clone)]
struct Server {
    me: Actor,
    record: Record,
    lines: SlotLines,
    canary: Canary,
}

impl Server {
    fn new(member: u32) -> Server {
        Server::with(member, Canary::None)
    }

    fn with(member: u32, canary: Canary) -> Server {
        Server { me: actor(member), record: Record::default(), lines: SlotLines::default(), canary }
    }

    fn try_write(&mut self, intent: Intent<'_>, payload: Payload, clock: u64) -> Result<Mint, MintError> {
        let input = MintInput {
            key: &Bytes::from_static(b"key"),
            me: self.me,
            lines: &self.lines,
            clock: Hlc(clock),
            intent,
            payload,
            epoch: Epoch(1),
            canary: self.canary,
        };
        let before = self.record.clone();
        let minted = mint(&mut self.record, input);
        match &minted {
            Err(_) => assert_eq!(self.record, before, "nothing happens on an error"),
            Ok(minted) if self.canary == Canary::None => {
                let mut joined = before;
                joined.join(&minted.write.delta());
                assert_eq!(self.record, joined, "a mint is the join of its own write");
                assert_eq!(self.record.check(), Ok(()));
            }
            Ok(_) => {}
        }
        minted
    }

    fn write(&mut self, intent: Intent<'_>, payload: Payload, clock: u64) -> Mint {
        self.try_write(intent, payload, clock).unwrap()
    }

    /// `SET`.
    fn set(&mut self, name: u8, clock: u64) -> Mint {
        self.write(Intent::Plain { learned: &Token::EMPTY }, value(name), clock)
    }

    /// `DEL`.
    fn del(&mut self, clock: u64) -> Mint {
        self.write(Intent::Plain { learned: &Token::EMPTY }, Payload::Delete, clock)
    }

    /// `CW.SET` with a token.
    fn put(&mut self, token: &Token, name: u8, clock: u64) -> Mint {
        self.write(Intent::Causal(token), value(name), clock)
    }

    /// `CW.SET` without a token.
    fn blind(&mut self, name: u8, clock: u64) -> Mint {
        self.put(&Token::EMPTY, name, clock)
    }

    /// `CW.DEL` with a token.
    fn remove(&mut self, token: &Token, clock: u64) -> Mint {
        self.write(Intent::Causal(token), Payload::Delete, clock)
    }

    fn receive(&mut self, record: &Record) {
        let mut other_way = record.clone();
        other_way.join_with(&self.record, self.canary);
        self.record.join_with(record, self.canary);
        if self.canary == Canary::None {
            assert_eq!(self.record, other_way, "join commutes");
            assert_eq!(self.record.check(), Ok(()));
        }
    }

    fn receive_write(&mut self, minted: &Mint) {
        let mut by_delta = self.record.clone();
        by_delta.join_with(&minted.write.delta(), self.canary);
        self.record.join_write_with(&minted.write, self.canary);
        assert_eq!(self.record, by_delta, "a write joins as its delta");
    }

    /// The record is collected.
    fn collect(&mut self) {
        self.lines.collected(self.me, &self.record);
        self.record = Record::default();
    }

    /// The record is handed over.
    fn hand_over(&mut self) {
        self.lines.handed_over(self.me, &self.record);
        self.record = Record::default();
    }

    /// What a client reads here.
    fn token(&self) -> Token {
        self.record.token()
    }

    fn values(&self) -> Vec<u8> {
        values(&self.record)
    }

    /// The clock of each version, in the order of the dots.
    fn clocks(&self) -> Vec<String> {
        self.record.versions.iter().map(|version| print_clock(version, 100, &|_| false).text()).collect()
    }
}

fn value(name: u8) -> Payload {
    Payload::Value { bytes: Bytes::from(vec![name]), expires_ms: None }
}

fn expiring(name: u8, expires_ms: u64) -> Payload {
    Payload::Value { bytes: Bytes::from(vec![name]), expires_ms: Some(expires_ms) }
}

/// The names of the values, sorted; freed ones left out.
fn values(record: &Record) -> Vec<u8> {
    let mut names: Vec<u8> = record
        .versions
        .iter()
        .filter_map(|version| match &version.value {
            Value::Bytes(bytes) => Some(bytes[0]),
            Value::Freed => None,
        })
        .collect();
    names.sort_unstable();
    names
}

fn joined(records: &[&Record]) -> Record {
    let mut all = Record::default();
    for record in records {
        all.join(record);
    }
    assert_eq!(all.check(), Ok(()));
    all
}
