//! `clockwise dev` as a user has it.

use super::harness::{Pipe, Ports, Process, alone, clockwise, eventually, finish};
use bytes::Bytes;
use clockwise_wire::resp::Reply;
use std::{
    fs,
    net::{SocketAddr, TcpListener, TcpStream},
    path::Path,
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// Start until "ready", as the first page of the README promises.
const READY: Duration = Duration::from_secs(3);
/// When all servers were killed recovery comes on top.
const BACK: Duration = Duration::from_secs(10);

struct Dev {
    process: Process,
    ports: Ports,
    folder: TempDir,
}

impl Dev {
    fn start(ports: Ports, folder: TempDir, within: Duration) -> Dev {
        let began = Instant::now();
        // A log of its own for every start.
        let name = format!("dev-{}.log", fs::read_dir(folder.path()).unwrap().count());
        let process = run(&ports, &folder.path().join("data"), &folder.path().join(name));
        let mut dev = Dev { process, ports, folder };
        eventually("dev says that it is ready", Duration::from_secs(20), || {
            assert!(dev.process.is_running(), "{}{}", dev.process.out(), dev.process.err());
            dev.process.out().contains("Ctrl-C stops")
        });
        assert!(began.elapsed() < within, "ready after {:?}: {}", began.elapsed(), dev.process.out());
        dev
    }

    fn new() -> Dev {
        Dev::start(Ports::reserve(), tempfile::tempdir().unwrap(), READY)
    }

    fn call(&self, port: SocketAddr, command: &[&[u8]]) -> Reply {
        Pipe::connect(port)
            .and_then(|mut pipe| pipe.call(command))
            .unwrap_or_else(|error| panic!("{port}: {error}"))
    }

    /// Stops it in order; what it needs to be started again is left.
    fn stop(self) -> (Ports, TempDir) {
        assert_eq!(self.process.terminate(), Some(0));
        (self.ports, self.folder)
    }

    fn pids(&self) -> Vec<String> {
        let out = self.process.out();
        let pids = out
            .lines()
            .filter_map(|line| line.split("pid ").nth(1))
            .filter_map(|rest| rest.split(' ').next());
        pids.map(str::to_owned).collect()
    }
}

fn run(ports: &Ports, data: &Path, log: &Path) -> Process {
    let mut command = clockwise();
    command.args(["dev", "--port", &ports.base.to_string(), "--data"]).arg(data);
    Process::start(&mut command, log)
}

fn refuses(port: SocketAddr) -> bool {
    TcpStream::connect(port).is_err()
}

#[test]
fn a_cluster_is_ready_in_time_and_its_data_comes_back() {
    let _turn = alone();
    let dev = Dev::new();
    let ports: Vec<[SocketAddr; 4]> = (0..3).map(|server| dev.ports.of(server)).collect();
    assert_eq!(dev.call(ports[0][0], &[b"SET", b"a", b"1"]), Reply::Simple(Bytes::from_static(b"OK")));
    assert_eq!(dev.call(ports[1][0], &[b"GET", b"a"]), Reply::Bulk(Bytes::from_static(b"1")));
    assert_eq!(dev.call(ports[2][1], &[b"GET", b"a"]), Reply::Bulk(Bytes::from_static(b"1")));
    assert_eq!(dev.pids().len(), 3, "{}", dev.process.out());
    for hint in ["redis-cli -p", "clockwise status", "/metrics"] {
        assert!(dev.process.out().contains(hint), "{}", dev.process.out());
    }
    let (reserved, folder) = dev.stop();
    assert!(ports.iter().flatten().all(|port| refuses(*port)), "something still listens");
    // In a folder of another life `--port` may be left out, but not changed.
    let data = folder.path().join("data");
    let other = finish(["dev", "--port", "7001", "--data", &data.to_string_lossy()]);
    assert_eq!(other.code, Some(1));
    assert!(other.err.contains(&format!("from port {}", reserved.base)), "{}", other.err);
    let dev = Dev::start(reserved, folder, BACK);
    assert_eq!(dev.call(ports[2][0], &[b"GET", b"a"]), Reply::Bulk(Bytes::from_static(b"1")));
    let secret = dev.folder.path().join("data/cluster-secret");
    assert_eq!(fs::read_to_string(secret).unwrap().trim().len(), 64);
    dev.stop();
}

#[test]
fn it_says_when_a_server_ends_and_restarts_none() {
    let _turn = alone();
    let mut dev = Dev::new();
    let victim = dev.pids()[1].clone();
    assert!(std::process::Command::new("kill").args(["-9", &victim]).status().unwrap().success());
    eventually("dev says so", Duration::from_secs(5), || dev.process.err().contains("server 2"));
    let err = dev.process.err();
    assert!(
        err.contains(&victim) && err.contains("the others go on") && err.contains("clockwise start"),
        "{err}"
    );
    std::thread::sleep(Duration::from_millis(500));
    assert!(refuses(dev.ports.of(1)[0]), "nobody restarted it");
    assert!(dev.process.is_running());
    let ok = dev.call(dev.ports.of(0)[0], &[b"SET", b"b", b"2"]);
    assert_eq!(ok, Reply::Simple(Bytes::from_static(b"OK")));
    dev.stop();
}

#[test]
fn servers_do_not_outlive_a_killed_dev() {
    let _turn = alone();
    let dev = Dev::new();
    let ports = [dev.ports.of(0)[0], dev.ports.of(1)[0], dev.ports.of(2)[0]];
    let Dev { process, ports: reserved, folder } = dev;
    process.kill();
    eventually("all servers are gone", Duration::from_secs(5), || ports.iter().all(|port| refuses(*port)));
    // And they stopped in order, so that the next start is a clean one.
    eventually("all stopped cleanly", Duration::from_secs(5), || {
        (1..=3).all(|server| {
            let log = folder.path().join(format!("data/server{server}.log"));
            fs::read_to_string(log).unwrap().contains("stopped cleanly")
        })
    });
    Dev::start(reserved, folder, BACK).stop();
}

#[test]
fn a_port_in_use_is_found_before_anything_starts() {
    let _turn = alone();
    let ports = Ports::reserve();
    let folder = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind(ports.of(2)[2]).unwrap();
    let mut process = run(&ports, &folder.path().join("data"), &folder.path().join("dev.log"));
    assert_eq!(process.wait(Duration::from_secs(5)).code(), Some(1));
    let err = process.err();
    assert!(err.contains(&taken.local_addr().unwrap().to_string()) && err.contains("--port"), "{err}");
    assert!(!folder.path().join("data/server1").exists());
}

#[test]
fn two_devs_do_not_share_a_folder() {
    let _turn = alone();
    let dev = Dev::new();
    let other = Ports::reserve();
    let mut second = run(&other, &dev.folder.path().join("data"), &dev.folder.path().join("second.log"));
    assert_eq!(second.wait(Duration::from_secs(5)).code(), Some(1));
    assert!(second.err().contains("another `clockwise dev`"), "{}", second.err());
    dev.stop();
}
