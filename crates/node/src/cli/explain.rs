//! `explain`: where a key lives, and who holds which version of it.

use super::{Done, server::ServerFlags};
use crate::client::to_json;
use clap::Args;
use serde_json::Value;
use std::process::ExitCode;

/// Flags of `explain`.
#[derive(Args)]
pub struct Explain {
    /// The key
    key: String,
    /// Print the answer as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: ServerFlags,
}

impl Explain {
    /// Asks and prints.
    pub fn run(self) -> Done {
        let reply = self.server.connect()?.call(&[b"CW.EXPLAIN", self.key.as_bytes()])?;
        let mut answer = to_json(&reply);
        // The answer may be a text that is JSON itself.
        if let Some(inner) = answer.as_str().and_then(|text| serde_json::from_str(text).ok()) {
            answer = inner;
        }
        if self.json {
            println!("{}", serde_json::to_string_pretty(&answer)?);
        } else {
            let mut text = String::new();
            outline(&answer, 0, &mut text);
            print!("{text}");
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Nested names and values, indented.
fn outline(value: &Value, depth: usize, out: &mut String) {
    let indent = "  ".repeat(depth);
    let leaf = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Array(items) if items.is_empty() => Some("none".to_owned()),
        Value::Array(items) if items.iter().all(|item| !item.is_object() && !item.is_array()) => Some(
            items
                .iter()
                .map(|item| item.as_str().map_or(item.to_string(), str::to_owned))
                .collect::<Vec<_>>()
                .join(" "),
        ),
        Value::Object(_) | Value::Array(_) => None,
        Value::Null => Some("-".to_owned()),
        other => Some(other.to_string()),
    };
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                match leaf(field) {
                    Some(text) => out.push_str(&format!("{indent}{name}: {text}\n")),
                    None => {
                        out.push_str(&format!("{indent}{name}:\n"));
                        outline(field, depth + 1, out);
                    }
                }
            }
        }
        Value::Array(items) => {
            for item in items {
                let start = out.len();
                outline(item, depth + 1, out);
                // The first line of an item carries a dash.
                if out.len() >= start + indent.len() + 2 {
                    out.replace_range(start + indent.len()..start + indent.len() + 2, "- ");
                }
            }
        }
        other => out.push_str(&format!("{indent}{}\n", leaf(other).unwrap_or_default())),
    }
}

#[cfg(test)]
mod tests {
    use super::outline;
    use serde_json::json;

    #[test]
    fn nested_answers_are_indented() {
        let answer = json!({ "slot": 7, "owners": ["s1", "s2"], "holdings": [{ "member": "s1", "versions": [{ "clock": "([s1,1])" }] }] });
        let mut text = String::new();
        outline(&answer, 0, &mut text);
        assert_eq!(
            text,
            "slot: 7\nowners: s1 s2\nholdings:\n  - member: s1\n    versions:\n      - clock: ([s1,1])\n"
        );
    }
}
