//! What can happen to the world.

use crate::{
    history::{Ghost, Given, Known, MAX_WRITES, Minted, Replica, World, each, expand},
    oracle::top,
};
use bytes::Bytes;
use clockwise_core::{
    canary::Canary,
    hlc::Hlc,
    ids::{Actor, Epoch},
    version::{Intent, Mint, MintInput, Payload, Record, SlotLines, Value, Write, amnesia, mint},
};

impl World {
    pub fn step(&mut self) {
        self.wall_ms += self.rng.u64(0..4);
        let at = self.rng.usize(..self.replicas.len());
        match self.rng.u8(..100) {
            0..15 => self.causal(at),
            15..26 => self.plain(at),
            26..46 => self.deliver_write(at),
            46..68 => self.deliver_record(at),
            68..72 => self.read_all(),
            72..76 => self.crash(at),
            76..78 => self.wipe(at),
            78..81 => self.hand_over(at),
            81..85 => self.free(at),
            85..87 => self.other_key(at),
            87..90 => self.round(),
            90..92 => self.void_round(at),
            92..98 => self.collect(at),
            _ => self.check_laws(),
        }
    }

    fn payload(&mut self) -> Payload {
        let bytes = Bytes::from(vec![self.writes.len() as u8]);
        match self.rng.u8(..10) {
            0..3 => Payload::Delete,
            3..6 => Payload::Value { bytes, expires_ms: Some(self.wall_ms + self.rng.u64(1..30)) },
            _ => Payload::Value { bytes, expires_ms: None },
        }
    }

    /// A causal write with any token ever given out; the first one is the empty one.
    fn causal(&mut self, at: usize) {
        let blind = self.rng.u8(..3) == 0;
        let index = if blind { 0 } else { self.rng.usize(..self.tokens.len()) };
        let Given { token, ghost } = self.tokens[index].clone();
        let Some(minted) = self.mint(at, Intent::Causal(&token), ghost) else { return };
        assert_eq!(minted.write.ctx, token.seen);
        assert_eq!(minted.write.cmark, token.mark);
    }

    /// A plain write; some are the second round, which has learned what another replica knew.
    fn plain(&mut self, at: usize) {
        let second = self.rng.u8(..3) == 0;
        let learned = if second {
            self.tokens[self.rng.usize(..self.tokens.len())].clone()
        } else {
            self.tokens[0].clone()
        };
        let before = self.replicas[at].known.clone();
        let covers = self.ghost(&before) | learned.ghost;
        let Some(minted) = self.mint(at, Intent::Plain { learned: &learned.token }, covers) else { return };
        assert_eq!(minted.write.cmark, before.record.mark.max(learned.token.mark));
        let mut all = expand(before.record.seen.ranges());
        all.extend(expand(learned.token.seen.ranges()));
        assert_eq!(expand(minted.write.ctx.ranges()), all);
        assert_eq!(self.replicas[at].known.record.mark, Some((minted.write.time, minted.write.dot)));
    }

    fn mint(&mut self, at: usize, intent: Intent<'_>, covers: Ghost) -> Option<Mint> {
        let index = self.writes.len();
        if index == MAX_WRITES {
            return None;
        }
        let payload = self.payload();
        let Replica { me, known, lines, skew_ms, .. } = &mut self.replicas[at];
        let before = known.record.clone();
        let input = MintInput {
            key: &Bytes::from_static(b"key"),
            me: *me,
            lines,
            clock: Hlc::from_wall_ms(self.wall_ms + *skew_ms),
            intent,
            payload,
            epoch: Epoch(1),
            canary: Canary::None,
        };
        let minted = mint(&mut known.record, input).expect("no amnesia in the right algebra");
        known.joined |= 1 << index;
        self.check_mint(&before, &minted, at, covers);
        self.writes.push(Minted { write: minted.write.clone(), covers });
        self.tokens.push(Given { token: minted.reply.clone(), ghost: covers | 1 << index });
        self.changed(at);
        Some(minted)
    }

    fn check_mint(&self, before: &Record, minted: &Mint, at: usize, covers: Ghost) {
        let Mint { write, reply } = minted;
        let Replica { me, lines, known, .. } = &self.replicas[at];
        assert!(self.writes.iter().all(|other| other.write.dot != write.dot), "a dot is used once");
        let mut own_writes = self.writes.iter().filter(|other| other.write.dot.actor == *me);
        assert!(own_writes.all(|other| other.write.time < write.time), "times of one actor rise");
        assert!(
            each(covers).all(|index| self.writes[index].write.time < write.time),
            "later than what it replaces"
        );
        assert!(write.time > before.hi.max(lines.refuse).max(lines.collect).max(lines.time_floor));
        let own = top(&expand(before.seen.ranges()), *me);
        assert_eq!(write.dot.counter, own.max(lines.used(*me)) + 1);
        assert_eq!(write.lo, own.max(lines.gone(*me)) + 1);
        let mut joined = before.clone();
        joined.join(&write.delta());
        assert_eq!(joined, known.record, "a mint is the join of its write");
        let mut shown = expand(write.ctx.ranges());
        shown.insert(write.dot);
        assert_eq!(expand(reply.seen.ranges()), shown, "a reply shows the own past and nothing else");
        let mut bytes = Vec::new();
        write.encode(&mut bytes);
        let mut reader = clockwise_core::varint::Reader::new(bytes.into());
        assert_eq!(Write::decode(&mut reader).as_ref(), Ok(write));
    }

    /// Any write, at any time, again and again: known, too old, or joined.
    fn deliver_write(&mut self, at: usize) {
        if self.writes.is_empty() {
            return;
        }
        let index = self.rng.usize(..self.writes.len());
        let write = &self.writes[index].write;
        let Replica { known, lines, me, .. } = &mut self.replicas[at];
        if known.record.seen.contains(write.dot) {
            if known.joined >> index & 1 == 1 {
                let before = known.record.clone();
                known.record.join_write(write);
                assert_eq!(known.record, before, "a known write changes nothing");
            }
        } else if write.time > lines.refuse.max(lines.collect) {
            assert!(!amnesia(&known.record, lines, *me, &write.delta().seen));
            let mut by_delta = known.record.clone();
            by_delta.join(&write.delta());
            known.record.join_write(write);
            assert_eq!(known.record, by_delta);
            known.joined |= 1 << index;
            self.changed(at);
        }
    }

    /// Any record that ever was, unless its sender's lines are behind.
    fn deliver_record(&mut self, at: usize) {
        if self.frames.is_empty() {
            return;
        }
        let frame = &self.frames[self.rng.usize(..self.frames.len())];
        let Replica { known, lines, me, .. } = &mut self.replicas[at];
        if frame.refuse >= lines.refuse && frame.collect >= lines.collect {
            assert!(!amnesia(&known.record, lines, *me, &frame.known.record.seen));
            known.join(&frame.known);
            self.changed(at);
        }
    }

    fn union(&self) -> Known {
        let mut all = Known::default();
        self.replicas.iter().for_each(|replica| all.join(&replica.known));
        all
    }

    /// A client reads everywhere and keeps the token.
    fn read_all(&mut self) {
        let all = self.union();
        self.check(&all);
        self.tokens.push(Given { token: all.record.token(), ghost: self.ghost(&all) });
    }

    /// Back to any state of this life; a new one begins. Lines are durable.
    fn crash(&mut self, at: usize) {
        let replica = &mut self.replicas[at];
        replica.known = replica.history[self.rng.usize(..replica.history.len())].clone();
        replica.me.incarnation += 1;
        self.synced(at);
    }

    /// Everything is lost; the new life fills itself from all others before it counts.
    fn wipe(&mut self, at: usize) {
        let mut known = Known::default();
        let mut lines = SlotLines::default();
        for (index, other) in self.replicas.iter().enumerate().filter(|&(index, _)| index != at) {
            assert_ne!(index, at);
            known.join(&other.known);
            lines.refuse = lines.refuse.max(other.lines.refuse);
            lines.collect = lines.collect.max(other.lines.collect);
        }
        let replica = &mut self.replicas[at];
        replica.me = Actor { incarnation: replica.me.incarnation + 1, ..replica.me };
        (replica.known, replica.lines) = (known, lines);
        self.synced(at);
        self.changed(at);
    }

    /// The record leaves for another replica that durably has all of it.
    fn hand_over(&mut self, at: usize) {
        let Known { record, joined, .. } = self.replicas[at].known.clone();
        let has_all =
            |known: &Known| joined & !known.joined == 0 && record.seen.is_subset(&known.record.seen);
        let taker =
            (0..self.replicas.len()).find(|&other| other != at && has_all(&self.replicas[other].known));
        let Some(taker) = taker else { return };
        self.synced(taker);
        let Replica { me, known, lines, .. } = &mut self.replicas[at];
        lines.handed_over(*me, &record);
        *known = Known::default();
        self.synced(at);
    }

    /// Bytes of expiring values go, by any clock.
    fn free(&mut self, at: usize) {
        let known = &mut self.replicas[at].known;
        for version in known.record.versions.iter_mut().filter(|version| version.expires_ms.is_some()) {
            version.value = Value::Freed;
            let index = self.writes.iter().position(|it| it.write.dot == version.dot);
            known.freed |= 1 << index.expect("a version was written");
        }
        self.changed(at);
    }

    /// Another key of the slot is collected here.
    fn other_key(&mut self, at: usize) {
        let Replica { me, lines, .. } = &mut self.replicas[at];
        let mut other = Record::default();
        other.seen.add_range(*me, 1, lines.used(*me) + self.rng.u64(1..4));
        lines.collected(*me, &other);
    }

    /// All replicas agree, durably, on everything up to a line.
    fn round(&mut self) {
        let line = Hlc::from_wall_ms(self.rng.u64(0..self.wall_ms + 20));
        let all = self.union();
        for at in 0..self.replicas.len() {
            let replica = &mut self.replicas[at];
            replica.lines.refuse = replica.lines.refuse.max(line);
            replica.lines.collect = replica.lines.collect.max(line);
            replica.known = all.clone();
            self.synced(at);
            self.changed(at);
        }
    }

    /// A round that got no further than to raise one replica's refuse line.
    fn void_round(&mut self, at: usize) {
        let line = Hlc::from_wall_ms(self.rng.u64(0..self.wall_ms + 5));
        let lines = &mut self.replicas[at].lines;
        lines.refuse = lines.refuse.max(line);
    }

    /// The record vanishes if nothing in it lives for ever and all of it is at or below the collect line.
    fn collect(&mut self, at: usize) {
        let ghost = self.ghost(&self.replicas[at].known);
        let Replica { me, known, lines, .. } = &mut self.replicas[at];
        let expiries = known.record.versions.iter().map(|version| version.expires_ms.map(Hlc::from_wall_ms));
        let Some(die) =
            expiries.collect::<Option<Vec<_>>>().map(|all| all.into_iter().fold(known.record.hi, Hlc::max))
        else {
            return;
        };
        if !known.record.is_empty() && die <= lines.collect {
            lines.collected(*me, &known.record);
            self.buried |= ghost;
            *known = Known::default();
            self.changed(at);
        }
    }
}
