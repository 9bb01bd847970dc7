//! The client against a server of a few lines.

use super::{Client, ClientError, to_json};
use serde_json::json;
use std::{
    io::{Read, Write},
    net::TcpListener,
    thread,
    time::Duration,
};

/// A server that answers each read with the next of these texts, and then hangs up.
fn server(answers: &'static [&'static str]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut input = [0; 4096];
        for answer in answers {
            if stream.read(&mut input).unwrap_or(0) == 0 {
                return;
            }
            stream.write_all(answer.as_bytes()).unwrap();
        }
    });
    address
}

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn answers_errors_and_json_are_told_apart() {
    let address = server(&[
        "%1\r\n+proto\r\n:3\r\n",
        "-ERR no\r\n",
        "$8\r\n{\"a\": 7}\r\n",
        "*2\r\n:1\r\n$1\r\n\u{7f}\r\n",
    ]);
    let mut client = Client::connect(&address, Some("secret"), SECOND).unwrap();
    assert!(matches!(client.call(&[b"X"]), Err(ClientError::Refused(text)) if text == "ERR no"));
    assert_eq!(client.json::<serde_json::Value>(&[b"Y"]).unwrap(), json!({ "a": 7 }));
    assert_eq!(to_json(&client.call(&[b"Z"]).unwrap()), json!([1, "\u{7f}"]));
    let gone = client.call(&[b"Z"]).unwrap_err();
    assert!(matches!(gone, ClientError::Unreachable { .. }), "{gone}");
}

#[test]
fn silence_ends_in_time() {
    let address = server(&["+OK\r\n", ""]);
    let mut client = Client::connect(&address, None, Duration::from_millis(100)).unwrap();
    assert!(client.call(&[b"X"]).is_err());
}
