//! The door over real sockets.

use super::{ErrorBody, Family, HttpDoor, Sample, Served, Value};
use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

#[derive(Default)]
struct Pretend {
    ready: AtomicBool,
}

impl Served for Pretend {
    fn ready(&self) -> Result<(), String> {
        if self.ready.load(Ordering::SeqCst) { Ok(()) } else { Err("no layout is installed".to_owned()) }
    }

    fn families(&self) -> Vec<Family> {
        let buckets = vec![(0.001, 2), (0.01, 1), (f64::INFINITY, 1)];
        vec![
            Family {
                name: "requests",
                help: "Requests by kind",
                unit: None,
                samples: ["read", "write"]
                    .map(|op| Sample { labels: vec![("op", op.to_owned())], value: Value::Counter(7) })
                    .to_vec(),
            },
            Family::one("memtable", "Memory of memtables", Value::Gauge(4096.0)).in_unit("bytes"),
            Family::one("latency", "Time to answer", Value::Histogram { sum: 2.5, buckets })
                .in_unit("seconds"),
        ]
    }
}

fn door() -> (HttpDoor, SocketAddr, Arc<Pretend>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let served = Arc::new(Pretend::default());
    (HttpDoor::open(listener, served.clone()).unwrap(), address, served)
}

/// Head and body of the answer.
fn ask(address: SocketAddr, line: &str) -> (String, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "{line} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    (head.to_ascii_lowercase(), body.to_owned())
}

#[test]
fn health_tells_alive_from_ready() {
    let (door, address, served) = door();
    assert!(ask(address, "GET /health/live").0.starts_with("http/1.1 200"));
    let (head, body) = ask(address, "GET /health/ready");
    assert!(head.starts_with("http/1.1 503"), "{head}");
    let error: ErrorBody = serde_json::from_str(&body).unwrap();
    assert_eq!((error.code.as_str(), error.applied.as_str()), ("not_ready", "no"));
    assert_eq!(error.message, "no layout is installed");
    assert!(head.contains(&format!("x-request-id: {}", error.request_id)), "{head}");
    served.ready.store(true, Ordering::SeqCst);
    assert!(ask(address, "GET /health/ready").0.starts_with("http/1.1 200"));
    door.close();
    assert!(TcpStream::connect(address).is_err(), "the socket is closed");
}

#[test]
fn other_paths_and_methods_get_the_error_body() {
    let (door, address, _) = door();
    let (head, body) = ask(address, "GET /v2/nothing");
    assert!(head.starts_with("http/1.1 404"), "{head}");
    assert_eq!(serde_json::from_str::<ErrorBody>(&body).unwrap().code, "not_found");
    let (head, body) = ask(address, "DELETE /metrics");
    assert!(head.starts_with("http/1.1 405") && head.contains("allow: get, head"), "{head}");
    assert_eq!(serde_json::from_str::<ErrorBody>(&body).unwrap().code, "method_not_allowed");
    door.close();
}

#[test]
fn metrics_are_prometheus_text() {
    let (door, address, _) = door();
    let (head, body) = ask(address, "GET /metrics");
    assert!(head.contains("content-type: application/openmetrics-text"), "{head}");
    for line in [
        "# HELP clockwise_requests Requests by kind",
        "# TYPE clockwise_requests counter",
        "clockwise_requests_total{op=\"read\"} 7",
        "clockwise_memtable_bytes 4096.0",
        "clockwise_latency_seconds_sum 2.5",
        "clockwise_latency_seconds_bucket{le=\"0.01\"} 3",
        "clockwise_latency_seconds_bucket{le=\"+Inf\"} 4",
        "clockwise_latency_seconds_count 4",
        "# EOF",
    ] {
        assert!(body.lines().any(|found| found == line), "{line} is not in\n{body}");
    }
    door.close();
}

#[test]
fn garbage_and_endless_heads_end_the_connection_only() {
    let (door, address, _) = door();
    for bytes in
        [b"\0\x01\x02\xff\xff garbage\r\n\r\n".to_vec(), [b"GET /".to_vec(), vec![b'a'; 1 << 20]].concat()]
    {
        let mut stream = TcpStream::connect(address).unwrap();
        // The server may hang up before it read everything.
        let _ = stream.write_all(&bytes);
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest);
        assert!(rest.is_empty() || rest.starts_with(b"HTTP/1.1 4"), "{:?}", String::from_utf8_lossy(&rest));
    }
    assert!(ask(address, "GET /health/live").0.starts_with("http/1.1 200"));
    door.close();
}
