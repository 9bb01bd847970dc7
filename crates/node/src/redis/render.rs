//! Outcomes as replies: what each single-key command makes of the answer to its request.
//!
//! Also the one place that decides what a client is shown of a version: value, clock, time, rest of its life.

use super::{
    failure::Failure,
    gather::{Gather, Wanted},
};
use bytes::Bytes;
use clockwise_core::{
    ids::Actor,
    layout::Layout,
    request::{Explanation, Holding, Outcome, ReadAnswer, Receipt, WriteAnswer},
    slot::Slot,
    version::{Record, Token, Value, Version, print_clock},
};
use clockwise_wire::{context, resp::ReplyWriter};

/// What a command wants of its outcome.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Shape {
    /// `GET`.
    Value,
    /// `SET`.
    Done,
    /// `DEL`, `EXISTS`, `DBSIZE`: a number.
    Number,
    /// `TTL`, `PTTL`.
    TimeToLive {
        /// Answer milliseconds, else seconds.
        in_ms: bool,
    },
    /// `CW.GET`.
    Versions(Bytes),
    /// `CW.SET`, `CW.DEL`.
    Context(Bytes),
    /// `CW.EXPLAIN`.
    Explanation(Bytes),
}

/// What rendering needs to know besides the outcome.
#[derive(Debug)]
pub(crate) struct Scene<'a> {
    pub(crate) wall_ms: u64,
    pub(crate) layout: Option<&'a Layout>,
    pub(crate) clock_threshold: usize,
    /// Printed clocks that the threshold cut.
    pub(crate) clock_cuts: u64,
}

/// How a command ended, for metrics.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Verdict {
    Done,
    Rejected,
    Unknown,
}

fn fail(failure: Failure, writer: &mut ReplyWriter<'_>) -> Verdict {
    writer.error(&failure.text());
    match failure {
        Failure::Rejected(_) => Verdict::Rejected,
        Failure::Unknown { .. } => Verdict::Unknown,
    }
}

/// Writes the reply to a command with one request.
pub(crate) fn one(
    shape: &Shape,
    outcome: &Outcome,
    scene: &mut Scene<'_>,
    writer: &mut ReplyWriter<'_>,
) -> Verdict {
    if let Some(failure) = Failure::of(outcome) {
        return fail(failure, writer);
    }
    match (shape, outcome) {
        (Shape::Value, Outcome::Read(read)) => {
            let version = read.record.plain(scene.wall_ms);
            writer.optional(version.and_then(bytes_of));
        }
        (Shape::Done, Outcome::Written(_)) => writer.ok(),
        (Shape::Number, Outcome::Written(written)) => writer.integer(i64::from(written.existed)),
        (Shape::Number, Outcome::Read(read)) => {
            writer.integer(i64::from(read.record.plain(scene.wall_ms).is_some()));
        }
        (Shape::Number, Outcome::Counted(keys)) => writer.integer(i64::try_from(*keys).unwrap_or(i64::MAX)),
        (Shape::TimeToLive { in_ms }, Outcome::Read(read)) => {
            let rest = read.record.plain(scene.wall_ms).map(|version| rest_ms(version, scene.wall_ms));
            writer.integer(time_to_live(rest, *in_ms));
        }
        (Shape::Versions(key), Outcome::Read(read)) => versions(key, read, scene, writer),
        (Shape::Context(key), Outcome::Written(written)) => written_context(key, written, scene, writer),
        (Shape::Explanation(key), Outcome::Explained(explanation)) => {
            explain(key, explanation, scene, writer)
        }
        _ => writer.error("ERR internal: an outcome that does not fit its command"),
    }
    Verdict::Done
}

/// Writes the reply to a command over several keys.
pub(crate) fn many(gather: &Gather, writer: &mut ReplyWriter<'_>) -> Verdict {
    if let Some(failure) = gather.failure() {
        return fail(failure, writer);
    }
    match gather.wanted() {
        Wanted::Done => writer.ok(),
        Wanted::Present | Wanted::Sum => writer.integer(i64::try_from(gather.count()).unwrap_or(i64::MAX)),
        Wanted::Values => {
            writer.array(gather.values().len());
            gather.values().iter().for_each(|value| writer.optional(value.as_deref()));
        }
    }
    Verdict::Done
}

fn bytes_of(version: &Version) -> Option<&[u8]> {
    match &version.value {
        Value::Bytes(bytes) => Some(bytes),
        Value::Freed => None,
    }
}

fn rest_ms(version: &Version, wall_ms: u64) -> Option<u64> {
    version.expires_ms.map(|at| at.saturating_sub(wall_ms))
}

/// As Redis answers: −2 without the key, −1 without an expiry, seconds rounded.
fn time_to_live(rest: Option<Option<u64>>, in_ms: bool) -> i64 {
    match rest {
        None => -2,
        Some(None) => -1,
        Some(Some(ms)) => {
            i64::try_from(if in_ms { ms } else { ms.saturating_add(500) / 1000 }).unwrap_or(i64::MAX)
        }
    }
}

fn field(name: &str, writer: &mut ReplyWriter<'_>) {
    writer.bulk(name.as_bytes());
}

fn number(value: u64, writer: &mut ReplyWriter<'_>) {
    writer.integer(i64::try_from(value).unwrap_or(i64::MAX));
}

/// The context in its text form; null if it cannot be sealed, which no layout-less server gets to.
fn sealed(token: &Token, key: &[u8], scene: &Scene<'_>, writer: &mut ReplyWriter<'_>) {
    let sealed = scene.layout.and_then(|layout| token.seal(&layout.spec().token_key, key).ok());
    writer.optional(sealed.map(|sealed| context::to_text(&sealed)).as_deref().map(str::as_bytes));
}

fn receipt(receipt: &Receipt, writer: &mut ReplyWriter<'_>) {
    writer.map(3);
    field("epoch", writer);
    number(receipt.epoch.0, writer);
    field("required", writer);
    number(u64::from(receipt.required), writer);
    field("acks", writer);
    writer.array(receipt.acks.len());
    for ack in &receipt.acks {
        writer.map(3);
        field("member", writer);
        writer.bulk(ack.member.to_string().as_bytes());
        field("owner", writer);
        writer.boolean(ack.owner);
        field("durable", writer);
        writer.boolean(ack.durable);
    }
}

fn versions(key: &[u8], read: &ReadAnswer, scene: &mut Scene<'_>, writer: &mut ReplyWriter<'_>) {
    let live: Vec<&Version> = live_versions(&read.record, scene.wall_ms);
    writer.map(4);
    field("context", writer);
    sealed(&read.record.token(), key, scene, writer);
    field("values", writer);
    writer.array(live.len());
    for version in &live {
        writer.map(6);
        field("value", writer);
        writer.optional(bytes_of(version));
        name_and_kind(version, writer);
        clock_and_time(version, scene, writer);
    }
    field("tombstone", writer);
    writer.boolean(live.is_empty() && !read.record.is_empty());
    field("receipt", writer);
    receipt(&read.receipt, writer);
}

fn live_versions(record: &Record, wall_ms: u64) -> Vec<&Version> {
    record.versions.iter().filter(|version| !version.expired(wall_ms)).collect()
}

/// Two fields: `dot`, printed like its pair in a clock, and `kind`, `register` for plain writes.
fn name_and_kind(version: &Version, writer: &mut ReplyWriter<'_>) {
    field("dot", writer);
    writer.bulk(format!("[{},{}]", version.dot.actor, version.dot.counter).as_bytes());
    field("kind", writer);
    writer.bulk(format!("{:?}", version.kind).to_ascii_lowercase().as_bytes());
}

/// Three fields: `clock`, `time`, `ttl_ms`.
fn clock_and_time(version: &Version, scene: &mut Scene<'_>, writer: &mut ReplyWriter<'_>) {
    let layout = scene.layout;
    let retired = |actor: Actor| layout.is_some_and(|layout| layout.member(actor.member).is_none());
    let clock = print_clock(version, scene.clock_threshold, &retired);
    scene.clock_cuts += u64::from(clock.cut > 0);
    field("clock", writer);
    writer.bulk(clock.text().as_bytes());
    field("time", writer);
    writer.bulk(version.time.to_string().as_bytes());
    field("ttl_ms", writer);
    match rest_ms(version, scene.wall_ms) {
        Some(ms) => number(ms, writer),
        None => writer.null(),
    }
}

fn written_context(key: &[u8], written: &WriteAnswer, scene: &Scene<'_>, writer: &mut ReplyWriter<'_>) {
    writer.map(2);
    field("context", writer);
    sealed(&written.token, key, scene, writer);
    field("receipt", writer);
    receipt(&written.receipt, writer);
}

fn explain(key: &[u8], explanation: &Explanation, scene: &mut Scene<'_>, writer: &mut ReplyWriter<'_>) {
    writer.map(4);
    field("key", writer);
    writer.bulk(key);
    field("slot", writer);
    number(u64::from(explanation.slot.number()), writer);
    field("epoch", writer);
    number(explanation.epoch.0, writer);
    field("owners", writer);
    writer.array(explanation.holdings.len());
    for holding in &explanation.holdings {
        explain_one((explanation.slot, key), holding, scene, writer);
    }
}

fn explain_one(
    (slot, key): (Slot, &[u8]),
    holding: &Holding,
    scene: &mut Scene<'_>,
    writer: &mut ReplyWriter<'_>,
) {
    writer.map(10);
    field("member", writer);
    writer.bulk(holding.member.to_string().as_bytes());
    field("node", writer);
    let node =
        scene.layout.and_then(|layout| layout.member(holding.member)).map(|member| member.node.to_string());
    writer.optional(node.as_deref().map(str::as_bytes));
    field("answered", writer);
    writer.boolean(holding.record.is_some());
    field("tombstone", writer);
    writer.boolean(holding.record.as_ref().is_some_and(Record::is_tombstone));
    // Equal digests, equal copies: what the comparison between owners goes by.
    field("digest", writer);
    let digest = |record| scene.layout.map(|layout| layout.spec().digest_key.digest(slot, key, record));
    let digest = holding.record.as_ref().and_then(digest).map(|digest| format!("{digest:032x}"));
    writer.optional(digest.as_deref().map(str::as_bytes));
    field("versions", writer);
    let versions = holding.record.as_ref().map_or(&[][..], |record| &record.versions);
    writer.array(versions.len());
    for version in versions {
        writer.map(7);
        field("bytes", writer);
        number(bytes_of(version).map_or(0, <[u8]>::len) as u64, writer);
        name_and_kind(version, writer);
        field("expired", writer);
        writer.boolean(version.expired(scene.wall_ms));
        clock_and_time(version, scene, writer);
    }
    field("memtable", writer);
    writer.boolean(holding.probe.memtable);
    let counts = [
        ("bloom_skips", holding.probe.bloom_skips),
        ("tables_read", holding.probe.tables_read),
        ("disk_reads", holding.probe.disk_reads),
    ];
    for (name, count) in counts {
        field(name, writer);
        number(u64::from(count), writer);
    }
}

#[cfg(test)]
mod tests {
    use super::time_to_live;

    #[test]
    fn the_rest_of_a_life_is_rounded_as_redis_does() {
        assert_eq!(time_to_live(None, false), -2);
        assert_eq!(time_to_live(Some(None), true), -1);
        assert_eq!(time_to_live(Some(Some(1499)), false), 1);
        assert_eq!(time_to_live(Some(Some(1500)), false), 2);
        assert_eq!(time_to_live(Some(Some(1499)), true), 1499);
    }
}
