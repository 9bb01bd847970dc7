//! Clients that write as fast as they are answered and remember what was acknowledged.

use super::Pipe;
use clockwise_wire::resp::Reply;
use std::{
    collections::BTreeMap,
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

/// Commands that one client has under way.
const DEPTH: usize = 16;

/// What one client was told.
#[derive(Debug, Default)]
pub struct Acknowledged {
    /// Keys that were written once, with their values.
    pub once: BTreeMap<String, String>,
    /// The key that is written again and again, and the last number that was acknowledged.
    pub counter: (String, u64),
    /// Longest time between two acknowledgements.
    pub longest_pause: Duration,
    /// Error replies by their first word.
    pub errors: BTreeMap<String, usize>,
}

/// Clients that run.
#[derive(Debug)]
pub struct Writers {
    stop: Arc<AtomicBool>,
    count: Arc<AtomicUsize>,
    threads: Vec<JoinHandle<Acknowledged>>,
}

impl Writers {
    /// Starts clients that go to the next server when one fails them. `name` makes their keys distinct.
    pub fn start(name: &str, clients: usize, servers: &[SocketAddr]) -> Writers {
        let stop = Arc::new(AtomicBool::new(false));
        let count = Arc::new(AtomicUsize::new(0));
        let threads = (0..clients)
            .map(|client| {
                let (stop, count) = (Arc::clone(&stop), Arc::clone(&count));
                let mut servers = servers.to_vec();
                let first = client % servers.len();
                servers.rotate_left(first);
                let name = format!("{name}-{client}");
                thread::spawn(move || write(&name, &servers, &stop, &count))
            })
            .collect();
        Writers { stop, count, threads }
    }

    /// Acknowledged writes so far.
    pub fn acknowledged(&self) -> usize {
        self.count.load(SeqCst)
    }

    /// Waits until this many more were acknowledged.
    pub fn wait_for(&self, more: usize) {
        let wanted = self.acknowledged() + more;
        super::eventually("acknowledgements", Duration::from_secs(20), || self.acknowledged() >= wanted);
    }

    /// Ends the clients.
    pub fn finish(self) -> Vec<Acknowledged> {
        self.stop.store(true, SeqCst);
        self.threads.into_iter().map(|thread| thread.join().expect("a writer does not panic")).collect()
    }
}

fn write(name: &str, servers: &[SocketAddr], stop: &AtomicBool, count: &AtomicUsize) -> Acknowledged {
    let mut told = Acknowledged { counter: (format!("{name}-counter"), 0), ..Acknowledged::default() };
    let mut last = Instant::now();
    let mut next = 0u64;
    for server in servers.iter().cycle() {
        if stop.load(SeqCst) {
            break;
        }
        let Ok(mut pipe) = Pipe::connect(*server) else {
            thread::sleep(Duration::from_millis(10));
            continue;
        };
        while !stop.load(SeqCst) {
            // Odd numbers go to the one key, even ones to keys of their own.
            let batch: Vec<(String, String)> = (next..next + DEPTH as u64)
                .map(|at| {
                    let key = if at % 2 == 1 { told.counter.0.clone() } else { format!("{name}-{at}") };
                    (key, at.to_string())
                })
                .collect();
            next += DEPTH as u64;
            let commands: Vec<Vec<&[u8]>> = batch
                .iter()
                .map(|(key, value)| vec![&b"SET"[..], key.as_bytes(), value.as_bytes()])
                .collect();
            if pipe.send(&commands).is_err() || !read_replies(&mut pipe, &batch, &mut told, &mut last, count)
            {
                break;
            }
        }
    }
    told
}

/// Whether all replies came.
fn read_replies(
    pipe: &mut Pipe,
    batch: &[(String, String)],
    told: &mut Acknowledged,
    last: &mut Instant,
    count: &AtomicUsize,
) -> bool {
    for (key, value) in batch {
        match pipe.receive() {
            Ok(Reply::Simple(_)) => {
                if *key == told.counter.0 {
                    told.counter.1 = value.parse().unwrap();
                } else {
                    told.once.insert(key.clone(), value.clone());
                }
                told.longest_pause = told.longest_pause.max(last.elapsed());
                *last = Instant::now();
                count.fetch_add(1, SeqCst);
            }
            Ok(Reply::Error(text)) => {
                let text = String::from_utf8_lossy(&text).into_owned();
                let code = text.split(' ').next().unwrap_or_default().to_owned();
                *told.errors.entry(code).or_default() += 1;
            }
            Ok(other) => panic!("SET was answered {other:?}"),
            Err(_) => return false,
        }
    }
    true
}

/// The answer to a `GET`, asked again while too few servers seem to answer: on a busy machine a link may look silent for a
/// moment.
fn in_the_end(pipe: &mut Pipe, key: &str, mut reply: Reply) -> Result<Reply, String> {
    let began = Instant::now();
    let unable = |reply: &Reply| matches!(reply, Reply::Error(text) if text.starts_with(b"TRYAGAIN"));
    while unable(&reply) && began.elapsed() < Duration::from_secs(10) {
        thread::sleep(Duration::from_millis(50));
        reply = pipe.call(&[b"GET", key.as_bytes()]).map_err(|error| error.to_string())?;
    }
    Ok(reply)
}

impl Acknowledged {
    /// Every acknowledged write is there: keys written once with their value, the counter at its last number or
    /// later.
    pub fn check(&self, pipe: &mut Pipe) -> Result<(), String> {
        let keys: Vec<(&String, &String)> = self.once.iter().collect();
        for chunk in keys.chunks(200) {
            let commands: Vec<Vec<&[u8]>> =
                chunk.iter().map(|(key, _)| vec![&b"GET"[..], key.as_bytes()]).collect();
            pipe.send(&commands).map_err(|error| error.to_string())?;
            let replies: io::Result<Vec<Reply>> = chunk.iter().map(|_| pipe.receive()).collect();
            let mut wrong = Vec::new();
            for ((key, value), reply) in chunk.iter().zip(replies.map_err(|error| error.to_string())?) {
                match in_the_end(pipe, key, reply)? {
                    Reply::Bulk(found) if found == value.as_bytes() => {}
                    other => {
                        wrong.push(format!("{key} = {value} was acknowledged, but the answer is {other:?}"))
                    }
                }
            }
            if !wrong.is_empty() {
                return Err(wrong.join("\n"));
            }
        }
        let (key, acknowledged) = &self.counter;
        let reply = pipe.call(&[b"GET", key.as_bytes()]).map_err(|error| error.to_string())?;
        match in_the_end(pipe, key, reply)? {
            Reply::Null if *acknowledged == 0 => Ok(()),
            Reply::Bulk(found) => {
                let found: u64 = String::from_utf8_lossy(&found).parse().map_err(|_| format!("{found:?}"))?;
                if found >= *acknowledged {
                    Ok(())
                } else {
                    Err(format!("{key} is {found} after {acknowledged} was acknowledged"))
                }
            }
            other => Err(format!("{key} = {acknowledged} was acknowledged, but the answer is {other:?}")),
        }
    }
}
