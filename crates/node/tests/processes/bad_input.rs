//! Bytes that no client of ours would send, to every port.

use super::harness::{Pipe, TestCluster, alone, eventually, ok};
use bytes::Bytes;
use clockwise_core::limits::{KEY_BYTES, VALUE_BYTES};
use clockwise_wire::resp::Reply;
use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    time::{Duration, Instant},
};

/// Memory that all of this may cost a server, in bytes.
const MEMORY_BYTES: u64 = 64 << 20;

/// Numbers that look random and are the same in every run (xorshift).
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| self.next() as u8).collect()
    }
}

/// Sends and reads whatever comes until the other side closes or is silent.
fn shout(address: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).expect("the port is open");
    stream.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    // The server may hang up before it read everything.
    let _ = stream.write_all(bytes);
    let mut answer = Vec::new();
    let mut chunk = [0; 4096];
    while let Ok(count @ 1..) = stream.read(&mut chunk) {
        answer.extend_from_slice(&chunk[..count]);
    }
    answer
}

/// How it ends for a client that sends these bytes to the cluster port.
fn answer(cluster: &TestCluster, bytes: &[u8]) -> String {
    String::from_utf8_lossy(&shout(cluster.cluster(0), bytes)).into_owned()
}

#[test]
fn noise_on_every_port_harms_nobody() {
    let _turn = alone();
    let cluster = TestCluster::ready(1, &[]);
    let before = cluster.process(0).memory_bytes();
    let mut noise = Noise(0x9E37_79B9_7F4A_7C15);
    for address in cluster.ports.of(0) {
        for at in 0..25 {
            let length = (noise.next() % 4_000) as usize + 1;
            let mut bytes = noise.bytes(length);
            // Some begin as if they were right.
            let head: &[u8] =
                [&b""[..], b"*3\r\n$3\r\nSET\r\n$", b"*1\r\n$4\r\nPING\r\n", b"GET /", b"\x01\x00"][at % 5];
            bytes.splice(0..0, head.iter().copied());
            shout(address, &bytes);
        }
    }
    cluster.serves();
    let grown = cluster.process(0).memory_bytes().saturating_sub(before);
    assert!(grown < MEMORY_BYTES, "{grown} bytes");
    assert!(!cluster.log(0).contains("panicked"), "{}", cluster.log(0));
}

#[test]
fn announced_lengths_allocate_nothing() {
    let _turn = alone();
    let cluster = TestCluster::ready(1, &[]);
    let before = cluster.process(0).memory_bytes();
    for bytes in [
        &b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1073741824\r\nxxxx"[..],
        b"*1073741824\r\n",
        b"*2147483648\r\n",
        b"*-5\r\n$3\r\n",
        b"*1\r\n$-7\r\n",
        b"*2\r\n$99999999999999999999\r\n",
        b"$4\r\nPING\r\n",
    ] {
        let answer = answer(&cluster, bytes);
        assert!(
            answer.is_empty() || answer.starts_with('-'),
            "{:?}: {answer}",
            String::from_utf8_lossy(bytes)
        );
    }
    // A frame between servers that announces a gigabyte.
    let mut frame = vec![1, 0, 0, 0];
    frame.extend_from_slice(&(1u32 << 30).to_le_bytes());
    frame.extend_from_slice(&[0; 64]);
    shout(cluster.peer(0), &frame);
    shout(cluster.peer(0), &[0xff; 4096]);
    // Many clients that promise much, send little and stay.
    let waiting: Vec<TcpStream> = (0..200)
        .map(|_| {
            let mut stream = TcpStream::connect(cluster.cluster(0)).unwrap();
            stream.write_all(b"*2\r\n$3\r\nGET\r\n$4096\r\nabc").unwrap();
            stream
        })
        .collect();
    cluster.serves();
    let grown = cluster.process(0).memory_bytes().saturating_sub(before);
    assert!(grown < MEMORY_BYTES, "{grown} bytes");
    drop(waiting);
    assert!(!cluster.log(0).contains("panicked"), "{}", cluster.log(0));
}

#[test]
fn keys_and_values_have_limits() {
    let _turn = alone();
    let cluster = TestCluster::ready(1, &[]);
    let mut pipe = cluster.pipe(0);
    let largest = vec![b'v'; VALUE_BYTES];
    let longest = vec![b'k'; KEY_BYTES];
    assert_eq!(pipe.call(&[b"SET", &longest, &largest]).unwrap(), Reply::Simple(Bytes::from_static(b"OK")));
    assert_eq!(pipe.call(&[b"GET", &longest]).unwrap(), Reply::Bulk(Bytes::from(largest.clone())));
    let refused = |pipe: &mut Pipe, key: &[u8], value: &[u8]| {
        let reply = pipe.call(&[b"SET", key, value]).unwrap();
        assert!(matches!(reply, Reply::Error(_)), "{reply:?}");
    };
    refused(&mut pipe, &[longest.as_slice(), b"k"].concat(), b"v");
    // The connection may be closed after a value that is too large, but the server says why.
    refused(&mut cluster.pipe(0), b"k", &[largest.as_slice(), b"v"].concat());
    let binary = b"\0\r\n\xff$*";
    assert_eq!(pipe.call(&[b"SET", binary, binary]).unwrap(), Reply::Simple(Bytes::from_static(b"OK")));
    assert_eq!(pipe.call(&[b"GET", binary]).unwrap(), Reply::Bulk(Bytes::from_static(binary)));
    assert_eq!(pipe.call(&[b"SET", b"", b""]).unwrap(), Reply::Simple(Bytes::from_static(b"OK")));
    let unknown = pipe.call(&[b"NO-SUCH-COMMAND"]).unwrap();
    assert!(
        matches!(&unknown, Reply::Error(text) if text.starts_with(b"ERR unknown command")),
        "{unknown:?}"
    );
}

/// A client that asks for large values and reads none of them: what it costs the server, in bytes.
///
/// The connection is not new: small replies before the large ones must not make the server careless.
fn cost_of_a_client_that_never_reads(cluster: &TestCluster, ask: &[u8]) -> u64 {
    let mut small = cluster.pipe(0);
    for _ in 0..3 {
        small.send(&vec![vec![&b"GET"[..], b"small"]; 200]).unwrap();
        (0..200).for_each(|_| assert_eq!(small.receive().unwrap(), Reply::Bulk(Bytes::from_static(b"s"))));
    }
    let before = cluster.process(0).memory_bytes();
    let mut greedy = small.into_stream();
    greedy.set_write_timeout(Some(Duration::from_millis(100))).unwrap();
    let asks = ask.repeat(100);
    let mut most = 0;
    for _ in 0..20 {
        let is_full = greedy.write_all(&asks).is_err();
        most = most.max(cluster.process(0).memory_bytes());
        if is_full {
            break;
        }
    }
    let began = Instant::now();
    while began.elapsed() < Duration::from_millis(300) {
        most = most.max(cluster.process(0).memory_bytes());
    }
    // Others are served meanwhile.
    assert!(matches!(cluster.pipe(0).call(&[b"GET", b"small"]), Ok(Reply::Bulk(_))));
    most.saturating_sub(before)
}

/// `GET` of keys of many slots, so that all shards are asked.
fn gets(keys: usize) -> Vec<u8> {
    (0..keys).flat_map(|key| format!("*2\r\n$3\r\nGET\r\n$6\r\nbig-{key:02}\r\n").into_bytes()).collect()
}

fn set_large(cluster: &TestCluster, keys: usize, value: &[u8]) {
    let mut pipe = cluster.pipe(0);
    pipe.call(&[b"SET", b"small", b"s"]).unwrap();
    for key in 0..keys {
        // With little memory for what is not in tables yet, writes may have to wait for a flush.
        eventually("it is taken", Duration::from_secs(10), || {
            pipe.call(&[b"SET", format!("big-{key:02}").as_bytes(), value]).unwrap() == ok()
        });
    }
}

#[test]
fn a_client_that_never_reads_costs_little() {
    let _turn = alone();
    for shards in ["1", "2"] {
        let cluster = TestCluster::ready(1, &["--shards", shards]);
        for bytes in [64 << 10, 512 << 10, VALUE_BYTES] {
            set_large(&cluster, 16, &vec![b'x'; bytes]);
            let grown = cost_of_a_client_that_never_reads(&cluster, &gets(16));
            assert!(grown < MEMORY_BYTES / 4, "{shards} shards, values of {bytes}: {grown} bytes");
        }
        // One reply over many keys, replies that are known at once, and errors.
        let keys = String::from_utf8(gets(16)).unwrap().replace("*2\r\n$3\r\nGET\r\n", "");
        let mget = format!("*17\r\n$4\r\nMGET\r\n{keys}");
        let grown = cost_of_a_client_that_never_reads(&cluster, mget.as_bytes());
        assert!(grown < MEMORY_BYTES, "{shards} shards, MGET: {grown} bytes");
        let echo = format!("*2\r\n$4\r\nECHO\r\n${VALUE_BYTES}\r\n{}\r\n", "x".repeat(VALUE_BYTES));
        let grown = cost_of_a_client_that_never_reads(&cluster, echo.as_bytes());
        assert!(grown < MEMORY_BYTES / 4, "{shards} shards, ECHO: {grown} bytes");
        let grown = cost_of_a_client_that_never_reads(&cluster, &b"*1\r\n$3\r\nGET\r\n".repeat(10_000));
        assert!(grown < MEMORY_BYTES / 4, "{shards} shards, errors: {grown} bytes");
        cluster.serves();
    }
}

/// The same where values come from tables and through other servers: their size is known only once they are there.
#[test]
fn a_client_that_never_reads_costs_little_on_cold_data_too() {
    let _turn = alone();
    let cluster = TestCluster::ready(3, &["--shards", "2", "--memtable", "4MiB", "--cache", "1MiB"]);
    set_large(&cluster, 48, &vec![b'x'; 512 << 10]);
    let grown = cost_of_a_client_that_never_reads(&cluster, &gets(48));
    assert!(grown < MEMORY_BYTES, "{grown} bytes");
    cluster.serves();
}

/// Budgets hold a client up; they do not change what it is answered, and in which order.
#[test]
fn large_replies_come_in_order_to_a_client_that_reads_late() {
    let _turn = alone();
    let cluster = TestCluster::ready(1, &["--shards", "2"]);
    let value = |key: usize| vec![b'a' + key as u8; 300 << 10];
    let mut pipe = cluster.pipe(0);
    for key in 0..16 {
        pipe.call(&[b"SET", format!("big-{key:02}").as_bytes(), &value(key)]).unwrap();
    }
    let keys: Vec<String> = (0..64).map(|at| format!("big-{:02}", at % 16)).collect();
    let commands: Vec<Vec<&[u8]>> =
        keys.iter().flat_map(|key| [vec![&b"GET"[..], key.as_bytes()], vec![&b"PING"[..]]]).collect();
    pipe.send(&commands).unwrap();
    std::thread::sleep(Duration::from_millis(300));
    for at in 0..64 {
        assert!(pipe.receive().unwrap() == Reply::Bulk(Bytes::from(value(at % 16))), "reply {at}");
        assert_eq!(pipe.receive().unwrap(), Reply::Simple(Bytes::from_static(b"PONG")), "reply {at}");
    }
}
