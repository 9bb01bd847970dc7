//! Ports that nobody else has: blocks below the range from which the system gives out ports by itself, each
//! reserved by a lock on a file, so that tests of several programs do not meet.

use std::{
    fs::{File, OpenOptions},
    net::{Ipv4Addr, SocketAddr, TcpListener},
};

/// Servers that fit into a block.
const BLOCK: u16 = 10;
/// Cluster ports of a group; plain, HTTP and peer ports stand 1000 below and 1000 and 2000 above.
const GROUPS: [u16; 4] = [12_000, 16_000, 20_000, 24_000];

/// A block of ports, as long as it lives.
#[derive(Debug)]
pub struct Ports {
    /// Cluster port of the first server.
    pub base: u16,
    /// Where each server is; on this machine, if it is not said.
    pub hosts: Vec<Ipv4Addr>,
    _lock: File,
}

impl Ports {
    /// A block of which no port is in use.
    pub fn reserve() -> Ports {
        // Begin somewhere else in every process.
        let blocks = u32::from(1_000 / BLOCK) * GROUPS.len() as u32;
        let start = std::process::id() % blocks;
        for at in (start..start + blocks).map(|at| at % blocks) {
            let group = GROUPS[at as usize % GROUPS.len()];
            let base = group + BLOCK * u16::try_from(at / GROUPS.len() as u32).unwrap();
            let path = std::env::temp_dir().join(format!("clockwise-test-ports-{base}"));
            let Ok(lock) = OpenOptions::new().create(true).truncate(false).write(true).open(path) else {
                continue;
            };
            if lock.try_lock().is_ok() && is_free(base) {
                return Ports { base, hosts: Vec::new(), _lock: lock };
            }
        }
        panic!("no free ports");
    }

    /// Cluster, plain, HTTP and peer port of a server, from 0.
    pub fn of(&self, server: usize) -> [SocketAddr; 4] {
        let port = self.base + u16::try_from(server).unwrap();
        let host = self.hosts.get(server).copied().unwrap_or(Ipv4Addr::LOCALHOST);
        [port, port - 1_000, port + 1_000, port + 2_000].map(|port| SocketAddr::from((host, port)))
    }
}

fn is_free(base: u16) -> bool {
    [base, base - 1_000, base + 1_000, base + 2_000]
        .iter()
        .flat_map(|first| *first..first + BLOCK)
        .all(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok())
}
