//! What a server refuses to start with, and what it assumes where nothing is said.

use super::{ByteSize, Listen, LogFormat, Settings, Source};
use clockwise_core::{
    layout::Addresses,
    limits::{CELLS, MAX_TIMEOUT_MS, NAME_BYTES, SILENT_MS},
};
use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::Path,
};

/// Shortest cluster secret, in bytes.
const SECRET_BYTES_MIN: usize = 16;
/// Longest secret or password, in bytes.
const SECRET_BYTES_MAX: usize = 4 * 1024;
/// Least memory for memtables, in bytes: below it a single large value would not fit.
const MEMTABLE_BYTES_MIN: usize = 4 << 20;

/// Why the settings are refused, in words for whoever wrote them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SettingsError(pub String);

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for SettingsError {}

/// How logs are written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LogSettings {
    /// A level or filters.
    pub filter: String,
    /// Text or JSON.
    pub format: LogFormat,
}

/// What came out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Checked {
    /// For the server.
    pub settings: Settings,
    /// For its logs.
    pub log: LogSettings,
}

/// Fills in defaults and refuses what cannot work or is not safe.
pub(super) fn check(source: Source) -> Result<Checked, SettingsError> {
    let defaults = Settings::default();
    let listen = listen(&source)?;
    let log = LogSettings {
        filter: source.log_level.clone().unwrap_or_else(|| "info".to_owned()),
        format: source.log_format.unwrap_or_default(),
    };
    let settings = Settings {
        advertise: advertise(&listen, source.advertise_host.as_deref())?,
        listen,
        cluster_secret: secret(
            "cluster-secret",
            &source.cluster_secret,
            source.cluster_secret_file.as_deref(),
        )?
        .unwrap_or_default()
        .into_bytes(),
        password: secret("password", &source.password, source.password_file.as_deref())?,
        data_dir: source.data.unwrap_or(defaults.data_dir),
        node_id: source.node_id,
        shards: source.shards.unwrap_or(defaults.shards),
        durability: source.durability.map_or(defaults.durability, Into::into),
        sync_every_ms: source.sync_every_ms.unwrap_or(defaults.sync_every_ms),
        memtable_bytes: source.memtable.map_or(defaults.memtable_bytes, |size| size.0),
        cache_bytes: source.cache.map_or(defaults.cache_bytes, |size| size.0),
        disk_reserve_bytes: source.disk_reserve.map(|size| size.0 as u64),
        hint_bytes: source.hints.map_or(defaults.hint_bytes, |size| size.0 as u64),
        compression: source.compression.unwrap_or(defaults.compression),
        dc: source.dc.unwrap_or(defaults.dc),
        rack: source.rack.unwrap_or(defaults.rack),
        weight: source.weight.unwrap_or(defaults.weight),
        read_level: source.read_level.unwrap_or(defaults.read_level),
        write_level: source.write_level.unwrap_or(defaults.write_level),
        timeout_ms: source.timeout_ms.unwrap_or(defaults.timeout_ms),
        clock_threshold: source.clock_threshold.unwrap_or(defaults.clock_threshold),
        gossip_interval_ms: source.gossip_interval_ms.unwrap_or(defaults.gossip_interval_ms),
        down_after_ms: source.down_after_ms.unwrap_or(defaults.down_after_ms),
        max_connections: source.max_connections.unwrap_or(defaults.max_connections),
        insecure: source.insecure.unwrap_or(false),
    };
    bounds(&settings)?;
    safety(&settings)?;
    Ok(Checked { settings, log })
}

fn listen(source: &Source) -> Result<Listen, SettingsError> {
    let host = source.host.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
    let base = source.port.unwrap_or(7001);
    let derived = |name: &str, own: Option<SocketAddr>, offset: i32| match own {
        Some(address) => Ok(address),
        None => match u16::try_from(i32::from(base) + offset) {
            Ok(port) if port > 0 => Ok(SocketAddr::new(host, port)),
            _ => refuse(format!("port {base} leaves no port for {name} ({offset:+}): give --listen-{name}")),
        },
    };
    let listen = Listen {
        peer: derived("peer", source.listen_peer, 2_000)?,
        cluster: derived("cluster", source.listen_cluster, 0)?,
        plain: derived("plain", source.listen_plain, -1_000)?,
        http: derived("http", source.listen_http, 1_000)?,
    };
    let named = listen.named();
    for (at, (name, address)) in named.iter().enumerate() {
        if address.port() == 0 {
            return refuse(format!("--listen-{name} {address}: port 0 cannot be advertised to others"));
        }
        if let Some((other, _)) = named[..at].iter().find(|(_, earlier)| earlier == address) {
            return refuse(format!("{other} and {name} cannot both listen on {address}"));
        }
    }
    Ok(listen)
}

fn advertise(listen: &Listen, host: Option<&str>) -> Result<Addresses, SettingsError> {
    let text = |address: SocketAddr| match host {
        Some(host) if host.contains(':') && !host.starts_with('[') => format!("[{host}]:{}", address.port()),
        Some(host) => format!("{host}:{}", address.port()),
        None => address.to_string(),
    };
    if host.is_none() && listen.named().iter().any(|(_, address)| address.ip().is_unspecified()) {
        return refuse(
            "bound to every address of this machine: say with --advertise-host under which one others \
                       reach it",
        );
    }
    if host.is_some_and(|host| host.is_empty() || host.len() + 8 > NAME_BYTES) {
        return refuse("--advertise-host is empty or too long");
    }
    Ok(Addresses {
        peer: text(listen.peer),
        cluster: text(listen.cluster),
        plain: text(listen.plain),
        http: text(listen.http),
    })
}

fn secret(name: &str, text: &Option<String>, file: Option<&Path>) -> Result<Option<String>, SettingsError> {
    let found = match (text, file) {
        (Some(_), Some(_)) => return refuse(format!("give either --{name} or --{name}-file")),
        (None, None) => return Ok(None),
        (Some(text), None) => text.clone(),
        (None, Some(file)) => {
            let unreadable =
                |e: std::io::Error| SettingsError(format!("--{name}-file {}: {e}", file.display()));
            if std::fs::metadata(file).map_err(unreadable)?.len() > SECRET_BYTES_MAX as u64 {
                return refuse(format!(
                    "--{name}-file {}: longer than {SECRET_BYTES_MAX} bytes",
                    file.display()
                ));
            }
            // Editors and `echo` end a file with a line feed that nobody means.
            let text = std::fs::read_to_string(file).map_err(unreadable)?;
            text.trim_end_matches(['\r', '\n']).to_owned()
        }
    };
    if found.is_empty() || found.len() > SECRET_BYTES_MAX {
        return refuse(format!("the {name} is empty or longer than {SECRET_BYTES_MAX} bytes"));
    }
    Ok(Some(found))
}

fn bounds(settings: &Settings) -> Result<(), SettingsError> {
    let s = settings;
    let secret = s.cluster_secret.len();
    let rules = [
        (
            secret == 0 || secret >= SECRET_BYTES_MIN,
            format!("the cluster secret has {secret} bytes: take at least {SECRET_BYTES_MIN}"),
        ),
        ((1..=usize::from(CELLS)).contains(&s.shards), format!("--shards {}: 1 to {CELLS}", s.shards)),
        ((1..=60_000).contains(&s.sync_every_ms), format!("--sync-every-ms {}: 1 to 60000", s.sync_every_ms)),
        (
            s.memtable_bytes >= MEMTABLE_BYTES_MIN,
            format!("--memtable {}: at least {}", ByteSize(s.memtable_bytes), ByteSize(MEMTABLE_BYTES_MIN)),
        ),
        (!s.dc.is_empty() && s.dc.len() <= NAME_BYTES, format!("--dc: 1 to {NAME_BYTES} bytes")),
        (!s.rack.is_empty() && s.rack.len() <= NAME_BYTES, format!("--rack: 1 to {NAME_BYTES} bytes")),
        (s.weight >= 1, "--weight 0: at least 1".to_owned()),
        (
            (1..=MAX_TIMEOUT_MS).contains(&s.timeout_ms),
            format!("--timeout-ms {}: 1 to {MAX_TIMEOUT_MS}", s.timeout_ms),
        ),
        (s.clock_threshold >= 1, "--clock-threshold 0: at least 1".to_owned()),
        (
            (20..=10_000).contains(&s.gossip_interval_ms),
            format!("--gossip-interval-ms {}: 20 to 10000", s.gossip_interval_ms),
        ),
        (
            (SILENT_MS.max(5 * s.gossip_interval_ms)..=600_000).contains(&s.down_after_ms),
            format!(
                "--down-after-ms {}: {SILENT_MS} to 600000, and at least five --gossip-interval-ms",
                s.down_after_ms
            ),
        ),
        (s.max_connections >= 1, "--max-connections 0: at least 1".to_owned()),
    ];
    match rules.into_iter().find(|(holds, _)| !holds) {
        Some((_, message)) => Err(SettingsError(message)),
        None => Ok(()),
    }
}

/// Doors that are open to other machines need a lock.
fn safety(settings: &Settings) -> Result<(), SettingsError> {
    if settings.insecure {
        return Ok(());
    }
    for (name, address) in settings.listen.named() {
        let (missing, what) = match name {
            "peer" => (settings.cluster_secret.is_empty(), "--cluster-secret-file"),
            _ => (settings.password.is_none(), "--password-file"),
        };
        if missing && !address.ip().is_loopback() {
            return refuse(format!(
                "{name} would listen on {address}, which other machines can reach: give {what}, \
                 or --insecure if that is meant"
            ));
        }
    }
    Ok(())
}

fn refuse<T>(message: impl Into<String>) -> Result<T, SettingsError> {
    Err(SettingsError(message.into()))
}
