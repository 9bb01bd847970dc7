//! Frames and handshake between servers: what is written is read, whatever the split; what is damaged is refused.

mod messages;

use bytes::{Bytes, BytesMut};
use clockwise_core::{
    collect::Step,
    exchange::{Exchange, Lines},
    gossip::{Beat, Contents, Entry, GossipMessage, Mark, Suspicion},
    hlc::Hlc,
    ids::{Epoch, MemberNumber, NodeId},
    layout::Addresses,
    limits::GOSSIP_BYTES,
    message::{Body, Message, OpId, ReadVerdict, ReplicaSet, Stamp, StampedRecord},
    slot::Slot,
    tree::Sum,
    witness::Process,
};
use clockwise_wire::{
    error::WireError,
    limits::{FRAME_BYTES, HANDSHAKE_BYTES},
    peer::{
        FrameParser, Handshake, HandshakeParser, Hello, PEER_VERSION, Purpose, Side, TooLarge, cluster_tag,
        encode_frame, encode_handshake, signed_bytes,
    },
};
use fastrand::Rng;

const TAG: u64 = 0x0123_4567_89ab_cdef;

fn frame(message: &Message) -> Vec<u8> {
    let mut out = Vec::new();
    encode_frame(message, TAG, &mut out).expect("a small message");
    out
}

fn feed<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> (Vec<Message>, Option<WireError>) {
    let mut parser = FrameParser::new(TAG);
    let mut buf = BytesMut::new();
    let mut messages = Vec::new();
    for piece in pieces {
        buf.extend_from_slice(piece);
        loop {
            match parser.next(&mut buf) {
                Ok(Some(message)) => messages.push(message),
                Ok(None) => break,
                Err(error) => return (messages, Some(error)),
            }
        }
    }
    (messages, None)
}

fn ping() -> Message {
    Message {
        epoch: Epoch(3),
        set: ReplicaSet::Current,
        deadline_ms: 0,
        time: Hlc(0x0102_0304_0506_0708),
        slot: None,
        body: Body::Ping { sent_ms: 300 },
    }
}

#[test]
fn every_message_comes_back() {
    let mut rng = Rng::with_seed(7);
    for round in 0..300 {
        for kind in 0..messages::KINDS {
            let message = messages::message(&mut rng, kind);
            assert_eq!(feed([&frame(&message)[..]]), (vec![message], None), "round {round} kind {kind}");
        }
    }
}

#[test]
fn coalesced_frames_come_back_whatever_the_split() {
    let mut rng = Rng::with_seed(8);
    let sent: Vec<Message> = (0..messages::KINDS).map(|kind| messages::message(&mut rng, kind)).collect();
    let mut bytes = Vec::new();
    sent.iter().for_each(|message| encode_frame(message, TAG, &mut bytes).unwrap());
    for at in 0..bytes.len() {
        assert_eq!(feed([&bytes[..at], &bytes[at..]]), (sent.clone(), None), "split at {at}");
    }
    assert_eq!(feed(bytes.chunks(1)), (sent, None));
}

#[test]
fn every_damaged_byte_is_noticed() {
    let mut rng = Rng::with_seed(9);
    for kind in 0..messages::KINDS {
        let bytes = frame(&messages::message(&mut rng, kind));
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut damaged = bytes.clone();
                damaged[at] ^= 1 << bit;
                let (messages, error) = feed([&damaged[..]]);
                assert!(messages.is_empty(), "kind {kind}, byte {at}, bit {bit}");
                // A length that grew may still be waiting; everything else is an error at once.
                assert!(error.is_some() || at < 4, "kind {kind}, byte {at}, bit {bit}");
            }
        }
    }
}

#[test]
fn strangers_are_refused_before_their_frame_is_read() {
    let bytes = frame(&ping());
    let refused = |bytes: &[u8]| feed([bytes]).1.map(|error| (error.closes(), error.text().to_string()));
    let mut version = bytes.clone();
    version[4] = 9;
    let text = format!("peer speaks protocol version 9, this server speaks {PEER_VERSION}");
    assert_eq!(refused(&version[..5]), Some((true, text.clone())));
    assert_eq!(refused(&version), Some((true, text)));
    let mut other = Vec::new();
    encode_frame(&ping(), TAG ^ 1, &mut other).unwrap();
    assert_eq!(refused(&other[..13]), None);
    assert_eq!(refused(&other[..14]), Some((true, "peer frame is of another cluster".into())));
    let huge = (1u32 << 30).to_le_bytes();
    assert_eq!(
        refused(&huge),
        Some((true, format!("peer frame announces 1073741824 bytes (6 to {FRAME_BYTES} are allowed)")))
    );
    assert!(refused(&[5, 0, 0, 0]).is_some());
    assert!(refused(b"GET / HTTP/1.1\r\n").is_some());
}

#[test]
fn announced_lengths_reserve_nothing() {
    let mut buf = BytesMut::from(&(FRAME_BYTES as u32).to_le_bytes()[..]);
    buf.extend_from_slice(&[PEER_VERSION, 1]);
    let before = buf.capacity();
    assert_eq!(FrameParser::new(TAG).next(&mut buf), Ok(None));
    assert_eq!(buf.capacity(), before);
}

#[test]
fn well_framed_nonsense_closes_the_link() {
    // A valid envelope around a content that its kind does not have.
    let envelope = |kind: u8, body: &[u8]| {
        let mut bytes = frame(&ping());
        bytes.truncate(bytes.len() - 4 - 2);
        bytes[5] = kind;
        bytes.extend_from_slice(body);
        let length = bytes.len() as u32;
        bytes[..4].copy_from_slice(&length.to_le_bytes());
        let checksum = crc32c::crc32c(&bytes);
        bytes.extend_from_slice(&checksum.to_le_bytes());
        bytes
    };
    assert_eq!(feed([&envelope(16, &[0xac, 0x02])[..]]).0, vec![ping()]);
    for (kind, body) in [
        (0, &[][..]),
        (22, &[][..]),
        (21, &[][..]),
        (21, &[3, 0][..]),
        // Marks that are announced and not there, and more bytes than a body may have.
        (21, &[0, 0xff, 0xff, 0xff, 0xff, 0x0f][..]),
        (21, &[0; GOSSIP_BYTES + 1][..]),
        (0xF0, &[][..]),
        (16, &[][..]),
        (16, &[0xac][..]),
        (16, &[1, 2][..]),
        (3, &[0; 9][..]),
        (3, &[0, 0, 0, 0, 0, 0, 0, 0, 4, 0][..]),
        // A key and counts that are announced and not there, or over their limits.
        (9, &[0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0x0f][..]),
        (14, &[0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0x0f][..]),
        (14, &[0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 0, 1, 0][..]),
        (5, &[0, 0, 17][..]),
    ] {
        let (messages, error) = feed([&envelope(kind, body)[..]]);
        let text = format!("peer frame of kind {kind} is malformed");
        assert_eq!((messages, error), (vec![], Some(WireError::Close(text.into()))), "{body:?}");
    }
}

#[test]
fn a_frame_over_the_limit_is_taken_back() {
    let big = StampedRecord {
        stamp: Stamp {
            epoch: Epoch(1),
            sender: MemberNumber(1),
            incarnation: 1,
            refuse: Hlc::ZERO,
            collect: Hlc::ZERO,
        },
        record: Bytes::from(vec![1; 8 * 1024 * 1024]),
    };
    let repair = |count: usize| Message {
        body: Body::Repair { op: None, key: "k".into(), records: vec![big.clone(); count] },
        ..ping()
    };
    let mut out = frame(&ping());
    let before = out.clone();
    assert_eq!(encode_frame(&repair(4), TAG, &mut out), Err(TooLarge));
    assert_eq!(out, before);
    encode_frame(&repair(3), TAG, &mut out).unwrap();
    assert_eq!(feed([&out[..]]).0.len(), 2);
}

#[test]
fn records_share_the_buffer() {
    let record = Bytes::from(vec![7; 1000]);
    let stamp = Stamp {
        epoch: Epoch(1),
        sender: MemberNumber(1),
        incarnation: 1,
        refuse: Hlc::ZERO,
        collect: Hlc::ZERO,
    };
    let verdict = ReadVerdict::Record(StampedRecord { stamp, record: record.clone() });
    let bytes = frame(&Message { body: Body::ReadAck { op: OpId(1), verdict }, ..ping() });
    let mut buf = BytesMut::from(&bytes[..]);
    let range = buf.as_ptr_range();
    let Some(Message { body: Body::ReadAck { verdict: ReadVerdict::Record(read), .. }, .. }) =
        FrameParser::new(TAG).next(&mut buf).unwrap()
    else {
        panic!("not a record")
    };
    assert_eq!(read.record, record);
    assert!(range.contains(&read.record.as_ptr()));
}

#[test]
fn golden_frames() {
    let expected = [
        &[29, 0, 0, 0, 1, 16][..],
        &[0xef, 0xcd, 0xab, 0x89, 0x67, 0x45, 0x23, 0x01],
        &[8, 7, 6, 5, 4, 3, 2, 1],
        &[0xff, 0xff, 0],
        &[3, 0, 0xac, 0x02],
    ];
    let bytes = frame(&ping());
    let (content, checksum) = bytes.split_at(bytes.len() - 4);
    assert_eq!(content, expected.concat());
    assert_eq!(checksum, crc32c::crc32c(content).to_le_bytes());

    let read = Body::Read { op: OpId(258), key: "ab".into(), digest: Some(5), durable: true };
    let bytes = frame(&Message { body: read, slot: Slot::new(12182), deadline_ms: 5000, ..ping() });
    let tail = [
        &[0x96, 0x2f, 0, 3, 0x88, 0x27][..],
        &[2, 1, 0, 0, 0, 0, 0, 0, 3, 2, b'a', b'b'],
        &[5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
    ];
    assert_eq!(bytes[22..bytes.len() - 4], tail.concat());
    let sums = Some(vec![Sum { name: 17, value: 3 }]);
    let lines = Lines { refuse: Hlc(2), collect: Hlc(1) };
    let answer = Body::Exchange(Exchange::SlotSums { session: 300, lines, sums });
    let bytes = frame(&Message { body: answer, slot: Slot::new(12182), deadline_ms: 0, ..ping() });
    let tail = [
        &[0x96, 0x2f, 0, 3, 0][..],
        &[5, 0xac, 0x02, 2, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0],
        &[1, 1, 17, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
    ];
    assert_eq!(bytes[5], 22);
    assert_eq!(bytes[22..bytes.len() - 4], tail.concat());
    golden_rounds();
    assert_eq!(cluster_tag(&[1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0]), 3);
}

/// Every step of a round once.
fn golden_rounds() {
    let (round, incarnation, root) = (300, 2, Some(3));
    let lines = Lines { refuse: Hlc(2), collect: Hlc(1) };
    let lives = vec![(MemberNumber(5), 2)];
    let steps = [
        Step::Ask { round },
        Step::Floor { round, incarnation, floor: Some(Hlc(9)) },
        Step::Pull { round, upto: Hlc(9), collect: Hlc(1), lives },
        Step::Pulled { round, incarnation, lines, root: None },
        Step::Push { round, lines, root },
        Step::Confirm { round, incarnation },
        Step::Void { round },
        Step::Fact { lines },
    ];
    let slot = Slot::new(12182).expect("a slot");
    let body = Body::Rounds(steps.into_iter().map(|step| (slot, step)).collect());
    let bytes = frame(&Message { body, slot: Some(slot), deadline_ms: 0, ..ping() });
    let (name, one, two, nine) =
        ([0xac, 0x02], [1, 0, 0, 0, 0, 0, 0, 0], [2, 0, 0, 0, 0, 0, 0, 0], [9, 0, 0, 0, 0, 0, 0, 0]);
    let step = |code: u8, parts: &[&[u8]]| [&[0x96, 0x2f, code][..], &parts.concat()].concat();
    let expected = [
        vec![0x96, 0x2f, 0, 3, 0, 8],
        step(0, &[&name]),
        step(1, &[&name, &[2, 1], &nine]),
        step(2, &[&name, &nine, &one, &[1, 5, 2]]),
        step(3, &[&name, &[2], &two, &one, &[0]]),
        step(4, &[&name, &two, &one, &[1, 3], &[0; 15]]),
        step(5, &[&name, &[2]]),
        step(6, &[&name]),
        step(7, &[&two, &one]),
    ];
    assert_eq!(bytes[5], 24);
    assert_eq!(bytes[22..bytes.len() - 4], expected.concat());
}

#[test]
fn golden_gossip() {
    let body = |said: GossipMessage| {
        let long = said.bytes();
        let bytes = frame(&Message { body: Body::Gossip(said), ..ping() });
        let body = bytes[27..bytes.len() - 4].to_vec();
        assert_eq!(bytes[5..6], [21]);
        assert!(body.len() <= long, "the machine's budget covers what is written");
        body
    };
    let (member, beat) = (MemberNumber(5), Beat { generation: 2, heartbeat: 300 });
    let mark = Mark { member, beat, held: 7 };
    assert_eq!(
        body(GossipMessage::Digest { marks: vec![mark; 2] }),
        [0, 2, 5, 2, 0xac, 2, 7, 5, 2, 0xac, 2, 7]
    );
    let contents = Contents {
        epoch: Epoch(3),
        layout: 0x0102_0304_0506_0708,
        load: [1, 300].into_iter().collect(),
        addresses: Addresses { peer: "a:1".into(), ..Addresses::default() },
        suspects: vec![Suspicion { member: MemberNumber(6), beat }],
    };
    let entry = Entry { member, written: beat, contents };
    let written = [
        &[5, 2, 0xac, 2, 3, 8, 7, 6, 5, 4, 3, 2, 1, 2, 1, 0xac, 2][..],
        &[3, b'a', b':', b'1', 0, 0, 0, 1, 6, 2, 0xac, 2],
    ]
    .concat();
    let news = GossipMessage::News { marks: vec![], entries: vec![entry.clone()], wants: vec![member] };
    assert_eq!(body(news), [&[1, 0, 1][..], &written, &[1, 5]].concat());
    let entries = GossipMessage::Entries { entries: vec![entry] };
    assert_eq!(body(entries), [&[2, 1][..], &written].concat());
}

#[test]
fn gossip_is_no_longer_than_its_machine_believes() {
    let mut rng = Rng::with_seed(11);
    for _ in 0..2_000 {
        let message = messages::message(&mut rng, messages::KINDS - 1);
        let Body::Gossip(said) = &message.body else { panic!("not gossip") };
        let long = said.bytes();
        let with = frame(&message).len();
        let without =
            frame(&Message { body: Body::Gossip(GossipMessage::Entries { entries: vec![] }), ..message });
        assert!(with - without.len() + 2 <= long && with + 20 > without.len() + long, "{with} {long}");
    }
}

fn hello() -> Hello {
    Hello {
        cluster: [0xc1; 16],
        node: NodeId([0xd2; 20]),
        member: Some(MemberNumber(5)),
        shards: 2,
        shard: 1,
        to_shard: 0,
        purpose: Purpose::Bulk,
        process: Process { starts: 300, run: 9 },
        session: 77,
        nonce: [0xe3; 32],
        addresses: Addresses {
            peer: "a:1".into(),
            cluster: "b:2".into(),
            plain: "c:3".into(),
            http: "".into(),
        },
    }
}

fn steps<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> (Vec<Handshake>, Option<WireError>) {
    let mut buf = BytesMut::new();
    let mut steps = Vec::new();
    for piece in pieces {
        buf.extend_from_slice(piece);
        loop {
            match HandshakeParser.next(&mut buf) {
                Ok(Some(step)) => steps.push(step),
                Ok(None) => break,
                Err(error) => return (steps, Some(error)),
            }
        }
    }
    (steps, None)
}

#[test]
fn the_handshake_comes_back_whatever_the_split() {
    let sent = vec![
        Handshake::Hello(hello()),
        Handshake::Proof([1; 32]),
        Handshake::Welcome([2; 32]),
        Handshake::Outlived([3; 32]),
        Handshake::Refuse("another secret".into()),
    ];
    let mut bytes = Vec::new();
    sent.iter().for_each(|step| encode_handshake(step, &mut bytes).unwrap());
    for at in 0..bytes.len() {
        assert_eq!(steps([&bytes[..at], &bytes[at..]]), (sent.clone(), None), "split at {at}");
    }
    for at in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0x10;
        assert_ne!(steps([&damaged[..]]), (sent.clone(), None), "byte {at}");
    }
}

#[test]
fn every_step_comes_back() {
    let mut rng = Rng::with_seed(10);
    for round in 0..=255 {
        let step = messages::handshake(&mut rng, round % 5);
        let mut bytes = Vec::new();
        encode_handshake(&step, &mut bytes).unwrap();
        assert_eq!(steps([&bytes[..]]), (vec![step], None), "round {round}");
    }
}

#[test]
fn golden_hello() {
    let mut bytes = Vec::new();
    encode_handshake(&Handshake::Hello(hello()), &mut bytes).unwrap();
    let mut expected = vec![114, 0, 0, 0, 1, 0xF0];
    expected.extend_from_slice(&[0xc1; 16]);
    expected.extend_from_slice(&[0xd2; 20]);
    expected.extend_from_slice(&[0xe3; 32]);
    expected.extend_from_slice(&[77, 0, 0, 0, 0, 0, 0, 0]);
    expected.extend_from_slice(&[2, 0, 1, 0, 0, 0]);
    expected.extend_from_slice(&[0xac, 0x02, 9, 0, 0, 0, 0, 0, 0, 0]);
    expected.extend_from_slice(&[1, 1, 5]);
    expected.extend_from_slice(b"\x03a:1\x03b:2\x03c:3\x00");
    assert_eq!(bytes[..bytes.len() - 4], expected);
}

#[test]
fn bad_hellos_close_the_link() {
    let encoded = |hello: Hello| {
        let mut bytes = Vec::new();
        encode_handshake(&Handshake::Hello(hello), &mut bytes).unwrap();
        steps([&bytes[..]])
    };
    for hello in [
        Hello { shards: 0, shard: 0, ..hello() },
        Hello { shards: 17, ..hello() },
        Hello { shard: 2, ..hello() },
        Hello { to_shard: 16, ..hello() },
        Hello { addresses: Addresses { http: "a b".into(), ..Addresses::default() }, ..hello() },
        Hello { addresses: Addresses { http: "a".repeat(256), ..Addresses::default() }, ..hello() },
    ] {
        let text = "peer frame of kind 240 is malformed".into();
        assert_eq!(encoded(hello), (vec![], Some(WireError::Close(text))));
    }
    let endless =
        Hello { addresses: Addresses { http: "a".repeat(9000), ..Addresses::default() }, ..hello() };
    assert_eq!(encode_handshake(&Handshake::Hello(endless), &mut Vec::new()), Err(TooLarge));
    let length = (HANDSHAKE_BYTES as u32 + 1).to_le_bytes();
    assert!(steps([&length[..]]).1.is_some());
    // A frame is no step of a handshake, and a step is no frame.
    assert!(steps([&frame(&ping())[..]]).1.is_some());
}

#[test]
fn a_reason_is_cut_and_has_no_line_breaks() {
    let mut bytes = Vec::new();
    encode_handshake(&Handshake::Refuse(format!("a\r\n{}", "ä".repeat(600))), &mut bytes).unwrap();
    let (steps, error) = steps([&bytes[..]]);
    let [Handshake::Refuse(reason)] = &steps[..] else { panic!("{error:?}") };
    assert!(reason.starts_with("a  ää") && reason.len() <= 512 && reason.ends_with('ä'));
}

#[test]
fn what_is_signed_names_the_side_and_holds_both_hellos() {
    let other = Hello { nonce: [9; 32], ..hello() };
    let dialer = signed_bytes(Side::Dialer, &hello(), &other);
    let acceptor = signed_bytes(Side::Acceptor, &hello(), &other);
    assert_ne!(dialer, acceptor);
    assert_eq!(dialer[25..], acceptor[25..]);
    assert_ne!(dialer, signed_bytes(Side::Dialer, &other, &hello()));
    let mut sent = Vec::new();
    encode_handshake(&Handshake::Hello(hello()), &mut sent).unwrap();
    assert_eq!(dialer[25..29], 108u32.to_le_bytes());
    assert_eq!(dialer[29..29 + 108], sent[6..sent.len() - 4]);
}
