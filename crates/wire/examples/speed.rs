//! What the codecs cost, in nanoseconds: `cargo run --release -p clockwise-wire --example speed`.
//!
//! Single-threaded, everything in the cache: a lower bound, for comparing two versions of this crate.

use bytes::{Bytes, BytesMut};
use clockwise_core::{
    hlc::Hlc,
    ids::{Actor, Dot, Epoch, MemberNumber},
    message::{Body, Message, OpId, ReplicaSet, WriteVerdict},
    slot::Slot,
    version::{DotSet, Kind, Payload, Write},
};
use clockwise_wire::{
    command::Command,
    peer::{FrameParser, encode_frame},
    resp::{Protocol, ReplyWriter, RequestParser, encode_command},
};
use std::{hint::black_box, time::Instant};

const ROUNDS: usize = 200_000;
/// Rounds of what takes long.
const LONG_ROUNDS: usize = 200;
const BATCH: usize = 16;

/// The best of five runs, per operation.
fn measure(what: &str, per_round: usize, mut round: impl FnMut()) {
    let mut best = f64::MAX;
    let rounds = if per_round == 1 { LONG_ROUNDS } else { ROUNDS / per_round };
    for _ in 0..5 {
        let start = Instant::now();
        (0..rounds).for_each(|_| round());
        best = best.min(start.elapsed().as_nanos() as f64 / (rounds * per_round) as f64);
    }
    println!("{what:<48} {best:>8.1} ns");
}

fn pipeline(arguments: &[&[u8]]) -> Vec<u8> {
    let mut bytes = Vec::new();
    (0..BATCH).for_each(|_| encode_command(&mut bytes, arguments));
    bytes
}

/// Cuts a pipeline; the buffer is filled as a socket would fill it.
fn requests(what: &str, arguments: &[&[u8]]) {
    let input = pipeline(arguments);
    let mut parser = RequestParser::new(true);
    let mut buf = BytesMut::with_capacity(64 * 1024);
    measure(&format!("parse {what}, pipeline of {BATCH}"), BATCH, || {
        buf.reserve(input.len());
        buf.extend_from_slice(&input);
        while let Ok(Some(args)) = parser.next(&mut buf) {
            black_box(&args);
        }
    });
    measure(&format!("parse {what} into a command"), BATCH, || {
        buf.reserve(input.len());
        buf.extend_from_slice(&input);
        while let Ok(Some(args)) = parser.next(&mut buf) {
            black_box(Command::parse(&args).is_ok());
        }
    });
}

/// One long command that arrives in pieces, per command: nothing may be looked at twice.
fn pieces(what: &str, arguments: &[&[u8]], piece_bytes: usize) {
    let mut input = Vec::new();
    encode_command(&mut input, arguments);
    let mut parser = RequestParser::new(true);
    measure(what, 1, || {
        let mut buf = BytesMut::new();
        let mut commands = 0;
        for piece in input.chunks(piece_bytes) {
            buf.extend_from_slice(piece);
            while let Ok(Some(args)) = parser.next(&mut buf) {
                commands += usize::from(black_box(args.len()) > 0);
            }
        }
        assert_eq!(commands, 1);
    });
}

fn message(body: Body) -> Message {
    Message {
        epoch: Epoch(1),
        set: ReplicaSet::Current,
        deadline_ms: 5000,
        time: Hlc::from_wall_ms(1_700_000_000_000),
        slot: Slot::new(77),
        body,
    }
}

fn frames(what: &str, message: &Message) {
    let mut out = Vec::with_capacity(64 * 1024);
    measure(&format!("encode {what}, {BATCH} a buffer"), BATCH, || {
        out.clear();
        (0..BATCH).for_each(|_| encode_frame(message, 1, &mut out).expect("a small message"));
        black_box(&out);
    });
    let mut parser = FrameParser::new(1);
    let mut buf = BytesMut::with_capacity(64 * 1024);
    measure(&format!("decode {what} ({} bytes)", out.len() / BATCH), BATCH, || {
        buf.reserve(out.len());
        buf.extend_from_slice(&out);
        while let Ok(Some(message)) = parser.next(&mut buf) {
            black_box(&message);
        }
    });
}

fn main() {
    let value = [b'v'; 100];
    requests("SET with 100 bytes", &[b"SET", b"key:000000012345", &value]);
    requests("GET", &[b"GET", b"key:000000012345"]);
    let keys = [&b"key:000000012345"[..]; 10];
    requests("MGET of 10", &[&[&b"MGET"[..]][..], &keys[..]].concat());

    let keys = [&b"key:000000012345"[..]; 1000];
    pieces("MGET of 1000 in pieces of 1 KiB", &[&[&b"MGET"[..]][..], &keys[..]].concat(), 1024);
    pieces("SET of 1 MiB in pieces of 16 KiB", &[b"SET", b"k", &vec![b'v'; 1 << 20]], 16 * 1024);

    let mut out = Vec::with_capacity(64 * 1024);
    measure("write a bulk of 100 bytes", BATCH, || {
        out.clear();
        (0..BATCH).for_each(|_| ReplyWriter::new(&mut out, Protocol::Resp2).bulk(&value));
        black_box(&out);
    });

    let actor = Actor { member: MemberNumber(1), incarnation: 1 };
    let mut ctx = DotSet::default();
    ctx.add_range(actor, 1, 41);
    let write = Write {
        key: Bytes::from_static(b"key:000000012345"),
        dot: Dot { actor, counter: 42 },
        lo: 42,
        ctx,
        cmark: None,
        time: Hlc::from_wall_ms(1_700_000_000_000),
        kind: Kind::Register,
        payload: Payload::Value { bytes: Bytes::from(vec![b'v'; 100]), expires_ms: None },
        epoch: Epoch(1),
    };
    frames("a write of 100 bytes", &message(Body::Write { op: OpId(1), write }));
    let verdict = WriteVerdict::Taken { durable: true, beaten_by: None };
    frames("its answer", &message(Body::WriteAck { op: OpId(1), verdict }));
}
