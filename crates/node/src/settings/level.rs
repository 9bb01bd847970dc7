//! Levels as text: `quorum`, `one`, `all` or a number, with `:strict` or `:sloppy` behind it.

use clockwise_core::request::{Level, Need};

/// Reads a level; sloppy unless `:strict` is said.
pub fn parse_level(text: &str) -> Result<Level, String> {
    let lower = text.trim().to_ascii_lowercase();
    let (need, manner) = lower.split_once(':').unwrap_or((&lower, "sloppy"));
    let strict = match manner {
        "strict" => true,
        "sloppy" => false,
        _ => return Err(wrong(text)),
    };
    let need = match need {
        "one" => Need::One,
        "quorum" => Need::Quorum,
        "all" => Need::All,
        number => match number.parse::<u8>() {
            Ok(count) if count > 0 => Need::Count(count),
            _ => return Err(wrong(text)),
        },
    };
    Ok(Level { need, strict })
}

fn wrong(text: &str) -> String {
    format!(
        "`{text}` is not a level: write one, quorum, all or a number from 1, and :strict behind it if only owners may count"
    )
}
