//! One target for each parser.

use super::Target;
use crate::messages;
use bytes::BytesMut;
use clockwise_core::version::{Token, TokenKey};
use clockwise_wire::{
    command::{self, Command, CommandQuery},
    context,
    error::WireError,
    glob,
    peer::{FrameParser, Handshake, HandshakeParser, Side, encode_frame, encode_handshake, signed_bytes},
    resp::{Args, Protocol, Reply, ReplyParser, ReplyWriter, RequestParser, encode_command},
};
use fastrand::Rng;
use std::fmt::Debug;

const TAG: u64 = 0x0123_4567_89ab_cdef;

/// Every parser of this crate.
pub const TARGETS: &[Target] = &[
    Target { name: "request", check: request, sample: request_sample, mend: |_| () },
    Target { name: "reply", check: reply, sample: reply_sample, mend: |_| () },
    Target { name: "command", check: parse_command, sample: command_sample, mend: |_| () },
    Target { name: "frame", check: frame, sample: frame_sample, mend },
    Target { name: "handshake", check: handshake, sample: handshake_sample, mend },
    Target { name: "context", check: token, sample: token_sample, mend: |_| () },
    Target { name: "glob", check: pattern, sample: pattern_sample, mend: |_| () },
];

type Outcome<T> = (Vec<T>, Option<WireError>, usize);

/// Feeds a parser piece by piece: what came out, the error that ended it, and what was left over.
fn feed<T>(
    pieces: &mut dyn Iterator<Item = &[u8]>,
    next: &mut dyn FnMut(&mut BytesMut) -> Result<Option<T>, WireError>,
) -> Outcome<T> {
    let mut buf = BytesMut::new();
    let mut items = Vec::new();
    let mut fed = 0;
    for piece in pieces {
        buf.extend_from_slice(piece);
        fed += piece.len();
        loop {
            let before = buf.len();
            match next(&mut buf) {
                Ok(Some(item)) => items.push(item),
                Ok(None) => break,
                // What is left after an error depends on what had arrived; it is never looked at.
                Err(error) => return (items, Some(error), 0),
            }
            assert!(buf.len() < before, "an item took nothing");
        }
        assert!(buf.capacity() <= 4 * fed + 1024, "{} bytes for {fed}", buf.capacity());
    }
    let left = buf.len();
    (items, None, left)
}

/// The same input whole, cut at random places, and byte by byte if it is short, gives the same.
fn same_whatever_the_split<T: PartialEq + Debug, P: FnMut(&mut BytesMut) -> Result<Option<T>, WireError>>(
    input: &[u8],
    rng: &mut Rng,
    parser: impl Fn() -> P,
) -> Outcome<T> {
    let whole = feed(&mut std::iter::once(input), &mut parser());
    let size = rng.usize(1..=input.len().max(2));
    assert_eq!(feed(&mut input.chunks(size), &mut parser()), whole, "pieces of {size}");
    if input.len() <= 2048 {
        assert_eq!(feed(&mut input.chunks(1), &mut parser()), whole, "byte by byte");
    }
    if let Some(error) = &whole.1 {
        assert!(error.closes() && is_one_line(error.text()), "{error:?}");
    }
    whole
}

fn is_one_line(text: &str) -> bool {
    !text.contains(char::is_control)
}

fn request(input: &[u8], rng: &mut Rng) {
    let authenticated = rng.bool();
    let (commands, ..) = same_whatever_the_split(input, rng, || {
        let mut parser = RequestParser::new(authenticated);
        move |buf: &mut BytesMut| parser.next(buf)
    });
    for args in commands {
        assert!(!args.is_empty());
        let mut again = Vec::new();
        encode_command(&mut again, &args.iter().collect::<Vec<_>>());
        let read = RequestParser::new(true).next(&mut BytesMut::from(&again[..]));
        assert_eq!(read, Ok(Some(args.clone())));
        command_holds(&args);
    }
}

/// What holds for every command, whatever its arguments are.
fn command_holds(args: &Args) {
    match Command::parse(args) {
        Err(error) => assert!(!error.closes() && is_one_line(error.text()), "{error:?}"),
        Ok(Command::Command(query)) => one_reply(|writer| query.write(writer)),
        Ok(Command::Help(row)) => one_reply(|writer| command::write_help(row, writer)),
        Ok(command) => {
            let row =
                command::find(args.get(0).unwrap_or_default()).expect("parsed, so it is in the registry");
            assert!(row.takes(args.len()), "{command:?}");
            assert!(row.key_indices(args.len()).all(|index| index < args.len()));
        }
    }
}

fn one_reply(write: impl Fn(&mut ReplyWriter<'_>)) {
    for protocol in [Protocol::Resp2, Protocol::Resp3] {
        let mut out = Vec::new();
        write(&mut ReplyWriter::new(&mut out, protocol));
        let mut buf = BytesMut::from(&out[..]);
        assert!(matches!(ReplyParser::new().next(&mut buf), Ok(Some(_))));
        assert!(buf.is_empty());
    }
}

fn request_sample(rng: &mut Rng) -> Vec<u8> {
    let mut out = Vec::new();
    for _ in 0..rng.usize(1..4) {
        let words = words(rng);
        let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
        if rng.bool() {
            encode_command(&mut out, &words);
        } else {
            out.extend_from_slice(&words.join(&b' '));
            out.extend_from_slice(b"\r\n");
        }
    }
    out
}

/// A command with arguments that its options could be.
fn words(rng: &mut Rng) -> Vec<Vec<u8>> {
    const OPTIONS: [&str; 30] = [
        "a", "b", "{tag}x", "EX", "PX", "EXAT", "PXAT", "10", "0", "-1", "NX", "R", "W", "2", "quorum",
        "all", "ONE", "STRICT", "sloppy", "TIMEOUT", "LEVEL", "CONTEXT", "AAAA", "setname", "AUTH", "3",
        "FILTERBY", "PATTERN", "LIB-NAME", "on",
    ];
    let row = command::ROWS[rng.usize(..command::ROWS.len())];
    let mut words = vec![row.name.as_bytes().to_vec()];
    if !row.subcommands.is_empty() && rng.u8(..8) != 0 {
        words.push(row.subcommands[rng.usize(..row.subcommands.len())].word().as_bytes().to_vec());
    }
    let more = row.arity.unsigned_abs() as usize + rng.usize(..5);
    while words.len() < more {
        words.push(OPTIONS[rng.usize(..OPTIONS.len())].as_bytes().to_vec());
    }
    words
}

/// Arguments between zero bytes, without the protocol around them.
fn parse_command(input: &[u8], _: &mut Rng) {
    let words: Vec<&[u8]> = input.split(|&byte| byte == 0).collect();
    command_holds(&Args::from_slices(&words));
}

fn command_sample(rng: &mut Rng) -> Vec<u8> {
    words(rng).join(&0)
}

fn reply(input: &[u8], rng: &mut Rng) {
    let (replies, ..) = same_whatever_the_split(input, rng, || {
        let mut parser = ReplyParser::new();
        move |buf: &mut BytesMut| parser.next(buf)
    });
    assert!(replies.iter().all(|reply| depth(reply) <= 33));
}

fn depth(reply: &Reply) -> usize {
    let pairs = |pairs: &[(Reply, Reply)]| {
        pairs.iter().map(|(key, value)| depth(key).max(depth(value))).max().unwrap_or(0)
    };
    match reply {
        Reply::Array(elements) | Reply::Set(elements) | Reply::Push(elements) => {
            1 + elements.iter().map(depth).max().unwrap_or(0)
        }
        Reply::Map(map) => 1 + pairs(map),
        Reply::Attributed { attributes, reply } => 1 + pairs(attributes).max(depth(reply)),
        _ => 1,
    }
}

fn reply_sample(rng: &mut Rng) -> Vec<u8> {
    let mut out = Vec::new();
    let protocol = if rng.bool() { Protocol::Resp3 } else { Protocol::Resp2 };
    let mut writer = ReplyWriter::new(&mut out, protocol);
    match rng.u8(..4) {
        0 => CommandQuery::Info(vec!["get".into(), "nothing".into()]).write(&mut writer),
        1 => CommandQuery::Docs(vec!["client".into()]).write(&mut writer),
        2 => {
            writer.map(2);
            writer.integer(rng.i64(..));
            writer.double(1.5);
            writer.boolean(true);
            writer.array(2);
            writer.verbatim(b"text");
            writer.null();
        }
        _ => {
            writer.error("ERR no");
            writer.bulk(&vec![b'x'; rng.usize(..300)]);
            writer.simple("PONG");
        }
    }
    out.extend_from_slice(
        [&b""[..], b">1\r\n:1\r\n", b"|1\r\n+a\r\n+b\r\n:1\r\n", b"(12\r\n"][rng.usize(..4)],
    );
    out
}

fn frame(input: &[u8], rng: &mut Rng) {
    let (messages, ..) = same_whatever_the_split(input, rng, || {
        let mut parser = FrameParser::new(TAG);
        move |buf: &mut BytesMut| parser.next(buf)
    });
    for message in messages {
        let mut again = Vec::new();
        encode_frame(&message, TAG, &mut again).expect("it came in a frame");
        let read = FrameParser::new(TAG).next(&mut BytesMut::from(&again[..]));
        assert_eq!(read, Ok(Some(message)));
    }
}

fn frame_sample(rng: &mut Rng) -> Vec<u8> {
    let mut out = Vec::new();
    for _ in 0..rng.usize(1..3) {
        let kind = rng.u8(..messages::KINDS);
        encode_frame(&messages::message(rng, kind), TAG, &mut out).expect("a small message");
    }
    out
}

fn handshake(input: &[u8], rng: &mut Rng) {
    let (steps, ..) = same_whatever_the_split(input, rng, || |buf: &mut BytesMut| HandshakeParser.next(buf));
    for step in steps {
        let mut again = Vec::new();
        encode_handshake(&step, &mut again).expect("it came in an envelope");
        if let Handshake::Hello(hello) = &step {
            assert!(signed_bytes(Side::Dialer, hello, hello) != signed_bytes(Side::Acceptor, hello, hello));
        }
        let read = HandshakeParser.next(&mut BytesMut::from(&again[..]));
        // A reason that was no UTF-8 grows when it is mended, and is cut again.
        assert!(read == Ok(Some(step.clone())) || matches!(step, Handshake::Refuse(_)));
    }
}

fn handshake_sample(rng: &mut Rng) -> Vec<u8> {
    let mut out = Vec::new();
    for _ in 0..rng.usize(1..3) {
        let kind = rng.u8(..4);
        encode_handshake(&messages::handshake(rng, kind), &mut out).expect("a small step");
    }
    out
}

/// Makes the first envelope's length, version and checksum right.
fn mend(input: &mut [u8]) {
    if input.len() < 10 {
        return;
    }
    let announced = u32::from_le_bytes([input[0], input[1], input[2], input[3]]) as usize;
    if !(6..=input.len() - 4).contains(&announced) {
        let length = (input.len() - 4) as u32;
        input[..4].copy_from_slice(&length.to_le_bytes());
    }
    let end = u32::from_le_bytes([input[0], input[1], input[2], input[3]]) as usize;
    input[4] = 1;
    if input[5] < 0xF0 && end >= 14 {
        input[6..14].copy_from_slice(&TAG.to_le_bytes());
    }
    let checksum = crc32c::crc32c(&input[..end]).to_le_bytes();
    input[end..end + 4].copy_from_slice(&checksum);
}

/// A context as a client sends it: text, and what the text seals.
fn token(input: &[u8], _: &mut Rng) {
    match context::from_text(input) {
        Err(error) => assert!(!error.closes() && is_one_line(error.text())),
        Ok(sealed) => {
            assert_eq!(context::to_text(&sealed).as_bytes(), input);
            let opened = Token::open(sealed.clone().into(), &TokenKey([7; 16]), b"key");
            assert!(opened.is_err() || Token::open(sealed.into(), &TokenKey([8; 16]), b"key").is_err());
        }
    }
}

fn token_sample(rng: &mut Rng) -> Vec<u8> {
    let write = loop {
        let clockwise_core::message::Body::Write { write, .. } = messages::message(rng, 0).body else {
            continue;
        };
        break write;
    };
    let sealed = write.delta().token().seal(&TokenKey([7; 16]), b"key").expect("a short token");
    context::to_text(&sealed).into_bytes()
}

/// A pattern and a text between them a zero byte.
fn pattern(input: &[u8], _: &mut Rng) {
    let mut halves = input.splitn(2, |&byte| byte == 0);
    let (pattern, text) = (halves.next().unwrap_or_default(), halves.next().unwrap_or_default());
    let strict = glob::matches(pattern, text, false);
    let folded = glob::matches(pattern, text, true);
    if !pattern.contains(&b'[') {
        assert!(folded || !strict, "ignoring case can only match more");
        assert_eq!(strict, slow_match(pattern, text, &mut 0), "{pattern:?} {text:?}");
    }
}

/// The definition, step by step, for patterns without sets; gives up as "the same" when it takes too long.
fn slow_match(pattern: &[u8], text: &[u8], steps: &mut u32) -> bool {
    *steps += 1;
    if *steps > 100_000 {
        return glob::matches(pattern, text, false);
    }
    match (pattern, text) {
        ([], text) => text.is_empty(),
        ([b'*', rest @ ..], text) => {
            slow_match(rest, text, steps) || (!text.is_empty() && slow_match(pattern, &text[1..], steps))
        }
        (_, []) => false,
        ([b'?', rest @ ..], [_, text @ ..]) => slow_match(rest, text, steps),
        ([b'\\', literal, rest @ ..], [byte, text @ ..]) => literal == byte && slow_match(rest, text, steps),
        ([literal, rest @ ..], [byte, text @ ..]) => literal == byte && slow_match(rest, text, steps),
    }
}

fn pattern_sample(rng: &mut Rng) -> Vec<u8> {
    let letters = b"ab*?\\[]^-";
    let mut out: Vec<u8> = (0..rng.usize(..12)).map(|_| letters[rng.usize(..letters.len())]).collect();
    out.push(0);
    out.extend((0..rng.usize(..12)).map(|_| letters[rng.usize(..3)]));
    out
}
