//! What lies between the servers: every connection from one to another passes here, and each direction of each pair can be
//! slow, narrow, silent or cut, and changed at any time.
//!
//! Servers advertise an address on which this proxy listens for them. Who dials is read from the hello that begins every
//! connection; nothing else of the bytes is looked at, and none is lost or reordered as long as the connection lives. What a
//! silent direction holds goes on when it ends, as TCP would deliver it late.

use bytes::BytesMut;
use clockwise_wire::peer::{Handshake, HandshakeParser};
use socket2::SockRef;
use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    thread::JoinHandle,
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::{mpsc, watch},
    time::{Instant, sleep, sleep_until},
};

/// Bytes that are passed on at a time.
const CHUNK_BYTES: usize = 16 * 1024;
/// Chunks that a direction of a connection holds before it reads no more.
const CHUNKS: usize = 64;
/// A hello that is longer is none.
const HELLO_BYTES: usize = 64 * 1024;
/// How often a connection that waits looks whether the proxy ends.
const LOOK: Duration = Duration::from_millis(200);

/// One direction between two servers.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Direction {
    /// Everything takes this much longer, in microseconds.
    pub delay_us: u64,
    /// And up to this much more, in microseconds.
    pub jitter_us: u64,
    /// At most so many bytes a second; 0 is no bound.
    pub bytes_per_s: u64,
    /// Nothing gets through, and nobody is told.
    pub silent: bool,
    /// Connections are reset, those that there are and new ones.
    pub cut: bool,
    /// Counts resets of the connections that there are.
    pub resets: u64,
}

/// Figures of the proxy.
#[derive(Debug, Default)]
pub struct Traffic {
    pub connections: AtomicU64,
    pub resets: AtomicU64,
    pub bytes: AtomicU64,
}

/// The state of every direction: sender by receiver.
#[derive(Debug)]
struct Net {
    directions: Vec<Vec<watch::Sender<Direction>>>,
    targets: Vec<SocketAddr>,
    traffic: Traffic,
    ending: AtomicBool,
    noise: Mutex<fastrand::Rng>,
}

/// See the module.
#[derive(Debug)]
pub struct Proxy {
    net: Arc<Net>,
    thread: Option<JoinHandle<()>>,
}

impl Proxy {
    /// Listens on the first address of each server and passes on to the second.
    pub fn start(servers: &[(SocketAddr, SocketAddr)], seed: u64) -> io::Result<Proxy> {
        let row = || servers.iter().map(|_| watch::Sender::new(Direction::default())).collect();
        let net = Arc::new(Net {
            directions: servers.iter().map(|_| row()).collect(),
            targets: servers.iter().map(|(_, target)| *target).collect(),
            traffic: Traffic::default(),
            ending: AtomicBool::new(false),
            noise: Mutex::new(fastrand::Rng::with_seed(seed)),
        });
        let listeners = servers
            .iter()
            .map(|(front, _)| std::net::TcpListener::bind(front))
            .collect::<io::Result<Vec<_>>>()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let shared = Arc::clone(&net);
        let thread = std::thread::Builder::new().name("proxy".to_owned()).spawn(move || {
            runtime.block_on(async {
                for (server, listener) in listeners.into_iter().enumerate() {
                    listener.set_nonblocking(true).expect("a socket takes this");
                    let listener = TcpListener::from_std(listener).expect("a runtime is here");
                    tokio::spawn(accept(Arc::clone(&shared), listener, server));
                }
                while !shared.ending.load(Relaxed) {
                    sleep(LOOK).await;
                }
            });
        })?;
        Ok(Proxy { net, thread: Some(thread) })
    }

    /// Changes one direction.
    pub fn set(&self, from: usize, to: usize, change: impl FnOnce(&mut Direction)) {
        self.net.directions[from][to].send_modify(change);
    }

    /// All directions as they were at first; connections stay.
    pub fn heal(&self) {
        for direction in self.net.directions.iter().flatten() {
            direction.send_modify(|direction| {
                *direction = Direction { resets: direction.resets, ..Direction::default() }
            });
        }
    }

    pub fn traffic(&self) -> &Traffic {
        &self.net.traffic
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.net.ending.store(true, Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn accept(net: Arc<Net>, listener: TcpListener, to: usize) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                net.traffic.connections.fetch_add(1, Relaxed);
                let net = Arc::clone(&net);
                tokio::spawn(async move {
                    // A connection that breaks is nothing to report: faults do that.
                    let _ = carry(&net, stream, to).await;
                });
            }
            Err(_) => sleep(LOOK).await,
        }
    }
}

/// One connection from its hello to its end.
async fn carry(net: &Arc<Net>, mut dialer: TcpStream, to: usize) -> io::Result<()> {
    dialer.set_nodelay(true)?;
    reset_when_dropped(&dialer)?;
    let mut first = BytesMut::new();
    let from = hello(&mut dialer, &mut first).await?;
    let (from, there) = match from.checked_sub(1).and_then(|from| Some((from, net.directions.get(from)?))) {
        Some((from, row)) if from != to => (from, row[to].subscribe()),
        _ => return Err(io::ErrorKind::InvalidData.into()),
    };
    let back = net.directions[to][from].subscribe();
    if there.borrow().cut || back.borrow().cut {
        net.traffic.resets.fetch_add(1, Relaxed);
        return Ok(());
    }
    let resets = (there.borrow().resets, back.borrow().resets);
    let acceptor = TcpStream::connect(net.targets[to]).await?;
    acceptor.set_nodelay(true)?;
    reset_when_dropped(&acceptor)?;
    let (dialer_in, dialer_out) = dialer.into_split();
    let (acceptor_in, acceptor_out) = acceptor.into_split();
    let ended = {
        let (mut there, mut back) = (there.clone(), back.clone());
        async move {
            let broken = |now: &Direction, before: u64| now.cut || now.resets != before;
            tokio::select! {
                _ = there.wait_for(|now| broken(now, resets.0)) => {}
                _ = back.wait_for(|now| broken(now, resets.1)) => {}
            }
        }
    };
    tokio::select! {
        () = pump(net, dialer_in, acceptor_out, there, first) => {}
        () = pump(net, acceptor_in, dialer_out, back, BytesMut::new()) => {}
        () = ended => { net.traffic.resets.fetch_add(1, Relaxed); }
    }
    Ok(())
}

/// Whoever is at the other end is told at once, whatever is still under way.
fn reset_when_dropped(stream: &TcpStream) -> io::Result<()> {
    SockRef::from(stream).set_linger(Some(Duration::ZERO))
}

/// The number of the member that dials. Its bytes stay in `bytes`.
async fn hello(dialer: &mut TcpStream, bytes: &mut BytesMut) -> io::Result<usize> {
    while bytes.len() < HELLO_BYTES {
        if dialer.read_buf(bytes).await? == 0 {
            break;
        }
        match HandshakeParser.next(&mut bytes.clone()) {
            Ok(Some(Handshake::Hello(hello))) => {
                return Ok(hello.member.map_or(0, |member| member.0 as usize));
            }
            Ok(None) => {}
            Ok(Some(_)) | Err(_) => break,
        }
    }
    Err(io::ErrorKind::InvalidData.into())
}

/// Passes bytes on until either end is gone.
async fn pump(
    net: &Net,
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut direction: watch::Receiver<Direction>,
    first: BytesMut,
) {
    let (sender, mut receiver) = mpsc::channel::<(Instant, BytesMut)>(CHUNKS);
    let state = direction.clone();
    let due = || {
        let now = *state.borrow();
        let jitter_us = match now.jitter_us {
            0 => 0,
            most => net.noise.lock().unwrap_or_else(PoisonError::into_inner).u64(0..most),
        };
        Instant::now() + Duration::from_micros(now.delay_us + jitter_us)
    };
    let reading = async {
        if !first.is_empty() && sender.send((due(), first)).await.is_err() {
            return;
        }
        loop {
            let mut chunk = BytesMut::with_capacity(CHUNK_BYTES);
            match from.read_buf(&mut chunk).await {
                Ok(1..) if sender.send((due(), chunk)).await.is_ok() => {}
                _ => return drop(sender),
            }
        }
    };
    let writing = async {
        while let Some((due, mut chunk)) = receiver.recv().await {
            sleep_until(due).await;
            if direction.wait_for(|now| !now.silent).await.is_err() {
                return;
            }
            let bytes_per_s = direction.borrow().bytes_per_s;
            net.traffic.bytes.fetch_add(chunk.len() as u64, Relaxed);
            if let Some(us) = (chunk.len() as u64 * 1_000_000).checked_div(bytes_per_s) {
                sleep(Duration::from_micros(us)).await;
            }
            if to.write_all_buf(&mut chunk).await.is_err() {
                return;
            }
        }
    };
    // The end of what comes must not swallow what is still under way; a dead receiver ends both.
    tokio::pin!(reading);
    tokio::pin!(writing);
    tokio::select! {
        () = &mut reading => writing.await,
        () = &mut writing => {}
    }
}
