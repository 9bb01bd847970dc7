use super::*;
use crate::{error::WireError, limits};
use alloc::{format, string::String, vec, vec::Vec};
use bytes::{Bytes, BytesMut};

type Parsed = (Vec<Vec<Vec<u8>>>, Option<WireError>);

/// Feeds the pieces one after the other; answers all commands and the error that ended them.
fn feed<'a>(parser: &mut RequestParser, pieces: impl IntoIterator<Item = &'a [u8]>) -> Parsed {
    let mut buf = BytesMut::new();
    let mut commands = Vec::new();
    for piece in pieces {
        buf.extend_from_slice(piece);
        loop {
            match parser.next(&mut buf) {
                Ok(Some(args)) => commands.push(args.iter().map(<[u8]>::to_vec).collect()),
                Ok(None) => break,
                Err(error) => return (commands, Some(error)),
            }
        }
    }
    (commands, None)
}

fn whole(input: &[u8]) -> Parsed {
    feed(&mut RequestParser::new(true), [input])
}

/// The same input whole, in two pieces at every place, and byte by byte.
fn every_split(input: &[u8]) -> Parsed {
    let expected = whole(input);
    for at in 0..input.len() {
        let parts = [&input[..at], &input[at..]];
        assert_eq!(feed(&mut RequestParser::new(true), parts), expected, "split at {at}");
    }
    assert_eq!(feed(&mut RequestParser::new(true), input.chunks(1)), expected, "byte by byte");
    expected
}

fn words(line: &str) -> Vec<Vec<u8>> {
    line.split(' ').map(|word| word.as_bytes().to_vec()).collect()
}

#[test]
fn commands_come_out_whatever_the_split() {
    let input = b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$0\r\n\r\n*-1\r\n*0\r\n\r\n\nPING\r\n*1\r\n$4\r\nPING\r\nget b\n*2\r\n$4\r\nECHO\r\n$13\r\n\r\n$*0123456\r\n\r\n";
    let (commands, error) = every_split(input);
    assert_eq!(error, None);
    assert_eq!(commands.len(), 5);
    assert_eq!(commands[0], vec![b"SET".to_vec(), b"a".to_vec(), vec![]]);
    assert_eq!(commands[1], words("PING"));
    assert_eq!(commands[3], words("get b"));
    assert_eq!(commands[4], vec![b"ECHO".to_vec(), b"\r\n$*0123456\r\n".to_vec()]);
}

#[test]
fn long_values_come_out_whatever_the_split() {
    for length in [9, 10, 99, 100, 999, 1000, 12_345] {
        let value = vec![b'v'; length];
        let mut input = Vec::new();
        encode_command(&mut input, &[b"SET", b"key", &value]);
        let (commands, error) = whole(&input);
        assert_eq!((commands.len(), error), (1, None));
        assert_eq!(commands[0][2], value);
        assert_eq!(feed(&mut RequestParser::new(true), input.chunks(7)), (commands, None));
    }
}

#[test]
fn protocol_errors_are_those_of_redis_whatever_the_split() {
    let cases: &[(&[u8], &str)] = &[
        (b"*x\r\n", "invalid multibulk length"),
        (b"*\r\n", "invalid multibulk length"),
        (b"*01\r\n", "invalid multibulk length"),
        (b"*+1\r\n", "invalid multibulk length"),
        (b"* 1\r\n", "invalid multibulk length"),
        (b"*1\rx", "invalid multibulk length"),
        (b"*1048577\r\n", "invalid multibulk length"),
        (b"*99999999999999999999\r\n", "invalid multibulk length"),
        (b"*1111111111111111111111111111111111111111111", "too big mbulk count string"),
        (b"*1\r\nx4\r\n", "expected '$', got 'x'"),
        (b"*2\r\n$4\r\nPING\r\n:1\r\n", "expected '$', got ':'"),
        (b"*1\r\n\r\n", "expected '$', got ' '"),
        (b"*1\r\n$-1\r\n", "invalid bulk length"),
        (b"*1\r\n$a\r\n", "invalid bulk length"),
        (b"*1\r\n$536870913\r\n", "invalid bulk length"),
        (b"*1\r\n$1111111111111111111111111111111111111111111", "too big bulk count string"),
        (b"*1\r\n$1073741824\r\n", "invalid bulk length"),
        (
            b"*1\r\n$2097153\r\n",
            "an argument of 2097153 bytes is too large (a value has at most 1048576 bytes)",
        ),
        (b"*1\r\n$4\r\nPINGxx", "expected CRLF after an argument"),
        (b"*1\r\n$4\r\nPING\rx", "expected CRLF after an argument"),
        (b"PING\r\n\"abc\r\n", "unbalanced quotes in request"),
        (b"\"a\"b\r\n", "unbalanced quotes in request"),
        (b"'a\r\n", "unbalanced quotes in request"),
        (b"POST / HTTP/1.1\r\n", "this is not an HTTP port"),
        (b"Host: localhost:7001\r\n", "this is not an HTTP port"),
    ];
    for (input, text) in cases {
        let (_, error) = every_split(input);
        let expected = WireError::Close(format!("ERR Protocol error: {text}").into());
        assert_eq!(error, Some(expected), "{}", String::from_utf8_lossy(input));
    }
}

#[test]
fn inline_words_follow_the_quotes() {
    let (commands, error) = every_split(b"  set \"a\\x41\\n\\\"\\q\" 'it\\'s \\n'  \"\" b'c d'\t\r\n");
    assert_eq!(error, None);
    let expected: Vec<Vec<u8>> =
        vec![b"set".to_vec(), b"aA\n\"q".to_vec(), b"it's \\n".to_vec(), vec![], b"bc d".to_vec()];
    assert_eq!(commands, vec![expected]);
    assert_eq!(whole(b"\"\\xZZ\"\n").0, vec![vec![b"xZZ".to_vec()]]);
}

#[test]
fn an_endless_line_is_refused_at_its_limit() {
    let line = vec![b'a'; limits::INLINE_BYTES];
    let too_long = WireError::close("ERR Protocol error: too big inline request");
    assert_eq!(whole(&line).1, Some(too_long.clone()));
    assert_eq!(feed(&mut RequestParser::new(true), line.chunks(1000)).1, Some(too_long.clone()));
    let mut ended = line.clone();
    ended.push(b'\n');
    assert_eq!(whole(&ended).1, Some(too_long));
    ended.remove(0);
    assert_eq!(whole(&ended).0.len(), 1);
}

#[test]
fn before_authentication_commands_are_small() {
    let mut input = Vec::new();
    encode_command(&mut input, &[&b"x"[..]; 10]);
    assert_eq!(feed(&mut RequestParser::new(false), [&input[..]]).0.len(), 1);
    let error =
        |input: &[u8]| feed(&mut RequestParser::new(false), [input]).1.map(|error| format!("{error}"));
    assert_eq!(error(b"*11\r\n"), Some("ERR Protocol error: unauthenticated multibulk length".into()));
    assert_eq!(error(b"*1\r\n$16384\r\n"), None);
    assert_eq!(error(b"*1\r\n$16385\r\n"), Some("ERR Protocol error: unauthenticated bulk length".into()));
    let mut parser = RequestParser::new(false);
    parser.set_authenticated(true);
    assert_eq!(feed(&mut parser, [&b"*11\r\n$16385\r\n"[..]]).1, None);
}

#[test]
fn announced_lengths_reserve_nothing() {
    let mut parser = RequestParser::new(true);
    let mut buf = BytesMut::from(&b"*1048576\r\n$2097152\r\n"[..]);
    let before = buf.capacity();
    assert_eq!(parser.next(&mut buf), Ok(None));
    assert_eq!(buf.capacity(), before);

    let mut parser = ReplyParser::new();
    let mut buf = BytesMut::from(&b"*1048576\r\n%100000\r\n$200000000\r\n"[..]);
    assert_eq!(parser.next(&mut buf), Ok(None));
    assert!(buf.capacity() < 100);
}

#[test]
fn a_command_of_many_large_arguments_is_refused_before_it_is_read() {
    let mut parser = RequestParser::new(true);
    let argument = vec![b'v'; 2 * 1024 * 1024];
    let mut buf = BytesMut::from(&b"*20\r\n"[..]);
    let mut taken = 0;
    let error = loop {
        buf.extend_from_slice(b"$2097152\r\n");
        match parser.next(&mut buf) {
            Ok(None) => {}
            other => break other,
        }
        buf.extend_from_slice(&argument);
        buf.extend_from_slice(b"\r\n");
        taken += 1;
    };
    assert_eq!(error, Err(WireError::close("ERR Protocol error: a command has at most 16777216 bytes")));
    assert_eq!(taken, 7);
}

#[test]
fn arguments_share_the_buffer() {
    let mut parser = RequestParser::new(true);
    let mut buf = BytesMut::from(&b"*2\r\n$3\r\nGET\r\n$5\r\nhello\r\nrest"[..]);
    let at = buf.as_ptr() as usize;
    let args = parser.next(&mut buf).unwrap().unwrap();
    let key = args.bytes(1).unwrap();
    assert_eq!((&key[..], key.as_ptr() as usize - at), (&b"hello"[..], 17));
    assert_eq!((args.len(), args.get(2), args.bytes(2)), (2, None, None));
    assert_eq!(&buf[..], b"rest");
    assert_eq!(args, Args::from_slices(&[b"GET", b"hello"]));
}

fn replies<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> (Vec<Reply>, Option<WireError>) {
    let mut parser = ReplyParser::new();
    let mut buf = BytesMut::new();
    let mut replies = Vec::new();
    for piece in pieces {
        buf.extend_from_slice(piece);
        loop {
            match parser.next(&mut buf) {
                Ok(Some(reply)) => replies.push(reply),
                Ok(None) => break,
                Err(error) => return (replies, Some(error)),
            }
        }
    }
    (replies, None)
}

fn bulk(text: &'static str) -> Reply {
    Reply::Bulk(Bytes::from_static(text.as_bytes()))
}

/// One of everything that a writer can write.
fn write_all(protocol: Protocol) -> Vec<u8> {
    let mut out = Vec::new();
    let mut writer = ReplyWriter::new(&mut out, protocol);
    writer.ok();
    writer.simple("a\r\nb");
    writer.error("ERR x\ny");
    writer.integer(i64::MIN);
    writer.bulk(b"\r\n");
    writer.optional(None);
    writer.null_array();
    writer.map(1);
    writer.bulk(b"k");
    writer.set(2);
    writer.double(1.5);
    writer.boolean(true);
    writer.array(0);
    writer.verbatim(b"hi");
    out
}

#[test]
fn what_is_written_is_read_whatever_the_split() {
    for (protocol, nested) in [
        (Protocol::Resp2, Reply::Array(vec![bulk("k"), Reply::Array(vec![bulk("1.5"), Reply::Integer(1)])])),
        (
            Protocol::Resp3,
            Reply::Map(vec![(
                bulk("k"),
                Reply::Set(vec![Reply::Double(Bytes::from_static(b"1.5")), Reply::Boolean(true)]),
            )]),
        ),
    ] {
        let bytes = write_all(protocol);
        let (read, error) = replies([&bytes[..]]);
        assert_eq!(error, None);
        assert_eq!(read.len(), 10);
        assert_eq!(read[1], Reply::Simple(Bytes::from_static(b"a  b")));
        assert_eq!(read[2], Reply::Error(Bytes::from_static(b"ERR x y")));
        assert_eq!(read[3], Reply::Integer(i64::MIN));
        assert_eq!((&read[5], &read[6]), (&Reply::Null, &Reply::Null));
        assert_eq!(read[7], nested);
        assert_eq!(read[7].field(b"k").and_then(Reply::as_elements).map(<[Reply]>::len), Some(2));
        assert_eq!(read[9].as_bytes(), Some(&b"hi"[..]));
        for at in 0..bytes.len() {
            assert_eq!(replies([&bytes[..at], &bytes[at..]]), (read.clone(), None), "split at {at}");
        }
        assert_eq!(replies(bytes.chunks(1)), (read, None));
    }
}

#[test]
fn every_kind_of_reply_is_read() {
    let input = b"(-123456789012345678901234567890\r\n!5\r\nE a\nb\r\n>1\r\n:+5\r\n|1\r\n+k\r\n+v\r\n*1\r\n_\r\n,inf\r\n";
    let (read, error) = replies(input.chunks(1));
    assert_eq!(error, None);
    assert_eq!(
        read,
        vec![
            Reply::BigNumber(Bytes::from_static(b"-123456789012345678901234567890")),
            Reply::Error(Bytes::from_static(b"E a\nb")),
            Reply::Push(vec![Reply::Integer(5)]),
            Reply::Attributed {
                attributes: vec![(
                    Reply::Simple(Bytes::from_static(b"k")),
                    Reply::Simple(Bytes::from_static(b"v"))
                )],
                reply: alloc::boxed::Box::new(Reply::Array(vec![Reply::Null])),
            },
            Reply::Double(Bytes::from_static(b"inf")),
        ]
    );
}

#[test]
fn bad_replies_close_whatever_the_split() {
    let mut deep = b"*1\r\n".repeat(limits::REPLY_DEPTH + 1);
    deep.extend_from_slice(b":1\r\n");
    let cases: Vec<&[u8]> = vec![
        b"\r\n",
        b"x\r\n",
        b":a\r\n",
        b"$x\r\n",
        b"$-2\r\n",
        b"$?\r\n",
        b"*?\r\n",
        b"*-2\r\n",
        b"%-1\r\n",
        b"*1073741824\r\n",
        b"$1073741824\r\n",
        b"$1\r\nabc",
        b"=2\r\nab\r\n",
        b"#x\r\n",
        b"_x\r\n",
        b"+a\rb",
        b"(1a\r\n",
        &deep,
    ];
    for input in cases {
        let (_, error) = replies([input]);
        assert!(matches!(error, Some(WireError::Close(_))), "{}", String::from_utf8_lossy(input));
        assert_eq!(replies(input.chunks(1)).1, error);
    }
    assert_eq!(replies([&deep[4..]]).1, None);
    let long = vec![b'+'; limits::REPLY_LINE_BYTES + 1];
    assert!(replies([&long[..]]).1.is_some());
}
