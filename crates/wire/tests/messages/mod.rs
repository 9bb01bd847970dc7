//! Random messages of every kind, for the tests of the peer protocol and for the fuzz driver.

mod gossip;
mod rounds;

use bytes::Bytes;
use clockwise_core::{
    exchange::{Exchange, Lines},
    hlc::Hlc,
    ids::{Actor, Dot, Epoch, MemberNumber, NodeId},
    layout::Addresses,
    message::{
        Body, Delivered, Message, OpId, ReadVerdict, RepairVerdict, ReplicaSet, Stamp, StampedRecord,
        WriteVerdict,
    },
    request::{
        Ack, Basis, Explanation, Holding, Level, Need, Op, Outcome, ReadAnswer, Receipt, Rejected, Request,
        WriteAnswer,
    },
    slot::Slot,
    storage::Probe,
    tree::Sum,
    version::{DotSet, Kind, Payload, Record, Token, Write},
    witness::Process,
};
use clockwise_wire::peer::{Handshake, Hello, MAC_BYTES, Purpose};
use fastrand::Rng;

/// How many kinds of bodies there are.
pub const KINDS: u8 = 24;

/// A message of this kind, 0 to 23.
pub fn message(rng: &mut Rng, kind: u8) -> Message {
    Message {
        epoch: Epoch(number(rng)),
        set: ReplicaSet::Current,
        deadline_ms: number(rng) as u32,
        time: Hlc(rng.u64(..)),
        slot: rng.bool().then(|| slot(rng)),
        body: body(rng, kind),
    }
}

/// A step of the handshake of this kind, 0 to 4.
pub fn handshake(rng: &mut Rng, kind: u8) -> Handshake {
    match kind {
        0 => Handshake::Hello(hello(rng)),
        1 => Handshake::Proof(array::<MAC_BYTES>(rng)),
        2 => Handshake::Welcome(array::<MAC_BYTES>(rng)),
        3 => Handshake::Outlived(array::<MAC_BYTES>(rng)),
        _ => Handshake::Refuse("other cluster".into()),
    }
}

/// What a server says of itself.
pub fn hello(rng: &mut Rng) -> Hello {
    let shards = rng.u16(1..=16);
    Hello {
        cluster: array(rng),
        node: NodeId(array(rng)),
        member: rng.bool().then(|| member(rng)),
        shards,
        shard: rng.u16(0..shards),
        to_shard: rng.u16(0..16),
        purpose: if rng.bool() { Purpose::Bulk } else { Purpose::Foreground },
        process: Process { starts: rng.u32(..), run: rng.u64(..) },
        session: rng.u64(..),
        nonce: array(rng),
        addresses: Addresses {
            peer: "127.0.0.1:9001".into(),
            cluster: "127.0.0.1:7001".into(),
            plain: "[::1]:6001".into(),
            http: String::new(),
        },
    }
}

fn body(rng: &mut Rng, kind: u8) -> Body {
    let op = op(rng);
    match kind {
        0 => Body::Write { op, write: write(rng) },
        1 => Body::WriteAck { op, verdict: write_verdict(rng) },
        2 => Body::Read { op, key: key(rng), digest: rng.bool().then(|| rng.u128(..)), durable: rng.bool() },
        3 => Body::ReadAck { op, verdict: read_verdict(rng) },
        4 => {
            let records = (0..rng.usize(..4)).map(|_| stamped(rng)).collect();
            Body::Repair { op: rng.bool().then_some(op), key: key(rng), records }
        }
        5 => Body::RepairAck { op, verdict: repair_verdict(rng) },
        6 => Body::Forward { op, request: request(rng) },
        7 => Body::ForwardAck { op, outcome: outcome(rng) },
        8 => Body::Probe { op, key: key(rng) },
        9 => Body::ProbeAck { op, record: rng.bool().then(|| encoded_record(rng)), probe: probe(rng) },
        10 => Body::StaleEpoch { op: rng.bool().then_some(op), layout: bytes(rng, 300) },
        11 => Body::NeedLayout { op: rng.bool().then_some(op) },
        12 => Body::Layout { layout: bytes(rng, 300) },
        13 => Body::Count { op, ranges: ranges(rng) },
        14 => Body::CountAck { op, keys: number(rng) },
        15 => Body::Ping { sent_ms: number(rng) },
        16 => Body::Hint {
            op: rng.bool().then_some(op),
            targets: (0..rng.usize(..4)).map(|_| member(rng)).collect(),
            write: write(rng),
        },
        17 => Body::Deliver { op, writes: (0..rng.usize(..4)).map(|_| write(rng)).collect() },
        18 => {
            let verdict = |done| if done { Delivered::Done } else { Delivered::Refused };
            let verdicts = (0..rng.usize(..6)).map(|_| verdict(rng.bool())).collect();
            Body::DeliverAck { op, verdicts, credit_bytes: number(rng) as u32 }
        }
        19 => Body::Exchange(exchange(rng)),
        20 => Body::Behind,
        22 => Body::Rounds(rounds::rounds(rng)),
        21 => Body::Pong { sent_ms: number(rng), wall_ms: number(rng) },
        _ => Body::Gossip(gossip::gossip(rng)),
    }
}

fn exchange(rng: &mut Rng) -> Exchange {
    let session = number(rng);
    let lines = Lines { refuse: hlc(rng), collect: hlc(rng) };
    let roots = |rng: &mut Rng| (0..rng.usize(..9)).map(|_| rng.u128(..)).collect::<Vec<_>>();
    let names = |rng: &mut Rng| (16u64..32).filter(|_| rng.bool()).collect::<Vec<_>>();
    match rng.u8(..16) {
        0 => Exchange::Roots { session, root: rng.u128(..) },
        1 => Exchange::Groups { session, groups: roots(rng) },
        2 => Exchange::Slots { session, group: rng.u8(..8) },
        3 => Exchange::SlotRoots { session, group: rng.u8(..8), roots: roots(rng) },
        4 => Exchange::Sums { session, lines, watch: rng.bool() },
        5 => {
            let sum = |name, rng: &mut Rng| Sum { name, value: rng.u128(1..) };
            let sums = rng.bool().then(|| names(rng).into_iter().map(|name| sum(name, rng)).collect());
            Exchange::SlotSums { session, lines, sums }
        }
        6 => {
            let (after, above) = (rng.bool().then(|| key(rng)), rng.bool().then(|| hlc(rng)));
            Exchange::Keys { session, names: names(rng), after, above }
        }
        7 => {
            let keys = (0..rng.usize(..5)).map(|_| (key(rng), rng.u64(..))).collect();
            Exchange::KeyList { session, keys, upto: rng.bool().then(|| key(rng)) }
        }
        8 => Exchange::Want { session, lines, keys: (0..rng.usize(..5)).map(|_| key(rng)).collect() },
        9 => {
            let records = (0..rng.usize(..4)).map(|_| (key(rng), encoded_record(rng))).collect();
            Exchange::Records { session, stamp: stamp(rng), records }
        }
        10 => Exchange::Fill { session, lines, after: rng.bool().then(|| key(rng)) },
        11 => {
            let records = (0..rng.usize(..4)).map(|_| (key(rng), encoded_record(rng))).collect();
            Exchange::Filled { session, stamp: stamp(rng), records, upto: rng.bool().then(|| key(rng)) }
        }
        12 => {
            let writes = (0..rng.usize(..4)).map(|_| write(rng)).collect();
            Exchange::Buffered { session, writes, upto: rng.bool().then(|| key(rng)) }
        }
        13 => Exchange::Incomplete { session },
        14 => Exchange::Unreadable { session },
        _ => Exchange::Busy { session },
    }
}

fn number(rng: &mut Rng) -> u64 {
    rng.u64(..) >> rng.u32(0..64)
}

fn array<const N: usize>(rng: &mut Rng) -> [u8; N] {
    std::array::from_fn(|_| rng.u8(..))
}

fn bytes(rng: &mut Rng, longest: usize) -> Bytes {
    let length = rng.usize(..=longest);
    (0..length).map(|_| rng.u8(..)).collect()
}

fn key(rng: &mut Rng) -> Bytes {
    bytes(rng, 40)
}

fn op(rng: &mut Rng) -> OpId {
    OpId(number(rng))
}

fn slot(rng: &mut Rng) -> Slot {
    Slot::new(rng.u16(0..16384)).expect("in range")
}

fn member(rng: &mut Rng) -> MemberNumber {
    MemberNumber(rng.u32(1..200))
}

fn dot(rng: &mut Rng) -> Dot {
    let actor = Actor { member: member(rng), incarnation: rng.u32(1..4) };
    Dot { actor, counter: rng.u64(1..100) }
}

fn dots(rng: &mut Rng) -> DotSet {
    let mut dots = DotSet::default();
    for _ in 0..rng.usize(..5) {
        dots.add(dot(rng));
    }
    dots
}

fn hlc(rng: &mut Rng) -> Hlc {
    Hlc::from_wall_ms(1_700_000_000_000 + rng.u64(..1_000_000))
}

fn mark(rng: &mut Rng) -> Option<(Hlc, Dot)> {
    rng.bool().then(|| (hlc(rng), dot(rng)))
}

fn token(rng: &mut Rng) -> Token {
    Token { seen: dots(rng), mark: mark(rng), hi: hlc(rng) }
}

fn write(rng: &mut Rng) -> Write {
    let dot = dot(rng);
    let mut ctx = DotSet::default();
    if dot.counter > 1 {
        ctx.add_range(dot.actor, 1, dot.counter - 1);
    }
    let payload = match rng.u8(..3) {
        0 => Payload::Delete,
        1 => Payload::Value { bytes: bytes(rng, 200), expires_ms: None },
        _ => Payload::Value { bytes: bytes(rng, 200), expires_ms: Some(number(rng) >> 1) },
    };
    Write {
        key: key(rng),
        dot,
        lo: dot.counter,
        ctx,
        cmark: mark(rng),
        time: hlc(rng),
        kind: if rng.bool() { Kind::Register } else { Kind::Causal },
        payload,
        epoch: Epoch(rng.u64(1..100)),
    }
}

fn record(rng: &mut Rng) -> Record {
    let mut record = Record::default();
    for _ in 0..rng.usize(..4) {
        record.join_write(&write(rng));
    }
    record
}

fn encoded_record(rng: &mut Rng) -> Bytes {
    let mut out = Vec::new();
    record(rng).encode(&mut out);
    Bytes::from(out)
}

fn stamp(rng: &mut Rng) -> Stamp {
    Stamp {
        epoch: Epoch(number(rng)),
        sender: member(rng),
        incarnation: rng.u32(1..9),
        refuse: hlc(rng),
        collect: hlc(rng),
    }
}

fn stamped(rng: &mut Rng) -> StampedRecord {
    StampedRecord { stamp: stamp(rng), record: encoded_record(rng) }
}

fn probe(rng: &mut Rng) -> Probe {
    Probe {
        memtable: rng.bool(),
        bloom_skips: number(rng) as u16,
        tables_read: number(rng) as u16,
        disk_reads: number(rng) as u16,
    }
}

fn ranges(rng: &mut Rng) -> Vec<(Slot, Slot)> {
    let mut cuts: Vec<u16> = (0..rng.usize(..5) * 2).map(|_| rng.u16(0..16384)).collect();
    cuts.sort_unstable();
    cuts.dedup();
    let slot = |number| Slot::new(number).expect("in range");
    cuts.chunks_exact(2).map(|pair| (slot(pair[0]), slot(pair[1]))).collect()
}

fn write_verdict(rng: &mut Rng) -> WriteVerdict {
    match rng.u8(..4) {
        0 => WriteVerdict::TooOld,
        1 => WriteVerdict::Refused,
        2 => WriteVerdict::Taken { durable: rng.bool(), beaten_by: None },
        _ => WriteVerdict::Taken { durable: rng.bool(), beaten_by: Some(token(rng)) },
    }
}

fn read_verdict(rng: &mut Rng) -> ReadVerdict {
    match rng.u8(..3) {
        0 => ReadVerdict::Same { stamp: stamp(rng) },
        1 => ReadVerdict::Record(stamped(rng)),
        _ => ReadVerdict::Refused,
    }
}

fn repair_verdict(rng: &mut Rng) -> RepairVerdict {
    match rng.u8(..4) {
        0 => RepairVerdict::Joined { durable: rng.bool() },
        1 => RepairVerdict::Again { refuse: hlc(rng), collect: hlc(rng) },
        2 => RepairVerdict::Newer,
        _ => RepairVerdict::Refused,
    }
}

fn request(rng: &mut Rng) -> Request {
    let need = match rng.u8(..4) {
        0 => Need::Count(rng.u8(1..=16)),
        1 => Need::One,
        2 => Need::Quorum,
        _ => Need::All,
    };
    let basis = if rng.bool() { Basis::Plain } else { Basis::Causal(token(rng)) };
    let op = match rng.u8(..4) {
        0 => Op::Get,
        1 => Op::Set { basis, value: bytes(rng, 200), expires_ms: rng.bool().then(|| number(rng)) },
        2 => Op::Delete { basis },
        _ => Op::Explain,
    };
    Request { key: key(rng), op, level: Level { need, strict: rng.bool() }, timeout_ms: number(rng) }
}

fn receipt(rng: &mut Rng) -> Receipt {
    let acks =
        (0..rng.usize(..4)).map(|_| Ack { member: member(rng), owner: rng.bool(), durable: rng.bool() });
    Receipt { acks: acks.collect::<Vec<_>>(), epoch: Epoch(3), required: 2 }
}

fn outcome(rng: &mut Rng) -> Outcome {
    match rng.u8(..7) {
        0 => Outcome::Read(ReadAnswer { record: record(rng), receipt: receipt(rng) }),
        1 => Outcome::Written(WriteAnswer {
            token: token(rng),
            time: hlc(rng),
            existed: rng.bool(),
            receipt: receipt(rng),
        }),
        2 => Outcome::Counted(number(rng)),
        3 => {
            let holding = |rng: &mut Rng| Holding {
                member: member(rng),
                record: rng.bool().then(|| record(rng)),
                probe: probe(rng),
            };
            let holdings = (0..rng.usize(..4)).map(|_| holding(rng)).collect();
            Outcome::Explained(Explanation { epoch: Epoch(9), slot: slot(rng), holdings })
        }
        4 => Outcome::Unknown { required: rng.u8(..), acked: rng.u8(..) },
        _ => Outcome::Rejected(rejected(rng)),
    }
}

fn rejected(rng: &mut Rng) -> Rejected {
    match rng.u8(..11) {
        0 => Rejected::NoQuorum { required: rng.u8(..), alive: rng.u8(..) },
        1 => Rejected::Overloaded,
        2 => Rejected::DiskFull,
        3 => Rejected::TooManySiblings,
        4 => Rejected::RecordTooLarge,
        5 => Rejected::BadContext,
        6 => Rejected::ClockSkew,
        7 => Rejected::NotReady,
        8 => Rejected::Damaged,
        9 => Rejected::BadRequest,
        _ => Rejected::ReadTimeout { required: rng.u8(..), acked: rng.u8(..) },
    }
}
