//! `CONFIG GET`: what clients and benchmarks ask for, answered truthfully. There is no `CONFIG SET`.

use crate::settings::{Settings, compression_text};
use bytes::Bytes;
use clockwise_core::{
    limits::VALUE_BYTES,
    request::{Level, Need},
    shard::Durability,
};
use clockwise_wire::{glob, resp::ReplyWriter};

/// How R and W are written.
pub(super) fn need_text(need: Need) -> String {
    match need {
        Need::Count(count) => count.to_string(),
        Need::One => "one".to_owned(),
        Need::Quorum => "quorum".to_owned(),
        Need::All => "all".to_owned(),
    }
}

fn level_text(level: Level) -> String {
    format!("{}{}", need_text(level.need), if level.strict { " strict" } else { "" })
}

/// Names and values; names that Redis has mean the same here.
fn all(settings: &Settings) -> Vec<(&'static str, String)> {
    let periodic = settings.durability == Durability::Periodic;
    let yes_no = |yes: bool| if yes { "yes" } else { "no" }.to_owned();
    vec![
        ("appendfsync", if periodic { "everysec" } else { "always" }.to_owned()),
        ("appendonly", yes_no(true)),
        ("cluster-enabled", yes_no(true)),
        ("cw-clock-threshold", settings.clock_threshold.to_string()),
        ("cw-compression", compression_text(settings.compression)),
        ("cw-down-after-ms", settings.down_after_ms.to_string()),
        ("cw-durability", if periodic { "periodic" } else { "sync" }.to_owned()),
        ("cw-gossip-interval-ms", settings.gossip_interval_ms.to_string()),
        ("cw-read-level", level_text(settings.read_level)),
        ("cw-shards", settings.shards.to_string()),
        ("cw-timeout-ms", settings.timeout_ms.to_string()),
        ("cw-write-level", level_text(settings.write_level)),
        ("databases", "1".to_owned()),
        ("dir", settings.data_dir.display().to_string()),
        ("maxclients", settings.max_connections.to_string()),
        ("maxmemory", "0".to_owned()),
        ("maxmemory-policy", "noeviction".to_owned()),
        ("port", settings.listen.cluster.port().to_string()),
        ("proto-max-bulk-len", VALUE_BYTES.to_string()),
        ("save", String::new()),
        ("timeout", "0".to_owned()),
    ]
}

/// Settings whose name matches any of the patterns, each once.
pub(super) fn find(settings: &Settings, patterns: &[Bytes]) -> Vec<(&'static str, String)> {
    let matches = |name: &str| patterns.iter().any(|pattern| glob::matches(pattern, name.as_bytes(), true));
    all(settings).into_iter().filter(|(name, _)| matches(name)).collect()
}

/// Writes what was found.
pub(super) fn write(found: &[(&'static str, String)], writer: &mut ReplyWriter<'_>) {
    writer.map(found.len());
    for (name, value) in found {
        writer.bulk(name.as_bytes());
        writer.bulk(value.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs_find_settings_once_and_unknown_names_find_nothing() {
        let settings = Settings::default();
        let names = |patterns: &[&'static str]| {
            let patterns: Vec<Bytes> = patterns.iter().map(|pattern| Bytes::from(*pattern)).collect();
            find(&settings, &patterns).into_iter().map(|(name, _)| name).collect::<Vec<_>>()
        };
        assert_eq!(names(&["save", "APPENDONLY", "append*"]), ["appendfsync", "appendonly", "save"]);
        assert!(names(&["no-such-setting"]).is_empty());
    }
}
