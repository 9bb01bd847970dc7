//! Servers in this process, in temporary folders, on free ports of the loopback; and a tiny client.

use bytes::{Bytes, BytesMut};
use clockwise::{
    folder::Folder,
    server::{Exit, Server, ServerHandle},
    settings::{Listen, Settings},
};
use clockwise_core::{
    ids::{Epoch, MemberNumber, NodeId},
    layout::{Addresses, Layout, LayoutSpec, Member},
    shard::Durability,
    version::{DigestKey, TokenKey},
};
use clockwise_wire::resp::{Reply, ReplyParser, encode_command};
use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    time::{Duration, Instant},
};

pub struct Cluster {
    pub servers: Vec<RunningServer>,
    _folders: tempfile::TempDir,
}

pub struct RunningServer {
    pub settings: Settings,
    pub handle: Option<ServerHandle>,
    pub node: NodeId,
}

fn free_addresses() -> [SocketAddr; 4] {
    let listeners = [(); 4].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    listeners.map(|listener| listener.local_addr().unwrap())
}

impl RunningServer {
    /// Tries to start; ports may have been taken by somebody else in between only for new servers.
    pub fn start(&mut self) {
        let folder = Folder::open(&self.settings).unwrap();
        self.node = folder.identity.node;
        self.handle = Some(Server::start(self.settings.clone(), folder).unwrap());
    }

    pub fn stop(&mut self) -> Exit {
        let handle = self.handle.take().unwrap();
        handle.shutdown();
        handle.wait()
    }

    pub fn handle(&self) -> &ServerHandle {
        self.handle.as_ref().unwrap()
    }

    pub fn client(&self) -> Client {
        Client::connect(self.settings.listen.cluster)
    }

    pub fn plain_client(&self) -> Client {
        Client::connect(self.settings.listen.plain)
    }
}

impl Cluster {
    /// Three servers with different numbers of shards, all acknowledged writes on disk.
    pub fn start(shards: [usize; 3]) -> Cluster {
        Cluster::start_with(&shards, |_| {})
    }

    pub fn start_with(shards: &[usize], change: impl Fn(&mut Settings)) -> Cluster {
        let mut cluster = Cluster::uninitialised(shards, change);
        let layout = cluster.layout([7; 16]);
        for server in &cluster.servers {
            server.handle().install_layout(Bytes::from(layout.encode())).unwrap();
        }
        cluster.wait_ready();
        cluster
    }

    pub fn uninitialised(shards: &[usize], change: impl Fn(&mut Settings)) -> Cluster {
        let folders = tempfile::tempdir().unwrap();
        let servers = shards.iter().enumerate().map(|(number, &shards)| {
            let [peer, cluster, plain, http] = free_addresses();
            let listen = Listen { peer, cluster, plain, http };
            let mut settings = Settings {
                data_dir: folders.path().join(format!("server-{number}")),
                listen,
                advertise: listen.addresses(),
                cluster_secret: b"secret".to_vec(),
                shards,
                durability: Durability::Sync,
                memtable_bytes: 4 << 20,
                cache_bytes: 4 << 20,
                ..Settings::default()
            };
            change(&mut settings);
            let mut server = RunningServer { settings, handle: None, node: NodeId([0; 20]) };
            server.start();
            server
        });
        Cluster { servers: servers.collect(), _folders: folders }
    }

    pub fn layout(&self, cluster: [u8; 16]) -> Layout {
        let members = self.servers.iter().zip(1..).map(|(server, number)| Member {
            number: MemberNumber(number),
            node: server.node,
            token_seed: u64::from(number),
            weight: 1,
            dc: "dc1".to_owned(),
            rack: "rack1".to_owned(),
            addresses: Addresses { ..server.settings.advertise.clone() },
        });
        Layout::new(LayoutSpec {
            cluster,
            epoch: Epoch(1),
            replicas: 3,
            token_key: TokenKey([3; 16]),
            digest_key: DigestKey([4; 16]),
            members: members.collect(),
        })
        .unwrap()
    }

    /// Waits until every running server sees every running one.
    pub fn wait_ready(&mut self) {
        let running = self.servers.iter().filter(|server| server.handle.is_some()).count();
        for server in self.servers.iter().filter(|server| server.handle.is_some()) {
            wait_until(&format!("{} sees {running} members", server.node), || {
                let status = server.handle().status();
                status.members.iter().filter(|member| member.live).count() == running
            });
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for server in &mut self.servers {
            if server.handle.is_some() {
                let exit = server.stop();
                if !std::thread::panicking() {
                    assert_eq!(exit, Exit::Clean);
                }
            }
        }
    }
}

pub fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !done() {
        assert!(Instant::now() < deadline, "gave up waiting: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

pub struct Client {
    pub stream: TcpStream,
    parser: ReplyParser,
    input: BytesMut,
}

impl Client {
    pub fn connect(address: SocketAddr) -> Client {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        stream.set_nodelay(true).unwrap();
        Client { stream, parser: ReplyParser::new(), input: BytesMut::new() }
    }

    /// Words of one line, as arguments.
    pub fn say(&mut self, line: &str) -> Reply {
        let words: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
        self.call(&words)
    }

    pub fn call(&mut self, arguments: &[&[u8]]) -> Reply {
        let mut bytes = Vec::new();
        encode_command(&mut bytes, arguments);
        self.stream.write_all(&bytes).unwrap();
        self.reply()
    }

    /// All lines in one write.
    pub fn send(&mut self, lines: &[String]) {
        let mut bytes = Vec::new();
        for line in lines {
            let words: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
            encode_command(&mut bytes, &words);
        }
        self.stream.write_all(&bytes).unwrap();
    }

    pub fn reply(&mut self) -> Reply {
        self.try_reply().expect("the connection is open")
    }

    /// `None`: the server closed the connection.
    pub fn try_reply(&mut self) -> Option<Reply> {
        loop {
            if let Some(reply) = self.parser.next(&mut self.input).unwrap() {
                return Some(reply);
            }
            let mut chunk = [0; 16 * 1024];
            match self.stream.read(&mut chunk).unwrap() {
                0 => return None,
                read => self.input.extend_from_slice(&chunk[..read]),
            }
        }
    }

    /// The text of a string or error, `(nil)`, or the number.
    pub fn text(&mut self, line: &str) -> String {
        text(&self.say(line))
    }
}

pub fn text(reply: &Reply) -> String {
    match reply {
        Reply::Integer(number) => number.to_string(),
        Reply::Null => "(nil)".to_owned(),
        Reply::Error(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        Reply::Array(items) => items.iter().map(text).collect::<Vec<_>>().join(" "),
        other => String::from_utf8_lossy(other.as_bytes().unwrap_or_default()).into_owned(),
    }
}
