//! One write at its coordinator (PUT of the specification).
//!
//! Looks at everything that must be below the new dot and its time, then builds the write and joins it like any
//! other. On an error the record is as it was.
//!
//! Whether this server may mint at all, and that the dot is durable before it is shown, is decided elsewhere.

use super::{COUNTER_MAX, DotSet, Kind, Payload, Record, SlotLines, Token, Write};
use crate::{
    canary::Canary,
    hlc::Hlc,
    ids::{Actor, Dot, Epoch},
    limits::SIBLINGS,
};
use bytes::Bytes;

/// What the writer means.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Intent<'a> {
    /// Replace all that the record shows, and what `learned` adds (empty in the first round).
    Plain {
        /// What a replica answered that beat the first round.
        learned: &'a Token,
    },
    /// Replace what the token covers.
    Causal(&'a Token),
}

/// Everything that a mint looks at.
#[derive(Clone, Debug)]
pub struct MintInput<'a> {
    /// The key.
    pub key: &'a Bytes,
    /// Who mints.
    pub me: Actor,
    /// The slot's lines.
    pub lines: &'a SlotLines,
    /// The own clock's time for this write, already above every time it ever gave out.
    pub clock: Hlc,
    /// Plain or causal.
    pub intent: Intent<'a>,
    /// Value or delete.
    pub payload: Payload,
    /// The layout.
    pub epoch: Epoch,
    /// A known bug, for the simulator.
    pub canary: Canary,
}

/// A minted write. The record that was passed in has incorporated it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Mint {
    /// What goes to the owners.
    pub write: Write,
    /// What goes to the client: its own context and this write.
    pub reply: Token,
}

/// Why nothing was minted; the record is unchanged.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MintError {
    /// The context knows a counter of mine that I do not: take a new incarnation first.
    Amnesia,
    /// Too many concurrent versions.
    TooManySiblings,
    /// A counter would leave its range (2^63).
    CounterOverflow,
}

/// Mints a write over `record` and incorporates it there.
pub fn mint(record: &mut Record, input: MintInput<'_>) -> Result<Mint, MintError> {
    let MintInput { key, me, lines, clock, intent, payload, epoch, canary } = input;
    let (kind, ctx) = context(record, intent, canary);
    if amnesia(record, lines, me, &ctx.seen) {
        return Err(MintError::Amnesia);
    }
    let (counter, lo) = next_counter(record, lines, me, canary);
    if counter > COUNTER_MAX {
        return Err(MintError::CounterOverflow);
    }
    let time = next_time(record, lines, &ctx, clock);
    let dot = Dot { actor: me, counter };
    let Token { seen, mark, .. } = ctx;
    let write = Write { key: key.clone(), dot, lo, ctx: seen, cmark: mark, time, kind, payload, epoch };
    if write.has_value() && too_many_siblings(record, &write) {
        return Err(MintError::TooManySiblings);
    }
    incorporate(record, &write, canary);
    let mut reply = Token { seen: write.ctx.clone(), mark: write.mark(), hi: time };
    reply.seen.add(dot);
    Ok(Mint { write, reply })
}

/// Whether a record or token that arrives proves that this actor forgot a counter of its own.
pub fn amnesia(known: &Record, lines: &SlotLines, me: Actor, arriving: &DotSet) -> bool {
    arriving.top(me) > known.seen.top(me).max(lines.used(me))
}

/// What the writer has seen: a plain one all that the coordinator has, a causal one what its token says.
fn context(record: &Record, intent: Intent<'_>, canary: Canary) -> (Kind, Token) {
    match intent {
        Intent::Plain { learned } => {
            let mut ctx = record.token();
            ctx.seen.union(&learned.seen);
            ctx.mark = ctx.mark.max(learned.mark);
            ctx.hi = ctx.hi.max(learned.hi);
            (Kind::Register, ctx)
        }
        Intent::Causal(_) if canary.is(Canary::ContextIgnored) => (Kind::Causal, Token::EMPTY),
        Intent::Causal(token) => (Kind::Causal, token.clone()),
    }
}

/// The next counter, and the first one that it claims: those in between were never used for this key, or their
/// record was collected. Without that fill, each gap that other keys of the slot tear would stay a range forever.
fn next_counter(record: &Record, lines: &SlotLines, me: Actor, canary: Canary) -> (u64, u64) {
    if canary.is(Canary::CounterReset) && record.versions.is_empty() {
        return (1, 1);
    }
    let top = record.seen.top(me);
    let counter = top.max(lines.used(me)) + 1;
    (counter, (top.max(lines.gone(me)) + 1).min(counter))
}

/// Above every time that this write could be judged against. The marks are never above the `hi` beside them; they
/// are named because a plain write below a mark that it covers would vanish together with what it replaced.
fn next_time(record: &Record, lines: &SlotLines, ctx: &Token, clock: Hlc) -> Hlc {
    let marks = record.mark.max(ctx.mark).map_or(Hlc::ZERO, |(time, _)| time);
    let floors = [record.hi, ctx.hi, lines.refuse, lines.collect, lines.time_floor, marks];
    floors.into_iter().fold(clock, |time, floor| time.max(floor.next()))
}

/// Whether the value would be one version too many. A write that adds none to what is there is taken even above the
/// limit, where joins may have led: it is the way back.
fn too_many_siblings(record: &Record, write: &Write) -> bool {
    if record.versions.len() < SIBLINGS {
        return false;
    }
    let mark = record.mark.max(write.mark());
    let stays = |it: &&super::Version| {
        !write.ctx.contains(it.dot) && (it.kind == Kind::Causal || mark == Some((it.time, it.dot)))
    };
    let after = record.versions.iter().filter(stays).count() + 1;
    after > SIBLINGS && after > record.versions.len()
}

fn incorporate(record: &mut Record, write: &Write, canary: Canary) {
    let reused = canary.is(Canary::CounterReset) && record.seen.contains(write.dot);
    record.join_write_with(write, canary);
    if reused {
        // The bug's server takes the dot for new.
        write.version().into_iter().for_each(|version| record.insert(version));
    }
}
