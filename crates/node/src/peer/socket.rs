//! Options of every socket of the data path.

use socket2::{SockRef, TcpKeepalive};
use std::{io, time::Duration};
use tokio::net::TcpStream;

/// Silence after which the kernel asks whether the peer's machine is still there.
const KEEPALIVE: Duration = Duration::from_secs(5);
/// How long sent bytes may stay without an answer of the peer's kernel.
const UNANSWERED: Duration = Duration::from_secs(10);

/// No delays, and a vanished machine is noticed.
pub(super) fn prepare(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let socket = SockRef::from(stream);
    socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(KEEPALIVE).with_interval(KEEPALIVE))?;
    #[cfg(target_os = "linux")]
    socket.set_tcp_user_timeout(Some(UNANSWERED))?;
    Ok(())
}
