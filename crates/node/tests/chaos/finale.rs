//! The end of a run: everything is healed, the servers become alike by themselves, and every key is read.

use super::{
    answer::{Said, ask, copies, versions},
    clients::OWNERS,
    harness::{Pipe, TestCluster},
    recorder::Recorder,
};
use clockwise::client::Client;
use clockwise_core::hlc::Hlc;
use clockwise_sim::history::{Final, Held, Seen};
use clockwise_wire::resp::Reply;
use serde_json::Value;
use std::{
    collections::BTreeMap,
    thread,
    time::{Duration, Instant},
};

/// How long the servers may take to become alike.
const LIMIT: Duration = Duration::from_secs(180);
/// Longer than any request and any expiry: what happened before has ended when this has passed.
const CALM: Duration = Duration::from_secs(4);
/// Threads that read in the end.
const READERS: usize = 8;
/// How often a last read is tried.
const TRIES: usize = 50;

/// What each owner says that it holds.
type Copies = Vec<(u32, Option<Held>)>;

/// The sum of a number over the shards of a server.
pub fn sum(status: &Value, name: &str) -> u64 {
    let shards = status["metrics"]["shards"].as_array().map_or(&[][..], |shards| shards);
    shards.iter().filter_map(|shard| shard[name].as_u64()).sum()
}

/// A number of anti-entropy, of each shard.
fn exchange<'a>(status: &'a Value, name: &'a str) -> impl Iterator<Item = u64> + 'a {
    let shards = status["metrics"]["shards"].as_array().map_or(&[][..], |shards| shards);
    let numbers = shards.iter().filter_map(|shard| shard["exchange"].as_array()).flatten();
    numbers.filter(move |pair| pair[0] == name).filter_map(|pair| pair[1].as_u64())
}

/// Waits until all servers are ready, no hint is held, and every server has compared all its slots with all others since
/// the healing and found nothing.
pub fn await_convergence(cluster: &TestCluster, healed: Instant) -> Result<(), String> {
    (0..cluster.servers.len()).for_each(|server| cluster.wait_until_it_answers(server));
    cluster.wait_until_ready();
    cluster.wait_until_all_meet();
    let calm = healed + CALM;
    std::thread::sleep(calm.saturating_duration_since(Instant::now()));
    loop {
        let lacking = (0..cluster.servers.len()).find_map(|server| unsettled(cluster, server, calm));
        let Some(lacking) = lacking else { return Ok(()) };
        if healed.elapsed() > LIMIT {
            return Err(lacking);
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// What a server has still to do since an instant.
fn unsettled(cluster: &TestCluster, server: usize, since: Instant) -> Option<String> {
    let address = cluster.cluster(server).to_string();
    let status: Result<Value, _> = Client::connect(&address, None, Duration::from_secs(2))
        .and_then(|mut client| client.json(&[b"CW.STATUS"]));
    let since_ms = since.elapsed().as_millis() as u64;
    let status = match status {
        Ok(status) => status,
        Err(error) => return Some(format!("server {server}: {error}")),
    };
    let hints = sum(&status, "hints");
    let doubts: u64 = exchange(&status, "slots_in_doubt").sum();
    let age_ms = exchange(&status, "round_age_ms").max()?;
    (hints > 0 || doubts > 0 || age_ms > since_ms).then(|| {
        format!("server {server} holds {hints} hints, has {doubts} slots in doubt, compared {age_ms} ms ago")
    })
}

/// Asks each owner of each key what it holds, then reads every key at all owners, then through other servers, then asks
/// the owners again.
pub fn read_all(cluster: &TestCluster, recorder: &Recorder) -> Vec<Final> {
    let keys = recorder.used_keys();
    let keys: Vec<(usize, String)> =
        keys.into_iter().map(|(key, info)| (key, String::from_utf8_lossy(&info.name).into_owned())).collect();
    // All of them before the first read, so that reading repairs nothing that was to be found.
    let unread = each(cluster, &keys, |pipes, at, _, name| explained(pipes, at, name));
    let unread: BTreeMap<usize, Option<Copies>> = keys.iter().map(|(key, _)| *key).zip(unread).collect();
    each(cluster, &keys, |pipes, at, key, name| {
        let mut read = |at: usize, level: [&str; 2]| -> Option<Vec<Seen>> {
            insist(pipes, at, &["CW.GET", name, "R", level[0], level[1]], |reply| versions(&reply))
        };
        let last = read(at, ["all", "STRICT"]);
        let others = [read(at + 1, ["one", "SLOPPY"]), read(at + 2, ["quorum", "STRICT"])];
        Final {
            key,
            read: last,
            others: others.into_iter().flatten().collect(),
            holdings: explained(pipes, at + 3, name).unwrap_or_default(),
            unread: Some(unread[&key].clone().unwrap_or_default()),
            owners: usize::from(OWNERS),
            until: Hlc::ZERO,
            collected: None,
        }
    })
}

/// Does something for each key, some of them at a time; the results are in the order of the keys.
fn each<T: Send>(
    cluster: &TestCluster,
    keys: &[(usize, String)],
    work: impl Fn(&mut [Pipe], usize, usize, &str) -> T + Sync,
) -> Vec<T> {
    let (work, part) = (&work, keys.len().div_ceil(READERS).max(1));
    thread::scope(|scope| {
        let readers: Vec<_> = keys
            .chunks(part)
            .map(|keys| {
                scope.spawn(move || {
                    let mut pipes: Vec<Pipe> =
                        (0..cluster.servers.len()).map(|server| cluster.pipe(server)).collect();
                    let one = |(at, (key, name)): (usize, &(usize, String))| work(&mut pipes, at, *key, name);
                    keys.iter().enumerate().map(one).collect::<Vec<T>>()
                })
            })
            .collect();
        readers.into_iter().flat_map(|reader| reader.join().expect("a reader does not panic")).collect()
    })
}

fn explained(pipes: &mut [Pipe], at: usize, name: &str) -> Option<Copies> {
    insist(pipes, at, &["CW.EXPLAIN", name], |reply| copies(&reply))
}

/// Asks until the answer is good, at most so often.
fn insist<T>(
    pipes: &mut [Pipe],
    at: usize,
    command: &[&str],
    good: impl Fn(Reply) -> Option<T>,
) -> Option<T> {
    let server = at % pipes.len();
    let words: Vec<String> = command.iter().map(|word| (*word).to_owned()).collect();
    for _ in 0..TRIES {
        if let Said::Done(reply) = ask(&mut pipes[server], std::slice::from_ref(&words))
            && let Some(good) = good(reply)
        {
            return Some(good);
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    None
}
