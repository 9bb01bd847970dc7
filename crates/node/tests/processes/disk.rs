//! A disk that is nearly full, and one that fails: nothing acknowledged is lost, and what can go on goes on.

use super::harness::{TestCluster, Writers, alone, clockwise, eventually, ok, skipped};
use clockwise_store::{Disk, RealDisk};
use clockwise_wire::resp::Reply;
use std::{
    fs::File,
    io::Write,
    process::{Command, Stdio},
    time::Duration,
};

/// Free space above the reserve when a test begins, in bytes. Others may use the same disk meanwhile.
const MARGIN_BYTES: u64 = 256 << 20;
/// How far below the reserve the space is brought, in bytes.
const BELOW_BYTES: u64 = 64 << 20;

const DISK_FULL: &str = "clockwise_engine{shard=\"0\",number=\"disk_full\"}";

fn said(reply: &Reply) -> String {
    match reply {
        Reply::Error(text) => String::from_utf8_lossy(text).into_owned(),
        other => format!("{other:?}"),
    }
}

/// Writes until less than this many bytes are free.
fn fill(file: &mut File, space: &RealDisk, until_bytes: u64) {
    let noise: Vec<u8> = (0..16u32 << 20).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let mut written = 0;
    while space.space().unwrap().available_bytes >= until_bytes {
        assert!(written < 4 * MARGIN_BYTES, "others give the space back");
        file.write_all(&noise).unwrap();
        written += noise.len() as u64;
    }
}

#[test]
fn a_nearly_full_disk_refuses_writes_and_nothing_else() {
    let _turn = alone();
    let scratch = tempfile::tempdir().unwrap();
    let space = RealDisk::open(scratch.path()).unwrap();
    let available = space.space().unwrap().available_bytes;
    if available < 4 * MARGIN_BYTES {
        return skipped("a_nearly_full_disk_refuses_writes_and_nothing_else", "the disk has too little room");
    }
    let reserve = available - MARGIN_BYTES;
    let mut cluster = TestCluster::ready(3, &["--disk-reserve", &reserve.to_string()]);
    let servers: Vec<_> = (0..3).map(|server| cluster.cluster(server)).collect();
    let writers = Writers::start("full", 3, &servers);
    writers.wait_for(500);

    let path = scratch.path().join("filler");
    fill(&mut File::create(&path).unwrap(), &space, reserve - BELOW_BYTES);
    for server in 0..3 {
        eventually("writes are refused", Duration::from_secs(5), || {
            said(&cluster.call(server, &["SET", "k", "v"])).starts_with("DISKFULL ")
        });
    }
    let mut told = writers.finish();
    // While some servers had noticed and others not, a write may have landed on too few of them.
    let outcomes = ["DISKFULL", "UNKNOWN", "TRYAGAIN"];
    for client in &told {
        assert!(client.errors.keys().all(|code| outcomes.contains(&code.as_str())), "{:?}", client.errors);
    }
    // One of them starts again on the full disk.
    cluster.kill(2);
    cluster.start(2, &[]);
    cluster.wait_until_it_answers(2);
    cluster.wait_until_ready();
    cluster.wait_until_all_meet();
    for server in 0..3 {
        told.iter().for_each(|client| client.check(&mut cluster.pipe(server)).unwrap());
        for command in
            [&["SET", "k", "v"][..], &["DEL", "k"], &["CW.SET", "k", "v"], &["MSET", "a", "1", "b", "2"]]
        {
            let reply = said(&cluster.call(server, command));
            assert!(reply.starts_with("DISKFULL "), "{command:?}: {reply}");
        }
        // Gauges are set once a second.
        eventually("INFO and metrics say so", Duration::from_secs(5), || {
            let info = cluster.call(server, &["INFO", "persistence"]);
            let info = String::from_utf8_lossy(info.as_bytes().unwrap()).into_owned();
            info.contains("clockwise_disk_full:1") && cluster.metric(server, DISK_FULL) == 1.0
        });
        assert!(cluster.log(server).contains("the disk is nearly full"), "{}", cluster.log(server));
    }

    std::fs::remove_file(&path).unwrap();
    for server in 0..3 {
        eventually("writes are taken again", Duration::from_secs(5), || {
            cluster.call(server, &["SET", "k", "v"]) == ok()
        });
        eventually("and metrics say so", Duration::from_secs(5), || cluster.metric(server, DISK_FULL) == 0.0);
        told.iter().for_each(|client| client.check(&mut cluster.pipe(server)).unwrap());
    }
    told.clear();
    cluster.serves();
    for server in 0..3 {
        assert!(cluster.log(server).contains("disk space again"), "{}", cluster.log(server));
        assert!(!cluster.log(server).contains("panicked"), "{}", cluster.log(server));
        cluster.stop(server);
    }
}

/// strace, told to let the syncs of a thread fail from the n-th on.
fn strace(from: u32) -> Command {
    let mut command = Command::new("strace");
    command.args(["-f", "--seccomp-bpf", "-o", "/dev/null", "-e", "trace=fdatasync"]);
    command.args(["-e", &format!("inject=fdatasync:error=EIO:when={from}+")]);
    command
}

#[test]
fn a_failed_sync_ends_a_server_and_loses_nothing() {
    let _turn = alone();
    let probe = strace(1).arg("true").stdin(Stdio::null()).stderr(Stdio::null()).status();
    if !probe.is_ok_and(|status| status.success()) {
        return skipped(
            "a_failed_sync_ends_a_server_and_loses_nothing",
            "strace is not there or may not trace",
        );
    }
    let mut cluster = TestCluster::ready(3, &["--durability", "sync"]);
    cluster.stop(2);
    let mut under_strace = strace(100);
    under_strace.arg(clockwise().get_program());
    cluster.start_with(under_strace, 2, &[]);
    cluster.wait_until_it_answers(2);
    cluster.wait_until_all_meet();
    let servers: Vec<_> = (0..3).map(|server| cluster.cluster(server)).collect();
    let writers = Writers::start("sync", 3, &servers);
    let exit = cluster.servers[2].as_mut().unwrap().wait(Duration::from_secs(20));
    let log = cluster.log(2);
    assert_eq!(exit.code(), Some(1), "{log}");
    assert!(log.contains("this server cannot go on") && log.contains("syncing"), "{log}");
    assert!(!log.contains("panicked"), "{log}");
    writers.wait_for(500);
    let told = writers.finish();
    cluster.servers[2] = None;
    cluster.start(2, &[]);
    cluster.wait_until_it_answers(2);
    cluster.wait_until_ready();
    for server in 0..3 {
        told.iter().for_each(|client| client.check(&mut cluster.pipe(server)).unwrap());
    }
    cluster.serves();
}
