//! Asks a server's HTTP door whether it is ready.

use super::connect;
use std::{
    io::{self, Read, Write},
    time::Duration,
};

/// Longest answer that is read, in bytes.
const ANSWER_BYTES: u64 = 64 * 1024;

/// Whether `/health/ready` says yes; else the reason that it gives.
pub fn is_ready(http: &str, timeout: Duration) -> io::Result<Result<(), String>> {
    let mut stream = connect(http, timeout)?;
    stream.set_read_timeout(Some(timeout))?;
    write!(stream, "GET /health/ready HTTP/1.1\r\nHost: {http}\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.take(ANSWER_BYTES).read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    if head.split(' ').nth(1) == Some("200") {
        return Ok(Ok(()));
    }
    let reason = serde_json::from_str::<crate::http::ErrorBody>(body).map(|error| error.message);
    Ok(Err(reason.unwrap_or_else(|_| head.lines().next().unwrap_or_default().to_owned())))
}
