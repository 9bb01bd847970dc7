//! Precedence, refusals and their words.

use super::{ByteSize, Source, compression_text, load, parse_compression, parse_level};
use clap::Parser;
use clockwise_core::{
    request::{Level, Need},
    shard::Durability,
};
use clockwise_store::Compression;
use std::{io::Write, path::Path};

#[derive(Parser)]
struct Flags {
    #[command(flatten)]
    source: Source,
}

fn flags(args: &[&str]) -> Source {
    Flags::parse_from(std::iter::once(&"clockwise").chain(args)).source
}

fn file(text: &str) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file
}

fn refusal(args: &[&str], config: Option<&Path>) -> String {
    load(flags(args), config).unwrap_err().to_string()
}

#[test]
fn defaults_are_on_loopback() {
    let settings = load(flags(&[]), None).unwrap().settings;
    assert!(settings.listen.named().iter().all(|(_, address)| address.ip().is_loopback()));
    assert_eq!(settings.listen.cluster.port(), 7001);
    assert_eq!(settings.listen.plain.port(), 6001);
    assert_eq!(settings.listen.http.port(), 8001);
    assert_eq!(settings.listen.peer.port(), 9001);
    assert_eq!(settings.advertise.cluster, "127.0.0.1:7001");
    assert_eq!(settings.durability, Durability::Sync);
    assert_eq!(settings.disk_reserve_bytes, None);
}

#[test]
fn flags_win_over_the_file() {
    let config = file(
        "port = 7100\nmemtable = \"8MiB\"\ncache = 1048576\ndisk_reserve = \"2GiB\"\ndurability = \"periodic\"\nread_level = \"2:strict\"\n",
    );
    let settings = load(flags(&["--port", "7200"]), Some(config.path())).unwrap().settings;
    assert_eq!(settings.listen.cluster.port(), 7200);
    assert_eq!(settings.memtable_bytes, 8 << 20);
    assert_eq!(settings.cache_bytes, 1 << 20);
    assert_eq!(settings.disk_reserve_bytes, Some(2 << 30));
    assert_eq!(settings.durability, Durability::Periodic);
    assert_eq!(settings.read_level, Level { need: Need::Count(2), strict: true });
}

#[test]
fn compression_is_said_by_name() {
    let named = |name: &str| load(flags(&["--compression", name]), None).unwrap().settings.compression;
    assert_eq!(load(flags(&[]), None).unwrap().settings.compression, Compression::Lz4);
    assert_eq!(named("none"), Compression::None);
    assert_eq!(named("LZ4"), Compression::Lz4);
    assert_eq!(named("zstd"), Compression::Zstd { level: 3 });
    assert_eq!(named("zstd:19"), Compression::Zstd { level: 19 });
    for compression in [Compression::None, Compression::Lz4, Compression::Zstd { level: 7 }] {
        assert_eq!(parse_compression(&compression_text(compression)), Ok(compression));
    }
    for wrong in ["zip", "zstd:", "zstd:0", "zstd:20", "lz4:1", ""] {
        assert!(parse_compression(wrong).is_err(), "{wrong}");
    }
    let config = file("compression = \"zstd:9\"\n");
    let settings = load(flags(&[]), Some(config.path())).unwrap().settings;
    assert_eq!(settings.compression, Compression::Zstd { level: 9 });
    let wrong = file("port = 7100\ncompression = \"zip\"\n");
    let message = refusal(&[], Some(wrong.path()));
    assert!(message.contains("line 2") && message.contains("zip"), "{message}");
}

#[test]
fn a_secret_of_a_higher_source_hides_the_file_of_a_lower_one() {
    let secret = file("0123456789abcdef\n");
    let config = file(&format!("cluster_secret_file = {:?}\n", secret.path()));
    let from_file = load(flags(&[]), Some(config.path())).unwrap().settings;
    assert_eq!(from_file.cluster_secret, b"0123456789abcdef");
    let args = ["--cluster-secret", "fedcba9876543210"];
    let from_flag = load(flags(&args), Some(config.path())).unwrap().settings;
    assert_eq!(from_flag.cluster_secret, b"fedcba9876543210");
    assert!(!format!("{from_flag:?}").contains("fedcba"), "secrets stay out of logs");
}

#[test]
fn unknown_keys_are_refused_with_their_line() {
    let config = file("port = 7100\n\nprot = 7200\n");
    let message = refusal(&[], Some(config.path()));
    assert!(message.contains("line 3") && message.contains("prot"), "{message}");
    let wrong_value = file("port = 7100\nmemtable = \"8 elephants\"\n");
    let message = refusal(&[], Some(wrong_value.path()));
    assert!(message.contains("line 2") && message.contains("elephants"), "{message}");
    let message = refusal(&[], Some(Path::new("/nowhere/clockwise.toml")));
    assert!(message.contains("/nowhere/clockwise.toml"), "{message}");
}

#[test]
fn other_addresses_need_secret_and_password() {
    let open = ["--host", "10.0.0.1"];
    assert!(refusal(&open, None).contains("--cluster-secret-file"));
    let half = ["--host", "10.0.0.1", "--cluster-secret", "0123456789abcdef"];
    assert!(refusal(&half, None).contains("--password-file"));
    let whole = ["--host", "10.0.0.1", "--cluster-secret", "0123456789abcdef", "--password", "p"];
    load(flags(&whole), None).unwrap();
    load(flags(&["--host", "10.0.0.1", "--insecure"]), None).unwrap();
    let peer_only = ["--listen-peer", "10.0.0.1:9001", "--cluster-secret", "0123456789abcdef"];
    load(flags(&peer_only), None).unwrap();
}

#[test]
fn what_cannot_work_is_refused() {
    for (args, word) in [
        (&["--port", "500"][..], "--listen-plain"),
        (&["--port", "65000"], "--listen-"),
        (&["--listen-http", "127.0.0.1:0"], "port 0"),
        (&["--listen-http", "127.0.0.1:7001"], "both"),
        (&["--shards", "0"], "--shards"),
        (&["--shards", "17"], "--shards"),
        (&["--memtable", "1MiB"], "--memtable"),
        (&["--weight", "0"], "--weight"),
        (&["--timeout-ms", "0"], "--timeout-ms"),
        (&["--cluster-secret", "short"], "16"),
        (&["--host", "0.0.0.0", "--insecure"], "--advertise-host"),
        (&["--password", ""], "empty"),
        (&["--password", "x", "--password-file", "y"], "either"),
    ] {
        let message = refusal(args, None);
        assert!(message.contains(word), "{args:?}: {message}");
    }
}

#[test]
fn sizes_have_units() {
    for (text, bytes) in [("64MiB", 64 << 20), ("1gib", 1 << 30), ("500 kB", 500_000), ("7", 7), ("7B", 7)] {
        assert_eq!(text.parse(), Ok(ByteSize(bytes)), "{text}");
    }
    for text in ["", "MiB", "-1", "1.5GiB", "64 MiBs", "99999999999999999999", "18446744073709551615TiB"] {
        assert!(text.parse::<ByteSize>().is_err(), "{text}");
    }
    assert_eq!(ByteSize(64 << 20).to_string(), "64MiB");
    assert_eq!(ByteSize(1000).to_string(), "1000");
}

#[test]
fn levels_are_read() {
    assert_eq!(parse_level("quorum"), Ok(Level::DEFAULT));
    assert_eq!(parse_level("ALL:strict"), Ok(Level { need: Need::All, strict: true }));
    assert_eq!(parse_level("3:sloppy"), Ok(Level { need: Need::Count(3), strict: false }));
    for text in ["", "0", "most", "quorum:", "quorum:very", "256", "-1"] {
        assert!(parse_level(text).is_err(), "{text}");
    }
}
