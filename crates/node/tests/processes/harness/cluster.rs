//! A cluster of `clockwise start` processes.

use super::{Pipe, Ports, Process, clockwise, clockwise_in, eventually, finish};
use bytes::Bytes;
use clockwise::client::is_ready;
use clockwise_wire::resp::Reply;
use std::{
    fs,
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    path::PathBuf,
    process::Command,
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// Shared by the servers of all tests.
pub const SECRET: &str = "the secret of the test clusters";

/// Servers, some of which may be down.
#[derive(Debug)]
pub struct TestCluster {
    pub ports: Ports,
    pub folder: TempDir,
    pub servers: Vec<Option<Process>>,
    /// The network namespace of each server, if they have some.
    pub namespaces: Vec<String>,
    flags: Vec<String>,
    /// Of each server that is not started with another number.
    shards: u16,
}

impl TestCluster {
    /// Starts servers without making a cluster of them.
    pub fn servers(count: usize, flags: &[&str]) -> TestCluster {
        TestCluster::sharded(count, 1, flags)
    }

    fn sharded(count: usize, shards: u16, flags: &[&str]) -> TestCluster {
        let mut cluster = TestCluster::planned(count, shards, flags);
        (0..count).for_each(|server| cluster.start(server, &[]));
        cluster
    }

    /// Ports and folders for servers, none of which is started yet.
    pub fn planned(count: usize, shards: u16, flags: &[&str]) -> TestCluster {
        let cluster = TestCluster {
            ports: Ports::reserve(),
            folder: tempfile::tempdir().unwrap(),
            servers: (0..count).map(|_| None).collect(),
            namespaces: Vec::new(),
            flags: flags.iter().map(|flag| (*flag).to_owned()).collect(),
            shards,
        };
        fs::write(cluster.folder.path().join("secret"), SECRET).unwrap();
        cluster
    }

    /// Starts servers and makes a cluster of them; returns when it is ready.
    pub fn ready(count: usize, flags: &[&str]) -> TestCluster {
        TestCluster::ready_sharded(count, 1, flags)
    }

    /// The same with more shards in each server.
    pub fn ready_sharded(count: usize, shards: u16, flags: &[&str]) -> TestCluster {
        let cluster = TestCluster::sharded(count, shards, flags);
        let done = finish(cluster.init_command());
        assert_eq!(done.code, Some(0), "{done:?}");
        cluster.wait_until_ready();
        cluster.wait_until_all_meet();
        cluster
    }

    /// `init` for all of them.
    pub fn init_command(&self) -> Vec<String> {
        let mut command = vec!["init".to_owned()];
        for server in 0..self.servers.len() {
            self.wait_until_it_answers(server);
            command.extend(["--server".to_owned(), self.cluster(server).to_string()]);
        }
        command
    }

    /// Starts a server that is down; `more` flags win over those of the cluster.
    pub fn start(&mut self, server: usize, more: &[&str]) {
        let command = self.namespaces.get(server).map_or_else(clockwise, |namespace| clockwise_in(namespace));
        self.start_with(command, server, more);
    }

    /// The same with a command that ends with the binary.
    pub fn start_with(&mut self, mut command: Command, server: usize, more: &[&str]) {
        command.args(["start", "--stop-on-stdin-eof", "--data"]).arg(self.data(server));
        if !self.namespaces.is_empty() {
            command.args(["--insecure", "--host", &self.cluster(server).ip().to_string()]);
        }
        if !more.contains(&"--port") {
            command.args(["--port", &self.cluster(server).port().to_string()]);
        }
        if !more.contains(&"--cluster-secret-file") {
            command.arg("--cluster-secret-file").arg(self.folder.path().join("secret"));
        }
        if !more.contains(&"--shards") && !self.flags.iter().any(|flag| flag == "--shards") {
            command.args(["--shards", &self.shards.to_string()]);
        }
        command.args(&self.flags).args(more);
        let log = self.folder.path().join(format!("server{server}.log"));
        self.servers[server] = Some(Process::start(&mut command, &log));
    }

    /// `kill -9`.
    pub fn kill(&mut self, server: usize) {
        self.servers[server].take().expect("it runs").kill();
    }

    /// SIGTERM; the exit code must be 0.
    pub fn stop(&mut self, server: usize) {
        let process = self.servers[server].take().expect("it runs");
        assert_eq!(process.terminate(), Some(0), "server {server}:\n{}", self.log(server));
    }

    /// Waits for a server that ends by itself.
    pub fn wait(&mut self, server: usize, limit: Duration) -> std::process::ExitStatus {
        self.servers[server].take().expect("it runs").wait(limit)
    }

    pub fn process(&self, server: usize) -> &Process {
        self.servers[server].as_ref().expect("it runs")
    }

    pub fn data(&self, server: usize) -> PathBuf {
        self.folder.path().join(format!("server{server}"))
    }

    pub fn cluster(&self, server: usize) -> SocketAddr {
        self.ports.of(server)[0]
    }

    pub fn plain(&self, server: usize) -> SocketAddr {
        self.ports.of(server)[1]
    }

    pub fn http(&self, server: usize) -> SocketAddr {
        self.ports.of(server)[2]
    }

    pub fn peer(&self, server: usize) -> SocketAddr {
        self.ports.of(server)[3]
    }

    pub fn log(&self, server: usize) -> String {
        fs::read_to_string(self.folder.path().join(format!("server{server}.log"))).unwrap_or_default()
    }

    /// What `/metrics` says of one number: the sum over its lines that begin so.
    pub fn metric(&self, server: usize, begins: &str) -> f64 {
        self.metric_with(server, begins, "")
    }

    /// The sum of the samples whose line begins so and has this in it.
    pub fn metric_with(&self, server: usize, begins: &str, has: &str) -> f64 {
        let http = self.http(server);
        let mut stream = TcpStream::connect(http).unwrap();
        write!(stream, "GET /metrics HTTP/1.1\r\nHost: {http}\r\nConnection: close\r\n\r\n").unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        let lines: Vec<&str> =
            text.lines().filter(|line| line.starts_with(begins) && line.contains(has)).collect();
        assert!(!lines.is_empty(), "{begins} {has} is not in\n{text}");
        lines.iter().map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()).sum()
    }

    pub fn pipe(&self, server: usize) -> Pipe {
        Pipe::connect(self.cluster(server)).unwrap_or_else(|error| panic!("{error}: {}", self.log(server)))
    }

    /// One command to one server.
    pub fn call(&self, server: usize, command: &[&str]) -> Reply {
        let words: Vec<&[u8]> = command.iter().map(|word| word.as_bytes()).collect();
        self.pipe(server).call(&words).unwrap_or_else(|error| panic!("{command:?}: {error}"))
    }

    /// The same, again while too few servers seem to answer: on a busy machine a link may look silent for a moment, and
    /// `TRYAGAIN` says that nothing was applied.
    pub fn call_when_able(&self, server: usize, command: &[&str]) -> Reply {
        let mut reply = Reply::Null;
        eventually("enough servers answer", Duration::from_secs(10), || {
            reply = self.call(server, command);
            !matches!(&reply, Reply::Error(text) if text.starts_with(b"TRYAGAIN"))
        });
        reply
    }

    pub fn wait_until_it_answers(&self, server: usize) {
        eventually("an answer", Duration::from_secs(10), || {
            Pipe::connect(self.cluster(server)).is_ok_and(|mut pipe| pipe.call(&[b"PING"]).is_ok())
        });
    }

    /// Until every server that runs says that it is ready.
    pub fn wait_until_ready(&self) {
        let began = Instant::now();
        for server in (0..self.servers.len()).filter(|server| self.servers[*server].is_some()) {
            let http = self.http(server).to_string();
            while !matches!(is_ready(&http, Duration::from_secs(1)), Ok(Ok(()))) {
                assert!(began.elapsed() < Duration::from_secs(20), "server {server}:\n{}", self.log(server));
                std::thread::sleep(Duration::from_millis(10));
            }
        }
    }

    /// Until a read that needs all owners is answered through every server; all of them must run.
    pub fn wait_until_all_meet(&self) {
        for server in 0..self.servers.len() {
            eventually("all servers meet", Duration::from_secs(20), || {
                // Keys of all slots and so of all pairs of shards. Strict: at sloppy levels a stand-in answers for an
                // owner that is still held for down.
                let mut keys = (0..32).map(|key| format!("probe-{key}"));
                keys.all(|key| {
                    !matches!(self.call(server, &["CW.GET", &key, "R", "all", "STRICT"]), Reply::Error(_))
                })
            });
        }
    }

    /// Writes and reads back through every server that runs.
    pub fn serves(&self) {
        for server in (0..self.servers.len()).filter(|server| self.servers[*server].is_some()) {
            let value = format!("v{server}");
            let key = format!("serves-{server}");
            assert_eq!(self.call(server, &["SET", &key, &value]), ok(), "server {server}");
            assert_eq!(self.call(server, &["GET", &key]), Reply::Bulk(Bytes::from(value)), "server {server}");
        }
    }
}

/// `+OK`.
pub fn ok() -> Reply {
    Reply::Simple(Bytes::from_static(b"OK"))
}
