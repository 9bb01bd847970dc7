//! What clients feel of a failure: latencies at a constant rate, quiet, with a server killed, and while it gets back what it
//! missed. Programs to be run by hand on a machine that does nothing else, with a release build:
//!
//! `CLOCKWISE_TEST_BINARY=target/release/clockwise cargo test --release -p clockwise-node --test chaos -- --ignored --nocapture latency`
//!
//! Latency counts from the instant at which a request was due, so that a stall cannot hide the requests that it held up.

use super::{
    harness::{Pipe, TestCluster, alone, eventually},
    setting,
};
use clockwise_wire::resp::Reply;
use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

/// Connections, each with a thread.
const CONNECTIONS: usize = 16;
/// Keys that they use.
const KEYS: u64 = 5_000;
/// Bytes of their values.
const VALUE_BYTES: usize = 100;
/// How long the quiet state is measured.
const QUIET: Duration = Duration::from_secs(20);
/// What clients may feel of a kill itself.
const NOTICE: Duration = Duration::from_secs(2);
const FLAGS: [&str; 2] = ["--disk-reserve", "16MiB"];

/// One request.
#[derive(Clone, Copy, Debug)]
struct Sample {
    /// When it was due, since the beginning.
    due: Duration,
    took: Duration,
    done: bool,
}

/// Clients at a constant rate: half of it `SET`, half `GET`, at quorum.
struct Meter {
    began: Instant,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<Vec<Sample>>>,
}

impl Meter {
    fn start(servers: &[SocketAddr], per_s: u64) -> Meter {
        let (began, stop) = (Instant::now(), Arc::new(AtomicBool::new(false)));
        let threads = (0..CONNECTIONS)
            .map(|number| {
                let (stop, servers) = (Arc::clone(&stop), servers.to_vec());
                let interval = Duration::from_micros(1_000_000 * CONNECTIONS as u64 / per_s);
                let first = interval * number as u32 / CONNECTIONS as u32;
                thread::spawn(move || measure(began, first, interval, &servers, number, &stop))
            })
            .collect();
        Meter { began, stop, threads }
    }

    fn now(&self) -> Duration {
        self.began.elapsed()
    }

    fn finish(self) -> Vec<Sample> {
        self.stop.store(true, SeqCst);
        self.threads.into_iter().flat_map(|thread| thread.join().expect("it does not panic")).collect()
    }
}

fn measure(
    began: Instant,
    first: Duration,
    interval: Duration,
    servers: &[SocketAddr],
    number: usize,
    stop: &AtomicBool,
) -> Vec<Sample> {
    let mut rng = fastrand::Rng::with_seed(number as u64);
    let (mut at, mut pipe): (usize, Option<Pipe>) = (number, None);
    let mut samples = Vec::new();
    let value = vec![b'v'; VALUE_BYTES];
    let mut due = first;
    while !stop.load(SeqCst) {
        thread::sleep(due.saturating_sub(began.elapsed()));
        let key = format!("key:{}", rng.u64(0..KEYS));
        let reply = connected(&mut pipe, servers, at).and_then(|pipe| match rng.bool() {
            true => pipe.call(&[b"SET", key.as_bytes(), &value]).ok(),
            false => pipe.call(&[b"GET", key.as_bytes()]).ok(),
        });
        let done = reply.as_ref().is_some_and(|reply| !matches!(reply, Reply::Error(_)));
        if reply.is_none() {
            // As clients do: to the next server.
            (pipe, at) = (None, at + 1);
        }
        samples.push(Sample { due, took: began.elapsed().saturating_sub(due), done });
        due += interval;
    }
    samples
}

/// The connection, made if there is none.
fn connected<'a>(pipe: &'a mut Option<Pipe>, servers: &[SocketAddr], at: usize) -> Option<&'a mut Pipe> {
    if pipe.is_none() {
        *pipe = Pipe::connect(servers[at % servers.len()]).ok();
    }
    pipe.as_mut()
}

/// Prints and returns the 99th percentile of the requests that were due in a window, in milliseconds.
fn p99(samples: &[Sample], name: &str, from: Duration, to: Duration) -> f64 {
    let within: Vec<&Sample> = samples.iter().filter(|one| one.due >= from && one.due < to).collect();
    let mut took: Vec<Duration> = within.iter().map(|one| one.took).collect();
    took.sort();
    let at =
        |share: f64| took.get((took.len() as f64 * share) as usize).map_or(0.0, |t| t.as_secs_f64() * 1e3);
    let failed = within.iter().filter(|one| !one.done).count();
    println!(
        "{name:<44} {:>6.1} s  {:>6} requests, {failed} failed  p50 {:>7.2}  p99 {:>7.2}  p99.9 {:>7.2}  max {:>8.2} ms",
        to.saturating_sub(from).as_secs_f64(),
        took.len(),
        at(0.5),
        at(0.99),
        at(0.999),
        at(0.999_999)
    );
    at(0.99)
}

fn rate() -> u64 {
    setting("CLOCKWISE_LATENCY_RATE", 400)
}

fn hint_bytes(cluster: &TestCluster, servers: &[usize]) -> f64 {
    servers.iter().map(|&server| cluster.metric(server, "clockwise_hint_bytes{")).sum()
}

fn load_average() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').take(3).collect::<Vec<_>>().join(" ")
}

#[test]
#[ignore = "a measurement: docs/reliability.md"]
fn latency_from_a_kill_to_the_recovery() {
    let _turn = alone();
    println!("load average before: {}", load_average());
    for servers in [3, 5] {
        let mut cluster = TestCluster::ready(servers, &FLAGS);
        let addresses: Vec<SocketAddr> = (0..servers).map(|server| cluster.cluster(server)).collect();
        let meter = Meter::start(&addresses, rate());
        thread::sleep(Duration::from_secs(5) + QUIET);
        let killed = meter.now();
        let victim = servers - 1;
        cluster.kill(victim);
        thread::sleep(QUIET);
        let started = meter.now();
        cluster.start(victim, &[]);
        cluster.wait_until_it_answers(victim);
        let rest: Vec<usize> = (0..servers).filter(|server| *server != victim).collect();
        eventually("hints drain", Duration::from_secs(60), || hint_bytes(&cluster, &rest) == 0.0);
        thread::sleep(Duration::from_secs(5));
        let ended = meter.now();
        let samples = meter.finish();
        println!("{servers} servers, {} requests/s, one killed", rate());
        let quiet = p99(&samples, "quiet", killed - QUIET, killed);
        p99(&samples, "the first 2 s after the kill", killed, killed + NOTICE);
        let gone = p99(&samples, "from then on, without it", killed + NOTICE, started);
        let back = p99(&samples, "from its start to 5 s after its hints are gone", started, ended);
        println!(
            "ratios to quiet: {:.2} without it, {:.2} while it is back (goal: 3)",
            gone / quiet,
            back / quiet
        );
    }
    println!("load average after: {}", load_average());
}

#[test]
#[ignore = "a measurement: docs/hints.md"]
fn latency_while_hints_are_handed_over() {
    let _turn = alone();
    println!("load average before: {}", load_average());
    let megabytes = setting("CLOCKWISE_HINT_MB", 100);
    let mut cluster = TestCluster::ready(5, &FLAGS);
    let (gone, rest) = (4, [0, 1, 2, 3]);
    let addresses: Vec<SocketAddr> = rest.iter().map(|&server| cluster.cluster(server)).collect();
    let meter = Meter::start(&addresses, rate());
    thread::sleep(Duration::from_secs(5) + QUIET);
    let killed = meter.now();
    cluster.kill(gone);
    let value = vec![b'x'; 10_000];
    let mut pipe = cluster.pipe(0);
    let mut number = 0;
    while hint_bytes(&cluster, &rest) < megabytes as f64 * 1e6 {
        for _ in 0..100 {
            let key = format!("large:{number}");
            assert!(matches!(pipe.call(&[b"SET", key.as_bytes(), &value]), Ok(Reply::Simple(_))));
            number += 1;
        }
    }
    let held = hint_bytes(&cluster, &rest);
    // Flushes and merges of what was just written are not what is measured.
    thread::sleep(Duration::from_secs(10) + QUIET);
    let started = meter.now();
    cluster.start(gone, &[]);
    cluster.wait_until_it_answers(gone);
    let answers = meter.now();
    let mut drained = None;
    eventually("hints drain", Duration::from_secs(300), || {
        drained = Some(meter.now());
        hint_bytes(&cluster, &rest) == 0.0
    });
    let drained = drained.expect("it was looked at");
    thread::sleep(QUIET);
    let ended = meter.now();
    let samples = meter.finish();
    println!("5 servers, {} requests/s, {:.0} MB of hints for one", rate(), held / 1e6);
    let quiet = p99(&samples, "quiet, all up", killed - QUIET, killed);
    let alone = p99(&samples, "quiet, one down", started - QUIET, started);
    p99(&samples, "it starts", started, answers);
    let busy = p99(&samples, "hints are handed over", answers, drained);
    p99(&samples, "quiet again", drained, ended);
    let took = (drained - answers).as_secs_f64();
    println!(
        "handed over in {took:.1} s, {:.1} MB/s; ratios to quiet: {:.2} of all up, {:.2} of one down (goal: 2)",
        held / 1e6 / took,
        busy / quiet,
        busy / alone
    );
    println!("load average after: {}", load_average());
}
