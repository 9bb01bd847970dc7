//! All nine pairs of R and W at N = 3 with no, one and two servers stopped: what comes of reads and writes, how long
//! they take, and which pairs read stale. Prints the table of `docs/levels.md` (`-- levels --nocapture`).

use super::harness::{Pipe, TestCluster, alone};
use clockwise_wire::resp::Reply;
use std::time::{Duration, Instant};

/// Requests behind each figure.
const ROUNDS: usize = 100;

fn call(pipe: &mut Pipe, command: &[&str]) -> Reply {
    let words: Vec<&[u8]> = command.iter().map(|word| word.as_bytes()).collect();
    pipe.call(&words).unwrap_or_else(|error| panic!("{command:?}: {error}"))
}

/// The median time of a command that must succeed, or the error that it must give.
fn measure(pipe: &mut Pipe, command: &[&str], succeeds: bool) -> String {
    let mut times = Vec::new();
    for _ in 0..ROUNDS {
        let began = Instant::now();
        let reply = call(pipe, command);
        times.push(began.elapsed());
        if let Reply::Error(text) = &reply {
            let text = String::from_utf8_lossy(text).into_owned();
            assert!(!succeeds, "{command:?}: {text}");
            assert!(text.starts_with("TRYAGAIN NOQUORUM"), "{command:?}: {text}");
            return "refused".to_owned();
        }
        assert!(succeeds, "{command:?}: {reply:?}");
    }
    times.sort();
    format!("{} µs", times[ROUNDS / 2].as_micros())
}

/// Waits until a server knows which others are gone.
fn sees(cluster: &TestCluster, server: usize, alive: usize) {
    let all = alive.to_string();
    super::harness::eventually("the servers that answer are known", Duration::from_secs(10), || {
        let enough = cluster.call(server, &["CW.GET", "k", "R", &all]);
        let more = (alive + 1).to_string();
        let too_many =
            alive < 3 && !matches!(cluster.call(server, &["CW.GET", "k", "R", &more]), Reply::Error(_));
        !matches!(enough, Reply::Error(_)) && !too_many
    });
}

#[test]
fn levels_decide_who_must_answer() {
    let _turn = alone();
    let mut cluster = TestCluster::ready(3, &[]);
    let mut rows: Vec<Vec<String>> = vec![Vec::new(); 9];
    for stopped in 0..3 {
        if stopped > 0 {
            cluster.kill(3 - stopped);
        }
        sees(&cluster, 0, 3 - stopped);
        let mut pipe = cluster.pipe(0);
        for (at, row) in rows.iter_mut().enumerate() {
            let (r, w) = (at / 3 + 1, at % 3 + 1);
            let (r_text, w_text) = (r.to_string(), w.to_string());
            call(&mut pipe, &["CW.SESSION", "W", &w_text]);
            let write = measure(&mut pipe, &["SET", "k", "v"], w <= 3 - stopped);
            let read = measure(&mut pipe, &["CW.GET", "k", "R", &r_text, "STRICT"], r <= 3 - stopped);
            row.push(format!("{write} / {read}"));
        }
    }
    println!("| R | W | R+W | none stopped | one stopped | two stopped | stale reads |");
    println!("|---|---|---|---|---|---|---|");
    for (at, row) in rows.iter().enumerate() {
        let (r, w) = (at / 3 + 1, at % 3 + 1);
        let stale = if r + w > 3 { "never (strict)" } else { "possible" };
        println!("| {r} | {w} | {} | {} | {stale} |", r + w, row.join(" | "));
    }
}

/// A write at W while the servers in `away` are down; then only `readers` are up, and one of them reads at R.
fn reads_after(cluster: &mut TestCluster, w: usize, r: usize, away: &[usize], readers: &[usize]) -> Reply {
    let (key, w_text, r_text) = (format!("w{w}r{r}"), w.to_string(), r.to_string());
    away.iter().for_each(|server| cluster.kill(*server));
    sees(cluster, 0, 3 - away.len());
    let reply = cluster.call_when_able(0, &["CW.SET", &key, "new", "W", &w_text]);
    assert!(!matches!(reply, Reply::Error(_)), "{reply:?}");
    for server in 0..3 {
        match (cluster.servers[server].is_some(), readers.contains(&server)) {
            (true, false) => cluster.kill(server),
            (false, true) => cluster.start(server, &[]),
            _ => {}
        }
    }
    let reader = *readers.last().expect("somebody reads");
    cluster.wait_until_it_answers(reader);
    sees(cluster, reader, readers.len());
    let reply = cluster.call_when_able(reader, &["CW.GET", &key, "R", &r_text, "STRICT"]);
    for server in 0..3 {
        if cluster.servers[server].is_none() {
            cluster.start(server, &[]);
            cluster.wait_until_it_answers(server);
        }
    }
    cluster.wait_until_ready();
    sees(cluster, 0, 3);
    reply
}

#[test]
fn stale_reads_come_where_r_and_w_do_not_overlap_and_nowhere_else() {
    let _turn = alone();
    let mut cluster = TestCluster::ready(3, &[]);
    let values = |reply: &Reply| reply.field(b"values").and_then(Reply::as_elements).map(<[Reply]>::len);
    // Who was away during the write reads alone, or with another that was away.
    for (w, r, away, readers) in
        [(1, 1, vec![1, 2], vec![1]), (2, 1, vec![2], vec![2]), (1, 2, vec![1, 2], vec![1, 2])]
    {
        let reply = reads_after(&mut cluster, w, r, &away, &readers);
        assert_eq!(values(&reply), Some(0), "W={w} R={r} is stale here: {reply:?}");
    }
    for (w, r, away, readers) in [
        (1, 3, vec![1, 2], vec![0, 1, 2]),
        (2, 2, vec![2], vec![1, 2]),
        (2, 3, vec![2], vec![0, 1, 2]),
        (3, 1, vec![], vec![2]),
        (3, 2, vec![], vec![1, 2]),
        (3, 3, vec![], vec![0, 1, 2]),
    ] {
        let reply = reads_after(&mut cluster, w, r, &away, &readers);
        assert_eq!(values(&reply), Some(1), "W={w} R={r} must see the write: {reply:?}");
    }
}
