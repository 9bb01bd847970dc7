//! Rounds and exchanges: whom to contact, what to tell, what to take over.
//!
//! Every message has a budget of bytes. A digest that cannot list all members lists the own one and a window of the
//! others, and the next window begins where it ended; entries that find no room are asked for again, from another
//! start. So nothing starves, whatever the number of members.

use super::{
    Beat, Contents, Entry, FANOUT, Gossip, GossipMessage, GossipOut, Mark,
    message::{FRAME_BYTES, member_bytes},
};
use crate::{
    ids::MemberNumber,
    limits::{GOSSIP_BYTES, GOSSIP_LOADS, GOSSIP_PULL_MS, GOSSIP_SUSPECTS, HEARTBEATS, NAME_BYTES},
};
use alloc::vec::Vec;
use smallvec::{SmallVec, smallvec};

/// One round in this many tries a member that does not answer or is down even if there are enough others.
const RETRY_ROUNDS: usize = 4;

impl Gossip {
    /// Sends a digest to a few members.
    pub(super) fn begin_round(
        &mut self,
        now_ms: u64,
        answers: &dyn Fn(MemberNumber) -> bool,
        out: &mut GossipOut,
    ) {
        let to = self.partners(answers);
        if !to.is_empty() {
            let marks = self.window();
            out.sends.push((to, GossipMessage::Digest { marks }));
        }
        self.pull(now_ms, answers, out);
    }

    /// Random members that answer, one that has come back, and now and then one that does not answer.
    fn partners(&mut self, answers: &dyn Fn(MemberNumber) -> bool) -> SmallVec<[MemberNumber; 4]> {
        let (mut good, mut back, mut poor) = (Vec::new(), Vec::new(), Vec::new());
        for known in self.members.iter().filter(|known| known.member != self.config.me) {
            match (known.down.is_some(), answers(known.member)) {
                (false, true) => good.push(known.member),
                (true, true) => back.push(known.member),
                _ => poor.push(known.member),
            }
        }
        let mut to = SmallVec::new();
        for place in 0..FANOUT.min(good.len()) {
            let chosen = place + self.random.below(good.len() - place);
            good.swap(place, chosen);
            to.push(good[place]);
        }
        if !back.is_empty() {
            to.push(back[self.random.below(back.len())]);
        }
        // Who does not hear may still be heard: places that are left are used.
        let spare = FANOUT.saturating_sub(to.len()).max(usize::from(self.random.below(RETRY_ROUNDS) == 0));
        for place in 0..spare.min(poor.len()) {
            let chosen = place + self.random.below(poor.len() - place);
            poor.swap(place, chosen);
            to.push(poor[place]);
        }
        to
    }

    /// The own mark and the next window of the others.
    fn window(&mut self) -> Vec<Mark> {
        let mut marks = Vec::new();
        let mut left = GOSSIP_BYTES - FRAME_BYTES;
        let own = self.place(self.config.me, 0);
        if let Some(own) = own {
            let mark = self.members[own].mark();
            left -= mark.bytes();
            marks.push(mark);
        }
        for _ in 0..self.members.len() {
            let at = self.cursor % self.members.len();
            if Some(at) != own {
                let mark = self.members[at].mark();
                if mark.bytes() > left {
                    break;
                }
                left -= mark.bytes();
                marks.push(mark);
            }
            self.cursor = (at + 1) % self.members.len();
        }
        marks
    }

    /// Takes over what a member said, and answers it.
    pub(super) fn take(
        &mut self,
        from: MemberNumber,
        message: GossipMessage,
        now_ms: u64,
        out: &mut GossipOut,
    ) {
        match message {
            GossipMessage::Digest { marks } => {
                if let Some(news) = self.compare(from, &marks, now_ms, out) {
                    out.sends.push((smallvec![from], news));
                }
            }
            GossipMessage::News { marks, entries, wants } => {
                self.take_marks(from, &marks, now_ms, out);
                self.take_entries(entries, now_ms, out);
                let mut hint = 0;
                let mut wanted = Vec::new();
                for member in wants {
                    let Some(at) = self.place(member, hint) else { continue };
                    hint = at + 1;
                    wanted.push(at);
                }
                let entries = self.gather(&wanted, GOSSIP_BYTES - FRAME_BYTES);
                if !entries.is_empty() {
                    out.sends.push((smallvec![from], GossipMessage::Entries { entries }));
                }
            }
            GossipMessage::Entries { entries } => self.take_entries(entries, now_ms, out),
        }
    }

    /// What a digest lacks, and what is wanted of it; `None` if nothing.
    fn compare(
        &mut self,
        from: MemberNumber,
        marks: &[Mark],
        now_ms: u64,
        out: &mut GossipOut,
    ) -> Option<GossipMessage> {
        let (mut ahead, mut lacks, mut wants) = (Vec::new(), Vec::new(), Vec::new());
        let mut hint = 0;
        for mark in marks.iter().filter(|mark| is_sane(mark)) {
            let Some(at) = self.place(mark.member, hint) else { continue };
            hint = at + 1;
            let known = &self.members[at];
            let held = Beat { generation: mark.beat.generation, heartbeat: mark.held };
            if known.beat > mark.beat {
                ahead.push(known.mark());
            }
            if known.written > held {
                lacks.push(at);
            } else if known.written < held && mark.held > 0 && known.beat.generation <= held.generation {
                wants.push(mark.member);
            }
        }
        self.take_marks(from, marks, now_ms, out);
        // Of the room, a quarter is kept for what is wanted and a quarter for contents: if heartbeats took it all,
        // suspicions and epochs would stay behind.
        let quarter = GOSSIP_BYTES / 4;
        let wants = self.some_of(&wants, quarter, |&member| member_bytes(member));
        let room =
            GOSSIP_BYTES - FRAME_BYTES - wants.iter().map(|&member| member_bytes(member)).sum::<usize>();
        let kept = if lacks.is_empty() { 0 } else { quarter };
        let marks = self.some_of(&ahead, room - kept, Mark::bytes);
        let entries = self.gather(&lacks, room - marks.iter().map(Mark::bytes).sum::<usize>());
        let empty = marks.is_empty() && entries.is_empty() && wants.is_empty();
        (!empty).then_some(GossipMessage::News { marks, entries, wants })
    }

    /// As many as find room, from a random one on: what finds none this time does another time.
    fn some_of<T: Clone>(&mut self, all: &[T], room_bytes: usize, bytes: impl Fn(&T) -> usize) -> Vec<T> {
        let (behind, before) = all.split_at(if all.is_empty() { 0 } else { self.random.below(all.len()) });
        let mut left = room_bytes;
        let fits = |item: &&T| {
            let bytes = bytes(item);
            let fits = bytes <= left;
            left -= if fits { bytes } else { 0 };
            fits
        };
        before.iter().chain(behind).filter(fits).cloned().collect()
    }

    /// The entries that stand at these places, as many as find room.
    fn gather(&mut self, places: &[usize], room_bytes: usize) -> Vec<Entry> {
        let start = if places.is_empty() { 0 } else { self.random.below(places.len()) };
        let (behind, before) = places.split_at(start);
        let (mut left, mut entries) = (room_bytes, Vec::new());
        for &at in before.iter().chain(behind) {
            let known = &self.members[at];
            if known.written.generation == 0 {
                continue;
            }
            let contents = Contents::clone(&known.contents);
            let entry = Entry { member: known.member, written: known.written, contents };
            if entry.bytes() <= left {
                left -= entry.bytes();
                entries.push(entry);
            }
        }
        entries
    }

    fn take_marks(&mut self, from: MemberNumber, marks: &[Mark], now_ms: u64, out: &mut GossipOut) {
        let mut hint = 0;
        for mark in marks.iter().filter(|mark| is_sane(mark)) {
            let Some(at) = self.place(mark.member, hint) else { continue };
            hint = at + 1;
            if mark.member == self.config.me {
                self.hear_of_myself(mark.beat, out);
                continue;
            }
            let down_after_ms = self.config.down_after_ms;
            let known = &mut self.members[at];
            // Who is behind may just have started: it counts when it has caught up and knows no more either.
            if !known.advance(mark.beat, now_ms) && mark.beat == known.beat && from != mark.member {
                known.agree(from, down_after_ms, now_ms);
            }
        }
    }

    fn take_entries(&mut self, entries: Vec<Entry>, now_ms: u64, out: &mut GossipOut) {
        for entry in entries {
            let Some(at) = self.place(entry.member, 0) else { continue };
            if entry.member == self.config.me {
                self.hear_of_myself(entry.written, out);
                continue;
            }
            let known = &mut self.members[at];
            let old = entry.written <= known.written || entry.written.generation < known.beat.generation;
            if old || !is_within_caps(&entry) {
                continue;
            }
            known.advance(entry.written, now_ms);
            known.written = entry.written;
            let said = |contents: &Contents| (contents.epoch, contents.layout);
            let before = said(&known.contents);
            *known.contents = entry.contents;
            let (epoch, digest) = said(&known.contents);
            // Once is enough.
            if epoch == self.epoch && digest != self.digest && before != (epoch, digest) {
                out.conflicts.push(entry.member);
            }
            out.changed.push(entry.member);
        }
    }

    /// Others may know a heartbeat of this very process that it has not reached, if somebody forged one: it goes on
    /// above it. A later process than this one means that the folder was copied or set back.
    fn hear_of_myself(&mut self, beat: Beat, out: &mut GossipOut) {
        if beat.generation > self.config.starts {
            out.outlived |= !core::mem::replace(&mut self.outlived, true);
        }
        if let Some(own) = self.place(self.config.me, 0)
            && beat.generation == self.members[own].beat.generation
            && beat.heartbeat <= HEARTBEATS
        {
            let own = &mut self.members[own].beat;
            own.heartbeat = own.heartbeat.max(beat.heartbeat);
        }
    }

    /// Asks for a newer layout: one of the members that answer and say that they have one, another one each time.
    fn pull(&mut self, now_ms: u64, answers: &dyn Fn(MemberNumber) -> bool, out: &mut GossipOut) {
        let newer = self.members.iter().filter(|known| known.contents.epoch > self.epoch);
        let newer: Vec<MemberNumber> =
            newer.map(|known| known.member).filter(|&member| answers(member)).collect();
        if !newer.is_empty() && now_ms >= self.pull_due_ms {
            self.pull_due_ms = now_ms + GOSSIP_PULL_MS;
            out.pulls.push(newer[self.random.below(newer.len())]);
        }
    }
}

/// Whether a mark can have been written by a server of this program.
fn is_sane(mark: &Mark) -> bool {
    mark.beat.heartbeat <= HEARTBEATS && mark.held <= mark.beat.heartbeat
}

fn is_within_caps(entry: &Entry) -> bool {
    let Contents { addresses, load, suspects, .. } = &entry.contents;
    let texts = [&addresses.peer, &addresses.cluster, &addresses.plain, &addresses.http];
    entry.written.heartbeat <= HEARTBEATS
        && entry.written.generation > 0
        && load.len() <= GOSSIP_LOADS
        && suspects.len() <= GOSSIP_SUSPECTS
        && texts.iter().all(|text| text.len() <= NAME_BYTES)
}
