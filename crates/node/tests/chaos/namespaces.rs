//! Servers in network namespaces of their own, joined by a bridge, with packet filters instead of the proxy: what is cut here
//! is dropped by the kernel, as by a broken switch.
//!
//! Needs root, `ip` and `nft`. Filters only drop; links are neither slow nor narrow here.

use super::proxy::Direction;
use std::{
    net::Ipv4Addr,
    process::{Command, Stdio},
    sync::Mutex,
};

/// Namespaces and a bridge, as long as this lives.
#[derive(Debug)]
pub struct Namespaces {
    /// Of each server.
    pub names: Vec<String>,
    pub hosts: Vec<Ipv4Addr>,
    bridge: String,
    /// Which senders each receiver drops.
    dropped: Mutex<Vec<Vec<bool>>>,
}

impl Namespaces {
    /// Makes them, or says why that cannot be done here.
    pub fn new(count: usize) -> Result<Namespaces, String> {
        let tag = std::process::id() % 10_000;
        // A network of its own for each run of this program.
        let net = |host: usize| Ipv4Addr::new(10, 100 + (tag % 100) as u8, (tag / 100) as u8, host as u8);
        let made = Namespaces {
            names: (0..count).map(|server| format!("cw{tag}n{server}")).collect(),
            hosts: (1..=count).map(net).collect(),
            bridge: format!("cw{tag}br"),
            dropped: Mutex::new(vec![vec![false; count]; count]),
        };
        run("ip", &["link", "add", &made.bridge, "type", "bridge"])?;
        run("ip", &["addr", "add", &format!("{}/24", net(254)), "dev", &made.bridge])?;
        run("ip", &["link", "set", &made.bridge, "up"])?;
        for (server, name) in made.names.iter().enumerate() {
            let outside = format!("cw{tag}v{server}");
            run("ip", &["netns", "add", name])?;
            run("ip", &["link", "add", &outside, "type", "veth", "peer", "name", "eth0", "netns", name])?;
            run("ip", &["link", "set", &outside, "master", &made.bridge, "up"])?;
            let address = format!("{}/24", made.hosts[server]);
            run("ip", &["-n", name, "addr", "add", &address, "dev", "eth0"])?;
            run("ip", &["-n", name, "link", "set", "eth0", "up"])?;
            run("ip", &["-n", name, "link", "set", "lo", "up"])?;
            made.nft(server, &["add", "table", "ip", "chaos"])?;
            let chain = "{ type filter hook input priority 0 ; }";
            made.nft(server, &["add", "chain", "ip", "chaos", "in", chain])?;
        }
        Ok(made)
    }

    fn nft(&self, server: usize, words: &[&str]) -> Result<(), String> {
        let name = &self.names[server];
        let mut all = vec!["netns", "exec", name, "nft"];
        all.extend(words);
        run("ip", &all)
    }

    /// Changes one direction: silent and cut are the same to a filter, all else is nothing.
    pub fn set(&self, from: usize, to: usize, change: impl FnOnce(&mut Direction)) {
        let mut dropped = self.dropped.lock().expect("nobody panics with it");
        let mut direction = Direction { silent: dropped[to][from], ..Direction::default() };
        change(&mut direction);
        dropped[to][from] = direction.silent || direction.cut;
        self.filter(to, &dropped[to]);
    }

    /// All directions are open again.
    pub fn heal(&self) {
        let mut dropped = self.dropped.lock().expect("nobody panics with it");
        for (to, senders) in dropped.iter_mut().enumerate() {
            senders.fill(false);
            self.filter(to, senders);
        }
    }

    fn filter(&self, to: usize, senders: &[bool]) {
        self.nft(to, &["flush", "chain", "ip", "chaos", "in"]).expect("the chain is there");
        for (from, _) in senders.iter().enumerate().filter(|(_, dropped)| **dropped) {
            let address = self.hosts[from].to_string();
            let rule = ["add", "rule", "ip", "chaos", "in", "ip", "saddr", &address, "drop"];
            self.nft(to, &rule).expect("the chain is there");
        }
    }
}

impl Drop for Namespaces {
    fn drop(&mut self) {
        for name in &self.names {
            let _ = run("ip", &["netns", "del", name]);
        }
        let _ = run("ip", &["link", "del", &self.bridge]);
    }
}

fn run(program: &str, words: &[&str]) -> Result<(), String> {
    let output = Command::new(program)
        .args(words)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("{program}: {error}"))?;
    match output.status.success() {
        true => Ok(()),
        false => {
            let why = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            Err(format!("{program} {}: {why}", words.join(" ")))
        }
    }
}
