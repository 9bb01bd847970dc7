//! Which server gets which folder, ports and flags.

use super::{
    Dev,
    place::{Place, Shape},
};
use crate::settings::{DurabilityName, Listen, default_shards};
use std::{
    ffi::OsString,
    io,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
    time::Duration,
};

/// One server.
#[derive(Clone, Debug)]
pub(super) struct Member {
    /// From 1.
    pub(super) number: u16,
    /// Its sockets.
    pub(super) listen: Listen,
    /// Where its log goes.
    pub(super) log: PathBuf,
    /// What `clockwise` is started with.
    pub(super) flags: Vec<OsString>,
}

/// The whole cluster.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) shape: Shape,
    pub(super) members: Vec<Member>,
    /// This binary, to be started once for each server.
    pub(super) program: PathBuf,
    folder: PathBuf,
}

impl Plan {
    /// Fails if the ports do not fit.
    pub(super) fn new(place: &Place, shape: Shape, dev: &Dev) -> io::Result<Plan> {
        let listens = (0..shape.servers).map(|at| listen(shape, at)).collect::<Option<Vec<Listen>>>();
        let listens = listens.ok_or_else(|| {
            let why = format!("port {} leaves no room: take one from 1025 to 63000", shape.port);
            io::Error::new(io::ErrorKind::InvalidInput, why)
        })?;
        let shards = dev.shards.unwrap_or_else(|| default_shards(usize::from(shape.servers)));
        let mut members = Vec::with_capacity(listens.len());
        for (number, listen) in (1..).zip(&listens) {
            let folder = place.path.join(format!("server{number}"));
            let mut flags: Vec<OsString> =
                ["start", "--stop-on-stdin-eof", "--data"].map(OsString::from).to_vec();
            flags.push(folder.into());
            flags.extend(["--port".into(), listen.cluster.port().to_string().into()]);
            flags.extend(["--cluster-secret-file".into(), place.secret_file().into()]);
            flags.extend(["--shards".into(), shards.to_string().into()]);
            let durability = match dev.durability {
                DurabilityName::Sync => "sync",
                DurabilityName::Periodic => "periodic",
            };
            flags.extend(["--durability".into(), durability.into()]);
            flags.extend(dev.more.iter().cloned());
            let log = place.path.join(format!("server{number}.log"));
            members.push(Member { number, listen: *listen, log, flags });
        }
        Ok(Plan { shape, members, program: std::env::current_exe()?, folder: place.path.clone() })
    }

    /// Fails, before anything is started, if a port is taken.
    pub(super) fn check_ports(&self) -> io::Result<()> {
        for member in &self.members {
            for (name, address) in member.listen.named() {
                if let Err(error) = TcpListener::bind(address) {
                    let why = format!(
                        "{address} ({name} port of server {}) cannot be used: {error}; give another --port",
                        member.number
                    );
                    return Err(io::Error::new(error.kind(), why));
                }
            }
        }
        Ok(())
    }

    /// What is said when everything answers.
    pub(super) fn welcome(&self, pids: &[u32], took: Duration, verbose: bool) -> String {
        let mut text = format!(
            "ready in {:.1} s: {} servers, {} replicas, data in {}\n\n",
            took.as_secs_f64(),
            self.shape.servers,
            usize::from(self.shape.replicas).min(self.members.len()),
            self.folder.display()
        );
        for (member, pid) in self.members.iter().zip(pids) {
            let Listen { peer, cluster, plain, http } = member.listen;
            text.push_str(&format!(
                "  server {}  pid {pid:<7} cluster {cluster}  plain {plain}  http {http}  peer {peer}\n",
                member.number
            ));
        }
        if !verbose {
            text.push_str(&format!("  logs: {}/server*.log\n", self.folder.display()));
        }
        let first = &self.members[0].listen;
        let last = &self.members[self.members.len() - 1].listen;
        text.push_str(&format!(
            "\nTry, in another terminal:\n\
             \n  redis-cli -p {} set a 1\
             \n  redis-cli -p {} get a\
             \n  {} status --server {}\
             \n  curl http://{}/metrics\n\
             \nCtrl-C stops all of them; the data stays.",
            first.cluster.port(),
            last.cluster.port(),
            command_name(&self.program),
            first.cluster,
            first.http
        ));
        text
    }
}

/// How a user of this terminal calls the binary: by its name if it is found by that, else by its path.
pub(super) fn command_name(program: &Path) -> String {
    let name = program.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let search = std::env::var_os("PATH").unwrap_or_default();
    if std::env::split_paths(&search).any(|folder| folder.join(&name) == program) {
        return name;
    }
    let here = std::env::current_dir().ok();
    let near = here.as_ref().and_then(|here| program.strip_prefix(here).ok());
    near.unwrap_or(program).display().to_string()
}

fn listen(shape: Shape, at: u16) -> Option<Listen> {
    let socket = |offset: i32| {
        let port =
            u16::try_from(i32::from(shape.port) + i32::from(at) + offset).ok().filter(|port| *port > 0)?;
        Some(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
    };
    Some(Listen { peer: socket(2_000)?, cluster: socket(0)?, plain: socket(-1_000)?, http: socket(1_000)? })
}
