//! Compression as text: `none`, `lz4`, `zstd`, or `zstd:LEVEL`.

use clockwise_store::Compression;

/// Level of zstd where none is said.
const ZSTD_LEVEL: u8 = 3;

/// Reads a compression.
pub fn parse_compression(text: &str) -> Result<Compression, String> {
    let lower = text.trim().to_ascii_lowercase();
    match lower.split_once(':') {
        None if lower == "none" => Ok(Compression::None),
        None if lower == "lz4" => Ok(Compression::Lz4),
        None if lower == "zstd" => Ok(Compression::Zstd { level: ZSTD_LEVEL }),
        Some(("zstd", level)) => match level.parse() {
            Ok(level @ 1..=19) => Ok(Compression::Zstd { level }),
            _ => Err(format!("`{text}`: the level of zstd is a number from 1 to 19")),
        },
        _ => Err(format!("`{text}` is no compression: write none, lz4, zstd or zstd:LEVEL")),
    }
}

/// As [`parse_compression`] reads it.
pub fn compression_text(compression: Compression) -> String {
    match compression {
        Compression::None => "none".to_owned(),
        Compression::Lz4 => "lz4".to_owned(),
        Compression::Zstd { level } => format!("zstd:{level}"),
    }
}
